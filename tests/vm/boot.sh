#!/bin/bash
# Boots the test guest and prints what its flows say: boot.sh uml|qemu PACKAGE.deb FLOW…
#
# Nothing that the guest does reaches its cached disk. A guest that does not turn itself off is stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."

KIND=$1 DEB=$2
SECONDS_MAX=${VM_SECONDS:-900}
BUILD=${BUILD:-build/plain}

folder=$(tests/vm/image.sh "$KIND" "$DEB")
work=$(mktemp -d "${TMPDIR:-/tmp}/reeve-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What the guest gets, as its second disk: the sources' layout, the package, and which flows to run.
printf '%s\n' "${@:3}" >"$work/flows"
tar -cf "$work/disk.tar" --transform 's,^build/[^/]*/tests/,build/plain/tests/,' tests/lib.sh tests/vm \
    "$DEB" "$BUILD/tests/fake_claude" -C "$work" flows

case $KIND in
uml)
    command=(linux.uml mem=1G "ubd0=$work/cow.img,$folder/disk.img" "ubd1r=$work/disk.tar" root=/dev/ubda
        con=null con0=null,fd:1 ssl=null)
    ;;
qemu)
    command=(qemu-system-x86_64 -accel tcg -m 2048 -smp 2 -nographic -no-reboot -nic none
        -kernel "$folder/vmlinuz" -initrd "$folder/initrd.img"
        -drive "file=$folder/disk.img,if=virtio,format=raw,snapshot=on"
        -drive "file=$work/disk.tar,if=virtio,format=raw,readonly=on"
        -append "root=/dev/vda console=ttyS0 rw init=/lib/systemd/systemd quiet loglevel=1 systemd.show_status=no")
    ;;
esac
[ "$KIND" != uml ] || command+=(rw init=/lib/systemd/systemd quiet loglevel=1 systemd.show_status=no)
TMPDIR=$work timeout -k 5 "$SECONDS_MAX" "${command[@]}" </dev/null 2>"$work/errors" |
    sed -u 's,\r,,g' | tee "$work/console" | grep --line-buffered -aE '^(ok|not ok|skipped|-|    )' || true; cp "$work/console" "$work/errors" /tmp/w/vmtmp/ # DEBUG
grep -aq '^guest: done' "$work/console" || {
    echo "not ok the guest ran to its end"
    tail -n 30 "$work/console" "$work/errors" | tr -cd '[:print:]\n' | sed 's/^/    /'
    exit 1
}
