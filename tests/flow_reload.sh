#!/bin/bash
# A new daemon takes over under load: nobody is refused, no answer is broken, no connection is lost, and
# the books are the upstream's; also when one of the two is killed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"
. "$(dirname "$0")/lib_ceilings.sh"

# A program of its own, that can be replaced.
mkdir -p "$WORK/bin/whole"
cp "$REEVE" "$WORK/bin/reeve"
cp "$BUILD/whole/reeve" "$WORK/bin/whole/reeve"
REEVE=$WORK/bin/reeve
cat >"$WORK/good.conf" <<'END'
[Job plain]
IdleSec=10min
[Job near]
IdleSec=10min
CostMax=$0.60
OnCeiling=deny
END
cp "$WORK/good.conf" "$WORK/reeve.conf"
umask 077
echo "$SECRET" >"$WORK/credential"

# Sets SERVE_PID to the new daemon's, BEFORE to the one's that was asked, and TOOK_MS.
reload() {
    local said begun_ms
    BEFORE=$SERVE_PID
    begun_ms=$(date +%s%3N)
    said=$("$REEVE" reload --json) || return 1
    TOOK_MS=$(($(date +%s%3N) - begun_ms))
    SERVE_PID=$(jq .pid <<<"$said")
    STARTED+=("$SERVE_PID")
    [ "$(jq .pid_before <<<"$said")" = "$BEFORE" ]
}
# enough_ms [N]: how long an answer has to take to be under way after N reloads, on this machine.
enough_ms() { echo $((1500 + 3 * TOOK_MS * ${1:-1})); }
# It may be the child of somebody who does not wait for it.
is_over() { is_gone "$1" || grep -q '^State:.*zombie' "/proc/$1/status"; }
stop_serve() { kill -"${1:-TERM}" "$SERVE_PID" && wait_until 30 is_over "$SERVE_PID"; }
pid_is() { [ "$("$REEVE" status --json | jq .pid)" = "$1" ]; }
in_flight() { "$REEVE" status --json | jq .exchanges_in_flight; }

# ask KEY SCRIPT [MAX_TOKENS]: a stream, on stdout.
ask() {
    curl -sSN --max-time 60 "http://127.0.0.1:$PORT/v1/messages" -H "x-api-key: $1" -H "x-fake-script: $2" \
        -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
        -d "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":${3:-100},\"stream\":true,
             \"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
}
# begin_stream NAME KEY MILLISECONDS [MAX_TOKENS]: in the background, into $WORK/NAME; STREAM is its process.
begin_stream() {
    EVENTS=$(($3 / 100))
    ask "$2" "{\"text\":\"$(printf 'x%.0s' $(seq $EVENTS))\",\"events\":$EVENTS,\"events_delay_ms\":100}" "${4:-100}" >"$WORK/$1" 2>"$WORK/$1.err" &
    STREAM=$!
    wait_until 20 grep -q content_block_delta "$WORK/$1"
}
# is_whole NAME [EVENTS]
is_whole() { grep -q '^event: message_stop' "$WORK/$1" && [ "$(grep -c '^event: content_block_delta' "$WORK/$1")" = "${2:-$EVENTS}" ]; }
is_under_way() { ! grep -q '^event: message_stop' "$WORK/$1"; }

# Before a log is begun anew: nothing of what was passed has gone astray.
check_log() {
    check "nothing has gone astray" eval \
        '! grep -E "_of_nothing|_not_journaled|_not_taken|_not_followed|misunderstood|_not_passed|Sanitizer|runtime error|Assertion" $WORK/serve.log'
}

try_load() {
    local done=0
    "$REEVE" run --job plain -- sh -c 'exec python3 "$0" --url "$ANTHROPIC_BASE_URL" --in-flight 16 --requests 1000' \
        "$TOP/tests/load_client.py" >"$WORK/load.out" 2>&1 &
    local load=$!
    begin_stream beside "$PLAIN" 4000
    while kill -0 $load 2>/dev/null && [ $done -lt 3 ]; do
        reload || break
        done=$((done + 1))
    done
    equal "three reloads under load" 3 $done
    check "1,000 mixed exchanges are answered as asked" wait $load
    [ $? = 0 ] || tail -n 20 "$WORK/load.out"
    check "a stream that began before them is whole" eval "wait $STREAM && is_whole beside"
}

