#!/bin/bash
# Batches: reserved or refused as a whole, settled once whether or not anybody downloads the results,
# over kill -9 too; and no job reaches what another has made.
#
# The fake Claude's own books are the judge of what was billed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"

cat >"$WORK/reeve.conf" <<END
[Reeve]
Slots=8
[Job capped]
CostMaxPerDay=\$0.01
[Job open]
Models=claude-haiku-5-5 claude-opus-5-5
END

serve() {
    start_serve --config "$WORK/reeve.conf" --upstream "$FAKE_URL" --credential "$WORK/credential"
}

# as JOB METHOD PATH [BODY_FILE]: a run of its own; its answer is in $ANSWER, as `STATUS BODY`.
as() {
    ANSWER=$("$REEVE" run --config "$WORK/reeve.conf" --job "$1" -- \
        python3 "$TOP/tests/batch_client.py" "${@:2}" 2>>"$WORK/run.log")
}

status() { echo "${ANSWER%% *}"; }
answer() { jq -r "$1" <<<"${ANSWER#* }"; }

# request CUSTOM_ID MODEL MAX_TOKENS TEXT
request() {
    jq -nc --arg id "$1" --arg model "$2" --argjson max "$3" --arg text "$4" \
        '{custom_id: $id, params: {model: $model, max_tokens: $max, messages: [{role: "user", content: $text}]}}'
}

# batch REQUEST…: in $WORK/batch.json
batch() { printf '%s\n' "$@" | jq -sc '{requests: .}' >"$WORK/batch.json"; }

results_billed() { jq -n '[inputs | select(.kind == "batch_result")] | length' "$FAKE_BOOKS"; }
rows_are_there() {
    read_ledger
    [ "$(jq -n '[inputs | select(.batch_id != null)] | length' "$WORK/ledger.jsonl")" = "$(results_billed)" ]
}

is_settled() { grep -q "^batch_settled batch=$1 " "$WORK/serve.log"; }

# Nothing is downloaded; of four kinds of results one is billed. Haiku 5.5 has a price of its own for
# prompts above 100,000 tokens.
try_settle() {
    batch "$(request small claude-haiku-5-5 50 'Good day')" \
        "$(request long claude-haiku-5-5 50 hi | jq -c '.params.messages[0].content = "a" * 600000')" \
        "$(request bad claude-opus-5-5 50 '[[fake {"batch_result":"errored"}]]')" \
        "$(request late claude-opus-5-5 50 '[[fake {"batch_result":"expired"}]]')" \
        "$(request stopped claude-opus-5-5 50 '[[fake {"batch_result":"canceled"}]]')"
    as open POST /v1/messages/batches "$WORK/batch.json"
    BATCH=$(answer .id)
    equal "a batch is created" 200 "$(status)"
    check "its results are settled, though nobody downloads them" wait_until 30 is_settled "$BATCH"
    check "a row for each message" wait_until 60 rows_are_there
    equal "the ledger's sum is the upstream's" "$(books_cost)" "$(ledger_cost)"
    equal "both prices of Haiku 5.5, at the tier batch" 2 \
        "$(jq -n '[inputs | select(.tier == "batch") | .price_row] | unique | length' "$WORK/ledger.jsonl")"
}

try_download() {
    local url before
    before=$(ledger_cost)
    as open GET "/v1/messages/batches/$BATCH"
    url=$(answer .results_url)
    equal "results are read through reeve" "$SERVE_URL/v1/messages/batches/$BATCH/results" "$url"
    for _ in 1 2; do
        as open GET "$url"
        equal "results can be downloaded again and again" 5 "$(grep -o custom_id <<<"$ANSWER" | wc -l)"
    done
    read_ledger
    equal "and are billed once" "$before" "$(ledger_cost)"
}

try_refuse() {
    local lines
    lines=$(wc -l <"$FAKE_BOOKS")
    batch "$(request one claude-opus-5-5 2000 hi)"
    as capped POST /v1/messages/batches "$WORK/batch.json"
    equal "a batch that does not fit under the ceiling is refused" "402 billing_error" "$(status) $(answer .error.type)"
    batch "$(request one claude-sonnet-4-5 1 hi)"
    as open POST /v1/messages/batches "$WORK/batch.json"
    equal "each model of a batch must be allowed" "403 permission_error" "$(status) $(answer .error.type)"
    batch "$(request one claude-haiku-5-5 1 hi)" '{"custom_id":"two","params":{"model":"claude-haiku-5-5"}}'
    as open POST /v1/messages/batches "$WORK/batch.json"
    equal "each request must have a bound" "400 requests.1.params: max_tokens: Field required" \
        "$(status) $(answer .error.message)"
    equal "nothing of it reaches the upstream" "$lines" "$(wc -l <"$FAKE_BOOKS")"
}

