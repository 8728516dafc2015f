#!/bin/bash
# An agent of the demo that has lost its way: it asks Opus for long answers, for ever, and heeds no error.
while :; do
    curl -sS --fail-with-body -o /dev/null "$ANTHROPIC_BASE_URL/v1/messages" \
        -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' \
        -H 'content-type: application/json' -H 'x-fake-script: {"usage": {"output_tokens": 1500}}' \
        -d '{"model": "claude-opus-4-6", "max_tokens": 2000,
             "messages": [{"role": "user", "content": "Once more."}]}' 2>&1
done | uniq # says the same thing over and over
