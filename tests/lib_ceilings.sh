# What the flows of ceilings share; sourced after lib.sh and lib_books.sh. The fake's books are the judge.

SECRET=sk-ant-api03-of-the-account

# usd PICODOLLARS: "$0.4812".
usd() { awk -v pico="$1" 'BEGIN { printf "$%.4f", pico / 1e12 }'; }

# start_reeve [ARGUMENT…]: the daemon with $WORK/reeve.conf, on a port that stays the same.
start_reeve() {
    PORT=${PORT:-$(free_port)}
    export REEVE_STATE_DIR=$WORK/state
    start serve "$REEVE" serve --config "$WORK/reeve.conf" --listen "127.0.0.1:$PORT" \
        --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential" "$@"
    SERVE_PID=$STARTED_PID
    wait_until 60 is_listening "$PORT"
}

# new_books: nothing billed, nothing asked.
new_books() { curl -sSf -X POST "$FAKE_URL/fake/reset" >/dev/null; }
books() { curl -sSf "$FAKE_URL/fake/books" | jq "$1"; }
books_are_quiet() { [ "$("$REEVE" status --json | jq .exchanges_in_flight)" = 0 ]; }

# loop ARGUMENT…: loop_client.py under `reeve run`, with the options in RUN_OPTIONS; its JSON line goes to
# $WORK/said, the run's summary to $WORK/summary, its exit code to CODE.
loop() {
    CODE=0
    "$REEVE" run --config "$WORK/reeve.conf" --json "${RUN_OPTIONS[@]}" -- \
        python3 "$TOP/tests/loop_client.py" "$@" >"$WORK/said" 2>"$WORK/loop.log" </dev/null || CODE=$?
    tail -n 1 "$WORK/loop.log" >"$WORK/summary"
}
said() { jq -r "$1" "$WORK/said"; }
summary() { jq -r "$1" "$WORK/summary"; }

# within NAME LEAST MOST NUMBER
within() {
    if [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then ok "$1"; else not_ok "$1" "$4 is not within $2 and $3"; fi
}

held_everywhere() { "$REEVE" status --json | jq '[.ceilings[].held | tonumber] | add // 0'; }