try_order() {
    begin_stream long "$PLAIN" "$(enough_ms 3)"
    local first=$SERVE_PID
    check "three reloads within one stream" eval "reload && reload && reload"
    check "the daemon that serves is the last one" pid_is "$SERVE_PID"
    equal "it knows of the stream" 1 "$(in_flight)"
    ask "$PLAIN" '{"events":1}' >"$WORK/short"
    check "a new request is answered" is_whole short 1
    check "while the stream goes on" eval "is_under_way long && ! is_over $first"
    check "which ends whole" eval "wait $STREAM && is_whole long"
    check "and its daemon with it" wait_until 20 is_over "$first"
    equal "nothing is in flight any more" 0 "$(in_flight)"
}

try_connections() {
    check "connections are kept" env ANTHROPIC_API_KEY="$PLAIN" python3 "$TOP/tests/reload_client.py" \
        "http://127.0.0.1:$PORT" "$REEVE"
    SERVE_PID=$("$REEVE" status --json | jq .pid)
    STARTED+=("$SERVE_PID")
}

# The old daemon gets a 529, of which its agent sees nothing: another attempt is the new one's to make.
try_attempt() {
    ask "$PLAIN" '{"id":"again","attempts":[{"delay_ms":'"$(enough_ms)"',"status":529},{"events":1}]}' >"$WORK/again" &
    local again=$!
    wait_until 20 eval '[ "$(in_flight)" = 1 ]'
    check "a reload before an answer" reload
    check "which is a 529: another attempt is answered" eval "wait $again && is_whole again 1"
    check "by the new daemon" wait_until 20 is_over "$BEFORE"
}

# call PATH [ARGUMENT…]: of curl.
call() {
    curl -sS --max-time 60 "http://127.0.0.1:$PORT$1" -H "x-api-key: $PLAIN" -H 'anthropic-version: 2023-06-01' \
        -H 'anthropic-beta: files-api-2025-04-14' "${@:2}"
}

# What has been made through the old daemon is the job's at the new one.
try_others() {
    head -c 1500000 /dev/zero >"$WORK/large"
    call /v1/files --limit-rate $((1500000000 / $(enough_ms))) -F "file=@$WORK/large" >"$WORK/file" &
    local upload=$! batch
    call /v1/messages/batches -H 'content-type: application/json' -H "x-fake-script: {\"delay_ms\":$(enough_ms)}" -d '{"requests":
        [{"custom_id":"a","params":{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}}]}' \
        >"$WORK/batch" &
    batch=$!
    wait_until 20 eval '[ "$(in_flight)" = 2 ]'
    check "a reload before a batch is made, in the middle of an upload" reload
    check "neither is answered yet" eval '[ ! -s $WORK/batch ] && [ ! -s $WORK/file ]'
    check "both are made" wait $batch $upload
    check "the batch is followed by the new daemon" wait_until 30 grep -q "^batch_settled batch=$(jq -r .id "$WORK/batch") .* succeeded=1 " "$WORK/serve.log"
    equal "the file is whole, and the job's" 1 "$(call "/v1/files/$(jq -r .id "$WORK/file")" | jq '.size_bytes > 1500000 | if . then 1 else 0 end')"
}

# Under a ceiling of $0.60: $0.50 is reserved by a stream, and $0.25 asked for.
try_ceiling() {
    begin_stream holding "$NEAR" "$(enough_ms 3)" 100000
    check "a reload while money is reserved" reload
    ask "$NEAR" '{"events":1}' 50000 >"$WORK/waiting" 2>&1 &
    local waiting=$!
    wait_until 20 eval '[ "$("$REEVE" status --json | jq .exchanges_in_flight)" = 2 ]'
    check "a reload while a request waits for money" reload
    check "which is not answered yet" eval "[ ! -s $WORK/waiting ] && is_under_way holding"
    check "but once the stream has settled" eval "wait $waiting && is_whole waiting 1"
    check "and that is whole" eval "wait $STREAM && is_whole holding"
    equal "what is above the ceiling is refused" billing_error "$(ask "$NEAR" '{}' 200000 | jq -r .error.type)"
}

