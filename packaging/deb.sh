#!/bin/bash
# Builds the Debian package of this tree: build/reeve_VERSION_ARCHITECTURE.deb
#
# In a copy, as a package's debian/ is not kept at the top here. What has not changed there is not
# compiled again.
set -euo pipefail
cd "$(dirname "$0")/.."
unset BUILD SANITIZE MAKEFLAGS # of a build for tests: a package is built its own way

TREE=build/deb/reeve
LOG=$PWD/build/deb/log
PARTS=(Makefile LICENSE README.md accounting proxy guard include sql docs packaging)

mkdir -p "$TREE"
for part in "${PARTS[@]}"; do
    cp -au --no-target-directory "$part" "$TREE/$part"
done
# What is gone here goes there too.
(cd "$TREE" && find "${PARTS[@]}" -type f) | while read -r file; do
    [ -e "$file" ] || rm "$TREE/$file"
done
rm -rf "$TREE/debian"
cp -a packaging/debian "$TREE/debian"
# Whoever builds it answers for it, as with dch(1).
[ -z "${DEBEMAIL:-}" ] ||
    sed -i "s|The reeve developers <.*@localhost>|${DEBFULLNAME:-The reeve developers} <$DEBEMAIL>|" \
        "$TREE"/debian/{control,changelog}
(cd "$TREE" && dpkg-buildpackage --build=binary --no-sign --no-pre-clean) >"$LOG" 2>&1 ||
    { tail -n 30 "$LOG" >&2 && exit 1; }
rm -f build/reeve_*.deb
mv build/deb/reeve_*.deb build/
ls build/reeve_*.deb
