#!/bin/bash
# Alerts arrive: at a webhook that fails at first, at a command that hangs at first, over kill -9, once.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"
. "$(dirname "$0")/lib_ceilings.sh"

DOLLAR=1000000000000
KEY=what-only-both-ends-know

# start_webhook NAME ANSWER…: sets WEBHOOK_PID and WEBHOOK_URL; requests go to $WORK/NAME.jsonl.
start_webhook() {
    : >"$WORK/$1.jsonl"
    start "$1" python3 "$TOP/tests/webhook.py" "$WORK/$1.jsonl" "${@:2}"
    WEBHOOK_PID=$STARTED_PID
    wait_until 30 grep -q '^http' "$WORK/$1.log"
    WEBHOOK_URL=$(head -n 1 "$WORK/$1.log")
}

# got NAME FILTER: of the requests that a webhook has had, their bodies parsed.
got() { jq -r -s "map(.body |= fromjson) | $2" "$WORK/$1.jsonl"; }
has_got() { [ "$(got "$1" "$2")" = "$3" ]; }

# restart_reeve [SIGNAL]: the daemon ends, by default as it wishes, and starts with $WORK/reeve.conf.
restart_reeve() {
    [ -z "${SERVE_PID:-}" ] || stop "$SERVE_PID" "${1:-TERM}"
    start_reeve
}

alerts() { "$REEVE" alert list --json | jq -r "$1"; }
nothing_is_owed() { [ "$(alerts '[.channels[].owed] | add // 0')" = 0 ]; }
is_being_sent() { [ "$(alerts '.channels[0].state')" = sending ]; }

write_config() {
    cat >"$WORK/reeve.conf" <<END
[Reeve]
Slots=4
Ledger=host=/nonexistent
[Job night]
CostMax=\$1.00
KillGrace=1s
[Job brief]
RuntimeMaxSec=1s
KillGrace=1s
$1
END
}

# An agent that loops on Opus for ever, and one beside it that does not.
try_night() {
    start_webhook night 500 hang 429+1 200
    write_config "[Alert ops]
Url=$WEBHOOK_URL
SecretFile=$WORK/key
On=ceiling
TimeoutSec=2s"
    restart_reeve
    new_books
    "$REEVE" run --config "$WORK/reeve.conf" --job beside -- python3 "$TOP/tests/loop_client.py" \
        --requests 10 --model claude-haiku-5-5 --script '{"delay_ms":50}' >"$WORK/beside.said" 2>&1 &
    local beside=$! spent id
    RUN_OPTIONS=(--job night)
    loop --agents 4 --output-tokens 900 --script '{"delay_ms":20}'
    equal "the night: the run ends at its ceiling" "100 ceiling" "$CODE $(summary .end)"
    spent=$(summary .account.cost_usd | awk '{ printf "%.0f", $1 * 1e12 }')
    within "the night: at least \$0.90 is spent, and no more than \$1.00" $((DOLLAR * 9 / 10)) $DOLLAR "$spent"
    check "the night: the others go on" wait $beside
    check "the night: the alert arrives" wait_until 30 has_got night '[.[] | select(.answer == "200")] | length' 1
    equal "the night: after a 500, a time-out and a 429" "500 hang 429+1 200" "$(got night 'map(.answer) | join(" ")')"
    equal "the night: it is the same alert each time" 1 "$(got night 'map(.body.id) | unique | length')"
    equal "the night: says what, who and how much" \
        "ceiling night $(summary .run) usd 1.00" "$(got night '.[3].body | "\(.kind) \(.job) \(.run) \(.unit) \(.limit)"')"
    equal "the night: to the picodollar" "$spent" \
        "$(got night '.[3].body.amount' | python3 -c 'import decimal; print(int(decimal.Decimal(input()) * 10**12))')"
    check "the night: in words, for a chat" \
        sh -c "grep -q 'ended at a ceiling: .* of .1.00 spent by this run' '$WORK/night.jsonl'"
    equal "the night: is signed" "$(jq -rj -s '.[3].body' "$WORK/night.jsonl" | openssl dgst -sha256 -hmac $KEY -r | cut -d' ' -f1)" \
        "$(got night '.[3].signature' | sed -n 's/^sha256=//p')"
    check "the night: nothing is owed any more" wait_until 10 nothing_is_owed
    equal "the night: the list says so" "ceiling 1 0" "$(alerts '.alerts[0] | "\(.kind) \(.sent) \(.given_up)"')"
    equal "the hook's address is in no log" "" "$(grep -h T0KEN "$WORK"/serve.log "$WORK"/loop.log)"
    equal "the hook's address is in no list" "" "$(alerts . | grep T0KEN)"
    stop $WEBHOOK_PID
}

