"""Numbers as senders spell them: what is a number in a declared spelling, which one, and that nothing else is."""

import json
import re
from dataclasses import asdict
from decimal import Decimal
from itertools import product
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.contract.compiler import compile_contract
from etl.contract.numeral_sql import flag_of
from etl.contract.numerals import Number, number_of
from etl.contract.parse import value
from etl.contract.values import Values
from etl.errors import ContractError

BLANK = " \u00a0\u202f"
CONNECTION = duckdb.connect()
MONEY = "DECIMAL(18,4)"
POINT, GERMAN, ENGLISH = Values(), Values(decimal=",", thousands="."), Values(thousands=",")
TYPES = [
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("UHUGEINT", "DECIMAL(4,1)", "DECIMAL(18,4)", "DECIMAL(38,6)", "DOUBLE", "FLOAT"),
]


def read(texts: list[str], said: dict[str, Any], type: str = MONEY, values: Values = POINT) -> list[str | None]:
    """Return the values of texts as DuckDB shows them, None for each that is not one."""
    column = Column("x", type, True, number=number_of(said, type))
    query = f"select ({value('x', column, values)})::varchar from (select unnest(?::varchar[]) as x)"
    return [row[0] for row in CONNECTION.execute(query, [texts]).fetchall()]


@pytest.mark.parametrize(
    ("said", "values", "examples", "others"),
    [
        ({"negative": "after"}, POINT, {"1234.56-": "-1234.56", "99.00": "99", "5+": "5"}, "5-- -5- --5 -"),
        (
            {"negative": "brackets", "units": ["$"]},
            ENGLISH,
            {"($900.23)": "-900.23", "$1,500.00": "1500", "$+15.10": "15.1", "-$2.00": "-2", "$ (3)": "-3"},
            "(-1) -(1) (1 1) () ($) $$1 $1$ 1- +(1)",
        ),
        (
            {"signs": {"S": "-", "H": "+", "Cr.": "+"}, "units": ["€", "EUR"]},
            GERMAN,
            {"1.234,5 € S": "-1234.5", "1H": "1", "5 Cr.": "5", "S 2": "-2", "EUR 3 S": "-3", "4": "4"},
            "-5S 5SH S5S 5s 5eur H",
        ),
        (
            {"units": ["kg", "m2"]},
            GERMAN,
            {"3,5 kg": "3.5", "12kg": "12", "0,75\u00a0kg": "0.75", "7\u202fm2": "7", "kg 1.000": "1000"},
            "m2 7;3,5 g;3,5 kgkg;kg 3 kg;1.00 kg;3,5kg.;0.750 kg",
        ),
        (
            {"percent": True},
            GERMAN,
            {"12,5 %": "0.125", "100%": "1", "-0,25 %": "-0.0025", "%5": "0.05", ",5%": "0.005", "1.000 %": "10"},
            "12,5;5%%;%5%;%;1e2%;0,00001%",
        ),
        (
            {"either_mark": True},
            POINT,
            {"1.234,56": "1234.56", "1,234.56": "1234.56", "0.500": "0.5", "1,5": "1.5", "1,234,567": "1234567"},
            "1.500 1,500 -1.500 1.23.4 1,2345,6 1.234.56 , 1. 0.123,4 1,234,567.8.9",
        ),
        ({"groups": "indian"}, ENGLISH, {"1,23,45,678.5": "12345678.5"}, "123,456 1,2,345 0,12,345"),
        ({"groups": 4}, ENGLISH, {"1,2345,6789": "123456789"}, "1,234 12345,6789"),
        ({"groups": "any"}, ENGLISH, {"1,2,34": "1234"}, "1,,2 ,12 12, 0,1"),
        (
            {"group_marks": ["'", "\u2019", " "]},
            POINT,
            {"1'234.5": "1234.5", "1\u2019234": "1234", "1\u202f234 567": None, "1\u00a0234\u00a0567": "1234567"},
            "1'234\u2019567 1,234 12'34",
        ),
        ({"overpunch": "ebcdic"}, POINT, {"12{": "120", "1}": "-10", "12J": "-121", "A": "1"}, "1JJ J1 -1J j"),
        ({"overpunch": "ascii", "places": 2}, POINT, {"123p": "-12.3", "5": "0.05"}, "p1 1A 1.5 y1y"),
        ({"places": 2, "negative": "after"}, POINT, {"0001234550-": "-12345.5", "7": "0.07"}, "1.5 1,5 1e2"),
        ({"flags": ["p", "(e)", "*"]}, ENGLISH, {"12.5 p": "12.5", "1,234*": "1234"}, "5x p 5pp 5(e"),
        ({"negative": "before"}, POINT, {"\u22125": "-5", "+5": "5"}, "\u2212-5 \u20135 5\u2212"),
    ],
)  # fmt: skip
def test_a_number_is_read_in_its_declared_spelling_alone(
    said: dict[str, Any], values: Values, examples: dict[str, str | None], others: str
) -> None:
    found = dict(zip(examples, read(list(examples), said, values=values), strict=True))
    assert {t: v and Decimal(v) for t, v in found.items()} == {t: v and Decimal(v) for t, v in examples.items()}
    odd = ["", *others.split(";" if ";" in others else " ")]
    assert dict(zip(odd, read(odd, said, values=values), strict=True)) == dict.fromkeys(odd)


