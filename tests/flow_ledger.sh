#!/bin/bash
# The books from a user's side: reeve ledger and reeve report, with the daemon and without it, with a
# feed that hangs, and moved to another Postgres.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"

SECRET=sk-ant-api03-of-the-account
export TZ=UTC

# load REQUESTS SEED: under reeve run, so with nothing but what it sets.
load() {
    "$REEVE" run --job load -- sh -c 'exec python3 "$0" --url "$ANTHROPIC_BASE_URL" "$@"' \
        "$TOP/tests/load_client.py" --in-flight 8 --mix exact --requests "$1" --seed "$2"
}

# serve ARGUMENT…
serve() {
    start_serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" \
        --credential "$WORK/credential" "$@"
}

# Picodollars out of a report's total.
report_cost() {
    "$REEVE" report --by job --json "$@" | python3 -c '
import decimal, json, sys
print(int(decimal.Decimal(json.load(sys.stdin)["total"]["cost_usd"]) * 10**12))'
}

# sql DATABASE STATEMENT: past reeve, in the private Postgres.
sql() { psql -X -q -A -t -h "$REEVE_STATE_DIR/postgres" -U reeve -d "$1" -c "$2"; }

feed_pid() { pgrep -P "$SERVE_PID" -f 'ledger feed'; }
status_is_level() { [ "$("$REEVE" ledger status --json | jq '.journals[0].lag_bytes')" = 0 ]; }

umask 077
echo "$SECRET" >"$WORK/credential"
check "the fake starts" start_fake --accept "$SECRET"
check "reeve serve starts" serve
check "60 exchanges are answered" load 60 1
check "they come into the ledger" wait_until 60 ledger_is_complete
equal "the report's total is the upstream's" "$(books_cost)" "$(report_cost)"
check "the status has no lag" wait_until 30 status_is_level
equal "the status counts them" 60 "$("$REEVE" ledger status --json | jq .exchanges)"
check "the books add up" "$REEVE" ledger verify
check "most exchanges are priced again for it" test \
    "$("$REEVE" ledger verify --json | jq '.[] | select(.check == "prices").checked')" -gt 30
equal "the export has a line for each" 60 "$("$REEVE" ledger export --format json | jq -s length)"
equal "and the same sum" "$(books_cost)" "$("$REEVE" ledger export --json | python3 -c '
import decimal, json, sys
print(int(sum(decimal.Decimal(json.loads(line)["cost_usd"]) for line in sys.stdin) * 10**12))')"
for by in day job model run credential; do
    equal "by $by, the rows add up to the total" true \
        "$("$REEVE" report --by $by --json | jq '([.rows[].exchanges] | add) == .total.exchanges')"
done
equal "no line of the table is longer than 80 columns" 0 \
    "$("$REEVE" report --by model | awk 'length > 80' | wc -l)"

HUNG=$(feed_pid)
kill -STOP "$HUNG"
check "a feed that hangs stops no exchange" load 40 2
equal "nor does the ledger get them" 60 "$(sql postgres 'SELECT count(*) FROM reeve.exchange')"
kill -KILL "$HUNG"
check "its successor brings them" wait_until 60 ledger_is_complete
equal "each once" "$(books_cost)" "$(report_cost)"

stop "$SERVE_PID" KILL
check "the private Postgres goes with the daemon" wait_until 30 is_gone "$(head -1 \
    "$REEVE_STATE_DIR/postgres/data/postmaster.pid" 2>/dev/null || echo 999999)"
equal "without the daemon the report is the same" "$(books_cost)" "$(report_cost 2>"$WORK/note")"
check "and says what it does" grep -q 'is started for this command' "$WORK/note"

check "the daemon starts again" serve
check "the private Postgres is there again" wait_until 30 sql postgres 'SELECT 1'
sql postgres 'CREATE DATABASE other'
OTHER="host=$REEVE_STATE_DIR/postgres user=reeve dbname=other"
equal "the books are moved" '100 true' "$("$REEVE" ledger move --to "$OTHER" --json |
    jq -r '"\(.exchanges) \(.new_rows == .rows)"')"
equal "and nothing is new the second time" 100 "$("$REEVE" ledger move --to "$OTHER" --json | jq .exchanges)"
equal "the copy reports the same" "$(books_cost)" "$(report_cost --ledger "$OTHER")"
check "the copy adds up" "$REEVE" ledger verify --ledger "$OTHER"

"$REEVE" report --ledger "host=127.0.0.1 port=1 user=u password=hunter2" >"$WORK/out" 2>&1
equal "a ledger out of reach is exit code 69" 69 $?
check "with the reason, in one line" test "$(wc -l <"$WORK/out")" = 1
check "and no password" bash -c "! grep -q hunter2 '$WORK/out'"
"$REEVE" report --since 2025-02-30 >/dev/null 2>"$WORK/out"
equal "a day that is none is exit code 64" 64 $?
check "and is named" grep -q "'2025-02-30' is no time; write 2026-11-25" "$WORK/out"
sql other "UPDATE reeve.exchange SET cost_usd = cost_usd + 1
    WHERE exchange_id IN (SELECT exchange_id FROM reeve.exchange LIMIT 1)"
"$REEVE" ledger verify --ledger "$OTHER" >"$WORK/out"
equal "books that do not add up are exit code 65" 65 $?
check "and the run is named" grep -q '^    run .*were booked, the ledger has' "$WORK/out"
flow_end
