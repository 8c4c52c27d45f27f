"""The laws that every raw format keeps, over all of them: a new one is judged as soon as it is in FORMATS."""

import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract, Rule, Unique
from etl.errors import DeliveryError, UnreadableError
from etl.ledger import Ledger
from etl.project import Project
from etl.sources.formats import FORMATS, Opened
from etl.stages.lake.corrections import Correction, add_corrections, corrections_file, record_hash
from tests.sources.formats.conftest import taken_apart
from tests.sources.formats.makers import MAKERS, Maker
from tests.support import tiny
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

COLUMNS = ["id", "item", "price"]
ROWS: list[list[Any]] = [[1, "book", Decimal("9.50")], [2, None, None], [3, "pen, é <&>", Decimal(2)]]
#: Each breaks one rule.
BAD: list[list[Any]] = [
    [None, "lost", 1],
    ["x", "cap", 1],
    [4, "ink", -5],
    [5, "mug", "dear"],
    [6, "a", 1],
    [6, "b", 1],
]
FILE = "sales/2024-03-01.dat"
SECRET = "Zq7secret"
COUNTS = ("records", "rows", "rejected", "discarded")

FUZZ = settings(
    max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXTS = st.text("abé <&\"',;|{}[]", min_size=1, max_size=8).map(str.strip).filter(bool)
TABLES = st.lists(st.tuples(st.integers(-(10**6), 10**6), TEXTS | st.none(), TEXTS | st.none()), max_size=4)
DIRT = st.sampled_from([b"", b"\n", b"\0", b'"', b"<", b">", b"{", b"}", b"[", b",", b"\xff", b"\\", b"a", b"  "])
#: What happens to a file on its way: at a share of its length, so many bytes become others.
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), DIRT | st.binary(max_size=4)), max_size=4)


@pytest.fixture(params=dict.fromkeys([*FORMATS, *MAKERS]))
def maker(request: pytest.FixtureRequest) -> Maker:
    name = request.param
    if name not in MAKERS:
        pytest.fail(
            f"Format {name} has no maker. Add one to sources/formats/makers.py: the laws need a file to judge."
        )
    return MAKERS[name]


def damaged(content: bytes, damage: Sequence[tuple[float, int, bytes]]) -> bytes:
    for share, size, dirt in damage:
        at = int(share * len(content))
        content = content[:at] + dirt + content[at + size :]
    return content


def opened(maker: Maker, folder: Path, content: bytes, columns: Sequence[str] = COLUMNS, **how: Any) -> Opened:
    path = folder / "raw.dat"
    path.write_bytes(content)
    fmt = maker.fmt(columns)
    if "record_of" in how:
        fmt = fmt.record_format(how["record_of"])
    return fmt.open(path, columns, folder / "scratch")


def contract(**item: Any) -> Contract:
    """Return the contract of sales; options are those of its column `item`."""
    columns = (
        Column("id", "BIGINT", False),
        Column("item", "VARCHAR", True, **item),
        Column("price", "DECIMAL(9,2)", True),
    )
    rules = (
        Rule("id.not_nullable", '"id" is not null', "id", "is null"),
        Rule("price.ge", '"price" >= 0', "price", "greater_than_or_equal_to(0)"),
    )
    return Contract("Sales", columns=columns, rules=rules, uniques=(Unique("id.unique", ("id",)),))


def day(root: Path, maker: Maker, rows: Sequence[Sequence[Any]] | bytes, columns=COLUMNS, **options: Any) -> Any:
    """Extract one file; return the project, the receipt's counts or the message of a refusal."""
    content = rows if isinstance(rows, bytes) else maker.write(columns, rows)
    project = tiny.project(root, raw={FILE: content})
    return project, taken(project, maker, columns, **options)


def source(maker: Maker, columns: Sequence[str], **options: Any) -> Any:
    return tiny.sales(
        **{"contract": contract(), "files": "sales/{date}.dat", "format": maker.fmt(columns), **options}
    )


def extracted(project: Project, maker: Maker, columns: Sequence[str] = COLUMNS, **options: Any) -> Any:
    """Extract what is there; return what is refused, and the counts of each day that is not."""
    problem = ""
    try:
        tiny.take(project, source(maker, columns, **options))
    except DeliveryError as error:
        problem = str(error)
    receipts = Ledger(project.ledger).receipts()
    return problem, [tuple(receipts[key].details[name] for name in COUNTS) for key in sorted(receipts)]


def taken(project: Project, maker: Maker, columns: Sequence[str] = COLUMNS, **options: Any) -> Any:
    """Extract the one day that is there; return why it is refused, or its counts."""
    problem, receipts = extracted(project, maker, columns, **options)
    return problem or receipts[0]


