"""Those who have no token, send what nobody should, or are slow: they read, start and block nothing."""

import random
import socket
from collections import Counter
from contextlib import ExitStack

import pytest

from etl.operations.serve.changes import Changes
from etl.operations.serve.handler import OWN_PLACE
from etl.operations.serve.limits import Limit, Limits
from etl.operations.serve.reading import Reading
from tests.support.serving import BEARER, HTML, TOKEN, Client, files_of, send, served

PARTS = (
    *("..", "%2e%2e", "%252e%252e", "%00", "a%00b", "%ff", "%0d%0aX: y", "etc", "passwd", "last", "sales", ""),
    *("ledger.sqlite", "%2F", "'; drop table runs; --", "1 or 1=1", "\\..\\", "a" * 3000, "runs", "quarantine"),
    *(
        "generations",
        "profiles",
        "report.json",
        "rollback",
        "discard",
        "replay",
        "events",
        "log",
        "login%2F..%2Fruns",
    ),
)


def hostile(chance: random.Random) -> bytes:
    """Return a request that somebody sends who wants what is not theirs."""
    method = chance.choice(["GET", "POST", "POST", "HEAD", "PUT", "DELETE", "FOO", "get", "GET /runs"])
    path = "/" + "/".join(chance.choice(PARTS).replace(" ", "%20") for _ in range(chance.randint(0, 5)))
    query = chance.choice(["", "?", "?date=2024-03-04'--", "?rule=%00", "?line=1&line=x", "?next=//evil.example"])
    body = chance.choice([b"", b"key=&reason=x", b"token=x", b"\x00\xff", b"reason=" + b"x" * 70_000])
    headers = chance.sample(
        [
            "Authorization: Bearer x", f"Authorization: Basic {TOKEN}", "Authorization: Bearer",
            "Cookie: etl=1; a", f"Cookie: etl_session={TOKEN}", "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: localhost",
            "Transfer-Encoding: chunked", "Content-Length: 1000000000", "X: " + "y" * 20_000, "Accept: text/html",
            "X-HTTP-Method-Override: POST", "Upgrade: websocket", "Host: localhost", "Expect: 100-continue",
        ],
        chance.randint(0, 4),
    )  # fmt: skip
    lines = [f"{method} {path}{query} HTTP/1.1", "Host: localhost", *headers]
    if "Transfer-Encoding: chunked" in headers:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif "Content-Length: 1000000000" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def test_a_thousand_requests_without_the_token_read_nothing_and_start_nothing(project, monkeypatch):
    done: list[object] = []
    monkeypatch.setattr(Changes, "begin", lambda *given: done.append(given))
    monkeypatch.setattr(Reading, "do", lambda *given: done.append(given))
    chance, before, statuses = random.Random(17), files_of(project), Counter[str]()
    with served(project) as stranger:
        for _ in range(1000):
            answer = send(stranger.port, hostile(chance)).removeprefix(b"HTTP/1.1 100 (Continue)\r\n\r\n")
            statuses[answer[9:12].decode()] += 1
            if answer[9:12] == b"200":
                assert b"<title>Log in, etl</title>" in answer
            assert b"sales" not in answer.partition(b"\r\n\r\n")[2] and b"Traceback" not in answer
    assert not done
    assert files_of(project) == before
    # an empty one is of a connection that was cut off, since what came can be no request
    assert statuses.keys() <= {"", "200", "303", "400", "401", "403", "405", "413", "421", "429", "431"}, statuses
    assert statuses["401"] > 100, statuses


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2F..%2Fledger.sqlite", "/runs/%2e%2e/log", "/runs/a%00b", "/runs/%ff/log", "/runs/x'--",
        "/quarantine/..%2Fquarantine%2Fsales", "/quarantine/sales?date=2024-03-04'%20or%201=1", "/quarantine/*",
        "/quarantine/sales?line=0", "/quarantine/sales?line=99999999999999999999", "/quarantine/sales?rule=%00",
        "/generations/..%2F..%2Fraw/rollback", "/generations/.%2F/rollback", "/profiles/..%2F..", "/changes/..",
        "/profiles/raw.x'--", "/runs/last/log?step=%0a%00", "/runs?last=1e9", "/quarantine/sales?limit=-1", "/%00",
        "//runs",
    ],
)  # fmt: skip
def test_with_the_token_too_a_hostile_name_is_no_name(stranger, path):
    answer = Client(stranger.port, BEARER).get(path)
    assert answer.status in (400, 404), answer
    assert "Traceback" not in answer.text


