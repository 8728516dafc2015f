// One conversation through the TypeScript SDK: node sdk.mjs PACKAGE whole|stream PROMPT
//
// The credential and the address come from the environment alone. Prints the answer's text; an API
// error is printed as `error STATUS TYPE` with exit code 1.
const [name, form, prompt] = process.argv.slice(2);
const { default: Anthropic } = await import(name);
const client = new Anthropic();
const params = {
    model: 'claude-sonnet-4-6',
    max_tokens: 1024,
    messages: [{ role: 'user', content: prompt }],
};

try {
    const message =
        form === 'stream'
            ? await client.messages.stream(params).finalMessage()
            : await client.messages.create(params);
    console.log(message.content.map((block) => block.text ?? '').join(''));
} catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    console.log(`error ${error.status} ${error.type ?? error.error?.error?.type}`);
    process.exitCode = 1;
}
