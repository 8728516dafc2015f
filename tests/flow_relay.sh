#!/bin/bash
# The relay, through the real daemon: what passes, what is taken off, and what breaks on either side.
. "$(dirname "$0")/lib.sh"

SECRET=sk-ant-api03-of-the-account
TOKEN=sk-ant-oat01-of-the-account
OWN=sk-ant-api03-of-the-agents-own
IDENTITY='"system":[{"type":"text","text":"You are Claude Code, Anthropic'"'"'s official CLI for Claude."}]'
HELLO='{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'
# Freed memory that ASan keeps to itself must not pass for the daemon's.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1"

# serve ARGUMENT…: a daemon with a state directory of its own and no ledger that answers.
serve() {
    export REEVE_STATE_DIR
    REEVE_STATE_DIR=$(mktemp -d "$WORK/state.XXXXXX")
    start_serve --ledger "host=$WORK/nowhere" "$@" || not_ok "reeve serve starts"
}

# under_run COMMAND…: as the agent of a run, in whose environment the key and the address are.
under_run() { "$REEVE" run --no-cgroup --job relay -- "$@" 2>"$WORK/run.log"; }

# ask [CURL ARGUMENT…]: a message from within a run, by the key of the run or by $KEY. Prints the
# status, and what an error says; the answer's head is in $WORK/head.
ask() {
    under_run sh -c 'exec curl -sS "$ANTHROPIC_BASE_URL/v1/messages" \
        -H "x-api-key: ${KEY-$ANTHROPIC_API_KEY}" -H "anthropic-version: 2023-06-01" "$@"' sh \
        -d "$HELLO" -D "$WORK/head" "$@" >"$WORK/answer"
    sed -n '1s/HTTP\/1.1 \([0-9]*\).*/\1/p' "$WORK/head" | tr -d '\n'
    jq -r 'if .error then " \(.error.type): \(.error.message)" else "" end' "$WORK/answer"
}

never_to_be_retried() { grep -qi '^x-should-retry: false' "$WORK/head"; }

# scripted NAME SCRIPT [CURL ARGUMENT…]: ok if the request came to the fake as the script wants it.
scripted() { equal "$1" 200 "$(ask -H "x-fake-script: $2" "${@:3}")"; }

# secrets_in FILE…: how many of the files have one.
secrets_in() { grep -l -a -r -e "$SECRET" -e "$TOKEN" -e "$OWN" -e 'reeve-run-.' "$@" | wc -l; }

try_credentials() {
    echo "$TOKEN" >"$WORK/token"
    serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential"
    scripted "an API key goes upstream by itself" '{"expect_headers":{"accept-encoding":"identity",'\
'"x-api-key":"'$SECRET'","authorization":null,"anthropic-beta":null}}'
    scripted "the body is not touched" \
        '{"body_sha256":"'"$(printf %s "$HELLO" | sha256sum | head -c 64)"'"}'
    equal "no key is a 401" "401 authentication_error: reeve: no run key" "$(KEY= ask | cut -d. -f1)"
    check "that is never retried" never_to_be_retried
    KEY=$(under_run sh -c 'echo "$ANTHROPIC_API_KEY"')
    equal "a run's key ends with the run" \
        "401 authentication_error: reeve: this run key belongs to no live run" \
        "$(KEY=$KEY ask | cut -d. -f1)"
    equal "a credential of the agent's own is refused" \
        "401 authentication_error: reeve: the agent sent a credential of its own" \
        "$(KEY=$OWN ask | cut -d. -f1)"
    stop "$SERVE_PID"
    serve --upstream "$FAKE_URL" --credential "$WORK/token"
    HELLO=${HELLO%\}},$IDENTITY} scripted "an OAuth token goes upstream with its beta beside the agent's" '{"expect_headers":{'\
'"authorization":"Bearer '$TOKEN'","x-api-key":null,"anthropic-beta":"a-1,oauth-2025-04-20"}}' \
        -H "anthropic-beta: a-1"
    stop "$SERVE_PID"
    equal "no secret is in the log, the journal or anything else" 0 \
        "$(secrets_in "$WORK"/*.log "$WORK"/state.*)"
}

# The one exchange in the log: how it ended and what it cost.
booked() { sed -n 's/^exchange .* end=\([^ ]*\) .* cost_usd=\([^ ]*\).*/\1 \2/p' "$WORK/serve.log"; }

