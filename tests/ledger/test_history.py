"""The history gives back what each run did, step by step, however it ended."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etl.ledger import Check, Key, Ledger, Receipt, Run
from etl.ledger.history import DONE, FAILED, KEPT, KILLED, RUNNING, SKIPPED, History, RunFacts, StepId, StepRow
from etl.ledger.spent import Meter, Spent

RUN = "run-1"
EXTRACT, LOAD, BUILD = StepId("extract", "sales"), StepId("load", "sales"), StepId("transform", "marts.items")
AUDIT, PUBLISH = StepId("audit"), StepId("publish")
ALL = (EXTRACT, LOAD, BUILD, AUDIT, PUBLISH)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Ledger(tmp_path / "ledger.sqlite"))


def planned(history: History, run: str = RUN, parts: int = 2) -> None:
    history.ledger.write_run(Run(run, "2024-03-02", "2024-03-02T01:00:00+00:00"))
    history.plan([StepRow(run, *step, why="never done", parts=parts if step == EXTRACT else 1) for step in ALL])


def outcomes(history: History, run: str = RUN) -> dict[StepId, str]:
    return {row.id: row.outcome for row in history.steps([run])}


def spent(at: str, seconds: float) -> Spent:
    return Spent(
        started_at=f"2024-03-02T{at}+00:00",
        seconds=seconds,
        cpu_seconds=seconds / 2,
        bytes_read=10,
        bytes_written=None,
        peak_memory_bytes=int(100 * seconds),
    )


def extracted(day: str, outcome: str = "done", **details: object) -> Receipt:
    facts = {"records": 10, "rows": 9, "rejected": 1, "warnings": {"price.dear": 2}, **details}
    return Receipt(Key("extract", "sales", day), "f", RUN, outcome, seconds=0.5, details=facts)


def test_a_planned_step_is_known_before_it_begins(history: History) -> None:
    planned(history)

    assert [(row.id, row.outcome, row.why) for row in history.steps()] == [
        (step, "", "never done") for step in ALL
    ]


def test_a_plan_that_is_made_again_adds_steps_and_leaves_what_has_begun(history: History) -> None:
    planned(history)
    history.begin(RUN, [LOAD], "2024-03-02T01:00:01+00:00")

    history.plan([StepRow(RUN, *step, why="its input changed") for step in (*ALL, StepId("load", "more"))])

    rows = {row.id: row for row in history.steps()}
    assert (rows[LOAD].outcome, rows[LOAD].why) == (RUNNING, "never done")
    assert rows[EXTRACT].why == "its input changed"
    assert len(rows) == len(ALL) + 1


def test_parts_of_a_step_that_are_done_side_by_side_are_one_row(history: History) -> None:
    planned(history)
    history.begin(RUN, [EXTRACT], "2024-03-02T01:00:00+00:00")
    history.begin(RUN, [EXTRACT], "2024-03-02T01:00:01+00:00")

    history.add(RUN, {EXTRACT: spent("01:00:01", 3.0)})
    history.add(RUN, {EXTRACT: spent("01:00:00", 2.0)})

    (row,) = [row for row in history.steps() if row.id == EXTRACT]
    assert row.started_at == "2024-03-02T01:00:00+00:00"
    assert row.seconds == pytest.approx(4.0, abs=0.01)
    assert row.cpu_seconds == pytest.approx(2.5)
    assert (row.bytes_read, row.bytes_written, row.peak_memory_bytes, row.attempts) == (20, None, 300, 1)


def test_rows_and_outcomes_come_from_the_receipts_of_the_run(history: History) -> None:
    planned(history)
    history.ledger.write(
        extracted("2024-03-01"),
        extracted("2024-03-02", "refused", records=3, rows=0, rejected=3, refused="3 of 3 rejected", warnings={}),
        Receipt(Key("load", "sales"), "f", RUN, details={"rows": 9}),
        Receipt(
            Key("transform", "marts.items"), "f", RUN, details={"rows": 4, "built": True, "in_full": "window"}
        ),
        replace(extracted("2024-02-01"), run_id="earlier"),
    )

    history.settle(RUN)

    rows = {row.id: row for row in history.steps()}
    extract, build = rows[EXTRACT], rows[BUILD]
    assert (extract.outcome, extract.rows_in, extract.rows_out, extract.rejected) == (DONE, 13, 9, 4)
    assert extract.warnings == ["price.dear: 2", "2024-03-02 is refused: 3 of 3 rejected"]
    assert (build.outcome, build.rows_out, build.did) == (DONE, 4, "in full: window")
    assert rows[AUDIT].outcome == ""


@pytest.mark.parametrize(
    ("receipts", "step", "outcome"),
    [
        ([extracted("2024-03-01")], EXTRACT, RUNNING),
        ([extracted("2024-03-01", "kept"), extracted("2024-03-02", "kept")], EXTRACT, KEPT),
        ([Receipt(Key("transform", "marts.items"), "f", RUN, details={"built": False})], BUILD, KEPT),
        ([Receipt(Key("transform", "marts.items"), "f", RUN, "failed", details={"failed": "no"})], BUILD, FAILED),
    ],
    ids=["some parts", "all kept", "there already", "optional"],
)
def test_an_outcome_is_that_of_all_parts(
    history: History, receipts: list[Receipt], step: StepId, outcome: str
) -> None:
    planned(history)
    history.begin(RUN, [step], "2024-03-02T01:00:00+00:00")
    history.ledger.write(*receipts)

    history.settle(RUN)

    assert outcomes(history)[step] == outcome


def test_no_step_waits_when_the_run_is_over(history: History) -> None:
    planned(history)
    history.begin(RUN, [EXTRACT, LOAD], "2024-03-02T01:00:00+00:00")
    history.fail(RUN, {EXTRACT: "no header"})

    history.close(RUN, {BUILD: "waits for sales"}, otherwise="the run was killed", running=KILLED)

    rows = {row.id: (row.outcome, row.message) for row in history.steps()}
    assert rows == {
        EXTRACT: (FAILED, "no header"),
        LOAD: (KILLED, "the run was killed"),
        BUILD: (SKIPPED, "waits for sales"),
        AUDIT: (SKIPPED, "the run was killed"),
        PUBLISH: (SKIPPED, "the run was killed"),
    }


def test_each_result_of_a_check_is_kept_by_run(history: History) -> None:
    def check(run: str, failing: int) -> Check:
        facts = {"severity": "warn", "passed": not failing, "failing": failing, "examples": [], "fingerprint": "f"}
        return Check(name="few", table_name="marts.items", run_id=run, **facts)  # type: ignore[arg-type]

    history.ledger.replace_checks([check("run-1", 0)])
    history.ledger.replace_checks([check("run-2", 3)])
    history.ledger.replace_checks([check("run-2", 3)])

    assert [(row.run_id, row.passed, row.failing) for row in history.checks()] == [
        ("run-1", True, 0),
        ("run-2", False, 3),
    ]
    assert [row.run_id for row in history.checks(["run-1"])] == ["run-1"]


def test_facts_of_a_run_are_replaced(history: History) -> None:
    begun = RunFacts(run_id=RUN, trigger="cron", command="etl run", user="ann", host="box", is_dirty=True)
    ended = replace(begun, seconds=2.0, cpu_seconds=1.5)

    history.write(Run(RUN, "2024-03-02", "2024-03-02"), begun)
    history.write(Run(RUN, "2024-03-02", "2024-03-02"), ended)

    assert history.facts() == {RUN: ended}
    assert history.facts(["another"]) == {}


def test_usual_seconds_are_those_of_the_last_times_that_it_was_done(history: History) -> None:
    for number, seconds in enumerate([100.0, 2.0, 4.0]):
        planned(history, f"run-{number}")
        history.add(f"run-{number}", {LOAD: spent("01:00:00", seconds)})
        history.ledger.write(Receipt(Key("load", "sales"), "f", f"run-{number}"))
        history.settle(f"run-{number}")

    assert history.usual_seconds(2) == {LOAD: 3.0}


def test_old_runs_are_forgotten_but_not_those_that_are_needed(history: History) -> None:
    for number in range(10):
        planned(history, f"run-{number}")
        row = Run(f"run-{number}", "2024-03-02", f"2024-03-{number + 1:02}T01:00:00+00:00", outcome="published")
        history.ledger.write_run(row if number < 9 else replace(row, outcome=""))
    history.ledger.write_generation("g", "run-2", "f")
    history.ledger.note_problem("run-0", "plan", "no")

    assert history.prune(4, "2024-03-08", ["run-3"]) == ["run-6", "run-5", "run-4", "run-1", "run-0"]

    assert [run.run_id for run in history.ledger.runs()] == ["run-9", "run-8", "run-7", "run-3", "run-2"]
    assert history.runs_with_steps() == ["run-2", "run-3", "run-7", "run-8", "run-9"]
    assert history.ledger.problems("run-0") == []


def test_runs_that_found_nothing_new_do_not_push_out_those_that_did_something(history: History) -> None:
    for number in range(20):
        outcome = "published" if number < 2 else "unchanged"
        history.ledger.write_run(Run(f"run-{number:02}", "2024-03-02", "2024-03-02", outcome=outcome))

    history.prune(3, "2024-01-01", ())

    assert [run.run_id for run in history.ledger.runs()] == ["run-19", "run-18", "run-17", "run-01", "run-00"]


def test_a_meter_counts_from_where_it_is_made(tmp_path: Path) -> None:
    meter = Meter()
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    sum(range(100_000))

    cost = meter.spent()

    assert cost.seconds > 0 and cost.cpu_seconds >= 0 and cost.peak_memory_bytes > 1_000_000
    assert cost.bytes_written is None or cost.bytes_written >= 100_000


def test_what_quotes_data_is_forgotten_from_the_history_too(history: History) -> None:
    planned(history)
    history.fail(RUN, {EXTRACT: "found canary-pen"})
    history.ledger.write(extracted("2024-03-01", "refused", refused="canary-pen"))
    history.settle(RUN)
    history.fail(RUN, {EXTRACT: "found canary-pen"})

    history.ledger.forget_quoted()

    assert "canary" not in json.dumps([repr(row) for row in history.steps()])
