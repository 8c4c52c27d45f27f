"""What is written of personal data: the same in SQL and in Python, and the key in no text at all."""

import hashlib
import hmac
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.contract import Column, Contract
from etl.contract.masking import (
    KEY_VARIABLE,
    key_id,
    mask_problem,
    mask_text,
    masked,
    prepare,
    require_key,
    withheld,
)
from etl.errors import ConfigError, ContractError, StepError
from etl.sources.source import Source

CON = duckdb.connect(config={"threads": "1"})
KEY = "a secret of the tests"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=80)


def column(pii: str, type: str = "VARCHAR", nullable: bool = True) -> Column:
    return Column("ssn", type, nullable, pii=pii)


def contract(*kinds: str) -> Contract:
    return Contract("People", tuple(Column(f"c{n}", "VARCHAR", True, pii=kind) for n, kind in enumerate(kinds)))


def written(value: Any, pii: str, type: str = "VARCHAR", key: bytes | None = KEY.encode()) -> Any:
    """Return what DuckDB writes of a value."""
    prepare(CON, key)
    query = f"select {masked('v', column(pii, type))} from (select ?::{type} as v)"
    return CON.execute(query, [value]).fetchall()[0][0]


@settings(max_examples=100)
@given(TEXTS, st.binary(min_size=1, max_size=150))
def test_a_hash_is_pythons_hmac_of_the_text(text: str, key: bytes) -> None:
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert written(text, "hash", key=key) == expected == mask_text(text, column("hash"), key)


@settings(max_examples=100)
@given(TEXTS)
def test_a_part_of_a_text_is_the_same_in_sql_and_in_python(text: str) -> None:
    assert written(text, "partial") == mask_text(text, column("partial"), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("123-45-6789", "***6789"), ("123456789", "***6789"), ("12345678", "***"), ("x", "***"), ("", "***")],
)
def test_a_part_is_the_end_of_a_long_text_and_nothing_of_a_short_one(text: str, expected: str) -> None:
    assert mask_text(text, column("partial"), None) == expected


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        ("DATE", "1980-05-13", "1980-01-01"),
        ("TIMESTAMP", "1980-05-13 12:30:00", "1980-01-01 00:00:00"),
        ("TIMESTAMP", "1980-05-13T12:30", "1980-01-01 00:00:00"),
    ],
)
def test_of_a_date_the_year_is_left(type: str, text: str, expected: str) -> None:
    assert str(written(text, "partial", type)) == expected == mask_text(text, column("partial", type), None)


@pytest.mark.parametrize("text", ["13.05.1980", "1980-05-13 12:00:00+02", "nobody's birthday", "1980-05"])
def test_of_a_text_that_is_no_plain_date_nothing_is_left(text: str) -> None:
    assert mask_text(text, column("partial", "DATE"), None) == "***"


def test_what_is_dropped_is_null_of_its_type_and_an_empty_cell() -> None:
    assert written(3, "drop", "BIGINT") is None
    assert mask_text("3", column("drop", "BIGINT"), None) == ""
    with duckdb.connect() as con:
        assert con.execute(f"select typeof({masked('1', column('drop', 'BIGINT'))})").fetchall() == [("BIGINT",)]


@pytest.mark.parametrize(("pii", "type"), [("hash", "VARCHAR"), ("partial", "VARCHAR"), ("partial", "DATE")])
def test_null_stays_null(pii: str, type: str) -> None:
    assert written(None, pii, type) is None


