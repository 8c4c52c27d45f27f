"""`etl profile`: what columns hold and how that went, as data and as bars that any terminal has room for."""

import codecs
import json
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.ledger.profiles import Profile
from etl.project import Project
from etl.reports import output
from etl.reports.profile import shape, spark
from tests.support import tiny

SQL = {
    "marts/sold.sql": "-- materialized: incremental\n-- partition: delivery_date\n"
    "select delivery_date, item, id, id % 7 = 0 as is_seventh, delivery_date::timestamp as at, [id] as ids\n"
    "from raw.sales",
    "marts/odd.sql": "select '\x1b[31m' || chr(10) || '</script>' as \"a\tb\", 'inf'::double as d",
}


@pytest.fixture
def shop(tmp_path: Any, monkeypatch: Any) -> Project:
    """A project of three days of sales."""
    raw = {
        f"sales/{date(2024, 3, day)}.csv": "id,item\n"
        + "".join(f"{day * n},{'pen' if n % 3 else ''}\n" for n in range(9))
        for day in (1, 2, 3)
    }
    project = tiny.project(
        tmp_path, sql=SQL, raw={path: text.replace("0,\n", "", 1) for path, text in raw.items()}
    )
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    tiny.night(project)
    return project


def answer(*arguments: str) -> str:
    """Return what the command prints; its error is raised."""
    result = CliRunner().invoke(cli, ["profile", *arguments])
    if result.exception:
        raise result.exception
    return result.output


def test_a_table_is_told_column_by_column(shop: Project) -> None:
    first, names, *rows = answer("marts.sold").splitlines()

    assert first == "marts.sold, partition 2024-03-03: 8 rows"
    assert names.split("\t") == ["column", "nulls", "distinct", "min", "max", "spread", "trend"]
    found = {row.split("\t")[0]: row.split("\t")[1:] for row in rows}
    assert found["id"][:4] == ["0.0%", "8", "3", "24"]
    assert found["item"][:4] == ["25.0%", "1", "pen", "pen"]
    assert found["id"][5] == "▁▅█"
    assert found["ids"][:4] == ["0.0%", "8", "", ""]


def test_a_column_is_drawn_with_its_past(shop: Project) -> None:
    said = answer("marts.sold", "ID").splitlines()

    assert said[0] == "marts.sold.id, partition 2024-03-03: 8 rows"
    assert "  mean      13.5" in said
    assert sum("█" in line for line in said) >= 5
    assert said[-1].split() == ["2024-03-03", "█", "13.5", "8", "rows"]
    assert max(map(len, said)) <= 60


def test_values_that_are_all_looked_at_are_no_sample(shop: Project) -> None:
    assert "  spread of all values:" in answer("raw.sales", "item").splitlines()


def drawn(*quantiles: float) -> str:
    """Return the small bars of a column with these quantiles."""
    found = {"table_name": "t", "column_name": "c", "partition": "", "batch_date": "2024-03-01", "run_id": "r"}
    return shape(Profile(**found, rows=len(quantiles), quantiles=quantiles))


def test_values_that_are_spread_evenly_look_even() -> None:
    assert min(drawn(*range(20), 20.5)) >= "▆"


@example([-1.7e308] * 10 + [1e-320] + [1.7e308] * 10)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=21, max_size=21).map(sorted))
def test_any_numbers_are_drawn(quantiles: list[float]) -> None:
    assert 1 <= len(drawn(*quantiles)) <= 10


def test_data_is_whole(shop: Project) -> None:
    found = json.loads(answer("raw.sales", "item", "--json"))
    assert [(p["partition"], p["rows"], p["nulls"], p["top"]) for p in found] == [
        (f"2024-03-0{day}", 8, 2, {"pen": 1.0}) for day in (1, 2, 3)
    ]
    assert {p["column_name"] for p in json.loads(answer("raw.sales", "--json"))} == {"", "id", "item"}


@pytest.mark.parametrize("column", ["item", "id", "is_seventh", "at", "ids"])
def test_every_kind_of_column_has_room_on_a_narrow_terminal(shop: Project, column: str) -> None:
    assert max(map(len, answer("marts.sold", column).splitlines())) <= 60


def test_values_of_others_do_nothing_to_a_terminal(shop: Project) -> None:
    for said in (answer("marts.odd"), answer("marts.odd", "a\tb"), answer("marts.odd", "d")):
        assert "\x1b" not in said
        assert all(line.replace("\t", "").isprintable() for line in said.splitlines())
    assert "NaN, inf  1" in answer("marts.odd", "d")
    assert any(line.startswith("    \\x1b[31m\\n</script>") for line in answer("marts.odd", "a\tb").splitlines())


def test_an_unknown_name_has_the_closest_told(shop: Project) -> None:
    with pytest.raises(ConfigError, match=r"There is no profile of marts.sole. Did you mean marts.sold\?"):
        answer("marts.sole")
    with pytest.raises(
        ConfigError, match=r"There is no profile of a column itm of marts.sold. Did you mean item\?"
    ):
        answer("marts.sold", "itm")


def test_before_the_first_night_there_is_none(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(tiny.project(tmp_path).root))
    with pytest.raises(ConfigError, match="No table has a profile yet"):
        answer("raw.sales")


def test_a_stream_of_ascii_has_other_bars(shop: Project) -> None:
    said = answer("marts.sold", "id")
    codecs.register_error("etl.plain", output._plainly)
    plain = said.encode("ascii", "etl.plain").decode()
    assert "###" in plain
    assert "\\u" not in plain
    assert len(said.splitlines()) == len(plain.splitlines())


def test_a_small_bar_is_the_higher_the_greater_its_number() -> None:
    assert spark([0, 7, None, 3.5]) == "▁█·▅"
    assert spark([2, 2]) == "▄▄"
    assert spark([]) == ""


def test_the_past_of_a_table_is_of_days(shop: Project) -> None:
    days = [line.split()[0] for line in answer("raw.sales", "item").splitlines()[-3:]]
    assert days == [str(date(2024, 3, 1) + timedelta(n)) for n in range(3)]


def test_a_table_without_rows_or_a_view_is_not_taken_for_a_typing_error(tmp_path: Any, monkeypatch: Any) -> None:
    contracts = tiny.CONTRACTS + 'stock = Source(contract=Sales, files="stock/{date}.csv", optional=True)\n'
    view = {"marts/seen.sql": "-- materialized: view\nselect item from raw.sales"}
    project = tiny.project(tmp_path / "shop", contracts, {**tiny.SQL, **view})
    tiny.night(project)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))

    told = {
        name: str(CliRunner().invoke(cli, ["profile", name]).exception) for name in ("raw.stock", "marts.seen")
    }

    assert told["raw.stock"] == "raw.stock has no profile, since it has no rows yet."
    assert told["marts.seen"].endswith("A view has no rows of its own: ask for the tables that it reads.")
