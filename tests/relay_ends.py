#!/usr/bin/env python3
"""The relay between an agent and an upstream that are both this script; run by flow_relay.sh.

usage: relay_ends.py PREFIX: the functions whose names begin with it are the cases.

Nothing here depends on how long something takes: the upstream says the next thing when the agent has seen
the last one.
"""
import hashlib
import os
import signal
import socket
import sys
import threading

from ends import *

MB = 1 << 20
# What the daemon may grow by, whatever goes through it: a few windows and read buffers for each of the
# few connections here, and the allocator's slack.
GROWTH_MAX_KB = 16 * 1024
STREAM_BYTES = 96 * MB  # far above that and all that the kernel buffers on the way

upstream = Upstream(int(os.environ["FLOW_UPSTREAM_PORT"]), os.environ.get("FLOW_CERTIFICATE"))
daemon = Daemon()


def exchange(body, answer, *headers, **names):
    """One request and its answer: the agent, what came upstream, what came back."""
    agent = Agent()
    agent.ask(body, *headers, **names)
    request = upstream.request()
    request.connection.send(answer)
    return agent, request, agent.message(has_body=names.get("method") != "HEAD")


def error_of(answer):
    body = answer.json()
    equal(sorted(body), ["error", "request_id", "type"])
    equal(body["type"], "error")
    equal(answer.get("content-type"), "application/json")
    equal(answer.get("request-id"), body["request_id"])
    return f"{answer.status} {body['error']['type']}"


# ---- heads and bodies

def case_request():
    """a request goes upstream as it came, with the credential in place of the key"""
    body = b'{ "model":"claude-haiku-4-5",\r\n\t"max_tokens": 100 , "x":"\xc3\xa9\\u00e9", "messages":[] }\n'
    _, request, _ = exchange(
        body, whole("request"), "X-Odd-Name:  v  ", "anthropic-beta: a-1,b-2", "anthropic-beta: c-3",
        "anthropic-new-thing: 1", "User-Agent: test", "Accept-Encoding: gzip, br", "TE: trailers",
        "Connection: keep-alive, x-hop", "X-Hop: gone", f"Authorization: Bearer {KEY}",
        path="/v1/messages?beta=true&x=%2F..%2f&&y=?")
    equal(request.start, "POST /v1/messages?beta=true&x=%2F..%2f&&y=? HTTP/1.1")
    equal(request.body, body)
    equal(request.headers, [
        ("Host", f"127.0.0.1:{os.environ['FLOW_UPSTREAM_PORT']}"), ("anthropic-version", "2023-06-01"),
        ("X-Odd-Name", "v"), ("anthropic-beta", "a-1,b-2"), ("anthropic-beta", "c-3"),
        ("anthropic-new-thing", "1"), ("User-Agent", "test"), ("Accept-Encoding", "identity"),
        ("x-api-key", os.environ["FLOW_SECRET"]), ("Content-Length", str(len(body)))])


def case_response():
    """a response comes back as it is, but for what concerns one hop"""
    _, _, answer = exchange(hello(), (
        b"HTTP/1.1 200 Fine\r\nX-One: 1\r\nanthropic-ratelimit-unified-status: allowed\r\nX-One: 2\r\n"
        b"Content-Type: application/json\r\nKeep-Alive: timeout=5\r\nConnection: x-hop\r\nX-Hop: gone\r\n"
        b"Content-Length: 2\r\n\r\n{}"))
    equal(answer.start, "HTTP/1.1 200 Fine")
    equal(answer.headers, [
        ("X-One", "1"), ("anthropic-ratelimit-unified-status", "allowed"), ("X-One", "2"),
        ("Content-Type", "application/json"), ("Content-Length", "2")])
    equal(answer.body, b"{}")


