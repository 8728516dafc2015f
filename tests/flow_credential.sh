#!/bin/bash
# reeve credential: stores secrets so that only the daemon can read them, lists them without showing them.
. "$(dirname "$0")/lib.sh"

KEY=sk-ant-api03-of-the-account
TOKEN=sk-ant-oat01-of-the-account
PAIR='{"claudeAiOauth":{"accessToken":"sk-ant-oat01-a","refreshToken":"sk-ant-ort01-r","expiresAt":1000}}'
export REEVE_STATE_DIR=$WORK/state
STORE=$REEVE_STATE_DIR/credentials

credential() { "$REEVE" credential "$@" >"$WORK/said" 2>&1; }
listed() { "$REEVE" credential list --json | jq -r ".[] | select(.name == \"$1\") | \"\(.type) \(.state)\""; }

# refused NAME CODE WORDS SECRET ARGUMENT…: the command fails and says so, and nothing is stored.
refused() {
    local code=0 before
    before=$(ls -A "$STORE")
    printf %s "$4" | credential "${@:5}" || code=$?
    equal "$1" "$2 yes" "$code $(grep -q -e "$3" "$WORK/said" && echo yes || cat "$WORK/said")"
    equal "$1: nothing is stored" "$before" "$(ls -A "$STORE")"
}

umask 022 # what is stored is private all the same
check "an API key is stored" credential add main <<<"$KEY"
equal "it is what was given" "$KEY" "$(cat "$STORE/main")"
equal "its mode and its folder's" "600 700" "$(stat -c %a "$STORE/main" "$STORE" | paste -sd' ')"
echo "$TOKEN" >"$WORK/token"
check "a token is stored from a file" credential add spare --file "$WORK/token"
check "a pair is stored" credential add login --type oauth <<<"$PAIR"
equal "each is known for what it is" "api-key ready, oauth-token ready, oauth expired" \
    "$(listed main), $(listed spare), $(listed login)"
check "one is replaced" credential add main <<<"$KEY-2"
equal "by what was given" "$KEY-2" "$(cat "$STORE/main")"
equal "and nothing else is left" "login main spare" "$(ls -A "$STORE" | paste -sd' ')"
equal "no secret is ever shown" "" "$(cat "$WORK/said" <("$REEVE" credential list) \
    <("$REEVE" credential list --json) | grep -o 'sk-ant-[a-z0-9-]*')"

refused "an empty secret" 65 "empty" "" add other
refused "a secret of two lines" 65 "one token on one line" "a
b" add other
refused "broken JSON" 65 "is not JSON" '{"claudeAiOauth":' add other
refused "another type than was said" 65 "holds credential type api-key, not oauth" "$KEY" \
    add other --type oauth
refused "an unknown type" 64 "accepted are api-key, oauth-token, oauth" "$KEY" add other --type key
refused "a name with a slash" 64 "accepted are 1 to" "$KEY" add ../other
refused "a missing file" 65 "No such file" "" add other --file "$WORK/nowhere"
refused "no name" 64 "usage:" "$KEY" add
refused "an unknown verb" 64 "usage:" "" show main
refused "removing what is not there" 66 "No such file" "" remove other

chmod 644 "$STORE/spare"
check "a file that others can read is told with what mends it" \
    grep -q "chmod 600 $STORE/spare" <("$REEVE" credential list)
check "one is removed" credential remove spare
equal "and gone" "login main" "$(ls -A "$STORE" | paste -sd' ')"

start_fake --accept "$KEY-2" || not_ok "the fake starts"
start_serve --upstream "$FAKE_URL" --ledger "host=$WORK/nowhere" || not_ok "reeve serve starts"
equal "the daemon serves with what is stored, and passes over what has expired" 200 \
    "$("$REEVE" run --no-cgroup -- sh -c 'curl -sS -o /dev/null -w "%{http_code}" \
        -H "x-api-key: $ANTHROPIC_API_KEY" -H "anthropic-version: 2023-06-01" \
        "$ANTHROPIC_BASE_URL/v1/models"' 2>"$WORK/run.log")"
stop "$SERVE_PID"
flow_end
