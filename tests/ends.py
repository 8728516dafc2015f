"""Both ends of the proxy as raw sockets, for flow tests: an agent and an upstream that do what a test says.

Cases are functions; run_cases() prints `ok NAME` or `not ok NAME` for each, by its docstring.
"""
import json
import os
import select
import socket
import ssl
import sys
import time
import traceback
import urllib.parse

PATIENCE_S = 60  # for what is going to happen anyway
KEY = os.environ.get("ANTHROPIC_API_KEY", "")
BASE = urllib.parse.urlsplit(os.environ.get("ANTHROPIC_BASE_URL", "http://127.0.0.1:1"))


def run_cases(namespace, prefix):
    """Runs the functions whose names begin with the prefix, in the order of the file."""
    failed = False
    for name, case in list(namespace.items()):
        if not name.startswith(prefix):
            continue
        try:
            case()
            print(f"ok {case.__doc__}", flush=True)
        except Exception:
            failed = True
            print(f"not ok {case.__doc__}", flush=True)
            print("    " + traceback.format_exc().strip().replace("\n", "\n    "), flush=True)
    sys.exit(failed)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{shorten(actual)} is not {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 600 else f"{text[:300]}…{text[-300:]}"


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.01)


class Message:
    """A head, as it came, and the body behind it without its framing."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.headers = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "")
                        for line in lines[1:] if line]
        self.body = b""

    def get(self, name):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    def json(self):
        return json.loads(self.body)


class Connection:
    """A socket that is read by what HTTP calls things."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def send(self, *parts):
        self.sock.sendall(b"".join(part.encode() if isinstance(part, str) else part for part in parts))

    def more(self):
        """Reads what has come. Returns False at the end."""
        got = self.sock.recv(1 << 20)
        self.read += got
        return got != b""

    def take(self, length):
        while len(self.read) < length:
            if not self.more():
                raise EOFError(f"ended after {shorten(self.read)}")
        taken, self.read = self.read[:length], self.read[length:]
        return taken

    def take_to(self, mark):
        while mark not in self.read:
            if not self.more():
                raise EOFError(f"ended after {shorten(self.read)}")
        taken, self.read = self.read.split(mark, 1)
        return taken

    def take_rest(self):
        """All up to the end of the connection, which must be no reset."""
        while self.more():
            pass
        taken, self.read = self.read, b""
        return taken

    def chunk(self):
        """The payload of the next chunk; empty at the end of the body, which has no trailers here."""
        length = int(self.take_to(b"\r\n"), 16)
        payload = self.take(length)
        equal(self.take(2), b"\r\n")
        return payload

    def head(self):
        return Message(self.take_to(b"\r\n\r\n"))

    def message(self, has_body=True):
        message = self.head()
        if not has_body or message.start.startswith(("HTTP/1.1 204", "HTTP/1.1 304")):
            return message
        if message.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                message.body += piece
        elif message.get("content-length") is not None:
            message.body = self.take(int(message.get("content-length")))
        elif message.start.startswith("HTTP/"):
            message.body = self.take_rest()
        return message

    def close(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def fill(self, total, quiet_s=1.0):
        """Sends zeros until the other end takes no more for a while, at most `total`. Returns how many."""
        piece, sent = bytes(65536), 0
        self.sock.setblocking(False)
        while sent < total and select.select([], [self.sock], [], quiet_s)[1]:
            try:
                sent += self.sock.send(piece[:total - sent])
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
        self.sock.settimeout(PATIENCE_S)
        return sent


class Agent(Connection):
    def __init__(self):
        super().__init__(socket.create_connection((BASE.hostname, BASE.port)))

    def ask(self, body, *headers, path="/v1/messages", method="POST", version="HTTP/1.1"):
        """Sends a request with the run key and this body, None for none."""
        lines = [f"{method} {path} {version}", "Host: reeve", f"x-api-key: {KEY}",
                 "anthropic-version: 2023-06-01", *headers]
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines), "\r\n\r\n", body or b"")

    def answer(self, *arguments, **names):
        self.ask(*arguments, **names)
        return self.message(has_body=names.get("method") != "HEAD")


