#!/usr/bin/env python3
"""What an agent does with batches and files, through the address and key of its environment.

usage: batch_client.py METHOD PATH [BODY_FILE]

Prints `STATUS BODY` on one line. With BODY_FILE, its contents are sent.
"""
import os
import sys
import urllib.error
import urllib.request

METHOD, PATH = sys.argv[1], sys.argv[2]
BODY = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else None
URL = PATH if PATH.startswith("http") else os.environ["ANTHROPIC_BASE_URL"] + PATH
request = urllib.request.Request(URL, BODY, method=METHOD, headers={
    "x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01",
    "content-type": "application/json", "x-fake-script": os.environ.get("FAKE_SCRIPT", "{}")})
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(answer.status, answer.read().decode().replace("\n", " "))
except urllib.error.HTTPError as refusal:
    print(refusal.code, refusal.read().decode())
