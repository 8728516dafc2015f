"""One conversation through the Python SDK: sdk.py sync|async whole|stream PROMPT

The credential and the address come from the environment alone. Prints the answer's text; an API error
is printed as `error STATUS TYPE` with exit code 1.
"""
import asyncio
import sys

import anthropic

FORM, PROMPT = sys.argv[2], sys.argv[3]
PARAMS = {
    "model": "claude-haiku-4-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": PROMPT}],
}


def text_of(message):
    return "".join(getattr(block, "text", "") for block in message.content)


def talk():
    client = anthropic.Anthropic()
    if FORM == "whole":
        return text_of(client.messages.create(**PARAMS))
    with client.messages.stream(**PARAMS) as stream:
        return text_of(stream.get_final_message())


async def talk_async():
    client = anthropic.AsyncAnthropic()
    if FORM == "whole":
        return text_of(await client.messages.create(**PARAMS))
    async with client.messages.stream(**PARAMS) as stream:
        return text_of(await stream.get_final_message())


try:
    print(talk() if sys.argv[1] == "sync" else asyncio.run(talk_async()))
except anthropic.APIStatusError as error:
    print("error", error.status_code, error.body["error"]["type"])
    sys.exit(1)
