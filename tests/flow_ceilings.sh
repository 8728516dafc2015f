#!/bin/bash
# Ceilings hold: not a token and not a picodollar above, and nearly all below can be used.
#
# The fake Claude's own books are the judge. CEILINGS=full: the full counts (make check-ceilings).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"
. "$(dirname "$0")/lib_ceilings.sh"

DOLLAR=1000000000000
if [ "${CEILINGS:-}" = full ]; then
    PARALLEL_DOLLARS=30 LARGE_REQUESTS=40 KILLS=50 KILLED_DOLLARS=60 TOKENS=400
else
    PARALLEL_DOLLARS=2 LARGE_REQUESTS=4 KILLS=3 KILLED_DOLLARS=3 TOKENS=60
fi

write_config() {
    cat >"$WORK/reeve.conf" <<END
[Reeve]
Slots=64
Ledger=host=/nonexistent
TokensCount=$1
[Job parallel]
CostMax=\$$PARALLEL_DOLLARS
[Job beside]
CostMaxPerDay=\$$((LARGE_REQUESTS + 1))
[Job killed]
CostMaxPerDay=\$$KILLED_DOLLARS
[Job search]
CostMax=\$1
KillGrace=2s
[Job sight]
CostMax=\$0.50
[Job daily]
TokensMaxPerDay=20480
[Job counted]
TokensMax=${TOKENS}K
END
}

# ends_at_ceiling NAME: of the last loop(): the run ended at a ceiling, and nobody asked twice.
ends_at_ceiling() {
    equal "$1: the run ends" "100 ceiling" "$CODE $(summary .end)"
    equal "$1: nothing but answers and 402" "200 402" "$(said '.statuses | keys | join(" ")')"
}

# 64 agents, each of which asks for 128,000 tokens, under one ceiling.
try_parallel() {
    local spent limit=$((PARALLEL_DOLLARS * DOLLAR))
    new_books
    RUN_OPTIONS=(--job parallel)
    loop --agents 64 --output-tokens 900 --script '{"delay_ms":20}'
    ends_at_ceiling "64 agents"
    spent=$(books .billed_pico_usd)
    within "64 agents: at least 95 % is used, and nothing above" $((limit * 95 / 100)) "$limit" "$spent"
    equal "64 agents: one 402 each" 64 "$(said .statuses.\"402\")"
    equal "64 agents: reeve's sum is the upstream's" "$spent" \
        "$(summary .account.cost_usd | awk '{ printf "%.0f", $1 * 1e12 }')"
    equal "64 agents: everybody was answered" 0 "$(said '[.answered[] | select(. == 0)] | length')"
    echo "figure 64 agents: $(usd "$spent") of $(usd $limit)" \
        "($((spent * 1000 / limit)) ‰) in $(said '.answered | add') exchanges"
}

# One agent with long prompts that asks for 128,000 tokens, seven with short ones, a run each. What they
# could cost at most is far above the ceiling; what they do cost is below.
try_beside() {
    local pid pids=() failed=0 i
    new_books
    for i in large {1..7}; do
        local options=(--requests $((LARGE_REQUESTS * 5)) --max-tokens 500 --prompt-bytes 300 --output-tokens 100)
        [ "$i" != large ] || options=(--requests $LARGE_REQUESTS --prompt-bytes 200000 --output-tokens 1000)
        "$REEVE" run --config "$WORK/reeve.conf" --job beside --json -- \
            python3 "$TOP/tests/loop_client.py" "${options[@]}" --script '{"delay_ms":50}' \
            >"$WORK/beside.$i.said" 2>"$WORK/beside.$i.log" </dev/null &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
    equal "one large beside seven small: all runs end by themselves" 0 $failed
    equal "one large beside seven small: nobody is refused or sent away" '["200"]' \
        "$(jq -sc '[.[].statuses | keys[]] | unique' "$WORK"/beside.*.said)"
    equal "one large beside seven small: each has had all its answers" \
        "$((LARGE_REQUESTS * (1 + 7 * 5)))" "$(jq -s '[.[].answered[]] | add' "$WORK"/beside.*.said)"
    check "one large beside seven small: under the ceiling" \
        test "$(books .billed_pico_usd)" -le $(((LARGE_REQUESTS + 1) * DOLLAR))
}

# The daemon dies again and again while sixteen agents of one job go on asking.
try_killed() {
    local key spent i limit=$((KILLED_DOLLARS * DOLLAR))
    new_books
    key=$("$REEVE" job key killed --config "$WORK/reeve.conf" 2>/dev/null)
    start killed env ANTHROPIC_BASE_URL="http://127.0.0.1:$PORT" ANTHROPIC_API_KEY="$key" \
        python3 "$TOP/tests/loop_client.py" --agents 16 --persist --max-tokens 1200 --output-tokens 900 \
        --script '{"delay_ms":300}'
    local client=$STARTED_PID code=0
    for ((i = 0; i < KILLS; i++)); do
        sleep 0.$((RANDOM % 4 + 2))
        kill -KILL "$SERVE_PID"
        wait "$SERVE_PID" 2>/dev/null
        start_reeve || return 1
    done
    wait "$client" || code=$?
    equal "kill -9, $KILLS times: the agents end at the ceiling" 1 $code
    spent=$(books .billed_pico_usd)
    check "kill -9, $KILLS times: nothing above the ceiling" test "$spent" -le $limit
    check "kill -9, $KILLS times: in the middle of exchanges" test "$(books .ends.disconnected)" -ge "$KILLS"
    equal "kill -9, $KILLS times: nothing is held when all is over" 0 "$(held_everywhere)"
    echo "figure kill -9, $KILLS times: billed $(usd "$spent") of $(usd $limit)," \
        "$(books .billed) exchanges, $(books '.ends.disconnected // 0') of them cut off"
}

