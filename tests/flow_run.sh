#!/bin/bash
# Runs with the real daemon: how they end and exit, that nothing of them is left, status and kill.
#
# What ends a run on the inside is tried closely by tests/test_run.c; here the parts are put together.
. "$(dirname "$0")/lib.sh"

SECRET=sk-ant-api03-of-the-account
# A request as an agent would send it; $1 is the fake's script.
cat >"$WORK/ask.sh" <<'END'
exec curl -sS --max-time 60 "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_API_KEY" \
    -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' -H "x-fake-script: $1" \
    -d '{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'
END

umask 077
echo "$SECRET" >"$WORK/credential"
cat >"$WORK/reeve.conf" <<'END'
[Job quick]
KillGrace=300ms
[Job small]
KillGrace=300ms
MemoryMax=48M
TasksMax=64
RuntimeMaxSec=30s
Command=echo "command of $REEVE_JOB"; exit 5
END

# run [OPTION…] -- COMMAND…: stdout in $WORK/out, stderr in $WORK/err; $CODE is its exit code.
run() {
    CODE=0
    "$REEVE" run --config "$WORK/reeve.conf" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || CODE=$?
}

summary() { tail -n 1 "$WORK/err" | json "$1"; }
json() { jq -r "$@"; }
field() { "$REEVE" status --json | json "$1"; }

# has_no_cgroup RUN…: none of these has one, in any hierarchy.
has_no_cgroup() {
    local id
    for id in "$@"; do
        [ -z "$(find /sys/fs/cgroup -maxdepth 4 -name "$id" 2>/dev/null)" ] || return 1
    done
}
all_runs() { sed -n 's/.*run_granted run=\([^ ]*\) .*/\1/p' "$WORK/serve.log"; }

# Dead, even if the init of this machine is slow to reap it.
is_dead() { ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

# ends NAME CODE END [OPTION…] -- COMMAND…: the run exits and is accounted for so.
ends() {
    run --json "${@:4}"
    equal "$1" "$2 $3" "$CODE $(summary .end)"
    check "$1: nothing is left" has_no_cgroup "$(summary .run)"
}

try_ends() {
    ends "exit code" 7 exited -- sh -c 'exit 7'
    check "nothing is taken for an escape" not grep -q run_escaped "$WORK/serve.log"
    ends "signal" 139 signaled -- sh -c 'kill -SEGV $$'
    ends "not found" 127 exited -- /nonexistent
    ends "timeout" 102 timeout --job quick --runtime-max 200ms -- sleep 100
    ends "deaf to SIGTERM" 102 timeout --job quick --runtime-max 200ms -- \
        sh -c 'trap "" TERM; while :; do sleep 100; done'
    ends "stray daemon" 0 exited --job quick -- sh -c "setsid sleep 4242 & echo \$! >$WORK/stray"
    check "stray daemon is dead" is_dead "$(cat "$WORK/stray")"
    ends "background child" 3 exited -- sh -c "(sleep 0.2; touch $WORK/late) & exit 3"
    check "background child was waited for" test -e "$WORK/late"
}

try_memory() {
    start neighbour "$REEVE" run --config "$WORK/reeve.conf" -- \
        sh -c "touch $WORK/up; until test -e $WORK/go; do sleep 0.05; done; exit 4"
    wait_until 10 test -e "$WORK/up"
    ends "out of memory" 101 oom --job small -- \
        sh -c "head -c 200m /dev/zero | tail; touch $WORK/survived; sleep 100"
    check "out of memory: the peak is the limit" test "$(summary .memory_peak_bytes)" = $((48 << 20))
    check "out of memory: the whole run" test ! -e "$WORK/survived"
    ends "fork bomb" 102 timeout --job small --runtime-max 2s -- \
        bash -c 'bomb() { bomb & bomb & sleep 100; }; bomb'
    touch "$WORK/go"
    wait "$STARTED_PID"
    equal "the neighbour goes on" 4 $?
}

try_identity() {
    CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-x CLAUDE_CODE_USE_BEDROCK=1 run -- env
    check "no credential in the environment" not grep -q sk-ant- "$WORK/out"
    check "no way around the proxy" not grep -q CLAUDE_CODE_ "$WORK/out"
    equal "the proxy is the base" "$SERVE_URL" "$(sed -n 's/^ANTHROPIC_BASE_URL=//p' "$WORK/out")"
    KEY=$(sed -n 's/^ANTHROPIC_API_KEY=//p' "$WORK/out")
    ANTHROPIC_BASE_URL=$SERVE_URL ANTHROPIC_API_KEY=$KEY sh "$WORK/ask.sh" '{}' >"$WORK/answer"
    equal "a key is worth nothing after its run" authentication_error \
        "$(json .error.type "$WORK/answer")"
    check "the key is in no log" not grep -qF "${KEY#reeve-run-}" "$WORK/serve.log" "$WORK/err"
}
not() { ! "$@"; }

try_account() {
    run --json -- sh -c "sh $WORK/ask.sh '{}' && sh $WORK/ask.sh '{}'"
    equal "two exchanges" "0 2" "$CODE $(summary .account.exchanges)"
    equal "the summary's dollars are the upstream's" \
        "$(jq -n '[inputs.billed_pico_usd] | add' "$FAKE_BOOKS")" \
        "$(python3 -c 'import decimal, sys; print(int(decimal.Decimal(sys.argv[1]) * 10**12))' \
            "$(summary .account.cost_usd)")"
    run -- true
    check "the last line is for people" grep -Eq \
        '^reeve: run [0-9]{8}-[0-9]{6}-[0-9a-z]{6} job default: exited, exit 0, .*\$0\.00, peak ' \
        <(tail -n 1 "$WORK/err")
}

try_kill() {
    local id
    start victim "$REEVE" run --config "$WORK/reeve.conf" --job quick --json -- \
        sh -c "sh $WORK/ask.sh '{\"delay_ms\":20000}'; sleep 100"
    wait_until 10 eval '[ "$(field .exchanges_in_flight)" = 1 ]'
    id=$(field '.runs[0].run')
    equal "status shows the run" "running quick 1" \
        "$(field '.runs[0] | "\(.state) \(.job) \(.exchanges_in_flight)"')"
    check "reeve kill" "$REEVE" kill "$id"
    wait "$STARTED_PID"
    equal "killed" "103 killed" "$? $(tail -n 1 "$WORK/victim.log" | json .end)"
    check "killed: nothing is left" has_no_cgroup "$id"
    equal "no exchange is in flight any more" 0 "$(field .exchanges_in_flight)"
    "$REEVE" kill "$id" 2>"$WORK/err"
    equal "a run that is over cannot be killed" 1 $?
}

try_queue() {
    local i
    for i in 1 2; do
        start "slot$i" "$REEVE" run -- sh -c "until test -e $WORK/next; do sleep 0.05; done"
    done
    wait_until 10 eval '[ "$(field ".runs | length")" = 2 ]'
    run -- true
    equal "no slot" "75 reeve run: all 2 slots are taken" "$CODE $(cat "$WORK/err")"
    start waiting "$REEVE" run --wait 1min -- test -e "$WORK/next"
    wait_until 10 eval '[ "$(field ".waiting | length")" = 1 ]'
    equal "status shows who waits" default "$(field '.waiting[0].job')"
    touch "$WORK/next"
    wait "$STARTED_PID"
    equal "the third one runs when a slot is free" 0 $?
    run --wait 10s --job quick -- true
    equal "the slots are free again" 0 "$CODE"
}

try_words() {
    run small
    equal "a job's own command" "5 command of small" "$CODE $(cat "$WORK/out")"
    run --job small --memory-max 64M -- true
    equal "looser than the job" 64 "$CODE"
    check "looser than the job: says which" grep -q -- \
        '--memory-max may only be tighter than MemoryMax=48M of \[Job small\]' "$WORK/err"
    run --memory-max 1X -- true
    equal "a size that is none" "64" "$CODE"
    run nosuch
    equal "a job that is not there" 78 "$CODE"
    echo '[Job x' >"$WORK/bad.conf"
    "$REEVE" run --config "$WORK/bad.conf" -- true 2>"$WORK/err"
    equal "a bad configuration" 78 $?
    REEVE_STATE_DIR=$WORK/nowhere run -- true
    equal "no daemon" 69 "$CODE"
}

# move PID [HIERARCHY…]: out of its cgroups, as a session manager does.
cat >"$WORK/move.sh" <<'END'
pid=$1; shift
for file in /sys/fs/cgroup/cgroup.procs $(printf '/sys/fs/cgroup/%s/cgroup.procs ' "$@"); do
    [ ! -e "$file" ] || echo "$pid" >"$file"
done
END

# A process that is moved out of the run's cgroup, with an environment of its own or without one.
try_escape() {
    if [ "$(id -u)" != 0 ]; then
        skip "a process leaves the cgroup" "only root can move it here"
        return
    fi
    rm -f "$WORK/stray"
    run --json --job quick -- sh -c "setsid sleep 4245 & echo \$! >$WORK/stray
        sh $WORK/move.sh \$! memory pids freezer cpu cpuacct blkio; exit 3"
    equal "a process leaves the cgroup, the run ends" 3 "$CODE"
    check "it is found and killed" is_dead "$(cat "$WORK/stray")"
    check "it is told of" grep -q "run_escaped run=$(summary .run) what=\"pid $(cat "$WORK/stray") (s" "$WORK/serve.log"
    equal "there is an alert" "escape $(summary .run)" \
        "$("$REEVE" alert list --json | json '.alerts[0] | "\(.kind) \(.run)"')"
    run --json --job quick -- sh -c "(env -i setsid sleep 4246 & echo \$! >$WORK/stray)
        sh $WORK/move.sh \$(cat $WORK/stray) pids; exit 3"
    equal "another does, by a double fork, without its environment" 3 "$CODE"
    check "it is found and killed as well" is_dead "$(cat "$WORK/stray")"
    check "it is told of as well" grep -q "run_escaped run=$(summary .run) what=\"pid $(cat "$WORK/stray") (s" "$WORK/serve.log"
    check "nothing of the run is left" has_no_cgroup "$(summary .run)"
}

try_terminal() { python3 "$TOP/tests/terminal.py" "$REEVE" || FLOW_FAILED=1; }

try_supervisor_killed() {
    start lost "$REEVE" run -- sh -c "setsid sleep 4243 & echo \$! >$WORK/stray; sleep 4244"
    wait_until 10 test -s "$WORK/stray"
    wait_until 10 eval '[ "$(field ".runs[0].state")" = running ]'
    kill -KILL "$STARTED_PID"
    wait "$STARTED_PID" 2>/dev/null
    check "a killed supervisor frees its slot" wait_until 20 eval '[ "$(field ".runs | length")" = 0 ]'
    check "and leaves no process" is_dead "$(cat "$WORK/stray")"
    check "and no cgroup" has_no_cgroup $(all_runs)
}

# One that has left the cgroup is nobody's child by then.
try_supervisor_killed_with_an_escape() {
    local id
    [ "$(id -u)" = 0 ] || return # nobody else can move it here
    rm -f "$WORK/stray"
    start lost "$REEVE" run -- sh -c "setsid sleep 4247 & sh $WORK/move.sh \$! memory pids freezer cpu cpuacct blkio
        echo \$! >$WORK/stray; sleep 4248"
    wait_until 10 test -s "$WORK/stray"
    wait_until 10 eval '[ "$(field ".runs[0].state")" = running ]'
    id=$(field '.runs[0].run')
    kill -KILL "$STARTED_PID"
    wait "$STARTED_PID" 2>/dev/null
    check "the slot of a killed supervisor with an escaped process is freed" \
        wait_until 20 eval '[ "$(field ".runs | length")" = 0 ]'
    check "the process has been killed" is_dead "$(cat "$WORK/stray")"
    equal "there is an alert" "escape $id" \
        "$("$REEVE" alert list --json | jq -r ".alerts[] | select(.run == \"$id\") | \"\(.kind) \(.run)\"")"
    check "nothing of the run is left" has_no_cgroup "$id"
}

start_fake --accept "$SECRET" || not_ok "the fake starts"
start_serve --config "$WORK/reeve.conf" --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" \
    --credential "$WORK/credential" || not_ok "reeve serve starts"
run -- true
if [ "$CODE" = 71 ]; then
    skip "runs in cgroups" "$(head -n 1 "$WORK/err")"
    flow_end
fi
try_ends
try_memory
try_identity
try_account
try_kill
try_queue
try_words
try_escape
try_terminal
try_supervisor_killed
try_supervisor_killed_with_an_escape
check "every run is closed in the journal's account" test \
    "$(grep -c run_granted "$WORK/serve.log")" = "$(grep -c run_closed "$WORK/serve.log")"
flow_end
