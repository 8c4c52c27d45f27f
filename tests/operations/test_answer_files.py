"""What a query answers is in its file, value for value: of every type that DuckDB has, in every format."""

import csv
import json
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from etl.cli.main import cli
from etl.cli.screen import as_json
from etl.engine.quoting import identifier, literal
from etl.errors import ConfigError, EtlError, QueryError
from etl.operations import excel
from etl.operations.answer_files import write_answer
from etl.operations.spreadsheet import unguarded
from etl.project import Project
from etl.reports.query import ask
from tests.support import tiny

pytestmark = pytest.mark.sampled

with duckdb.connect() as con:
    #: Every type of DuckDB, by the name of its column in test_all_types(), which has its extremes and a null.
    TYPES = {name: type for name, type, *_ in con.execute("describe from test_all_types()").fetchall()}
#: What Parquet cannot hold is refused; see engine/parquet_types.py.
NOT_PARQUET = {"empty_struct"} | {
    name for name, type in TYPES.items() if type.startswith(("UNION", "VARIANT", "TUPLE"))
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = tiny.project(tmp_path_factory.mktemp("shop"))
    tiny.night(project)
    return project


def write(project: Project, query: str, target: Path) -> int:
    return write_answer(project, query, project.warehouse, target)


def one(name: str) -> str:
    return f"select {identifier(name)} as x from test_all_types()"


@pytest.mark.parametrize("name", TYPES)
def test_csv_has_every_value_as_text(project: Project, tmp_path: Path, name: str) -> None:
    assert write(project, one(name), tmp_path / "x.csv") == 3

    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        original = [row[0] for row in con.execute(f"select x::varchar from ({one(name)})").fetchall()]
        file = literal(str(tmp_path / "x.csv"))
        options = "all_varchar = true, header = true, allow_quoted_nulls = false, quote = '\"', escape = '\"'"
        found = con.execute(f"select x from read_csv({file}, {options}, delim = ',')").fetchall()
    assert [None if cell is None else unguarded(cell) for (cell,) in found] == original


@pytest.mark.parametrize("name", sorted(TYPES.keys() - NOT_PARQUET))
def test_parquet_has_every_value(project: Project, tmp_path: Path, name: str) -> None:
    write(project, one(name), tmp_path / "x.parquet")

    with duckdb.connect() as con:
        file = literal(str(tmp_path / "x.parquet"))
        query = (
            f"select count(*) from ({one(name)}) as a positional join read_parquet({file}) as b "
            f"where a.x is distinct from b.x::{TYPES[name]}"
        )
        assert con.execute(query).fetchall() == [(0,)]


@pytest.mark.parametrize("name", sorted(NOT_PARQUET))
def test_what_parquet_cannot_hold_is_refused_and_leaves_no_file(
    project: Project, tmp_path: Path, name: str
) -> None:
    with pytest.raises(EtlError, match=r"column x\. Cast it|Empty STRUCT"):
        write(project, one(name), tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TYPES)
def test_a_sheet_has_every_value_as_a_number_a_date_or_text(project: Project, tmp_path: Path, name: str) -> None:
    write(project, one(name), tmp_path / "x.xlsx")

    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        texts = [row[0] for row in con.execute(f"select x::varchar from ({one(name)})").fetchall()]
    assert [is_cell(cell, text) for cell, text in zip(cells(tmp_path / "x.xlsx"), texts, strict=True)] == [
        True
    ] * 3


def cells(file: Path) -> list[object]:
    """Return the cells of the first column below its name; none of the sheet is a formula."""
    sheet = openpyxl.load_workbook(file)["rows"]
    assert all(cell.data_type != "f" for row in sheet for cell in row)
    found = [row[0].value for row in sheet.iter_rows(min_row=2)]
    # a letter that XML does not have is written as its number
    found = [unescape(value) if isinstance(value, str) else value for value in found]
    return found + [None] * (3 - len(found))


def is_cell(cell: object, text: str | None) -> bool:
    """Return whether a cell of a sheet holds what DuckDB writes as a text."""
    if text is None or isinstance(cell, str | None):
        return (cell or "") == (text or "")
    if isinstance(cell, bool):
        return text == str(cell).lower()
    if isinstance(cell, int | float):
        exact = "e" not in text and len(text.strip("-").replace(".", "")) <= 15
        return Decimal(repr(cell)) == Decimal(text) if exact else cell == pytest.approx(float(text), rel=1e-6)
    if isinstance(cell, datetime):
        return cell == datetime.fromisoformat(text)
    return isinstance(cell, time) and cell == time.fromisoformat(text)


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), max_size=5))
def test_no_text_is_run_and_every_text_comes_back(project: Project, tmp_path_factory, texts: list[str]) -> None:
    texts = ["=1+1", "+1", "-x", "@x", "'=1", "http://a.b", "", *texts]
    folder = tmp_path_factory.mktemp("out")
    query = f"select unnest({literal(texts)}::varchar[]) as x"

    for name in ("x.csv", "x.xlsx"):
        assert write(project, query, folder / name) == len(texts)

    with (folder / "x.csv").open(encoding="utf-8", newline="") as file:
        lines = [row[0] if row else "" for row in csv.reader(file)][1:]
    assert [unguarded(line) for line in lines] == texts
    assert not any(line.startswith(("=", "-x", "@")) for line in lines)
    assert [cell or "" for cell in cells(folder / "x.xlsx")] == texts