def test_sql_in_a_value_is_a_value(stranger):
    client = Client(stranger.port, BEARER)
    assert client.get("/quarantine/sales?rule=x'%20or%20'1'='1").data["total"] == 0
    assert client.get("/quarantine/sales?file=x')%20or%20true%20--").data["total"] == 0
    assert client.get("/quarantine/sales").data["total"] == 2


def test_slow_clients_block_nobody(project):
    with served(project) as stranger, ExitStack() as stack:
        for number in range(120):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", stranger.port)))
            head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n"
            slow.sendall(head + (b"\r\ntoken=" if number % 2 else b""))
        # and those who ask and do not listen
        for _ in range(20):
            deaf = stack.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", stranger.port))
            deaf.sendall(
                f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode() * 3
            )
        client = Client(stranger.port, BEARER)
        assert [client.get(path).status for path in ("/runs", "/", "/quarantine/sales")] == [200, 200, 200]


def test_who_guesses_tokens_has_to_wait(project):
    with served(project) as stranger:
        said = [stranger.post("/login", {"token": f"guess {number}"}).status for number in range(12)]
        assert said[:10] == [401] * 10 and said[-1] == 429
        # the right one would tell that it is right
        assert Client(stranger.port, BEARER).get("/runs").status == 429


def test_who_asks_too_often_has_to_wait(project):
    with served(project, limits=Limits(asking=Limit(5, 0.001))) as stranger:
        said = [stranger.get("/nope") for _ in range(7)]
        assert [answer.status for answer in said] == [401] * 5 + [429] * 2
        assert 900 < int(said[-1].headers["retry-after"]) <= 1001


def test_a_browser_is_led_to_no_other_site(stranger):
    for place in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a b",
        "/a\r\nX: y",
        "javascript:x",
    ):
        answer = stranger.post("/login", {"token": TOKEN, "next": place})
        assert answer.status in (303, 400)
        assert answer.headers.get("location", "/") == "/"
        assert not OWN_PLACE.fullmatch(place)
    wanted = stranger.get("/quarantine/sales?rule=record", **HTML).headers["location"]
    assert wanted == "/login?next=%2Fquarantine%2Fsales%3Frule%3Drecord"
    found = stranger.post("/login", {"token": TOKEN, "next": "/quarantine/sales?rule=record"})
    assert found.headers["location"] == "/quarantine/sales?rule=record"


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(stranger):
    cookie = stranger.post("/login", {"token": TOKEN}).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKEN not in cookie
    behind_tls = stranger.post("/login", {"token": TOKEN}, Origin=f"https://127.0.0.1:{stranger.port}")
    assert "Secure" in behind_tls.headers["set-cookie"]
    browser = stranger.log_in()
    assert browser.get("/runs").status == 200
    assert browser.post("/logout", {"key": browser.form_key()}).status == 303
    assert browser.get("/runs").headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n%b\r\n" + b"x" * 70_000,
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\n%bX: " + b"y" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n%bContent-Length: 0\r\n\r\n",
        b"POST /runs HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n",
    ],
    ids=["body", "header", "two hosts", "no host"],
)
def test_what_is_too_large_or_ambiguous_begins_nothing_with_the_token_either(project, request_bytes, monkeypatch):
    begun: list[object] = []
    monkeypatch.setattr(Changes, "begin", lambda *given: begun.append(given))
    shown = f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n".encode()
    with served(project) as stranger:
        answer = send(stranger.port, request_bytes.replace(b"%b", shown))
        assert answer[9:12] in (b"", b"400", b"413", b"421", b"431")
        assert Client(stranger.port, BEARER).get("/runs").status == 200
    assert not begun