def everything_in(folder: Path) -> str:
    """Return all that Parquet files in a folder hold, as text."""
    found = []
    with tiny.memory() as con:
        for path in sorted(folder.rglob("*.parquet")):
            found += con.execute("from read_parquet(?, hive_partitioning = false)", [str(path)]).fetchall()
    return repr(found)


def test_every_format_has_all_that_extraction_asks_of_a_file(tmp_path: Path, maker: Maker) -> None:
    file = opened(maker, tmp_path, maker.write(COLUMNS, ROWS))
    asked = [name for name in vars(Opened) if not name.startswith("_")]
    assert [name for name in asked if not hasattr(file, name)] == []


@FUZZ
@given(rows=TABLES)
def test_what_was_written_comes_back(tmp_path: Path, maker: Maker, rows: list[tuple]) -> None:
    file = opened(maker, tmp_path, maker.write(COLUMNS, rows))
    found = taken_apart(file)
    file.close()
    assert found.columns == tuple(COLUMNS)
    assert found.broken == []
    assert found.rows == [tuple(None if cell is None else str(cell) for cell in row) for row in rows]


@FUZZ
@given(rows=TABLES, damage=DAMAGE)
def test_of_any_bytes_sound_and_broken_records_are_everything_in_order(
    tmp_path: Path, maker: Maker, rows: list[tuple], damage: list[tuple]
) -> None:
    content = damaged(maker.write(COLUMNS, rows), damage)
    try:
        file = opened(maker, tmp_path, content)
    except UnreadableError:
        assert not list(tmp_path.glob("scratch*"))
        return
    file.verify()
    try:
        # a header of other names refuses the file, and DuckDB never reads it
        if file.columns == tuple(COLUMNS):
            found = taken_apart(file)
            assert [place.line for place in found.places] == sorted(place.line for place in found.places)
        assert len(list(file.everything())) == file.sound + file.broken
    finally:
        file.close()
    assert not list(tmp_path.glob("scratch*"))


@FUZZ
@given(rows=TABLES)
def test_the_text_of_a_record_is_read_again_as_that_record(
    tmp_path: Path, maker: Maker, rows: list[tuple]
) -> None:
    file = opened(maker, tmp_path, maker.write(COLUMNS, rows))
    file.verify()
    found = taken_apart(file)
    file.close()
    texts = [place.text for place in found.places]
    for chosen, expected in [(texts, found.rows), (texts[:1], found.rows[:1])]:
        content = "".join(f"{text}\n" for text in chosen).encode()
        again = opened(maker, tmp_path, content, record_of=found.columns)
        again.verify()
        assert taken_apart(again).rows == expected
        again.close()


@FUZZ
@given(rows=TABLES, hidden=st.sampled_from([{"item"}, {"price"}, {"item", "price"}]))
def test_of_a_hidden_cell_nothing_is_left_and_all_others_are_as_they_were(
    tmp_path: Path, maker: Maker, rows: list[tuple], hidden: set[str]
) -> None:
    item, price = (f"{SECRET}<&\"'" if name in hidden else None for name in COLUMNS[1:])
    file = opened(maker, tmp_path, maker.write(COLUMNS, [(n, item or i, price or p) for n, i, p in rows]))
    file.verify()
    found = taken_apart(file)
    file.close()
    for place, row in zip(found.places, found.rows, strict=True):
        shown = maker.fmt(COLUMNS).redacted(place.text, found.columns, dict.fromkeys(hidden, lambda text: "*"))
        assert shown is not None
        assert SECRET not in shown
        again = opened(maker, tmp_path, f"{shown}\n".encode(), record_of=found.columns)
        again.verify()
        rest = [cell and cell.replace(item or price or "", "*") for cell in row]
        assert taken_apart(again).rows == [tuple(rest)]
        again.close()


def test_of_a_hidden_cell_with_parts_nothing_is_left(tmp_path: Path, maker: Maker) -> None:
    file = opened(maker, tmp_path, maker.write(COLUMNS, [[1, maker.nested(SECRET), 2]]))
    file.verify()
    (place,) = taken_apart(file).places
    assert SECRET in place.text
    shown = maker.fmt(COLUMNS).redacted(place.text, file.columns, {"item": lambda text: "*"})
    assert shown is not None
    assert SECRET not in shown


