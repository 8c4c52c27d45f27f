"""Deliveries, columns and values with the nastiest names go the whole way, and are never taken for code."""

import json
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.engine.quoting import identifier, literal
from etl.project import Project
from etl.stages import published
from tests.support import tiny

COLUMNS = [
    'a"; drop table raw.sales; --',
    "it's",
    "select",
    "{x} %s \\n",
    "$(touch pwned)",
    "né, ünïcode 雪",
    "null",
    "rowid",
]
#: What a sender may put before the date in a file's name.
NAMES = ["x'; drop table raw.sales; --", '"quoted"', "$(touch pwned)", "[*]{a,b}", "%s {0} \\n", "-rf ", "雪 ü"]
VALUES = ["'; drop table raw.sales; --", '""; select 1', "$(touch pwned)", "%s{}", "雪", "null", "\\N", "-- x"]
SOURCE = f"""
import pandera.pandas as pa
from etl import Csv, Source

columns = {COLUMNS!r}
schema = pa.DataFrameSchema(
    {{"id": pa.Column(int, unique=True), **{{name: pa.Column(str, nullable=True) for name in columns}}}},
    name="Sales",
)
sales = Source(contract=schema, files="sal'es/*{{date}}.csv", extra="keep", format=Csv(null=""), name="sales")
"""
LIST = ", ".join(map(identifier, COLUMNS))
SQL = {
    "marts/sales.sql": (
        "-- materialized: incremental\n-- partition: delivery_date\n-- export: parquet\n-- unique: id\n"
        f"select delivery_date, id, {LIST}, _extra from raw.sales"
    ),
    "marts/counts.sql": f"select {LIST}, count(*) as sales from raw.sales group by all",
    "audits/odd.sql": f"-- warn: odd\nselect {LIST} from marts.sales",
}


def delivery(number: int) -> str:
    """Return a file of one good record, with an extra column, and one that is rejected."""
    names = ["id", *COLUMNS, "ext'ra\"; --"]
    cells = [VALUES[(number + n) % len(VALUES)] for n in range(len(COLUMNS) + 1)]

    def row(values: list[str]) -> str:
        return ",".join('"' + value.replace('"', '""') + '"' for value in values) + "\n"

    return row(names) + row([str(number), *cells]) + row(["'; drop --", *cells])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    files = {f"sal'es/{name}2024-03-0{n}.csv": delivery(n) for n, name in enumerate(NAMES, 1)}
    project = tiny.project(tmp_path / "the 'shop'; \"x\" %s", SOURCE, SQL, files)
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    tiny.night(project)
    return project


def answer(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_record_arrives_as_it_was_sent(project: Project) -> None:
    rows = tiny.published(
        project,
        f"select id, {LIST}, _extra, _file from marts.sales join raw.sales using (id, {LIST}, _extra) order by id",
    )
    assert [row[0] for row in rows] == list(range(1, len(NAMES) + 1))
    for row, name in zip(rows, NAMES, strict=True):
        number = row[0]
        assert list(row[1:-2]) == [VALUES[(number + n) % len(VALUES)] for n in range(len(COLUMNS))]
        assert json.loads(row[-2]) == {"ext'ra\"; --": VALUES[(number + len(COLUMNS)) % len(VALUES)]}
        assert row[-1] == f"sal'es/{name}2024-03-0{number}.csv"


def test_what_is_rejected_is_shown_as_it_was_sent(project: Project) -> None:
    rejects = json.loads(answer("quarantine", "sales", "--json"))
    assert [row["text"] for row in rejects] == [delivery(n).splitlines()[2] for n in range(1, len(NAMES) + 1)]


def test_exports_say_the_same(project: Project) -> None:
    with duckdb.connect() as con:
        files = literal(str(project.lake.resolve()) + "/marts/sales/*/data.parquet")
        query = f"select count(*), count({identifier(COLUMNS[0])}) from read_parquet({files})"
        assert con.execute(query).fetchall() == [(len(NAMES), len(NAMES))]


def test_commands_take_names_for_names(project: Project) -> None:
    for command in (["status"], ["plan", "--all"], ["audits"], ["generations"], ["audits", "audits.odd"]):
        answer(*command)
    found = json.loads(answer("sql", f"select {LIST} from marts.counts", "--json"))
    assert set(found[0]) == set(COLUMNS)


def test_another_night_replaces_hides_and_withdraws_them(project: Project) -> None:
    tiny.deliver(project, {f"sal'es/{NAMES[0]}2024-03-01.csv": delivery(1).replace("-- x", "-- y")})
    (project.raw / f"sal'es/{NAMES[1]}2024-03-02.csv").unlink()
    tiny.night(project)

    differing = CliRunner().invoke(cli, ["diff", "--json"])
    assert differing.exit_code == 1
    assert {table["table"]: (table["removed"], table["changed"]) for table in json.loads(differing.output)} == {
        "etl.rejects": (2, 0),
        "marts.counts": (2, 0),
        "marts.sales": (1, 1),
        "raw.sales": (1, 1),
    }
    record = published.read_record(project.current)
    assert record is not None
    assert set(record.inputs["sales"]) == {f"2024-03-0{n}" for n in (1, 3, 4, 5, 6, 7)}
    assert record.tables["marts.sales"].rows == len(NAMES) - 1
    answer("rollback", "--reason", "'; drop table x; --", "--by", '"$(touch pwned)"')
    assert "'; drop table x; --" in answer("status")


def test_nothing_of_it_was_run(project: Project) -> None:
    assert not list(project.root.rglob("pwned"))
    assert tiny.published(project, "select count(*) from raw.sales") == [(len(NAMES),)]
