#!/bin/bash
# What starting a run takes, beside systemd-run and nothing at all: from the exec of it to the first
# instruction of a command, and to the end of all of it. Medians; in an emulated guest only their
# ratios mean something.
. "$(dirname "$0")/lib_guest.sh"

ROUNDS=${ROUNDS:-15}
MARK=/srv/seen/mark

# mark.sh COMMAND…: notes the time, becomes the command, which ends with note.sh.
cat >/srv/agents/mark.sh <<'EOF'
#!/bin/bash
echo "$EPOCHREALTIME" >/srv/seen/mark
exec "$@"
EOF
cat >/srv/agents/note.sh <<'EOF'
#!/bin/bash
echo "$EPOCHREALTIME" >>/srv/seen/mark
EOF
chmod 755 /srv/agents/*.sh

in_unit() { systemd-run --quiet --wait --collect --pipe --property Delegate=yes --property OOMPolicy=continue "$@"; }

ways=("exec" "systemd-run --scope" "reeve run, own unit" "reeve run, root helper")
commands=(
    "/srv/agents/mark.sh /srv/agents/note.sh"
    "/srv/agents/mark.sh systemd-run --quiet --scope --property MemoryMax=100M /srv/agents/note.sh"
    "in_unit /srv/agents/mark.sh reeve run --job plain --memory-max 100M -- /srv/agents/note.sh"
    "/srv/agents/mark.sh reeve run --job plain --memory-max 100M -- /srv/agents/note.sh"
)

# Milliseconds between the two times of the mark.
took() { awk 'NR == 1 { first = $1 } NR == 2 { printf "%.1f\n", ($1 - first) * 1000 }' $MARK; }
median() { sort -n "$1" | awk '{ all[NR] = $1 } END { printf "%.1f", all[int((NR + 1) / 2)] }'; }

systemctl start reeve.socket
for ((round = 0; round <= ROUNDS; round++)); do # the first one warms up
    for way in "${!ways[@]}"; do
        ${commands[$way]} >/dev/null 2>"$WORK/said" || not_ok "${ways[$way]}" "$(tail -n 2 "$WORK/said")"
        [ $round = 0 ] || took >>"$WORK/took.$way"
    done
done
for way in "${!ways[@]}"; do
    printf '    %-24s %6s ms to the first instruction\n' "${ways[$way]}" "$(median "$WORK/took.$way")"
done
ok "starts are measured"
guest_end
