"""Macros, variables and seeds: what a model uses of them is part of what it is."""

from pathlib import Path

import pytest

from etl.errors import ModelError
from etl.models import Context, Given, Promised, read_models
from tests.stages.warehouse.small import Warehouse

RAW = [Given("raw.sales", (("day", "DATE"), ("price", "BIGINT")), "day")]
RATE = 'try_cast("rate" as bigint)'
CONTEXT = Context(
    {"dear": "10", "unused": "1"},
    {"seeds.rates": Promised((("name", "VARCHAR"), ("rate", "BIGINT")), (("name", "name"), ("rate", RATE)))},
)
DEAR = {
    "macros/d.sql": "-- Whether it is dear.\ncreate macro is_dear(x) as x >= cast(getvariable('dear') as bigint);"
}
MODEL = {"marts.x": "select price from raw.sales where is_dear(price)"}
ROWS = [("2024-03-01", 9), ("2024-03-01", 10)]


def warehouse(root: Path, files: dict[str, str], context: Context = CONTEXT) -> Warehouse:
    made = Warehouse(root, RAW, files, context=context)
    made.deliver("raw.sales", "2024-03-01", ROWS)
    return made


def refusal(root: Path, files: dict[str, str]) -> str:
    with pytest.raises(ModelError) as error:
        Warehouse(root, RAW, files, context=CONTEXT)
    return str(error.value)


def test_a_macro_reads_a_variable_and_a_model_uses_both(tmp_path: Path) -> None:
    made = warehouse(tmp_path, DEAR | MODEL)
    made.build()

    assert made.rows("from marts.x") == [(10,)]


def test_a_changed_macro_or_variable_builds_what_uses_it_and_nothing_else(tmp_path: Path) -> None:
    made = warehouse(tmp_path, DEAR | MODEL | {"marts.y": "select price from raw.sales"})
    made.build()

    made.read({"macros/d.sql": DEAR["macros/d.sql"].replace("x >=", "x  /* at least */  >=")})
    assert made.built() == []
    made.read({"macros/d.sql": DEAR["macros/d.sql"].replace("x >=", "x + 1 >=")})
    assert made.built() == ["marts.x"]
    assert made.rows("from marts.x") == [(9,), (10,)]
    made.context = Context({**CONTEXT.variables, "dear": "100"}, CONTEXT.promised)
    made.read({})
    assert made.built() == ["marts.x"]
    made.context = Context({**made.context.variables, "unused": "2"}, CONTEXT.promised)
    made.read({})
    assert made.built() == []


def test_a_table_macro_is_looked_through_for_what_a_model_reads(tmp_path: Path) -> None:
    files = {
        "macros/m.sql": "create macro above(n) as table select * from raw.sales where price > n",
        "marts.x": "from above(9)",
    }
    made = warehouse(tmp_path, files)
    made.build()

    assert made.models.models["marts.x"].reads == ("raw.sales",)
    assert made.rows("select price from marts.x") == [(10,)]


def test_a_macro_may_read_what_models_make(tmp_path: Path) -> None:
    files = {
        "macros/m.sql": "create macro dearest() as (select max(price) from marts.a)",
        "marts.b": "select dearest() as price",
        "marts.a": "select price from raw.sales",
    }
    made = warehouse(tmp_path, files)

    assert made.built() == ["marts.a", "marts.b"]
    assert made.rows("from marts.b") == [(10,)]


def test_a_changed_default_of_a_parameter_builds_what_uses_it(tmp_path: Path) -> None:
    files = {
        "macros/m.sql": "create macro above(x, low := 9) as x > low",
        "marts.x": "from raw.sales where above(price)",
    }
    made = warehouse(tmp_path, files)
    made.build()

    made.read({"macros/m.sql": files["macros/m.sql"].replace("9", "10")})
    assert made.built() == ["marts.x"]
    assert made.rows("from marts.x") == []


def test_a_macro_of_a_value_can_become_one_of_a_table(tmp_path: Path) -> None:
    made = warehouse(tmp_path, {"macros/m.sql": "create macro Two() as 2", "marts.x": "select two() as x"})
    made.build()

    made.read({"macros/m.sql": "create macro two() as table select 3 as x", "marts.x": "from TWO()"})
    assert made.built() == ["marts.x"]
    query = "select function_type from duckdb_functions() where function_name = 'two'"
    assert made.con.execute(query).fetchall() == [("table_macro",)]


def test_a_distinct_on_in_a_macro_is_one_of_the_model_that_uses_it(tmp_path: Path) -> None:
    files = {
        "macros/m.sql": "create macro one_a_price() as table select distinct on (price) * from raw.sales",
        "marts.x": "-- materialized: incremental\n-- partition: day\nfrom one_a_price()",
    }

    assert "`distinct on`" in warehouse(tmp_path, files).models.models["marts.x"].why_full


