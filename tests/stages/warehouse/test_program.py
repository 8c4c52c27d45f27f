"""Python models: a function makes a table, in the same graph as the SQL."""

import re
from pathlib import Path

import duckdb
import pytest

from etl.errors import ModelError, StepError
from etl.models import Context, Given, Promised
from etl.stages.warehouse import transaction
from tests.stages.warehouse.small import Warehouse

pytestmark = pytest.mark.sampled

RAW = [Given("raw.sales", (("day", "DATE"), ("price", "BIGINT")), "day")]
CONTEXT = Context({"factor": "3"}, {"marts.x": Promised((("day", "DATE"), ("price", "BIGINT")))})
PROGRAM = """# owner: ann
READS = ["raw.sales"]
VARIABLES = ["factor"]


def model(inputs, ctx):
    sales = inputs["raw.sales"]
    return {result}
"""
RELATION = "sales.project(f'day, price * {ctx.variables[\"factor\"]} as price')"
FRAME = "sales.df().assign(price=lambda rows: rows.price * 3)"
ARROW = "sales.to_arrow_table()"
MANY = "from raw.sales, range(300000)"


def warehouse(root: Path, result: str) -> Warehouse:
    made = Warehouse(
        root,
        RAW,
        {"marts/x.py": PROGRAM.replace("{result}", result), "marts.y": "select sum(price) as price from marts.x"},
        context=CONTEXT,
    )
    made.deliver("raw.sales", "2024-03-01", [("2024-03-01", 1), ("2024-03-01", 2)])
    return made


@pytest.mark.parametrize(("result", "price"), [(RELATION, 9), (FRAME, 9), (ARROW, 3)])
def test_a_function_may_return_a_relation_a_frame_or_arrow(tmp_path: Path, result: str, price: int) -> None:
    made = warehouse(tmp_path, result)

    assert made.built() == ["marts.x", "marts.y"]
    assert made.rows("from marts.y") == [(price,)]
    assert made.built() == []
    assert made.models.models["marts.x"].header.owner == "ann"


@pytest.mark.parametrize(
    ("result", "price"),
    [
        ("sales.arrow()", 3),
        ("iter(sales.arrow())", 3),
        ("[sales.filter('price = 1'), sales.filter('price = 2').df()]", 3),
        ("(sales.filter(f'price = {n}').arrow() for n in (1, 2, 3))", 3),
        ("sales.to_arrow_table().to_batches()[0]", 3),
        ("__import__('duckdb').connect().execute(\"select date '2024-03-01' as day, 7 as price\")", 7),
        ("sales.project('price as PRICE, day as \"Day\"')", 3),
        ("sales.df().rename(columns=str.upper)", 3),
        ("sales.project('day, price::hugeint as price').arrow()", 3),
        ("sales.limit(0).arrow()", None),
        ("(sales for _ in ())", None),
    ],
)
def test_a_function_may_return_a_reader_or_parts_of_the_rows(
    tmp_path: Path, result: str, price: int | None
) -> None:
    made = warehouse(tmp_path, result)

    assert made.built() == ["marts.x", "marts.y"]
    assert made.rows("from marts.y") == [(price,)]
    assert made.rows("describe marts.x")[0][0] == "day"


def test_a_reader_of_more_than_a_batch_is_taken_whole(tmp_path: Path) -> None:
    text = PROGRAM.replace(
        "sales = ", f"sales = inputs['raw.sales'].query('s', '{MANY}').project('day, price')\n    _ = "
    )
    made = warehouse(tmp_path, ARROW)
    made.read({"marts/x.py": text.replace("{result}", "sales.arrow()")})

    assert "marts.x" in made.built()
    assert made.rows("select count(*), sum(price) from marts.x") == [(600_000, 900_000)]


HALF = f"""
import sys
reader = sales.query("s", "{MANY}").arrow()
reader.read_next_batch()
"""
LEFT_OPEN = {
    "a reader half fetched": f"{HALF}\n1 / 0",
    "a reader that a module keeps": f"{HALF}\nglobals()['kept'] = reader\n1 / 0",
    "a reader that fails at its end": f"{HALF}\nreturn (b if n < 1 else 1 / 0 for n, b in enumerate(reader))",
    "a result of its own": "sales.query('s', 'begin')",
    "another transaction": "sales.query('s', 'commit')\nsales.query('s', 'begin')\n1 / 0",
    "a table": "sales.query('s', 'create table marts.other as select 1 as a')",
    "nothing": "return None",
    "a number": "return 7",
}


