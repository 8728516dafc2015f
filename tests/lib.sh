# What the flow tests share; sourced as `. "$(dirname "$0")/lib.sh"`.
#
# $BUILD is the build under test (default build/plain), $REEVE its binary, $WORK a folder of the test's
# own that goes away with it, together with every process that was started here. FLOW_NEEDS= before it says
# that nothing of $BUILD is used.
# A flow prints `ok NAME`, `not ok NAME` or `skipped NAME: reason` per test and ends with flow_end.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build/plain}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
REEVE=$BUILD/reeve
for program in ${FLOW_NEEDS-reeve tests/fake_claude}; do
    [ -x "$BUILD/$program" ] && continue
    echo "not ok ${0##*/}: there is no $BUILD/$program: run make, with SANITIZE= for that of another BUILD="
    exit 1
done
WORK=$(mktemp -d "${TMPDIR:-/tmp}/reeve-flow.XXXXXX")
chmod 711 "$WORK" # the private Postgres, as another user, has to get through
STARTED=()
FLOW_FAILED=0

ok() { echo "ok $1"; }

# not_ok NAME [DETAIL…]
not_ok() {
    echo "not ok $1"
    [ $# = 1 ] || printf '    %s\n' "${@:2}"
    FLOW_FAILED=1
}

skip() { echo "skipped $1: $2"; }

# check NAME COMMAND…: ok if the command succeeds; its output is shown if it does not.
check() {
    if "${@:2}" >"$WORK/check.out" 2>&1; then
        ok "$1"
    else
        not_ok "$1" "failed: ${*:2}"
        tail -n 20 "$WORK/check.out" | sed 's/^/    /'
    fi
}

# equal NAME EXPECTED ACTUAL
equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2" "actual:   $3"; fi
}

# wait_until SECONDS COMMAND…: polls until the command succeeds; fails once the time is over.
wait_until() {
    local deadline=$((SECONDS + $1 + 1))
    until "${@:2}" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# Prints a TCP port that nothing listens on, out of those that the kernel does not give out by itself.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + SRANDOM % 12000))
        is_listening $port || { echo $port && return; }
    done
    return 1
}

# start NAME COMMAND…: in the background, output in $WORK/NAME.log, pid in $STARTED_PID.
start() {
    "${@:2}" >"$WORK/$1.log" 2>&1 </dev/null &
    STARTED_PID=$!
    STARTED+=("$STARTED_PID")
}

# stop PID [SIGNAL]: ends a process that start() began and waits for it; its exit code is $?.
stop() {
    kill -"${2:-TERM}" "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

# start_fake [ARGUMENT…]: the fake Claude, on ports of its own, plain and TLS. Sets FAKE_PID, FAKE_URL,
# FAKE_TLS_URL, FAKE_CA_FILE and FAKE_BOOKS.
start_fake() {
    FAKE_CA_FILE=$WORK/ca.pem FAKE_BOOKS=$WORK/books.jsonl
    start fake "$BUILD/tests/fake_claude" --listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 \
        --cert-dir "$WORK" --books "$FAKE_BOOKS" "$@"
    FAKE_PID=$STARTED_PID
    wait_until 30 grep -q '^tls ' "$WORK/fake.log" || return 1
    FAKE_URL=$(sed -n 's/^plain //p' "$WORK/fake.log")
    FAKE_TLS_URL=$(sed -n 's/^tls //p' "$WORK/fake.log")
}

# start_serve ARGUMENT…: the daemon, on a port and with a state directory of its own. Sets SERVE_PID,
# SERVE_URL and REEVE_STATE_DIR, by which the other subcommands find it.
start_serve() {
    local port
    port=$(free_port)
    SERVE_URL=http://127.0.0.1:$port
    export REEVE_STATE_DIR=${REEVE_STATE_DIR:-$WORK/state}
    start serve "$REEVE" serve --listen "127.0.0.1:$port" "$@"
    SERVE_PID=$STARTED_PID
    wait_until 60 is_listening "$port"
}

flow_cleanup() {
    local pid
    for pid in "${STARTED[@]}"; do
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in "${STARTED[@]}"; do
        wait_until 10 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$WORK"
}
trap flow_cleanup EXIT
trap 'exit 143' TERM INT HUP

# flow_end: the exit status of the flow; with failures, the logs of what was started.
flow_end() {
    local log
    [ $FLOW_FAILED = 0 ] && exit 0
    for log in "$WORK"/*.log; do
        [ -s "$log" ] && echo "--- ${log##*/}" && tail -n 30 "$log"
    done
    exit 1
}