try_kill() {
    batch "$(request a claude-haiku-5-5 100 'Good day')" "$(request b claude-opus-5-5 100 'Good day')"
    FAKE_SCRIPT='{"batch_ms":4000}' as open POST /v1/messages/batches "$WORK/batch.json"
    BATCH=$(answer .id)
    as open DELETE "/v1/messages/batches/$BATCH"
    equal "a batch is not deleted before it is in the books" 409 "$(status)"
    stop "$SERVE_PID" KILL
    serve || not_ok "reeve serve starts again"
    check "it is settled after kill -9" wait_until 30 is_settled "$BATCH"
    check "its rows are in the ledger" wait_until 60 rows_are_there
    equal "the ledger's sum is still the upstream's" "$(books_cost)" "$(ledger_cost)"
    equal "no orphan was charged" 0 "$(jq -n '[inputs | select(.estimated)] | length' "$WORK/ledger.jsonl")"
}

# Somebody deletes a batch at the upstream, before reeve could read what it has cost.
try_gone() {
    local id
    batch "$(request a claude-haiku-5-5 100 'Good day')"
    FAKE_SCRIPT='{"batch_ms":60000}' as open POST /v1/messages/batches "$WORK/batch.json"
    id=$(answer .id)
    kill -STOP "$SERVE_PID"
    check "a batch is deleted unread" curl -fsS -X POST -H "x-api-key: $SECRET" -H 'anthropic-version: 2023-06-01' \
        "$FAKE_URL/v1/messages/batches/$id/cancel"
    check "and gone" curl -fsS -X DELETE -H "x-api-key: $SECRET" -H 'anthropic-version: 2023-06-01' \
        "$FAKE_URL/v1/messages/batches/$id"
    kill -CONT "$SERVE_PID"
    check "it is settled all the same" wait_until 30 is_settled "$id"
    check "as an estimate" wait_until 60 is_estimated "$id"
}

is_estimated() {
    read_ledger
    jq -ne --arg id "$1" '[inputs | select(.batch_id == $id)] | length == 1 and
        all(.[]; .estimated and .ended == "results_gone" and .cost_usd == .reserved_usd)' "$WORK/ledger.jsonl"
}

# unreachable NAME METHOD PATH
unreachable() {
    as capped "$2" "$3"
    equal "another job cannot $1" "404 not_found_error" "$(status) $(answer .error.type)"
}

try_ownership() {
    local file
    unreachable "see a batch" GET "/v1/messages/batches/$BATCH"
    unreachable "read its results" GET "/v1/messages/batches/$BATCH/results"
    unreachable "cancel it" POST "/v1/messages/batches/$BATCH/cancel"
    unreachable "delete it" DELETE "/v1/messages/batches/$BATCH"
    echo data >"$WORK/file"
    as open POST /v1/files "$WORK/file"
    file=$(answer .id)
    unreachable "see a file" GET "/v1/files/$file"
    unreachable "read it" GET "/v1/files/$file/content"
    unreachable "delete it" DELETE "/v1/files/$file"
    unreachable "reach what nobody is known to have made" GET /v1/files/file_unknown
    batch "$(request a claude-haiku-5-5 1 hi | jq -c --arg id "$file" \
        '.params.messages[0].content = [{type: "document", source: {type: "file", file_id: $id}}]')"
    as capped POST /v1/messages/batches "$WORK/batch.json"
    equal "another job cannot refer to it" 404 "$(status)"
    as capped GET /v1/files
    equal "lists show a job its own alone" "200 0" "$(status) $(answer '.data | length')"
    as open GET /v1/files
    equal "and all of them" "200 1" "$(status) $(answer '.data | length')"
    as open GET /v1/messages/batches
    equal "batches as well" "200 2" "$(status) $(answer '.data | length')"
    as open DELETE "/v1/files/$file"
    equal "its own job can delete a file" 200 "$(status)"
    as open DELETE "/v1/messages/batches/$BATCH"
    equal "its own job can delete a batch" 200 "$(status)"
}

try_sdk() {
    local python=$TOP/build/clients/venv/bin/python
    if ! "$TOP/tests/clients/install.sh" "$TOP/build/clients" >/dev/null 2>&1; then
        skip "Python SDK: batches" "the clients are not installed"
        return
    fi
    equal "Python SDK: batches.create(), retrieve(), results()" "one: You said: Good day" \
        "$("$REEVE" run --config "$WORK/reeve.conf" --job open -- "$python" "$TOP/tests/clients/batch.py" 2>>"$WORK/run.log")"
}

SECRET=sk-ant-api03-of-the-account
(umask 077 && echo $SECRET >"$WORK/credential")
start_fake || not_ok "the fake starts"
serve || not_ok "reeve serve starts"
try_settle
try_download
try_refuse
try_kill
try_ownership
try_gone
try_sdk
flow_end
