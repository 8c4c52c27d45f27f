"""Senders that sign, or have a token for just that, begin runs; what is forged, replayed or old begins nothing."""

import base64
import hashlib
import hmac
import http.client
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError
from etl.ledger import Ledger, Switch
from etl.operations.serve.changes import Change, Changes
from etl.operations.serve.hooks import Hooks, Seen
from etl.operations.serve.limits import Limit, Limits
from etl.project import Project
from etl.project.signatures import signed
from etl.reports import events
from etl.reports.events import posting
from tests.support import publishers
from tests.support.projects import wait_for
from tests.support.serving import TOKEN, Answer, Client, served

KEY, OTHER_KEY = b"k" * 24, b"o" * 24
GITHUB = "a-secret-of-github-0123"
RUNS_TOKEN, SALES_TOKEN, ALL_TOKEN = "t" * 20, "s" * 20, "a" * 20
ENVIRONMENT = {
    "ETL_HOOK_SECRET": f"whsec_{base64.b64encode(OTHER_KEY).decode()} whsec_{base64.b64encode(KEY).decode()}",
    "ETL_GITHUB_SECRET": GITHUB,
    "ETL_HOOK_TOKENS": f"runs={RUNS_TOKEN} deliveries/sales={SALES_TOKEN} runs,deliveries={ALL_TOKEN}",
}
FAST = Limits(*(Limit(1e9, 1e9) for _ in range(3)))
BODY = b'{"type": "published", "data": {}}'


@pytest.fixture
def client(project: Project) -> Iterator[Client]:
    with served(project, hooks=Hooks.of(ENVIRONMENT), limits=FAST) as found:
        yield found


def send(client: Client, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        found = connection.getresponse()
        return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read().decode())
    finally:
        connection.close()


