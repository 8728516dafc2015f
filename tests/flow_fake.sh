#!/bin/bash
# The fake Claude by itself: a judge has to be tried before it judges.
. "$(dirname "$0")/lib.sh"

KEY=sk-ant-api03-first
HELLO='{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'

json() { jq -r "$@"; }

# api METHOD PATH [BODY] [CURL ARGUMENT…]: the answer's body; its head is in $WORK/head.
api() {
    curl -sS -X "$1" "$FAKE_URL$2" -D "$WORK/head" -H 'anthropic-version: 2023-06-01' \
        -H 'content-type: application/json' ${3:+-d "$3"} "${@:4}"
}
talk() { api POST /v1/messages "$1" -H "x-api-key: $KEY" "${@:2}"; }
scripted() { talk "${2:-$HELLO}" -H "x-fake-script: $1"; }
status() { sed -n '1s/HTTP\/1.1 \([0-9]*\).*/\1/p' "$WORK/head"; }
error_of() { echo "$(status) $(json .error.type "$WORK/answer")"; }
last_entry() { tail -n 1 "$FAKE_BOOKS" | json "$1"; }
stream_of() { jq -c '. + {stream: true}' <<<"$HELLO"; }

# refused NAME EXPECTED HEADER…: what the API says to a request with these headers alone.
refused() {
    local headers=() header
    for header in "${@:3}"; do headers+=(-H "$header"); done
    curl -sS "$FAKE_URL/v1/messages" -D "$WORK/head" -d "$HELLO" "${headers[@]}" >"$WORK/answer"
    equal "$1" "$2" "$(error_of)"
}

try_credentials() {
    local version='anthropic-version: 2023-06-01'
    refused "no credential" "401 authentication_error" "$version"
    refused "two credentials" "401 authentication_error" "$version" "x-api-key: $KEY" \
        "authorization: Bearer $KEY"
    refused "wrong credential" "401 authentication_error" "$version" "x-api-key: sk-ant-api03-other"
    refused "OAuth token without its beta" "401 authentication_error" "$version" \
        "authorization: Bearer sk-ant-oat01-second"
    refused "OAuth token as a key" "401 authentication_error" "$version" \
        "x-api-key: sk-ant-oat01-second" "anthropic-beta: oauth-2025-04-20"
    refused "no version" "400 invalid_request_error" "x-api-key: $KEY"
    refused "run key in a header" "400 invalid_request_error" "$version" "x-api-key: $KEY" \
        "x-note: reeve-run-abc"
    refused "hop-by-hop header" "400 invalid_request_error" "$version" "x-api-key: $KEY" "te: trailers"
    refused "Connection with names" "400 invalid_request_error" "$version" "x-api-key: $KEY" \
        "connection: keep-alive, x-hop"
    api POST /fake/credential '{"secret":"sk-ant-oat01-second","state":"limited","reset_s":4000000000}' \
        >/dev/null
    refused "limited account" "429 rate_limit_error" "$version" \
        "authorization: Bearer sk-ant-oat01-second" "anthropic-beta: oauth-2025-04-20"
    equal "limited account says so" rejected \
        "$(sed -n 's/^anthropic-ratelimit-unified-status: \(.*\)\r/\1/p' "$WORK/head")"
}

try_bodies() {
    local name body
    while IFS='|' read -r name body expected; do
        talk "$body" >"$WORK/answer"
        equal "$name" "$expected" "$(error_of)"
    done <<'END'
broken JSON|{"model":|400 invalid_request_error
no model|{"max_tokens":1,"messages":[{"role":"user","content":"a"}]}|400 invalid_request_error
unknown model|{"model":"claude-9","max_tokens":1,"messages":[{"role":"user","content":"a"}]}|404 not_found_error
no max_tokens|{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"a"}]}|400 invalid_request_error
no messages|{"model":"claude-haiku-4-5","max_tokens":1}|400 invalid_request_error
a member twice|{"model":"claude-haiku-4-5","model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":"a"}]}|400 invalid_request_error
no speed fast|{"model":"claude-haiku-4-5","speed":"fast","max_tokens":1,"messages":[{"role":"user","content":"a"}]}|400 invalid_request_error
END
    scripted '{"statuss":500}' >"$WORK/answer"
    equal "misspelt script" "400 invalid_request_error" "$(error_of)"
}

