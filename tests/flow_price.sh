#!/bin/bash
# reeve price: what a person and a program read of the prices, and what is said of a bad file.
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1

# The member of the listed row of that name: json_member ROW MEMBER.
json_member() {
    python3 -c 'import json, sys
print([row.get(sys.argv[2]) for row in json.load(sys.stdin) if row["row"] == sys.argv[1]])' "$@"
}

equal "list shows a model's rates" "claude-opus-5-5 4.00 20.00 5.00 8.00 0.20 2026-09-22" \
    "$("$REEVE" price list sql/prices.csv | grep '^claude-opus-5-5 ' | grep -v fast | tr -s ' ')"
equal "list fits 80 columns" "" "$("$REEVE" price list sql/prices.csv | grep '.\{81\}')"
equal "list names the fee" 'web_search: $0.01 for each use' \
    "$("$REEVE" price list sql/prices.csv | grep '^web_search')"
equal "--json has exact decimals in text" "['0.125']" \
    "$("$REEVE" price list --json sql/prices.csv | json_member claude-haiku-5-5@2026-10-07 cache_write_5m)"
equal "what is past is left out" "[]" \
    "$("$REEVE" price list --json sql/prices.csv | json_member claude-sonnet-5-5@2026-09-28 until)"
equal "--all shows what is past" "['2026-10-07']" \
    "$("$REEVE" price list --all --json sql/prices.csv | json_member claude-sonnet-5-5@2026-09-28 until)"
equal "check finds nothing wrong" "27 models in 43 rows: nothing is wrong" \
    "$("$REEVE" price check sql/prices.csv)"

sed 's/^\(claude-opus-5-5,.*,standard,,2026-09-22,,\)4,/\14e0,/' sql/prices.csv >"$WORK/bad.csv"
line=$(grep -n '4e0' "$WORK/bad.csv" | cut -d: -f1)
"$REEVE" price check "$WORK/bad.csv" >"$WORK/out" 2>"$WORK/said"
equal "a bad file is exit 78" 78 $?
equal "with place, value and form" "reeve price: $WORK/bad.csv:$line: input \"4e0\": write plain \
decimal USD per million tokens of at most 6 decimals, like 0.125" "$(cat "$WORK/said")"
"$REEVE" price list "$WORK/none.csv" >"$WORK/out" 2>&1
equal "a missing file is exit 78" 78 $?
"$REEVE" price show >"$WORK/out" 2>&1
equal "an unknown verb is exit 64" 64 $?
flow_end
