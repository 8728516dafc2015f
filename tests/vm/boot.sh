#!/bin/bash
# Boots the test guest, and prints what its flows say: boot.sh uml|qemu PACKAGE.deb FLOW…
#
# uml: User Mode Linux, up in ten seconds, without PSI. qemu: the distribution's own kernel, emulated, with
# $VM_MEMORY MB. Files that $VM_FILES names are in the guest's /srv/build. Nothing that the guest does
# reaches its cached disk. Exit codes: 1 a test failed or the guest died; 75 it stood still, or was not done
# in $VM_SECONDS; 77 it cannot be had on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

KIND=$1 DEB=$2
SECONDS_MAX=${VM_SECONDS:-900}
SILENCE_MAX=120 # seconds; guest.sh says something every few, so a longer silence is the emulator's
FAKE=${FAKE:-build/plain/tests/fake_claude}
KERNEL_WORDS=(rw init=/lib/systemd/systemd quiet loglevel=1 systemd.show_status=no)

give_up() {
    echo "$*"
    exit 77
}

[ "$(id -u)" = 0 ] || give_up "it takes root"
folder=$(timeout 300 tests/vm/image.sh "$KIND" "$DEB") || give_up "the guest's disk cannot be made, see build/vm/$KIND.log"
work=$(mktemp -d "${TMPDIR:-/tmp}/reeve-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What the guest gets, as its second disk: the sources' layout, the package, and which flows to run.
mkdir "$work/srv"
install -D "$FAKE" "$work/srv/build/plain/tests/fake_claude"
cp "$DEB" ${VM_FILES:-} "$work/srv/build/"
printf '%s\n' "${@:3}" >"$work/srv/flows"
tar -cf "$work/disk.tar" tests/lib.sh tests/vm docs/fleet.md docs/migrate.md -C "$work/srv" build flows

case $KIND in
uml)
    # Its memory is a file, best on a tmpfs that has the room.
    memory=$work
    [ "$(df --output=avail -B M /dev/shm 2>/dev/null | tr -dc 0-9)" -lt 1200 ] || memory=/dev/shm
    (
        exec 2>/dev/null # it aborts, as it has no disk
        timeout 20 env TMPDIR="$memory" linux.uml con=null con0=null,fd:1 </dev/null >"$work/probe" 2>&1 || true
    )
    grep -aq 'Linux version' "$work/probe" || give_up "User Mode Linux does not start here"
    command=(env TMPDIR="$memory" linux.uml mem=1G "ubd0=$work/cow.img,$folder/disk.img"
        "ubd1r=$work/disk.tar" root=/dev/ubda con=null con0=null,fd:1 ssl=null "${KERNEL_WORDS[@]}")
    ;;
qemu)
    command=(qemu-system-x86_64 -accel tcg -m "${VM_MEMORY:-2048}" -smp 2 -nographic -no-reboot -nic none
        -kernel "$folder/vmlinuz" -initrd "$folder/initrd.img"
        -drive "file=$folder/disk.img,if=virtio,format=raw,snapshot=on"
        -drive "file=$work/disk.tar,if=virtio,format=raw,readonly=on"
        -append "root=/dev/vda console=ttyS0 ${KERNEL_WORDS[*]}")
    ;;
esac
flow=boot stop=
exec {console}< <(TMPDIR=$work exec timeout -k 5 "$SECONDS_MAX" "${command[@]}" </dev/null 2>"$work/errors")
guest=$!
while IFS= read -r -t $SILENCE_MAX -u "$console" line || { [ $? -le 128 ] || stop="stood still" && false; }; do
    line=${line//$'\r'/}
    echo "$line" >>"$work/console"
    case $line in
    '--- '*) flow=${line#--- } && echo "$line" ;;
    'ok '* | 'not ok '* | 'skipped '* | '    '*) echo "$line" ;;
    esac
done
[ -z "$stop" ] || kill "$guest"
status=0
wait "$guest" || status=$?
[ $status != 124 ] || stop="was not done in $SECONDS_MAX s"
! grep -aq '^not ok' "$work/console" || exit 1
! grep -aq '^guest: done' "$work/console" || exit 0
[ -z "$stop" ] || { echo "the guest $stop, in $flow" && exit 75; }
echo "not ok the guest runs to its end"
tail -q -n 30 "$work/console" "$work/errors" | tr -cd '[:print:]\n' | sed 's/^/    /'
exit 1
