#!/bin/bash
# As a stranger on a bare machine: `make demo` and `make check` of a clean clone, in a Debian tree
# ($BARE_SUITE, default bookworm) of make, git, certificates and nothing else. As root: tests/bare.sh
# [TARGET…]
#
# On another release, the compiler and the unit tests: BARE_SUITE=trixie tests/bare.sh check-unit
# An Ubuntu is of another mirror and needs universe: BARE_SUITE=jammy BARE_MIRROR=URL
# BARE_COMPONENTS=main,universe
#
# The tree is made once per recipe, in $BARE_CACHE (default build/bare), and never changed: each run works
# on an overlay of its own, in mount and process namespaces of its own, which take every mount and
# process along when they end. Network and cgroups are the host's.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=${BARE_SUITE:-bookworm}
MIRROR=${BARE_MIRROR:-} # without it, debootstrap's own for the suite
COMPONENTS=${BARE_COMPONENTS:-main}
PACKAGES=make,git,ca-certificates
CACHE=$(realpath -m "${BARE_CACHE:-build/bare}")
PASSED_ON=(TERM LANG http_proxy https_proxy no_proxy SSL_CERT_FILE NODE_EXTRA_CA_CERTS PIP_CERT)

make_base() {
    local base=$CACHE/base-$(echo "$SUITE $MIRROR $COMPONENTS $PACKAGES" | sha256sum | cut -c1-12)
    if [ ! -d "$base" ]; then
        echo "bare: making $base" >&2
        mkdir -p "$CACHE"
        rm -rf --one-file-system "$base.new"
        debootstrap --variant=minbase --include="$PACKAGES" --components="$COMPONENTS" \
            "$SUITE" "$base.new" ${MIRROR:+"$MIRROR"} \
            >"$CACHE/debootstrap.log" 2>&1 || { tail -n 20 "$CACHE/debootstrap.log" >&2 && return 1; }
        mv "$base.new" "$base"
    fi
    echo "$base"
}

# What the host needs to reach its package archives, the tree needs too.
copy_network_settings() {
    local root=$1 file
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    for file in $(grep -ls 'Acquire::' /etc/apt/apt.conf /etc/apt/apt.conf.d/*); do
        grep -h '^Acquire::' "$file" >>"$root/etc/apt/apt.conf.d/90host" || true
    done
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    chroot "$root" update-ca-certificates >/dev/null 2>&1
}

# inside BASE OVERLAY TARGET…: runs within the namespaces.
inside() {
    local base=$1 overlay=$2 root=$2/root name target status=0
    local environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    mkdir -p "$overlay"/{upper,work,root}
    mount -t overlay reeve-bare -o "lowerdir=$base,upperdir=$overlay/upper,workdir=$overlay/work" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # packages start no daemons in here
    chmod 755 "$root/usr/sbin/policy-rc.d"
    copy_network_settings "$root"
    git clone -q . "$root/root/reeve"
    for name in "${PASSED_ON[@]}"; do
        [ -z "${!name:-}" ] || environment+=("$name=${!name}")
    done
    for target in "${@:3}"; do
        echo "bare: make $target"
        chroot "$root" env -i "${environment[@]}" make -C /root/reeve "$target" </dev/null || status=$?
        echo "bare: make $target ended with $status after $SECONDS s"
    done
    return $status
}

if [ "${1:-}" = --inside ]; then
    inside "${@:2}"
    exit
fi
[ "$(id -u)" = 0 ] || { echo "bare: needs root, for debootstrap, mounts and chroot" >&2 && exit 77; }
[ -z "$(git status --porcelain)" ] || echo "bare: what is not committed is not tested" >&2
packaging/setup.sh bare
[ $# -gt 0 ] || set -- demo check
base=$(make_base)
overlay=$(mktemp -d "$CACHE/run.XXXXXX")
trap 'rm -rf --one-file-system "$overlay"' EXIT
unshare --mount --propagation private --pid --fork --kill-child "$0" --inside "$base" "$overlay" "$@"
