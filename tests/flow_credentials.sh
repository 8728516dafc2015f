#!/bin/bash
# A dead token never stops the fleet: what agents see, and what becomes of tokens that are good once, while
# tokens expire, are revoked and limited, and while the daemon is killed.
#
# CREDENTIALS=full takes the full counts; `make check-credentials` does.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"

LOAD=$TOP/tests/credential_load.py
CLIENTS=$TOP/build/clients
NO_LEDGER="host=$WORK/nowhere"
if [ "${CREDENTIALS:-}" = full ]; then
    LOAD_REQUESTS=10000 TOKEN_USES=50 SHARE_SECONDS=120
else
    LOAD_REQUESTS=500 TOKEN_USES=25 SHARE_SECONDS=4
fi

# fresh NAME: ends what the case before has started, and gives the next one folders of its own.
fresh() {
    [ -z "${SERVE_PID:-}" ] || stop "$SERVE_PID"
    [ -z "${FAKE_PID:-}" ] || stop "$FAKE_PID"
    SERVE_PID='' FAKE_PID=''
    rm -f "$WORK"/*.log "$WORK/books.jsonl" "$WORK/reeve.conf"
    CASE=$1
    export REEVE_STATE_DIR=$WORK/$CASE
    STORE=$REEVE_STATE_DIR/credentials
    mkdir -p -m 711 "$REEVE_STATE_DIR"
    mkdir -m 700 "$STORE"
}

# pair FILE ACCESS REFRESH SECONDS: as Claude Code stores a pair, whose access token lives for so long.
pair() {
    (umask 077 && cat >"$1" <<EOF
{"claudeAiOauth":{"accessToken":"$2","refreshToken":"$3","expiresAt":$((($(date +%s) + $4) * 1000)),
 "scopes":["user:inference"],"subscriptionType":"max"},"mcpOAuth":{"kept":true}}
EOF
    )
}

key() { (umask 077 && echo "$2" >"$STORE/$1"); }

# configure LINE…: [Reeve], with the fake's token endpoint.
configure() {
    printf '%s\n' '[Reeve]' "TokenEndpoint=$FAKE_URL/v1/oauth/token" "$@" >"$WORK/reeve.conf"
}

serve() { start_serve --config "$WORK/reeve.conf" --upstream "$FAKE_URL" "$@" || not_ok "$CASE: reeve serve starts"; }

# load ARGUMENT…: agents in one run; what they saw goes to $WORK/saw.
load() {
    "$REEVE" run --no-cgroup --job load -- sh -c 'exec python3 "$@" --url "$ANTHROPIC_BASE_URL"' \
        sh "$LOAD" "$@" >"$WORK/saw" 2>"$WORK/load.log"
}
saw() { jq -r "$1" "$WORK/saw"; }

# of NAME MEMBER: what the daemon says of a credential.
of() { "$REEVE" credential list --json | jq -r ".[] | select(.name == \"$1\") | .$2"; }
is() { [ "$(of "$1" "$2")" = "$3" ]; }
settled() { case $(of "$1" state) in ready | needs-login) ;; *) return 1 ;; esac }

# books_of KIND [STATUS]: how many such requests the upstream has had.
books_of() { jq -n "[inputs | select(.kind == \"$1\" and (.status == ${2:-.status}))] | length" "$FAKE_BOOKS"; }

change() { curl -sS -o /dev/null -d "$1" "$FAKE_URL/fake/credential"; }

# ---- expiries under load

expiries_under_load() {
    fresh expiries
    start_fake --refresh-token sk-ant-ort01-first@account --access-uses $TOKEN_USES || not_ok "the fake starts"
    pair "$STORE/main" sk-ant-oat01-first sk-ant-ort01-first -1
    configure
    serve
    check "$LOAD_REQUESTS exchanges, 16 in flight: no agent sees that tokens die" \
        load --requests $LOAD_REQUESTS --in-flight 16 --delay-ms 2
    equal "all are answered" "{\"200\":$LOAD_REQUESTS}" "$(saw '.statuses | tojson')"
    equal "each token that died was refreshed once" $((LOAD_REQUESTS / TOKEN_USES)) "$(books_of token 200)"
    equal "no refresh token was spent twice" 0 "$(books_of token_reused)"
    equal "what else is in the file is kept" true "$(jq .mcpOAuth.kept "$STORE/main")"
    check "each attempt is in the ledger" wait_until 60 ledger_is_complete
    equal "those that met a dead token as well, for nothing" "$(books_of messages 401) 0" \
        "$(jq -rn '[inputs | select(.http_status == 401)] | "\(length) \(map(.cost_usd | tonumber) | add // 0)"' \
            "$WORK/ledger.jsonl")"
    equal "the ledger's sum is the upstream's" "$(books_cost)" "$(ledger_cost)"
    no_secret_anywhere
}

# Nothing that reeve has written or says has a token in it, but for the credential's own file.
no_secret_anywhere() {
    "$REEVE" credential list --json >"$WORK/said.json"
    "$REEVE" credential check main >>"$WORK/said.json"
    "$REEVE" status --json >>"$WORK/said.json"
    "$REEVE" report --format json >>"$WORK/said.json"
    "$REEVE" config show --config "$WORK/reeve.conf" --json >>"$WORK/said.json"
    "$REEVE" run --no-cgroup -- env >"$WORK/environment.txt" 2>>"$WORK/load.log"
    tr '\0' '\n' <"/proc/$SERVE_PID/cmdline" >"$WORK/cmdline.txt"
    "$REEVE" ledger export run --format json >"$WORK/runs.jsonl"
    equal "an agent that sends a token of its own is told what to do, and refused" "401 false yes" \
        "$("$REEVE" run --no-cgroup -- sh -c 'curl -sS -D "$1" -X POST -H "x-api-key: sk-ant-api03-of-the-agent" \
            "$ANTHROPIC_BASE_URL/v1/messages"' sh "$WORK/own.head" 2>>"$WORK/load.log" >"$WORK/own.txt"
        awk 'NR == 1 { status = $2 } tolower($1) == "x-should-retry:" { sub("\r", ""); print status, $2 }' \
            "$WORK/own.head") $(grep -q 'reeve credential add' "$WORK/own.txt" && echo yes)"
    equal "no secret is in logs, answers, environment, arguments, journal or ledger" "" \
        "$(grep -raoE 'sk-ant-(oat|ort|api)[0-9]*-[a-z0-9-]*' "$WORK" \
            --include=*.log --include=*.json --include=*.jsonl --include=*.txt --include=*.head \
            --exclude=books.jsonl
        grep -raoE 'sk-ant-(oat|ort|api)[0-9]*-[a-z0-9-]*' "$REEVE_STATE_DIR" --exclude-dir=credentials)"
    equal "no core would have any" "0 0" \
        "$(awk '/Max core file size/ { print $5, $6 }' "/proc/$SERVE_PID/limits")"
}

# ---- kill -9 at every step of a refresh

# kill_at N: a daemon that is killed before step N of its first refresh, and the one after it. Says
# "STEP: what became of the pair" on one line of $WORK/steps; nothing once there is no such step.
kill_at() {
    local here=$WORK/kill.$1 step state fake_pid serve_pid port
    mkdir -p -m 700 "$here/login" "$here/state"
    "$BUILD/tests/fake_claude" --listen 127.0.0.1:0 --books "$here/books" \
        --refresh-token sk-ant-ort01-first@account >"$here/fake.log" 2>&1 &
    fake_pid=$!
    wait_until 20 grep -q '^plain ' "$here/fake.log"
    local url
    url=$(sed -n 's/^plain //p' "$here/fake.log")
    pair "$here/login/.credentials.json" sk-ant-oat01-first sk-ant-ort01-first -1
    printf '%s\n' '[Reeve]' "TokenEndpoint=$url/v1/oauth/token" '[Credential main]' 'Type=oauth' \
        "File=$here/login/.credentials.json" >"$here/reeve.conf"
    export REEVE_STATE_DIR=$here/state
    port=$(free_port)
    local arguments=(serve --config "$here/reeve.conf" --upstream "$url" --ledger "$NO_LEDGER"
        --listen "127.0.0.1:$port")
    LD_PRELOAD=$BUILD/tests/kill_at.so KILL_FOLDER=$here/login KILL_LOG=$here/steps KILL_AT=$1 \
        ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0" \
        "$REEVE" "${arguments[@]}" >"$here/serve.log" 2>&1 &
    serve_pid=$!
    wait_until 30 is_over_or_renewed "$serve_pid" "$here/serve.log"
    kill -9 "$serve_pid" 2>/dev/null
    wait "$serve_pid" 2>/dev/null
    if [ "$(wc -l <"$here/steps")" -ge "$1" ]; then
        step=$(tail -n 1 "$here/steps")
        touch -c -d '5 minutes ago' "$here"/login/.oauth_refresh.lock "$here/login.lock" 2>/dev/null # it is dead
        "$REEVE" "${arguments[@]}" >"$here/serve.log" 2>&1 &
        serve_pid=$!
        wait_until 40 settled main
        state=$(of main state)
        [ "$state" = ready ] && "$REEVE" credential check main >"$here/checked" && state="ready and good"
        grep -q 'alert kind=credential.*log in anew' "$here/serve.log" && state="$state, said"
        kill "$serve_pid" 2>/dev/null
        wait "$serve_pid" 2>/dev/null
        echo "$1 $step: $state" >>"$WORK/steps"
    fi
    kill "$fake_pid"
    wait "$fake_pid" 2>/dev/null
    grep -c '"token_reused"' "$here/books" >"$here/reused"
}
is_over_or_renewed() { is_gone "$1" || grep -q credential_renewed "$2"; }

# Between the request's going out and the answer's being written the pair is only the upstream's: there a
# kill loses it. Everywhere else it must be found again.
kills() {
    local steps lost at=1
    fresh kills
    : >"$WORK/steps"
    while [ $at -le 40 ]; do
        for _ in 1 2 3 4; do
            kill_at $at 2>/dev/null &
            at=$((at + 1))
        done
        wait $(jobs -pr)
        [ "$(wc -l <"$WORK/steps")" -ge $((at - 1)) ] || break
    done
    steps=$(sort -n "$WORK/steps")
    export REEVE_STATE_DIR=$WORK/kills
    [ "${CREDENTIALS:-}" != full ] || echo "$steps"
    check "kill -9 at every step of a refresh: all of them are there" \
        test "$(cut -d' ' -f2 <<<"$steps" | tr -d : | sort -u | paste -sd' ')" = \
        "create fallocate mkdir received rename rmdir send sent sync truncate write"
    lost=$(awk '$2 == "sent:" { out = 1 }
        out && $2 == "truncate:" { out = 0 }
        { print out ? "lost" : "kept" }' <<<"$steps" | paste -sd' ')
    equal "the pair is found again wherever it can be, and the loss is said where it cannot" "$lost" \
        "$(sed 's/.*: ready and good$/kept/; s/.*: needs-login, said$/lost/' <<<"$steps" | paste -sd' ')"
}

# ---- one file, two reeves and Claude Code

shared_file() {
    local first second home=$WORK/home/.claude
    fresh shared
    start_fake --refresh-token sk-ant-ort01-first@account --access-seconds 1 || not_ok "the fake starts"
    mkdir -p -m 700 "$home"
    pair "$home/.credentials.json" sk-ant-oat01-first sk-ant-ort01-first -1
    configure '[Credential main]' 'Type=oauth' "File=$home/.credentials.json"
    serve --ledger "$NO_LEDGER"
    first=$SERVE_PID
    mv "$WORK/serve.log" "$WORK/serve.first.log"
    REEVE_STATE_DIR=$WORK/shared.second
    serve --ledger "$NO_LEDGER"
    second=$SERVE_PID
    start sharer python3 "$TOP/tests/credential_sharer.py" "$home/.credentials.json" \
        "$FAKE_URL/v1/oauth/token" $SHARE_SECONDS 10000
    check "agents of the second reeve are served while three refresh one file" \
        load --requests 1000000 --in-flight 4 --delay-ms 20 --until "$WORK/sharer.over" &
    local loader=$! sharer_pid=$STARTED_PID
    wait "$sharer_pid"
    : >"$WORK/sharer.over"
    wait $loader
    equal "no token is used twice" 0 "$(books_of token_reused)"
    check "each of the three has refreshed it, or taken over what others had" \
        test "$(jq .refreshed "$WORK/sharer.log")" -gt 0 -a \
        "$(grep -c credential_renewed "$WORK/serve.first.log")" -gt 0 -a \
        "$(grep -c credential_renewed "$WORK/serve.log")" -gt 0
    echo "# $(books_of token 200) refreshes: Claude Code $(jq .refreshed "$WORK/sharer.log")," \
        "first $(grep -c 'credential_renewed.*text=renewed' "$WORK/serve.first.log")," \
        "second $(grep -c 'credential_renewed.*text=renewed' "$WORK/serve.log")"
    check "the chain lives" "$REEVE" credential refresh main
    kill "$first"
    wait "$first" 2>/dev/null
    SERVE_PID=$second
}

# ---- one of two fails

# two NAME PREFIX LINE…: two credentials of one kind, the first of which is taken first.
two() {
    fresh "$1"
    FIRST=$2-first SECOND=$2-second
    start_fake --accept "$FIRST@first" --accept "$SECOND@second" || not_ok "the fake starts"
    key first "$FIRST"
    key second "$SECOND"
    configure "${@:3}" '[Credential first]' 'Type=any' 'Priority=1' '[Credential second]' 'Type=any' 'Priority=2'
    serve --ledger "$NO_LEDGER"
}
limit() { change "{\"secret\":\"$1\",\"state\":\"limited\",\"reset_s\":$2}"; }
in_seconds() { echo $(($(date +%s) + $1)); }

# fail_meanwhile COMMAND…: while agents are at work, this happens to the first credential.
fail_meanwhile() {
    rm -f "$WORK/enough"
    load --requests 1000000 --in-flight 8 --delay-ms 5 --until "$WORK/enough" &
    local loader=$!
    wait_until 20 served first 50
    "$@"
    wait_until 20 served second 50
    : >"$WORK/enough"
    wait $loader
}
served() { [ "$(of "$1" exchanges)" -ge "$2" ]; }

failover() {
    two revoked sk-ant-api03
    check "the first is revoked under load: no agent sees it" fail_meanwhile \
        change "{\"secret\":\"$FIRST\",\"state\":\"revoked\"}"
    equal "it is refused, and the other serves" "refused ready" "$(of first state) $(of second state)"
    equal "a person is told once" 1 "$(grep -c 'alert kind=credential' "$WORK/serve.log")"

    two cooling sk-ant-oat01
    check "a subscription is at its limit: no agent sees it" fail_meanwhile limit_and_see is first state cooling
    check "it cools down" test -e "$WORK/seen"
    check "and comes back by itself" wait_until 20 is first state ready
    check "and serves again" served_again first

    two limited sk-ant-api03
    check "a key is at the limit of a model: no agent sees it" fail_meanwhile limit_and_see names_model first
    check "it says of which" test -e "$WORK/seen"
    check "and serves again, by itself" wait_until 20 served_again first
}
names_model() { of "$1" problem | grep -q '^claude-haiku-4-5 is at its limit'; }

# limit_and_see COMMAND…: limits the first for some seconds, in which the command has to succeed.
limit_and_see() {
    rm -f "$WORK/seen"
    limit "$FIRST" "$(in_seconds 8)"
    ! wait_until 7 "$@" || : >"$WORK/seen"
}

served_again() {
    local before
    before=$(of "$1" exchanges)
    load --requests 8 --in-flight 2 && served "$1" $((before + 8))
}

# When nobody can serve, agents hear a wait that is true.
all_limited() {
    local reset
    two exhausted sk-ant-api03 WaitMax=3s
    reset=$(in_seconds 30)
    limit "$FIRST" "$reset"
    limit "$SECOND" $((reset + 60))
    load --requests 4 --in-flight 2
    equal "all at their limits: 429" '{"429":4}' "$(saw '.statuses | tojson')"
    check "with the time until the first is free again" \
        test "$(saw .first_bad.retry_after)" -le 30 -a "$(saw .first_bad.retry_after)" -ge 20
    two parked sk-ant-api03 WaitMax=3s
    reset=$(in_seconds 62)
    limit "$FIRST" "$reset"
    limit "$SECOND" "$reset"
    load --requests 1 --in-flight 1
    equal "a longer wait is held back until it is one that clients take" 429 "$(saw '.statuses | keys[0]')"
    check "and then it is" test "$(saw .first_bad.retry_after)" -le 60
}

# ---- the free count of a prompt

# A prompt of which only the upstream can say that it fits is counted before it is sent.
count_dies() {
    fresh counted
    start_fake --accept sk-ant-oat01-first@account --refresh-token sk-ant-ort01-first@account || not_ok "the fake starts"
    pair "$STORE/main" sk-ant-oat01-first sk-ant-ort01-first 3600
    configure '[Job load]' TokensMax=4000
    serve --ledger "$NO_LEDGER"
    change '{"secret":"sk-ant-oat01-first","uses_left":0}'
    check "a token that is found dead by a count is refreshed, and counts again" \
        load --requests 1 --in-flight 1 --words 600
    equal "as the upstream says" "401 200, 200" "$(jq -rn '[inputs | select(.kind != "token")] |
        "\(map(select(.kind == "count_tokens").status) | join(" ")), \(map(select(.kind == "messages").status) | join(" "))"' \
        "$FAKE_BOOKS")"
    two uncounted sk-ant-api03 '[Job load]' TokensMax=4000
    change "{\"secret\":\"$FIRST\",\"state\":\"revoked\"}"
    check "a key that is found dead by a count gives way to the next" \
        load --requests 1 --in-flight 1 --words 600
    equal "which has served" 1 "$(of second exchanges)"
}

# ---- changes while streams are in flight

reloads() {
    local loader
    two reloaded sk-ant-api03
    load --requests 1 --in-flight 1 --delay-ms 3000 &
    loader=$!
    wait_until 20 in_flight 1
    (umask 077 && echo "$SECOND" >"$STORE/.new" && mv "$STORE/.new" "$STORE/first")
    check "a file that is replaced is read at once" wait_until 10 is first fingerprint "$(of second fingerprint)"
    sed -i 's/^Priority=2/Priority=0/' "$WORK/reeve.conf"
    kill -HUP "$SERVE_PID"
    check "the configuration is read again at a SIGHUP" wait_until 10 is second priority 0
    rm "$STORE/first"
    check "a file that is removed takes its credential with it" wait_until 10 is first state unreadable
    check "the stream that was in flight has ended well" wait $loader
    check "and the next one is served" load --requests 1 --in-flight 1
}
in_flight() { [ "$("$REEVE" status --json | jq .exchanges_in_flight)" = "$1" ]; }

# ---- a subscription beside a key

whom_it_serves() {
    fresh serves
    start_fake --accept sk-ant-oat01-subscription@login --accept sk-ant-api03-key@key --require-identity ||
        not_ok "the fake starts"
    (umask 077 && echo sk-ant-oat01-subscription >"$STORE/login")
    key second sk-ant-api03-key
    configure
    serve --ledger "$NO_LEDGER"
    check "Claude Code is served by the subscription" load --requests 3 --in-flight 1
    equal "alone" "3 0" "$(of login exchanges) $(of second exchanges)"
    check "others are served by the key" load --requests 3 --in-flight 1 --plain
    equal "alone, too" "3 3" "$(of login exchanges) $(of second exchanges)"
}

# ---- the real thing

real_claude() {
    local code=0 reason prompt
    reason=$("$TOP/tests/clients/install.sh" "$CLIENTS") || code=$?
    if [ $code != 0 ]; then
        skip "claude -p over an expiry" "$reason"
        return
    fi
    fresh claude
    start_fake --refresh-token sk-ant-ort01-first@account --access-uses 2 --require-identity ||
        not_ok "the fake starts"
    pair "$STORE/main" sk-ant-oat01-first sk-ant-ort01-first -1
    configure '[Job hour]' CacheTtl=1h
    serve --ledger "$NO_LEDGER"
    prompt='Say it [[fake {"turns":['
    for turn in 1 2 3; do
        prompt+="{\"tool_use\":{\"name\":\"Bash\",\"input\":{\"command\":\"echo $turn\",\"description\":\"Say it\"}}},"
    done
    prompt+='{"text":"The tool has spoken."}]}]]'
    mkdir -p "$WORK/claude.home"
    code=0
    (cd "$CLIENTS" && env -i PATH="$PATH" HOME="$WORK/claude.home" REEVE_STATE_DIR="$REEVE_STATE_DIR" \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 timeout 120 \
        "$REEVE" run --job hour -- node_modules/.bin/claude --allowedTools Bash -p "$prompt" \
        >"$WORK/said" 2>"$WORK/client.log" </dev/null) || code=$?
    equal "claude -p over expiries in the middle of its turns" "exit 0: The tool has spoken." \
        "exit $code: $(cat "$WORK/said")"
    equal "it met two of them" "200 200 401 200 200" \
        "$(jq -rn '[inputs | select(.kind == "messages").status] | join(" ")' "$FAKE_BOOKS")"
    equal "and asked for the cache's hour, as CacheTtl= says" true "$(tail -n 1 "$FAKE_BOOKS" |
        jq '.beta | contains("extended-cache-ttl")')"
}

expiries_under_load
kills
shared_file
failover
all_limited
count_dies
reloads
whom_it_serves
real_claude
flow_end
