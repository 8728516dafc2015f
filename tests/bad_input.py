#!/usr/bin/env python3
"""Requests that are broken, as the agent of a run; run by flow_bad_input.sh.

Each is answered with a clear error in the API's shape, on a connection that stays in sync or ends without a
reset, by a daemon that goes on. Requests that are good are counted, for the flow compares that with the fake's
books: nothing bad may get upstream.
"""
import socket
import sys

from ends import *

good_requests = 0


def answers_still(agent=None):
    """A good request is answered: the daemon is alive and this connection, if one is given, in sync."""
    global good_requests
    good_requests += 1
    agent = agent or Agent()
    answer = agent.answer(hello())
    equal((answer.status, "usage" in answer.json()), (200, True))


def error_of(answer):
    body = answer.json()
    equal(sorted(body), ["error", "request_id", "type"])
    equal((body["type"], sorted(body["error"])), ("error", ["message", "type"]))
    equal((answer.get("content-type"), answer.get("request-id")), ("application/json", body["request_id"]))
    return f"{answer.status} {body['error']['type']}", body["error"]["message"]


def refused(expected, words, *parts, ends=True):
    """Sends the parts and expects this error, whose message has these words; then the end, if `ends`."""
    agent = Agent()
    agent.send(*parts)
    answer = agent.message()
    what, message = error_of(answer)
    if what != expected or words not in message:
        raise AssertionError(f"{shorten(parts)}: {what}: {message}")
    equal(answer.get("connection"), "close" if ends else None)
    if ends:
        agent.sock.shutdown(socket.SHUT_WR)
        equal(agent.take_rest(), b"")  # in sync: no second answer, no reset
        answers_still()
    else:
        answers_still(agent)


def head(*lines, start="POST /v1/messages HTTP/1.1", host="Host: reeve"):
    return "\r\n".join([start, *([host] if host else []), f"x-api-key: {KEY}", *lines, "", ""])


def posted(body):
    body = body if isinstance(body, bytes) else body.encode()
    return head(f"Content-Length: {len(body)}").encode() + body


BAD = "400 invalid_request_error"


def case_json():
    """bodies that are no JSON, or not a message, are refused by the place and what is wrong"""
    message = '"max_tokens":1,"messages":[]'
    for words, body in [
            ("", ""), ("", " "), ("", "{"), ("", '{"model":'), ("", '{"model":"m",}'), ("", "[]"), ("", '"x"'),
            ("", "null"), ("", "{}x"), ("", '{"a":01}'), ("", "{'a':1}"), ("", '{"a":"\n"}'),
            ("", '{"a":"\\x"}'), ("", '{"a":nul}'), ("", "\0"), ("", b'{"a":"\xff"}'), ("", b"\xef\xbb\xbf{}"),
            ("", '{"a":' + "[" * 100000 + "]" * 100000 + "}"),
            ("model: Field required", "{" + message + "}"),
            ("max_tokens: Field required", '{"model":"m","messages":[]}'),
            ("", '{"model":7,' + message + "}"), ("", '{"model":null,' + message + "}"),
            ("model", '{"model":"m","model":"n",' + message + "}"),
            ("", '{"model":"m","mod\\u0065l":"n",' + message + "}"),
            ("max_tokens", '{"model":"m","max_tokens":1,"max_tokens":2}'),
            ("", '{"model":"m","max_tokens":-1}'), ("", '{"model":"m","max_tokens":1.5}'),
            ("", '{"model":"m","max_tokens":"1"}'), ("", '{"model":"m","max_tokens":1e400}'),
            ("", '{"model":"m","max_tokens":99999999999999999999}'),
            ("stream", '{"model":"m","stream":"yes",' + message + "}")]:
        refused(BAD, words, posted(body), ends=False)


def case_encoding():
    """a compressed body is refused, as nobody could bound what it costs"""
    refused(BAD, "Content-Encoding", head("Content-Encoding: gzip", "Content-Length: 3"), "abc")


