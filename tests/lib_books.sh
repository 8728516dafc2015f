# What flows share that compare the ledger with the fake's own books; sourced after lib.sh.

# ledger SQL: rows of the private ledger, columns separated by tabs.
ledger() {
    psql -X -q -A -t -F $'\t' -h "$REEVE_STATE_DIR/postgres" -U reeve -d postgres -c "$1"
}

# books FILTER: rows out of the fake's books, one filter for each line.
books() { jq -r "$1" "$FAKE_BOOKS"; }

# The exchanges that the fake has had: each message, whatever became of it.
books_count() { jq -s '[.[] | select(.kind == "messages")] | length' "$FAKE_BOOKS"; }
ledger_count() { ledger 'SELECT count(*) FROM reeve.exchange'; }
ledger_is_complete() { [ "$(ledger_count)" = "$(books_count)" ]; }

# Picodollars, as both sides sum them.
books_cost() { jq -s '[.[].billed_pico_usd] | add // 0' "$FAKE_BOOKS"; }
ledger_cost() { ledger 'SELECT (coalesce(sum(cost_usd), 0) * 1000000000000)::bigint FROM reeve.exchange'; }
