#!/bin/bash
# Real clients, unchanged, with no more in their environment than what `reeve run` sets.
#
# FLOW_DIRECT=1 runs them against the fake Claude without reeve, to tell whose fault something is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"

CLIENTS=$TOP/build/clients
SECRET=sk-ant-api03-of-the-account
SUBSCRIPTION=sk-ant-oat01-of-the-account
TOOL_LOOP='Say it [[fake {"turns":[
    {"tool_use":{"name":"Bash","input":{"command":"echo from-the-tool","description":"Say it"}}},
    {"text":"The tool has spoken."}]}]]'
NO_MONEY='Spend [[fake {"status":402}]]'

# What every client of one kind does: name, what it needs to be called, and the prompt comes last.
SDKS=(
    "TypeScript SDK 1.x, whole|node sdk.mjs @anthropic-ai/sdk whole"
    "TypeScript SDK 1.x, stream|node sdk.mjs @anthropic-ai/sdk stream"
    "TypeScript SDK 0.x, whole|node sdk.mjs anthropic-sdk-0 whole"
    "TypeScript SDK 0.x, stream|node sdk.mjs anthropic-sdk-0 stream"
    "Python SDK, whole|venv/bin/python sdk.py sync whole"
    "Python SDK, stream|venv/bin/python sdk.py sync stream"
    "Python SDK, async, whole|venv/bin/python sdk.py async whole"
    "Python SDK, async, stream|venv/bin/python sdk.py async stream"
)
AGENTS=(
    "claude -p|node_modules/.bin/claude --allowedTools Bash -p"
    "Agent SDK query()|node agent_sdk.mjs"
)

# The agent that docs/fleet.md has, as it stands there.
try_documented() {
    sed -n '/^```js/,/^```$/p' "$TOP/docs/fleet.md" | grep -v '^```' >"$CLIENTS/fleet.mjs"
    try "the agent of docs/fleet.md" 0 "You said: Good day" "200 stream" node fleet.mjs
}

# client COMMAND…: runs in an empty environment; what it says goes to $WORK/said.
client() {
    LINES_BEFORE=$(wc -l <"$FAKE_BOOKS")
    (cd "$CLIENTS" && env -i PATH="$PATH" HOME="$WORK/home" "${ENVIRONMENT[@]}" \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
        timeout 120 "${PREFIX[@]}" "$@" >"$WORK/said" 2>"$WORK/client.log" </dev/null)
}

# The requests since the client started, without warm-up probes: each one's status and form.
requests() {
    tail -n +$((LINES_BEFORE + 1)) "$FAKE_BOOKS" |
        jq -r 'select(.kind != "probe") |
            "\(.status)\(if .stream == null then "" elif .stream then " stream" else " whole" end)"' |
        paste -sd,
}

# try NAME EXIT_CODE TEXT REQUESTS COMMAND…
try() {
    local code=0
    client "${@:5}" || code=$?
    equal "$1" "exit $2: $3 ($4)" "exit $code: $(cat "$WORK/said") ($(requests))"
}

try_sdk() {
    local name=${1%%|*} command
    read -ra command <<<"${1#*|}"
    try "$name" 0 "You said: Good day" "200 ${name##* }" "${command[@]}" "Good day"
    try "$name: out of money" 1 "error 402 billing_error" 402 "${command[@]}" "$NO_MONEY"
}

try_agent() {
    local name=${1%%|*} command
    read -ra command <<<"${1#*|}"
    try "$name" 0 "You said: Good day" "200 stream" "${command[@]}" "Good day"
    try "$name: a tool loop" 0 "The tool has spoken." "200 stream,200 stream" \
        "${command[@]}" "$TOOL_LOOP"
    try "$name: out of money" 1 "API Error: 402 scripted" 402 "${command[@]}" "$NO_MONEY"
}

# What stream-json says in the end, and what Claude Code thinks it cost.
try_stream_json() {
    local code=0 name="claude --output-format stream-json"
    client node_modules/.bin/claude --allowedTools Bash --output-format stream-json --verbose \
        -p "$TOOL_LOOP" || code=$?
    equal "$name" "exit 0: The tool has spoken. (200 stream,200 stream)" \
        "exit $code: $(jq -r 'select(.type == "result").result' "$WORK/said") ($(requests))"
    equal "$name: its cost is the upstream's" \
        "$(tail -n 2 "$FAKE_BOOKS" | jq -s '[.[].billed_pico_usd] | add')" \
        "$(jq 'select(.type == "result").total_cost_usd * 1000000000000 | round' "$WORK/said")"
}