class Upstream:
    """Listens where the daemon thinks the Claude API is. Requests may come on any of its connections."""

    def __init__(self, port, certificate=None):
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.connections = []

    def head(self):
        """The next request's head; its connection, on which the body follows, in .connection."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for connection in self.connections:
                if b"\r\n\r\n" in connection.read:
                    message = connection.head()
                    message.connection = connection
                    return message
            self.wait()
        raise AssertionError("no request has come upstream")

    def wait(self, patience_s=1.0):
        """Reads what has come, or accepts. Returns whether there was anything."""
        sockets = {each.sock: each for each in self.connections}
        ready = [sock for sock in sockets if self.tls and sock.pending()]
        ready = ready or select.select([self.listener, *sockets], [], [], patience_s)[0]
        for sock in ready:
            if sock is self.listener:
                self.accept()
                continue
            try:
                alive = sockets[sock].more()
            except (ConnectionError, ssl.SSLError):
                alive = False
            if not alive:
                self.drop(sockets[sock])
        return ready != []

    def accept(self):
        sock = self.listener.accept()[0]
        try:
            self.connections.append(Connection(self.tls.wrap_socket(sock, True) if self.tls else sock))
        except (ConnectionError, ssl.SSLError):
            sock.close()

    def request(self):
        message = self.head()
        if message.get("transfer-encoding") == "chunked":
            while piece := message.connection.chunk():
                message.body += piece
        elif message.get("content-length") is not None:
            message.body = message.connection.take(int(message.get("content-length")))
        return message

    def drop(self, connection, reset=False):
        self.connections.remove(connection)
        connection.close(reset)

    def has_request(self):
        """Whether something has come that nobody has asked for."""
        while self.wait(0.2):
            pass
        return any(connection.read for connection in self.connections)


def hello(**members):
    return {"model": "claude-haiku-4-5", "max_tokens": 100,
            "messages": [{"role": "user", "content": "hello"}], **members}


def usage(**counts):
    return {"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0, **counts}


def event(kind, **members):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def message_start():
    return event("message_start", message={
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [],
        "stop_reason": None, "usage": usage()})


def text_delta(text):
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def message_end(output_tokens):
    return (event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": output_tokens}) +
            event("message_stop"))


def in_chunk(payload):
    return b"%x\r\n%s\r\n" % (len(payload), payload)


LAST_CHUNK = b"0\r\n\r\n"


def stream_head(request_id):
    return (f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            f"request-id: {request_id}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()


def whole(request_id, output_tokens=7, status="200 OK", headers=""):
    """A whole message as the upstream answers it."""
    body = json.dumps({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
                       "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
                       "usage": usage(output_tokens=output_tokens)})
    return plain(request_id, body.encode(), status, headers)


def plain(request_id, body, status="200 OK", headers="", content_type="application/json"):
    return (f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nrequest-id: {request_id}\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Daemon:
    """The daemon's process and log, as the flow has named them in the environment."""

    def __init__(self):
        self.pid = int(os.environ["FLOW_SERVE_PID"])
        self.log = os.environ["FLOW_SERVE_LOG"]

    def resident_kb(self, which="VmRSS"):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(which + ":"))

    def unlinked_files(self):
        """Files without a name that the daemon has open."""
        folder = f"/proc/{self.pid}/fd"
        links = []
        for fd in os.listdir(folder):
            try:
                links.append(os.readlink(f"{folder}/{fd}"))
            except FileNotFoundError:  # closed meanwhile
                pass
        return [link for link in links if link.endswith(" (deleted)")]

    def exchange(self, request_id):
        """What the log says of the exchange of that request id, once it is there: {key: value}.

        Its status and tokens are under "status", "input" and "output" for short.
        """
        short = {"http.response.status_code": "status", "gen_ai.usage.input_tokens": "input",
                 "gen_ai.usage.output_tokens": "output"}
        lines = []

        def find():
            with open(self.log) as log:
                lines[:] = [line for line in log
                            if line.startswith("exchange ") and f"request_id={request_id}\n" in line]
            return lines != []
        wait_until(find, f"no exchange {request_id} in the log")
        equal(len(lines), 1)
        found = dict(pair.split("=", 1) for pair in lines[0].split()[1:])
        return {short.get(key, key): value for key, value in found.items()}