try_run() {
    cat >"$WORK/agent.sh" <<'END'
ask() { curl -sS --max-time 60 "$ANTHROPIC_BASE_URL/v1/messages$1" -H "x-api-key: $ANTHROPIC_API_KEY" -H "x-fake-script: $2" \
    -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
    -d '{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'; }
ask /count_tokens '{}'
ask "" '{}'
ask "" "{\"delay_ms\":$2}" &
until test -e "$1"; do sleep 0.02; done
ask "" '{}'
wait
echo
exit 7
END
    start live "$REEVE" run --config "$WORK/reeve.conf" --json --job plain -- sh "$WORK/agent.sh" "$WORK/go" "$(enough_ms)"
    local run=$STARTED_PID
    check "a run asks" wait_until 20 eval '[ "$(in_flight)" = 1 ] && grep -q end_turn $WORK/live.log'
    check "a reload under a live run" reload
    check "its supervisor is back" wait_until 20 eval '[ "$("$REEVE" status --json | jq -r "[.runs[] | select(.command == \"sh\")][0].state")" = running ]'
    touch "$WORK/go"
    wait "$run"
    equal "it ends with all that it has had" "7 exited 3 1" \
        "$? $(tail -n 1 "$WORK/live.log" | jq -r '"\(.end) \(.account.exchanges) \(.account.free_calls)"')"
}

try_kill() {
    start doomed "$REEVE" run --config "$WORK/reeve.conf" --json --job plain -- sh -c \
        'curl -sSN "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_API_KEY" -H "anthropic-version: 2023-06-01" \
            -H "content-type: application/json" -H "x-fake-script: {\"events\":600,\"events_delay_ms\":100}" \
            -d "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":1000,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"'
    local run=$STARTED_PID
    check "another run streams" wait_until 20 grep -q content_block_delta "$WORK/doomed.log"
    check "a reload under its stream" reload
    check "it is killed" "$REEVE" kill "$("$REEVE" status --json | jq -r '[.runs[] | select(.command == "sh")][0].run')"
    wait "$run"
    equal "with the exchange that the old daemon had" "103 killed 1" \
        "$? $(tail -n 1 "$WORK/doomed.log" | jq -r '"\(.end) \(.account.exchanges)"')"
    check "which ends then" wait_until 20 is_over "$BEFORE"
}

# says TEXT: `reeve reload` fails and says so, and the daemon that serves goes on.
says() {
    ! "$REEVE" reload >"$WORK/says" 2>&1 && grep -q "$1" "$WORK/says" && grep -q 'goes on as it was' "$WORK/says" &&
        pid_is "$SERVE_PID" && ask "$PLAIN" '{}' | grep -q message_stop
}
try_failures() {
    begin_stream through "$PLAIN" 2000
    printf '[Reeve]\nSlotz=3\n' >>"$WORK/reeve.conf"
    check "a bad configuration is named" says Slotz
    cp "$WORK/good.conf" "$WORK/reeve.conf"
    mv "$WORK/bin/whole/reeve" "$WORK/bin/whole/good"
    printf '#!/bin/sh\nexit 3\n' >"$WORK/bin/whole/reeve"
    chmod 755 "$WORK/bin/whole/reeve"
    check "a program that ends" says 'ended with status 3'
    echo broken >"$WORK/bin/whole/reeve"
    check "a program that is none" says 'starting .*whole/reeve'
    mv "$WORK/bin/whole/good" "$WORK/bin/whole/reeve"
    if [ "$(id -u)" = 0 ]; then # an agent has the socket's group
        chgrp nogroup "$WORK/state/control.sock"
        check "an agent may not" eval '! setpriv --reuid nobody --regid nogroup --clear-groups "$REEVE" reload \
            --state-dir "$WORK/state" >$WORK/says 2>&1 && grep -q "only root" $WORK/says && pid_is $SERVE_PID'
    fi
    check "the stream has gone on" eval "wait $STREAM && is_whole through"
}