def test_zeros_behind_the_point_belong_to_a_whole_number_on_request() -> None:
    texts = ["3.0", "3", "-3.00", "3.", "3.1", "1e1", "300.0"]
    assert read(texts, {"zero_decimals": True}, "TINYINT") == ["3", "3", "-3", "3", None, None, None]
    assert read(["100%", "50%"], {"percent": True}, "BIGINT") == ["1", None]
    assert read(["1200", "1250"], {"places": 2}, "BIGINT") == ["12", None]
    assert read(["nan", "-inf", "1.5e3", "1e400"], {"units": ["m"]}, "DOUBLE") == ["nan", "-inf", "1500.0", None]


# --- the law, against a parser of its own -----------------------------------------------------------------------


def python_number(text: str, said: dict[str, Any], decimal: str, thousands: str) -> Decimal | None:
    """Read a text by hand: every way of taking it apart, of which all must give the same number."""
    units, words = ["%"] if said.get("percent") else said.get("units", []), said.get("signs", {})
    pieces = {**dict.fromkeys("+-\u2212()"), **dict.fromkeys(units), **dict.fromkeys(words)}
    found: set[Decimal] = set()
    if text != text.strip(BLANK):
        return None
    core = re.compile(r"[0-9]" if said.get("places") else rf"[0-9{re.escape(decimal + thousands)}]")
    for start, end in product(range(len(text)), range(1, len(text) + 1)):
        if start >= end or not all(core.match(char) for char in text[start:end]):
            continue
        digits = _digits(text[start:end], said, decimal, thousands)
        for before, behind in product(_split(text[:start], pieces), _split(text[end:], pieces)):
            sign = _sign(before, behind, said, units, words)
            if digits is not None and sign is not None:
                found.add(digits * sign)
    return found.pop() if len(found) == 1 else None


def _split(text: str, pieces: dict[str, None]) -> list[list[str]]:
    text = text.strip(BLANK)
    if not text:
        return [[]]
    return [[p, *rest] for p in pieces if text.startswith(p) for rest in _split(text[len(p) :], pieces)]


def _digits(text: str, said: dict[str, Any], decimal: str, thousands: str) -> Decimal | None:
    if said.get("places"):
        return Decimal(text).scaleb(-said["places"])
    whole, *decimals = text.split(decimal)
    groups = whole.split(thousands) if thousands else [whole]
    if len(decimals) > 1 or (thousands and thousands in "".join(decimals)):
        return None
    if len(groups) > 1 and (
        groups[0][:1] in ("", "0") or len(groups[0]) > 3 or any(len(g) != 3 for g in groups[1:])
    ):
        return None
    if not (digits := "".join(groups)) and not "".join(decimals):
        return None
    number = Decimal(f"{digits or 0}.{''.join(decimals) or 0}")
    return number.scaleb(-2) if said.get("percent") else number


def _sign(
    before: list[str], behind: list[str], said: dict[str, Any], units: list[str], words: dict[str, str]
) -> int | None:
    around = [*before, *behind]
    if sum(piece in units for piece in around) > 1 or (said.get("percent") and "%" not in around):
        return None
    marks = [piece for piece in around if piece not in units]
    if marks == ["(", ")"]:
        return -1 if "brackets" in said.get("negative", ()) and "(" in before and ")" in behind else None
    if len(marks) > 1 or any(piece in "()" for piece in marks):
        return None
    if not marks:
        return 1
    if marks[0] in words:
        return {"+": 1, "-": -1}[words[marks[0]]]
    if marks[0] in before or "after" in said.get("negative", ()):
        return 1 if marks[0] == "+" else -1
    return None