def test_a_sheet_that_has_no_room_is_refused_and_leaves_no_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert excel.MOST_ROWS + 1 == 1_048_576
    monkeypatch.setattr(excel, "MOST_ROWS", 5)

    assert write(project, "from range(5)", tmp_path / "five.xlsx") == 5
    with pytest.raises(ConfigError, match="more than 5 rows"):
        write(project, "from range(6)", tmp_path / "six.xlsx")
    with pytest.raises(ConfigError, match="Column x of row 1 has 32,768 letters"):
        write(project, "select repeat('x', 32768) as x", tmp_path / "long.xlsx")
    assert [path.name for path in tmp_path.iterdir()] == ["five.xlsx"]


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.xlsx"])
def test_a_query_that_fails_or_reaches_out_leaves_no_file(project: Project, tmp_path: Path, name: str) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    for query in ("select nothing", "selct 1", f"from read_csv({literal(str(other))})", "select 1 as a, 2 as A"):
        with pytest.raises((QueryError, EtlError)):
            write(project, query, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


@given(number=st.decimals(allow_nan=False, allow_infinity=False), data=st.binary(max_size=5), text=st.text())
def test_a_decimal_in_json_is_a_number_with_all_its_digits(number: Decimal, data: bytes, text: str) -> None:
    found = json.loads(as_json({"a": [number, {"b": number}], "c": text}), parse_float=Decimal, parse_int=Decimal)
    assert found == {"a": [number, {"b": number}], "c": text}
    blob = json.loads(as_json(data))
    with duckdb.connect() as con:
        assert con.execute("select ?::varchar::blob", [blob]).fetchall() == [(data,)]


@pytest.mark.parametrize("name", TYPES)
def test_json_has_every_value(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    _, rows = ask(one(name), project.warehouse)

    found = json.loads(as_json([row[0] for row in rows]), parse_float=Decimal, parse_int=Decimal)

    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for number, value in enumerate(found):
            text = (
                literal(str(value)) if not isinstance(value, list | dict) else f"{literal(as_json(value))}::json"
            )
            back = "null" if value is None else text
            if TYPES[name].startswith(("MAP", "TUPLE", "UNION")):
                # JSON has pairs, an object and the value: DuckDB makes none of these of it
                back = "x" if value is not None else back
            of = f"({one(name)} limit 1 offset {number})"
            assert con.execute(f"select {back}::{TYPES[name]} is not distinct from x from {of}").fetchall() == [
                (True,)
            ]


def ran(project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return CliRunner().invoke(cli, ["sql", *arguments])


def test_json_loses_no_column_of_the_same_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    result = ran(project, monkeypatch, "select 1 as a, 2 as a", "--json")
    assert isinstance(result.exception, ConfigError)
    assert "several columns named a" in str(result.exception)
    assert json.loads(ran(project, monkeypatch, "select 1 as a, 2 as b", "--json").output) == [{"a": 1, "b": 2}]


def test_nothing_is_overwritten(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.csv"
    assert ran(project, monkeypatch, "select 1 as a", "--out", str(target)).exit_code == 0
    assert target.read_text() == "a\n1\n"

    for arguments in (["select 2 as a"], ["select 2 as a, 3 as b", "--chart", "bar"]):
        assert isinstance(ran(project, monkeypatch, *arguments, "--out", str(target)).exception, ConfigError)
    assert target.read_text() == "a\n1\n"


HOSTILE = 'select \'<script>alert(1)</script>"&\' as label, 3 as "</title><script>", -1.5 as b'


@pytest.mark.parametrize("kind", ["bar", "line"])
@pytest.mark.parametrize("name", ["x.svg", "x.html"])
def test_a_chart_in_a_file_holds_no_markup_of_the_data(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    found = ran(project, monkeypatch, HOSTILE, "--chart", kind, "--out", str(tmp_path / name))

    text = (tmp_path / name).read_text(encoding="utf-8")
    assert found.exit_code == 0
    assert "<script" not in text and "&lt;script&gt;alert" in text
    assert ("http" in text) == ("http://www.w3.org/2000/svg" in text)


@pytest.mark.parametrize("kind", ["bar", "line"])
@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_chart_is_as_wide_as_the_screen_at_the_most(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    query = (
        "select date '2024-01-01' + n::int as day, n * n as square, if(n = 3, null, -n) as less from range(9) t(n)"
    )

    found = ran(project, monkeypatch, query, "--chart", kind)

    assert found.exit_code == 0
    assert max(map(len, found.output.splitlines())) <= columns


@pytest.mark.parametrize(
    "query", ["select 1 as a", "select 'a' as a, 'b' as b", "select 1 as a, 2 as b where false"]
)
def test_a_chart_of_nothing_says_what_it_needs(
    project: Project, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    assert isinstance(ran(project, monkeypatch, query, "--chart", "bar").exception, ConfigError)