def test_sound_records_are_rows(tmp_path: Path, maker: Maker) -> None:
    project, counts = day(tmp_path, maker, ROWS)
    assert counts == (3, 3, 0, 0)
    assert tiny.rows_of(project, columns="id, item, price") == [(n, i, p and Decimal(p)) for n, i, p in ROWS]


def test_records_that_break_a_rule_are_in_quarantine_with_their_text(tmp_path: Path, maker: Maker) -> None:
    project, counts = day(tmp_path, maker, [*ROWS, *BAD])
    assert counts == (9, 3, 6, 0)
    rejects = tiny.rejects_of(project, columns="rule, text")
    assert sorted(rule for rule, _ in rejects) == [
        "id.dtype",
        "id.not_nullable",
        "id.unique",
        "id.unique",
        "price.dtype",
        "price.ge",
    ]
    for item in ("lost", "cap", "ink", "mug"):
        assert sum(item in text for _, text in rejects) == 1


@pytest.mark.parametrize(("extra", "kept"), [("ignore", None), ("keep", '{"colour":"red"}')])
def test_a_column_that_the_contract_does_not_have(
    tmp_path: Path, maker: Maker, extra: str, kept: str | None
) -> None:
    columns, rows = [*COLUMNS, "colour"], [[*row, "red"] for row in ROWS]
    project, refusal = day(tmp_path / "a", maker, rows, columns)
    assert re.search(r"'colour'( \(first on line \d\))? is not in the contract.* extra='keep'", refusal)
    assert [rule for _, rule, _ in tiny.rejects_of(project)] == ["partition.refused"] * 3

    project, counts = day(tmp_path / "b", maker, [*rows, [4, "ink", -5, "red"]], columns, extra=extra)
    assert counts == (4, 3, 1, 0)
    if kept:
        assert tiny.rows_of(project, columns="_extra") == [(kept,)] * 3


def test_a_column_that_is_missing(tmp_path: Path, maker: Maker) -> None:
    rows = [["book", 1], ["pen", 2], ["ink", None]]
    project, outcome = day(tmp_path, maker, rows, COLUMNS[1:], extra="ignore")
    # where each record names its own cells, it is each record that lacks one
    assert "'id' of the contract is missing" in outcome or outcome == (3, 0, 3, 0)
    assert {rule for _, rule, _ in tiny.rejects_of(project)} <= {"partition.refused", "id.not_nullable"}
    assert len(tiny.rejects_of(project)) == 3


@pytest.mark.parametrize("name", ["item_id", "Id", "sku"])
def test_a_renamed_column_is_answered_with_what_takes_it(tmp_path: Path, maker: Maker, name: str) -> None:
    columns = [name, *COLUMNS[1:]]
    _, refusal = day(tmp_path / "a", maker, ROWS, columns)
    if name == "sku" and "(first on line" in refusal:
        return  # records that name their own cells have no first column
    answer = re.search(rf"New: {name}. If it is `id`, add (\w+)=(.*?) to (its Field|the format)\.", refusal)
    assert answer
    known, format = contract(), maker.fmt(columns)
    if answer[3] == "its Field":
        first = replace(known.columns[0], **ast.literal_eval(answer[2]))
        known = replace(known, columns=(first, *known.columns[1:]))
    else:
        said = {**getattr(format, answer[1]), **ast.literal_eval(answer[2])}
        format = replace(format, **{answer[1]: said})
    assert day(tmp_path / "b", maker, ROWS, columns, contract=known, format=format)[1] == (3, 3, 0, 0)


def test_a_column_that_is_there_is_not_taken_for_renamed(tmp_path: Path, maker: Maker) -> None:
    _, refusal = day(tmp_path, maker, [[*row, 7] for row in ROWS], [*COLUMNS, "item_id"])
    assert "'item_id'" in refusal
    assert "New:" not in refusal


@pytest.mark.parametrize(("ids", "kept"), [(["7", "8"], 2), (["x", "8"], 1), ([1.5, 2.0], None)])
def test_a_column_of_another_type(tmp_path: Path, maker: Maker, ids: list[Any], kept: int | None) -> None:
    project, (records, rows, rejected, _) = day(tmp_path, maker, [[number, "a", 1] for number in ids])
    assert (records, rows + rejected) == (2, 2)
    assert kept is None or rows == kept
    # never another number than the one delivered
    assert kept or {row[0] for row in (tiny.rows_of(project, columns="id") if rows else [])} <= {2}


