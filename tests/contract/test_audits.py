"""The audits that a contract's metadata asks for, and how a wrong one is refused."""

import json
from typing import Any

import pandera.pandas as pa
import pytest

from etl.contract import Contract
from etl.contract.audit import HeaderAudit
from etl.contract.compiler import compile_contract
from etl.errors import ContractError


class Flights(pa.DataFrameModel):
    carrier: str = pa.Field(metadata={"references": "marts.airlines.carrier", "unit": "code"})
    dest: str = pa.Field(
        alias="the dest", metadata={"references_warn": ["marts.airports.airport", "raw.faa.code"]}
    )

    class Config:
        name = "marts.flights"
        metadata = {  # noqa: RUF012 (pandera reads it, nothing changes it)
            "freshness": "flight_date within 2 days",
            "row_count": ["at least 1", "within 50% of yesterday"],
            "sums_to_warn": "miles = marts.daily.miles by flight_date",
            "sql": {"far": "length(carrier) = 2"},
        }


def test_metadata_asks_for_audits_of_columns_and_of_the_table() -> None:
    contract = compile_contract(Flights)

    assert contract.audits == (
        HeaderAudit("references", '"carrier" = marts.airlines.carrier'),
        HeaderAudit("references", '"the dest" = marts.airports.airport', "warn"),
        HeaderAudit("references", '"the dest" = raw.faa.code', "warn"),
        HeaderAudit("freshness", "flight_date within 2 days"),
        HeaderAudit("row_count", "at least 1"),
        HeaderAudit("row_count", "within 50% of yesterday"),
        HeaderAudit("sums_to", "miles = marts.daily.miles by flight_date", "warn"),
    )
    assert Contract.from_dict(json.loads(json.dumps(contract.to_dict()))) == contract


def test_audits_do_not_change_which_rows_of_a_raw_file_are_kept() -> None:
    class Plain(Flights):
        class Config:
            metadata = {"sql": {"far": "length(carrier) = 2"}}  # noqa: RUF012

    assert compile_contract(Flights).definition() == compile_contract(Plain).definition()


def model(
    metadata: dict[str, Any], column: dict[str, Any] | None = None, **options: Any
) -> type[pa.DataFrameModel]:
    class Made(pa.DataFrameModel):
        n: int = pa.Field(metadata=column, **options)
        Config = type("Config", (), {"name": "marts.made", "metadata": metadata})  # type: ignore[assignment]

    return Made


@pytest.mark.parametrize(
    ("metadata", "column", "said"),
    [
        ({"freshnes": "n within 2 days"}, {}, "metadata has no key 'freshnes'. Did you mean freshness?"),
        ({}, {"reference": "a.b.c"}, "column 'n': metadata has no key 'reference'. Did you mean references?"),
        ({"references": "n = a.b.c"}, {}, "metadata has no key 'references'. There are: "),
        (
            {"row_count": "many"},
            {},
            "Contract marts.made: row_count: 'many' is not understood. Write it like this: ",
        ),
        ({"row_count": 3}, {}, "metadata 'row_count': 3 is neither a text nor a list of texts"),
        ({"row_count": [3]}, {}, "metadata 'row_count': [3] is neither a text nor a list of texts"),
        (
            {},
            {"references": "b.c"},
            "Contract marts.made, column 'n': references: '\"n\" = b.c' is not understood",
        ),
    ],
)
def test_what_is_no_audit_is_refused(metadata: dict[str, Any], column: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as error:
        compile_contract(model(metadata, column))

    assert said in str(error.value)


def test_a_pattern_references_nothing() -> None:
    with pytest.raises(ContractError, match=r"an audit of a pattern cannot name one column"):
        compile_contract(model({}, {"references": "a.b.c"}, alias="^n", regex=True))


def test_a_column_asks_for_a_share_of_values_or_only_warns() -> None:
    wanted = {"not_null": "at least 50%", "not_null_warn": "at least 95%"}

    assert compile_contract(model({}, wanted)).audits == (
        HeaderAudit("not_null", '"n" at least 50%'),
        HeaderAudit("not_null", '"n" at least 95%', "warn"),
    )
