#!/bin/bash
# State between runs, with real daemons: what is done is skipped, what is running refused, what died
# taken over; two daemons on one Postgres, one of them through PgBouncer, which goes away and comes back.
. "$(dirname "$0")/lib.sh"

PGBOUNCER=/usr/sbin/pgbouncer
umask 077
echo sk-ant-api03-of-the-account >"$WORK/credential"
SLOTS=8
cat >"$WORK/reeve.conf" <<END
[Reeve]
Slots=$SLOTS
TimeZone=America/Los_Angeles
[Job keyed]
Key=%J-%Y%m%d
[Job other]
END
HERE=$WORK/state
THERE=$WORK/there # the state directory of the second daemon, which stands for another host

# serve STATE_DIR ARGUMENT…
serve() {
    REEVE_STATE_DIR=$1 start_serve --config "$WORK/reeve.conf" --upstream http://127.0.0.1:9 \
        --credential "$WORK/credential" "${@:2}"
}

# run [OPTION…] -- COMMAND…: by the daemon of $REEVE_STATE_DIR; $CODE is its exit code.
run() {
    CODE=0
    "$REEVE" run --config "$WORK/reeve.conf" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || CODE=$?
}

# state ARGUMENT…: as an operator, of the job `default`; $CODE is the exit code.
state() {
    CODE=0
    "$REEVE" state "$@" --job default >"$WORK/out" 2>"$WORK/err" || CODE=$?
}
state_of() { "$REEVE" state get "$1" --job default --json 2>/dev/null | jq -r .state; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
not() { ! "$@"; }

# starts NAME KEY COMMAND: in the background; returns once the command runs. $STARTED_PID is the
# supervisor.
starts() {
    rm -f "$WORK/$1.up"
    start "$1" "$REEVE" run --config "$WORK/reeve.conf" --key "$2" -- \
        sh -c "touch $WORK/$1.up; $3"
    wait_until 20 test -e "$WORK/$1.up"
}

try_done() {
    run --key once -- sh -c "echo \$REEVE_KEY \$REEVE_FENCE; exit 3"
    equal "a key is claimed, and the command knows it" "3 once 1" "$CODE $(cat "$WORK/out")"
    run --key once -- sh -c "echo again"
    equal "what has failed is run again" "0 again" "$CODE $(cat "$WORK/out")"
    run --key once -- touch "$WORK/twice"
    equal "what is done is skipped" "0" "$CODE"
    check "what is done is skipped: it says so" grep -q '^reeve run: already done: once' "$WORK/err"
    check "what is done is skipped: nothing runs" test ! -e "$WORK/twice"
    run --job keyed -- true
    equal "the key of a job is in effect" 0 "$CODE"
    run --job keyed -- touch "$WORK/twice"
    check "the key of a job has the day of TimeZone=" grep -q \
        "already done: keyed-$(TZ=America/Los_Angeles date +%Y%m%d)" "$WORK/err"
    check "the key of a job: nothing runs" test ! -e "$WORK/twice"
    run --key '%Q' -- true
    equal "a template that is none" 64 "$CODE"
    run --key nothing -- /nonexistent
    equal "a command that is not there does not make its key done" "127 free" \
        "$CODE $(state_of nothing)"
}

try_running() {
    starts first busy "until test -e $WORK/go; do sleep 0.05; done"
    run --key busy -- touch "$WORK/twice"
    equal "what is running is refused" 75 "$CODE"
    check "what is running is refused: by whom it is held" grep -q 'busy is held by run 20' "$WORK/err"
    touch "$WORK/go"
    wait "$STARTED_PID"
    equal "the first one is done" "0 done" "$? $(state_of busy)"
    # What a command leaves behind in the background belongs to its run.
    starts late writes "(until test -e $WORK/write; do sleep 0.05; done; touch $WORK/written) & exit 0"
    run --key writes -- true
    equal "a run is not done while something of it may write" 75 "$CODE"
    touch "$WORK/write"
    wait "$STARTED_PID"
    run --key writes -- touch "$WORK/twice"
    check "then it is" grep -q 'already done' "$WORK/err"
    check "and nothing was overtaken" test -e "$WORK/written" -a ! -e "$WORK/twice"
}

try_takeover() {
    starts victim dies "sleep 4245"
    "$REEVE" state get dies --job default >"$WORK/out"
    kill -KILL "$STARTED_PID"
    wait "$STARTED_PID" 2>/dev/null
    check "what died is free" wait_until 20 is_state dies free
    run --key dies -- sh -c "echo \$REEVE_FENCE"
    equal "and is taken over, under the next number" "0 2" "$CODE $(cat "$WORK/out")"
}

# A run and its key outlive the daemon.
try_restart() {
    starts survivor stays "until test -e $WORK/over; do sleep 0.05; done"
    local survivor=$STARTED_PID
    stop "$SERVE_PID" KILL
    check "the daemon starts again" serve "$HERE"
    run --key stays -- touch "$WORK/twice"
    equal "over a restart of the daemon, what is running is refused" 75 "$CODE"
    touch "$WORK/over"
    wait "$survivor"
    equal "and is done when it ends" "0 done" "$? $(state_of stays)"
}

# Who waits for a slot with a key has it again from the next daemon, and is not overtaken meanwhile.
try_restart_waiting() {
    local running=() waits i
    for ((i = 0; i < SLOTS; i++)); do
        starts "takes-$i" "takes-$i" "until test -e $WORK/free; do sleep 0.05; done"
        running+=("$STARTED_PID")
    done
    "$REEVE" run --wait 5min --key waits -- sh -c 'echo "$REEVE_KEY $REEVE_FENCE"' >"$WORK/waits" 2>"$WORK/waits.err" &
    waits=$!
    check "a run with a key waits for a slot" wait_until 20 grep -q 'waiting for a slot' "$WORK/waits.err"
    stop "$SERVE_PID" TERM
    check "the daemon starts again" serve "$HERE"
    check "it waits again" wait_until 20 bash -c "[ \$(grep -c 'waiting for a slot' $WORK/waits.err) = 2 ]"
    run --key waits -- touch "$WORK/twice"
    equal "and has its key again" 75 "$CODE"
    touch "$WORK/free"
    wait "${running[@]}" "$waits"
    equal "with the next number" "0 waits 2 done" "$? $(cat "$WORK/waits") $(state_of waits)"
}

try_inside() {
    cat >"$WORK/agent.sh" <<END
reeve=$REEVE
\$reeve state claim page-1; echo \$?
\$reeve state done page-1 --result '{"pages": 3}'; echo \$?
\$reeve state claim page-1; echo \$?
\$reeve state claim page-2; echo \$?
\$reeve state claim page-3 --job other; echo \$?
env -i REEVE_STATE_DIR=\$REEVE_STATE_DIR \$reeve state claim page-3 --job other; echo \$?
setsid env -i REEVE_STATE_DIR=\$REEVE_STATE_DIR \$reeve state done page-2 --job other; echo \$?
\$reeve state done inside; echo \$?
\$reeve run --key page-3 --job other -- true; echo \$?
\$reeve state release page-1 --force; echo \$?
END
    run --key inside -- sh "$WORK/agent.sh"
    equal "a run claims, finishes and is told" "0 0 3 0" \
        "$(grep -E '^[0-9]+$' "$WORK/out" | head -4 | xargs)"
    equal "but not of other jobs, not its own key, and by no force" "64 64 64 4 64 64" \
        "$(grep -E '^[0-9]+$' "$WORK/out" | tail -6 | xargs)"
    state get page-1 --json
    equal "the result is kept" 3 "$(jq .result.pages "$WORK/out")"
    state get page-2 --json
    equal "what a run leaves is free" free "$(jq -r .state "$WORK/out")"
    "$REEVE" state get page-3 --job other >"$WORK/out" 2>&1
    equal "nothing of the other job was touched" 1 $?
    # A key that was stolen by another run.
    starts owner mine "printenv ANTHROPIC_API_KEY >$WORK/stolen; until test -e $WORK/end; do sleep 0.05; done"
    wait_until 10 test -s "$WORK/stolen"
    run --key thief -- sh -c "ANTHROPIC_API_KEY=\$(cat $WORK/stolen) $REEVE state claim loot"
    equal "a run key is of no use to another run" 64 "$CODE"
    touch "$WORK/end"
    wait "$STARTED_PID"
}

try_operator() {
    state claim by-hand --ttl 1h
    equal "an operator claims" 0 "$CODE"
    run --key by-hand -- true
    equal "which holds a run back" 75 "$CODE"
    state done by-hand
    equal "and finishes" "0 done" "$CODE $(state_of by-hand)"
    "$REEVE" state claim by-hand 2>"$WORK/err"
    equal "outside of a run --job is needed" 64 $?
    state claim x --ttl 1
    equal "a time that is too short" 64 "$CODE"
    state done x --result '{'
    equal "a result that is not JSON" 64 "$CODE"
    equal "the list has every key once" "$("$REEVE" state list --job default --json | jq 'map(.key) | unique | length')" \
        "$("$REEVE" state list --job default | wc -l)"
    starts forced torn "sleep 100"
    state release torn --force
    equal "by force, a live run's key is taken" 0 "$CODE"
    wait "$STARTED_PID"
    equal "and the run is ended" 103 $?
}

pooler() {
    start pgbouncer "$PGBOUNCER" -q $([ "$(id -u)" != 0 ] || echo -u "$OWNER") "$WORK/pooler/pgbouncer.ini"
    POOLER_PID=$STARTED_PID
    wait_until 20 psql -X -q -A -t -h "$WORK/pooler" -p 6432 -U anyone -d books -c 'SELECT 1'
}

start_pooler() {
    OWNER=$(stat -c %U "$HERE/postgres/data")
    mkdir -p "$WORK/pooler"
    printf '%s\n' '[databases]' "books = host=$HERE/postgres dbname=postgres user=reeve" \
        '[pgbouncer]' 'pool_mode = transaction' 'auth_type = any' 'listen_addr =' \
        "unix_socket_dir = $WORK/pooler" "logfile = $WORK/pooler/log" >"$WORK/pooler/pgbouncer.ini"
    [ "$(id -u)" != 0 ] || chown -R "$OWNER" "$WORK/pooler"
    pooler
}

# One key, claimed by runs of both daemons at the same time: one of them runs.
try_two_hosts() {
    local i
    for i in 1 2 3; do
        for REEVE_STATE_DIR in "$HERE" "$THERE"; do
            start "race-$i-${REEVE_STATE_DIR##*/}" "$REEVE" run --config "$WORK/reeve.conf" \
                --key race -- sh -c "echo ran >>$WORK/raced; sleep 1"
        done
    done
    wait_until 30 eval '[ "$(grep -lE "^reeve( run)?: (race is held|already|run )" "$WORK"/race-*.log | wc -l)" = 6 ]'
    equal "of six runs on two hosts one runs" 1 "$(wc -l <"$WORK/raced")"
    export REEVE_STATE_DIR=$THERE
    run --key once -- touch "$WORK/twice"
    check "what is done here is done there" grep -q 'already done: once' "$WORK/err"
    REEVE_STATE_DIR=$HERE starts here both "until test -e $WORK/enough; do sleep 0.05; done"
    run --key both -- true
    equal "what runs here is refused there" 75 "$CODE"
    touch "$WORK/enough"
    wait "$STARTED_PID"
}

# Runs of both daemons go through the same keys, and their supervisors are killed at random: every key
# is done in the end, and nobody is told twice that it has finished one.
try_many() {
    local runs=$1 keys=$2 kills=$3 i pids=()
    cat >"$WORK/worker.sh" <<END
for key in \$(seq 1 $keys | shuf); do
    $REEVE state claim "many-\$key" >/dev/null 2>&1 || continue
    $REEVE state done "many-\$key" >/dev/null 2>&1 && echo "\$key" >>$WORK/finished
done
END
    worker() {
        if [ $(($1 % 2)) = 0 ]; then REEVE_STATE_DIR=$HERE; else REEVE_STATE_DIR=$THERE; fi
        start "many-$1" "$REEVE" run --wait 1min -- sh "$WORK/worker.sh"
        pids[$1]=$STARTED_PID
    }
    for ((i = 0; i < runs; i++)); do worker $i; done
    for ((i = 0; i < kills; i++)); do
        sleep 0.$((SRANDOM % 5))
        kill -KILL "${pids[i % runs]}" 2>/dev/null
        wait "${pids[i % runs]}" 2>/dev/null
        worker $((i % runs))
    done
    wait "${pids[@]}"
    export REEVE_STATE_DIR=$THERE
    "$REEVE" run -- sh "$WORK/worker.sh" 2>/dev/null # what those who were killed last have left
    equal "every key is done, of $keys by $runs runs with $kills kills" "$keys" \
        "$("$REEVE" state list --job default --json |
            jq '[.[] | select(.key | startswith("many-")) | select(.state == "done")] | length')"
    equal "none of them twice" "" "$(sort "$WORK/finished" | uniq -d)"
}

