#!/bin/bash
# The package under real systemd and cgroup v2, in a guest: what it installs, jobs from timers, the ways
# to a cgroup, restarts, upgrades, missed timers, and what a purge leaves. See tests/vm.
#
# VM_KIND=qemu has it on the distribution's own kernel, emulated.
. "$(dirname "$0")/lib.sh"

cd "$TOP" || exit 1
kind=${VM_KIND:-uml}

guest() {
    packaging/setup.sh deb "vm-$kind" || return 77
    packaging/deb.sh && env -u SANITIZE -u BUILD "${MAKE:-make}" -s build/plain/tests/fake_claude || return 1
    tests/vm/boot.sh "$kind" build/reeve_*.deb package jobs scopes restart purge
}

guest >"$WORK/guest.out" 2>&1
case $? in
77) skip "the package in a guest" "$(tail -n 1 "$WORK/guest.out")" ;;
0) cat "$WORK/guest.out" ;;
*)
    cat "$WORK/guest.out"
    grep -q '^not ok' "$WORK/guest.out" || not_ok "the package in a guest" "$(tail -n 5 "$WORK/guest.out")"
    FLOW_FAILED=1
    ;;
esac
flow_end
