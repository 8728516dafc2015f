#!/bin/bash
# A run key is worth nothing outside of its run: who has stolen one is refused, and told of.
#
# tests/vm/caller.sh tries the same on cgroup v2.
. "$(dirname "$0")/lib.sh"

# A request as an agent would send it: its status, then its answer.
cat >"$WORK/ask.sh" <<'END_OF_SCRIPT'
curl -sS --noproxy '*' --max-time 60 -o "$1" -D "$1.head" -w '%{http_code}\n' "${BASE:-$ANTHROPIC_BASE_URL}/v1/messages" \
    -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
    -d '{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'
END_OF_SCRIPT

# serve MODE: a daemon with that CallerCheck=, which tells $WORK/told of alerts.
serve() {
    export REEVE_STATE_DIR=$WORK/state-$1
    printf '[Reeve]\nCallerCheck=%s\n[Alert told]\nExec=%s\nOn=caller\n' "$1" "$WORK/tell.sh" >"$WORK/reeve.conf"
    start_serve --config "$WORK/reeve.conf" --upstream "$FAKE_URL" --credential "$WORK/credential"
}

# open_run [OPTION…]: a run that asks once and then stays, with its key in $ANTHROPIC_API_KEY.
open_run() {
    rm -f "$WORK/go" "$WORK/env"
    start run "$REEVE" run --config "$WORK/reeve.conf" "$@" -- sh -c \
        "(sh $WORK/ask.sh $WORK/inside >$WORK/inside.status); env >$WORK/env; until test -e $WORK/go; do sleep 0.05; done"
    wait_until 20 test -s "$WORK/env"
    eval "$(sed -n 's/^\(ANTHROPIC_API_KEY\|ANTHROPIC_BASE_URL\)=\(.*\)/export \1=\2/p' "$WORK/env")"
}

end_run() {
    touch "$WORK/go"
    wait "$STARTED_PID"
}

outside() { sh "$WORK/ask.sh" "$WORK/outside"; }
strangers() { grep -c "^stranger run=.* refused=$1 " "$WORK/serve.log"; }
told() { jq -r .kind "$WORK/told" 2>/dev/null | sort -u; }

try_enforce() {
    serve enforce
    open_run
    equal "enforce: a process of the run is served" 200 "$(cat "$WORK/inside.status")"
    equal "enforce: a stolen key is not" 401 "$(outside)"
    equal "enforce: in the API's own shape" authentication_error "$(jq -r .error.type "$WORK/outside")"
    check "enforce: and not to be tried again" grep -qi '^x-should-retry: false' "$WORK/outside.head"
    check "enforce: it says why" grep -q 'outside of its run' "$WORK/outside"
    equal "enforce: nor later" 401 "$(outside)"
    equal "enforce: it is in the log" 2 "$(strangers yes)"
    wait_until 20 test -s "$WORK/told"
    equal "enforce: and told of, once" "1 caller" "$(wc -l <"$WORK/told") $(told)"
    equal "enforce: nothing of it has gone upstream" 1 "$(wc -l <"$FAKE_BOOKS")"
    "$REEVE" run --config "$WORK/reeve.conf" -- sh -c \
        "ANTHROPIC_API_KEY=$ANTHROPIC_API_KEY sh $WORK/ask.sh $WORK/outside" >"$WORK/other.status" 2>/dev/null
    equal "enforce: nor does another run get anything for it" 401 "$(cat "$WORK/other.status")"
    end_run
}

# What is not of `reeve run`, or not in a cgroup, goes on working.
try_exempt() {
    export ANTHROPIC_API_KEY
    ANTHROPIC_API_KEY=$("$REEVE" job key default 2>/dev/null)
    equal "a job key is good everywhere" 200 "$(outside)"
    open_run --no-cgroup
    equal "a run without a cgroup is served" 200 "$(cat "$WORK/inside.status")"
    end_run
}

# A daemon in a network namespace of its own, with a socket from outside: it sees nobody there.
try_namespace() {
    if ! unshare --net ip link set lo up 2>"$WORK/unshare.log"; then
        skip "another network namespace" "$(tail -n 1 "$WORK/unshare.log")"
        return
    fi
    cat >"$WORK/apart.py" <<'END_OF_SCRIPT'
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
print("port", listener.getsockname()[1], flush=True)
os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *sys.argv[1:]])
END_OF_SCRIPT
    export REEVE_STATE_DIR=$WORK/state-apart
    start apart python3 "$WORK/apart.py" "$REEVE" serve --config "$WORK/reeve.conf" --upstream "$FAKE_URL" \
        --credential "$WORK/credential"
    wait_until 30 grep -q '^ready' "$WORK/apart.log"
    open_run
    equal "another network namespace: refused" 401 "$(cat "$WORK/inside.status")"
    check "another network namespace: it says why" grep -q 'another network namespace.*CallerCheck=log' "$WORK/inside"
    equal "another network namespace: it is in the log" 1 \
        "$(grep -c '^stranger .*caller="not to be told" refused=yes' "$WORK/apart.log")"
    end_run
}

try_log() {
    serve log
    open_run
    equal "log: a stolen key passes" 200 "$(outside)"
    equal "log: and is in the log" 1 "$(strangers no)"
    wait_until 20 test -s "$WORK/told"
    equal "log: and told of" caller "$(told)"
    end_run
}

try_off() {
    serve off
    open_run
    equal "off: nobody looks" "200 0" "$(outside) $(strangers no)"
    end_run
}

umask 077
echo sk-ant-api03-of-the-account >"$WORK/credential"
printf '#!/bin/sh\ncat >>%s/told\necho >>%s/told\n' "$WORK" "$WORK" >"$WORK/tell.sh"
chmod 700 "$WORK/tell.sh"
start_fake || { not_ok "start"; flow_end; }
try_enforce
try_exempt
stop "$SERVE_PID"
rm -f "$WORK/told"
try_namespace
try_log
stop "$SERVE_PID"
try_off
flow_end
