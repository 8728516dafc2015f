#!/bin/bash
# Makes the disk of the test guest, and prints the folder that it is in: image.sh uml|qemu PACKAGE.deb
#
# A small system of the host's own release ($VM_SUITE: of another, as the package then is), with systemd
# and all that the package asks for, but not the package. It boots, unpacks the archive that is its second
# disk, runs tests/vm/guest.sh out of it, and turns itself off. Cached by the hash of its recipe, in
# build/vm. Needs root, and the network.
set -euo pipefail
cd "$(dirname "$0")/../.."

KIND=$1 DEB=$2
CACHE=$PWD/build/vm
SIZE=1600M # of the disk, which is sparse
SUITE=${VM_SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
PACKAGES=(systemd systemd-sysv dbus dbus-user-session libpam-systemd udev postgresql curl ca-certificates
    procps libevent-2.1-7 libevent-core-2.1-7)
[ "$KIND" = uml ] || PACKAGES+=(linux-image-cloud-amd64 initramfs-tools)

# The first choice of each dependence, without its version.
depends() {
    dpkg-deb --field "$DEB" Depends | tr ',' '\n' | sed 's/^ *//; s/[ |(].*//' | grep .
}

# Files of the guest's own. No getty, no cluster of Postgres but the daemon's.
customize() {
    local root=$1 unit
    cat >"$root/etc/systemd/system/guest.service" <<'EOF'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for disk in /dev/ubdb /dev/vdb; do [ ! -b $$disk ] || tar -xf $$disk -C /srv; done'
ExecStart=/bin/bash /srv/tests/vm/guest.sh
ExecStopPost=/bin/systemctl poweroff --force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
[Install]
WantedBy=multi-user.target
EOF
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s ../guest.service "$root/etc/systemd/system/multi-user.target.wants/"
    for unit in getty.target postgresql.service e2scrub_reap.service e2scrub_all.timer fstrim.timer \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    rm -rf "$root"/var/lib/postgresql/*/main "$root"/etc/postgresql/*/main
    echo guest >"$root/etc/hostname"
    echo '127.0.0.1 localhost guest' >"$root/etc/hosts"
}

make_image() {
    local folder=$1 tree=$1/tree
    mmdebstrap --variant=minbase --include="$(IFS=,; echo "${PACKAGES[*]}")" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$SUITE" "$tree"
    customize "$tree"
    [ "$KIND" = uml ] || cp -L "$tree/vmlinuz" "$tree/initrd.img" "$folder/"
    mkfs.ext4 -q -d "$tree" "$folder/disk.img" "$SIZE"
    rm -rf --one-file-system "$tree"
}

mapfile -t -O ${#PACKAGES[@]} PACKAGES < <(depends)
recipe=$(cat "$0" <(echo "$KIND $SUITE ${PACKAGES[*]}") | sha256sum | cut -c1-12)
folder=$CACHE/$KIND-$SUITE-$recipe
if [ ! -d "$folder" ]; then
    rm -rf --one-file-system "$CACHE/$KIND-$SUITE"-* # of older recipes
    mkdir -p "$folder.new"
    make_image "$folder.new" >"$CACHE/$KIND.log" 2>&1 ||
        { tail -n 5 "$CACHE/$KIND.log" >&2 && exit 1; }
    mv "$folder.new" "$folder"
fi
echo "$folder"
