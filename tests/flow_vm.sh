#!/bin/bash
# The package under real systemd and cgroup v2, in a guest: what it installs, jobs from timers, the ways
# to a cgroup, restarts, upgrades, missed timers, and what a purge leaves. See tests/vm.
#
# VM_KIND=qemu has it on the distribution's own kernel, emulated. A guest that comes to a stand, or is
# too slow for its time, says nothing of reeve: it counts as skipped here, and as failed with
# VM_STRICT=1 (`make check-vm`).
FLOW_NEEDS=
. "$(dirname "$0")/lib.sh"

cd "$TOP" || exit 1
kind=${VM_KIND:-uml}
flows=(package jobs scopes escape caller restart purge)
[ -z "${VM_STRICT:-}" ] || flows=("${flows[@]/%escape/escape_all}" fleet)

guest() {
    timeout 300 packaging/setup.sh deb "vm-$kind" || return 77
    packaging/deb.sh && env -u SANITIZE -u BUILD "${MAKE:-make}" -s build/plain/tests/fake_claude || return 1
    VM_SECONDS=${VM_SECONDS:-400} tests/vm/boot.sh "$kind" build/reeve_*.deb "${flows[@]}"
}

guest 2>&1 </dev/null | tee "$WORK/guest.out"
status=${PIPESTATUS[0]} said=$(tail -n 1 "$WORK/guest.out")
[ -z "${VM_STRICT:-}" ] || [ "$status" != 75 ] || status=1
case $status in
0) ;;
75 | 77) skip "the package in a guest" "$said" ;;
*)
    grep -q '^not ok' "$WORK/guest.out" || not_ok "the package in a guest" "$said"
    FLOW_FAILED=1
    ;;
esac
flow_end
