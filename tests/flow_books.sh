#!/bin/bash
# The ledger equals the upstream's own books, to the picodollar, over a mixed load with 16 in flight.
#
# FLOW_SEED=N makes it another load.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_books.sh"

SEED=${FLOW_SEED:-1}
SECRET=sk-ant-api03-of-the-account

# load MIX REQUESTS SEED: under reeve run, so with nothing but what it sets.
load() {
    "$REEVE" run --job "load-$1" -- sh -c 'exec python3 "$0" --url "$ANTHROPIC_BASE_URL" "$@"' \
        "$TOP/tests/load_client.py" --in-flight 16 --mix "$1" --requests "$2" --seed "$3"
}

umask 077
echo "$SECRET" >"$WORK/credential"
start_fake --accept "$SECRET" || not_ok "the fake starts"
start_serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential" ||
    not_ok "reeve serve starts"

check "1,200 exchanges are answered as asked" load exact 1200 "$SEED"
check "they are in the ledger" wait_until 60 ledger_is_complete
equal "the ledger's sum is the upstream's" "$(books_cost)" "$(ledger_cost)"

check "400 more, some of which break off" load rough 400 "$((SEED + 1))"
check "they are in the ledger as well" wait_until 60 ledger_is_complete
check "each exchange is what the upstream has of it" \
    python3 "$TOP/tests/books_check.py" "$FAKE_BOOKS" "$WORK/ledger.jsonl"
flow_end
