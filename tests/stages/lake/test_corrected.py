"""Corrections: rejected records discarded, or read again with another text; what keeps the contract stays."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract, Rule
from etl.errors import DeliveryError
from etl.ledger import Ledger, Receipt
from etl.project import Project
from etl.sources.formats import Csv, JsonLines
from etl.stages import lake
from tests.support import tiny
from tests.support.thorough import examples

FILE = "sales/2024-03-01.csv"


def corrected(root: Path, text: str, *decisions: tuple[int, str, str], **options: Any) -> tuple[Project, Receipt]:
    """Extract one file of sales with decisions about its records."""
    project = tiny.project(root, raw={FILE: text})
    tiny.decide(project, tiny.sales(**options), *decisions)
    (receipt,) = tiny.take(project, tiny.sales(**options))
    return project, receipt


def counts(receipt: Receipt) -> tuple[int, ...]:
    return tuple(receipt.details[name] for name in ("records", "rows", "rejected", "discarded"))


def test_a_replaced_record_is_a_row_with_its_original_file(tmp_path: Path) -> None:
    project, receipt = corrected(tmp_path, tiny.HEADER + "1,book,1\nx,pen,2\n", (3, "x,pen,2", "2,pen,2"))

    assert counts(receipt) == (2, 2, 0, 0)
    assert tiny.rows_of(project, columns="id, item, _file") == [(1, "book", FILE), (2, "pen", FILE)]
    assert not list(project.quarantine.rglob("*.parquet"))


def test_a_text_of_several_lines_and_a_broken_record_can_be_replaced(tmp_path: Path) -> None:
    project, receipt = corrected(tmp_path, tiny.HEADER + '1,book\n2,"a', (2, "1,book", '1,"two\nlines",5'))

    assert counts(receipt) == (2, 1, 1, 0)
    assert tiny.rows_of(project, columns="id, item") == [(1, "two\nlines")]


def test_a_discarded_record_stays_in_quarantine_with_its_reason(tmp_path: Path) -> None:
    project, receipt = corrected(tmp_path, tiny.HEADER + "x,pen,2\ny,cap,3\n", (2, "x,pen,2", "!a test"))

    assert counts(receipt) == (2, 0, 1, 1)
    assert tiny.rejects_of(project, columns="line, rule, text, discarded") == [
        (2, "id.dtype", "x,pen,2", "a test"),
        (3, "id.dtype", "y,cap,3", None),
    ]


def test_a_replacement_that_breaks_the_contract_says_so_beside_the_original_text(tmp_path: Path) -> None:
    project, _ = corrected(tmp_path, tiny.HEADER + "x,pen,2\n", (2, "x,pen,2", "2,pen,-2"))

    assert tiny.rejects_of(project, columns="rule, column_name, message, text") == [
        (
            "price.ge",
            "price",
            "corrected by ann on 2024-04-01, but price.ge: price = -2.00 is not >= 0",
            "x,pen,2",
        )
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2,pen", "2 cells where the contract has 3"),
        ("", "it is not one record but 0"),
        ("2,pen,2\n3,pen,3", "it is not one record but 2"),
        ('2,"pen,2', "a quote is stray or not closed"),
    ],
)
def test_a_text_that_is_no_record_stops_no_other_replacement(tmp_path: Path, text: str, problem: str) -> None:
    decisions = (2, "x,pen,2", text), (3, "y,cap,3", "3,cap,3")
    project, receipt = corrected(tmp_path, tiny.HEADER + "x,pen,2\ny,cap,3\n", *decisions)

    assert counts(receipt) == (2, 1, 1, 0)
    assert tiny.rejects_of(project, columns="rule, message") == [
        ("record", f"corrected by ann on 2024-04-01, but {problem}")
    ]


def test_the_last_decision_about_a_record_counts(tmp_path: Path) -> None:
    decisions = (2, "x,pen,2", "y,pen,2"), (2, "x,pen,2", "!no use"), (2, "x,pen,2", "2,pen,2")
    _, receipt = corrected(tmp_path, tiny.HEADER + "x,pen,2\n", *decisions)

    assert counts(receipt) == (1, 1, 0, 0)


def test_a_sound_record_is_not_touched_and_its_correction_is_stale(tmp_path: Path) -> None:
    decisions = (2, "1,book,1", "!away"), (3, "2,pen,2", "9,pen,9"), (4, "x,was,elsewhere", "!gone")
    project, receipt = corrected(tmp_path, tiny.HEADER + "1,book,1\n2,pen,2\n", *decisions)

    assert tiny.rows_of(project, columns="id") == [(1,), (2,)]
    assert receipt.details["stale"] == [f"{FILE}, line {line}" for line in (2, 3, 4)]


def test_discarding_one_of_two_duplicates_frees_the_other(tmp_path: Path) -> None:
    project, receipt = corrected(tmp_path, tiny.HEADER + "1,book,1\n1,pen,2\n", (3, "1,pen,2", "!sent twice"))

    assert counts(receipt) == (2, 1, 0, 1)
    assert tiny.rows_of(project, columns="id, item") == [(1, "book")]


@pytest.mark.parametrize("policy", ["quarantine", "first", "last"])
def test_a_replacement_never_pushes_a_row_out_that_was_accepted_without_it(tmp_path: Path, policy: str) -> None:
    text = tiny.HEADER + "x,pen,2\n1,book,1\n"
    project, receipt = corrected(tmp_path, text, (2, "x,pen,2", "1,pen,2"), duplicates=policy)

    assert tiny.rows_of(project, columns="item") == [("book",)]
    assert "id.unique: more than one record" in tiny.rejects_of(project, columns="message")[0][0]
    assert counts(receipt) == (2, 1, 1, 0)


def test_corrections_of_other_formats_are_read_as_their_records_are(tmp_path: Path) -> None:
    text = '{"id": "x", "item": "pen"}\n{"id": 1, "item": "a", "price": 2}\n'
    decision = (1, '{"id": "x", "item": "pen"}', '{"id": 2,\n "item": "pen"}')
    project, receipt = corrected(tmp_path, text, decision, format=JsonLines())

    assert counts(receipt) == (2, 2, 0, 0)
    assert tiny.rows_of(project, columns="id, item, price") == [(1, "a", 2), (2, "pen", None)]


def test_a_replaced_record_may_have_no_columns_that_its_source_refuses(tmp_path: Path) -> None:
    decision = (1, '{"id": "x"}', '{"id": 2, "colour": "red"}')
    project, _ = corrected(tmp_path, '{"id": "x"}\n', decision, format=JsonLines())

    assert (
        "column 'colour' (first on line 1) is not in the contract"
        in tiny.rejects_of(project, columns="message")[0][0]
    )


def test_the_limits_count_what_is_left_after_the_corrections(tmp_path: Path) -> None:
    text = tiny.HEADER + "1,book,1\nx,pen,2\ny,cap,3\n"
    message = r"2 of 3 records break the contract, more than max_rejects = 1 allows \(id.dtype 2\), such as line 3"
    project = tiny.project(tmp_path, raw={FILE: text})
    source = tiny.sales(max_rejects=1)
    with pytest.raises(DeliveryError, match=message):
        tiny.take(project, source)

    tiny.decide(project, source, (3, "x,pen,2", "!a test"))
    (receipt,) = tiny.take(project, source)

    assert counts(receipt) == (3, 1, 1, 1)
    assert tiny.rejects_of(project, columns="line, rule, discarded") == [
        (3, "id.dtype", "a test"),
        (4, "id.dtype", None),
    ]


def test_rejects_up_to_the_limit_are_no_reason_to_refuse(tmp_path: Path) -> None:
    text = tiny.HEADER + "x,pen,2\ny,cap,3\n"
    project = tiny.project(tmp_path, raw={FILE: text})

    (receipt,) = tiny.take(project, tiny.sales(max_rejects=2))

    assert (receipt.outcome, counts(receipt)) == ("done", (2, 0, 2, 0))


def test_a_refused_partition_says_of_each_record_what_was_decided(tmp_path: Path) -> None:
    lines = ["x,pen,2", "y,cap,3", "z,hat,4", "5,ok,5"]
    project = tiny.project(tmp_path, raw={FILE: tiny.HEADER + "".join(f"{line}\n" for line in lines)})
    source = tiny.sales(max_rejects=0)
    tiny.decide(project, source, (2, lines[0], "!a test"), (3, lines[1], "3,cap,-3"), (5, lines[3], "6,ok,6"))
    with pytest.raises(DeliveryError, match="2 of 4 records break"):
        tiny.take(project, source)

    first, second, third, last = tiny.rejects_of(project, columns="rule, message, discarded")
    assert (first[0], first[2]) == ("id.dtype", "a test")
    assert second[1].endswith(
        "this record: corrected by ann on 2024-04-01, but price.ge: price = -3.00 is not >= 0"
    )
    assert third[:1] == ("partition.refused",)
    assert third[1].endswith("this record: id.dtype: id is not a BIGINT")
    assert last[1].endswith("this record: corrected by ann on 2024-04-01; it waits for the others")


def test_corrections_that_changed_since_the_run_was_planned_wait_for_the_next(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={FILE: tiny.HEADER + "x,pen,2\n"})
    source = tiny.sales()
    tiny.decide(project, source, (2, "x,pen,2", "!a"))
    planned = tiny.with_corrections(project, source, tiny.found(project, source))
    tiny.decide(project, source, (2, "x,pen,2", "!b"))
    with pytest.raises(DeliveryError, match=r"2024-03-01\.jsonl changed since the run began. Nothing of sales/"):
        lake.extract(project, source, planned, {tiny.DAY: "f"}, Ledger(project.ledger), "run-1")


def test_a_line_that_is_no_correction_is_named(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={FILE: tiny.HEADER + "x,pen,2\n"})
    file = project.corrections / "sales/2024-03-01.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('\n{"file": "a", "line": 1, "sha256": "", "action": "discard"}\n')
    with pytest.raises(
        DeliveryError, match=r"2024-03-01: .*jsonl, line 2 is not a correction: .*to discard a reason"
    ):
        tiny.take(project, tiny.sales())


TEXTS = {2: "1,book", 3: "x,pen", 4: "3,cap,extra", 5: "5,hat", 6: "5,hood"}
PAIRS = Contract(
    "Pairs",
    columns=(Column("id", "BIGINT", False), Column("item", "VARCHAR", True)),
    rules=(Rule("id.not_nullable", '"id" is not null', "id", "is null"),),
    uniques=tiny.CONTRACT.uniques,
)
DECISIONS = st.tuples(
    st.sampled_from(sorted(TEXTS)), st.sampled_from(["!a", "7,new", "1,taken", "y,bad", "8,a,b"])
)
LOSSES = st.sampled_from(["", "ledger.sqlite", "lake", "quarantine"])


def expected(decisions: dict[int, str]) -> tuple[list[tuple[int, str]], list[int], list[int]]:
    """Return rows, rejected and discarded lines, by the words of the README alone."""
    decided = {line: text for line, text in decisions.items() if line != 2}
    candidates = {line: decided.get(line, text) for line, text in TEXTS.items()}
    discarded = [line for line, text in decided.items() if text == "!a"]
    read = {
        line: text.split(",")
        for line, text in candidates.items()
        if line not in discarded and text.count(",") == 1 and text.split(",")[0].isdigit()
    }
    ids = [cells[0] for cells in read.values()]
    kept = {line for line, cells in read.items() if line == 2 or ids.count(cells[0]) == 1}
    rows = sorted((int(read[line][0]), read[line][1]) for line in kept)
    return rows, sorted(set(TEXTS) - kept - set(discarded)), sorted(discarded)


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.lists(DECISIONS, max_size=3), LOSSES), min_size=1, max_size=3))
def test_any_decisions_and_losses_end_in_what_the_last_decisions_say(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[list[tuple[int, str]], str]]
) -> None:
    text = "id,item\n" + "".join(f"{line}\n" for line in TEXTS.values())
    project = tiny.project(tmp_path_factory.mktemp("law"), raw={FILE: text})
    source, decisions = tiny.sales(contract=PAIRS, format=Csv()), {}
    for decided, loss in steps:
        tiny.decide(project, source, *((line, TEXTS[line], new) for line, new in decided))
        decisions |= dict(decided)
        (receipt,) = tiny.take(project, source)
        for path in [path for path in (project.data / loss).rglob("*.parquet") if loss]:
            path.unlink()
        if loss == "ledger.sqlite":
            (project.data / loss).unlink()
    (receipt,) = tiny.take(project, source)

    rows, rejected, discarded = expected(decisions)
    assert counts(receipt) == (5, len(rows), len(rejected), len(discarded))
    assert sorted(tiny.rows_of(project, columns="id, item")) == rows
    there = tiny.rejects_of(project, columns="line, discarded is null") if rejected or discarded else []
    assert [line for line, is_rejected in there if is_rejected] == rejected
    assert [line for line, is_rejected in there if not is_rejected] == discarded
    assert json.dumps(receipt.details["stale"] if decisions else []) == json.dumps(
        [f"{FILE}, line 2"] if 2 in decisions else []
    )
