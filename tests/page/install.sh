#!/bin/bash
# Puts what looks at the page into FOLDER (build/page): Playwright, at the version pinned beside this file.
#
# usage: tests/page/install.sh FOLDER
# Exit 75: Chromium is not installed, or the registry is out of reach; the reason is the last line.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && folder=$(cd "$1" && pwd) || exit 1
stamp=$folder/.installed-$(sha256sum <"$here/package.json" | cut -c1-16)

give_up() {
    echo "$*"
    exit 75
}

command -v chromium >/dev/null || give_up "chromium is not installed; \`make check-page\` installs it"
command -v npm >/dev/null || give_up "npm is not installed"
cp "$here"/*.mjs "$here/package.json" "$folder/"
[ ! -e "$stamp" ] || exit 0
cd "$folder" || exit 1
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-audit --no-fund --loglevel=error --fetch-retries=1 \
    --fetch-timeout=60000 >npm.log 2>&1 || give_up "the npm registry is out of reach (see $folder/npm.log)"
rm -f .installed-*
touch "$stamp"
