#!/bin/bash
# The package: installation, users, units and how exposed they are; then the configuration that the
# other flows work with.
. "$(dirname "$0")/lib_guest.sh"

# Everything in the system's folders, to be compared after a purge.
list_files() { find /etc /usr /var/lib /var/spool /lib/systemd /home -xdev | sort; }

installs() { DEBIAN_FRONTEND=noninteractive dpkg --install /srv/build/reeve_*.deb; }

# exposure UNIT MAX: prints systemd's figure.
is_exposed_less() {
    local figure
    figure=$(systemd-analyze security --no-pager "$1" | sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
    echo "    exposure of $1: $figure"
    awk -v figure="$figure" -v limit="$2" 'BEGIN { exit !(figure != "" && figure <= limit) }'
}

check_exposure() {
    if is_exposed_less "$1" "$2"; then ok "$1 is exposed $2 at most"; else not_ok "$1 is exposed $2 at most"; fi
}

make_agents() {
    install -d -m 755 /srv/agents
    install -d -m 1777 $SEEN
    cat >/srv/agents/ask.sh <<'EOF'
#!/bin/bash
# ask.sh [SCRIPT]: one exchange, streamed; what comes goes to standard output.
exec curl -sS --fail-with-body --no-buffer "$ANTHROPIC_BASE_URL/v1/messages" \
    -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' \
    -H 'content-type: application/json' -H "x-fake-script: ${1:-{\}}" \
    -d '{"model": "claude-haiku-4-5", "max_tokens": 100, "stream": true,
         "messages": [{"role": "user", "content": "Good day"}]}'
EOF
    cat >/srv/agents/look.sh <<'EOF'
#!/bin/bash
# look.sh NAME: writes down where it is, what holds it there, and what it is told by the API.
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
{
    echo "cgroup ${own#/sys/fs/cgroup}"
    echo "user $(id -un)"
    for file in memory.max memory.swap.max memory.oom.group pids.max cpu.max; do
        echo "$file $(cat "$own/$file" 2>&1)"
    done
    for file in memory.max memory.swap.max pids.max; do
        echo "above.$file $(cat "${own%/*}/$file" 2>&1)"
    done
    echo "answer $(/srv/agents/ask.sh | grep -c '^event: message_stop')"
    echo "credentials $(env | grep -c sk-ant-)"
} >"/srv/seen/$1.new" && mv "/srv/seen/$1.new" "/srv/seen/$1"
EOF
    chmod 755 /srv/agents/*
}

configure() {
    cat >/etc/reeve/reeve.conf <<'EOF'
[Reeve]
Upstream=https://localhost:8444
UpstreamCAFile=/etc/reeve/ca.pem
Slots=4

[Job outreach]
Command=/srv/agents/look.sh outreach
OnCalendar=*:*:0/3
MemoryMax=200M
TasksMax=50
CPUQuota=50%

[Job leak]
Command=tail /dev/zero & sleep 1h
MemoryMax=64M

[Job storm]
Command=for i in $(seq 20); do (while :; do sleep 1h & done) 2>/dev/null & done; sleep 1h
TasksMax=100
RuntimeMaxSec=3s
KillGrace=1s

[Job stray]
Command=setsid --fork sleep 1h
KillGrace=500ms

[Job manager]
Command=XDG_RUNTIME_DIR=/run/user/$(id -u) exec systemd-run --user true

[Job slow]
Command=/srv/agents/ask.sh '{"text": "Streams in flight will finish", "events": 30, "events_delay_ms": 250}' >/srv/seen/slow

[Job daily]
Command=date +%F >>/srv/seen/daily
OnCalendar=daily
EOF
}

start_fake_unit() {
    systemd-run --quiet --unit fake --property RuntimeDirectory=fake /srv/build/plain/tests/fake_claude \
        --listen 127.0.0.1:8445 --tls-listen 127.0.0.1:8444 --cert-dir /run/fake --books $FAKE_BOOKS \
        --accept sk-ant-api03-of-the-account
    wait_until 30 is_listening 8444 && cp /run/fake/ca.pem /etc/reeve/ca.pem
}

list_files >/srv/files.before
check "the package installs" installs
check "nothing runs before it is asked for" bash -c '! systemctl --quiet is-active reeve.service reeve.socket'
check "its units are right" systemd-analyze verify --man=no reeve.service reeve.socket reeve@outreach.service \
    reeve-cgroup-helper.socket reeve-cgroup-helper.service reeve-report.service reeve-report.timer
check_exposure reeve.service 1.5
check_exposure reeve-cgroup-helper.service 2.0
equal "the daemon has a user, and its group the agents" "reeve reeve reeve-agent" \
    "$(id -un reeve) $(id -gn reeve) $(getent group reeve | cut -d: -f4)"
equal "the state is the daemon's" "reeve 711 reeve 700" \
    "$(stat -c '%U %a' /var/lib/reeve) $(stat -c '%U %a' /var/lib/reeve/credentials)"
check "the configuration as it comes is right" reeve config check
make_agents
configure
check "the fake Claude starts" start_fake_unit
check "the configuration of these flows is right" reeve config check
echo sk-ant-api03-of-the-account >/root/secret
check "a credential is added before the first start" reeve credential add main --file /root/secret
equal "it is the daemon's alone" "reeve 600" "$(stat -c '%U %a' /var/lib/reeve/credentials/main)"
rm /root/secret
guest_end
