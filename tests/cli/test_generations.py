"""What `etl diff`, `etl sql` and `etl reproduce` print of several generations, and their exit codes."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl.cli.main import cli
from etl.errors import ConfigError, EtlError, NotReproduced, PublishError, StepError
from etl.project import Project
from etl.stages import published
from tests.operations.test_reproduce import commit, git
from tests.support import tiny

SQL = {
    "marts/items.sql": "-- unique: item\nselect item, count(*) as sales from raw.sales group by item",
    "audits/no_cup.sql": "-- fail: no cups\nselect * from marts.items where item = 'cup'",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two generations, in git; in the second one a day was corrected."""
    project = tiny.once(tmp_path / "shop", published_twice)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def published_twice(root: Path) -> None:
    project = tiny.project(root, sql=SQL)
    git(project, "init", "-q")
    commit(project)
    tiny.night(project, date(2024, 3, 2), git_commit=git(project, "rev-parse", "HEAD"))
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,pen\n4,ink\n"})
    tiny.night(project, date(2024, 3, 3), git_commit=git(project, "rev-parse", "HEAD"))


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def failed(error: type[EtlError], *arguments: str) -> str:
    result = ran(*arguments)
    assert isinstance(result.exception, error), result
    return str(result.exception)


def test_diff_says_which_tables_differ_and_how(shop: Project) -> None:
    result = ran("diff")

    assert result.exit_code == 1
    assert [line.rstrip() for line in result.output.splitlines()] == [
        "table\tbefore\tafter\tadded\tremoved\tchanged",
        "marts.items\t2\t3\t1\t0\t2\tsales (2)",
        "raw.sales\t3\t4\t1\t0\t1\titem (1)",
        "1 table the same",
        "",
        "marts.items by item",
        "  ~ item = book: sales 2 → 1",
        "  ~ item = pen: sales 1 → 2",
        "  + item = ink",
        "",
        "raw.sales by delivery_date, id",
        "  ~ delivery_date = 2024-03-02, id = 3: item book → pen",
        "  + delivery_date = 2024-03-02, id = 4",
    ]


def test_diff_of_the_same_is_no_difference(shop: Project) -> None:
    result = ran("diff", "current", "current")
    assert (result.exit_code, result.output) == (0, "no difference in 3 tables\n")


def test_diff_of_environments(shop: Project) -> None:
    assert ran("env", "create", "dev").exit_code == 0

    assert ran("diff", "dev", "prod").output == "no difference in 3 tables\n"
    assert ran("diff", "dev/previous", "prod").exit_code == 1


def test_diff_of_one_table_can_be_data(shop: Project, tmp_path: Path) -> None:
    older, newer = published.generations(shop)
    result = ran("diff", older, newer, "marts.items", "--key", "item", "--limit", "1", "--json")
    (found,) = json.loads(result.output)
    assert (found["added"], found["changed"], found["columns"]) == (1, 2, {"sales": 2})
    assert len(found["examples"]) == 2

    ran("diff", older, newer, "marts.items", "--out", str(tmp_path / "rows.csv"))
    assert (tmp_path / "rows.csv").read_text().splitlines()[
        0
    ] == "change,item,sales before,sales after,sales differs"


def test_what_diff_cannot_do_is_explained(shop: Project) -> None:
    assert "Name it after A and B" in ran("diff", "--key", "item").output
    assert "must end in .parquet or .csv" in failed(
        ConfigError, "diff", "previous", "current", "raw.sales", "--out", "x"
    )


def test_sql_goes_back_in_time(shop: Project) -> None:
    older, _ = published.generations(shop)
    query = "select count(*) as items from marts.items"
    for options, items in (
        ([], 3),
        (["--at", "2024-03-02"], 2),
        (["--at", "2024-03-09"], 3),
        (["--generation", older], 2),
    ):
        assert json.loads(ran("sql", query, *options, "--json").output) == [{"items": items}]
    assert "Give only one of" in ran("sql", query, "--at", "2024-03-02", "--candidate").output


def test_sql_without_a_query_says_how_to_open_the_file(shop: Project) -> None:
    older, _ = published.generations(shop)
    lines = ran("sql", "--generation", older).output.splitlines()

    file = shop.generations / older / "warehouse.duckdb"
    assert lines == [
        f"duckdb -readonly {file}",
        f"attach '{file}' as \"{older} warehouse\" (read_only);",
        f"duckdb.connect('{file}', read_only=True)",
    ]


def test_a_candidate_that_failed_its_audit_can_be_looked_at(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-03.csv": "id,item\n5,cup\n"})
    with pytest.raises(StepError, match=r"(?s)audits.no_cup.*etl sql --candidate or etl diff current candidate"):
        tiny.night(shop)

    found = json.loads(ran("sql", "from marts.items where item = 'cup'", "--candidate", "--json").output)
    assert found == [{"item": "cup", "sales": 1}]
    result = ran("diff", "current", "candidate", "marts.items")
    assert result.exit_code == 1
    assert "  + item = cup" in result.output
    assert "a candidate of" in ran("status").output

    tiny.deliver(shop, {"sales/2024-03-03.csv": "id,item\n5,pen\n"})
    tiny.night(shop)

    failed(EtlError, "sql", "select 1", "--candidate")


@pytest.mark.parametrize(
    "query",
    [
        "create table x as select 1",
        "delete from marts.items",
        "copy marts.items to 'stolen.csv'",
        "from read_csv('/etc/passwd')",
        "attach 'other.duckdb' as other",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "export database 'everything'",
        "from glob('*')",
    ],
)
def test_a_query_reaches_nothing_but_what_is_published(shop: Project, query: str) -> None:
    failed(EtlError, "sql", query)
    assert not list(Path().glob("stolen.csv"))


def test_reproduce_says_what_it_compared(shop: Project) -> None:
    result = ran("reproduce")
    assert result.exit_code == 0
    assert "and 2 partitions, is the same: 2 tables compared." in result.output


def test_reproduce_shows_the_first_table_that_comes_out_otherwise(shop: Project) -> None:
    (shop.sql / "marts/items.sql").write_text(
        "-- unique: item\nselect item, 7 as sales from raw.sales group by item"
    )
    tiny.night(shop, date(2024, 3, 3), git_commit=git(shop, "rev-parse", "HEAD"))

    result = ran("reproduce")

    assert isinstance(result.exception, NotReproduced)
    assert "note: defined differently since it was made: sql/marts/items.sql" in result.output
    assert "  ~ item = book: sales 7 → 1" in result.output


def test_reproduce_says_that_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(tiny.project(tmp_path).root))

    assert failed(PublishError, "reproduce").startswith("Nothing is published yet. Run ")
