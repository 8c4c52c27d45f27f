"""Python models: a function makes a table, in the same graph as the SQL."""

from pathlib import Path

import pytest

from etl.errors import ModelError
from etl.models import Context, Given, Promised
from tests.stages.warehouse.small import Warehouse

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
        ("1 / 0", r"marts.x \(sql/marts/x.py:8, owner: ann\) could not be built: division by zero"),
        ("sales.project('day')", r"marts.x \(sql/marts/x.py, owner: ann\): its result lacks price"),
        ("sales.project('*, 1 as more')", r"its result has besides more"),
        ("7", r"marts.x \(sql/marts/x.py, owner: ann\) could not be built: "),
    ],
)
def test_what_fails_is_named_with_its_line(tmp_path: Path, result: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        warehouse(tmp_path, result).build()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def model(inputs, ctx): ...", r"sql/marts/x.py: says not what it reads"),
        ("READS = ['raw.sale']\ndef model(inputs, ctx): ...", r"READS: there is no table raw.sale; did you mean"),
        ("READS = ['raw.sales']", r"has no function `def model\(inputs, ctx\)`"),
        ("READS = [", r"sql/marts/x.py:1: is not Python"),
        ("READS = []\nVARIABLES = ['nope']\ndef model(inputs, ctx): ...", r"there is no variable nope"),
        ("# materialized: view\nREADS = []\ndef model(inputs, ctx): ...", r"a Python model makes a table"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_python_model_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Warehouse(tmp_path, RAW, {"marts/x.py": text}, context=CONTEXT)


def test_a_python_model_needs_a_contract(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"sql/marts/z.py: a Python model needs a contract"):
        Warehouse(tmp_path, RAW, {"marts/z.py": PROGRAM.replace("{result}", ARROW)}, context=CONTEXT)
