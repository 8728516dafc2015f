# What the flows in the guest share; sourced as `. "$(dirname "$0")/lib_guest.sh"`.
#
# The first flow, package.sh, installs and configures; the others find what it has left. Agents are
# scripts in /srv/agents, which write what they see into /srv/seen.
FLOW_NEEDS=tests/fake_claude
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

CGROUPS=/sys/fs/cgroup
SEEN=/srv/seen
FAKE_BOOKS=/run/fake/books.jsonl


# run_is_over UNIT: of a service that has been started.
run_is_over() { [[ $(systemctl show --property ActiveState --value "$1") =~ ^(inactive|failed)$ ]]; }

# run_job JOB: as its unit, from start to end.
run_job() {
    systemctl reset-failed "reeve@$1.service" 2>/dev/null
    systemctl start "reeve@$1.service"
    wait_until "${2:-60}" run_is_over "reeve@$1.service"
}

# The unit's log lines, without their heads.
log_of() { journalctl --unit "$1" --output cat --no-pager; }

# Whether nothing of the runs is left in any cgroup.
no_cgroup_is_left() {
    ! find $CGROUPS -type d | grep -E '/(supervisor|[0-9]{8}-[0-9]{6}-[a-z0-9]{6}|reeve-run-.*)$'
}

# The members of a file of "key value" lines: field_of FILE KEY
field_of() { sed -n "s/^$2 //p" "$1"; }

# Ends a flow; if anything failed, with what the journal has.
guest_end() {
    [ $FLOW_FAILED = 0 ] || journalctl --boot --lines 40 --output short-monotonic --no-pager | sed 's/^/    /'
    flow_end
}
