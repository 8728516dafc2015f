#!/bin/bash
# The morning report over 102,456 generated exchanges of 60 days: its totals are the sums that the
# generator has made, to the picodollar; each planted anomaly is found and nothing else; every format
# holds what it promises; the mail arrives.
#
# REPORT=full looks at each of 28 days, not at seven. Screenshots go to $REPORT_SHOTS, if that is set.
. "$(dirname "$0")/lib.sh"

export TZ=Europe/Berlin
CHROMIUM=(chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
    --user-data-dir="$WORK/chromium")

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$REEVE_STATE_DIR/postgres" -U reeve -d postgres "$@"; }
prices_are_there() { [ "$(sql -c 'SELECT count(*) FROM reeve.price')" -gt 40 ]; }
report() { "$REEVE" report --config "$WORK/reeve.conf" --day 2026-11-24 "$@"; }
expected() { jq -Sc "$1" "$WORK/expected.json"; }

# The report's exact decimals have no zeros at the end, the generator's all twelve decimals.
reported() { jq -Sc 'def exact: . as $text | ($text | split(".")) as [$whole, $rest] |
    "\($whole).\(($rest + "000000000000")[:12])"; '"$1" "$WORK/report.json"; }

anomalies_of() {
    report --day "$1" --json | jq -Sc '.anomalies | map({(.job): [.measure]}) |
        reduce (.[] | to_entries[]) as $each ({}; .[$each.key] += $each.value) | map_values(sort)'
}

try_sums() {
    report --json >"$WORK/report.json"
    equal "the day's cost" "$(expected .cost)" "$(reported '.total.cost_usd | exact')"
    equal "the month's cost" "$(expected .month)" "$(reported '.month.cost_usd | exact')"
    equal "tokens by kind" "$(expected .tokens)" "$(reported .total.tokens)"
    equal "exchanges, estimated and failed ones" "$(expected '[.counts[("exchanges", "estimated", "failed", "retries")]]')" \
        "$(reported '.total | [.exchanges, .estimated, .failed, .retries_billed]')"
    equal "what billed retries cost" "$(expected .retries)" "$(reported '.total.retries_usd | exact')"
    equal "each day's cost" "$(expected ".days | with_entries(select(.key >= \"2026-10-27\"))")" \
        "$(reported '[.days[] | select(.day <= "2026-11-24") | {(.day): (.cost_usd | exact)}] | add')"
    local key
    for key in job model credential; do
        equal "by $key" "$(expected ".by.$key")" \
            "$(reported "[.${key}s[] | select(.day) | {(.$key): (.day.cost_usd | exact)}] | add")"
    done
    equal "the five dearest runs" "$(expected '.by.run | to_entries | sort_by(-(.value | tonumber)) | .[:5] | map(.key)')" \
        "$(reported '[.runs.dearest[].run]')"
    equal "runs that ended badly" "$(expected .bad_ends)" \
        "$(reported '[.runs.ended_badly[].ended] | group_by(.) | map({(.[0]): length}) | add')"
    equal "exchanges that came just too late for the cache, and what that cost" "$(expected .missed)" \
        "$(reported '[.cache.jobs[] | {("\(.job) 5m"): .window_5m, ("\(.job) 1h"): .window_1h}] | add |
            map_values(select(.missed > 0) | [.missed, (.missed_usd | exact)])')"
}

# The days with a planted anomaly, and two without; or all that have four weeks before them.
try_anomalies() {
    local back day days=(0 1 3 5 8 12 21)
    [ "${REPORT:-}" != full ] || mapfile -t days < <(seq 0 27)
    for back in "${days[@]}"; do
        day=$(date -d "2026-11-24 -$back days" +%F)
        equal "anomalies of $day" "$(expected ".anomalies[\"$day\"] // {}")" "$(anomalies_of "$day")"
    done
}

# What a person sees of a ceiling that will be reached, and of a subscription.
try_text() {
    report >"$WORK/report.txt"
    equal "no line is longer than 80 columns" 0 "$(awk 'length > 80' "$WORK/report.txt" | wc -l)"
    check "the anomaly is named" grep -q '^! review: cost \$45.52, usual for a Tuesday is \$13.10$' "$WORK/report.txt"
    check "and the ceiling ahead" grep -q '^! Ceiling of everything per month: .* reached on 30 Nov$' \
        <(tr '\n' ' ' <"$WORK/report.txt" | sed 's/   */ /g; s/ ! /\n! /g')
    check "and a run that ran out of memory" grep -q '^! 1 run ran out of memory$' "$WORK/report.txt"
    check "a subscription is API-equivalent, beside its fee" \
        grep -q 'Subscriptions *\$200.00  a month' "$WORK/report.txt"
    check "so it is under a table of any time" grep -q '^API-equivalent: \$21.72 of the cost; a subscription covers it$' \
        <("$REEVE" report --config "$WORK/reeve.conf" --by model --since 2026-11-24 --until 2026-11-25)
    check "no escape sequence gets into a file" bash -c "! grep -q $'\x1b' '$WORK/report.txt'"
    check "a terminal has colour, and 80 columns" python3 - "$REEVE" "$WORK/reeve.conf" <<'PYTHON'
import os, pty, re, sys
os.environ.pop("NO_COLOR", None)
os.environ["TERM"] = "xterm"
output = b""
def read(fd):
    global output
    data = os.read(fd, 65536)
    output += data
    return data
pty.spawn([sys.argv[1], "report", "--config", sys.argv[2], "--day", "2026-11-24"], read)
assert b"\x1b[31m" in output
assert max(len(re.sub(rb"\x1b\[\d*m", b"", line)) for line in output.split(b"\r\n")) <= 80
PYTHON
    check "CSV is read by a reader of CSV" python3 - "$WORK/report.json" <<PYTHON
import csv, json, subprocess, sys
rows = list(csv.DictReader(subprocess.run(["$REEVE", "report", "--config", "$WORK/reeve.conf", "--day",
    "2026-11-24", "--format", "csv"], check=True, capture_output=True, text=True).stdout.splitlines()))
report = json.load(open(sys.argv[1]))
assert [row["value"] for row in rows if (row["section"], row["measure"]) == ("day", "cost_usd")] == [report["total"]["cost_usd"]]
PYTHON
}

try_html() {
    report --format html >"$WORK/report.html"
    check "HTML is well-formed" python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' \
        "$WORK/report.html"
    check "it has no script, and fetches nothing" \
        bash -c "! grep -qiE '<script|javascript:|src=|<link|@import|url\(' '$WORK/report.html'"
    command -v chromium >/dev/null || { skip "paper" "there is no chromium; make check-report installs it" && return; }
    timeout 60 "${CHROMIUM[@]}" --no-pdf-header-footer --print-to-pdf="$WORK/report.pdf" "file://$WORK/report.html" \
        >/dev/null 2>&1
    equal "it prints on two pages" 2 "$(grep -aoE '/Type ?/Page\>' "$WORK/report.pdf" | wc -l)"
    [ -n "${REPORT_SHOTS:-}" ] || return
    mkdir -p "$REPORT_SHOTS"
    timeout 60 "${CHROMIUM[@]}" --window-size=1000,2600 --screenshot="$REPORT_SHOTS/light.png" "file://$WORK/report.html" >/dev/null 2>&1
    timeout 60 "${CHROMIUM[@]}" --window-size=1000,2600 --force-dark-mode \
        --blink-settings=preferredColorScheme=0 --screenshot="$REPORT_SHOTS/dark.png" "file://$WORK/report.html" >/dev/null 2>&1
    timeout 60 "${CHROMIUM[@]}" --window-size=500,3000 --screenshot="$REPORT_SHOTS/phone.png" "file://$WORK/report.html" >/dev/null 2>&1
    cp "$WORK/report.pdf" "$REPORT_SHOTS/"
    check "screenshots are taken" test -s "$REPORT_SHOTS/phone.png"
}

# A sendmail that keeps what it is given, and ends with the code in $WORK/sendmail.code.
make_sendmail() {
    mkdir -p "$WORK/bin"
    echo 0 >"$WORK/sendmail.code"
    printf '#!/bin/sh\necho "$@" >"%s"\ncat >"%s"\nexit "$(cat "%s")"\n' \
        "$WORK/sendmail.arguments" "$WORK/mail" "$WORK/sendmail.code" >"$WORK/bin/sendmail"
    printf '#!/bin/sh\ncat >>"%s"\n' "$WORK/told" >"$WORK/bin/tell"
    chmod +x "$WORK/bin/sendmail" "$WORK/bin/tell"
}

# mail_is_right ADDRESS…: the mail as its reader has it.
mail_is_right() {
    python3 - "$WORK/mail" "$WORK/report.txt" "$@" <<'PYTHON'
import email, email.policy, email.utils, re, sys, xml.etree.ElementTree as tree
raw = open(sys.argv[1], "rb").read()
assert max(map(len, raw.split(b"\n"))) <= 998 and raw.isascii()
mail = email.message_from_bytes(raw, policy=email.policy.default)
assert not mail.defects and mail.get_content_type() == "multipart/alternative", mail.defects
assert [address.addr_spec for address in mail["To"].addresses] == sys.argv[3:], mail["To"]
assert re.fullmatch(r"reeve: 2026-11-24: \$74\.21 spent, in part API-equivalent; month \$917\.94, forecast "
                    r"\$\d+\.\d\d; 1 thing stands out: review cost", mail["Subject"]), mail["Subject"]
assert mail["Auto-Submitted"] == "auto-generated" and mail["Message-ID"] and "@" in mail["From"].addresses[0].addr_spec
email.utils.parsedate_to_datetime(mail["Date"])
text, html = mail.iter_parts()
assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
lines = lambda content: [line for line in content.splitlines() if "books" not in line]
assert lines(text.get_content()) == lines(open(sys.argv[2]).read())
assert len(list(tree.fromstring(html.get_content()).iter("{http://www.w3.org/1999/xhtml}table"))) >= 5
PYTHON
}

try_mail() {
    local PATH=$WORK/bin:$PATH code
    make_sendmail
    equal "what is mailed is not printed" "" "$(report --mail 'ops@example.com, root' 2>/dev/null)"
    check "the mail arrives, as text and as HTML" mail_is_right ops@example.com root
    equal "sendmail looks for recipients in the header" "-t -i" "$(cat "$WORK/sendmail.arguments")"
    {
        sed 's/^\[Reeve\]/&\nReportMail=night@example.com/' "$WORK/reeve.conf"
        printf '[Alert chat]\nExec=%s\nOn=report\n[Alert pager]\nExec=%s\n' "$WORK/bin/tell" "$WORK/bin/tell"
    } >"$WORK/deliver.conf"
    check "it is delivered to whom the configuration names" \
        "$REEVE" report --config "$WORK/deliver.conf" --day 2026-11-24 --deliver
    check "by mail" mail_is_right night@example.com
    equal "and by the channel that asks for it, once" "report usd $(jq -r .total.cost_usd "$WORK/report.json")" \
        "$(jq -r '"\(.kind) \(.unit) \(.amount)"' "$WORK/told")"
    echo 75 >"$WORK/sendmail.code"
    printf '[Alert gone]\nExec=%s\nOn=report\n' "$WORK/no-such-command" >>"$WORK/deliver.conf"
    "$REEVE" report --config "$WORK/deliver.conf" --day 2026-11-24 --deliver >/dev/null 2>"$WORK/why"
    code=$?
    check "a mail that is not taken is told of, and fails the unit" \
        test "$code" != 0 -a "$(grep -c 'sendmail ended with code 75' "$WORK/why")" = 1
    equal "a channel that is there is told all the same, once" 2 "$(jq -s length "$WORK/told")"
    report --mail $'a@example.com\nBcc: b@example.com' >/dev/null 2>"$WORK/why"
    equal "an address cannot add a header" "64 1" "$? $(wc -l <"$WORK/why")"
}

# Without --day it is of yesterday, whenever that is.
try_yesterday() {
    local before after
    before=$(date -d yesterday +%F)
    "$REEVE" report --config "$WORK/reeve.conf" --json >"$WORK/yesterday.json"
    after=$(date -d yesterday +%F)
    check "without --day it is yesterday's" grep -qE "\"day\": \"($before|$after)\"" "$WORK/yesterday.json"
}

try_bad_input() {
    local arguments
    for arguments in "--day today" "--day 2026-02-30" "--zone Europe/Nowhere" "--format pdf" "--by job --format html" \
        "--by job --day 2026-11-24"; do
        # shellcheck disable=SC2086
        "$REEVE" report $arguments >"$WORK/out" 2>"$WORK/why"
        equal "$arguments is exit code 64, with a reason in a line" "64 1 0" \
            "$? $(wc -l <"$WORK/why") $(wc -c <"$WORK/out")"
    done
}

cat >"$WORK/reeve.conf" <<'CONFIG'
[Reeve]
CostMaxPerDay=$80
CostMaxPerMonth=$1100
[Credential main]
Type=api-key
File=main
[Credential team]
Type=api-key
File=team
[Credential max]
Type=oauth
File=max.json
MonthlyFee=$200
[Job review]
CostMaxPerMonth=$600
CONFIG

start_serve --upstream http://127.0.0.1:9 || not_ok "reeve serve starts"
check "its private Postgres has the prices" wait_until 60 prices_are_there
"$REEVE" price list --json | python3 "$TOP/tests/ledger_generate.py" "$WORK/books.sql" "$WORK/expected.json"
check "the books are filled" sql -f "$WORK/books.sql"
equal "they have more than 100,000 exchanges" "$(expected .exchanges)" "$(sql -c 'SELECT count(*) FROM reeve.exchange')"
try_sums
try_anomalies
try_text
try_html
try_mail
try_yesterday
try_bad_input
flow_end