@pytest.mark.parametrize("type", ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR"])
def test_a_masked_value_is_of_the_columns_type(type: str) -> None:
    with duckdb.connect() as con:
        query = f"select typeof({masked('v', column('partial', type))}) from (select null::{type} as v)"
        assert con.execute(query).fetchall() == [(type,)]


def test_what_is_no_personal_data_is_written_as_it_is() -> None:
    assert masked('"n"', column("")) == '"n"'
    assert mask_text("n", column(""), None) == "n"


def test_equal_values_have_equal_hashes_in_all_columns_and_sources() -> None:
    assert mask_text("Ann", Column("a", "VARCHAR", True, pii="hash"), b"k" * 16) == mask_text(
        "Ann", Column("b", "VARCHAR", False, pii="hash"), b"k" * 16
    )


def test_a_connection_without_the_key_masks_nothing_rather_than_wrongly() -> None:
    with duckdb.connect() as con:
        prepare(con, KEY.encode())
        with con.cursor() as cursor, pytest.raises(duckdb.Error, match="no key for masks: call prepare"):
            cursor.execute(f"select {masked('v', column('hash'))} from (select 'Ann' as v)").fetchall()


def test_the_key_is_in_no_sql_text_and_in_no_error_of_a_cast() -> None:
    sql = masked("v", column("hash"))
    with duckdb.connect() as con:
        prepare(con, KEY.encode())
        with pytest.raises(duckdb.Error) as error:
            con.execute(f"select ({sql})::integer from (select 'Ann' as v)").fetchall()
    assert KEY not in sql and KEY not in str(error.value) and KEY.encode().hex() not in str(error.value)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "is not set"),
        ({KEY_VARIABLE: ""}, "is not set"),
        ({KEY_VARIABLE: "short"}, "fewer than 16 characters"),
        ({KEY_VARIABLE: "k" * 16}, "fewer than 8 different characters"),
        ({KEY_VARIABLE: "abcabcabcabcabcabc"}, "fewer than 8 different characters"),
    ],
)
def test_a_missing_or_short_key_is_named_by_its_variable_only(environment: dict[str, str], said: str) -> None:
    for function in (require_key, key_id):
        with pytest.raises(
            ConfigError, match=f"{KEY_VARIABLE} .*{said}.*contract People masks 'c0', 'c2'"
        ) as error:
            function(contract("hash", "partial", "hash"), environment)
        assert "short" not in str(error.value)


def test_only_hashes_need_a_key() -> None:
    assert require_key(contract("partial", "drop", ""), {}) is None
    assert key_id(contract("partial", "drop", ""), {}) == ""


def test_the_id_of_a_key_changes_with_it_and_is_the_hash_of_no_text() -> None:
    one, other = ({KEY_VARIABLE: key} for key in (KEY, KEY + "!"))
    found = key_id(contract("hash"), one)
    assert found == key_id(contract("", "hash"), one) != key_id(contract("hash"), other)
    assert len(found) == 12 and not mask_text("etl", column("hash"), KEY.encode()).startswith(found)


@pytest.mark.parametrize(
    ("pii", "type", "nullable", "said"),
    [
        ("hash", "BIGINT", True, "BIGINT, and a hash is text. Declare it as str"),
        ("partial", "BIGINT", True, "BIGINT, and no part of that can be shown"),
        (
            "drop",
            "VARCHAR",
            False,
            "dropped as personal data, so it is null in the lake. Declare it with nullable=True",
        ),
    ],
)
def test_a_mask_that_does_not_fit_its_column_is_refused_with_the_remedy(
    pii: str, type: str, nullable: bool, said: str
) -> None:
    people = Contract("People", (column(pii, type, nullable),))
    with pytest.raises(ContractError, match=f"column 'ssn' of contract People is {said}"):
        Source(people, "people.csv")


@pytest.mark.parametrize(
    ("pii", "type", "nullable"),
    [("hash", "VARCHAR", False), ("partial", "DATE", False), ("drop", "BIGINT", True), ("", "BIGINT", False)],
)
def test_a_mask_that_fits_is_taken(pii: str, type: str, nullable: bool) -> None:
    assert mask_problem(column(pii, type, nullable)) == ""


def test_the_partition_cannot_be_masked() -> None:
    born = Contract("People", (Column("born", "DATE", False, pii="partial"),))
    with pytest.raises(ContractError, match="names the partition, which cannot be masked"):
        Source(born, "people/{date}.csv", partition="born")


def test_an_error_that_could_quote_a_value_is_told_by_its_kind_only() -> None:
    with duckdb.connect() as con, pytest.raises(duckdb.Error) as error:
        con.execute("select '123-45-6789'::int").fetchall()
    assert "123-45-6789" in withheld(contract(""), error.value)
    said = withheld(contract("hash"), error.value)
    assert "123-45-6789" not in said and said.startswith("ConversionException. Its text is withheld")
    assert withheld(contract("hash"), StepError("a file changed")) == "a file changed"