try_out_of_reach() {
    export REEVE_STATE_DIR=$THERE
    starts ends owed "until test -e $WORK/finish; do sleep 0.05; done"
    local ends=$STARTED_PID
    stop "$POOLER_PID" KILL
    run --key away -- touch "$WORK/twice"
    equal "out of reach, nothing runs" "75 no" "$CODE $(test -e "$WORK/twice" && echo yes || echo no)"
    check "out of reach, it says so" grep -q 'the key was not claimed: ' "$WORK/err"
    state claim away
    equal "out of reach, nothing is claimed" 75 "$CODE"
    run -- true
    equal "without a key all goes on" 0 "$CODE"
    touch "$WORK/finish"
    wait "$ends"
    equal "a run that ends meanwhile ends well" 0 $?
    check "and says that its key is not done yet" grep -q 'not marked as done yet' "$WORK/ends.log"
    check "the pooler comes back" pooler
    equal "nothing had been claimed" 1 "$(REEVE_STATE_DIR=$HERE state_of away >"$WORK/none"; state get away; echo "$CODE")"
    check "what was owed is written" wait_until 40 is_state owed done
    run --key away -- true
    equal "and runs have keys again" "0 done" "$CODE $(state_of away)"
}

check "reeve serve starts" serve "$HERE"
export REEVE_STATE_DIR=$HERE
run --key first -- true
if [ "$CODE" = 71 ]; then
    skip "runs in cgroups" "$(head -n 1 "$WORK/err")"
    flow_end
fi
try_done
try_running
try_takeover
try_restart
try_restart_waiting
try_inside
try_operator
if [ -x "$PGBOUNCER" ]; then
    check "PgBouncer starts" start_pooler
    check "a second daemon starts" serve "$THERE" \
        --ledger "host=$WORK/pooler port=6432 dbname=books user=anyone"
    try_two_hosts
    if [ "${STATE:-}" = full ]; then try_many 16 300 60; else try_many 4 20 3; fi
    try_out_of_reach
else
    skip "two hosts" "there is no PgBouncer"
fi
flow_end
