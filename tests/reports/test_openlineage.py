"""Events of OpenLineage: what they tell of a night, what they keep to themselves, and how they reach a server."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.history import History
from etl.operations.environments import create, drop
from etl.project import Project, load_project
from etl.reports import openlineage
from etl.stages import published
from tests.support import tiny
from tests.support.receivers import http
from tests.support.told import night

pytest.importorskip("openlineage.client")

SETTINGS = "threads = 1\nlineage = yes\n"
CONTRACTS = tiny.CONTRACTS.replace("item: str = pa.Field(", 'item: str = pa.Field(metadata={"pii": "partial"}, ')
SQL = {
    "marts/items.sql": "-- Items sold.\n-- owner: sales team\n-- unique: item\n"
    "select item, count(*) as sales from raw.sales where id > 0 group by item",
    "marts/names.sql": "select upper(item) as name from marts.items",
    "audits/few.sql": "-- warn: canary-literal\nselect id from raw.sales where id > 2",
}


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be done in a process of its own is done in this one."""
    from etl.reports.openlineage import __main__ as child

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with redirect_stdout(StringIO()) as said:
            code = child.main(*arguments)
        return subprocess.CompletedProcess(arguments, code, said.getvalue(), "")

    monkeypatch.setattr(openlineage, "in_child", run)
    monkeypatch.delenv(openlineage.URL, raising=False)


@pytest.fixture
def project(tmp_path, inside) -> Project:
    return tiny.project(tmp_path, CONTRACTS, SQL, settings=SETTINGS)