has_all() {
    read_ledger
    [ "$(jq -n '[inputs | select(.ended != "not_sent")] | length' "$WORK/ledger.jsonl")" = \
        "$(jq -n '[inputs | select(.kind == "messages" or .kind == "batch_result")] | length' "$FAKE_BOOKS")" ]
}
try_books() {
    check "the ledger has each exchange once" wait_until 60 has_all
    equal "to the picodollar" "$(books_cost)" "$(ledger_cost)"
}

# orphan_of EXCHANGES_BEFORE: how the exchange ended that came after so many, and whether it was charged in full.
orphans() { read_ledger; jq -r 'select(.ended == "orphaned") | "\(.estimated) \(.cost_usd == .reserved_usd)"' "$WORK/ledger.jsonl"; }
orphans_are() { [ "$(orphans)" = "$1" ]; }

try_stop() {
    begin_stream last "$PLAIN" "$(enough_ms)"
    check "a reload before the stop" reload
    kill "$SERVE_PID"
    check "who is stopped waits for its predecessor's stream" eval "wait $STREAM && is_whole last"
    check "and ends after it" wait_until 20 is_over "$SERVE_PID"
    check_log
}

try_killed_old() {
    begin_stream cut "$PLAIN" 30000
    check "a reload under a long stream" reload
    kill -KILL "$BEFORE"
    check "the old daemon is killed: what it had in flight is charged in full" wait_until 30 orphans_are "true true"
    equal "and it is no more in flight" 0 "$(in_flight)"
    wait "$STREAM"
}

try_killed_new() {
    begin_stream survivor "$PLAIN" "$(enough_ms)"
    check "another reload under a stream" reload
    stop_serve KILL
    check "the new daemon is killed: the old one finishes" eval "wait $STREAM && is_whole survivor"
    check "and ends" wait_until 30 is_over "$BEFORE"
    check "another one starts" start_reeve
    check "and what nobody could book is charged in full" wait_until 30 orphans_are $'true true\ntrue true'
}

# A new daemon that is given everything, and ends: nobody has the journal any more.
try_lost() {
    begin_stream orphan "$PLAIN" "$(enough_ms)"
    mv "$WORK/bin/whole/reeve" "$WORK/bin/whole/good"
    cat >"$WORK/bin/whole/reeve" <<END
#!/usr/bin/env python3
import os, socket
directory = b"$WORK/state/journal"
predecessor = socket.socket(fileno=3)
# msgpack: [HANDOVER_PREPARED, pid, journal directory]
predecessor.send(b"\x93\x01\xce" + os.getpid().to_bytes(4, "big") + b"\xc4" + bytes([len(directory)]) + directory)
predecessor.recv(1)
END
    chmod 755 "$WORK/bin/whole/reeve"
    check "a new daemon that is lost is told of" eval '! "$REEVE" reload 2>"$WORK/says" && grep -q "to be started again" "$WORK/says"'
    check "the old one finishes its stream" eval "wait $STREAM && is_whole orphan"
    wait "$SERVE_PID"
    equal "and ends as a failure" 75 $?
    mv "$WORK/bin/whole/good" "$WORK/bin/whole/reeve"
    check "another one starts once more" start_reeve
    check "and charges what could not be booked" wait_until 30 orphans_are $'true true\ntrue true\ntrue true'
}

check "the fake starts" start_fake --accept "$SECRET"
check "reeve serve starts" start_reeve
PLAIN=$("$REEVE" job key plain --config "$WORK/reeve.conf" 2>/dev/null)
NEAR=$("$REEVE" job key near --config "$WORK/reeve.conf" 2>/dev/null)
try_load
try_order
try_connections
try_attempt
try_ceiling
try_others
try_run
try_failures
try_stop
check "the daemon starts again" start_reeve
try_books
try_kill
check_log
try_killed_old
try_killed_new
try_lost
flow_end
