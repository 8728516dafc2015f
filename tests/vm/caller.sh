#!/bin/bash
# Run keys under cgroup v2: good in their run's cgroup and below, and nowhere else, whoever asks.
. "$(dirname "$0")/lib_guest.sh"

cat >/srv/agents/status.sh <<'EOF'
#!/bin/bash
# status.sh: what one exchange is answered.
exec curl -sS -o /dev/null -w '%{http_code}\n' "$ANTHROPIC_BASE_URL/v1/messages" \
    -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
    -d '{"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Good day"}]}'
EOF
# below.sh: the same from a cgroup below the run's.
cat >/srv/agents/below.sh <<'EOF'
#!/bin/bash
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$own/below"
(echo "$BASHPID" >"$own/below/cgroup.procs" && /srv/agents/status.sh)
rmdir "$own/below"
EOF
# stay.sh: asks, shows its key, and stays until it is told to go.
cat >/srv/agents/stay.sh <<'EOF'
#!/bin/bash
/srv/agents/status.sh >/srv/seen/inside
env | grep ^ANTHROPIC_ >/srv/seen/key.new && mv /srv/seen/key.new /srv/seen/key
until [ -e /srv/seen/go ]; do sleep 0.1; done
EOF
chmod 755 /srv/agents/*.sh

as_agent() { systemd-run --quiet --wait --collect --pipe --uid reeve-agent "$@"; }
run_as_agent() { as_agent --property Delegate=yes reeve run --job plain "${@:2}" -- "$1" 2>/dev/null; }

systemctl start reeve.socket
rm -f $SEEN/go $SEEN/key
systemd-run --quiet --collect --unit holder --uid reeve-agent --property Delegate=yes \
    reeve run --job plain -- /srv/agents/stay.sh
wait_until 30 test -s $SEEN/key
equal "a process of the run is served" 200 "$(cat $SEEN/inside)"
check "the daemon can tell callers" bash -c '! journalctl --unit reeve.service --output cat | grep callers_not_checked'
KEY=$(sed -n 's/^ANTHROPIC_API_KEY=//p' $SEEN/key)
export ANTHROPIC_API_KEY=$KEY ANTHROPIC_BASE_URL=http://127.0.0.1:8377
equal "root is not, with the run's key" 401 "$(/srv/agents/status.sh)"
equal "nor is the agents' own user, outside" 401 \
    "$(as_agent --setenv ANTHROPIC_API_KEY="$KEY" --setenv ANTHROPIC_BASE_URL=$ANTHROPIC_BASE_URL /srv/agents/status.sh)"
equal "nor is another run" 401 "$(as_agent --property Delegate=yes reeve run --job plain -- \
    bash -c "ANTHROPIC_API_KEY=$KEY exec /srv/agents/status.sh" 2>/dev/null)"
check "there is an alert" wait_until 20 bash -c 'reeve alert list | grep -q caller'
touch $SEEN/go
wait_until 30 run_is_over holder.service
equal "a cgroup below the run's is the run's" 200 "$(run_as_agent /srv/agents/below.sh)"
equal "without a cgroup, the user's processes are the run's" 200 "$(run_as_agent /srv/agents/status.sh --no-cgroup)"
check "no cgroup is left" wait_until 10 no_cgroup_is_left
guest_end