def test_corrections_are_read_in_the_place_of_rejects(tmp_path: Path, maker: Maker) -> None:
    project, counts = day(tmp_path, maker, [*ROWS, [4, "ink", -5], [5, "mug", -5]])
    assert counts == (5, 3, 2, 0)
    decided = []
    for line, text, raw in tiny.rejects_of(project, columns="line, text, raw"):
        what = (
            {"action": "discard", "reason": "a test"}
            if "mug" in text
            else {"action": "replace", "text": text.replace("-5", "95")}
        )
        decided.append(
            Correction(file=FILE, line=line, sha256=record_hash(text, raw), by="ann", at="2024-04-01", **what)
        )
    add_corrections(corrections_file(project, source(maker, COLUMNS), tiny.DAY), decided, project.scratch)

    assert taken(project, maker) == (5, 4, 0, 1)
    assert (4, "ink", Decimal(95)) in tiny.rows_of(project, columns="id, item, price")


@pytest.mark.parametrize("extra", ["refuse", "ignore", "keep"])
def test_what_is_masked_is_nowhere(tmp_path: Path, maker: Maker, extra: str) -> None:
    rows = [[1, SECRET, 1], [2, maker.nested(SECRET), 1], ["x", SECRET, 1], ["y", maker.nested(SECRET), -1]]
    columns, rows = [*COLUMNS, "colour"], [[*row, "red"] for row in rows]
    project, _ = day(tmp_path, maker, rows, columns, contract=contract(pii="drop"), extra=extra)
    written = everything_in(project.lake) + everything_in(project.quarantine)
    assert (extra == "keep") == ('"colour":"red"' in everything_in(project.lake))
    assert "2024" in written
    assert SECRET not in written


@pytest.mark.parametrize("extra", ["refuse", "ignore", "keep"])
@pytest.mark.parametrize("columns", [["id", "goods", "price"], ["id", "item", "price", "goods"]])
def test_what_is_masked_is_nowhere_under_an_alias_either(
    tmp_path: Path, maker: Maker, columns: list[str], extra: str
) -> None:
    rows = [[1, SECRET, 1, SECRET], ["y", maker.nested(SECRET), -1, maker.nested(SECRET)]]
    rows = [row[: len(columns)] for row in rows]
    masked = contract(pii="drop", aliases=("goods",))
    project, _ = day(tmp_path, maker, rows, columns, contract=masked, extra=extra)
    written = everything_in(project.lake) + everything_in(project.quarantine)
    assert "2024" in written
    assert SECRET not in written


@FUZZ
@given(rows=TABLES, damage=DAMAGE)
def test_any_bytes_are_rows_or_in_quarantine(
    tmp_path: Path, maker: Maker, rows: list[tuple], damage: list[tuple]
) -> None:
    columns = [*COLUMNS, "colour"]
    content = damaged(maker.write(columns, [(*row, "red") for row in rows]), damage)
    _, outcome = day(tmp_path, maker, content, columns, extra="keep")
    if isinstance(outcome, str):
        assert "fault of etl" not in outcome
    else:
        records, kept, rejected, _ = outcome
        assert records == kept + rejected


def test_a_refused_delivery_is_in_quarantine_as_a_whole(tmp_path: Path, maker: Maker) -> None:
    project, refusal = day(tmp_path, maker, [*ROWS, *BAD], max_rejects=1)
    assert "max_rejects = 1" in refusal
    assert len(tiny.rejects_of(project)) == 9
    assert not list(project.lake.rglob("*.parquet"))


def test_what_is_not_of_the_format_stops_no_other_day(tmp_path: Path, maker: Maker) -> None:
    other = {"sales/2024-03-02.dat": maker.write(COLUMNS, ROWS)}
    project = tiny.project(tmp_path, raw={FILE: b"\x89PNG\r\n\x1a\n\0", **other})
    problem, receipts = extracted(project, maker)
    # where lines are records, these bytes are three, and broken
    assert FILE in problem or receipts[0] == (3, 0, 3, 0)
    assert ".. " not in f"{problem} "
    assert len(tiny.rows_of(project, day=tiny.DAY.replace(day=2))) == 3


def test_a_file_without_records_is_an_empty_partition(tmp_path: Path, maker: Maker) -> None:
    project, counts = day(tmp_path, maker, [])
    assert counts == (0, 0, 0, 0)
    assert tiny.rows_of(project) == []


@pytest.mark.parametrize("empty", ["auto", "partition", "error"])
def test_a_file_of_no_bytes_is_empty_or_refused(tmp_path: Path, maker: Maker, empty: str) -> None:
    project, outcome = day(tmp_path, maker, b"", empty=empty)
    if isinstance(outcome, str):
        assert FILE in outcome
    else:
        assert (outcome, empty) != ((0, 0, 0, 0), "error")
        assert tiny.rows_of(project) == []