def case_errors():
    """errors of the upstream come back untouched, and nothing is billed for them"""
    api_error = b'{"type": "error", "error": {"type": "x", "message": "\xc3\xa9"}, "request_id": "r"}'
    for status, headers, body, kind in [
            ("400 Bad Request", "", api_error, "application/json"),
            ("401 Unauthorized", "www-authenticate: Bearer\r\n", api_error, "application/json"),
            ("413 Payload Too Large", "cf-ray: x\r\n", b"<html>413</html>", "text/html"),
            ("429 Too Many Requests", "retry-after: 7\r\nx-should-retry: true\r\n", api_error,
             "application/json"),
            ("500 Internal Server Error", "x-should-retry: false\r\n", b"", "text/plain"),
            ("529 Overloaded", "x-should-retry: false\r\nretry-after-ms: 12\r\n", api_error,
             "application/json"),
            ("302 Found", "location: /elsewhere\r\n", b"", "text/plain")]:
        request_id = f"error-{status[:3]}"
        _, _, answer = exchange(hello(), plain(request_id, body, status, headers, kind))
        equal(answer.start, f"HTTP/1.1 {status}")
        equal(answer.body, body)
        for line in headers.splitlines():
            name, value = line.split(": ")
            equal(answer.get(name), value)
        found = daemon.exchange(request_id)
        equal((found["status"], found["end"], found["cost_usd"]), (status[:3], "upstream_error", "0.00"))
        if status.startswith("401"):  # whether it is the credential, a free call tells
            check = upstream.request()
            equal(check.start, "GET /v1/models?limit=1 HTTP/1.1")
            check.connection.send(plain("check", b"{}"))


def case_free_calls():
    """every path under /v1/ passes, with any method"""
    for method, path, body in [
            ("GET", "/v1/models?limit=1000", None), ("GET", "/v1/models/claude-x", None),
            ("POST", "/v1/messages/count_tokens?beta=true", b'{"model":"m"}'),
            ("DELETE", "/v1/new/thing", None), ("POST", "/v1/new/thing", b"anything at all \0\xff"),
            ("PUT", "/v1/x", b""), ("HEAD", "/v1/models", None)]:
        _, request, answer = exchange(body, plain("free", b"{}"), method=method, path=path)
        equal(request.start, f"{method} {path} HTTP/1.1")
        equal(request.body, body or b"")
        equal((answer.status, answer.get("content-length")), (200, "2"))


def case_bodiless():
    """answers without a body have none"""
    agent = Agent()
    for status in ("204 No Content", "304 Not Modified"):
        agent.ask(None, method="GET", path="/v1/models")
        upstream.request().connection.send(f"HTTP/1.1 {status}\r\nx: 1\r\n\r\n")
        answer = agent.message()
        equal((answer.start, answer.body), (f"HTTP/1.1 {status}", b""))
    equal(agent.answer(None, method="HEAD", path="/").status, 200)


# ---- streams

def case_events():
    """events arrive one by one, however the upstream splits them"""
    agent = Agent()
    agent.ask(hello(stream=True))
    connection = upstream.request().connection
    connection.send(stream_head("events"))
    head = agent.head()  # before there is any event
    equal((head.status, head.get("content-type"), head.get("transfer-encoding")),
          (200, "text/event-stream; charset=utf-8", "chunked"))
    for sent in [message_start(), text_delta("one"), b"event: pi", b"ng\ndata: {\"type\": \"ping\"}\n\n",
                 text_delta("zwölf \U0001f980")[:-30], text_delta("zwölf \U0001f980")[-30:],
                 message_end(42)]:
        connection.send(in_chunk(sent))
        equal(agent.chunk(), sent)  # before the next one is sent
    connection.send(LAST_CHUNK)
    equal(agent.chunk(), b"")
    found = daemon.exchange("events")
    equal((found["end"], found["input"], found["output"]), ("complete", "10", "42"))
    equal("estimated" in found, False)


def case_bytewise():
    """a stream whose every byte comes by itself is relayed and metered all the same"""
    agent = Agent()
    agent.ask(hello(stream=True))
    connection = upstream.request().connection
    sent = (message_start() + text_delta("x") + message_end(9)).replace(b"\n", b"\r\n")
    for byte in stream_head("bytewise") + b"".join(in_chunk(sent[i:i + 1]) for i in range(len(sent))):
        connection.send(bytes([byte]))
    connection.send(LAST_CHUNK)
    equal(agent.message().body, sent)
    equal(daemon.exchange("bytewise")["output"], "9")


def case_many_streams():
    """a hundred streams at a time do not mix"""
    agents, connections = [], []
    for i in range(100):
        agents.append(Agent())
        agents[i].ask(hello(stream=True))
        connections.append(upstream.request().connection)
        connections[i].send(stream_head(f"many-{i}"), in_chunk(message_start()))
    for turn in range(3):
        for i, connection in enumerate(connections):
            connection.send(in_chunk(text_delta(f"{i} {turn}")))
    for i, connection in enumerate(connections):
        connection.send(in_chunk(message_end(1000 + i)), LAST_CHUNK)
    for i, agent in enumerate(agents):
        expected = message_start() + b"".join(text_delta(f"{i} {turn}") for turn in range(3))
        equal(agent.message().body, expected + message_end(1000 + i))
        equal(daemon.exchange(f"many-{i}")["output"], str(1000 + i))


