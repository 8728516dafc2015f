#!/bin/bash
# The package is purged, while it is in use: nothing is left. The last flow.
. "$(dirname "$0")/lib_guest.sh"

list_files() { find /etc /usr /var/lib /var/spool /lib/systemd /home -xdev | sort; }

# What these flows, apt, dpkg and systemd have changed for themselves.
is_expected() { grep -vE '^/home/(worker|stranger)|^/var/lib/(apt|dpkg|private)(/|$)|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^/var/lib/systemd'; }

userdel --remove worker
userdel --remove stranger
systemctl enable --quiet --now reeve@outreach.timer reeve-report.timer
systemctl start reeve@slow.service
check "it is in use" systemctl --quiet is-active reeve.service reeve@slow.service
check "it is purged" bash -c 'DEBIAN_FRONTEND=noninteractive apt-get --yes purge reeve'
check "no process is left" bash -c '! pgrep -l reeve'
check "no user is left" bash -c '! getent passwd reeve reeve-agent; ! getent group reeve reeve-agent'
check "no unit is left" bash -c '! systemctl list-units --all --plain --no-legend "reeve*" | grep . '
list_files >/srv/files.after
equal "no file is left" "" "$(comm -13 /srv/files.before /srv/files.after | is_expected)"
equal "nothing else is gone" "" "$(comm -23 /srv/files.before /srv/files.after | is_expected)"
check "nor in the run-time folders" bash -c '! ls -d /run/reeve* /run/systemd/generator/reeve* 2>/dev/null | grep .'
check "no cgroup is left" no_cgroup_is_left
guest_end