def written(project: Project) -> list[dict[str, Any]]:
    """Return all events, in the order of the runs."""
    files = sorted((project.data / "lineage").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def ended(project: Project, job: str) -> dict[str, Any]:
    """Return the event that tells how a job ended, the last time."""
    return [one for one in written(project) if one["job"]["name"] == job and one["eventType"] != "START"][-1]


def classes() -> dict[str, type]:
    """Return the library's classes by the schemas that they stand for."""
    from openlineage.client import event_v2, facet_v2

    found: dict[str, type] = {}
    for module in (event_v2, facet_v2, *filter(inspect.ismodule, vars(facet_v2).values())):
        for one in filter(inspect.isclass, vars(module).values()):
            if hasattr(one, "_get_schema"):
                found[one._get_schema()] = one
    return found


def facets(value: Any) -> Iterator[dict[str, Any]]:
    """Yield whatever in an event names its own schema."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from facets(item)
    if isinstance(value, dict) and "_schemaURL" in value:
        yield value


def test_every_event_is_what_the_librarys_own_classes_take(project):
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    assert night(project, "2024-03-02") == "published"

    known, seen = classes(), set()
    for event in written(project):
        for facet in facets(event):
            seen.add(known[facet["_schemaURL"]].__name__)
            known[facet["_schemaURL"]](**{name: value for name, value in facet.items() if name[0] != "_"})
        assert event.pop("schemaURL").endswith("/RunEvent") and event["producer"].startswith("urn:")
        RunEvent(
            **{
                **event,
                "eventType": RunState(event["eventType"]),
                "run": Run(**event["run"]),
                "job": Job(**event["job"]),
                "inputs": [InputDataset(**one) for one in event["inputs"]],
                "outputs": [OutputDataset(**one) for one in event["outputs"]],
            }
        )
    assert seen >= {
        *("SchemaDatasetFacet", "ColumnLineageDatasetFacet", "DataQualityAssertionsDatasetFacet"),
        *("OutputStatisticsOutputDatasetFacet", "InputStatisticsInputDatasetFacet", "NominalTimeRunFacet"),
        *("ParentRunFacet", "DatasetVersionDatasetFacet", "OwnershipDatasetFacet", "JobTypeJobFacet"),
    }


def test_every_step_begins_once_and_ends_once_within_its_run(project):
    night(project, "2024-03-02")

    events = written(project)
    (run,) = {one["run"]["runId"] for one in events if one["job"]["name"] == "night"}
    by_job: dict[str, list[str]] = {}
    for one in events:
        by_job.setdefault(one["job"]["name"], []).append(one["eventType"])
        if one["job"]["name"] != "night":
            assert one["run"]["facets"]["parent"]["run"]["runId"] == run
    steps = {".".join(step.id).rstrip(".") for step in History(Ledger(project.ledger)).steps()}
    assert by_job.keys() == {"night", *steps} and "transform.marts.items" in steps
    assert all(kinds == ["START", "COMPLETE"] for kinds in by_job.values())
    assert events[0]["job"]["name"] == events[-1]["job"]["name"] == "night"


def test_a_column_is_told_down_to_the_files(project):
    night(project, "2024-03-02")

    (items,) = ended(project, "transform.marts.items")["outputs"]
    (names,) = ended(project, "transform.marts.names")["outputs"]
    (lake,) = ended(project, "extract.sales")["outputs"]
    (loaded,) = ended(project, "load.sales")["outputs"]

    def made(output: dict[str, Any], column: str) -> list[tuple[str, str, str, bool]]:
        inputs = output["facets"]["columnLineage"]["fields"][column]["inputFields"]
        return [
            (one["name"], one["field"], how["subtype"], how.get("masking", False))
            for one in inputs
            for how in one["transformations"]
        ]

    assert made(names, "name") == [("marts.items", "item", "TRANSFORMATION", False)]
    assert made(items, "item") == [("raw.sales", "item", "IDENTITY", False)]
    assert made(loaded, "item") == [(str(project.lake / "sales"), "item", "IDENTITY", False)]
    assert made(lake, "item") == [(str(project.raw / "sales/{date}.csv"), "item", "TRANSFORMATION", True)]
    deciding = {one["field"] for one in items["facets"]["columnLineage"]["dataset"]}
    assert deciding == {"id", "item"}
    assert [one["name"] for one in items["facets"]["schema"]["fields"]] == ["item", "sales"]
    assert items["facets"]["ownership"]["owners"][0]["name"] == "sales team"
    ((rows,),) = tiny.published(project, "select count(*) from marts.items")
    assert items["outputFacets"]["outputStatistics"]["rowCount"] == rows
    assert items["namespace"] == f"duckdb://{project.warehouse}"


def test_checks_and_the_generation_are_told(project):
    night(project, "2024-03-02")

    checks = {
        one["name"]: (table["name"], one["success"], one["severity"], one["actual"])
        for table in ended(project, "audit")["inputs"]
        for one in table["inputFacets"]["dataQualityAssertions"]["assertions"]
    }
    assert checks["audits.few"] == ("raw.sales", False, "warn", "1")
    assert checks["marts.items.unique.item"][:2] == ("marts.items", True)
    outputs = {one["name"]: one for one in ended(project, "publish")["outputs"]}
    version = outputs["marts.items"]["facets"]["version"]["datasetVersion"]
    assert version == published.current(project)


def test_a_failure_says_where_to_read_and_quotes_nothing(project):
    night(project, "2024-03-02")
    (project.sql / "marts/names.sql").write_text("select error('canary-value ' || item) as name from marts.items")

    assert night(project, "2024-03-02") == "failed"

    event = ended(project, "transform.marts.names")
    assert event["eventType"] == "FAIL"
    assert event["run"]["facets"]["errorMessage"]["message"].endswith(event_run(project))
    assert ended(project, "night")["eventType"] == "FAIL"
    assert "publish" not in {one["job"]["name"] for one in written(project)[-4:]}
    text = "".join(map(json.dumps, written(project)))
    assert "canary" not in text and "book" not in text


def event_run(project: Project) -> str:
    return f"etl show {Ledger(project.ledger).runs()[0].run_id}"


def test_a_night_with_nothing_new_starts_no_process(project, monkeypatch):
    night(project, "2024-03-02")
    before = written(project)
    monkeypatch.setattr(openlineage, "in_child", None)

    assert night(project, "2024-03-02") == "unchanged"

    assert written(project) == before


def test_a_project_that_does_not_ask_for_it_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(openlineage, "in_child", None)
    project = tiny.project(tmp_path)

    assert night(project, "2024-03-02") == "published"

    assert not (project.data / "lineage").exists()


def test_a_killed_run_is_told_by_the_next_one_without_code_that_may_not_have_been_its_own(project):
    night(project, "2024-03-02")
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n9,cup\n"})
    night(project, "2024-03-03", is_killed=True)
    night(project, "2024-03-03")

    runs = [one for one in written(project) if one["job"]["name"] == "night"]
    assert [one["eventType"] for one in runs] == ["START", "COMPLETE", "START", "ABORT", "START", "COMPLETE"]
    killed = runs[3]["run"]["runId"]
    assert not any(one["outputs"] for one in written(project) if one["run"]["runId"] == killed)


def test_events_are_posted_in_order_and_once(project, monkeypatch):
    with http() as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/api/v1/lineage")
        night(project, "2024-03-02")
        night(project, "2024-03-02")

    assert [body for _, body in server.got] == written(project) and server.got


@pytest.mark.parametrize("status", [500, 503, 401, 404, 429])
def test_what_a_server_does_not_take_is_posted_by_the_next_run(project, monkeypatch, caplog, status):
    with http(status) as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/secret-path-7c")
        assert night(project, "2024-03-02") == "published"
    assert f"it answered with the error {status}. The next run tries again" in caplog.text
    assert "secret-path-7c" not in caplog.text and len(server.got) == 1

    with http() as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/")
        assert night(project, "2024-03-02") == "unchanged"
    assert [body for _, body in server.got] == written(project)


def test_an_event_that_a_server_calls_wrong_holds_up_no_other(project, monkeypatch, caplog):
    with http(422) as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/")
        night(project, "2024-03-02")
        night(project, "2024-03-02")

    assert [body for _, body in server.got] == written(project)
    assert f"refused {len(server.got)} events" in caplog.text


def test_a_server_that_hangs_costs_a_limited_time(project, monkeypatch, caplog):
    from etl.reports.openlineage import posting

    monkeypatch.setattr(posting, "_ONE", 0.2)
    with http(hangs=5) as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/")
        assert night(project, "2024-03-02") == "published"

    assert "it did not answer in time" in caplog.text and len(server.got) == 1


@pytest.mark.parametrize(
    ("address", "why"), [("nonsense", "not an address"), ("http://127.0.0.1:1/", "URLError|Refused")]
)
def test_an_address_that_nobody_answers_at_is_said(project, monkeypatch, caplog, address, why):
    monkeypatch.setenv(openlineage.URL, address)

    assert night(project, "2024-03-02") == "published"

    assert [one for one in why.split("|") if one in caplog.text] and address not in caplog.text


def test_the_token_goes_with_the_events(project, monkeypatch):
    with http() as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/")
        monkeypatch.setenv(openlineage.TOKEN, "token-1234")
        night(project, "2024-03-02")

    assert {one["Authorization"] for one in server.headers} == {"Bearer token-1234"}


def test_the_token_goes_to_no_other_address(project, monkeypatch, caplog):
    with http() as thief, http(302, location=f"http://127.0.0.1:{thief.port}/") as server:
        monkeypatch.setenv(openlineage.URL, f"http://127.0.0.1:{server.port}/")
        monkeypatch.setenv(openlineage.TOKEN, "token-1234")
        night(project, "2024-03-02")

    assert thief.got == []
    assert "it answered with the error 302. The next run tries again" in caplog.text


def test_without_the_library_the_night_is_as_green(project, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openlineage.client", None)

    assert night(project, "2024-03-02") == "published"

    assert "pip install 'etl[openlineage]'" in caplog.text


def test_a_process_that_breaks_or_hangs_costs_no_night(project, monkeypatch, caplog):
    def broken(*arguments):
        return subprocess.CompletedProcess(arguments, 1, "", "Traceback\nValueError: canary-quoted")

    def hanging(*arguments):
        raise subprocess.TimeoutExpired(arguments, 60)

    monkeypatch.setattr(openlineage, "in_child", broken)
    assert night(project, "2024-03-01") == "published"
    monkeypatch.setattr(openlineage, "in_child", hanging)
    assert night(project, "2024-03-02") == "published"

    assert "was not written: ValueError" in caplog.text and "in 60 seconds" in caplog.text
    assert "canary" not in caplog.text


def test_a_process_of_its_own_writes_them(tmp_path):
    project = tiny.project(tmp_path, settings=SETTINGS)

    assert night(project, "2024-03-02") == "published"

    assert written(project)[-1]["eventType"] == "COMPLETE"


def test_events_go_with_their_run(project):
    night(project, "2024-03-01")
    (first,) = (project.data / "lineage").iterdir()
    ledger = Ledger(project.ledger)
    ledger.change(("delete from runs where run_id = ?", [(first.stem,)]))
    night(project, "2024-03-02")

    assert first.name not in [path.name for path in (project.data / "lineage").iterdir()]


def test_an_environment_with_events_can_be_dropped(project, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    create("dev")
    dev = load_project(project.root, "dev")
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n9,cup\n"})
    assert night(dev, "2024-03-03") == "published"
    assert (dev.data / "lineage").is_dir()

    drop("dev")

    assert not (dev.data / "lineage").exists()


def test_a_setting_that_is_neither_is_refused(tmp_path):
    tiny.project(tmp_path)
    (tmp_path / "luigi.cfg").write_text("[etl]\nlineage = perhaps\n")

    with pytest.raises(ConfigError, match="lineage = perhaps is neither yes nor no"):
        load_project(tmp_path)
