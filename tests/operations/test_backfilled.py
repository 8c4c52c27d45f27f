"""What a backfill says of each of its partitions: while it goes on, in its list, and as JSON."""

import json
import logging
from collections import Counter
from contextlib import closing
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.ledger import Key, Ledger, Receipt, Run
from etl.ledger.history import History, StepRow
from etl.operations.backfill import Partition
from etl.operations.backfilled import OUTCOMES, Ended, counts, ended, said
from tests.support import tiny, warm
from tests.support.projects import environment

FIRST = date(2024, 3, 1)
RUN = "r5"
RANGE = ("--start", "2024-03-01", "--stop", "2024-03-04")
SENT = {
    "sales/2024-03-03.csv": "id,item\n4,cap\nx,cap\n",
    "sales/2024-03-04.csv": "id,item,colour\n5,cap,red\n",
}


@pytest.fixture
def shop(tmp_path):
    """A published project of two days; a sound delivery came since, and one with a column that nobody knows."""
    project = tiny.once(tmp_path / "shop", published)
    tiny.deliver(project, SENT)
    return project


def published(root):
    tiny.night(tiny.project(root))


def backfill(project, *options):
    variables = {**environment(), "ETL_PROJECT": str(project.root)}
    return warm.run(["-m", "etl", "backfill", *RANGE, *options], project.root, variables)


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_each_partition_is_said_as_it_is_done_and_listed_in_the_end(shop, options):
    run = backfill(shop, *options)

    assert run.returncode == 30, run.stdout
    assert [line[9:] for line in run.stdout.splitlines() if line.endswith(" of 4)")] == [
        "sales 2024-03-01: kept, unchanged (1 of 4)",
        "sales 2024-03-02: kept, unchanged (2 of 4)",
        "sales 2024-03-03: done, 1 row, 1 rejected (3 of 4)",
    ]
    listed = run.stdout[run.stdout.index("1 partition done, 2 kept, 1 failed: failed\n") :].splitlines()
    assert listed[2:5] == [
        "sales\t2024-03-01\tkept\t\t\tunchanged",
        "sales\t2024-03-02\tkept\t\t\tunchanged",
        "sales\t2024-03-03\tdone\t1\t1\tnew delivery",
    ]
    assert listed[5].startswith("sales\t2024-03-04\tfailed\t\t\tsales 2024-03-04: sales/2024-03-04.csv is refused")
    assert listed[6] == "To go on from here: etl backfill --start 2024-03-01 --stop 2024-03-04"


def test_as_json_all_of_it_is_one_value(shop):
    (shop.raw / "sales/2024-03-04.csv").unlink()
    run = backfill(shop, "--force", "--json")
    found = json.loads(run.stdout[run.stdout.index("\n{\n") :])

    assert (run.returncode, found["exit_code"], found["outcome"]) == (0, 0, "published")
    assert [(one["date"], one["outcome"], one["rows"], one["why"]) for one in found["partitions"]] == [
        ("2024-03-01", "done", 2, "forced"),
        ("2024-03-02", "done", 1, "forced"),
        ("2024-03-03", "done", 1, "new delivery"),
    ]
    with closing(Ledger(shop.ledger, is_reading=True)) as ledger:
        assert found["run_id"] in {run.run_id for run in ledger.runs()}


def ledger_of(path, outcome="failed"):
    ledger = Ledger(path)
    ledger.write_run(Run(RUN, "2024-03-31", "2024-03-31T00:00:00+00:00", outcome=outcome))
    return ledger


def receipt(source, day, outcome="done", run=RUN):
    details = {"rows": 3, "rejected": 1, **({"refused": "it is empty"} if outcome != "done" else {})}
    return Receipt(Key("extract", source, str(day)), "f", run, outcome, details=details)


def partition(source, day, *, is_taken=True, is_awaited=False):
    return Partition(source=source, date=day, is_taken=is_taken, why="w", is_awaited=is_awaited)


@given(st.data())
def test_each_partition_has_one_outcome_whatever_became_of_the_run(tmp_path_factory, data):
    """Whatever is noted of a run: what it did, what failed and why, and what nobody came to."""
    days = [FIRST + timedelta(n) for n in range(4)]
    keys = [(source, day) for source in ("sales", "net_sales") for day in days]
    found = [
        partition(*key, is_taken=data.draw(st.booleans()))
        for key in keys
        if data.draw(st.booleans(), label=str(key))
    ]
    receipts = data.draw(st.dictionaries(st.sampled_from(keys), st.sampled_from(["done", "kept", "refused"])))
    problems = data.draw(st.sets(st.sampled_from(keys)))
    steps = {name: data.draw(st.sampled_from(OUTCOMES)) for name in ("sales", "net_sales")}
    with closing(ledger_of(tmp_path_factory.mktemp("l") / "ledger.sqlite")) as ledger:
        ledger.write(*(receipt(*key, outcome) for key, outcome in receipts.items()))
        History(ledger).plan(
            [StepRow(RUN, "extract", name, outcome=how, message="m") for name, how in steps.items()]
        )
        for source, day in problems:
            ledger.note_problem(RUN, "LakePartition", f"{source} {day}: it is refused.")
        told = ended(ledger, RUN, found)

    assert [(one.source, one.date) for one in told] == sorted(
        {(p.source, p.date) for p in found} | receipts.keys()
    )
    taken = {(one.source, one.date) for one in found if one.is_taken}
    for one in told:
        key = (one.source, one.date)
        expected = receipts.get(key) or (
            "kept"
            if key not in taken
            else "failed"
            if key in problems or steps[one.source] == "failed"
            else "skipped"
        )
        assert (one.outcome, bool(one.why)) == (expected, True), one
        assert (one.rows is not None) == (one.outcome == "done")
    numbers = Counter(one.outcome for one in told)
    assert all(f"{number} " in counts(told) and outcome in counts(told) for outcome, number in numbers.items())


@pytest.mark.parametrize(
    ("step", "message", "expected"),
    [
        ("done", "", ("kept", "nothing new was fetched or made")),
        ("failed", "the API is down", ("failed", "the API is down")),
        ("skipped", "It was not asked for.", ("skipped", "It was not asked for.")),
    ],
)
def test_what_was_to_be_fetched_and_did_not_come(tmp_path, step, message, expected):
    with closing(ledger_of(tmp_path / "ledger.sqlite")) as ledger:
        History(ledger).plan([StepRow(RUN, "fetch", "api", outcome=step, message=message)])
        (one,) = ended(ledger, RUN, [partition("api", FIRST, is_awaited=True)])

    assert (one.outcome, one.why) == expected


def test_what_was_fetched_may_have_another_date(tmp_path):
    with closing(ledger_of(tmp_path / "ledger.sqlite")) as ledger:
        ledger.write(receipt("api", FIRST))
        told = ended(ledger, RUN, [partition("api", FIRST + timedelta(9), is_awaited=True)])

    assert told == [
        Ended(source="api", date=FIRST, outcome="done", why="it came during the run", rows=3, rejected=1)
    ]


def test_nothing_is_said_of_a_run_that_has_not_begun(tmp_path, caplog):
    project = tiny.project(tmp_path)
    with caplog.at_level(logging.INFO, "etl"), said(project, RUN, [partition("sales", FIRST, is_taken=False)]):
        pass

    assert caplog.messages == []
