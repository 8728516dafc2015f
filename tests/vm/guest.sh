#!/bin/bash
# Inside the guest: runs the flows that the file `flows` names, one after another, and says so on the
# console.
cd /srv || exit 1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TERM=dumb
while sleep 5; do echo "guest: alive"; done & # see boot.sh
while read -r flow; do
    echo "--- $flow ($(cut -d. -f1 /proc/uptime) s)"
    bash "tests/vm/$flow.sh" 2>&1 </dev/null
done <flows
echo "--- end ($(cut -d. -f1 /proc/uptime) s)"
echo "guest: done"
