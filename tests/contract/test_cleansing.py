"""Cells are cleansed in one fixed order, in SQL, as the column declares; a wrong declaration is refused."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.cleansing import Clean, clean_of, cleaned, described, parsed_type, scaled
from etl.contract.compiler import compile_contract
from etl.contract.contract import Column, Contract
from etl.contract.parse import parsed
from etl.errors import ContractError
from etl.sources.catalog import load_catalog

CON = duckdb.connect(config={"threads": "1"})
ALL = {"trim": True, "case": "upper", "empty_to_null": True, "map": {"jfk airport": "JFK", "?": None}}


def after(text: str | None, **steps: Any) -> str | None:
    """Return a cell's text after its steps."""
    clean = clean_of({"clean": steps}, "VARCHAR")
    found: str | None = CON.execute(
        f"select {cleaned('t', clean)} from (select ?::varchar as t)", [text]
    ).fetchall()[0][0]
    return found


def cleans(contract: Contract) -> dict[str, Clean]:
    return {column.name: column.clean for column in contract.columns}


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        (" a b\t", {"trim": True}, "a b"),
        ("\u00a0\u2003a\u3000\r\n", {"trim": True}, "a"),
        ("  ", {"trim": True}, ""),
        ("  ", {"trim": True, "empty_to_null": True}, None),
        ("  ", {"empty_to_null": True}, "  "),
        ("", {"empty_to_null": True}, None),
        ("Ab", {"case": "upper"}, "AB"),
        ("Ab", {"case": "lower"}, "ab"),
        ("Straße ÉLAN ﬁ", {"case": "upper"}, "STRAẞE ÉLAN ﬁ"),
        ("?", {"map": {"?": None}}, None),
        ("it's", {"map": {"it's": "'it'; --"}}, "'it'; --"),
        ("other", {"map": {"?": None}}, "other"),
        (" Jfk Airport ", ALL, "JFK"),
        (" ? ", ALL, None),
        (" lga", ALL, "LGA"),
        (None, ALL, None),
        ("a", {"map": {"a": "b", "b": "c"}}, "b"),
    ],
)
def test_a_text_is_trimmed_emptied_cased_and_mapped_in_this_order(
    text: str | None, steps: dict[str, Any], expected: str | None
) -> None:
    assert after(text, **steps) == expected


WHITE = "".join(map(chr, range(0x3001)))


@settings(max_examples=150)
@given(st.text(st.one_of(st.sampled_from([c for c in WHITE if c.isspace()]), st.characters(codec="utf-8"))))
def test_trim_takes_off_what_python_strips(text: str) -> None:
    assert after(text, trim=True) == text.strip()


def test_trim_knows_every_white_space_of_unicode() -> None:
    is_empty = f"{cleaned('chr(n::int)', Clean(trim=True))} = ''"
    query = f"select n from range(1, 1114112) t(n) where n not between 55296 and 57343 and {is_empty} order by n"
    found = [chr(n) for (n,) in CON.execute(query).fetchall()]
    assert found == [chr(n) for n in range(0x110000) if chr(n).isspace()]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"trimm": True}, "has no step 'trimm'. Did you mean trim?"),
        ({"xyz": True}, "There are: case, empty_to_null, excel_text, map, scale, trim"),
        ({"trim": "yes"}, "trim is 'yes'. Write True or False"),
        ({"case": "title"}, 'case is \'title\'. Write "upper" or "lower"'),
        ({"map": ["a"]}, "map is ['a']"),
        ({"map": {"a": 1}}, "map has 'a': 1. A text can become a text or None"),
        ({"map": {None: "a"}}, "map has None: 'a'. A text can become a text or None"),
        ({"map": {" ": "a"}, "trim": True, "empty_to_null": True}, "but empty_to_null has made that null before"),
        (
            {"map": {"A": "1", "a": "2"}, "case": "lower"},
            "map gives two values for 'a' ('a' becomes 'a' after the earlier",
        ),
        ({"scale": 2}, "scale is for numbers, and the column is VARCHAR"),
        ("trim", "metadata \"clean\" is 'trim'. Write"),
    ],
)
def test_a_wrong_declaration_is_refused_with_the_right_one(steps: Any, said: str) -> None:
    with pytest.raises(ValueError, match="metadata") as error:
        clean_of({"clean": steps}, "VARCHAR")
    assert said in str(error.value)


