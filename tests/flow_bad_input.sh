#!/bin/bash
# Broken requests: a clear error each, and nothing else happens.
. "$(dirname "$0")/lib.sh"

umask 077
echo sk-ant-api03-of-the-account >"$WORK/credential"
export FLOW_GOOD_REQUESTS=$WORK/good
start_fake || not_ok "the fake starts"
start_serve --upstream "$FAKE_TLS_URL" --ca-file "$FAKE_CA_FILE" --credential "$WORK/credential" \
    --ledger "host=$WORK/nowhere" || not_ok "reeve serve starts"
# Room for two good requests at a time: a reservation that is left behind is noticed.
"$REEVE" run --no-cgroup --job bad --cost-max '$0.012' -- python3 "$TOP/tests/bad_input.py" \
    2>"$WORK/run.log" || FLOW_FAILED=1
check "the cases ran to their end" grep -q ' exited, ' "$WORK/run.log"
equal "nothing bad got upstream" "$(cat "$FLOW_GOOD_REQUESTS")" \
    "$(jq -n '[inputs | select(.kind != "probe")] | length' "$FAKE_BOOKS")"
equal "nothing bad was booked" "$(cat "$FLOW_GOOD_REQUESTS")" \
    "$(grep -c '^exchange .* end=complete ' "$WORK/serve.log")"
equal "or booked in another way" 0 "$(grep '^exchange ' "$WORK/serve.log" | grep -vc ' end=complete ')"
equal "nothing is in flight any more" 0 "$("$REEVE" status --json | jq .exchanges_in_flight)"
stop "$SERVE_PID"
equal "the daemon ends well" 0 $?
flow_end
