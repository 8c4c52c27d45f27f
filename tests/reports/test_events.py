"""Events of what is published: one for each switch, in an outbox, posted signed and in order until accepted."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.ledger import Ledger, Switch
from etl.operations.environments import create, drop
from etl.project import Project, load_project
from etl.project.channels import EVENTS, EVENTS_SECRET
from etl.project.secret import scrubbed
from etl.project.signatures import keys_of, signature, signed
from etl.reports import events
from etl.reports.events import outbox, posting
from etl.stages import published
from tests.support import publishers, tiny
from tests.support.receivers import http
from tests.support.told import night

pytestmark = pytest.mark.sampled

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
COLUMNS = "id bigint, item varchar"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv(EVENTS, raising=False)
    monkeypatch.setenv(EVENTS_SECRET, SECRET)
    made = tiny.project(tmp_path / "shop", settings="threads = 1\nevents = yes\n")
    monkeypatch.setenv("ETL_PROJECT", str(made.root))
    return made


def written(project: Project) -> list[dict[str, Any]]:
    return [json.loads(outbox.read(project, number)) for number in outbox.numbers(project)]


def switch(project: Project, ledger: Ledger, rows: int) -> str:
    """Publish a generation that holds so many rows, and note it as a run does."""
    held = [(number, "x") for number in range(rows)]
    made = publishers.publish(project, {"marts.items": (COLUMNS, held)})
    before = next((one.generation for one in ledger.switches()), "")
    ledger.note_switch(Switch(f"2024-03-01T00:00:00.{len(ledger.switches()):06}+00:00", made, before, "publish"))
    return made


def test_a_publication_and_a_rollback_each_write_an_event_and_nothing_new_writes_none(project: Project) -> None:
    assert night(project, "2024-03-01") == "published"
    assert night(project, "2024-03-02") == "published"
    assert night(project, "2024-03-02") == "unchanged"
    assert CliRunner().invoke(cli, ["rollback", "--by", "canary", "--reason", "canary"]).exit_code == 0

    first, second, back = written(project)
    assert [one["type"].rpartition(".")[2] for one in (first, second, back)] == [
        "published",
        "published",
        "rolled_back",
    ]
    assert first["subject"] == back["subject"] == back["data"]["generation"] == published.current(project)
    assert len({one["id"] for one in (first, second, back)}) == 3
    items = {one["table"]: one for one in second["data"]["tables"]}["marts.items"]
    assert (items["rows"], items["changed"]) == (2, True)
    assert "canary" not in json.dumps(written(project))


def test_an_event_is_one_of_cloudevents(project: Project) -> None:
    pytest.importorskip("cloudevents.core")
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    night(project, "2024-03-01")
    event = JSONFormat().read(CloudEvent, outbox.read(project, 1))
    assert event.get_source() == "urn:etl:shop:prod" and event.get_type() == "etl.generation.published"
    assert event.get_time().utcoffset() is not None and event.get_extension("sequence") == "000000001"


def test_a_table_that_is_as_it_was_is_told_apart_and_a_view_changes_with_any_table(tmp_path: Path) -> None:
    project = publishers.project(tmp_path / "shop", "events = yes\n")
    ledger = Ledger(project.ledger)
    view = "create view marts.all_items as select * from staging.items"
    for rows in (1, 1, 2):
        tables = {
            "staging.items": (COLUMNS, [(1, "x")] * rows),
            "marts.same": (COLUMNS, []),
            "marts.all_items": view,
        }
        before = published.current(project) or ""
        name = publishers.publish(project, tables)
        ledger.note_switch(Switch(f"2024-03-01T00:00:0{rows}+00:00", name, before, "publish"))
        events.keep_up(project, ledger)
    changed = [{one["table"] for one in event["data"]["tables"] if one["changed"]} for event in written(project)]
    assert changed == [
        {"staging.items", "marts.same", "marts.all_items"},
        set(),
        {"staging.items", "marts.all_items"},
    ]


def test_the_signature_is_that_of_standard_webhooks() -> None:
    (key,) = keys_of(SECRET, EVENTS_SECRET)
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    both = signed(keys_of(f"{OTHER} {SECRET}", EVENTS_SECRET), "msg", 1, b"{}")["webhook-signature"].split()
    assert len(both) == 2 and both[0] != both[1]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_YQ==", "word", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"])
def test_what_is_not_a_secret_is_said_and_not_quoted(secret: str) -> None:
    with pytest.raises(ConfigError, match="ETL_EVENTS_SECRET does not hold a secret of webhooks") as caught:
        keys_of(secret, EVENTS_SECRET)
    assert secret == "whsec_" or secret not in str(caught.value)


def test_events_are_posted_signed_in_order_and_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with http() as one, http() as two:
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{one.port}/hooks http://127.0.0.1:{two.port}/")
        for day in ("2024-03-01", "2024-03-02", "2024-03-02"):
            night(project, day)
    # the server of tests reads what is not said to be JSON as text
    for receiver in (one, two):
        assert [body for _, body in receiver.got] == written(project)
    for (_, body), headers in zip(one.got, one.headers, strict=True):
        said = {name.lower(): value for name, value in headers.items()}
        assert said["content-type"].startswith("application/cloudevents+json") and said["webhook-id"] == body["id"]
        text = (json.dumps(body, ensure_ascii=False) + "\n").encode()
        (key,) = keys_of(SECRET, EVENTS_SECRET)
        assert said["webhook-signature"] == signature(key, body["id"], int(said["webhook-timestamp"]), text)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 410, 422, 429, 500, 503])
def test_what_is_not_accepted_waits_is_said_and_is_posted_first_next_time(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with http(status) as server:
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{server.port}/canary-7c")
        assert night(project, "2024-03-01") == "published"
        assert night(project, "2024-03-02") == "published"
    assert [body for _, body in server.got] == written(project)[:1] * 2
    said = CliRunner().invoke(cli, ["status"]).output
    assert "2 events wait for ETL_EVENTS_URL 1 since 20" in said and f"with the error {status}" in said
    assert "canary-7c" not in said + caplog.text + "".join(
        p.read_text() for p in (project.data / "events").iterdir()
    )

    with http() as server:
        # somewhere else is somebody else
        monkeypatch.setattr(outbox, "_known", _moved(outbox._known, project))
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{server.port}/canary-7c")
        done = CliRunner().invoke(cli, ["events", "--send"])
    assert (done.exit_code, [body for _, body in server.got]) == (0, written(project))
    assert "events  " not in CliRunner().invoke(cli, ["status"]).output


def _moved(known: Any, project: Project) -> Any:
    """Have the one receiver that is known be the one at any address: tests get another port each time."""
    (path,) = (project.data / "events").glob("*.sent")
    return lambda project, key: known(project, key) or known(project, path.stem)


def test_a_receiver_that_hangs_or_is_dead_costs_a_limited_time_and_keeps_no_other_waiting(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(posting, "_ONE", 0.2)
    with http(hangs=5) as slow, http() as well:
        monkeypatch.setenv(
            EVENTS, f"http://127.0.0.1:{slow.port}/ http://127.0.0.1:1/ http://127.0.0.1:{well.port}/"
        )
        assert night(project, "2024-03-01") == "published"
    assert [body for _, body in well.got] == written(project)
    assert "ETL_EVENTS_URL 1: it did not answer in time" in caplog.text
    assert "waits for ETL_EVENTS_URL 2: ConnectionRefusedError. The next run tries again" in caplog.text


@pytest.mark.parametrize(
    ("address", "secret", "said"),
    [
        ("nonsense", SECRET, "ETL_EVENTS_URL 1 is not an address such as"),
        ("http://127.0.0.1:1/", "", "ETL_EVENTS_SECRET is not: events are posted signed"),
        ("http://127.0.0.1:1/", "canary-secret", "does not hold a secret of webhooks"),
    ],
)
def test_nothing_is_posted_unsigned_or_nowhere_and_no_night_fails(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str,
    secret: str,
    said: str,
) -> None:
    monkeypatch.setenv(EVENTS, address)
    monkeypatch.setenv(EVENTS_SECRET, secret)
    assert night(project, "2024-03-01") == "published"
    assert said in caplog.text and "canary" not in caplog.text
    assert isinstance(CliRunner().invoke(cli, ["events", "--send"]).exception, ConfigError)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["switch", "lose", "post"]), st.integers(0, 6)), max_size=12))
def test_whoever_is_killed_anywhere_each_event_arrives_in_order(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    """The process that tells of a switch is killed before its n-th write; the ledger may be lost in between."""
    project = publishers.project(tmp_path_factory.mktemp("chain") / "shop", "events = yes\n")
    monkeypatch.setenv(EVENTS_SECRET, SECRET)
    monkeypatch.setenv(EVENTS, "http://127.0.0.1:1/")
    got: list[str] = []
    monkeypatch.setattr("etl.reports.http.post", lambda address, body, *_: got.append(json.loads(body)["subject"]))
    ledger, expected = Ledger(project.ledger), []
    events.prepare(project, ledger)
    for kind, at in [*steps, ("switch", 99), ("post", 99)]:
        if kind == "switch":
            expected.append(switch(project, ledger, len(expected)))
        elif kind == "lose" and expected:
            # what is noted of the current one afterwards is all there is
            events.keep_up(project, ledger)
            ledger.change(("delete from switches", [()]))
            published.note_missed(project, ledger)
        with suppress(KeyboardInterrupt), monkeypatch.context() as patched:
            patched.setattr("etl.project.files.put", _killed_after(at))
            events.keep_up(project, ledger)
    # at least once: again only what was accepted when its process was killed
    assert list(dict.fromkeys(got)) == expected
    assert all(expected.index(after) >= expected.index(before) for before, after in pairwise(got))


def _killed_after(writes: int) -> Any:
    left = [writes]

    def put(written: Path, target: Path, **_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        os.replace(written, target)

    return put


def test_two_processes_do_not_post_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    night(project, "2024-03-01")
    with http() as server:
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{server.port}/")
        with outbox.locked(project, "post"):
            assert list(posting.post_waiting(project)) == []
        assert server.got == []
        assert list(posting.post_waiting(project)) == []
    assert len(server.got) == 1


def test_a_new_receiver_is_told_what_there_is_now_and_one_that_is_gone_is_forgotten(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(project, "2024-03-01")
    night(project, "2024-03-02")
    with http(500) as old, http() as new:
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{old.port}/")
        list(posting.post_waiting(project))
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{new.port}/")
        list(posting.post_waiting(project))
    assert [body for _, body in new.got] == written(project)[-1:]
    assert posting.told(project) == []


def test_old_events_go_when_all_have_them_and_never_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = publishers.project(tmp_path / "shop", "events = yes\n")
    ledger = Ledger(project.ledger)
    monkeypatch.setenv(EVENTS_SECRET, SECRET)
    monkeypatch.setattr(outbox, "_KEPT", 2)
    with http(503) as server:
        monkeypatch.setenv(EVENTS, f"http://127.0.0.1:{server.port}/")
        for rows in range(4):
            switch(project, ledger, rows)
            events.keep_up(project, ledger)
    assert outbox.numbers(project) == [1, 2, 3, 4]
    monkeypatch.setattr("etl.reports.http.post", lambda *_: None)
    for rows in range(4, 6):
        switch(project, ledger, rows)
        events.keep_up(project, ledger)
    assert outbox.numbers(project) == [5, 6]


def test_a_project_that_does_not_ask_has_none_and_imports_nothing(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    night(project, "2024-03-01")
    assert not (project.data / "events").exists()
    code = "import sys, etl.run.telling, etl.reports.events; print([m for m in sys.modules if 'events.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_events_of_an_environment_go_with_it(project: Project) -> None:
    create("dev")
    dev = load_project(project.root, "dev")
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n9,cup\n"})
    assert night(dev, "2024-03-03") == "published"
    assert (dev.data / "events").is_dir()
    drop("dev")
    assert not (dev.data / "events").exists()


def test_each_address_and_each_secret_is_secret() -> None:
    variables = {EVENTS: "https://a.example/token-12345 https://b.example/x", EVENTS_SECRET: f"{SECRET} {OTHER}"}
    assert scrubbed(f"{OTHER} and https://a.example/token-12345", variables) == "*** and ***"


def test_an_event_of_many_tables_names_those_that_changed_and_stays_small(tmp_path: Path) -> None:
    project = publishers.project(tmp_path / "shop", "events = yes\n")
    ledger = Ledger(project.ledger)
    for second, rows in enumerate(([], [(1, "x")])):
        tables = {f"marts.items_{number:04}": (COLUMNS, []) for number in range(250)}
        before = published.current(project) or ""
        name = publishers.publish(project, {**tables, "marts.zebras": (COLUMNS, rows)})
        ledger.note_switch(Switch(f"2024-03-01T00:00:0{second}+00:00", name, before, "publish"))
        events.keep_up(project, ledger)
    last = written(project)[-1]["data"]
    assert [one["table"] for one in last["tables"] if one["changed"]] == ["marts.zebras"]
    assert (len(last["tables"]), last["left_out"]) == (200, 51)
    assert max(len(outbox.read(project, number)) for number in outbox.numbers(project)) < 64 * 1024