# The daemon dies after the alert is in the journal, and before it has arrived.
try_killed() {
    start_webhook silent hang
    write_config "[Alert ops]
Url=$WEBHOOK_URL
On=timeout
TimeoutSec=1min"
    restart_reeve
    "$REEVE" run --config "$WORK/reeve.conf" --job brief -- sleep 100 >"$WORK/brief.log" 2>&1
    equal "killed: the run's time was over" 102 $?
    check "killed: the alert is on its way" wait_until 30 is_being_sent
    stop "$SERVE_PID" KILL
    stop $WEBHOOK_PID
    start_webhook awake 200
    sed -i "s|^Url=.*|Url=$WEBHOOK_URL|" "$WORK/reeve.conf"
    start_reeve
    check "killed: it arrives after the restart" wait_until 30 has_got awake length 1
    equal "killed: as it was" "timeout brief $(got silent '.[0].body.id')" \
        "$(got awake '.[0].body | "\(.kind) \(.job) \(.id)"')"
    check "killed: nothing is owed any more" wait_until 10 nothing_is_owed
    restart_reeve KILL
    "$REEVE" alert test >"$WORK/test.out" 2>&1
    equal "killed: it does not come again" "timeout test" "$(got awake 'map(.body.kind) | join(" ")')"
    stop $WEBHOOK_PID
}

answers_at_once() { timeout 5 "$REEVE" status --json >/dev/null; }
is_dead() { [ ! -e "/proc/$1" ] || grep -q '^State:.[ZX]' "/proc/$1/status"; }

# A command that hangs with a child, until it is told not to.
try_hanging() {
    cat >"$WORK/page" <<END
#!/bin/sh
[ -e $WORK/page.works ] && exec tee -a $WORK/page.got
echo \$\$ >>$WORK/page.pids
sleep 1000 &
echo \$! >>$WORK/page.pids
wait
END
    chmod 755 "$WORK/page"
    write_config "[Alert page]
Exec=$WORK/page one two
On=timeout
TimeoutSec=2s"
    restart_reeve
    "$REEVE" run --config "$WORK/reeve.conf" --job brief -- sleep 100 >"$WORK/brief.log" 2>&1
    check "hanging: the command is started" wait_until 30 test -s "$WORK/page.pids"
    check "hanging: the daemon does not wait for it" answers_at_once
    check "hanging: it is killed" wait_until 30 grep -q 'alert_not_sent.*killed after 2' "$WORK/serve.log"
    local pid
    for pid in $(head -n 2 "$WORK/page.pids"); do
        check "hanging: nothing of it is left" wait_until 10 is_dead "$pid"
    done
    touch "$WORK/page.works"
    check "hanging: once it works, it gets the alert" wait_until 60 test -s "$WORK/page.got"
    equal "hanging: as JSON" "timeout brief us 1000000" \
        "$(jq -r '"\(.kind) \(.job) \(.unit) \(.limit)"' "$WORK/page.got")"
}