try_no_upstream() {
    local nobody
    nobody=http://127.0.0.1:$(free_port)
    serve --upstream "$nobody" --credential "$WORK/credential"
    equal "nobody upstream is a 502" "502 api_error: connecting to $nobody: " \
        "$(ask | grep -o '.*connecting to [^ ]* ')"
    check "that has a request id" grep -q '^request-id: req_reeve_' "$WORK/head"
    equal "and is not billed" "not_sent 0.00" "$(booked)"
    stop "$SERVE_PID"
    serve --upstream "$FAKE_TLS_URL" --credential "$WORK/credential"
    check "a certificate of an unknown CA is a 502" grep -q '^502 .*certificate' <(ask)
    equal "and is not billed either" "not_sent 0.00" "$(booked)"
    stop "$SERVE_PID"
    serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE"
    equal "no credential is a 503" "503 api_error: reeve: there is no credential; \
\`reeve credential add\` adds one" "$(ask)"
    check "that is never retried either" never_to_be_retried
    stop "$SERVE_PID"
}

try_listening() {
    local port code=0
    port=$(free_port)
    timeout 60 "$REEVE" serve --listen "0.0.0.0:$port" --upstream "$FAKE_URL" \
        --ledger "host=$WORK/nowhere" --state-dir "$WORK/anywhere" \
        2>"$WORK/anywhere.said" || code=$?
    equal "listening on all addresses is refused" 78 $code
    check "with the option that allows it" grep -q 'ListenAnywhere=yes' "$WORK/anywhere.said"
    printf '[Reeve]\nListenAnywhere=yes\n' >"$WORK/anywhere.conf"
    start anywhere "$REEVE" serve --config "$WORK/anywhere.conf" --listen "0.0.0.0:$port" \
        --upstream "$FAKE_URL" --ledger "host=$WORK/nowhere" --state-dir "$WORK/anywhere"
    check "and done once that is said" wait_until 60 is_listening "$port"
    stop "$STARTED_PID"
}

# ends LABEL PREFIX [RUN OPTION…]: cases of relay_ends.py, which is agent and upstream at once.
ends() {
    FLOW_UPSTREAM_PORT=$UPSTREAM_PORT FLOW_SECRET=$SECRET FLOW_SERVE_PID=$SERVE_PID \
        FLOW_SERVE_LOG=$WORK/serve.log "$REEVE" run --no-cgroup --job relay "${@:3}" -- \
        python3 "$TOP/tests/relay_ends.py" "$2" >"$WORK/said" 2>"$WORK/run.log" || FLOW_FAILED=1
    sed -E "s/^(ok|not ok) /&$1: /" "$WORK/said"
    check "$1: the cases $2 ran to their end" grep -q ' exited, ' "$WORK/run.log"
}

# try_ends SCHEME: all that takes both ends of the proxy, over http or https.
try_ends() {
    UPSTREAM_PORT=$(free_port)
    serve --upstream "$1://127.0.0.1:$UPSTREAM_PORT" --ca-file "$WORK/upstream.pem" \
        --credential "$WORK/credential"
    ends "$1" case_
    equal "$1: no spooled body is left" "" \
        "$(find "$REEVE_STATE_DIR" -type f ! -path '*/journal/*' -size +900k)"
    ends "$1" stop_while_streaming
    wait "$SERVE_PID"
    equal "$1: and ends well" 0 $?
}

try_waiting() {
    UPSTREAM_PORT=$(free_port)
    printf '[Reeve]\nWaitMax=2s\n[Job relay]\nOnCeiling=deny\n' >"$WORK/wait.conf"
    serve --config "$WORK/wait.conf" --upstream "http://127.0.0.1:$UPSTREAM_PORT" \
        --credential "$WORK/credential"
    ends waiting waiting_ --tokens-max 20000
    stop "$SERVE_PID"
}

# A certificate for 127.0.0.1, and of the same file its own CA.
make_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/key.pem" -out "$WORK/upstream.pem" \
        -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    cat "$WORK/key.pem" "$WORK/upstream.pem" >"$WORK/certificate.pem"
}

umask 077
echo "$SECRET" >"$WORK/credential"
make_certificate
start_fake --accept "$SECRET" --accept "$TOKEN" || not_ok "the fake starts"
try_credentials
try_no_upstream
try_listening
try_ends http
FLOW_CERTIFICATE=$WORK/certificate.pem try_ends https
try_waiting
flow_end
