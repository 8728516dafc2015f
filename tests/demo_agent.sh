#!/bin/bash
# An agent of the demo: demo_agent.sh MODEL EXCHANGES. It knows what `reeve run` has put into its
# environment and nothing else: no credential, no address but the proxy's.
set -euo pipefail

ask() {
    curl -sS --fail-with-body --no-buffer "$ANTHROPIC_BASE_URL/v1/messages" \
        -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' \
        -H 'content-type: application/json' \
        -d '{"model": "'"$1"'", "max_tokens": 1024, "stream": true,
             "system": [{"type": "text", "cache_control": {"type": "ephemeral"},
                         "text": "'"$(printf 'You keep order on the estate. %.0s' {1..200})"'"}],
             "messages": [{"role": "user", "content": "'"$2"'"}]}'
}

cgroup=$(sed -n 's/^[0-9]*:memory://p; s/^0:://p' /proc/self/cgroup | grep -v '^/$' | head -n 1)
echo "run $REEVE_RUN in cgroup ${cgroup:-/}"
for number in $(seq "$2"); do
    events=$(ask "$1" "Task $number of $2: say what you did." | grep -c '^event: content_block_delta')
    echo "exchange $number: $events pieces of text from $1"
done