# The same request twice, billed twice; and books that do not get into their ledger.
try_noticed() {
    start_webhook noticed 200
    write_config "[Alert ops]
Url=$WEBHOOK_URL
On=duplicate ledger"
    sed -i 's/^Slots=.*/&\nLedgerBehindMax=1s/' "$WORK/reeve.conf"
    restart_reeve
    RUN_OPTIONS=(--job twice)
    loop --agents 2 --requests 1 --model claude-haiku-5-5 --output-tokens 20
    check "a duplicate is noticed" wait_until 30 has_got noticed '[.[] | select(.body.kind == "duplicate")] | length' 1
    check "books that are behind are noticed" \
        wait_until 60 has_got noticed '[.[] | select(.body.kind == "ledger")] | length' 1
    check "and why" grep -q 'have not got into the ledger' "$WORK/noticed.jsonl"
    stop $WEBHOOK_PID
}

# Whom to trust over TLS, and what a test says.
try_tls() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hook \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$WORK/hook.pem" -out "$WORK/hook.crt" 2>/dev/null
    cat "$WORK/hook.crt" >>"$WORK/hook.pem"
    start_webhook tls --cert "$WORK/hook.pem" 204
    write_config "[Alert bad]
Url=$WEBHOOK_URL
[Alert good]
Url=$WEBHOOK_URL
UrlCAFile=$WORK/hook.crt"
    restart_reeve
    "$REEVE" alert test good >"$WORK/test.out" 2>&1
    equal "a certificate that is trusted" 0 $?
    "$REEVE" alert test --json >"$WORK/test.out" 2>&1
    equal "a test that fails is exit 1" 1 $?
    equal "one that is not is refused" "bad/url false good/url true" \
        "$(jq -r '[.channels[] | "\(.channel) \(.delivered)"] | sort | join(" ")' "$WORK/test.out")"
    check "and the test says why" grep -qi certificate "$WORK/test.out"
    equal "nothing was said to it" 2 "$(got tls length)"
    "$REEVE" alert test none >"$WORK/test.out" 2>&1
    equal "an unknown name is exit 1" "1 reeve alert: there is no [Alert none]; reeve alert list shows them" \
        "$? $(cat "$WORK/test.out")"
    "$REEVE" alert >"$WORK/test.out" 2>&1
    equal "no verb is exit 64" 64 $?
    stop $WEBHOOK_PID
}

# The system journal, in a mount namespace with a socket of our own in its place.
try_system_journal() {
    write_config "[Alert log]
Journal=yes"
    if ! unshare --mount true 2>/dev/null; then
        skip "the system journal gets fields" "no mount namespaces"
        return
    fi
    stop "$SERVE_PID"
    cat >"$WORK/journal.py" <<'END'
import os, socket, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
os.makedirs("/run/systemd/journal")
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("/run/systemd/journal/socket")
daemon = subprocess.Popen(sys.argv[2:])
with open(sys.argv[1], "wb", buffering=0) as got:
    while True:
        got.write(listener.recv(65536) + b"\n")
END
    start journal unshare --mount python3 "$WORK/journal.py" "$WORK/journal.got" "$REEVE" serve \
        --config "$WORK/reeve.conf" --listen "127.0.0.1:$PORT" --upstream "$FAKE_TLS_URL" \
        --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential"
    wait_until 60 is_listening "$PORT"
    SERVE_PID=$("$REEVE" status --json | jq .pid)
    STARTED+=("$SERVE_PID")
    check "the system journal takes a test" "$REEVE" alert test log
    check "and gets fields" wait_until 10 grep -q '^REEVE_ALERT=test$' "$WORK/journal.got"
    check "and a message" grep -q '^MESSAGE=reeve: test: this is a test' "$WORK/journal.got"
}

echo "$SECRET" >"$WORK/credential"
echo $KEY >"$WORK/key"
chmod 600 "$WORK/credential" "$WORK/key"
start_fake --accept "$SECRET@main" || not_ok "the fake starts"
try_night
try_killed
try_hanging
try_noticed
try_tls
try_system_journal
flow_end