def test_a_view_has_the_values_of_variables_in_it_for_sessions_that_have_not_set_them(tmp_path: Path) -> None:
    view = (
        "-- materialized: view\n"
        "select price, 'getvariable(''dear'')' as /* getvariable('no') */ said, {} as is_dear from raw.sales"
    )
    files = DEAR | {
        "marts.x": view.format("price >= cast(GetVariable( 'dear' ) as bigint)"),
        "marts.y": view.format("is_dear(price)"),
    }
    made = warehouse(tmp_path, files)
    made.build()
    made.con.execute("reset variable dear")

    assert made.rows("from marts.x") == made.rows("from marts.y")
    assert made.rows("from marts.x") == [(9, "getvariable('dear')", False), (10, "getvariable('dear')", True)]


def test_a_macro_may_use_any_other(tmp_path: Path) -> None:
    files = {
        "macros/a.sql": "create macro two() as one() + 1; create macro one() as 1",
        "marts.x": "select two() as x",
    }
    made = warehouse(tmp_path, files)
    made.build()

    assert made.rows("from marts.x") == [(2,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("create table x as select 1", ":1: the statement is not a macro"),
        ("create macro main.m() as 1", ":1: the statement is not a macro"),
        ("-- M.\ncreate macro m() as\n  nope()", ":3: Scalar Function with name nope"),
        ("create macro m(x) as x;\ncreate macro n() at 1", ":2: syntax error at"),
        ("create macro m(x) as x;\ncreate macro n()\n  as now()", ":3: now() gives"),
        ("create macro m(a, b := now()) as b", ":1: now() gives another result"),
        ("create macro m() as table\nfrom read_csv('x.csv')", ":2: read_csv() hides"),
        ("create macro m() as table\nfrom raw.sale", ":2: there is no table raw.sale."),
        ("create macro m() as getvariable('deer')", ":1: there is no variable deer."),
        ("create macro sum(x) as x", ":1: DuckDB has a function sum() already."),
        ("create macro m(x) as x, (x, y) as y", ":1: "),
        ("create macro m() as n(); create macro n() as m()", ":1: macros use each"),
        ("create macro m() as 1; create macro m() as 2", ":1: sql/macros/m.sql already makes a macro m."),
    ],
)  # fmt: skip
def test_a_macro_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, {"macros/m.sql": text}).startswith(f"sql/macros/m.sql{message}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"marts.x": "select 'dear'.getvariable() as x"}, "sql/marts/x.sql:1: write getvariable('dear'), with"),
        ({"marts.x": "select getvariable('deer') as x"}, "sql/marts/x.sql:1: there is no variable deer. Did"),
        ({"marts.x": "select getvariable('d' || 'ear') as x"}, "sql/marts/x.sql:1: getvariable() takes"),
        ({"seeds/other.csv": "a\n1\n"}, "sql/seeds/other.csv: a seed needs a contract"),
        ({"seeds/rates.csv": "name,rat\na,1\n"}, "sql/seeds/rates.csv:1: the header is name, rat. Did you"),
        ({"seeds/rates.csv": "name,rate\na,1\nb,2,3\n"}, "sql/seeds/rates.csv:3: the row has 3 cells"),
        ({"seeds/rates.csv": "name,rate\na,1\nb,x\n"}, "sql/seeds/rates.csv:3: column rate: 'x' is not a BIGINT."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, files: dict[str, str], message: str) -> None:
    assert refusal(tmp_path, files).startswith(message)


def test_a_seed_is_a_table_that_models_read(tmp_path: Path) -> None:
    files = {
        "seeds/rates.csv": 'rate,name\n2,a\n,"b, c"\n',
        "marts.x": "select name, rate + 1 as rate from seeds.rates",
    }
    made = warehouse(tmp_path, files)
    made.build()
    assert made.rows("from marts.x") == [("a", 3), ("b, c", None)]

    made.read({"seeds/rates.csv": "name,rate\na,5\n"})
    assert made.built() == ["seeds.rates", "marts.x"]
    assert made.rows("from marts.x") == [("a", 6)]


def test_an_empty_seed_is_an_empty_table(tmp_path: Path) -> None:
    made = warehouse(tmp_path, {"seeds/rates.csv": "name,rate\n"})
    made.build()

    assert made.rows("from seeds.rates") == []
    assert [column[1] for column in made.con.execute("describe seeds.rates").fetchall()] == ["VARCHAR", "BIGINT"]


def test_a_model_that_uses_nothing_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "sql" / "marts").mkdir(parents=True)
    (tmp_path / "sql" / "marts" / "x.sql").write_text("SELECT 1 AS x")

    assert "-- " not in read_models(tmp_path / "sql", RAW, CONTEXT).models["marts.x"].normal
