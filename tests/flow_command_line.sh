#!/bin/bash
# Command lines: each subcommand's --help, its man page and its completion name the same options and
# verbs, and what is written wrongly is refused in one way.
. "$(dirname "$0")/lib.sh"

export REEVE_STATE_DIR=$WORK/state

# What reeve.1 says once for all of them.
COMMON='--config --help --json --state-dir'

mapfile -t SUBCOMMANDS < <("$REEVE" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')

list() { sort -u | xargs; }

# Those of the first list that are not in the second.
without() { comm -23 <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") | xargs; }

help_options() { "$REEVE" "$1" --help | grep '^  ' | grep -oE -- '--[a-z][a-z-]+' | list; }

# The page of a subcommand, or its item in reeve.1.
man_source() {
    local page
    for page in "$TOP/docs/man/reeve-$1".[18]; do
        [ -f "$page" ] && cat "$page" && return
    done
    sed -n "/^\.It Nm Cm $1\( \|$\)/,/^\.El\|^\.It Nm Cm [^${1:0:1}]/p" "$TOP/docs/man/reeve.1"
}

man_options() { man_source "$1" | grep -w Fl | grep -oE ' -[a-z][a-z-]+' | sed 's/ /-/' | list; }

# complete WORD…: what the last word of `reeve WORD…` may become.
complete_words() (
    _init_completion() { words=(reeve "${typed[@]}") cword=${#typed[@]}; }
    complete() { :; }
    typed=("$@")
    PATH=$BUILD:$PATH
    . "$TOP/packaging/reeve.bash"
    _reeve
    printf '%s\n' "${COMPREPLY[@]}" | list
)

try_options() {
    local name options manual
    check "there are subcommands" test ${#SUBCOMMANDS[@]} -gt 10
    for name in "${SUBCOMMANDS[@]}"; do
        options=$(help_options "$name")
        manual=$(man_options "$name")
        check "$name: --help is one of its options" grep -qw -- --help <<<"$options"
        equal "$name: the manual names no option that it has not" "" "$(without "$manual" "$options")"
        equal "$name: and leaves none out" "" "$(without "$(without "$options" "$COMMON")" "$manual")"
        equal "$name: completion offers its options" "$options" "$(complete_words "$name" --)"
    done
    equal "the manual names the common options" "$COMMON" \
        "$(sed -n '/^Each takes/,/^\.Sh/p' "$TOP/docs/man/reeve.1" | grep -w Fl | grep -oE ' -[a-z][a-z-]+' |
            sed 's/ /-/' | list)"
}

try_verbs() {
    local name verbs count=0
    for name in "${SUBCOMMANDS[@]}"; do
        verbs=$("$REEVE" "$name" no-such-verb 2>&1 </dev/null |
            sed -n 's/.* no-such-verb: write \(.*\) or /\1 /p' | tr -d , | tr ' ' '\n' | list)
        [ -n "$verbs" ] || continue
        count=$((count + 1))
        equal "$name: completion offers its verbs" "$verbs" "$(complete_words "$name" "")"
        equal "$name: and the manual has them" "" \
            "$(without "$verbs" "$(man_source "$name" | grep -w Cm | grep -oE '[a-z-]+' | list)")"
    done
    equal "seven subcommands have verbs" 7 $count
}

try_refusals() {
    local arguments form out why
    while IFS='|' read -r arguments form; do
        # shellcheck disable=SC2086
        "$REEVE" $arguments >"$WORK/out" 2>"$WORK/why"
        equal "reeve $arguments: exit code 64, nothing on stdout" "64 0" "$? $(wc -c <"$WORK/out")"
        equal "reeve $arguments: why" "reeve ${arguments%% *}: $form" "$(head -n 1 "$WORK/why")"
    done <<'END'
kill|RUN is missing: write reeve kill RUN
status now|now is one argument too many: reeve status takes none
status --watch --json|--watch goes with neither --json nor --open
alert test one two|two is one argument too many: reeve alert test takes NAME
config check --state-dir x|unrecognized option '--state-dir'
credential|write what to do: list, check, refresh, disable, enable, add or remove
credential list --type api-key|--type goes with add, not with list
credential add main sk-ant-api03-secret|sk-ant-api03 is one argument too many: reeve credential add takes NAME
job key|JOB is missing: write reeve job key JOB
price check --all|--all goes with list, not with check
state claim|KEY is missing: write reeve state claim KEY
state claim k --ttl soon|--ttl soon: write a duration such as 90s or 20min, from 5s to 30d
state done k --fence 0|--fence 0: write the number of a claim
state done k --result [1|--result [1: column 2: ']' expected near end of file; write JSON such as {"pages": 3}
state get k --fence 1|--fence goes with done, release, not with get
ledger|write what to do: status, verify, migrate, export or move
ledger status --format json|--format goes with export, not with status
ledger move|--to DSN is missing: where the books shall go
report --by hour|--by hour: write day, job, model, run or credential
units --generator x y|--generator is for all jobs: leave out --cron and JOB
cgroup-helper --daemon-user no-such-user|--daemon-user no-such-user: there is no such user
END
}

try_options
try_verbs
try_refusals
flow_end
