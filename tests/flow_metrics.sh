#!/bin/bash
# /metrics: what it counts is what the upstream has billed, in a form that Prometheus takes; the dashboard
# names only what is there; the log says the same by OpenTelemetry's names.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"
. "$(dirname "$0")/lib_ceilings.sh"

RUN_OPTIONS=(--job outreach)

scrape() { curl -sSf "http://127.0.0.1:$PORT/metrics" >"$WORK/metrics"; }

# value SERIES: as it stands in the last scrape; a sum over all of those whose line begins so. Whole numbers.
value() { awk -v series="$1" 'index($0, series) == 1 { sum += $NF } END { print sum + 0 }' "$WORK/metrics"; }
tokens() { awk -v kind="kind=\"$1\"" '/^reeve_exchange_tokens_total/ && index($0, kind) { sum += $NF } END { print sum + 0 }' "$WORK/metrics"; }
dollars() {
    python3 -c 'import decimal, sys
print(sum(decimal.Decimal(line.split()[-1]) for line in open(sys.argv[1]) if line.startswith("reeve_exchange_cost")))' \
        "$WORK/metrics"
}
in_books() { jq -n "[inputs | select(.kind == \"messages\") | $1] | add // 0" "$FAKE_BOOKS"; }
all_is_settled() { books_are_quiet && scrape && [ "$(value reeve_exchanges_in_flight)" = 0 ]; }

# What the strict reader says of the last scrape.
reads() { python3 "$TOP/tests/prometheus_text.py" "$WORK/metrics" "$@"; }

try_form() {
    local promtool
    check "every line is in Prometheus' form, and every name by its rules" reads
    check "the dashboard names only metrics that are there" reads --used-by "$TOP/packaging/grafana/reeve.json"
    promtool=$(command -v promtool || ls "$TOP/build/promtool/usr/bin/promtool" 2>/dev/null)
    if [ -n "$promtool" ]; then
        check "promtool check metrics" "$promtool" check metrics <"$WORK/metrics"
    else
        skip "promtool check metrics" "promtool is not installed; \`make check-page\` fetches it"
    fi
}

try_counts() {
    local kind
    loop --agents 2 --requests 4 --model claude-haiku-5-5 --max-tokens 2000 --stream
    RUN_OPTIONS=(--job nightly)
    loop --requests 3 --model claude-opus-5-5 --max-tokens 2000
    loop --requests 1 --model claude-of-nobody --max-tokens 2000
    loop --requests 1 --model claude-opus-5-5 --script '{"status":400}'
    check "everything settles" wait_until 20 all_is_settled
    equal "exchanges by job and model" "8 4" \
        "$(value 'reeve_exchanges_total{job="outreach",model="claude-haiku-5-5"}') $(
            value 'reeve_exchanges_total{job="nightly",model="claude-opus-5-5"}')"
    equal "a model of nobody's makes no series" "1 0" \
        "$(value 'reeve_exchanges_total{job="nightly",model="other"}') $(grep -c claude-of-nobody "$WORK/metrics")"
    equal "every exchange that the upstream has had is counted" "$(books_count)" "$(value reeve_exchanges_total)"
    for kind in input output; do
        equal "$kind tokens are the upstream's" "$(in_books ".usage.${kind}_tokens // 0")" \
            "$(tokens $kind)"
    done
    equal "errors of the upstream by status" "1 1" "$(value 'reeve_upstream_errors_total{status="400"}') $(
        value 'reeve_upstream_errors_total{status="404"}')"
    equal "each message's added latency and first byte are in a bucket" "$(books_count) $(books_count)" \
        "$(value reeve_added_latency_seconds_count) $(value reeve_first_byte_seconds_count)"
    equal "runs by how they ended" "4" "$(value 'reeve_runs_ended_total{reason="exited"}')"
    equal "dollars are what the ceilings count" \
        "$("$REEVE" status --json | jq -r '.ceilings[] | select(.scope == "box" and .period == "day").settled')" \
        "$(dollars)"
}

try_refusals() {
    local url=http://127.0.0.1:$PORT
    curl -sS -X POST "$url/v1/messages" -H 'x-api-key: nobody' -d '{}' >/dev/null
    scrape
    equal "refused by reason" 1 "$(value 'reeve_refusals_total{reason="run_key"}')"
    equal "a name that was pointed here is refused" 421 \
        "$(curl -sS -o /dev/null -w '%{http_code}' -H 'Host: evil.example' "$url/metrics")"
    equal "another site is refused" 403 \
        "$(curl -sS -o /dev/null -w '%{http_code}' -H 'Origin: http://evil.example' "$url/metrics")"
    equal "it can only be read" 405 "$(curl -sS -o /dev/null -w '%{http_code}' -X POST -d x "$url/metrics")"
}

# The sum of an attribute over the log's exchanges.
logged() { grep '^exchange ' "$WORK/serve.log" | grep -o " $1=[0-9.]*" | cut -d= -f2 | awk '{ sum += $1 } END { print sum + 0 }'; }

try_log() {
    equal "the log has the same tokens under OpenTelemetry's name" "$(tokens output)" \
        "$(logged gen_ai.usage.output_tokens)"
    check "and says who asked for what, and what answered" grep -qE \
        '^exchange .* job=outreach .*gen_ai.provider.name=anthropic gen_ai.request.model=claude-haiku-5-5 gen_ai.response.model=claude-haiku-5-5 http.response.status_code=200 ' \
        "$WORK/serve.log"
}

cat >"$WORK/reeve.conf" <<END
[Reeve]
Ledger=host=/nonexistent
Slots=2
CostMaxPerDay=\$50
[Job outreach]
TokensMaxPerDay=10000K
END
(umask 077 && echo "$SECRET" >"$WORK/credential")
start_fake --accept "$SECRET" || not_ok "the fake starts"
start_reeve || not_ok "reeve serve starts"
scrape
check "before anything has happened, it is read as well" reads
try_counts
try_refusals
try_form
try_log
flow_end