try_answers() {
    equal "an answer tells what it answers" "You said: hello" "$(talk "$HELLO" | json '.content[0].text')"
    talk "$(stream_of)" >"$WORK/answer"
    equal "events in the API's order" \
        "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop" \
        "$(sed -n 's/^event: //p' "$WORK/answer" | paste -sd' ')"
    scripted '{"web_search_requests":3,"usage":{"input_tokens":4000,"output_tokens":9}}' "$(stream_of)" |
        sed -n 's/^data: //p' >"$WORK/answer"
    equal "searches grow the input after message_start" "1000 4000 3" \
        "$(json -s '[(.[0].message.usage.input_tokens), (.[-2].usage | .input_tokens, .server_tool_use.web_search_requests)] | join(" ")' "$WORK/answer")"
    equal "and are in the books" "4000 9 3 $((4000 * 1000000 + 9 * 5000000 + 3 * 10000000000))" \
        "$(last_entry '"\(.tokens.input) \(.tokens.output) \(.tokens.web_searches) \(.billed_pico_usd)"')"
    equal "no answer is longer than its max_tokens" "100 max_tokens" \
        "$(scripted '{"usage":{"output_tokens":5000}}' | json '"\(.usage.output_tokens) \(.stop_reason)"')"
    equal "gzip" "You said: hello" "$(scripted '{"gzip":true,"framing":"chunked","chunk_bytes":9}' |
        gunzip | json '.content[0].text')"
    scripted '{"stream_error":"overloaded_error"}' "$(stream_of)" >"$WORK/answer"
    equal "an error in the stream" "error failed" \
        "$(sed -n 's/^event: //p' "$WORK/answer" | tail -n 1) $(last_entry .end)"
    scripted '{"cut_after_bytes":700}' "$(stream_of)" >"$WORK/answer" 2>/dev/null
    equal "a cut at a byte" "700 cut" "$(wc -c <"$WORK/answer") $(last_entry .end)"
    scripted '{"status":529,"headers":{"retry-after":"7"}}' >"$WORK/answer"
    equal "a scripted error" "529 overloaded_error 7" \
        "$(error_of) $(sed -n 's/^retry-after: \(.*\)\r/\1/p' "$WORK/head")"
    check "an answer that is lost" bash -c '! "$@"' -- curl -sS "$FAKE_URL/v1/messages" -d "$HELLO" \
        -H "x-api-key: $KEY" -H 'anthropic-version: 2023-06-01' -H 'x-fake-script: {"lost":true}'
}

# What a proxy must leave as it is.
try_expectations() {
    scripted '{"body_sha256":"00"}' >"$WORK/answer"
    equal "a body that was changed" "400 invalid_request_error" "$(error_of)"
    scripted "{\"body_sha256\":\"$(printf %s "$HELLO" | sha256sum | cut -d' ' -f1)\"}" >"$WORK/answer"
    equal "a body as it was" 200 "$(status)"
    scripted '{"expect_headers":{"anthropic-version":"2026-10-21"}}' >"$WORK/answer"
    equal "a header that was changed" "400 invalid_request_error" "$(error_of)"
    scripted '{"expect_headers":{"accept":null}}' >"$WORK/answer"
    equal "a header that was added" "400 invalid_request_error" "$(error_of)"
    scripted '{"expect_headers":{"anthropic-version":"2023-06-01","te":null}}' >"$WORK/answer"
    equal "headers as they were" 200 "$(status)"
    head -c 3000000 /dev/zero >"$WORK/body"
    curl -sS "$FAKE_URL/v1/messages" -H "x-api-key: $KEY" -H 'anthropic-version: 2023-06-01' -H 'expect:' \
        -H 'x-fake-script: {"early":true,"status":413}' --data-binary "@$WORK/body" -D "$WORK/head" >"$WORK/answer"
    equal "an answer before the body" "413 request_too_large" "$(error_of)"
}

# A script in the prompt: one answer a turn, and none of it in the turn after.
try_markers() {
    local marker='[[fake {"turns":[{"tool_use":{"name":"Bash","input":{}}},{"attempts":[{"status":500},{"text":"done"}]}]}]]'
    local turn
    turn=$(jq -n --arg text "$marker" '{model: "claude-haiku-4-5", max_tokens: 100,
        messages: [{role: "user", content: [{type: "text", text: $text}]}]}')
    equal "first turn" tool_use "$(talk "$turn" | json .stop_reason)"
    turn=$(jq '.messages += [{role: "assistant", content: "a"}, {role: "user", content: "b"}]' <<<"$turn")
    equal "second turn, first attempt" api_error "$(talk "$turn" | json .error.type)"
    equal "second turn, second attempt" done "$(talk "$turn" | json '.content[0].text')"
    api POST /fake/script '{"text":"from the queue"}' >/dev/null
    equal "the queue" "from the queue" "$(talk "$HELLO" | json '.content[0].text')"
    equal "the queue is used up" "You said: hello" "$(talk "$HELLO" | json '.content[0].text')"
}

