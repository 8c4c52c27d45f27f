"""How a contract writes a DuckDB type: whatever is proposed loads, and means that type."""

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.annotations import annotation
from etl.contract.compiler import compile_contract
from etl.engine.quoting import identifier
from tests.support.thorough import examples

_plain = st.sampled_from(
    [
        *("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "DOUBLE"),
        *("FLOAT", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTERVAL", "TIME"),
        *("BLOB", "DECIMAL(16,2)", "DECIMAL(38,0)"),
    ]
)
_names = st.lists(st.text("ab ,()'\"[]", min_size=1, max_size=5), min_size=1, max_size=3, unique=True)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    fields = _names.flatmap(lambda names: st.tuples(*(inner.map(lambda t, n=name: (n, t)) for name in names)))
    return st.one_of(
        inner.map("{}[]".format),
        inner.map("{}[3]".format),
        st.tuples(inner, inner).map(lambda pair: f"MAP({pair[0]}, {pair[1]})"),
        fields.map(lambda found: f"STRUCT({', '.join(f'{identifier(name)} {type}' for name, type in found)})"),
    )


def _spelled(type: str) -> str:
    return str(duckdb.sql(f"select typeof(null::{type})").fetchall()[0][0])


@given(st.recursive(_plain, _nested, max_leaves=4), st.booleans())
@settings(max_examples=examples(80), deadline=None)
def test_an_annotation_loads_and_means_its_type(type: str, nullable: bool) -> None:
    found = annotation(type, nullable=nullable)

    assert found is not None
    lines = [*found.imports, "import pandera.pandas as pa", "class Items(pa.DataFrameModel):"]
    names: dict[str, Any] = {"__name__": "items"}
    exec("\n".join([*lines, f"    item: {found.text} = pa.Field(nullable={nullable})"]), names)
    assert _spelled(compile_contract(names["Items"]).columns[0].type) == _spelled(type)


@pytest.mark.parametrize("type", ["HUGEINT", "UUID", '"NULL"', "HUGEINT[]", "STRUCT(a UUID)", "ENUM('a')"])
def test_a_type_that_no_contract_can_have_has_none(type: str) -> None:
    assert annotation(type, nullable=True) is None
