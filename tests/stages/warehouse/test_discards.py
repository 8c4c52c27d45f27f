"""Records discarded after they were loaded: the warehouse says so, and nothing else of it is touched."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.ledger import Ledger, Run, now
from etl.operations.decisions import discard
from etl.operations.rejected import Selection
from etl.project import Project
from etl.run import steps
from etl.run.active import ActiveRun
from tests.support import tiny
from tests.support.thorough import examples

DAY = "sales/2024-03-01.csv"
CONTRACTS = tiny.CONTRACTS.replace('csv")', 'csv", max_reject_ratio=1)')
#: Two records of one line in a file of JSON, of which one comes twice.
JSON = '[{"id": "x", "item": "a"}, {"id": "y", "item": "b"}, {"id": "x", "item": "a"}, {"id": 7, "item": "c"}]'


def test_rows_and_texts_stay_where_they_are(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, CONTRACTS, raw={DAY: "id,item\n1,book\nx,pen\ny,cap\n"})
    tiny.night(project)
    (loaded,) = tiny.ask(project.build, "select _loaded_at from raw.sales")
    discard(project, "sales", Selection(lines=[3]), "a test")
    planned = tiny.night(project)

    assert tiny.ask(project.build, "select _loaded_at from raw.sales") == [loaded]
    assert tiny.ask(project.build, "select line, text, discarded from etl.rejects order by all") == [
        (3, "x,pen", "a test"),
        (4, "y,cap", None),
    ]
    counts = "select rows, rejected, discarded, run_id from etl.partitions"
    assert tiny.ask(project.build, counts) == [(1, 1, 1, planned.run_id)]


RECORDS = st.lists(st.sampled_from(["x,pen", "y,cap", "1", "2,hat"]), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.integers(2, 6), st.sampled_from(["because", "ünknown 'o'"])),
        st.just("night"),
        st.just("extract"),
        st.just("another file"),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, plan=STEPS)
def test_it_says_what_quarantine_says_whenever_it_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, records: list[str], plan: list[Any]
) -> None:
    text = "id,item\n" + "".join(f"{record}\n" for record in records)
    project = tiny.project(tmp_path_factory.mktemp("law"), CONTRACTS, sql={}, raw={DAY: text})
    source = tiny.plan(project).catalog.sources["sales"]
    tiny.night(project)
    for step in [*plan, "night"]:
        if step == "night":
            tiny.night(project)
        elif step == "extract":
            extract(project)
        elif step == "another file":
            text += "z,new\n"
            tiny.deliver(project, {DAY: text})
        else:
            line, reason = step
            if line - 2 < len(records):
                tiny.decide(project, source, (line, records[line - 2], f"!{reason}"))

    assert rejects(project) == [
        *map(str, sorted(tiny.rejects_of(project, columns="to_json(columns(*))")) if is_rejected(project) else [])
    ]
    facts = (
        "select rows, (select count(*) from raw.sales), rejected + discarded, (select count(*) from etl.rejects)"
    )
    ((rows, loaded, held, told),) = tiny.ask(project.build, f"{facts} from etl.partitions")
    assert (rows, held) == (loaded, told)


@pytest.mark.parametrize("lines", [[], [1]])
def test_records_of_one_line_are_told_by_their_texts(tmp_path: Path, lines: list[int]) -> None:
    contracts = CONTRACTS.replace('.csv"', '.json", format=Json()').replace("Source\n", "Json, Source\n", 1)
    project = tiny.project(tmp_path, contracts, raw={"sales/2024-03-01.json": JSON})
    tiny.night(project)
    discard(project, "sales", Selection(lines=lines), "a test")
    tiny.night(project)

    told = tiny.ask(project.build, "select count(*), count(discarded) from etl.rejects")
    assert told == [(3, 3)]


def extract(project: Project) -> None:
    """Have a night end before anything is loaded."""
    planned = tiny.plan(project)
    row = Run(planned.run_id, "2024-03-31", now())
    ledger = Ledger(project.ledger)
    ledger.write_run(row)
    run = ActiveRun(project=project, ledger=ledger, plan=planned, row=row, lock=-1, pid=os.getpid())
    if days := [delivery.date for delivery in planned.stale_partitions("sales")]:
        steps.extract(run, "sales", days)


def is_rejected(project: Project) -> bool:
    return any(project.quarantine.rglob("*.parquet"))


def rejects(project: Project) -> list[str]:
    return [*map(str, sorted(tiny.ask(project.build, "select to_json(columns(*)) from etl.rejects")))]