@pytest.mark.parametrize("body", LEFT_OPEN.values(), ids=LEFT_OPEN)
def test_one_that_fails_with_anything_open_fails_alone(tmp_path: Path, body: str) -> None:
    body = "".join(f"    {line}\n" for line in body.splitlines())
    sql = {
        "marts.a": "select sum(price) as price from raw.sales",
        "marts/x.py": PROGRAM.replace("    return {result}\n", body),
        "marts.y": "select * from marts.x",
        "marts.z": "select max(price) as price from raw.sales",
    }
    made = Warehouse(tmp_path, RAW, sql, context=CONTEXT, file=tmp_path / "build.duckdb")
    made.deliver("raw.sales", "2024-03-01", [("2024-03-01", 1), ("2024-03-01", 2)])

    built, problems = made.tried()
    made.con.close()

    assert built == ["marts.a", "marts.z"]
    assert len(problems) == 1
    assert re.match(r"marts.x \(sql/marts/x.py(:\d+)?, owner: ann\)", problems[0])
    with duckdb.connect(str(tmp_path / "build.duckdb")) as con:
        assert con.execute("select name from etl.models order by name").fetchall() == [("marts.a",), ("marts.z",)]
        assert con.execute("from marts.z").fetchall() == [(2,)]


def test_a_rollback_that_fails_ends_the_step() -> None:
    failed = pytest.raises(StepError, match=r"could not be rolled back.*after: first")
    with duckdb.connect() as con, failed, transaction(con):
        con.execute("rollback")
        raise ValueError("first")


@pytest.mark.parametrize(
    ("promised", "result", "message"),
    [
        ("DECIMAL(9,2)", "sales.project('day, price + 0.005 as price')", "1.005 is not a DECIMAL(9,2)"),
        (
            "TIMESTAMP WITH TIME ZONE",
            "sales.project(\"day, timestamp '2024-10-27 02:30:00' as price\")",
            "2024-10-27 02:30:00 is not a TIMESTAMP WITH TIME ZONE",
        ),
    ],
)
def test_no_value_is_another_one_by_contract(tmp_path: Path, promised: str, result: str, message: str) -> None:
    context = Context({"factor": "3"}, {"marts.x": Promised((("day", "DATE"), ("price", promised)))})
    made = Warehouse(tmp_path, RAW, {"marts/x.py": PROGRAM.replace("{result}", result)}, context=context)
    made.con.execute("set TimeZone = 'Europe/Berlin'")
    made.deliver("raw.sales", "2024-03-01", [("2024-03-01", 1)])

    assert f"column price: {message}" in made.tried()[1][0]


