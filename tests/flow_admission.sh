#!/bin/bash
# What a run may have of the machine: memory that is never promised twice, and clear words where it
# cannot be given.
. "$(dirname "$0")/lib.sh"

# 300 MB for runs; the rest of this machine is reserved.
TOTAL=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
cat >"$WORK/reeve.conf" <<END
[Reeve]
Slots=4
MemoryReserve=$((TOTAL - 300))M
[Job small]
MemoryMax=100M
[Job large]
MemoryMax=250M
END
printf '[Reeve]\nPressureMax=10%%\n' >"$WORK/pressure.conf"
printf '[Reeve]\nMemoryReserve=1X\nPressureMax=10\n[Job a]\nMemoryMax=1X\nRuntimeMaxSec=3parsecs\n' >"$WORK/units.conf"
printf '[Job big]\nMemoryMax=900T\n' >"$WORK/big.conf"
printf '[Reeve]\nMemoryReserve=900T\n' >"$WORK/all.conf"

field() { "$REEVE" status --json 2>/dev/null | jq -r "$1"; }
field_is() { [ "$(field "$1")" = "$2" ]; }

# says NAME CODE WORDS COMMAND…: the exit code and what is said on stderr.
says() {
    local code=0
    "${@:4}" >"$WORK/out" 2>&1 || code=$?
    equal "$1" "$2" "$code"
    check "$1: $3" grep -qF -- "$3" "$WORK/out"
}

try_bad_input() {
    says "unknown units" 78 'MemoryMax=1X: write a size such as 512M or 1G' \
        "$REEVE" config check --config "$WORK/units.conf"
    check "and all of them" grep -q 'MemoryReserve=1X: write a size' "$WORK/out"
    check "a duration as well" grep -q 'RuntimeMaxSec=3parsecs: write a duration' "$WORK/out"
    check "a percentage as well" grep -q 'PressureMax=10: write a percentage such as 80%' "$WORK/out"
    says "a job above the machine" 78 "[Job big]: MemoryMax=900.0T: this machine has" \
        "$REEVE" config check --config "$WORK/big.conf"
    says "a reserve above the machine" 78 "MemoryReserve=: it leaves nothing of this machine's" \
        "$REEVE" config check --config "$WORK/all.conf"
    says "nothing could be run with it" 78 "MemoryReserve=: it leaves nothing of this machine's" \
        "$REEVE" serve --config "$WORK/all.conf" --listen 127.0.0.1:0 --state-dir "$WORK/none"
    if head -n 1 /proc/pressure/memory >/dev/null 2>&1; then
        check "pressure is told here" "$REEVE" config check --config "$WORK/pressure.conf"
    else
        says "a kernel without pressure" 78 "this kernel does not tell of pressure" \
            "$REEVE" config check --config "$WORK/pressure.conf"
        says "nor does the daemon start" 78 "take PressureMax= out" \
            "$REEVE" serve --config "$WORK/pressure.conf" --listen 127.0.0.1:0 --state-dir "$WORK/none"
    fi
}

try_memory() {
    says "a run above the machine is refused at once" 64 'can never be had' \
        "$REEVE" run --memory-max 301M --wait 1min -- true
    start small "$REEVE" run --job small -- sh -c "until test -e $WORK/go; do sleep 0.05; done"
    wait_until 20 field_is '.runs | length' 1
    equal "its memory is taken" $((100 << 20)) "$(field .memory_taken_bytes)"
    says "a large one does not fit beside it" 75 'its MemoryMax=250.0M does not fit: running runs leave' \
        "$REEVE" run --job large -- true
    start large "$REEVE" run --job large --wait 1min -- sh -c 'exit 3'
    local large=$STARTED_PID
    wait_until 20 field_is '.waiting | length' 1
    check "or it waits, and the status says why" grep -q 'its MemoryMax=250.0M does not fit' \
        <("$REEVE" status)
    start unlimited "$REEVE" run --wait 1min -- true
    wait_until 20 field_is '.waiting | length' 2
    equal "nobody overtakes it" "others are before it" "$(field '.waiting[1].why')"
    touch "$WORK/go"
    wait "$large"
    equal "it runs when there is room" 3 $?
    wait "$STARTED_PID"
    equal "and the one behind it" 0 $?
    equal "nothing is taken any more" 0 "$(field .memory_taken_bytes)"
}

try_bad_input
check "reeve serve starts" start_serve --config "$WORK/reeve.conf" --upstream http://127.0.0.1:9 \
    --ledger host=/nonexistent
"$REEVE" run -- true 2>"$WORK/err"
if [ $? = 71 ]; then
    skip "runs in cgroups" "$(head -n 1 "$WORK/err")"
else
    try_memory
fi
flow_end