def case_stream_error():
    """an error inside of a stream passes and is booked as one"""
    agent = Agent()
    agent.ask(hello(stream=True))
    connection = upstream.request().connection
    sent = message_start() + event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    connection.send(stream_head("stream-error"), in_chunk(sent), LAST_CHUNK)
    equal(agent.message().body, sent)
    equal(daemon.exchange("stream-error")["end"], "stream_error")


def case_gzip():
    """a compressed stream passes as it is and is metered all the same"""
    import gzip
    sent = gzip.compress(message_start() + text_delta("x") + message_end(33))
    _, _, answer = exchange(hello(stream=True), stream_head("gzip").replace(
        b"request-id", b"Content-Encoding: gzip\r\nrequest-id") + in_chunk(sent) + LAST_CHUNK)
    equal((answer.get("content-encoding"), answer.body), ("gzip", sent))
    equal(daemon.exchange("gzip")["output"], "33")


# ---- back-pressure

def case_slow_agent():
    """a slow agent slows the upstream down, and the daemon does not grow"""
    agent = Agent()
    agent.ask(None, method="GET", path="/v1/large")
    connection = upstream.request().connection
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {STREAM_BYTES}\r\n\r\n")
    equal(agent.head().status, 200)
    before = daemon.resident_kb()
    sent = connection.fill(STREAM_BYTES)
    if sent == STREAM_BYTES:
        raise AssertionError("all of it was taken, though nobody reads")
    equal(daemon.resident_kb() - before <= GROWTH_MAX_KB, True)
    feeder = threading.Thread(target=lambda: connection.send(bytes(STREAM_BYTES - sent)))
    feeder.start()
    taken = len(agent.read)
    agent.read = b""
    while taken < STREAM_BYTES:
        taken += len(agent.sock.recv(MB))
    feeder.join()
    equal(taken, STREAM_BYTES)
    equal(daemon.resident_kb() - before <= GROWTH_MAX_KB, True)