SPELLINGS: list[dict[str, Any]] = [
    {"negative": ["after"]},
    {"negative": ["after", "brackets"], "units": ["€", "Rs.", "EUR"]},
    {"negative": ["brackets"], "percent": True},
    {"signs": {"CR": "+", "DR": "-"}, "units": ["$"]},
    {"units": ["kg", "k"]},
    {"percent": True},
    {"places": 2, "negative": ["after"]},
]
BLANKS = st.sampled_from(["", "", " ", "\u00a0", "\u202f"])


@st.composite
def spellings(draw: st.DrawFn) -> tuple[dict[str, Any], Values, Decimal, str]:
    """Draw a spelling, the marks, a number, and a text of it."""
    said = draw(st.sampled_from(SPELLINGS))
    values = draw(st.sampled_from([POINT, GERMAN, ENGLISH]))
    places = said.get("places") or draw(st.integers(0, 2))
    number = draw(st.integers(-(10**9), 10**9))
    if said.get("places"):
        core = f"{abs(number):0{draw(st.integers(1, 12))}d}"
    else:
        core = f"{Decimal(abs(number)).scaleb(-places):{'' if draw(st.booleans()) else ','}.{places}f}"
        core = core.replace(",", "T" if values.thousands else "").replace(".", values.decimal)
        core = core.replace("T", values.thousands)
    unit = draw(st.sampled_from(["", *said.get("units", [])])) if not said.get("percent") else "%"
    unit_first, blank = draw(st.booleans()), draw(BLANKS)
    amount = (unit + blank + core if unit_first else core + blank + unit) if unit else core
    sign = ""
    if number < 0:
        ways = ["before", *said.get("negative", []), *(w for w, s in said.get("signs", {}).items() if s == "-")]
        sign = draw(st.sampled_from([way for way in ways if way not in said.get("signs", {}) or way == "DR"]))
    text = {"": amount, "before": f"-{amount}", "after": f"{amount}-", "brackets": f"({amount})"}.get(
        sign, f"{amount} {sign}"
    )
    return said, values, Decimal(number).scaleb(-places - (2 if said.get("percent") else 0)), text


