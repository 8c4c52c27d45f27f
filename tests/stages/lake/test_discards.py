"""Discarded records: written once more with the reason, while nothing is read or judged again."""

import json
import string
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract, Rule
from etl.ledger import Ledger, Receipt
from etl.project import Project
from etl.sources import Source
from etl.sources.formats import Csv
from etl.stages import lake
from etl.stages.lake import extraction
from etl.stages.lake.corrections import Correction, read_corrections
from tests.support import tiny
from tests.support.thorough import examples

FILE = "sales/2024-03-01.csv"
TEXT = tiny.HEADER + "1,book,1\nx,pen,2\n2\ny,cap,3\n"


def taken(project: Project, source: Source, *, is_forced: bool = False) -> Receipt:
    """Take the day as a night does, which knows what was accepted before."""
    ledger = Ledger(project.ledger)
    deliveries = tiny.with_corrections(project, source, tiny.found(project, source))
    content = {tiny.DAY: "".join(delivery.corrections for delivery in deliveries)}
    before = {date.fromisoformat(key.partition): receipt for key, receipt in ledger.receipts().items()}
    (receipt,) = lake.extract(project, source, deliveries, content, ledger, "run-2", before, is_forced=is_forced)
    return receipt


def refuse_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("the raw file is opened")

    monkeypatch.setattr(extraction, "open_file", fail)


def test_the_raw_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, source = tiny.project(tmp_path, raw={FILE: TEXT}), tiny.sales()
    taken(project, source)
    refuse_to_open(monkeypatch)

    tiny.decide(project, source, (3, "x,pen,2", "!a test"))
    assert counts(taken(project, source)) == (4, 1, 2, 1)
    tiny.decide(project, source, (4, "2", "!of ünknown origin"))
    assert counts(taken(project, source)) == (4, 1, 1, 2)
    assert tiny.rejects_of(project, columns="line, rule, discarded, run_id") == [
        (3, "id.dtype", "a test", "run-2"),
        (4, "record", "of ünknown origin", "run-2"),
        (5, "id.dtype", None, "run-2"),
    ]


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ([(3, "x,pen,2", "2,pen,2")], (4, 2, 2, 0)),
        ([(2, "1,book,1", "!it keeps the contract")], (4, 1, 3, 0)),
        ([(3, "another text", "!not that record")], (4, 1, 3, 0)),
        ([(3, "x,pen,2", "!twice"), (3, "x,pen,2", "!said")], (4, 1, 2, 1)),
    ],
)
def test_what_is_more_than_to_discard_is_read_again(
    tmp_path: Path, decided: list[tuple[int, str, str]], expected: tuple[int, ...]
) -> None:
    project, source = tiny.project(tmp_path, raw={FILE: TEXT}), tiny.sales()
    taken(project, source)
    tiny.decide(project, source, *decided)

    assert counts(taken(project, source)) == expected


@pytest.mark.parametrize("change", ["forced", "contract", "quarantine", "hand"])
def test_whatever_else_is_new_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    project, source = tiny.project(tmp_path, raw={FILE: TEXT}), tiny.sales()
    taken(project, source)
    tiny.decide(project, source, (3, "x,pen,2", "!a test"))
    if change == "contract":
        source = tiny.sales(max_rejects=100)
    if change == "quarantine":
        next(project.quarantine.rglob("*.parquet")).touch()
    if change == "hand":
        file = next(project.corrections.rglob("*.jsonl"))
        file.write_text(file.read_text().replace('"line": 3', '"line":3'))
    refuse_to_open(monkeypatch)

    with pytest.raises(Exception, match="the raw file is opened"):
        taken(project, source, is_forced=change == "forced")


TEXTS = {2: "1,book", 3: "x,pen", 4: "3,cap,extra", 5: "5,hat", 6: "5,hood", 7: "y,a\tb"}
PAIRS = Contract(
    "Pairs",
    columns=(Column("id", "BIGINT", False), Column("item", "VARCHAR", True)),
    rules=(Rule("id.not_nullable", '"id" is not null', "id", "is null"),),
    uniques=tiny.CONTRACT.uniques,
)
DECISIONS = st.tuples(st.sampled_from(sorted(TEXTS)), st.sampled_from(["!a", "!b'\"\\ü", "7,new", "y,bad"]))


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from(sorted(TEXTS)), min_size=2, max_size=6, unique=True),
    steps=st.lists(st.lists(DECISIONS, max_size=3), min_size=1, max_size=3),
)
def test_what_is_kept_of_a_night_is_what_a_night_from_nothing_makes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int], steps: list[list[tuple[int, str]]]
) -> None:
    text = "id,item\n" + "".join(f"{TEXTS[line]}\n" for line in lines)
    source = tiny.sales(contract=PAIRS, format=Csv())
    one, other = (tiny.project(tmp_path_factory.mktemp("law"), raw={FILE: text}) for _ in range(2))
    taken(one, source)
    for decided in steps:
        for project in (one, other):
            own = ((lines.index(line) + 2, TEXTS[line], new) for line, new in decided if line in lines)
            tiny.decide(project, source, *own)
        by_steps = taken(one, source)
    at_once = taken(other, source)

    names = ("records", "rows", "rejected", "discarded", "refused", "lines", "warnings")
    for name in (*names, "stale", "why_stale"):
        assert by_steps.details.get(name) == at_once.details.get(name), name
    assert sorted(tiny.rows_of(one, columns="* exclude (_file)")) == sorted(
        tiny.rows_of(other, columns="* exclude (_file)")
    )
    if at_once.details["rejected"] + at_once.details["discarded"]:
        assert sorted(tiny.rejects_of(one, columns="to_json(columns(*))")) == sorted(
            tiny.rejects_of(other, columns="to_json(columns(*))")
        )


NAMES = st.text(st.sampled_from('ab"\\/é ' + string.digits), min_size=1, max_size=4)
CORRECTIONS = st.builds(
    dict,
    file=NAMES,
    line=st.integers(-1, 12),
    sha256=st.sampled_from(["a" * 64, "0" * 64, "A" * 64, ""]),
    action=st.sampled_from(["discard", "replace"]),
    text=NAMES,
    reason=st.sampled_from(["a", "b"]),
)


@given(
    items=st.lists(CORRECTIONS, max_size=6),
    more=st.sampled_from(["", ', "line": 3', ', "by": "x"', ', "file": "a", "reason": "c"']),
)
def test_lines_that_are_read_like_others_say_what_they_say_alone(
    tmp_path_factory: pytest.TempPathFactory, items: list[dict[str, Any]], more: str
) -> None:
    lines = [json.dumps(item, ensure_ascii=False)[:-1] + more + "}" for item in items for _ in range(2)]
    file = tmp_path_factory.mktemp("lines") / "day.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))

    alone = {item.key: item for item in (Correction(**json.loads(line)) for line in lines)}
    assert list(read_corrections(file)) == list(alone.values())


def counts(receipt: Receipt) -> tuple[int, ...]:
    return tuple(receipt.details[name] for name in ("records", "rows", "rejected", "discarded"))