def test_it_is_built_again_when_what_it_reads_or_its_text_changes(tmp_path: Path) -> None:
    made = warehouse(tmp_path, ARROW)
    made.build()
    made.deliver("raw.sales", "2024-03-02", [("2024-03-02", 5)])
    assert made.built() == ["marts.x", "marts.y"]

    made.read({"marts/x.py": PROGRAM.replace("{result}", "sales.filter('true').to_arrow_table()")})
    assert made.built() == ["marts.x"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("sales.nothing", r"marts.x \(sql/marts/x.py:8, owner: ann\) could not be built: .*nothing"),
        ("1 / 0", r"marts.x \(sql/marts/x.py:8, owner: ann\) could not be built: ZeroDivisionError: division"),
        ("sales.project('day')", r"marts.x \(sql/marts/x.py, owner: ann\): its result lacks price"),
        ("sales.project('*, 1 as more')", r"its result has besides more"),
        ("7", r"marts.x \(sql/marts/x.py, owner: ann\) could not be built: "),
        ("inputs['raw.visits']", r"sql/marts/x.py:8, .* 'raw.visits' is not in READS"),
        ("ctx.variables['other']", r"sql/marts/x.py:8, .* 'other' is not in VARIABLES"),
        ("exit(3)", r"sql/marts/x.py:8, .* SystemExit: 3"),
        ("sales.project('day, price + 0.5 as price')", r"could not be built: .*column price: 1.5 is not a BIGINT"),
        (
            "sales.project(\"day, price || '.5' as price\")",
            r"could not be built: .*column price: 1.5 is not a BIGINT",
        ),
        ("sales.project('day + interval 1 hour as day, price')", r"column day: 2024-03-01 01:00:00 is not a DATE"),
    ],
)
def test_what_fails_is_named_with_its_line(tmp_path: Path, result: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        warehouse(tmp_path, result).build()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def model(inputs, ctx): ...", r"sql/marts/x.py: the model does not say what it reads"),
        ("READS = ['raw.sale']\ndef model(inputs, ctx): ...", r"x.py:1: READS: there is no table raw.sale. Did"),
        ("READS = ['raw.sales']", r"has no function `def model\(inputs, ctx\)`"),
        ("READS = [", r"sql/marts/x.py:1: the file is not Python"),
        ("READS = []\nVARIABLES = ['nope']\ndef model(a, b): ...", r"x.py:2: VARIABLES: there is no"),
        ("# materialized: view\nREADS = []\ndef model(inputs, ctx): ...", r"a Python model always makes"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_python_model_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Warehouse(tmp_path, RAW, {"marts/x.py": text}, context=CONTEXT)


def test_it_may_import_what_lies_beside_it_which_is_then_part_of_it(tmp_path: Path) -> None:
    made = warehouse(tmp_path, "_twice.twice(sales)")
    text = PROGRAM.replace("{result}", "_twice.twice(sales)").replace("READS", "from . import _twice\n\nREADS", 1)
    twice = (
        "from .._names import PRICE\n\ndef twice(sales):\n    return sales.project(f'day, 2 * price as {PRICE}')\n"
    )
    made.read({"_names.py": "PRICE = 'price'\n", "marts/_twice.py": twice, "marts/x.py": text})

    assert made.built() == ["marts.x", "marts.y"]
    assert made.rows("from marts.y") == [(6,)]
    assert made.built() == []
    made.read({"_names.py": "PRICE = 'PRICE'.lower()\n"})
    assert made.built() == ["marts.x"]
    made.read({"_names.py": "PRICE = 1 / 0\n"})
    with pytest.raises(AssertionError, match=r"marts.x \(sql/_names.py:1, owner: ann\) could not be built: Zero"):
        made.build()
    assert [path.name for path in tmp_path.rglob("*.py*")].count("__pycache__") == 0


def test_a_file_that_changed_since_the_plan_is_not_run(tmp_path: Path) -> None:
    made = warehouse(tmp_path, ARROW)
    (tmp_path / "sql" / "marts" / "x.py").write_text("READS = [\n")

    with pytest.raises(
        AssertionError, match=r"changed since the run was planned: sql/marts/x.py:1: the file is not Python"
    ):
        made.build()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"marts/x.py": "\nfrom ._b import c"}, "sql/marts/x.py:2: there is no sql/marts/_b.py"),
        ({"marts/_a.py": "from ._a import b", "marts/x.py": "from . import _a"}, "sql/marts/_a.py:1: modules"),
        ({"marts/x.py": "from ...etl import b"}, "sql/marts/x.py:1: the import leads out of sql/"),
        ({"marts.x": "select 1 as x", "marts/x.py": ""}, "sql/marts/x.py: sql/marts/x.sql already makes marts.x"),
        ({"raw/x.py": ""}, "sql/raw/x.py: the schema raw is not for models"),
        ({"audits/x.py": ""}, "sql/audits/x.py: a Python model cannot stand in audits/"),
        ({"x.py": ""}, "sql/x.py: the path of a model is sql/<schema>/<table>.py"),
    ],
)  # fmt: skip
def test_a_file_in_the_way_of_another_or_of_itself_is_refused(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    program = PROGRAM.replace("{result}", ARROW)
    files = {name: f"{text}\n{program}" if name.endswith("x.py") else text for name, text in files.items()}

    with pytest.raises(ModelError) as error:
        Warehouse(tmp_path, RAW, files, context=CONTEXT)
    assert str(error.value).startswith(message)


def test_a_python_model_needs_a_contract(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"sql/marts/z.py: a Python model needs a contract"):
        Warehouse(tmp_path, RAW, {"marts/z.py": PROGRAM.replace("{result}", ARROW)}, context=CONTEXT)
