#!/bin/bash
# The live page: who gets in, what it shows, what it costs the exchanges beside it; and, where there is a
# Chromium, how it looks and feels. Its screenshots are in build/page/screenshots afterwards.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"
. "$(dirname "$0")/lib_ceilings.sh"

PAGE=$TOP/build/page

# get PATH [CURL ARGUMENT…]: the status; head and body go to $WORK/head and $WORK/body.
get() { curl -sS --max-time 10 -D "$WORK/head" -o "$WORK/body" -w '%{http_code}' "${@:2}" "http://127.0.0.1:$PORT$1"; }
header() { grep -i "^$1:" "$WORK/head" | tr -d '\r' | cut -d' ' -f2-; }

# link: a new one, of which get() wants the path.
link() { "$REEVE" status --open 2>/dev/null; }
path_of() { echo "${1#http://127.0.0.1:"$PORT"}"; }

# new_session NAME: its cookie, in $WORK/NAME.jar.
new_session() { get "$(path_of "$(link)")" -c "$WORK/$1.jar" >"$WORK/status"; }

# listen NAME: a browser that looks, in the background; what it is told goes to $WORK/NAME.events.
listen() { start "$1.curl" curl -sSN -b "$WORK/session.jar" -o "$WORK/$1.events" "http://127.0.0.1:$PORT/reeve/events"; }
events_of() { grep -c '^data: ' "$WORK/$1.events"; }
has_events() { [ "$(events_of "$1")" -ge "$2" ]; }
event() { grep '^data: ' "$WORK/$1.events" | tail -n 1 | cut -d' ' -f2- | jq -r "$2"; }

try_doors() {
    local url path
    equal "without a session the page is closed" "401 401" "$(get /reeve/) $(get /reeve/events)"
    url=$(link)
    path=$(path_of "$url")
    equal "the link is for this daemon" "http://127.0.0.1:$PORT" "${url%%/reeve/open*}"
    equal "a link that was guessed is none" 401 "$(get "${path%?????}guess")"
    equal "a foreign Host, a foreign Origin, a guess of the browser's do not use it up" "421 403 503" \
        "$(get "$path" -H 'Host: evil.example') $(get "$path" -H 'Origin: http://evil.example') $(
            get "$path" -H 'Sec-Purpose: prefetch')"
    equal "it works" 200 "$(get "$path" -c "$WORK/session.jar")"
    check "its cookie is HttpOnly and SameSite=Strict" \
        grep -q '; Path=/reeve/; .*HttpOnly; SameSite=Strict' <(header Set-Cookie)
    equal "once" "401 " "$(get "$path") $(header Set-Cookie)"
    equal "with the cookie the page opens" 200 "$(get /reeve/ -b "$WORK/session.jar")"
    equal "but not to another site, nor under another name" "403 403 421" \
        "$(get /reeve/ -b "$WORK/session.jar" -H 'Sec-Fetch-Site: cross-site') $(
            get /reeve/ -b "$WORK/session.jar" -H "Origin: http://127.0.0.1:1") $(
            get /reeve/ -b "$WORK/session.jar" -H 'Host: evil.example' -H "Cookie: $(cookie_of session)")"
    equal "nothing can be changed" "405 405 405" "$(get /reeve/ -X POST -d x) $(get /reeve/ -X DELETE) $(get /reeve/ -X OPTIONS)"
    check "the strict policy" grep -q "^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'" \
        <(get /reeve/ >/dev/null && header Content-Security-Policy)
    equal "no other origin is let in" "" "$(header Access-Control-Allow-Origin)"
    equal "no link is in the log" 0 "$(grep -c 'reeve-page-' "$WORK/serve.log")"
    equal "as JSON, too" "$PORT 120" "$("$REEVE" status --open --json | jq -r '"\(.url | split("/")[2] | split(":")[1]) \(.valid_s)"')"
}

# On a desktop a browser is started, and the link is in none of its arguments.
try_desktop() {
    command -v script >/dev/null || { skip "a browser opens the link" "script(1) is not installed" && return; }
    mkdir "$WORK/bin"
    printf '#!/bin/sh\ncp -p "$1" "%s/door"; echo "$@" >"%s/arguments"\n' "$WORK" "$WORK" >"$WORK/bin/xdg-open"
    chmod +x "$WORK/bin/xdg-open"
    DISPLAY=:0 XDG_RUNTIME_DIR=$WORK PATH=$WORK/bin:$PATH script -qec "'$REEVE' status --open" /dev/null \
        </dev/null >"$WORK/said"
    check "a browser is started where there is a desktop" wait_until 10 test -s "$WORK/arguments"
    equal "its arguments are a file of its user's alone" "$WORK/reeve-page.html 600" \
        "$(cat "$WORK/arguments") $(stat -c %a "$WORK/door")"
    equal "which goes on to the link" "$(grep -o 'http://[^ ]*' "$WORK/said" | tr -d '\r')" "$(grep -o 'http://[^"]*' "$WORK/door")"
}

cookie_of() { awk '$6 == "reeve_page" { print $6 "=" $7 }' "$WORK/$1.jar"; }

