#!/bin/bash
# The OOM night: an agent that forks and leaks, beside two good agents and Postgres. As jobs under reeve,
# and as services without limits; and, to compare with, with no such agent.
#
# Per trial a line "    trial HOW KILLED STALL_MS POSTGRES_STALL_MS STRAY DURATION_MS", HOW being idle, reeve
# or nothing. tests/bench/oom.py makes a table of them. Needs package.sh to have run before.
. "$(dirname "$0")/lib_guest.sh"

TRIALS=$(cat /srv/build/trials)
BEAT=/srv/build/oom_beat TREE=/srv/build/oom_tree
MEMORY_MAX=250M # of each, so that all fit into the guest
BEAT_MB=150 END_SECONDS=60
GOOD=(good1 good2)
DATABASE=(runuser -u postgres -- psql -qAtX -h /run/night -d postgres)

command_of() { if [ "$1" = wild ]; then echo "exec $TREE"; else echo "exec $BEAT $BEAT_MB >>$SEEN/$1"; fi; }

configure_night() {
    local job
    printf '%s\n' '[Reeve]' Upstream=https://localhost:8444 Slots=4 MemoryReserve=64M >/etc/reeve/reeve.conf
    for job in "${GOOD[@]}" wild; do
        printf '%s\n' "[Job $job]" "Command=$(command_of "$job")" MemoryMax=$MEMORY_MAX >>/etc/reeve/reeve.conf
    done
    systemctl daemon-reload
}

# Ten rows a second are inserted, for ever.
start_postgres() {
    install -d -o postgres /run/night
    runuser -u postgres -- /usr/lib/postgresql/*/bin/initdb --auth=peer -D /run/night/data >/dev/null
    systemd-run --quiet --unit night-postgres --uid postgres --property Restart=always \
        /usr/lib/postgresql/*/bin/postgres -D /run/night/data -k /run/night -c listen_addresses=
    wait_until 60 "${DATABASE[@]}" -c 'create table beat (at timestamptz default clock_timestamp())'
    echo 'insert into beat default values \watch 0.1' >/run/night/inserts
    systemd-run --quiet --unit night-inserts --uid postgres --property Restart=always \
        --property RestartSec=100ms --property StartLimitIntervalSec=0 --property StandardOutput=null \
        psql -qAtX -h /run/night -d postgres -f /run/night/inserts
}

unit_of() { if [ "$1" = nothing ]; then echo "night-$2.service"; else echo "reeve@$2.service"; fi; }

start_agent() {
    local unit
    unit=$(unit_of "$1" "$2")
    systemctl reset-failed "$unit" 2>/dev/null
    if [ "$1" = nothing ]; then
        systemd-run --quiet --unit "$unit" --uid reeve-agent sh -c "$(command_of "$2")"
    else
        systemctl start "$unit"
    fi
}

beats() { pgrep -u reeve-agent -f "^$BEAT" | sort; }
all_beat() { [ "$(beats | wc -l)" = ${#GOOD[@]} ]; }
postgres_answers() { "${DATABASE[@]}" -c 'select 1'; }
postgres_kills() { journalctl --unit night-postgres --output cat --no-pager | grep -cE 'was terminated by signal 9|starting PostgreSQL'; }

# Has what NEIGHBOURS have to say of the time since they were asked last in $SEEN/good1 and good2.
ask_neighbours() {
    local name pid alive=0
    truncate --no-create --size 0 "${GOOD[@]/#/$SEEN/}"
    for pid in $NEIGHBOURS; do
        kill -USR1 "$pid" 2>/dev/null && alive=$((alive + 1))
    done
    have_answered() { [ "$(cat $SEEN/good[12] | wc -l)" = $alive ]; }
    wait_until 60 have_answered
    ALIVE=$alive
}

# As services or as runs; those of the other way end first.
start_neighbours() {
    local name other=nothing
    [ "$1" != nothing ] || other=reeve
    systemctl stop "$(unit_of $other good1)" "$(unit_of $other good2)" 2>/dev/null
    for name in "${GOOD[@]}"; do
        systemctl --quiet is-active "$(unit_of "$1" "$name")" || start_agent "$1" "$name"
    done
    wait_until 60 all_beat && wait_until 60 postgres_answers
    sleep 1 # for what starting them has taken
}

measure_begin() {
    NEIGHBOURS=$(beats) POSTGRES_KILLS=$(postgres_kills)
    "${DATABASE[@]}" -c 'truncate beat' -c 'insert into beat default values'
    ask_neighbours
    BEGAN_MS=$(date +%s%3N)
}

# Of a neighbour that was killed there is no stall, that it was killed is counted.
measure_end() {
    ask_neighbours
    STALL_MS=$(sort -n $SEEN/good[12] | tail -n 1 | awk '{ printf "%d", $1 / 1000 + 0.5 }')
    wait_until 60 postgres_answers
    POSTGRES_STALL_MS=$("${DATABASE[@]}" -c "select round(1000 * extract(epoch from max(gap))) from
        (select at - lag(at) over (order by at) as gap
         from (select at from beat union all select clock_timestamp()) as beats) as gaps")
    KILLED=$(($(wc -w <<<"$NEIGHBOURS") - ALIVE + $(postgres_kills) - POSTGRES_KILLS))
}

# trial HOW [MILLISECONDS]: those only for idle, which has no end of its own.
trial() {
    local ended_ms
    start_neighbours "$1"
    measure_begin
    if [ "$1" = idle ]; then
        sleep "$(($2 / 1000)).$(printf '%03d' $(($2 % 1000)))"
    else
        start_agent "$1" wild
        wait_until $END_SECONDS run_is_over "$(unit_of "$1" wild)"
    fi
    ended_ms=$(date +%s%3N)
    sleep 1 # for a neighbour to show what it has been through
    measure_end
    DURATION_MS=$((ended_ms - BEGAN_MS))
    echo "    trial $1 $KILLED ${STALL_MS:-0} $POSTGRES_STALL_MS $(pgrep -c -x oom_tree) $DURATION_MS"
    systemctl stop "$(unit_of "$1" wild)" 2>/dev/null
    pkill -KILL -x oom_tree
    wait_until 30 bash -c '! pgrep -x oom_tree'
}

configure_night
start_postgres
systemctl start reeve.socket reeve.service
daemon=$(systemctl show --property MainPID --value reeve.service)
for ((i = 0; i < TRIALS; i++)); do
    trial reeve
    trial idle $DURATION_MS
done
equal "the daemon has gone on" "$daemon" "$(systemctl show --property MainPID --value reeve.service)"
for ((i = 0; i < TRIALS; i++)); do trial nothing; done
guest_end
