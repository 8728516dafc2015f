#!/bin/bash
# reeve's books beside ccusage's table, over the same sessions of the real Claude Code.
#
# ccusage reads the session logs that Claude Code leaves; reeve has metered the wire; the fake Claude's
# own books say who is right. docs/report.md explains what differs. `make check-ccusage` runs this.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"

CLIENTS=$TOP/build/clients
CCUSAGE_VERSION=20.0.24
CCUSAGE=$TOP/build/ccusage/$CCUSAGE_VERSION
SECRET=sk-ant-api03-of-the-account
MODEL=claude-sonnet-4-6
USAGE='"input_tokens":1000,"output_tokens":500,"cache_read_input_tokens":20000'

# name, whether ccusage is to agree, and what the upstream is asked for. What a broken stream was billed
# nobody is told: reeve estimates it, and marks it.
SESSIONS=(
    "one answer|same|[[fake {\"usage\":{$USAGE}}]]"
    "a tool loop|same|[[fake {\"turns\":[{\"tool_use\":{\"name\":\"Bash\",\"input\":{\"command\":\"echo x\",\"description\":\"Say it\"}}},{\"text\":\"Done.\"}]}]]"
    "cache writes for 5 minutes|same|[[fake {\"usage\":{$USAGE,\"cache_creation_input_tokens\":4000,\"cache_creation\":{\"ephemeral_5m_input_tokens\":4000,\"ephemeral_1h_input_tokens\":0}}}]]"
    "cache writes for an hour|same|[[fake {\"usage\":{$USAGE,\"cache_creation_input_tokens\":4000,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":4000}}}]]"
    "a 529, then an answer|same|[[fake {\"attempts\":[{\"status\":529},{\"usage\":{$USAGE}}]}]]"
    "a stream that breaks, sent again|estimated|[[fake {\"attempts\":[{\"usage\":{$USAGE},\"events\":20,\"cut_after_bytes\":1500,\"bill\":\"full\"},{\"usage\":{$USAGE}}]}]]"
    "two web searches|differs|[[fake {\"web_search_requests\":2,\"usage\":{$USAGE}}]]"
    "answered from the US|differs|[[fake {\"usage\":{$USAGE,\"inference_geo\":\"us\"}}]]"
    "a compaction pass|differs|[[fake {\"usage\":{$USAGE},\"iterations\":[{\"type\":\"compaction\",\"input_tokens\":9000,\"output_tokens\":300},{\"type\":\"message\",\"input_tokens\":1000,\"output_tokens\":500,\"cache_read_input_tokens\":20000}]}]]"
)

install_ccusage() {
    mkdir -p "$CCUSAGE"
    [ -x "$CCUSAGE/node_modules/.bin/ccusage" ] ||
        (cd "$CCUSAGE" && npm install --no-audit --no-fund --loglevel=error "ccusage@$CCUSAGE_VERSION" >npm.log 2>&1)
}

# talk SESSION PROMPT: a session of Claude Code under reeve run.
talk() {
    (cd "$WORK/project" && env -i PATH="$PATH" HOME="$WORK/home" REEVE_STATE_DIR="$REEVE_STATE_DIR" \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 timeout 120 \
        "$REEVE" run --job compare -- "$CLIENTS/node_modules/.bin/claude" --model "$MODEL" --allowedTools Bash \
        --session-id "$1" -p "$2" >"$WORK/said" 2>&1 </dev/null)
}

# Picodollars of a session, by reeve and by ccusage.
reeve_cost() {
    jq -r --arg session "$1" 'select(.session_id == $session) | .cost_usd' "$WORK/ledger.jsonl" |
        python3 -c 'import decimal, sys; print(int(sum(map(decimal.Decimal, sys.stdin)) * 10**12))'
}
ccusage_cost() {
    jq -r --arg session "$1" '[.. | objects | select((.sessionId? // .session? // "") == $session) |
        (.totalCost // .cost // 0)] | first // 0' "$WORK/ccusage.json" |
        python3 -c 'import decimal, sys; print(int(round(decimal.Decimal(sys.stdin.read()) * 10**12, -3)))'
}
is_estimated() {
    [ "$(jq -s --arg session "$1" '[.[] | select(.session_id == $session).estimated] | sort' -c \
        "$WORK/ledger.jsonl")" = "[false,true]" ]
}
dollars() { python3 -c 'import sys; print(f"${int(sys.argv[1]) / 10**12:.6f}")' "$1"; }

"$TOP/tests/clients/install.sh" "$CLIENTS" || { not_ok "the clients are there" && flow_end; }
install_ccusage || { not_ok "ccusage is there" "$(cat "$CCUSAGE/npm.log")" && flow_end; }
mkdir -p "$WORK/home" "$WORK/project"
(umask 077 && echo "$SECRET" >"$WORK/credential")
start_fake --accept "$SECRET" || not_ok "the fake starts"
start_serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential" ||
    not_ok "reeve serve starts"

for entry in "${SESSIONS[@]}"; do
    IDS+=("$(cat /proc/sys/kernel/random/uuid)")
    BOOKED=$(books_cost)
    talk "${IDS[-1]}" "$(cut -d'|' -f3- <<<"$entry")" || not_ok "${entry%%|*}" "$(cat "$WORK/said")"
    UPSTREAM+=($(($(books_cost) - BOOKED)))
done
check "every exchange is in the ledger" wait_until 60 ledger_is_complete
HOME=$WORK/home "$CCUSAGE/node_modules/.bin/ccusage" claude session --json --offline --mode calculate >"$WORK/ccusage.json"

printf '%-34s %12s %12s %12s\n' "" upstream reeve ccusage
for i in "${!SESSIONS[@]}"; do
    IFS='|' read -r name agrees _ <<<"${SESSIONS[$i]}"
    ours=$(reeve_cost "${IDS[$i]}") theirs=$(ccusage_cost "${IDS[$i]}")
    printf '%-34s %12s %12s %12s\n' "$name" "$(dollars "${UPSTREAM[$i]}")" "$(dollars "$ours")" "$(dollars "$theirs")"
    if [ "$agrees" = estimated ]; then
        check "$name: reeve has both attempts, one as an estimate" is_estimated "${IDS[$i]}"
        agrees=differs
    else
        equal "$name: reeve has what the upstream has" "${UPSTREAM[$i]}" "$ours"
    fi
    [ "$ours" = "$theirs" ] && verdict=same || verdict=differs
    equal "$name: ccusage" "$agrees" "$verdict"
done
flow_end