# Counting is free, and what it says is what is billed; a marked prefix is written, then read.
try_cache() {
    local body counted usage
    body=$(jq --arg text "$(printf 'rule %s. ' {1..200})" \
        '.system = [{type: "text", text: $text, cache_control: {type: "ephemeral", ttl: "1h"}}]' <<<"$HELLO")
    counted=$(api POST /v1/messages/count_tokens "$(jq 'del(.max_tokens)' <<<"$body")" -H "x-api-key: $KEY" |
        json .input_tokens)
    usage=$(talk "$body" | json '.usage | "\(.input_tokens) \(.cache_creation.ephemeral_1h_input_tokens)"')
    set -- $usage
    equal "count_tokens tells what is billed" "$counted" $(($1 + $2))
    equal "what was written is read" "$1 0 $2" "$(talk "$body" |
        json '.usage | "\(.input_tokens) \(.cache_creation_input_tokens) \(.cache_read_input_tokens)"')"
}

refresh() {
    api POST /v1/oauth/token "$(jq -n --arg token "$1" '{grant_type: "refresh_token",
        refresh_token: $token, client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e"}')"
}
ask_with() {
    api POST /v1/messages "$HELLO" -H "authorization: Bearer $1" -H 'anthropic-beta: oauth-2025-04-20' |
        json .type
}

try_tokens() {
    local access next
    refresh sk-ant-ort01-first >"$WORK/answer"
    access=$(json .access_token "$WORK/answer") next=$(json .refresh_token "$WORK/answer")
    equal "an access token lasts as long as was said" "message message error" \
        "$(ask_with "$access") $(ask_with "$access") $(ask_with "$access")"
    api POST /fake/script '{"path":"/v1/oauth/token","omit_refresh_token":true}' >/dev/null
    equal "a refresh token that stays" null "$(refresh "$next" | json .refresh_token)"
    equal "is good again" Bearer "$(refresh "$next" | json .token_type)"
    equal "a refresh token is good once" invalid_grant "$(refresh "$next" | json .error)"
    equal "the replay is in the books" token_reused "$(last_entry .kind)"
}

try_batches() {
    local batch
    batch=$(jq -n --argjson params "$HELLO" '{requests: [{custom_id: "a", params: $params},
        {custom_id: "b", params: ($params + {model: "claude-9"})}]}')
    batch=$(api POST /v1/messages/batches "$batch" -H "x-api-key: $KEY" | json .id)
    equal "a batch ends" "ended 1 1" "$(api GET "/v1/messages/batches/$batch" "" -H "x-api-key: $KEY" |
        json '"\(.processing_status) \(.request_counts.succeeded) \(.request_counts.errored)"')"
    equal "and is billed at half the price" "a batch 12500000" \
        "$(grep batch_result "$FAKE_BOOKS" | json '"\(.custom_id) \(.usage.service_tier) \(.billed_pico_usd)"')"
    equal "its results come in any order" "b a" \
        "$(api GET "/v1/messages/batches/$batch/results" "" -H "x-api-key: $KEY" |
            json .custom_id | paste -sd' ')"
}

start_fake --accept "$KEY" --accept sk-ant-oat01-second@acme --refresh-token sk-ant-ort01-first@acme \
    --access-uses 2 || not_ok "the fake starts"
check "TLS, with a certificate of its own" curl -sS --cacert "$FAKE_CA_FILE" --head "$FAKE_TLS_URL/"
try_credentials
try_bodies
try_answers
try_expectations
try_markers
try_cache
try_tokens
try_batches
ANTHROPIC_API_KEY=$KEY check "a load is answered as it asks" python3 "$TOP/tests/load_client.py" \
    --url "$FAKE_URL" --requests 400 --mix rough
equal "the totals are the sum of the lines" "$(jq -s '[.[].billed_pico_usd] | add' "$FAKE_BOOKS")" \
    "$(curl -sS "$FAKE_URL/fake/books" | json .billed_pico_usd)"
flow_end
