#!/bin/bash
# reeve credential: stores secrets so that only the daemon can read them, lists them without showing them.
. "$(dirname "$0")/lib.sh"

KEY=sk-ant-api03-of-the-account
TOKEN=sk-ant-oat01-of-the-account
PAIR='{"claudeAiOauth":{"accessToken":"sk-ant-oat01-a","refreshToken":"sk-ant-ort01-r","expiresAt":1000}}'
export REEVE_STATE_DIR=$WORK/state
STORE=$REEVE_STATE_DIR/credentials

CONFIG=()
credential() { "$REEVE" credential "$@" "${CONFIG[@]}" >"$WORK/said" 2>&1; }
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
refused "no name" 64 "NAME is missing" "$KEY" add
refused "an unknown verb" 64 "write list, check, refresh" "" show main
refused "removing what is not there" 66 "there is no credential other" "" remove other

chmod 644 "$STORE/spare"
check "a file that others can read is told with what mends it" \
    grep -q "chmod 600 $STORE/spare" <("$REEVE" credential list)
check "one is removed" credential remove spare
equal "and gone" "login main" "$(ls -A "$STORE" | paste -sd' ')"

# ---- with a daemon

ROTATING=sk-ant-ort01-of-the-login
FRESH='{"claudeAiOauth":{"accessToken":"sk-ant-oat01-a","refreshToken":"'$ROTATING'","expiresAt":1000}}'

# of NAME MEMBER: what the daemon's list says of a credential.
of() { "$REEVE" credential list --json | jq -r ".[] | select(.name == \"$1\") | .$2"; }
is() { [ "$(of "$1" "$2")" = "$3" ]; }

# The status of a request by an agent; $1 is an argument more for curl.
ask() {
    "$REEVE" run --no-cgroup -- sh -c 'curl -sS -o /dev/null -w "%{http_code}" ${1:+"$1"} \
        -H "x-api-key: $ANTHROPIC_API_KEY" -H "anthropic-version: 2023-06-01" \
        "$ANTHROPIC_BASE_URL/v1/models"' sh "${1:-}" 2>"$WORK/run.log"
}

start_fake --accept "$KEY-2" --refresh-token "$ROTATING" || not_ok "the fake starts"
printf '[Reeve]\nTokenEndpoint=%s/v1/oauth/token\n[Credential outside]\nType=api-key\nFile=%s\n' \
    "$FAKE_URL" "$WORK/token" >"$WORK/reeve.conf"
CONFIG=(--config "$WORK/reeve.conf")
chmod 600 "$WORK/token"
echo "$KEY-2" >"$WORK/token"
check "what is passed over without a daemon is said" grep -q 'no daemon runs' <(
    "$REEVE" credential disable login)
check "a disabled one is enabled again" credential enable login
equal "checking needs a daemon" "69" "$(credential check || echo $?)"

credential add login <<<"$FRESH"
start_serve --config "$WORK/reeve.conf" --upstream "$FAKE_URL" --ledger "host=$WORK/nowhere" ||
    not_ok "reeve serve starts"
check "a pair that has expired is refreshed at the start" wait_until 20 is login state ready
equal "the daemon serves" 200 "$(ask)"
equal "it says what has served" "1 any" "$(of main exchanges) $(of main serves)"
equal "and what has been refreshed" "1 claude-code" "$(of login refreshes) $(of login serves)"
check "all are found good by a free call" credential check
equal "each of them" "login main outside" "$(awk '$2 == "good" { print $1 }' "$WORK/said" | sort | paste -sd' ')"
check "a pair is refreshed on demand" credential refresh login
equal "once more" 2 "$(of login refreshes)"
equal "a key cannot be" "1 yes" "$(credential refresh main; echo "$? $(
    grep -q 'has no refresh token' "$WORK/said" && echo yes)")"
equal "nor one that is not there" "1 yes" "$(credential refresh nobody; echo "$? $(
    grep -q 'there is no credential nobody' "$WORK/said" && echo yes)")"

check "one is disabled" credential disable main
check "and another" credential disable outside
equal "they say so" "disabled disabled" "$(of main state) $(of outside state)"
check "and one is removed" credential remove login
equal "nothing serves any more" 503 "$(ask)"
check "one is enabled" credential enable outside
equal "it serves" "200 1" "$(ask) $(of outside exchanges)"
refused "removing what the configuration names" 66 "change it there" "" remove outside
refused "adding where the configuration names a file" 64 "change it there" "$KEY" add outside

check "what is added is there at once" credential add later <<<"$KEY-wrong"
equal "as it is" "ready" "$(of later state)"
equal "a wrong key is found bad" "1 later bad" "$(credential check later; echo "$? $(awk '{ print $1, $2 }' "$WORK/said")")"
equal "and refused from then on" "refused" "$(of later state)"
credential add later <<<"$KEY-2"
equal "until it is replaced" "ready" "$(of later state)"
equal "no secret is ever shown" "" "$(cat "$WORK/said" "$WORK/serve.log" <("$REEVE" credential list) \
    <("$REEVE" credential list --json) <("$REEVE" status --json) <("$REEVE" credential check --json) |
    grep -o 'sk-ant-[a-z0-9-]*')"
stop "$SERVE_PID"
flow_end
