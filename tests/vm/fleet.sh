#!/bin/bash
# What docs/fleet.md and docs/migrate.md say to do is done, step by step. Needs package.sh to have run
# before, for the fake Claude, and the package to be gone again.
#
# A block of these pages that is marked ```sh is run; one that is marked with a language and a path is
# written there, or, with a plus behind the path, added to it. Others are to be read only.
. "$(dirname "$0")/lib_guest.sh"

PAGES=/srv/docs
NIGHTLY='[Job nightly]
Command=true
OnCalendar=03:00'

# split PAGE: each block goes to $WORK/PAGE.NUMBER, with its mark as the first line.
split_page() {
    awk -v prefix="$WORK/$1." '
        /^```/ && inside { inside = 0; next }
        /^```/ { inside = 1; file = sprintf("%s%02d", prefix, ++count); print substr($0, 4) >file; next }
        inside { print >file }' "$PAGES/$1.md"
}

do_block() {
    local language path how
    read -r language path how < <(head -n 1 "$1")
    if [ -n "$path" ]; then
        mkdir -p "${path%/*}"
        [ -n "$how" ] || : >"$path"
        tail -n +2 "$1" >>"$path"
    elif [ "$language" = sh ]; then
        (cd /srv/build && tail -n +2 "$1" >"$1.sh" && echo sk-ant-api03-of-the-account | bash -e "$1.sh")
    fi
}

do_page() {
    local block
    split_page "$1"
    for block in "$WORK/$1".??; do
        check "$1: $(sed -n 2p "$block")" do_block "$block"
    done
}

# The daemon's upstream is the fake one, and there is no Node.js here.
set_the_stage() {
    mkdir -p /etc/systemd/system/reeve.service.d
    printf '[Service]\nExecStart=\nExecStart=/usr/bin/reeve serve --upstream https://localhost:8444 --ca-file /run/fake/ca.pem\n' \
        >/etc/systemd/system/reeve.service.d/fake.conf
    printf '#!/bin/sh\n[ "$1" = /srv/fleet/outreach.mjs ] && exec /srv/agents/ask.sh\n' >/usr/local/bin/node
    chmod 755 /usr/local/bin/node /run/fake
    chmod 644 /run/fake/ca.pem
}

# Not what other flows have had it say.
outreach_says() { journalctl --unit reeve@outreach.service --since "@$BEGAN" --output cat --no-pager | grep -q "$1"; }

BEGAN=$(date +%s)
set_the_stage
do_page fleet
check "the run of the first start has ended" wait_until 60 run_is_over reeve@outreach.service
check "it has asked, and says what that cost" outreach_says 'job outreach: exited, exit 0, .* 1 exchange, .*\$0\.'
systemctl start reeve@outreach.service
check "it is not done twice in an hour" wait_until 60 outreach_says 'already done'
equal "the timer waits for the next hour" active "$(systemctl is-active reeve@outreach.timer)"
echo "$NIGHTLY" >>/etc/reeve/reeve.conf
do_page migrate
guest_end
