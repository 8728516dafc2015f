#!/bin/bash
# Installs, through apt-get, what a use of the sources needs and the machine lacks.
#
# usage: packaging/setup.sh USE…    USE: build, run, check, page, report, lint, bench, bare, deb, vm-uml, vm-qemu
#
# A need is a Debian package, or package/command where any owner of the command will do.
# Nothing is asked of the network where nothing is missing.
set -euo pipefail

needs_of() {
    case $1 in
    build) echo make gcc/cc libc6-dev pkg-config/pkg-config libevent-dev libcurl4-openssl-dev \
        libpq-dev libcgroup-dev libmsgpack-dev libjansson-dev libinih-dev libsystemd-dev \
        libssl-dev zlib1g-dev ;;
    run) echo postgresql ca-certificates curl/curl openssl/openssl ;;
    check) echo check pgbouncer clang/clang clang-format/clang-format jq/jq python3/python3 \
        python3-venv nodejs/node npm/npm git/git procps/ps iproute2/ip ;;
    page) echo chromium/chromium nodejs/node npm/npm ;;
    report) echo chromium/chromium fonts-dejavu-core ;;
    lint) echo clang-tidy/clang-tidy clang-format/clang-format cppcheck/cppcheck ;;
    bench) echo nginx-light/nginx python3/python3 python3-venv ;;
    bare) echo debootstrap/debootstrap git/git ;;
    deb) echo debhelper build-essential ;;
    vm-uml) echo mmdebstrap/mmdebstrap e2fsprogs/mkfs.ext4 user-mode-linux/linux.uml ;;
    vm-qemu) echo mmdebstrap/mmdebstrap e2fsprogs/mkfs.ext4 qemu-system-x86/qemu-system-x86_64 ;;
    *) echo "setup: unknown use $1: build, run, check, page, report, lint, bench, bare, deb, vm-uml, vm-qemu" >&2 && return 64 ;;
    esac
}

is_there() {
    case $1 in
    */*) command -v "${1#*/}" >/dev/null ;;
    *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

# clang brings libFuzzer along in some releases, and in others only recommends its package.
fuzzer_links() {
    echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null
}

install_packages() {
    local log as_root=()
    echo "setup: installing $*"
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        { echo "setup: run as root: apt-get install --no-install-recommends $*" >&2 && return 77; }
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    {
        "${as_root[@]}" apt-get -q update || true # one broken source need not matter
        "${as_root[@]}" apt-get -qy --no-install-recommends -o Dpkg::Use-Pty=0 install "$@"
    } </dev/null 2>&1 | tee "$log" | awk '/^Setting up/ && ++n % 10 == 0 { printf "."; fflush() } END { print "" }' ||
        { tail -n 30 "$log" >&2 && echo "setup: apt-get failed" >&2 && return 1; }
    rm -f "$log"
}

main() {
    local use need missing=()
    for use in "$@"; do
        for need in $(needs_of "$use"); do
            is_there "$need" || missing+=("${need%/*}")
        done
    done
    if [ ${#missing[@]} -gt 0 ] && ! command -v apt-get >/dev/null; then
        echo "setup: no apt-get here; needed are the equivalents of: ${missing[*]}" >&2
        return 0
    fi
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
    case " $* " in
    *" check "*) fuzzer_links || install_packages libclang-rt-dev ;;
    esac
}

main "$@"
