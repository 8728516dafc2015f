#!/bin/bash
# Jobs as units: from a timer, with limits; out of memory, fork storms, strays; nothing is left of them.
. "$(dirname "$0")/lib_guest.sh"

result_of() { systemctl show --property Result,ExecMainStatus --value "reeve@$1.service" | paste -sd' '; }

processes() { pgrep --count "$@"; }

check "one command starts it all" systemctl enable --now reeve.socket reeve@outreach.timer
check "a run comes from the timer" wait_until 60 test -e $SEEN/outreach
check "the daemon was started by it" systemctl --quiet is-active reeve.service
systemctl disable --quiet --now reeve@outreach.timer
check "it ends" wait_until 60 run_is_over reeve@outreach.service
if [[ $(field_of $SEEN/outreach cgroup) =~ ^/system.slice/system-reeve.slice/reeve@outreach.service/[0-9]+-[0-9]+-[a-z0-9]+$ ]]; then
    ok "it is in a cgroup of its own, below its unit's"
else
    not_ok "it is in a cgroup of its own, below its unit's" "$(cat $SEEN/outreach)"
fi
equal "its limits hold there" "209715200 0 1 50 50000 100000" \
    "$(for file in memory.max memory.swap.max memory.oom.group pids.max cpu.max; do field_of $SEEN/outreach $file; done | paste -sd' ')"
equal "and a little higher on the unit, which root owns" "243269632 0 66" \
    "$(for file in memory.max memory.swap.max pids.max; do field_of $SEEN/outreach above.$file; done | paste -sd' ')"
equal "the agent is answered and knows no credential" "1 0" \
    "$(field_of $SEEN/outreach answer) $(field_of $SEEN/outreach credentials)"
equal "the unit shows how it ended" "success 0" "$(result_of outreach)"
check "the summary is in its log" grep -q 'job outreach: exited, exit 0, .* 1 exchange, .* peak ' <(log_of reeve@outreach.service)

daemon=$(systemctl show --property MainPID --value reeve.service)
systemctl start reeve@slow.service
check "another run is on its way" wait_until 30 test -s $SEEN/slow
run_job leak
equal "a run without memory ends with 101" "exit-code 101" "$(result_of leak)"
check "it says so" grep -q 'job leak: oom, exit 101' <(log_of reeve@leak.service)
equal "nothing of it lives" 0 "$(processes -u reeve-agent -x 'tail|sleep')"
run_job storm
equal "a fork storm ends with its time" "exit-code 102" "$(result_of storm)"
equal "nothing of it lives" 0 "$(processes -u reeve-agent -x sleep)"
run_job stray
equal "a stray process does not outlive its run" "success 0 0" \
    "$(result_of stray) $(processes -u reeve-agent -x sleep)"
check "the other run has ended as if nothing had been" wait_until 60 run_is_over reeve@slow.service
equal "it has its whole stream" "success 0 1" "$(result_of slow) $(grep -c '^event: message_stop' $SEEN/slow)"
equal "the daemon is the same" "$daemon" "$(systemctl show --property MainPID --value reeve.service)"
check "no cgroup is left" no_cgroup_is_left
guest_end