def test_a_column_without_a_declaration_is_left_as_it_is() -> None:
    assert clean_of(None, "VARCHAR") == clean_of({"unit": "m"}, "VARCHAR") == Clean()
    assert not Clean() and Clean(trim=True)
    assert cleaned("t", Clean()) == "t"


class Weights(pa.DataFrameModel):
    """Parcels."""

    origin: str = pa.Field(metadata={"clean": ALL})
    weight_kg: float = pa.Field(metadata={"clean": {"trim": True, "scale": 0.001}})
    note: str


def test_the_steps_are_part_of_the_compiled_contract_and_survive_json() -> None:
    contract = compile_contract(Weights)
    assert contract.column("origin").clean == Clean(
        trim=True, empty_to_null=True, case="upper", map=(("JFK AIRPORT", "JFK"), ("?", None))
    )
    assert contract.column("weight_kg").clean == Clean(trim=True, scale="0.001")
    assert Contract.from_dict(json.loads(json.dumps(contract.to_dict()))) == contract


def test_a_wrong_step_is_refused_where_it_stands() -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(str, metadata={"clean": {"tirm": True}})}, name="t")
    with pytest.raises(ContractError, match="Contract t, column 'n': metadata \"clean\" has no step 'tirm'"):
        compile_contract(schema)


def test_a_published_table_cannot_be_cleansed(tmp_path: Path) -> None:
    (tmp_path / "marts.py").write_text(
        "import pandera.pandas as pa\n\n\nclass T(pa.DataFrameModel):\n"
        '    n: str = pa.Field(metadata={"clean": {"trim": True}})\n\n'
        '    class Config:\n        name = "marts.t"\n'
    )
    with pytest.raises(ContractError, match=r"Contract marts\.t, column 'n': metadata 'clean' is for raw files"):
        load_catalog(tmp_path)


def test_what_is_done_is_told_in_words_and_in_order() -> None:
    assert described(cleans(compile_contract(Weights))) == {
        "origin": [
            "white space is taken off both ends",
            "an empty text is null",
            "in upper case",
            "spellings: 'JFK AIRPORT' is 'JFK', '?' is null",
        ],
        "weight_kg": ["white space is taken off both ends", "times 0.001"],
    }


def test_a_long_map_is_told_by_its_first_spellings() -> None:
    many = Clean(map=tuple((str(n), "x") for n in range(40)))
    column = replace(Column("n", "VARCHAR", True), clean=many)
    assert described({"n": column.clean})["n"][0].endswith("'4' is 'x' and 35 more")


def test_a_clean_is_made_again_from_its_json() -> None:
    clean = Clean(trim=True, map=(("a", None), ("b", "c")), scale="2")
    assert Clean(**json.loads(json.dumps(asdict(clean)))) == clean


def test_a_scaled_column_is_parsed_scaled_and_typed() -> None:
    clean = clean_of({"clean": {"trim": True, "scale": 0.001}}, "DECIMAL(9,3)")
    text = parsed(cleaned("t", clean), parsed_type(clean, "DECIMAL(9,3)"))
    found = CON.execute(f"select {scaled(text, clean, 'DECIMAL(9,3)')}::varchar from (select ' 123456789 ' t)")
    assert found.fetchall() == [("123456.789",)]
    assert parsed_type(Clean(), "BIGINT") == "BIGINT" and scaled("v", Clean(), "BIGINT") == "v"