# Each answer searches the web, and so is several times as dear as anybody could say beforehand.
try_server_tools() {
    local spent dearest
    new_books
    RUN_OPTIONS=(--job search)
    loop --agents 8 --max-tokens 1000 --script '{"web_search_requests":2,"usage":{"input_tokens":60000},"delay_ms":20}' \
        --members '{"tools":[{"type":"web_search_20250305","name":"web_search"}]}'
    ends_at_ceiling "server tools"
    spent=$(books .billed_pico_usd)
    dearest=$(jq -s '[.[].billed_pico_usd] | max' "$FAKE_BOOKS")
    check "server tools: above the ceiling by one exchange at most" test "$spent" -lt $((DOLLAR + dearest))
    equal "server tools: the overrun is in the account" "$spent" \
        "$(summary .account.cost_usd | awk '{ printf "%.0f", $1 * 1e12 }')"
    echo "figure server tools: $(usd "$spent") of \$1.0000, one exchange is $(usd "$dearest")"
}

# A prompt that the body does not bound is counted by the upstream, for free.
try_counted() {
    local name=$1 asked
    shift
    new_books
    RUN_OPTIONS=(--job sight)
    loop --max-tokens 1000 "$@"
    ends_at_ceiling "$name"
    check "$name: nothing above the ceiling" test "$(books .billed_pico_usd)" -le $((DOLLAR / 2))
    asked=$(books .kinds.messages)
    check "$name: every prompt was counted ($(books .kinds.count_tokens) for $asked)" \
        test "$(books .kinds.count_tokens)" -ge "$asked"
}

# The last answer fills the day to the last token, over several runs; then nothing is started.
try_day() {
    new_books
    RUN_OPTIONS=(--job daily)
    local options=(--max-tokens 1024 --script '{"usage":{"output_tokens":"max"}}') run
    for run in 1 2 3; do
        loop --requests 5 "${options[@]}"
        equal "a day of several runs: run $run" "0 exited" "$CODE $(summary .end)"
    done
    loop "${options[@]}"
    ends_at_ceiling "a day of several runs"
    equal "a day of several runs: used to the last token" 20480 "$(books .tokens.output)"
    CODE=0
    "$REEVE" run --config "$WORK/reeve.conf" --job daily -- touch "$WORK/was-started" 2>"$WORK/refused" || CODE=$?
    equal "an exhausted day: exit code" 100 $CODE
    check "an exhausted day: says which ceiling, and until when" \
        grep -q '20480 of 20480 tokens spent by this job today (resets 20..-..-..T' "$WORK/refused"
    check "an exhausted day: nothing was started" test ! -e "$WORK/was-started"
    RUN_OPTIONS=(--job parallel)
    loop --requests 1
    equal "an exhausted day: other jobs go on" 0 $CODE
}

# What a refused exchange costs: nothing, anywhere.
try_refused() {
    local before
    RUN_OPTIONS=(--job parallel --cost-max '$0.01')
    before=$(books .kinds.messages)
    loop --prompt-bytes 60000
    equal "refused: the run ends" "100 ceiling 0" "$CODE $(summary .end) $(summary .account.exchanges)"
    equal "refused: nothing went upstream" "$before" "$(books .kinds.messages)"
    equal "refused: nothing is held" 0 "$(held_everywhere)"
}

# Ceilings of a run on other things than dollars; the command line may only be tighter than the job.
try_limits() {
    RUN_OPTIONS=(--job parallel --requests-max 7)
    loop --agents 3
    equal "RequestsMax" "100 7" "$CODE $(said '.answered | add')"
    new_books
    RUN_OPTIONS=(--job parallel --output-tokens-max 10K)
    loop --agents 3 --output-tokens 700
    equal "OutputTokensMax" 100 $CODE
    within "OutputTokensMax: used, and nothing above" 8500 10000 "$(books .tokens.output)"
    RUN_OPTIONS=(--job parallel --cost-max "\$$((PARALLEL_DOLLARS + 1))")
    loop --requests 1
    equal "a limit that is not tighter than the job's" 64 $CODE
    check "a limit that is not tighter than the job's: says so" grep -q 'may only be tighter than CostMax=' "$WORK/loop.log"
}

# try_tokens COUNT FILTER: a token ceiling, by what it counts. Most of each prompt comes out of the cache.
try_tokens() {
    local used
    stop "$SERVE_PID"
    write_config "$1"
    start_reeve || not_ok "reeve serve starts"
    new_books
    RUN_OPTIONS=(--job counted)
    loop --agents 4 --max-tokens 1500 --prompt-bytes 400 --output-tokens 400 --members \
        "{\"system\":[{\"type\":\"text\",\"text\":\"$(printf '%012000d' 0)\",\"cache_control\":{\"type\":\"ephemeral\"}}]}"
    ends_at_ceiling "TokensCount=$1"
    used=$(books "$2")
    within "TokensCount=$1: used, and nothing above" $((TOKENS * 850)) $((TOKENS * 1000)) "$used"
}

umask 077
echo "$SECRET" >"$WORK/credential"
write_config output
start_fake --accept "$SECRET" || not_ok "the fake starts"
start_reeve || not_ok "reeve serve starts"
try_day
try_parallel
try_beside
try_server_tools
try_counted "images" --members '{"messages":[{"role":"user","content":[{"type":"image"}]}]}' \
    --script '{"usage":{"input_tokens":9000}}'
try_counted "threads" --thread --prompt-bytes 60000
try_refused
try_limits
try_killed
try_tokens output '.tokens.output'
try_tokens all '.tokens | .input + .output + .cache_write_5m + .cache_write_1h + .cache_read'
try_tokens uncached '.tokens | .input + .output + .cache_write_5m + .cache_write_1h'
flow_end
