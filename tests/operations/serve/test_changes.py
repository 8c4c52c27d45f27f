"""What the forms begin: the same as the commands do, once, and not while a run is under way."""

import json
import time
from typing import Any

import pytest

from etl.ledger import Ledger
from etl.ledger.history import History
from etl.ledger.lock import locked
from etl.operations import quarantine
from etl.project import Project
from etl.stages import published
from tests.support import tiny
from tests.support.serving import BEARER, Answer, Client, files_of, served


def ended(client: Client, answer: Answer) -> dict[str, Any]:
    """Return what a change said when it was over."""
    assert answer.status in (202, 303), answer
    while (found := client.get(answer.headers["location"], Accept="*/*").data)["exit_code"] is None:
        time.sleep(0.1)
    return found


def left(project: Project) -> list[tuple[int, str | None]]:
    return [(row["line"], row["discarded"]) for row in quarantine.records(project, "sales", NOTHING)]


NOTHING = quarantine.Selection()


def test_discard_gives_up_the_records_that_were_shown_and_no_other(project):
    with served(project) as stranger:
        browser = stranger.log_in()
        form = {"key": browser.form_key(), "rule": "record", "records": 1, "reason": "--reason 'no more'; $(x)"}
        found = ended(browser, browser.post("/quarantine/sales/discard", form))
        assert found["exit_code"] == 0, found["said"]
        assert "1 record discarded, 1 stays in quarantine" in found["said"]
    assert left(project) == [(3, None), (4, "--reason 'no more'; $(x)")]


def test_replay_judges_the_records_again(project):
    contracts = project.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace("id: int", "id: str"))
    with served(project) as stranger:
        client = Client(stranger.port, BEARER)
        found = ended(client, client.post("/quarantine/sales/replay", {"rule": "id.dtype", "records": 1}))
        assert found["exit_code"] == 0, found["said"]
    assert left(project) == [(4, None)]
    assert tiny.published(project, "select count(*) from raw.sales where id = 'four'") == [(1,)]


def test_rollback_asks_first_and_goes_back(project):
    older, newer = published.generations(project)
    with served(project) as stranger:
        browser = stranger.log_in()
        place = f"/generations/{older}/rollback"
        assert f"Roll back to {older}" in browser.get(place).text
        assert published.current(project) == newer
        form = {"key": browser.form_key(), "current": newer, "reason": "wrong prices"}
        found = ended(browser, browser.post(place, form))
        assert found["exit_code"] == 0, found["said"]
        assert "Publishing is on hold" in browser.get("/generations").text
    assert published.current(project) == older
    hold = published.read_hold(project)
    assert hold and (hold.held, hold.reason) == (newer, "wrong prices")


def test_a_run_is_begun_and_the_history_says_from_where(project):
    tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\n11,cup\n"})
    with served(project) as stranger:
        client = Client(stranger.port, BEARER)
        assert ended(client, client.post("/runs", {}))["exit_code"] == 0
        assert client.get("/runs").data[0]["trigger"] == "serve"
    facts = History(Ledger(project.ledger)).facts()
    assert not [fact for fact in facts.values() if BEARER["Authorization"][7:] in json.dumps(vars(fact))]


CHANGES = {
    "/runs": {},
    "/quarantine/sales/discard": {"reason": "x"},
    "/quarantine/sales/replay": {},
    "/generations/OLDER/rollback": {},
}
each_change = pytest.mark.parametrize("place", CHANGES)


def asking(project: Project, client: Client, place: str, **more: str) -> Answer:
    older, _ = published.generations(project)
    return client.post(place.replace("OLDER", older), {**CHANGES[place], **more})


@each_change
def test_while_a_run_has_the_project_nothing_is_begun(project, place):
    before = files_of(project)
    with served(project) as stranger, locked(project, "etl run"):
        answer = asking(project, Client(stranger.port, BEARER), place)
        assert answer.status == 409 and "under way" in answer.data["error"]
        assert answer.data["error"].endswith("Wait until it is over.")
    changed = {path for path, facts in files_of(project).items() if before.get(path) != facts}
    assert changed <= {str(project.lock)}


@each_change
def test_read_only_nothing_can_be_changed_with_the_token_either(project, place):
    before = files_of(project)
    with served(project, is_read_only=True) as stranger:
        assert asking(project, Client(stranger.port, BEARER), place).status == 403
        browser = stranger.log_in()
        assert asking(
            project, browser, place, key=browser.get("/runs").text.partition('name="key" value="')[2][:64]
        )
        assert 'action="/runs"' not in browser.get("/runs").text
    assert files_of(project) == before


@each_change
def test_without_a_token_everybody_here_may_look_and_change_nothing(project, place):
    before = files_of(project)
    with served(project, token="") as stranger:
        assert stranger.get("/runs").status == 200
        answer = asking(project, stranger, place)
        assert answer.status == 403 and "ETL_SERVE_TOKEN" in answer.data["error"]
        assert stranger.post("/login", {"token": ""}).status == 403
        assert Client(stranger.port, {"Authorization": "Bearer "}).post(place, {}).status == 403
    assert files_of(project) == before


@pytest.mark.parametrize(
    ("place", "form", "status", "said"),
    [
        ("/quarantine/sales/discard", {"reason": " "}, 400, "Give a reason"),
        ("/quarantine/sales/discard", {"reason": "x", "records": "7"}, 409, "There are 2 such records by now"),
        ("/quarantine/sales/discard", {"reason": "x", "rule": "other"}, 404, "No such record"),
        ("/quarantine/sales/discard", {"reason": "x", "date": "2024-3-4"}, 400, "The date must be one such as"),
        ("/quarantine/--help/discard", {"reason": "x"}, 404, "There is no source --help"),
        ("/quarantine/sales/replay", {"line": "3"}, 400, "not line by line"),
        ("/generations/OLDER/rollback", {"current": "x"}, 409, "by now"),
        ("/generations/--help/rollback", {}, 404, "nothing of that name"),
        ("/generations/20200101T000000.000Z-abcd/rollback", {}, 404, "no such generation"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence_and_begins_nothing(project, place, form, status, said):
    before, (older, _) = files_of(project), published.generations(project)
    with served(project) as stranger:
        answer = Client(stranger.port, BEARER).post(place.replace("OLDER", older), form)
        assert (answer.status, said in answer.data["error"]) == (status, True), answer
    assert files_of(project) == before