def case_lengths():
    """lengths that can be read in two ways, or in none, are refused"""
    for lines in [("Content-Length: 3", "Content-Length: 3"), ("Content-Length: 3", "Content-Length: 4"),
                  ("Content-Length: 3, 3",), ("Content-Length: +3",), ("Content-Length: -3",),
                  ("Content-Length:",), ("Content-Length: 0x3",), ("Content-Length: 3 3",),
                  ("Content-Length: 3.0",), ("Content-Length: three",)]:
        refused(BAD, "Content-Length", head(*lines), "abc")
    refused("413 request_too_large", "", head("Content-Length: 99999999999999999999"), "abc")
    refused("413 request_too_large", "", head("Content-Length: 33554433"), "abc")
    for lines in [("Content-Length: 3", "Transfer-Encoding: chunked"),
                  ("Transfer-Encoding: chunked", "Content-Length: 3"),
                  ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")]:
        refused(BAD, "Transfer-Encoding", head(*lines), "3\r\nabc\r\n0\r\n\r\n")
    for coding in ("gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked", ""):
        refused("501 api_error", "transfer coding", head(f"Transfer-Encoding: {coding}"), "0\r\n\r\n")
    refused(BAD, "Transfer-Encoding", head("Transfer-Encoding: chunked",
                                           start="POST /v1/messages HTTP/1.0"), "0\r\n\r\n")


def case_chunks():
    """chunks that lie are refused"""
    for body in ["x", "-1\r\n", "+1\r\n", "0x1\r\n", "1\n", "\r\n", "g\r\n", "1 \r\n", "3\r\nabcd\r\n",
                 "3\r\nab\r\n0\r\n\r\n", "1\r\na\n", "fffffffffffffffff\r\n", "1;" + "x" * 1000 + "\r\na\r\n",
                 "0\r\nx: " + "y" * 10000 + "\r\n\r\n", "0\r\n\0\r\n\r\n", "0\r\n\n"]:
        refused(BAD, "chunk", head("Transfer-Encoding: chunked"), body)


def case_many_headers():
    """too many headers, or too long ones, are refused"""
    for lines in [["x: 1"] * 10000, ["x: 1"] * 127, ["x: " + "y" * (1 << 20)], ["x" * (1 << 20) + ": 1"]]:
        refused("431 invalid_request_error", "", head(*lines))
    refused("414 invalid_request_error", "", head(start="GET /v1/" + "x" * 9000 + " HTTP/1.1"))
    refused("414 invalid_request_error", "", head(start="GET /v1/" + "x" * (1 << 20) + " HTTP/1.1"))


def case_lines():
    """heads whose lines can be read in two ways are refused"""
    for lines in [("x : 1",), (" x: 1",), ("x: 1", " folded"), ("x",), (": 1",), ("x\0: 1",), ("x: \0",),
                  ("x: \x7f",), ("x: a\rb: 2",), ("x: 1\ny: 2",), ("x: 1\n\ny: 2",), ("x(: 1",)]:
        refused(BAD, "of the head", head(*lines))
    refused(BAD, "LF alone", f"GET /v1/models HTTP/1.1\nHost: reeve\nx-api-key: {KEY}\n\n")
    refused(BAD, "Host", head(host=None))
    refused(BAD, "Host", head("Host: other"))
    refused(BAD, "Host", head(host="Host: a b"))
    refused("417 invalid_request_error", "", head("Expect: tea", "Content-Length: 3"), "abc")


def case_request_lines():
    """request lines that are none are refused"""
    for start in ["GET", "GET /v1/models", "GET  /v1/models HTTP/1.1", "GET /v1/models  HTTP/1.1",
                  "GET /v1/mo dels HTTP/1.1", " GET /v1/models HTTP/1.1", "G@T /v1/models HTTP/1.1",
                  "GET /v1/models HTTP/11", "GET /v1/models http/1.1", "GET /v1/models HTTP/1.x",
                  "GET v1/models HTTP/1.1", "GET /v1/\x01 HTTP/1.1", "GET /v1/m#f HTTP/1.1", "GET * HTTP/1.1",
                  "GET ftp://x/v1/models HTTP/1.1", "GET http:///v1/models HTTP/1.1"]:
        refused(BAD, "", head(start=start))
    refused("501 api_error", "CONNECT", head(start="CONNECT api.anthropic.com:443 HTTP/1.1"))
    refused("505 api_error", "", head(start="GET /v1/models HTTP/2.0"))
    refused("505 api_error", "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    refused(BAD, "not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512))
    refused(BAD, "", bytes(range(256)) * 10)


def case_paths():
    """paths that are not the API's are refused, and other names for what is billed"""
    for start in ["GET / HTTP/1.1", "GET /health HTTP/1.1", "GET /v2/models HTTP/1.1", "OPTIONS * HTTP/1.1",
                  "GET /api/oauth/usage HTTP/1.1"]:
        refused("404 not_found_error", "/v1/", head(start=start), ends=False)
    for path in ["/v1//messages", "/v1/messages/", "/v1/./messages", "/v1/x/../messages", "/v1/%6dessages"]:
        body = json.dumps(hello())
        refused("404 not_found_error", "", head(f"Content-Length: {len(body)}", start=f"POST {path} HTTP/1.1"),
                body)


def case_keys():
    """keys that are none are refused, whatever is in them"""
    for line in ["x-api-key: \xe9\xff", "x-api-key: " + "k" * 60000, "Authorization: Bearer",
                 "Authorization: Bearer \xff", "Authorization: Digest x", "x-api-key:"]:
        agent = Agent()
        agent.send(f"GET /v1/models HTTP/1.1\r\nHost: reeve\r\n{line}\r\n\r\n".encode("latin-1"))
        equal(error_of(agent.message())[0], "401 authentication_error")


def case_never_whole():
    """requests that never become whole leave nothing behind"""
    for parts in [["P"], ["POST /v1/messages HTTP/1.1\r\nHost: re"], [head("Content-Length: 1000"), "{"],
                  [head("Transfer-Encoding: chunked"), "5\r\nab"], [head("Transfer-Encoding: chunked")],
                  [head("Content-Length: 3000000"), "x" * 2000000]]:
        for reset in (False, True):
            agent = Agent()
            agent.send(*parts)
            agent.close(reset)
        agent = Agent()
        agent.send(*parts)
        agent.sock.shutdown(socket.SHUT_WR)
        equal(agent.take_rest(), b"")
    answers_still()


def case_at_once():
    """two hundred broken requests at once do not keep a good one from its answer"""
    agents = [Agent() for _ in range(200)]
    for i, agent in enumerate(agents):
        agent.send([head("x : 1"), posted("{"), head("Content-Length: 1000"), "P"][i % 4])
    answers_still()
    for i, agent in enumerate(agents):
        if i % 4 < 2:
            equal(error_of(agent.message())[0], BAD)
        agent.close()
    answers_still()


try:
    run_cases(globals(), "case_")
finally:
    with open(os.environ["FLOW_GOOD_REQUESTS"], "w") as file:
        print(good_requests, file=file)
