#!/bin/bash
# What starting a run takes, beside systemd-run and nothing at all: from right before it is executed to the
# first instruction of the same small command, in each way in which a run gets its cgroup.
#
# The ways take turns, and systemd is left in peace before each start, as it goes on working after it has
# started the service around one. In an emulated guest only the ratios mean something.
. "$(dirname "$0")/lib_guest.sh"

ROUNDS=${ROUNDS:-15}
PEACE=1 # seconds
CLOCK=/srv/build/start_clock
MARK=/run/start.mark

# in_peace COMMAND…: notes the time, then becomes the command.
cat >/srv/agents/in_peace.sh <<EOF
#!/bin/sh
sleep $PEACE
exec $CLOCK $MARK "\$@"
EOF
chmod 755 /srv/agents/in_peace.sh $CLOCK
install -m 666 /dev/null $MARK

# as_service USER [OPTION…] COMMAND…: in a service.
as_service() {
    systemd-run --quiet --wait --collect --pipe --uid "$1" --property OOMPolicy=continue "${@:2}"
}

# @uid is the starter's; @run starts a run.
declare -A ways=(
    [exec]="/srv/agents/in_peace.sh"
    [systemd-run --scope]="/srv/agents/in_peace.sh systemd-run --quiet --scope --property MemoryMax=100M"
    [reeve run, own unit]="as_service starter --property Delegate=yes /srv/agents/in_peace.sh @run"
    [reeve run, root helper]="as_service starter /srv/agents/in_peace.sh @run"
    [reeve run, scope of root]="/srv/agents/in_peace.sh @run"
    [systemd-run --user --scope]="as_service starter --setenv XDG_RUNTIME_DIR=/run/user/@uid
        /srv/agents/in_peace.sh systemd-run --user --quiet --scope --property MemoryMax=100M"
    [reeve run, scope of a user]="as_service starter /srv/agents/in_peace.sh @run"
)

# measure WAY…: each once a round; the first round warms up.
measure() {
    local round way command
    for ((round = 0; round <= ROUNDS; round++)); do
        for way in "$@"; do
            command=${ways[$way]//@run/reeve run --job plain --memory-max 100M --}
            ${command//@uid/$(id -u starter)} $CLOCK $MARK >/dev/null 2>"$WORK/said" ||
                not_ok "$way" "$(tail -n 2 "$WORK/said")"
            [ $round = 0 ] || awk 'NR == 1 { first = $1 } NR == 2 { print $1 - first }' $MARK >>"$WORK/took.$way"
        done
    done
    for way in "$@"; do
        sort -n "$WORK/took.$way" | awk -v way="$way" '{ all[NR] = $1 / 1000 }
            END { printf "    %-27s %6.1f ms, half of them %.1f to %.1f\n", way, all[int((NR + 1) / 2)],
                  all[int((NR + 3) / 4)], all[int((3 * NR + 1) / 4)] }'
    done
}

useradd --create-home --groups reeve starter
systemctl start reeve.socket reeve-cgroup-helper.socket
measure exec "systemd-run --scope" "reeve run, own unit" "reeve run, root helper" "reeve run, scope of root"
# Without the helper, and with a manager of the user's own.
systemctl stop reeve-cgroup-helper.socket reeve-cgroup-helper.service
loginctl enable-linger starter
wait_until 30 test -S "/run/user/$(id -u starter)/bus"
measure "systemd-run --user --scope" "reeve run, scope of a user"
ok "starts are measured"
guest_end