# at_ceiling NAME ANSWERS REFUSALS SAID COMMAND…: the run has a ceiling of that many requests. What comes
# after them is refused, each once, and the run ends for it.
at_ceiling() {
    local code=0 PREFIX=("$REEVE" run --job ceiling --json --requests-max "$2" --
        sh -c '"$@" && "$@"; echo "exit $?"' sh)
    client "${@:5}" || code=$?
    equal "$1, at a ceiling" "run 100 ceiling, answered $2, refused $3: $4 exit 1" \
        "run $code $(tail -n 1 "$WORK/client.log" | jq -r '"\(.end), answered \(.account.exchanges), refused \(.account.refused)"'): $(
            sed '/^$/d; s/ requests spent by this run .*//' "$WORK/said" | paste -sd' ')"
}

try_ceilings() {
    local sdk command subagent refused="API Error: 402 reeve: ceiling reached:"
    for sdk in "${SDKS[@]}"; do
        read -ra command <<<"${sdk#*|}"
        at_ceiling "${sdk%%|*}" 1 1 "You said: Good day error 402 billing_error" "${command[@]}" "Good day"
    done
    at_ceiling "claude -p" 1 1 "$refused 1 of 1" node_modules/.bin/claude --allowedTools Bash -p "$TOOL_LOOP"
    at_ceiling "Agent SDK query()" 1 1 "$refused 1 of 1" node agent_sdk.mjs "$TOOL_LOOP"
    # The subagent is refused, then the agent that hears of it.
    subagent='Delegate [[fake {"turns":[{"tool_use":{"name":"Task","input":{"description":"a part",
        "subagent_type":"general-purpose","prompt":"Do your part"}}},{"text":"All done."}]}]]'
    at_ceiling "claude -p with a subagent" 2 2 "All done. $refused 2 of 2" \
        node_modules/.bin/claude --allowedTools Task -p "$subagent"
}

# credentials_are_right SECRET HEADER: on every request since the daemon started, whatever the client sent.
credentials_are_right() {
    tail -n +$((LINES_BEFORE_SERVE + 1)) "$FAKE_BOOKS" |
        jq -se --arg fingerprint "$(printf %s "$1" | sha256sum | cut -c1-12)" --arg header "$2" '
            length > 0 and all(.[] | select(.kind != "probe");
                .credential == $fingerprint and .credential_header == $header)'
}

# start_reeve SECRET: a daemon with this credential, and commands under its `reeve run`.
start_reeve() {
    LINES_BEFORE_SERVE=$(wc -l <"$FAKE_BOOKS")
    (umask 077 && echo "$1" >"$WORK/credential")
    start_serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential"
    ENVIRONMENT=("REEVE_STATE_DIR=$REEVE_STATE_DIR")
    PREFIX=("$REEVE" run --job clients --)
}

# Only Claude Code itself may use a subscription; what reeve adds to its betas must leave them be.
try_subscription() {
    stop "$SERVE_PID"
    start_reeve "$SUBSCRIPTION" || not_ok "reeve serve starts with a subscription"
    try "claude -p on a subscription" 0 "You said: Good day" "200 stream" \
        node_modules/.bin/claude -p "Good day"
    equal "its betas are kept, and the one for OAuth is there" true "$(tail -n 1 "$FAKE_BOOKS" |
        jq '.beta | split(",") | map(ltrimstr(" ")) |
            contains(["claude-code-20250219"]) and contains(["oauth-2025-04-20"])')"
    check "one bearer token on every request" credentials_are_right "$SUBSCRIPTION" authorization
}

check_books() {
    check "one right credential on every request" credentials_are_right "$SECRET" x-api-key
    check "every exchange is in the ledger" wait_until 60 ledger_is_complete
    equal "the ledger's sum is the upstream's" "$(books_cost)" "$(ledger_cost)"
}

# Without the clients there is nothing to try; what kept them away is said once for each.
install_clients() {
    local reason status=0 client
    reason=$("$TOP/tests/clients/install.sh" "$CLIENTS") || status=$?
    [ $status != 0 ] || return 0
    for client in "${SDKS[@]}" "${AGENTS[@]}"; do
        if [ $status = 75 ]; then skip "${client%%|*}" "$reason"; else not_ok "${client%%|*}" "$reason"; fi
    done
    flow_end
}

install_clients
mkdir "$WORK/home"
start_fake --accept "$SECRET" --accept "$SUBSCRIPTION" --require-identity || not_ok "the fake starts"
if [ -n "${FLOW_DIRECT:-}" ]; then
    ENVIRONMENT=("ANTHROPIC_BASE_URL=$FAKE_URL" "ANTHROPIC_API_KEY=$SECRET")
    PREFIX=()
else
    start_reeve "$SECRET" || not_ok "reeve serve starts"
fi
for sdk in "${SDKS[@]}"; do try_sdk "$sdk"; done
for agent in "${AGENTS[@]}"; do try_agent "$agent"; done
try_documented
try_stream_json
if [ -z "${FLOW_DIRECT:-}" ]; then
    try_ceilings
    check_books
    try_subscription
fi
flow_end