@given(spelling=spellings(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_number_comes_back_and_one_character_off_it_is_what_the_grammar_says(
    spelling: tuple[dict[str, Any], Values, Decimal, str], data: st.DataObject
) -> None:
    said, values, number, text = spelling
    at = data.draw(st.integers(0, len(text)))
    near = data.draw(st.sampled_from("0159.,+-\u2212()%$€ \u00a0kgCRDREUs\u0663'eE{"))
    cut = data.draw(st.integers(0, 1))
    off = text[:at] + data.draw(st.sampled_from([near, ""])) + text[at + cut :]

    type = "DECIMAL(38,8)"
    found, other = read([text, off], said, type, values)
    assert found is not None and Decimal(found) == number
    expected = python_number(off, said, values.decimal, values.thousands)
    assert (other and Decimal(other)) == expected, off


@pytest.mark.parametrize("type", TYPES)
@given(number=st.integers(-300, 300))
@settings(max_examples=10, deadline=None)
def test_every_type_of_numbers_has_every_spelling(type: str, number: int) -> None:
    size = abs(number)
    texts = {
        f"{size}-" if number < 0 else f"{size}": {"negative": "after"},
        f"({size} €)" if number < 0 else f"{size} €": {"negative": "brackets", "units": ["€"]},
        f"{size} DR" if number < 0 else f"{size}": {"signs": {"DR": "-"}},
        f"{number}00%": {"percent": True},
        f"{size}00" + "-" * (number < 0): {"places": 2, "negative": "after"},
        f"{size:03d}"[:-1] + ("}JKLMNOPQR" if number < 0 else "{ABCDEFGHI")[size % 10]: {"overpunch": "ebcdic"},
        f"{number} *": {"flags": ["*"]},
        f"{number},0": {"either_mark": True, "zero_decimals": True} if "INT" in type else {"either_mark": True},
    }
    plain = Column("x", type, True)
    whole = value("x", plain)
    query = f"select ({whole})::varchar from (select ?::varchar as x)"
    expected = CONNECTION.execute(query, [str(number)]).fetchall()[0][0]
    assert [read([text], said, type)[0] for text, said in texts.items()] == [expected] * len(texts)


def test_the_flag_is_taken_from_behind_the_number_alone() -> None:
    number = number_of({"flags": ["p", "(e)"], "units": ["kg"]}, "DOUBLE")
    texts = ["12 p", "3kg (e)", "3kg", "x p", "p", "12p p"]
    query = f"select {flag_of('x', number, 'DOUBLE', POINT)} from (select unnest(?::varchar[]) as x)"
    assert [row[0] for row in CONNECTION.execute(query, [texts]).fetchall()] == [
        "p",
        "(e)",
        None,
        None,
        None,
        None,
    ]


# --- declarations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("after", 'is \'after\'. Write {"number": {"negative": "after"}}'),
        ({}, 'Write {"number"'),
        ({"negativ": "after"}, "has no key 'negativ'. Did you mean negative?"),
        ({"negative": "behind"}, "Write one or more of 'before', 'after', 'brackets'"),
        ({"signs": {"CR": 1}}, 'Write {"signs": {"CR": "+", "DR": "-"}}'),
        ({"units": "€"}, "units is '€'. Write a list"),
        ({"units": ["€", "€"]}, "different texts"),
        ({"units": ["2x"]}, "'2x' could be taken for a part of a number"),
        ({"units": ["kg", "k"], "flags": ["g"]}, "'kg' can be read in two ways"),
        ({"percent": "yes"}, "percent is 'yes'. Write True or False"),
        ({"percent": True, "units": ["€"]}, "percent and units do not go together"),
        ({"either_mark": True, "group_marks": ["'"]}, "either_mark and group_marks do not go together"),
        ({"overpunch": "ebcdic", "units": ["€"]}, "overpunch and units do not go together"),
        ({"overpunch": "bcd"}, "Write one of 'ebcdic', 'ascii'"),
        ({"places": -1}, "places is -1"),
        ({"groups": "swiss"}, "Write one of 'threes', 'indian', 'any', or a number of digits"),
        ({"group_marks": [".."]}, "is not one mark"),
        ({"zero_decimals": True}, "zero_decimals is for whole numbers, and the column is DOUBLE"),
        ({"flag_column": "f"}, "flag_column has no flags"),
    ],
)
def test_a_declaration_that_is_wrong_or_ambiguous_says_so(said: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        number_of(said, "DOUBLE")


def test_a_declaration_survives_json() -> None:
    number = number_of({"negative": ["after"], "signs": {"CR": "+"}, "units": ["€"], "flags": ["p"]}, "DOUBLE")
    assert Number(**json.loads(json.dumps(asdict(number)))) == number
    contract = Contract("T", (Column("x", "DOUBLE", True, number=number), Column("y", "DOUBLE", True)))
    assert Contract.from_dict(json.loads(json.dumps(contract.to_dict()))) == contract


def test_a_contract_without_spellings_is_what_it_was_before_there_were_any() -> None:
    contract = Contract("T", (Column("x", "DOUBLE", True), Column("d", "DATE", True, format="%d.%m.%Y")))
    for column in (*contract.to_dict()["columns"], *contract.definition()[1]):
        assert not {"number", "formats", "months"} & column.keys()
        assert [*column["clean"]] == ["trim", "empty_to_null", "case", "map", "scale"]
    spelled = Contract("T", (Column("x", "DOUBLE", True, number=Number(percent=True)),))
    assert spelled.definition()[1][0]["number"] == {"percent": True}


def test_the_column_of_the_flags_is_one_of_text_that_the_file_does_not_have() -> None:
    import pandera.pandas as pa

    said = {"number": {"flags": ["p"], "flag_column": "flag"}}

    class Flagged(pa.DataFrameModel):
        x: float = pa.Field(metadata=said)
        flag: str = pa.Field(nullable=True)

    class Without(pa.DataFrameModel):
        x: float = pa.Field(metadata=said)

    assert not compile_contract(Flagged).column("flag").required
    with pytest.raises(ContractError, match=r"'flag' is not a plain column of text.* Add flag: str"):
        compile_contract(Without)