def standard(name: str = "msg_1", key: bytes = KEY, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    return signed([key], name, int(time.time() if at is None else at), body)


def github(name: str = "72d3162e", secret: str = GITHUB, body: bytes = BODY) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Delivery": name, "X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push"}


def ended(client: Client, answer: Answer) -> dict[str, Any]:
    """Return the change that an answer tells of, once it is over."""
    assert answer.status == 202, answer
    asking = Client(client.port, {"Authorization": f"Bearer {TOKEN}"})
    place = answer.headers["location"]
    return wait_for(lambda: (found := asking.get(place).data)["exit_code"] is not None and found)


SENDERS = {
    "standard": standard(),
    "github": github(),
    "token for runs": {"Authorization": f"Bearer {RUNS_TOKEN}"},
    "token for both": {"Authorization": f"Bearer {ALL_TOKEN}"},
    "the token": {"Authorization": f"Bearer {TOKEN}"},
}


@pytest.mark.parametrize("sender", SENDERS)
def test_every_kind_of_sender_begins_a_run(sender: str, client: Client, project: Project) -> None:
    before = len(list((project.data / "logs").glob("*.jsonl")))
    answer = send(client, "/runs", BODY, SENDERS[sender] if sender != "standard" else standard())
    change = ended(client, answer)
    assert (change["exit_code"], change["arguments"]) == (0, ["run"])
    assert re.match(r"\d{8}T|^$", answer.data["run"])
    assert len(list((project.data / "logs").glob("*.jsonl"))) == before + 1


def test_an_event_of_another_project_begins_a_run_and_only_one(
    client: Client, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = publishers.project(tmp_path / "shop", "events = yes\n")
    ledger = Ledger(shop.ledger)
    events.prepare(shop, ledger)
    monkeypatch.setenv("ETL_EVENTS_URL", f"http://127.0.0.1:{client.port}/runs")
    monkeypatch.setenv("ETL_EVENTS_SECRET", f"whsec_{base64.b64encode(KEY).decode()}")
    name = publishers.publish(shop, {"marts.items": ("id int", [(1,)])})
    ledger.note_switch(Switch("2024-03-01T00:00:00+00:00", name, "", "publish"))
    begun: list[Change] = []
    begin = Changes.begin
    monkeypatch.setattr(Changes, "begin", lambda *given: begun.append(begin(*given)) or begun[-1])
    events.keep_up(shop, ledger)
    assert wait_for(lambda: posting.told(shop) == [] and begun[0].exit_code is not None)
    # its acceptance was never heard of
    for path in (shop.data / "events").glob("*.sent"):
        path.unlink()
    events.keep_up(shop, ledger)
    assert posting.told(shop) == []
    assert [(change.exit_code, change.arguments) for change in begun] == [(0, ["run"])]


FORGED = {
    "another key": lambda: standard(key=b"x" * 24),
    "another body": lambda: standard(body=b"{}"),
    "too old": lambda: standard(at=time.time() - 1000),
    "too far ahead": lambda: standard(at=time.time() + 1000),
    "no time": lambda: {**standard(), "webhook-timestamp": "soon"},
    "another name": lambda: {**standard(), "webhook-id": "msg_2"},
    "no name": lambda: {**standard(), "webhook-id": ""},
    "a long name": lambda: {**standard(), "webhook-id": "x" * 1000},
    "many signatures": lambda: {**standard(), "webhook-signature": "v1,xx " * 500},
    "an empty signature": lambda: {**standard(), "webhook-signature": ""},
    "another secret of GitHub": lambda: github(secret="x" * 20),
    "another body of GitHub": lambda: github(body=b"{}"),
    "an old signature of GitHub": lambda: {"X-GitHub-Delivery": "1", "X-Hub-Signature-256": "sha1=00"},
    "a token for sources": lambda: {"Authorization": f"Bearer {SALES_TOKEN}"},
    "no token": dict,
    "a wrong token": lambda: {"Authorization": "Bearer nobody-knows-this-one"},
    "a signature of nobody": lambda: {"X-Signature": "x"},
}


def test_what_is_forged_begins_nothing_and_leaves_nothing(client: Client, project: Project) -> None:
    before = len(list((project.data / "logs").glob("*.jsonl")))
    for forged in FORGED.values():
        answer = send(client, "/runs", BODY, forged())
        assert answer.status in (400, 401, 403), answer
        assert "location" not in answer.headers
    assert len(list((project.data / "logs").glob("*.jsonl"))) == before
    assert not (project.data / "hooks.sqlite").exists()


def test_what_github_does_not_sign_makes_no_other_message():
    hooks = Hooks.of(ENVIRONMENT)

    first = hooks.message(github("first"), BODY)

    assert hooks.message(github("second"), BODY) == first
    assert hooks.message(github("first", body=b"{}"), b"{}") != first


@pytest.mark.parametrize("message", [standard, github])
def test_a_message_that_is_sent_again_begins_nothing_also_after_a_restart(message, project: Project) -> None:
    with served(project, hooks=Hooks.of(ENVIRONMENT), limits=FAST) as client:
        ended(client, send(client, "/runs", BODY, message()))
        assert [send(client, "/runs", BODY, message()).status for _ in range(3)] == [200, 200, 200]
    with served(project, hooks=Hooks.of(ENVIRONMENT), limits=FAST) as client:
        answer = send(client, "/runs", BODY, message())
    assert (answer.status, answer.data) == (200, {"said": "This message was taken before."})


def test_while_one_runs_a_message_is_refused_and_may_come_again(
    client: Client, project: Project, monkeypatch
) -> None:
    monkeypatch.setattr("etl.operations.serve.changes.holder", lambda project: "20240301T000000.000Z-abcd")
    answer = send(client, "/runs", BODY, standard("msg_7"))
    assert (answer.status, "is under way" in answer.text) == (409, True)
    monkeypatch.undo()
    ended(client, send(client, "/runs", BODY, standard("msg_7")))


def test_who_asks_too_often_waits(project: Project) -> None:
    limits = Limits(changing=Limit(1, 0.01))
    with served(project, hooks=Hooks.of(ENVIRONMENT), limits=limits) as client:
        answers = [send(client, "/runs", BODY, standard(f"msg_{number}")) for number in range(2)]
        ended(client, answers[0])
    assert [answer.status for answer in answers] == [202, 429]
    assert int(answers[1].headers["retry-after"]) > 1


def test_a_large_body_is_not_read(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as found:
        found.sendall(b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        assert found.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_a_sender_may_look_at_nothing(client: Client) -> None:
    for headers in ({"Authorization": f"Bearer {ALL_TOKEN}"}, standard(body=b"")):
        for path in ("/runs", "/quarantine/sales", "/report.json", "/generations"):
            assert send(client, path, b"", headers, "GET").status == 401
    assert send(client, "/generations/x/rollback", b"", standard(body=b"")).status == 401


def test_read_only_is_read_only_for_senders_too(project: Project) -> None:
    with served(project, hooks=Hooks.of(ENVIRONMENT), is_read_only=True) as client:
        assert send(client, "/runs", BODY, standard()).status == 403


def test_without_secrets_nobody_is_a_sender(project: Project) -> None:
    with served(project, limits=FAST) as client:
        assert send(client, "/runs", BODY, standard()).status == 401
        assert send(client, "/runs", BODY, github()).status == 401


def test_names_of_messages_are_remembered_up_to_a_number(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("etl.operations.serve.hooks._MOST_NAMES", 3)
    seen = Seen(tmp_path / "hooks.sqlite")
    assert [seen.is_new(name) for name in "abcda"] == [True, True, True, True, True]
    assert not seen.is_new("d")


@pytest.mark.parametrize(("name", "value"), [
    ("ETL_HOOK_SECRET", "canary"),
    ("ETL_HOOK_SECRET", "whsec_Y2FuYXJ5"),
    ("ETL_GITHUB_SECRET", "canary"),
    ("ETL_HOOK_TOKENS", "canary-canary-canary"),
    ("ETL_HOOK_TOKENS", "everything=canary-canary-canary"),
    ("ETL_HOOK_TOKENS", "runs=canary"),
    ("ETL_HOOK_TOKENS", "deliveries/../x=canary-canary-canary"),
])  # fmt: skip
def test_a_secret_that_cannot_be_one_is_refused_and_not_said(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name) as raised:
        Hooks.of({name: value})
    assert "canary" not in str(raised.value) and "Y2Fu" not in str(raised.value)
