# What flows share that compare the ledger with the fake's own books; sourced after lib.sh.

# The exchanges that the fake has had: each message, whatever became of it.
books_count() { jq -n '[inputs | select(.kind == "messages")] | length' "$FAKE_BOOKS"; }

# The exchanges of the ledger, one JSON object a line, in $WORK/ledger.jsonl.
read_ledger() { "$REEVE" ledger export exchange --format json >"$WORK/ledger.jsonl"; }

# Whether the ledger has caught up. What was reserved but never sent is no exchange of the upstream's.
ledger_is_complete() {
    read_ledger
    [ "$(jq -n '[inputs | select(.ended != "not_sent")] | length' "$WORK/ledger.jsonl")" = "$(books_count)" ]
}

# Picodollars, as each side sums them. The ledger's dollars are exact decimals, so no float is near.
books_cost() { jq -n '[inputs.billed_pico_usd] | add // 0' "$FAKE_BOOKS"; }
ledger_cost() {
    python3 -c 'import decimal, json, sys
print(int(sum(decimal.Decimal(json.loads(line)["cost_usd"]) for line in sys.stdin) * 10**12))' <"$WORK/ledger.jsonl"
}
