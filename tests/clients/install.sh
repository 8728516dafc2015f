#!/bin/bash
# Installs the real clients, at the versions pinned beside this file, into FOLDER (build/clients).
#
# usage: tests/clients/install.sh FOLDER
# Does nothing if they are there already. Exit 75: a registry is out of reach or a tool is missing;
# the reason is the last line of the output.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && folder=$(cd "$1" && pwd) || exit 1
stamp=$folder/.installed-$(cat "$here/package.json" "$here/requirements.txt" | sha256sum | cut -c1-16)

give_up() {
    echo "$*"
    exit 75
}

cp "$here"/*.mjs "$here"/*.py "$here/package.json" "$folder/"
[ ! -e "$stamp" ] || exit 0
command -v npm >/dev/null || give_up "npm is not installed"
cd "$folder" || exit 1
npm install --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-timeout=60000 >npm.log 2>&1 ||
    give_up "the npm registry is out of reach (see $folder/npm.log)"
[ -d venv ] || python3 -m venv venv >pip.log 2>&1 || give_up "python3 -m venv does not work"
venv/bin/pip install --disable-pip-version-check -q -r "$here/requirements.txt" >>pip.log 2>&1 ||
    give_up "the Python registry is out of reach (see $folder/pip.log)"
rm -f .installed-*
touch "$stamp"