try_events() {
    listen first
    check "events come" wait_until 10 has_events first 3
    equal "they say what status says" "$("$REEVE" status --json | jq -r '"\(.listen) \(.slots) \(.credentials[0].state)"')" \
        "$(event first '"\(.listen) \(.slots) \(.credentials[0].state)"')"
    loop --requests 3 --model claude-opus-5-5 --max-tokens 2000
    sleep_events first 2
    equal "what is spent is what the upstream has billed" "$(books_cost)" \
        "$(event first .today.spent_usd | python3 -c 'import decimal; print(int(decimal.Decimal(input()) * 10**12))')"
    equal "and the curve ends there" "$(($(books_cost) / 1000000))" "$(event first '.today.curve_micro_usd[-1]')"
    equal "the day ends where its ceiling is reset" "$(event first .ceilings[0].resets_at)" "$(event first .today.end)"
    equal "who looks is in the metrics" 1 "$(curl -sS "http://127.0.0.1:$PORT/metrics" | awk '/^reeve_page_viewers / { print $2 }')"
}

# sleep_events NAME COUNT: until so many more have come.
sleep_events() { wait_until 20 has_events "$1" $(($(events_of "$1") + $2)); }

try_crowd() {
    local i
    for i in 2 3 4 5 6 7 8; do listen "viewer$i"; done
    for i in 2 3 4 5 6 7 8; do wait_until 10 has_events "viewer$i" 1 || not_ok "viewer $i is told"; done
    equal "so many may look at once, and no more" 503 "$(get /reeve/events -b "$WORK/session.jar")"
    for i in "${STARTED[@]}"; do
        case $(ps -o comm= "$i") in curl) kill "$i" ;; esac
    done
    check "those who leave make room" wait_until 10 nobody_looks
}

nobody_looks() { curl -sS "http://127.0.0.1:$PORT/metrics" | grep -q '^reeve_page_viewers 0$'; }

# A restart goes on with what was spent; sessions end. This time it listens for other machines, too.
try_restart() {
    local address
    stop "$SERVE_PID"
    start_reeve --listen "0.0.0.0:$PORT" || not_ok "reeve serve starts again"
    address=$(hostname -I | tr ' ' '\n' | grep -m1 '\.')
    if [ -n "$address" ]; then
        equal "another machine is shown nothing" "403 403 401" \
            "$(for path in /reeve/ /metrics /v1/models; do
                curl -sS -o /dev/null -w '%{http_code}\n' "http://$address:$PORT$path"
            done | paste -sd' ')"
    else
        skip "another machine is shown nothing" "this machine has no address but loopback's"
    fi
    equal "a link leads to this one" "http://127.0.0.1:$PORT" "$(link | sed 's,/reeve/.*,,')"
    equal "a restart ends the sessions" 401 "$(get /reeve/ -b "$WORK/session.jar")"
    new_session session
    listen again
    wait_until 10 has_events again 1
    equal "and the day goes on where it was" "$(books_cost)" \
        "$(event again .today.spent_usd | python3 -c 'import decimal; print(int(decimal.Decimal(input()) * 10**12))')"
    stop "$STARTED_PID"
}

# run_for_long JOB ARGUMENT…: a run that goes on until the flow ends.
run_for_long() {
    start "run.$1" "$REEVE" run --config "$WORK/reeve.conf" --job "$1" --wait 10min -- "${@:2}"
}
run_is_there() { "$REEVE" status --json | jq -e ".runs[] | select(.job == \"$1\" and .exchanges > 0)"; }
run_waits() { "$REEVE" status --json | jq -e ".waiting[] | select(.job == \"$1\")"; }

end_runs() {
    local pid
    for pid in $("$REEVE" status --json | jq '.waiting[].pid'); do kill "$pid"; done
    "$REEVE" kill $("$REEVE" status --json | jq -r '.runs[].run')
    wait_until 20 eval '[ "$("$REEVE" status --json | jq ".runs | length")" = 0 ]'
}

try_browser() {
    local reason status=0
    reason=$("$TOP/tests/page/install.sh" "$PAGE") || status=$?
    if [ $status != 0 ]; then
        if [ $status = 75 ]; then skip "the page in Chromium" "$reason"; else not_ok "the page in Chromium" "$reason"; fi
        return
    fi
    mkdir -p "$PAGE/screenshots"
    run_for_long outreach python3 "$TOP/tests/loop_client.py" --model claude-haiku-5-5 --max-tokens 4000 \
        --output-tokens 900 --script '{"delay_ms":1200}'
    run_for_long nightly python3 "$TOP/tests/loop_client.py" --model claude-opus-5-5 --max-tokens 4000 \
        --output-tokens 1200 --script '{"delay_ms":700}'
    check "two runs go on" wait_until 20 eval 'run_is_there outreach && run_is_there nightly'
    run_for_long reviews sleep 600
    check "and a third one waits" wait_until 10 run_waits reviews
    (cd "$PAGE" && timeout 120 node page.mjs "http://127.0.0.1:$PORT" "$(link)" "$(link)" "$PAGE/screenshots") \
        >"$WORK/browser.out" 2>"$WORK/browser.log" || not_ok "the browser's script ends well"
    cat "$WORK/browser.out"
    end_runs
    ! grep -q '^not ok' "$WORK/browser.out" || FLOW_FAILED=1
}

cat >"$WORK/reeve.conf" <<END
[Reeve]
Ledger=host=/nonexistent
TimeZone=Europe/Berlin
ListenAnywhere=yes
Slots=2
CostMaxPerDay=\$5
[Job outreach]
CostMax=\$0.50
CostMaxPerDay=\$1
[Job nightly]
CostMax=\$4
KillGrace=1s
END
RUN_OPTIONS=(--job nightly)
(umask 077 && echo "$SECRET" >"$WORK/credential")
start_fake --accept "$SECRET" || not_ok "the fake starts"
start_reeve || not_ok "reeve serve starts"
try_doors
try_desktop
try_events
try_crowd
try_restart
try_browser
flow_end
