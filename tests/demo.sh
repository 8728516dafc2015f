#!/bin/bash
# `make demo`: three agents under reeve, against the fake Claude, one that runs wild, and the report.
#
# Nothing outside of a temporary folder is touched, and no account is needed.
. "$(dirname "$0")/lib.sh"

bold='' plain=''
[ ! -t 1 ] || { bold=$'\033[1m' plain=$'\033[0m'; }
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say_command() { printf '  $ %s\n' "$*"; }

give_up() {
    echo "demo: $*" >&2
    tail -n 20 "$WORK"/*.log >&2
    exit 1
}

start_all() {
    say "The upstream: the fake Claude, over TLS"
    start_fake || give_up "the fake Claude did not start"
    echo "  $FAKE_TLS_URL"

    say "A webhook, which is told of ceilings, and what the daemon needs to know of it"
    start webhook "$TOP/tests/demo_webhook.pl"
    wait_until 30 test -s "$WORK/webhook.log" || give_up "the webhook did not start"
    printf '[Job night]\nCostMax=$1.00\nKillGrace=1s\n[Alert me]\nUrl=http://127.0.0.1:%s/\nOn=ceiling\n' \
        "$(head -n 1 "$WORK/webhook.log")" >"$WORK/reeve.conf"
    sed 's/^/  /' "$WORK/reeve.conf"

    say "The daemon, with the books in a Postgres of its own"
    export REEVE_STATE_DIR=$WORK/state
    say_command "reeve credential add main"
    echo sk-ant-api03-of-the-demo | "$REEVE" credential add main >"$WORK/credential.log" 2>&1 ||
        give_up "reeve credential add failed"
    say_command "reeve serve --config reeve.conf --upstream $FAKE_TLS_URL --ca-file ca.pem"
    start_serve --config "$WORK/reeve.conf" --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" ||
        give_up "reeve serve did not start"
    echo "  $SERVE_URL"
}

# run_agent JOB MODEL EXCHANGES: in the background; what it says goes to $WORK/JOB.out.
run_agent() {
    say_command "reeve run --job $1 --memory-max 256M --wait 2min -- demo_agent.sh $2 $3"
    "$REEVE" run --job "$1" --memory-max 256M --wait 2min -- \
        "$TOP/tests/demo_agent.sh" "$2" "$3" >"$WORK/$1.out" 2>&1 &
    AGENTS+=($!)
}

run_agents() {
    local agent status=0
    AGENTS=()
    say "Three agents, each in a cgroup of its own; there are two slots, so one of them waits"
    run_agent outreach claude-haiku-4-5 6
    run_agent research claude-sonnet-4-6 4
    run_agent triage claude-opus-4-6 2
    for agent in "${AGENTS[@]}"; do
        wait "$agent" || status=$?
    done
    for agent in outreach research triage; do
        say "$agent"
        sed 's/^/  /' "$WORK/$agent.out"
    done
    return $status
}

# An agent that loops for ever costs what its ceiling says, and somebody is told.
run_night() {
    local code=0
    say "The night: an agent that loops on Opus for ever, under a ceiling of a dollar"
    say_command "reeve run --config reeve.conf --job night -- demo_loop.sh"
    "$REEVE" run --config "$WORK/reeve.conf" --job night -- "$TOP/tests/demo_loop.sh" \
        >"$WORK/night.out" 2>&1 || code=$?
    tail -n 2 "$WORK/night.out" | cut -c 1-150 | sed 's/^/  /'
    echo "  exit code $code: a hard ceiling"
    [ $code = 100 ] || return 1
    wait_until 30 grep -q '^reeve on' "$WORK/webhook.log" || return 1
    echo "  the webhook has got: $(sed -n 2p "$WORK/webhook.log")"
}

books_are_up_to_date() { "$REEVE" status | grep -q '^ledger: up to date'; }

start_all
run_agents || give_up "an agent failed"
run_night || give_up "the night did not end at its ceiling, or nobody was told"
say "The report, out of the ledger"
wait_until 120 books_are_up_to_date || give_up "the ledger does not follow"
for by in job model; do
    say_command "reeve report --by $by"
    "$REEVE" report --by $by | sed 's/^/  /'
done
