#!/usr/bin/env python3
"""Refreshes a .credentials.json the way Claude Code does, time and again, beside whoever else does.

usage: credential_sharer.py FILE TOKEN_ENDPOINT SECONDS AHEAD_MS

Claude Code 2.1: make the lock folders, whose mkdir fails for the second; read the file again; if somebody
has refreshed meanwhile, take that; else spend the refresh token, and write the file before letting go. Prints
one JSON line: how often it refreshed, and how often it found that somebody else had.
"""
import json
import os
import random
import sys
import time
import urllib.request

CLIENT_ID = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"


class Sharer:
    def __init__(self, path, endpoint):
        self.path, self.endpoint = path, endpoint
        folder = os.path.dirname(path)
        self.locks = [os.path.join(folder, ".oauth_refresh.lock"), folder + ".lock"]
        self.refreshed = self.adopted = 0

    def read(self):
        with open(self.path) as file:
            return json.load(file)

    def lock(self):
        taken = []
        try:
            for lock in self.locks:
                os.mkdir(lock)
                taken.append(lock)
            return True
        except FileExistsError:
            for lock in taken:
                os.rmdir(lock)
            return False

    def unlock(self):
        for lock in reversed(self.locks):
            os.rmdir(lock)

    def spend(self, whole):
        pair = whole["claudeAiOauth"]
        body = json.dumps({"grant_type": "refresh_token", "refresh_token": pair["refreshToken"],
                           "client_id": CLIENT_ID}).encode()
        request = urllib.request.Request(self.endpoint, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            new = json.load(answer)
        pair |= {"accessToken": new["access_token"], "refreshToken": new["refresh_token"],
                 "expiresAt": int(time.time() * 1000) + new["expires_in"] * 1000}
        temporary = f"{self.path}.tmp.{os.getpid()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(whole, file)
        os.rename(temporary, self.path)

    def refresh(self, known):
        if not self.lock():
            return
        try:
            whole = self.read()
            if whole["claudeAiOauth"]["refreshToken"] != known:
                self.adopted += 1
                return
            self.spend(whole)
            self.refreshed += 1
        finally:
            self.unlock()

    def run(self, seconds, ahead_ms):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pair = self.read()["claudeAiOauth"]
            time.sleep(random.uniform(0, 0.05))  # so that others come in between
            if pair["expiresAt"] - time.time() * 1000 < ahead_ms:
                self.refresh(pair["refreshToken"])
        print(json.dumps({"refreshed": self.refreshed, "adopted": self.adopted}))


Sharer(*sys.argv[1:3]).run(float(sys.argv[3]), int(sys.argv[4]))
