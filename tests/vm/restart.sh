#!/bin/bash
# The package is upgraded, and the daemon reloaded and restarted, while agents are at work; missed times
# of a timer; the books.
. "$(dirname "$0")/lib_guest.sh"

main_pid() { systemctl show --property MainPID --value reeve.service; }
is_streaming() { ! grep -q '^event: message_stop' $SEEN/slow; }
ask() {
    curl -sS --fail --max-time 60 -H "x-api-key: $JOB_KEY" -H 'content-type: application/json' \
        -H 'anthropic-version: 2023-06-01' http://127.0.0.1:8377/v1/messages \
        -d '{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}'
}

# Asks again and again, each time on a connection of its own, until $WORK/enough is there. Writes what
# failed to $WORK/refused, and how long the answers took to $WORK/took.
keep_asking() {
    while [ ! -e "$WORK/enough" ]; do
        curl -sS --fail --max-time 60 -o /dev/null -w '%{time_total}\n' -H "x-api-key: $JOB_KEY" \
            -H 'content-type: application/json' -H 'anthropic-version: 2023-06-01' \
            -d '{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}' \
            http://127.0.0.1:8377/v1/messages 2>>"$WORK/refused" >>"$WORK/took" || echo no >>"$WORK/refused"
        reeve status >/dev/null 2>>"$WORK/refused" || echo no >>"$WORK/refused"
    done
}

JOB_KEY=$(reeve job key ask)
rm -f $SEEN/slow
systemctl start reeve@slow.service
check "a stream is on its way" wait_until 30 test -s $SEEN/slow
first=$(main_pid)
check "the unit is reloaded" systemctl reload reeve.service
reloaded=$(main_pid)
check "there is another main process" [ "$first" != "$reloaded" ]
check "of a unit that is active" systemctl --quiet is-active reeve.service
check "a new request is answered" ask
check "while the stream goes on" is_streaming
check "in the first of the two" kill -0 "$first"
touch "$WORK/refused"
asking=()
for _ in 1 2 3 4; do
    keep_asking &
    asking+=($!)
done
wait_until 30 test -s "$WORK/took"
check "the package is upgraded" dpkg --install /srv/build/reeve_*.deb
upgraded=$(main_pid)
check "its daemon has taken over" [ "$reloaded" != "$upgraded" ]
systemctl restart reeve.service
check "it can be restarted" systemctl --quiet is-active reeve.service
check "after the stream has ended" eval '! is_streaming'
check "it is another one" [ "$upgraded" != "$(main_pid)" ]
check "and twice more" bash -c 'systemctl restart reeve.service && systemctl restart reeve.service'
touch "$WORK/enough"
wait "${asking[@]}"
echo "    $(wc -l <"$WORK/took") requests, the longest of $(sort -n "$WORK/took" | tail -n 1) s"
equal "nobody was refused meanwhile" "" "$(cat "$WORK/refused")"
check "the run ends by itself" wait_until 30 run_is_over reeve@slow.service
equal "its stream was not cut" 1 "$(grep -c '^event: message_stop' $SEEN/slow)"

books_are_up_to_date() { reeve status | grep -q '^ledger: up to date'; }
books_cost() { sed -n 's/.*"billed_pico_usd": *\([0-9]*\).*/\1/p' $FAKE_BOOKS | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }
ledger_cost() { reeve ledger export exchange --format csv | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "cost_usd") column = i } NR > 1 { sum += $column * 1e12 } END { printf "%.0f\n", sum }'; }
check "the books follow" wait_until 60 books_are_up_to_date
equal "and are the upstream's to the picodollar" "$(books_cost)" "$(ledger_cost)"
check "the report's unit reports" bash -c 'systemctl start reeve-report.service && systemctl show -p Result reeve-report | grep success'

# ---- a machine that was off at the time
systemctl enable --quiet --now reeve@daily.timer
systemctl start reeve@daily.service
check "a daily job has run today" wait_until 30 test -s $SEEN/daily
systemctl stop reeve@daily.timer
date --set '+3 days' >/dev/null
check "not while its timer is off" [ "$(wc -l <$SEEN/daily)" = 1 ]
systemctl start reeve@daily.timer
check "what was missed is caught up with" wait_until 90 bash -c "[ \$(wc -l <$SEEN/daily) = 2 ]"
equal "once for three days" 2 "$(wc -l <$SEEN/daily)"
systemctl disable --quiet --now reeve@daily.timer
guest_end
