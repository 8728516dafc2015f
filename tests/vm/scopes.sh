#!/bin/bash
# Runs outside of a delegated unit: the root helper, the user's own manager, root's scopes; and what is
# said where none of them will do.
. "$(dirname "$0")/lib_guest.sh"

SCOPE='/system.slice/reeve-run-[0-9a-z-]+.scope/[0-9]+-[0-9]+-[a-z0-9]+'

matches() { [[ $1 =~ ^$2$ ]]; }

# as_service USER [PROPERTY…] -- COMMAND…: in a service without Delegate=, to its end.
as_service() {
    local user=$1 properties=()
    shift
    while [ "$1" != -- ]; do
        properties+=(--property "$1")
        shift
    done
    systemd-run --quiet --wait --collect --pipe --uid "$user" "${properties[@]}" "${@:2}"
}

look() { rm -f "$SEEN/$1" && "${@:2}" reeve run --job plain --memory-max 100M --tasks-max 40 -- /srv/agents/look.sh "$1"; }

useradd --create-home --groups reeve worker
useradd --create-home stranger
wait_until 10 systemctl --quiet is-active reeve-cgroup-helper.socket

# ---- 2: the root helper
check "a service without Delegate= gets a scope" look helped as_service worker MemoryMax=300M TasksMax=30 --
check "the run is below it" matches "$(field_of $SEEN/helped cgroup)" "$SCOPE"
equal "it is the worker's" worker "$(field_of $SEEN/helped user)"
equal "its limits hold" "104857600 40" "$(field_of $SEEN/helped memory.max) $(field_of $SEEN/helped pids.max)"
equal "the scope's stand above, and are no looser than the service's" "138412032 30" \
    "$(field_of $SEEN/helped above.memory.max) $(field_of $SEEN/helped above.pids.max)"
check "no cgroup is left" wait_until 10 no_cgroup_is_left

systemd-run --quiet --collect --unit helped --uid worker reeve run --job plain -- sleep 1h
check "a service has its run in a scope" wait_until 30 pgrep -u worker -x sleep
scope=$(systemctl list-units --plain --no-legend 'reeve-run-*.scope' | cut -d' ' -f1)
equal "the scope ends with the service" helped.service "$(systemctl show --property BindsTo --value "$scope")"
run=${scope#reeve-run-}
check "reeve kill ends it" reeve kill "${run%.scope}"
check "and the service" wait_until 30 run_is_over helped.service
check "no cgroup is left" wait_until 10 no_cgroup_is_left

systemd-run --quiet --collect --unit helped --uid worker reeve run --job plain -- sleep 1h
check "the same once more" wait_until 30 pgrep -u worker -x sleep
systemctl stop helped.service
check "systemctl stop ends the run with it" wait_until 10 bash -c '! pgrep -u worker -x sleep'
check "no cgroup is left" wait_until 10 no_cgroup_is_left

systemd-run --quiet --collect --unit helped --uid worker reeve run --job plain -- sleep 1h
check "and once more" wait_until 30 pgrep -u worker -x sleep
supervisor=$(systemctl show --property MainPID --value helped.service)
kill -STOP "$supervisor"
scope=$(systemctl list-units --plain --no-legend 'reeve-run-*.scope' | cut -d' ' -f1)
run=${scope#reeve-run-}
reeve kill "${run%.scope}"
check "a supervisor that does not kill its run is killed with it, by the daemon and the helper" \
    wait_until 60 bash -c '! pgrep -u worker -x sleep'
check "no cgroup is left" wait_until 10 no_cgroup_is_left

# ---- 3: the user's own manager, and root's
systemctl stop reeve-cgroup-helper.socket reeve-cgroup-helper.service
loginctl enable-linger worker
wait_until 30 test -S "/run/user/$(id -u worker)/bus"
check "with linger the user's own manager makes the scope" look lingering as_service worker --
check "the run is below it" matches "$(field_of $SEEN/lingering cgroup)" \
    "/user.slice/user-[0-9]+.slice/user@[0-9]+.service/.*reeve-run-[0-9a-z-]+.scope/[0-9]+-[0-9]+-[a-z0-9]+"
equal "its limits hold" "104857600 40" "$(field_of $SEEN/lingering memory.max) $(field_of $SEEN/lingering pids.max)"
loginctl disable-linger worker
check "root gets a scope without a helper" look rooted env
check "the run is below it" matches "$(field_of $SEEN/rooted cgroup)" "$SCOPE"
check "no cgroup is left" wait_until 10 no_cgroup_is_left

# ---- none
wait_until 30 bash -c "! test -S /run/user/$(id -u worker)/bus"
as_service worker -- reeve run --job plain -- true >"$WORK/said" 2>&1
equal "without any of them, the exit code is 71" 71 $?
check "and it is said what would help" grep -q 'Delegate=yes.*group reeve.*enable-linger.*--no-cgroup' "$WORK/said"
check "--no-cgroup runs all the same" as_service worker -- reeve run --job plain --no-cgroup -- true
as_service stranger -- reeve run --job plain -- true >"$WORK/said" 2>&1
equal "who is not in the group is not served" 69 $?
check "a shell around it in a delegated unit is told of" bash -c \
    'systemd-run --quiet --wait --collect --pipe --uid worker --property Delegate=yes sh -c "reeve run --job plain -- true; true" 2>&1 | grep "holds other processes"'
systemctl start reeve-cgroup-helper.socket
check "with the helper even that works" as_service worker Delegate=yes -- sh -c "reeve run --job plain -- true && true"
check "no cgroup is left" wait_until 10 no_cgroup_is_left

# ---- what the machine does not have is named
printf '[Slice]\nDisableControllers=pids\n' >/run/systemd/system/bare.slice
systemctl daemon-reload
as_service worker Delegate=yes Slice=bare.slice -- reeve run --job plain -- true >"$WORK/said" 2>&1
equal "where a controller is not delegated, the exit code is 71" 71 $?
check "and it is said which, and what would help" \
    grep -q 'the cgroup controller pids is not available in .*/bare.slice/.*Delegate=yes.*--no-cgroup' "$WORK/said"
printf '[Reeve]\nPressureMax=10%%\n' >"$WORK/pressure.conf"
reeve config check --config "$WORK/pressure.conf" >"$WORK/said" 2>&1
said=$?
if head -n 1 /proc/pressure/memory >/dev/null 2>&1; then
    equal "PressureMax= is good where the kernel tells of pressure" 0 $said
else
    equal "PressureMax= without PSI in the kernel is an error" 78 $said
    check "which says what to do" grep -q 'does not tell of pressure.*psi=1, or take PressureMax= out' "$WORK/said"
fi
guest_end
