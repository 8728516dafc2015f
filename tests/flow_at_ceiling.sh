#!/bin/bash
# What happens at a ceiling: the kill, what is left of the run, agents outside `reeve run`, soft limits,
# models that a job allows, and the night that cost $47.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"
. "$(dirname "$0")/lib_ceilings.sh"

cat >"$WORK/reeve.conf" <<'END'
[Reeve]
Slots=8
[Job deaf]
CostMax=$1
OnCeiling=deny
KillGrace=1s
[Job outside]
CostMax=$0.10
IdleSec=5s
[Job night]
CostMax=$1.00
KillGrace=1s
[Job watchful]
CostMaxPerDay=$5
[Job choosy]
Models=claude-haiku-4-5 claude-sonnet-5-5
[Job thrifty]
RequestsMax=5
SoftLimit=60%
StepDown=claude-sonnet-5-5 claude-haiku-5-5
END

# An agent that keeps a stream open, does not care for 402 and does not hear SIGTERM. $1: its folder.
cat >"$WORK/deaf.sh" <<'END'
trap '' TERM
ask() { # MAX_TOKENS SCRIPT
    curl -sSN "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_API_KEY" -o "$3" -w '%{http_code}\n' \
        -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' -H "x-fake-script: $2" \
        -d '{"model":"claude-opus-5-5","stream":true,"max_tokens":'"$1"',"messages":[{"role":"user","content":"hi"}]}'
}
echo $$ >"$1/pids"
(trap '' TERM; exec sleep 4242) & echo $! >>"$1/pids"
ask 1000 '{"events":5,"hang":true}' "$1/stream" & echo $! >>"$1/pids"
until [ -s "$1/stream" ]; do sleep 0.05; done
while :; do ask 128000 '{}' /dev/null >>"$1/statuses"; sleep 0.1; done
END

is_dead() { ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }
are_dead() { local pid; for pid; do is_dead "$pid" || return 1; done; }
row() { "$REEVE" ledger export run --format json | jq -r "select(.run_id == \"$1\") | $2"; }
is_in_ledger() { [ "$(row "$1" .ended)" != null ] && [ -n "$(row "$1" .ended)" ]; }
slots_taken() { "$REEVE" status | sed -n 's/^slots: \([0-9]*\) of.*/\1/p'; }

try_kill() {
    local code=0 run
    "$REEVE" run --config "$WORK/reeve.conf" --job deaf --json -- bash "$WORK/deaf.sh" "$WORK" \
        >/dev/null 2>"$WORK/deaf.log" </dev/null || code=$?
    tail -n 1 "$WORK/deaf.log" >"$WORK/summary"
    run=$(summary .run)
    equal "a deaf agent: exit code and end" "100 ceiling" "$code $(summary .end)"
    check "a deaf agent: nothing is left alive" are_dead $(cat "$WORK/pids")
    equal "a deaf agent: was told 402 and nothing else" 402 "$(sort -u "$WORK/statuses")"
    equal "a deaf agent: its stream is cut off upstream" disconnected \
        "$(jq -r 'select(.kind == "messages").end' "$FAKE_BOOKS")"
    equal "a deaf agent: nothing is held for it" 0 "$(held_everywhere)"
    equal "a deaf agent: its slot is free" 0 "$(slots_taken)"
    wait_until 30 is_in_ledger "$run"
    equal "a deaf agent: its row" "ceiling 1" "$(row "$run" '"\(.ended) \(.exchanges)"')"
}

# ask_outside KEY: the status of one request with a key of a job.
ask_outside() {
    curl -sS "http://127.0.0.1:$PORT/v1/messages" -H "x-api-key: $1" -o "$WORK/answer" -w '%{http_code}' \
        -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
        -d '{"model":"claude-opus-5-5","max_tokens":1500,"messages":[{"role":"user","content":"hi"}]}'
}
implicit_runs() { "$REEVE" status --json | jq -r '.runs[] | select(.command == "(job key)") | .run'; }
has_no_implicit_run() { [ -z "$(implicit_runs)" ]; }

