#!/bin/bash
# The test runner: tests/run.sh [STAGE…] runs the stages and counts what they say.
#
# layers  no file includes a header of a layer above
# style   clang-format (of the release that the sources are formatted by) has nothing to change, and
#         no banned function is called
# unit    tests/test_*.c, plain and with the sanitizers (with $SANITIZE alone, if that is set)
# flows   tests/flow_*.sh, on the sanitized build
# fuzz    tests/fuzz_*.c, $FUZZ_SECONDS each (default 10)
#
# A step passes and fails tests by its output: lines `ok NAME`, `not ok NAME`, `skipped NAME: reason`
# or the summary of check. A step that ends badly without a word, hangs, says nothing at all or leaves
# a sanitizer's report counts as one failure. The last line is `N passed, N failed[, N skipped]`.
set -u
cd "$(dirname "$0")/.." || exit 1

FUZZ_SECONDS=${FUZZ_SECONDS:-10}
CLANG_FORMAT_RELEASE=14
SANITIZERS=${SANITIZE:-address,undefined}
LOGS=$PWD/build/check
passed=0 failed=0 skipped=0
shopt -s nullglob

# Prints "passed failed skipped" of the output in a file.
count_results() {
    awk '/^[0-9]+%: Checks: / { gsub(/[^0-9 ]/, ""); pass += $2 - $3 - $4; fail += $3 + $4 }
         /^ok /      { pass++ }
         /^not ok /  { fail++ }
         /^skipped / { skip++ }
         END { print pass + 0, fail + 0, skip + 0 }' "$1"
}

# run_step NAME SECONDS COMMAND…: one line of progress; the end of the log if anything failed.
run_step() {
    local name=$1 seconds=$2 log=$LOGS/$1.log pass fail skip status=0 report note=
    shift 2
    mkdir -p "$(dirname "$log")"
    rm -f "$log".sanitizer.*
    printf '%-36s ' "$name"
    local started=$SECONDS
    ASAN_OPTIONS="log_path='$log.sanitizer'" \
        UBSAN_OPTIONS="print_stacktrace=1:log_path='$log.sanitizer'" \
        timeout -k 10 "$seconds" "$@" >"$log" 2>&1 </dev/null || status=$?
    read -r pass fail skip < <(count_results "$log")
    for report in "$log".sanitizer.*; do
        grep -qE 'ERROR: |runtime error: ' "$report" || continue # warnings come here too
        cat "$report" >>"$log"
        note=", a sanitizer's report"
    done
    [ $status != 124 ] || note=", hung: killed after $seconds s"
    [ $((pass + fail + skip)) -gt 0 ] || note="$note, ran nothing"
    [ "$fail" != 0 ] || { [ $status = 0 ] && [ -z "$note" ]; } || fail=1
    passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
    echo "$pass passed, $fail failed$([ "$skip" = 0 ] || echo ", $skip skipped")$note" \
        "($((SECONDS - started)) s)"
    grep '^skipped ' "$log" | sed 's/^/    /'
    [ "$fail" = 0 ] && return
    tail -n 40 "$log" | sed 's/^/    | /'
    echo "    | all of it: $log"
    return 1
}

# say_ok NAME COMMAND…: a command that either works or does not, as one test.
say_ok() {
    local name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
export -f say_ok

# run_command NAME SECONDS COMMAND…: a step that is one test.
run_command() {
    run_step "$1" "$2" bash -c 'say_ok "$@"' say_ok "$1" "${@:3}"
}

# build NAME TARGET [VARIABLE=VALUE…]: without it, no test of the stage runs.
build() {
    run_command "$1" 1200 "${MAKE:-make}" --no-print-directory -j"$(nproc)" -s "${@:2}"
}

run_unit() {
    local source
    build "build/$1" tests SANITIZE="${1#plain}" || return
    for source in tests/test_*.c; do
        source=$(basename "$source" .c)
        run_step "$1/$source" 300 "build/$1/tests/$source"
    done
}

run_stage() {
    local source
    case $1 in
    layers) run_command layers 1200 "${MAKE:-make}" --no-print-directory -j"$(nproc)" -s layers ;;
    style)
        if clang-format --version | grep -q "version $CLANG_FORMAT_RELEASE\."; then
            run_command style 120 "${MAKE:-make}" --no-print-directory -s style
        else
            run_step style 10 echo "skipped style: it takes clang-format $CLANG_FORMAT_RELEASE"
        fi
        ;;
    unit)
        [ -n "${SANITIZE:-}" ] || run_unit plain
        run_unit "$SANITIZERS"
        ;;
    flows)
        build "build/flows" all SANITIZE="$SANITIZERS" || return
        for source in tests/flow_*.sh; do
            BUILD=build/$SANITIZERS run_step "$(basename "$source" .sh)" 900 bash "$source"
        done
        ;;
    fuzz)
        build build/fuzz fuzzers CC=clang BUILD=build/fuzz \
            SANITIZE=fuzzer-no-link,address,undefined || return
        for source in tests/fuzz_*.c; do
            source=$(basename "$source" .c)
            mkdir -p "build/fuzz/corpus/$source" # what this run finds; seeds come second
            run_command "$source" $((FUZZ_SECONDS + 60)) "build/fuzz/tests/$source" \
                -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
                -artifact_prefix="$LOGS/$source." "build/fuzz/corpus/$source" \
                $([ ! -d "tests/corpus/$source" ] || echo "tests/corpus/$source")
        done
        ;;
    *) echo "run.sh: unknown stage $1: layers, style, unit, flows, fuzz" >&2 && exit 64 ;;
    esac
}

[ $# -gt 0 ] || set -- layers style unit flows fuzz
[ -z "${SANITIZE:-}" ] || [ "$*" != "layers style unit flows fuzz" ] || set -- unit flows
for stage; do
    run_stage "$stage"
done
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ] && [ $passed -gt 0 ]