def upload(framing):
    """Uploads STREAM_BYTES to an upstream that does not read at first. Returns both SHA-256."""
    agent, sent_hash, taken_hash = Agent(), hashlib.sha256(), hashlib.sha256()
    piece = bytes(range(256)) * 256
    body = (piece if framing.startswith("Content-Length") else in_chunk(piece))
    agent.send(f"POST /v1/files HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n{framing}\r\n\r\n")
    before = daemon.resident_kb()

    def feed():
        for _ in range(STREAM_BYTES // len(piece)):
            agent.send(body)
            sent_hash.update(piece)
        if body is not piece:
            agent.send(LAST_CHUNK)

    feeder = threading.Thread(target=feed)
    feeder.start()
    request = upstream.head()
    connection = request.connection
    feeder.join(1)  # long enough for all of it, if somebody took it
    equal(feeder.is_alive(), True)
    equal(daemon.resident_kb() - before <= GROWTH_MAX_KB, True)
    if request.get("transfer-encoding") == "chunked":
        while payload := connection.chunk():
            taken_hash.update(payload)
    else:
        taken = 0
        while taken < STREAM_BYTES:
            if not connection.read:
                connection.more()
            taken_hash.update(connection.read)
            taken += len(connection.read)
            connection.read = b""
    connection.send(plain("upload", b"{}"))
    equal(agent.message().status, 200)
    feeder.join()
    equal(daemon.resident_kb() - before <= GROWTH_MAX_KB, True)
    equal(taken_hash.hexdigest(), sent_hash.hexdigest())


def case_upload():
    """an upload of known length streams through in bounded memory"""
    upload(f"Content-Length: {STREAM_BYTES}")


def case_chunked_upload():
    """an upload in chunks streams through in bounded memory"""
    upload("Transfer-Encoding: chunked")


def case_upload_refused_early():
    """an upload that the upstream refuses before its end is answered, and the connection ends in sync"""
    agent = Agent()
    agent.send(f"POST /v1/files HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               f"Content-Length: {64 * MB}\r\n\r\n", bytes(MB))
    connection = upstream.head().connection
    connection.send(plain("early", b'{"no": 1}', "403 Forbidden"))
    answer = agent.message()
    equal((answer.status, answer.get("connection"), answer.body), (403, "close", b'{"no": 1}'))
    equal(agent.fill(8 * MB), 8 * MB)  # still no reset
    agent.sock.shutdown(socket.SHUT_WR)
    equal(agent.take_rest(), b"")


# ---- sizes

def big_hello(length, **members):
    body = json.dumps(hello(**members)).encode()
    return body[:-1] + b', "metadata": {"user_id": "' + b"x" * (length - len(body) - 29) + b'"}}'


def case_spilled():
    """a body of 5 MB waits in a file without a name, and arrives unchanged"""
    body = big_hello(5 * MB)
    equal(len(body), 5 * MB)
    agent = Agent()
    agent.ask(body)
    request = upstream.head()
    equal(len(daemon.unlinked_files()), 1)
    equal(hashlib.sha256(request.connection.take(len(body))).digest(), hashlib.sha256(body).digest())
    request.connection.send(whole("spilled"))
    equal(agent.message().status, 200)
    wait_until(lambda: daemon.unlinked_files() == [], "the file is closed")


def case_32_mb():
    """a message of 32 MB passes, in chunks as well"""
    body = big_hello(32 * MB)
    _, request, answer = exchange(body, whole("32"))
    equal((len(request.body), answer.status), (32 * MB, 200))
    agent = Agent()
    agent.send(f"POST /v1/messages HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               "Transfer-Encoding: chunked\r\n\r\n", in_chunk(body), LAST_CHUNK)
    request = upstream.request()
    equal(request.body == body, True)
    equal(request.get("content-length"), str(32 * MB))
    request.connection.send(whole("32-chunked"))
    equal(agent.message().status, 200)


def case_too_large():
    """a message above 32 MB is answered with 413 in the API's shape, announced or not"""
    agent = Agent()
    agent.send(f"POST /v1/messages HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               f"Content-Length: {40 * MB}\r\n\r\n", bytes(MB))
    answer = agent.message()
    equal(error_of(answer), "413 request_too_large")
    equal(answer.get("connection"), "close")
    agent = Agent()
    agent.send(f"POST /v1/messages HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               "Transfer-Encoding: chunked\r\n\r\n", in_chunk(bytes(32 * MB + 1)))
    answer = agent.message()
    equal(error_of(answer), "413 request_too_large")
    agent.sock.shutdown(socket.SHUT_WR)
    equal(agent.take_rest(), b"")
    equal(upstream.has_request(), False)
    equal(daemon.unlinked_files(), [])


def case_large_batch():
    """a batch of more than 32 MB passes"""
    requests = [{"custom_id": f"a{i}", "params": {"model": "claude-haiku-4-5", "max_tokens": 16, "messages": [
        {"role": "user", "content": "x" * MB}]}} for i in range(33)]
    body = json.dumps({"requests": requests}).encode()
    refusal = plain("batch", b"{}", "400 Bad Request")  # so that there is no batch to follow
    _, request, answer = exchange(body, refusal, path="/v1/messages/batches")
    equal((request.body == body, answer.status), (True, 400))


# ---- connections

def case_keep_alive():
    """requests follow one another on one connection, also sent ahead"""
    agent = Agent()
    for i in range(5):
        agent.ask(hello())
        upstream.request().connection.send(whole(f"keep-{i}"))
        equal(agent.message().get("request-id"), f"keep-{i}")
    for i in range(5):
        agent.ask(hello(user=i))
    for i in range(5):
        request = upstream.request()
        equal(request.json()["user"], i)
        equal(upstream.has_request(), False)  # each in its turn
        request.connection.send(whole(f"ahead-{i}"))
    for i in range(5):
        equal(agent.message().get("request-id"), f"ahead-{i}")


def case_sent_far_ahead():
    """a large request that is sent ahead of an answer is taken in its turn"""
    agent, body = Agent(), big_hello(900000)
    agent.ask(hello())
    first = upstream.request()
    feeder = threading.Thread(target=lambda: agent.ask(body))
    feeder.start()
    equal(upstream.has_request(), False)
    first.connection.send(whole("ahead-first"))
    equal(agent.message().status, 200)
    second = upstream.request()
    feeder.join()
    equal(second.body == body, True)
    second.connection.send(whole("ahead-second"))
    equal(agent.message().status, 200)


def case_old_client():
    """a client of HTTP/1.0 gets a stream without chunks, up to the end of the connection"""
    agent = Agent()
    agent.ask(hello(stream=True), version="HTTP/1.0")
    sent = message_start() + message_end(3)
    upstream.request().connection.send(stream_head("old"), in_chunk(sent), LAST_CHUNK)
    head = agent.head()
    equal((head.get("transfer-encoding"), head.get("connection")), (None, "close"))
    equal(agent.take_rest(), sent)


def case_probes():
    """warm-up probes are answered here, without a key"""
    agent = Agent()
    for path in ("/", "/api/hello", "/"):
        agent.send(f"HEAD {path} HTTP/1.1\r\nHost: reeve\r\n\r\n")
        answer = agent.head()
        equal((answer.status, answer.get("content-length"), answer.get("connection")), (200, "0", None))
    equal(upstream.has_request(), False)


def case_continue():
    """100 Continue is said before the body, and not if the head is refused"""
    agent = Agent()
    agent.send(f"POST /v1/messages HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               "Expect: 100-continue\r\nContent-Length: 200\r\n\r\n")
    equal(agent.head().start, "HTTP/1.1 100 Continue")
    agent.send(json.dumps(hello()).ljust(200))
    request = upstream.request()
    equal(request.get("expect"), None)
    request.connection.send(whole("continue"))
    equal(agent.message().status, 200)
    agent.send("POST /v1/messages HTTP/1.1\r\nHost: reeve\r\nExpect: 100-continue\r\n"
               "Content-Length: 88\r\n\r\n")
    equal(error_of(agent.message()), "401 authentication_error")
    equal(agent.take_rest(), b"")


def case_interim():
    """interim answers of the upstream are passed over"""
    _, _, answer = exchange(
        hello(), b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + whole("interim"))
    equal((answer.status, answer.get("link")), (200, None))


def case_idle_upstream():
    """a connection that the upstream has closed while idle is not noticed"""
    agent, request, _ = exchange(hello(), whole("idle-1"))
    for connection in list(upstream.connections):
        upstream.drop(connection)
    agent.ask(hello())
    request = upstream.request()
    request.connection.send(whole("idle-2"))
    equal(agent.message().status, 200)


# ---- what breaks

def case_cut_before():
    """an upstream that closes without an answer is a 502 in the API's shape"""
    agent = Agent()
    agent.ask(hello())
    upstream.drop(upstream.request().connection)
    answer = agent.message()
    equal(error_of(answer), "502 api_error")
    equal("closed before a response came" in answer.json()["error"]["message"], True)
    equal(answer.json()["request_id"].startswith("req_reeve_"), True)
    agent.ask(hello())  # the connection is still in sync
    upstream.request().connection.send(whole("after-cut"))
    equal(agent.message().status, 200)


def case_cut_stream():
    """a stream that is cut is cut for the agent as well, after all that came, and booked"""
    for reset in (False, True):
        agent = Agent()
        agent.ask(hello(stream=True))
        connection = upstream.request().connection
        sent = message_start() + text_delta("so far")
        connection.send(stream_head(f"cut-{reset}"), in_chunk(sent))
        equal(agent.head().status, 200)
        equal(agent.chunk(), sent)
        upstream.drop(connection, reset)
        try:
            equal(agent.take_rest(), b"")  # no last chunk
        except ConnectionError:
            pass
        found = daemon.exchange(f"cut-{reset}")
        equal((found["end"], found["input"], found["estimated"]), ("cut", "10", "yes"))


def case_broken_upstream():
    """an upstream that does not speak HTTP is a 502, not a crash"""
    for nonsense in (b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                     b"Content-Length: 2\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
        agent = Agent()
        agent.ask(hello())
        upstream.request().connection.send(nonsense)
        equal(error_of(agent.message()), "502 api_error")


def case_gone_mid_stream():
    """an agent that leaves in a stream: the upstream is read on, and the usage is exact"""
    agent = Agent()
    agent.ask(hello(stream=True))
    connection = upstream.request().connection
    connection.send(stream_head("gone-mid"), in_chunk(message_start()))
    agent.chunk() if agent.head() else None
    agent.close()
    connection.send(in_chunk(text_delta("nobody there")), in_chunk(message_end(77)), LAST_CHUNK)
    found = daemon.exchange("gone-mid")
    equal((found["output"], "estimated" in found), ("77", False))


def case_gone_before():
    """an agent that leaves before the first byte: the upstream is read all the same"""
    agent = Agent()
    agent.ask(hello(stream=True))
    connection = upstream.request().connection
    agent.close(reset=True)
    sent = message_start() + message_end(78)
    connection.send(stream_head("gone-before"), in_chunk(sent), LAST_CHUNK)
    found = daemon.exchange("gone-before")
    equal((found["output"], "estimated" in found), ("78", False))
    agent = Agent()
    agent.ask(hello())
    connection = upstream.request().connection
    agent.close()
    connection.send(whole("gone-whole", 79))
    equal(daemon.exchange("gone-whole")["output"], "79")
    agent = Agent()
    agent.ask(hello())
    connection = upstream.request().connection
    agent.close()
    connection.send(plain("gone-error", b"{}", "529 Overloaded"))
    equal(daemon.exchange("gone-error")["cost_usd"], "0.00")


def case_gone_in_body():
    """an agent that leaves before its request is whole: nothing goes upstream"""
    agent = Agent()
    agent.send(f"POST /v1/messages HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               "Content-Length: 1000\r\n\r\n", json.dumps(hello()))
    agent.close()
    equal(upstream.has_request(), False)


def case_gone_in_upload():
    """an agent that leaves in an upload: the upload is cut, never ended as if it were whole"""
    agent = Agent()
    agent.send(f"POST /v1/files HTTP/1.1\r\nHost: reeve\r\nx-api-key: {KEY}\r\n"
               "Transfer-Encoding: chunked\r\n\r\n", in_chunk(b"abc"))
    connection = upstream.head().connection
    equal(connection.take(6), b"3\r\nabc")
    agent.close()
    equal(connection.take_rest(), b"")
    upstream.connections.remove(connection)


def case_gone_from_free_call():
    """an agent that leaves a free call: the upstream is let go"""
    agent = Agent()
    agent.ask(None, method="GET", path="/v1/models")
    connection = upstream.request().connection
    agent.close()
    equal(connection.take_rest(), b"")
    upstream.connections.remove(connection)


# ---- with a run, or a daemon, of their own

def waiting_for_reserved_tokens():
    """who waits for reserved money is told when the time is up, though others settled meanwhile"""
    holder, waiter, other = Agent(), Agent(), Agent()
    holder.ask(hello(max_tokens=5000))
    held = upstream.request()
    other.ask(hello(max_tokens=100))
    small = upstream.request()
    waiter.ask(hello(max_tokens=12000))
    count = upstream.request()  # its bound did not fit, so the prompt is counted
    equal(count.start, "POST /v1/messages/count_tokens HTTP/1.1")
    count.connection.send(plain("count", b'{"input_tokens": 10}'))
    small.connection.send(whole("wait-other"))
    equal(other.message().status, 200)
    answer = waiter.message()
    equal((error_of(answer), answer.get("retry-after")), ("429 rate_limit_error", "2"))
    held.connection.send(whole("wait-held"))
    equal(holder.message().status, 200)
    waiter.ask(hello(max_tokens=12000))  # now there is room
    request = upstream.request()
    if request.start.startswith("POST /v1/messages/count_tokens"):
        request.connection.send(plain("count", b'{"input_tokens": 10}'))
        request = upstream.request()
    request.connection.send(whole("wait-waiter"))
    equal(waiter.message().status, 200)


def stop_while_streaming():
    """a daemon that is told to stop lets streams in flight finish"""
    agent, idle = Agent(), Agent()
    equal(idle.answer(None, method="HEAD", path="/").status, 200)
    agent.ask(hello(stream=True))
    connection = upstream.request().connection
    connection.send(stream_head("stop"), in_chunk(message_start()))
    equal(agent.head().status, 200)
    equal(agent.chunk(), message_start())
    os.kill(daemon.pid, signal.SIGTERM)
    equal(idle.take_rest(), b"")  # between two requests: closed at once
    for i in range(3):
        connection.send(in_chunk(text_delta(str(i))))
        equal(agent.chunk(), text_delta(str(i)))
    connection.send(in_chunk(message_end(55)), LAST_CHUNK)
    equal(agent.chunk(), message_end(55))
    equal(agent.chunk(), b"")
    equal(agent.take_rest(), b"")
    equal(daemon.exchange("stop")["output"], "55")


run_cases(globals(), sys.argv[1])
