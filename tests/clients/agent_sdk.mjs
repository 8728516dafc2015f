// One query() of the Claude Agent SDK, with a tool loop if the prompt's script has one.
//
// usage: node agent_sdk.mjs PROMPT
// Prints the result's text; a result that is an error exits with 1.
import { query } from '@anthropic-ai/claude-agent-sdk';

const options = {
    model: 'claude-sonnet-4-6',
    allowedTools: ['Bash'],
    settingSources: [],
    mcpServers: {},
    strictMcpConfig: true,
};

for await (const message of query({ prompt: process.argv[2], options })) {
    if (message.type !== 'result') continue;
    console.log(message.result ?? message.subtype);
    process.exitCode = message.is_error ? 1 : 0;
    break; // after an error result the SDK throws the same once more
}
