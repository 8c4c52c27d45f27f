"""What is skipped by its number alone is looked at all the same: no sound record is lost in place of a line."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl.errors import DeliveryError
from etl.ledger import Receipt
from etl.project import Project
from etl.sources.formats import FORMATS, Csv, Excel, FixedWidth, Format, format_class
from etl.stages.lake import empty
from tests.support import tiny

pytestmark = pytest.mark.sampled

Row = tuple[str, str, str]

#: A record that stands where a line is skipped, among others that are where they belong.
SOUND: Row = ("7", "ink", "3.50")
OTHERS: list[Row] = [("1", "book", "9.00"), ("2", "pen", "")]
HEADER: Row = ("id", "item", "price")
#: Options by which a format skips lines by their number.
SKIPPING = {"preamble", "header", "footer", "header_lines", "header_row"}
ROWS = st.tuples(
    st.integers(0, 10**6).map(str), st.sampled_from(["ink", "", "a b", "é"]), st.sampled_from(["", "1", "0.5"])
)


def csv(rows: Sequence[Row]) -> bytes:
    return "".join(f"{','.join(row)}\n" for row in rows).encode()


def fixed(rows: Sequence[Row]) -> bytes:
    return "".join("".join(cell.ljust(8) for cell in row) + "\n" for row in rows).encode()


def excel(rows: Sequence[Row]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([cell or None for cell in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


COLUMNS = {"id": (1, 8), "item": (9, 16), "price": (17, 24)}


@dataclass
class Place:
    """A place at which a format skips a line by its number; `rows` puts a row there, or what belongs there."""

    format: Format
    write: Callable[[Sequence[Row]], bytes]
    rows: Callable[[Row], list[Row]]
    usual: Row


PLACES = {
    "Csv footer": Place(Csv(footer=1), csv, lambda row: [HEADER, *OTHERS, row], ("Total", "", "9.00")),
    "Csv footer, names": Place(
        Csv(footer=1, names=HEADER, header=False), csv, lambda row: [*OTHERS, row], ("Total", "", "9.00")
    ),
    "Csv preamble": Place(Csv(preamble=1), csv, lambda row: [row, HEADER, *OTHERS], ("Report", "", "")),
    "Csv preamble, no header": Place(
        Csv(preamble=1, header=False), csv, lambda row: [row, *OTHERS], ("Report", "", "")
    ),
    "Csv names": Place(Csv(names=HEADER), csv, lambda row: [row, *OTHERS], ("Nr", "Name", "Preis")),
    "Csv header=2, names": Place(
        Csv(names=HEADER, header=2), csv, lambda row: [HEADER, row, *OTHERS], ("", "", "EUR")
    ),
    "FixedWidth header_lines": Place(
        FixedWidth(columns=COLUMNS, header_lines=1), fixed, lambda row: [row, *OTHERS], ("id", "item", "price")
    ),
    "Excel header_row": Place(Excel(header_row=2), excel, lambda row: [row, HEADER, *OTHERS], ("Report", "", "")),
}


def taken(folder: Path, place: Place, row: Row, **options: Any) -> tuple[Receipt | None, list[tuple[Any, ...]]]:
    """Extract a file with a row in the place; return its receipt, None if it is refused, and its rejects."""
    source = tiny.sales(format=place.format, files="sales/{date}.dat", **options)
    project = tiny.project(folder, raw={"sales/2024-03-01.dat": place.write(place.rows(row))})
    try:
        (receipt,) = tiny.take(project, source)
    except DeliveryError:
        receipt = None
    has_rejects = any((project.quarantine / "sales").glob("*/data.parquet"))
    return receipt, tiny.rejects_of(project, columns="line, message") if has_rejects else []


def test_every_format_that_skips_lines_by_their_number_is_held_to_the_law() -> None:
    skipping = {name for name in FORMATS if SKIPPING & {field.name for field in fields(format_class(name))}}

    # the header of JSON always names the columns: a record in its place refuses the file for them; changes of
    # Debezium refuse to have one
    assert skipping - {"Json", "JsonLines", "Debezium"} == {name.split()[0] for name in PLACES}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_belongs_in_the_place_is_skipped_and_counted(tmp_path: Path, place: Place) -> None:
    receipt, rejects = taken(tmp_path, place, place.usual)

    lines, skipped = len(place.rows(place.usual)), len(place.rows(place.usual)) - len(OTHERS)
    assert receipt is not None and not rejects
    assert (receipt.details["lines"], receipt.details["skipped"]) == (lines, skipped)
    assert receipt.details["rows"] == receipt.details["records"] == len(OTHERS)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROWS, policy=st.sampled_from(["refuse", "quarantine"]))
@example(row=SOUND, policy="refuse")
@example(row=SOUND, policy="quarantine")
def test_no_sound_record_is_lost_in_the_place_of_a_line(
    tmp_path_factory: pytest.TempPathFactory, place: Place, row: Row, policy: str
) -> None:
    receipt, rejects = taken(tmp_path_factory.mktemp("law"), place, row, skipped=policy)

    line = place.rows(row).index(row) + 1
    if row in OTHERS:
        return
    assert [reject[0] for reject in rejects if "keeps the contract" in reject[1]][:1] == [line] or (
        receipt is None and line in [reject[0] for reject in rejects]
    )
    if policy == "quarantine":
        assert receipt is not None
        assert receipt.details["rejected"] == 1
        assert receipt.details["lines"] == receipt.details["records"] + receipt.details["skipped"]
    else:
        assert receipt is None


FOOTED = Csv(footer=1)
CONTENT = "id,item,price\n1,book,9\n2,pen,\n"


def project_of(folder: Path, content: str) -> Project:
    return tiny.project(folder, raw={"sales/2024-03-01.csv": content})


@pytest.mark.parametrize(("decision", "rows"), [("!a total", ["book"]), ("2,ink,1", ["book", "ink"])])
def test_what_a_person_decides_about_the_line_counts(tmp_path: Path, decision: str, rows: list[str]) -> None:
    project, source = project_of(tmp_path, CONTENT), tiny.sales(format=FOOTED)
    tiny.decide(project, source, (3, "2,pen,", decision))

    (receipt,) = tiny.take(project, source)

    assert sorted(item for (item,) in tiny.rows_of(project, columns="item")) == rows
    facts = receipt.details
    assert (facts["records"], facts["rejected"], facts["discarded"]) == (2, 0, decision[0] == "!")
    assert (facts["lines"], facts["skipped"], facts["stale"]) == (3, 1, [])


def test_a_total_that_says_so_is_skipped_with_a_word(tmp_path: Path) -> None:
    project = project_of(tmp_path, CONTENT + "3,Total:,9\n")

    (receipt,) = tiny.take(project, tiny.sales(format=FOOTED))

    assert (receipt.details["rows"], receipt.details["skipped"]) == (2, 2)
    assert receipt.details["skips"] == [
        "line 4 is skipped by footer=1, but keeps the contract as a record does: '3,Total:,9'"
    ]


def test_a_word_of_the_source_lets_lines_be_skipped(tmp_path: Path) -> None:
    (receipt,) = tiny.take(project_of(tmp_path, CONTENT), tiny.sales(format=FOOTED, skipped="allow"))

    assert (receipt.details["rows"], receipt.details["skipped"]) == (1, 2)


def test_two_equal_records_are_not_told_apart_by_being_unique(tmp_path: Path) -> None:
    project = project_of(tmp_path, "id,item,price\n1,book,9\n5,pen,\n5,pen,\n")

    with pytest.raises(DeliveryError, match=r"line 3 is skipped by footer=2, but keeps the contract.*'5,pen,'"):
        tiny.take(project, tiny.sales(format=Csv(footer=2)))


def test_personal_data_of_the_line_is_not_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = tuple(
        replace(column, pii="drop") if column.name == "item" else column for column in tiny.CONTRACT.columns
    )
    project = project_of(tmp_path, CONTENT)

    with pytest.raises(DeliveryError, match="line 3 is skipped by footer=1") as caught:
        tiny.take(project, tiny.sales(format=FOOTED, contract=replace(tiny.CONTRACT, columns=columns)))

    assert "pen" not in str(caught.value)
    assert not [text for (text,) in tiny.rejects_of(project, columns="text || message") if "pen" in text]


def test_the_lines_are_published_with_their_partition(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": "id,item\n1,book\n\n2,pen\n\n"})

    tiny.night(project)

    asked = "select lines, records, skipped from etl.partitions"
    assert tiny.published(project, asked) == [(5, 2, 3)]


def test_a_header_that_the_preamble_took_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DeliveryError, match=r"the header found is 1, .*; line 1 may be the header, but preamble=1 skips it"
    ):
        tiny.take(project_of(tmp_path, CONTENT), tiny.sales(format=Csv(preamble=1)))


@pytest.mark.parametrize(
    ("content", "is_left_out"),
    [
        ("id,item,price\n", True),
        ("id,item,price\nTotal,,0\n", True),
        ("id,item,price\nEnd\n", True),
        ("id,item,price\n4,pen,1\n", False),
    ],
)
def test_a_file_whose_only_record_is_skipped_is_not_an_empty_one(
    tmp_path: Path, content: str, is_left_out: bool
) -> None:
    project, source = project_of(tmp_path, content), tiny.sales(format=FOOTED, empty="skip")
    (delivery,) = tiny.found(project, source)

    assert empty.is_empty(source, delivery.files[0]) == is_left_out
    if not is_left_out:
        with pytest.raises(DeliveryError, match="line 2 is skipped by footer=1, but keeps"):
            tiny.take(project, source)
