"""One batch through the Python SDK, from its creation to its results, by what the environment says."""
import time

import anthropic

client = anthropic.Anthropic()
batch = client.messages.batches.create(requests=[{"custom_id": "one", "params": {
    "model": "claude-haiku-5-5", "max_tokens": 100,
    "messages": [{"role": "user", "content": "Good day"}]}}])
while client.messages.batches.retrieve(batch.id).processing_status != "ended":
    time.sleep(0.1)
for line in client.messages.batches.results(batch.id):
    print(f"{line.custom_id}: {line.result.message.content[0].text}")
