# bash completion for reeve                                                -*- shell-script -*-

# Jobs that have a section in the configuration.
_reeve_jobs() {
    sed -n 's/^\[Job  *\([^]]*\)\].*/\1/p' /etc/reeve/reeve.conf 2>/dev/null
}

_reeve_runs() {
    reeve status --json 2>/dev/null | grep -o '"run": *"[^"]*"' | cut -d'"' -f4
}

# The long options that a subcommand's --help has, e.g. of "ledger".
_reeve_options() {
    reeve "$1" --help 2>/dev/null | grep '^  ' | grep -oE -- '--[a-z][a-z-]+' | sort -u
}

# The verbs of a subcommand, from the synopsis in its --help: "reeve ledger status|verify|migrate".
_reeve_verbs() {
    reeve "$1" --help 2>/dev/null | sed -nE "s/^(usage:|      ) reeve $1 ([a-z|]+)( .*|$)/\\2/p" | tr '|' '\n'
}

_reeve_words() {
    case $1 in
    '') reeve --help | sed -n 's/^  \([a-z-]*\) .*/\1/p' ;;
    run | units) _reeve_jobs ;;
    kill) _reeve_runs ;;
    *) _reeve_verbs "$1" ;;
    esac
}

_reeve() {
    local current previous words cword subcommand=
    _init_completion -s || return
    current=${words[cword]} previous=${words[cword - 1]}
    [ "$cword" = 1 ] || subcommand=${words[1]}
    case $subcommand,$previous in
    *,--config | *,--file | *,--ca-file | *,--prices | *,--credential)
        _filedir
        return
        ;;
    *,--state-dir | *,--generator)
        _filedir -d
        return
        ;;
    run,--job | state,--job) COMPREPLY=($(compgen -W "$(_reeve_jobs)" -- "$current")) ;;
    run,--)
        _command_offset "$cword"
        return
        ;;
    report,--by) COMPREPLY=($(compgen -W 'day job model run credential' -- "$current")) ;;
    report,--zone) COMPREPLY=($(cd /usr/share/zoneinfo 2>/dev/null && compgen -f -- "$current")) ;;
    report,--format) COMPREPLY=($(compgen -W 'table csv json md html' -- "$current")) ;;
    *,--format) COMPREPLY=($(compgen -W 'table csv json' -- "$current")) ;;
    *,--type) COMPREPLY=($(compgen -W 'oauth oauth-token api-key' -- "$current")) ;;
    *)
        if [[ $current == -* ]]; then
            COMPREPLY=($(compgen -W "$(_reeve_options "$subcommand")" -- "$current"))
        else
            COMPREPLY=($(compgen -W "$(_reeve_words "$subcommand")" -- "$current"))
        fi
        ;;
    esac
} && complete -F _reeve reeve
