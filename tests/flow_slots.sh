#!/bin/bash
# Slots that cannot leak: the daemon restarts and runs go on, with what they have spent; supervisors,
# agents and the daemon are killed in every order, and slots in use are live runs all the same.
#
# SLOTS=full (make check-slots): 1,000 kills.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_ceilings.sh"

KILLS=60
[ "${SLOTS:-}" != full ] || KILLS=1000

cat >"$WORK/ask.sh" <<'END'
exec curl -sS --max-time 60 "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_API_KEY" \
    -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' -H "x-fake-script: $1" \
    -d '{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'
END
cat >"$WORK/reeve.conf" <<'END'
[Job counted]
RequestsMax=3
KillGrace=300ms
[Job killed]
KillGrace=20ms
END
umask 077
echo "$SECRET" >"$WORK/credential"

field() { "$REEVE" status --json 2>/dev/null | jq -r "$1"; }
field_is() { [ "$(field "$1")" = "$2" ]; }

# start_run NAME SCRIPT [OPTION…]: a run of the job counted; $RUN_PID is its supervisor.
start_run() {
    start "$1" "$REEVE" run --config "$WORK/reeve.conf" --json --job counted "${@:3}" -- sh -c "$2"
    RUN_PID=$STARTED_PID
}
summary_of() { tail -n 1 "$WORK/$1.log" | jq -r "$2"; }

# begin [ARGUMENT…]: the daemon, up to where supervisors reach it.
begin() { start_reeve "$@" && wait_until 30 "$REEVE" status; }

restart() {
    stop "$SERVE_PID" "$1"
    begin --ledger host=/nonexistent
}

# A run asks once before and once after each restart; its ceiling is three requests.
try_restarts() {
    start_run over "sh $WORK/ask.sh '{}'; until test -e $WORK/1; do sleep 0.02; done
        sh $WORK/ask.sh '{}'; touch $WORK/asked; until test -e $WORK/2; do sleep 0.02; done
        sh $WORK/ask.sh '{}'; echo; sh $WORK/ask.sh '{}' >$WORK/fourth; exit 4"
    check "a run begins" wait_until 20 field_is '.runs[0].exchanges' 1
    check "the daemon is killed and started" restart KILL
    equal "the run has its slot, with what it has spent" "1 1" \
        "$(field '"\(.runs | length) \(.runs[0].exchanges)"')"
    check "its supervisor is back" wait_until 20 field_is '.runs[0].state' running
    touch "$WORK/1"
    check "its key works" wait_until 20 test -e "$WORK/asked"
    equal "and is counted" 2 "$(field '.runs[0].exchanges')"
    check "the daemon is stopped and started" restart TERM
    touch "$WORK/2"
    wait "$RUN_PID"
    equal "the third request is its last: the ceiling has outlived two restarts" "100 ceiling 3" \
        "$? $(summary_of over '"\(.end) \(.account.exchanges)"')"
    equal "the fourth was refused" billing_error "$(jq -r .error.type "$WORK/fourth")"
}

try_end_without_daemon() {
    start_run late "sh $WORK/ask.sh '{}'; until test -e $WORK/3; do sleep 0.02; done; exit 5"
    check "another run begins" wait_until 20 field_is '.runs[0].exchanges' 1
    stop "$SERVE_PID" KILL
    touch "$WORK/3"
    check "it ends while there is no daemon" wait_until 20 grep -q 'waiting for it to settle' "$WORK/late.log"
    begin --ledger host=/nonexistent
    wait "$RUN_PID"
    equal "and is settled once there is one" "5 exited 1" \
        "$? $(summary_of late '"\(.end) \(.account.exchanges)"')"
}

try_queue() {
    start_run one "until test -e $WORK/4; do sleep 0.02; done" --requests-max 1
    start_run two "until test -e $WORK/4; do sleep 0.02; done" --requests-max 2
    check "both slots are taken" wait_until 20 field_is '.runs | length' 2
    start_run third "exit 6" --wait 1min
    local third=$RUN_PID
    check "a third waits" wait_until 20 field_is '.waiting | length' 1
    start_run fourth true --wait 1min --priority 5
    check "a fourth is before it" wait_until 20 field_is '.waiting[0].priority' 5
    check "the daemon is killed and started" restart KILL
    check "they wait again" wait_until 20 field_is '.waiting | map(.priority) | join(" ")' "5 0"
    touch "$WORK/4"
    wait "$third"
    equal "and run then" 6 $?
    wait "$RUN_PID"
    equal "the fourth as well" 0 $?
}

# Every run that was granted is closed in the ledger, once.
try_ledger() {
    check "the daemon starts with a ledger" begin
    check "which catches up" wait_until 60 field_is .ledger "up to date"
    "$REEVE" ledger export run --format json >"$WORK/runs.jsonl"
    equal "no run is open in the ledger" 0 "$(jq -n '[inputs | select(.ended == null)] | length' "$WORK/runs.jsonl")"
    check "and all are there" test "$(wc -l <"$WORK/runs.jsonl")" -ge $((7 + 3 * $(cat "$WORK/rounds")))
}

check "the fake starts" start_fake --accept "$SECRET"
check "reeve serve starts" begin --ledger host=/nonexistent
"$REEVE" run -- true 2>"$WORK/err"
if [ $? = 71 ]; then
    skip "runs in cgroups" "$(head -n 1 "$WORK/err")"
    flow_end
fi
try_restarts
try_end_without_daemon
try_queue
stop "$SERVE_PID"
REEVE=$REEVE python3 "$TOP/tests/kill_loop.py" --kills "$KILLS" --work "$WORK" -- "$REEVE" serve \
    --config "$WORK/reeve.conf" --listen "127.0.0.1:$PORT" --upstream "$FAKE_TLS_URL" \
    --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential" --ledger host=/nonexistent || FLOW_FAILED=1
try_ledger
flow_end
