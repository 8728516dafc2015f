#!/bin/bash
# Processes that leave the cgroup of their run, in all the ways that an agent has, whichever way the run
# got its cgroup: while its supervisor lives, and when that is killed. Some of each; escape_all.sh tries all.
. "$(dirname "$0")/lib_guest.sh"

getent passwd worker >/dev/null || useradd --create-home --groups reeve worker # scopes.sh has made it
export XDG_RUNTIME_DIR
XDG_RUNTIME_DIR=/run/user/$(id -u worker)

# escape.sh HOW LAST: starts a process that leaves, or stays, then becomes LAST. Its pid, the run and the
# supervisor are in /srv/seen/escape.
cat >/srv/agents/escape.sh <<'EOS'
#!/bin/bash
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
echo "run $REEVE_RUN" >/srv/seen/escape.new
echo "supervisor $PPID" >>/srv/seen/escape.new
rm -f /srv/seen/escapee
stray=(bash -c 'echo $$ >/srv/seen/escapee.new && mv /srv/seen/escapee.new /srv/seen/escapee && exec sleep 1h')
moved=(bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"')
manager=--user
[ "$(id -u)" != 0 ] || manager=--system
case $1 in
forks) setsid --fork "${stray[@]}" ;;
below) mkdir -p "$own/below/deeper" && setsid --fork "${moved[@]}" "$own/below/deeper" "${stray[@]}" ;;
scope) systemd-run $manager --quiet --scope "${stray[@]}" & ;;
bare-scope) systemd-run $manager --quiet --scope env -i "${stray[@]}" & ;;
service) systemd-run $manager --quiet --collect --setenv REEVE_RUN="$REEVE_RUN" "${stray[@]}" ;;
key) systemd-run $manager --quiet --collect --setenv KEY="$ANTHROPIC_API_KEY" "${stray[@]}" ;;
moves) setsid --fork "${moved[@]}" "${own%/*}/supervisor" "${stray[@]}" ;;
bare-moves) env -i setsid --fork "${moved[@]}" "${own%/*}/supervisor" "${stray[@]}" ;;
esac
until [ -s /srv/seen/escapee ]; do sleep 0.05; done
echo "pid $(cat /srv/seen/escapee)" >>/srv/seen/escape.new
mv /srv/seen/escape.new /srv/seen/escape
exec "${@:2}"
EOS
chmod 755 /srv/agents/escape.sh

# The ways to a cgroup: each a service in which a run is started, to its end.
as_worker() { systemd-run --quiet --wait --collect --pipe --uid worker --setenv XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" "$@"; }
own_unit() { as_worker --property Delegate=yes "$@"; }
root_helper() { as_worker "$@"; }
user_scope() { as_worker "$@"; } # while there is no helper
root_scope() { systemd-run --quiet --wait --collect --pipe "$@"; }

is_dead() { [ ! -e "/proc/$1" ]; }
is_alerted() { reeve alert list --json | tr -d ' \n' | tr '{' '\n' | grep '"kind":"escape"' | grep -q "\"run\":\"$1\""; }
is_not_alerted() { ! is_alerted "$1"; }
seen() { field_of $SEEN/escape "$1"; }

# is_over TOLD: the process is dead, TOLD is true of the run, and nothing is left.
is_over() {
    wait_until 20 is_dead "$(seen pid)" && wait_until 10 "$1" "$(seen run)" && wait_until 10 no_cgroup_is_left && return
    cat $SEEN/escape "$WORK/said"
    ps --no-headers -o pid,args "$(seen pid)"
    reeve alert list
    return 1
}

# leaves WAY HOW: a run that ends well, with a process that has left it.
leaves() {
    local told=is_alerted
    [[ $2 != forks && $2 != below ]] || told=is_not_alerted
    rm -f $SEEN/escape $SEEN/escapee # of another user, maybe
    "$1" reeve run --job plain -- /srv/agents/escape.sh "$2" bash -c 'exit 3' 2>"$WORK/said"
    equal "$1, $2: the run ends as its command does" 3 $?
    check "$1, $2: the process has been killed" is_over $told
}

# lingers WAY HOW: the run goes on, the process does not.
lingers() {
    rm -f $SEEN/escape $SEEN/escapee # of another user, maybe
    "$1" reeve run --job plain -- /srv/agents/escape.sh "$2" \
        bash -c 'while [ -e /proc/$(cat /srv/seen/escapee) ]; do sleep 0.2; done; exit 4' 2>"$WORK/said"
    equal "$1, $2: the run goes on until the process is gone" 4 $?
    check "$1, $2: it has been killed, and told of" is_over is_alerted
}

# loses WAY HOW: the supervisor of such a run is killed. What has not left the supervisor's own unit, systemd
# may have ended before anybody found it.
loses() {
    local told=is_alerted
    [[ $2 != *moves || $1 = user_scope ]] || told=true
    rm -f $SEEN/escape $SEEN/escapee # of another user, maybe
    "$1" reeve run --job plain -- /srv/agents/escape.sh "$2" sleep 1h 2>"$WORK/said" &
    wait_until 30 test -e $SEEN/escape
    kill -KILL "$(seen supervisor)"
    wait $!
    check "$1, $2, and its supervisor is killed: the process has been, too" is_over $told
}

try() {
    local how
    for how in $2; do leaves "$1" "$how"; done
    for how in $3; do loses "$1" "$how"; done
}

systemctl start reeve.socket
loginctl enable-linger worker
wait_until 30 test -S "$XDG_RUNTIME_DIR/bus"
wait_until 10 systemctl --quiet is-active reeve-cgroup-helper.socket
if [ "${ESCAPES:-}" = all ]; then
    all="forks below scope bare-scope service key moves bare-moves" lost="scope service moves bare-moves"
    lingers own_unit scope
    try own_unit "$all" "$lost"
    try root_helper "$all" "$lost"
    try root_scope "$all" "$lost"
else
    try own_unit "below bare-moves" service
    try root_helper scope scope
    try root_scope key ""
fi

# ---- the watchdog is killed as well: what is beside the run's cgroup goes with the scope, by the helper's hand
rm -f $SEEN/escape $SEEN/escapee
runuser -u worker -- reeve run --job plain -- /srv/agents/escape.sh bare-moves sleep 1h 2>"$WORK/said" &
wait_until 30 test -e $SEEN/escape
kill -KILL $(pgrep -x reeve -P "$(seen supervisor)") "$(seen supervisor)"
check "a process in the scope of a supervisor that is killed with its watchdog is killed as well" is_over true

systemctl stop reeve-cgroup-helper.socket reeve-cgroup-helper.service
try user_scope "${all:-service}" "${lost:-bare-moves}"
systemctl start reeve-cgroup-helper.socket

# ---- a unit of the package's has no way to a user's service manager
loginctl enable-linger reeve-agent
wait_until 30 test -S "/run/user/$(id -u reeve-agent)/bus"
run_job manager
equal "from reeve@.service no service manager of a user's can be reached" 1 \
    "$(systemctl show --property ExecMainStatus --value reeve@manager.service)"
loginctl disable-linger reeve-agent
loginctl disable-linger worker
guest_end