try_outside() {
    local key other run client=0
    new_books
    key=$("$REEVE" job key outside --config "$WORK/reeve.conf" 2>/dev/null)
    other=$("$REEVE" job key outside --config "$WORK/reeve.conf" 2>/dev/null)
    check "a job key: is one" grep -qxE 'reeve-job-[A-Za-z0-9_-]{43}' <<<"$key"
    equal "a job key: is kept nowhere" "" "$(grep -rl "${key#reeve-job-}" "$WORK/state" "$WORK"/*.log)"
    equal "a job key: its file is private" 600 "$(stat -c %a "$WORK/state/job-keys")"
    equal "a wrong job key" 401 "$(ask_outside reeve-job-0123456789012345678901234567890123456789012)"
    equal "a right job key" 200 "$(ask_outside "$key")"
    run=$(implicit_runs)
    equal "its run is of the job, and takes no slot" "outside 0" \
        "$("$REEVE" status --json | jq -r ".runs[] | select(.run == \"$run\").job") $(slots_taken)"
    ANTHROPIC_BASE_URL=http://127.0.0.1:$PORT ANTHROPIC_API_KEY=$key python3 "$TOP/tests/loop_client.py" \
        --agents 4 --output-tokens 900 >"$WORK/said" || client=$?
    equal "outside: refused at the ceiling" "1 200 402" "$client $(said '.statuses | keys | join(" ")')"
    within "outside: used, and nothing above" 70000000000 100000000000 "$(books .billed_pico_usd)"
    equal "outside: still refused, and no new run" "402 $run" "$(ask_outside "$key") $(implicit_runs)"
    check "outside: the answer says why" grep -q 'ceiling reached: .* of \$0.1000 spent by this run' "$WORK/answer"
    equal "outside: another key is another run" 200 "$(ask_outside "$other")"
    "$REEVE" job revoke outside --config "$WORK/reeve.conf"
    equal "outside: revoked keys" "401 401" "$(ask_outside "$key") $(ask_outside "$other")"
    check "outside: the runs end when it is quiet" wait_until 60 has_no_implicit_run
    wait_until 30 is_in_ledger "$run"
    equal "outside: the row" "outside ceiling" "$(row "$run" '"\(.job) \(.ended)"')"
}

try_models() {
    RUN_OPTIONS=(--job choosy)
    loop --requests 1 --model claude-haiku-4-5
    equal "a model that the job allows" "0 200" "$CODE $(said '.statuses | keys[]')"
    loop --requests 1
    equal "a model that it does not" "2 403" "$CODE $(said '.statuses | keys[]')"
    check "a model that it does not: the answer names those that are" \
        grep -q 'allowed: claude-haiku-4-5 claude-sonnet-5-5' "$WORK/loop.log"
}

step_down_is_in_ledger() {
    "$REEVE" ledger export exchange --format json |
        jq -r 'select(.job == "thrifty") | "\(.model_asked) \(.model)"' >"$WORK/models"
    [ "$(wc -l <"$WORK/models")" = 5 ]
}

# Three of five requests are the soft limit: from then on the next cheaper model answers.
try_step_down() {
    new_books
    RUN_OPTIONS=(--job thrifty)
    loop --requests 5
    equal "StepDown: all are answered" "0 5" "$CODE $(said '.answered[0]')"
    equal "StepDown: the models upstream" \
        "claude-opus-5-5 claude-opus-5-5 claude-opus-5-5 claude-sonnet-5-5 claude-sonnet-5-5" \
        "$(jq -r 'select(.kind == "messages").model' "$FAKE_BOOKS" | paste -sd' ')"
    check "StepDown: the rows are there" wait_until 30 step_down_is_in_ledger
    equal "StepDown: the rows tell both names" "3 claude-opus-5-5 claude-opus-5-5,2 claude-opus-5-5 claude-sonnet-5-5" \
        "$(sort "$WORK/models" | uniq -c | sed 's/^ *//' | paste -sd,)"
    equal "the soft limit is told once" 1 "$(grep -c "soft_limit_reached.* job=thrifty" "$WORK/serve.log")"
}

# An agent that loops on Opus for ever, as one did for a night and $47; two others work beside it.
try_night() {
    local others=() pid spent failed=0 i
    new_books
    for i in 1 2; do
        "$REEVE" run --config "$WORK/reeve.conf" --job watchful --json -- python3 "$TOP/tests/loop_client.py" \
            --requests 40 --model claude-haiku-4-5 --max-tokens 500 --script '{"delay_ms":50}' \
            >"$WORK/other.$i.said" 2>"$WORK/other.$i.log" </dev/null &
        others+=($!)
    done
    RUN_OPTIONS=(--job night)
    loop --prompt-bytes 20000 --output-tokens 1500 --script '{"delay_ms":10}'
    equal "the night: ends at the ceiling" "100 ceiling" "$CODE $(summary .end)"
    for pid in "${others[@]}"; do wait "$pid" || failed=1; done
    spent=$(jq -s '[.[] | select(.model == "claude-opus-5-5").billed_pico_usd] | add' "$FAKE_BOOKS")
    within "the night: at least \$0.90, at most \$1.00" 900000000000 1000000000000 "$spent"
    equal "the night: the summary says what it cost" "$spent" \
        "$(summary .account.cost_usd | awk '{ printf "%.0f", $1 * 1e12 }')"
    equal "the night: the others go on" "0 40 40" \
        "$failed $(jq -r '.answered[0]' "$WORK"/other.?.said | paste -sd' ')"
    echo "figure the night: $(usd "$spent") of \$1.0000 in $(said '.answered[0]') exchanges"
}

umask 077
echo "$SECRET" >"$WORK/credential"
start_fake --accept "$SECRET" || not_ok "the fake starts"
start_reeve || not_ok "reeve serve starts"
try_kill
try_outside
try_models
try_step_down
try_night
flow_end
