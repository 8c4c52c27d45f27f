"""Raw texts without personal data: masked by cell where the cells are known, and as a whole where not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from etl.contract.contract import Column, Contract
from etl.contract.masking import fingerprint_of, mask_text
from etl.sources.formats.csv import Csv
from etl.sources.formats.format import Fault, Place
from etl.sources.redactor import Redactor

KEY = b"a secret of the tests"
SSN = Column("ssn", "VARCHAR", False, pii="hash")
PEOPLE = Contract(
    "People",
    (
        Column("id", "BIGINT", False),
        SSN,
        Column("born", "DATE", True, pii="partial"),
        Column("town", "VARCHAR", True),
    ),
)
HEADER = ["id", "ssn", "born", "town"]


class Text:
    """As much of a format as a redactor asks for."""

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        return Csv().redacted(text, columns, hidden)


def redactor(columns: Sequence[str] = HEADER, contract: Contract = PEOPLE, key: bytes | None = KEY) -> Redactor:
    fmt: Any = Text()
    return Redactor(contract, key, fmt, columns)


def test_only_the_cells_of_personal_data_are_masked() -> None:
    hashed = mask_text("123-45-6789", SSN, KEY)
    text = 'x,"123-45-6789",1980-05-13,"New ""York"""'
    assert redactor().text(text, "") == f'x,"{hashed}",1980-01-01,"New ""York"""'


def test_the_columns_may_come_in_another_order() -> None:
    hashed = mask_text("123-45-6789", SSN, KEY)
    assert redactor(["ssn", "id", "born"]).text("123-45-6789,7,", "") == f"{hashed},7,"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1,123-45-6789,1980-05-13", ""),  # a cell too few
        ('1,"123-45-6789,1980-05-13,Rome', ""),  # a stray quote
        ("a,123-45-6789,c,d", "a second table starts here"),
    ],
)
def test_what_has_not_the_shape_of_a_record_is_masked_as_a_whole(text: str, problem: str) -> None:
    expected = f"(masked: {len(text)} characters, HMAC {fingerprint_of(text, KEY)})"
    assert redactor().text(text, problem) == expected


@pytest.mark.parametrize("header", [["id", "SSN", "born", "town"], ["1", "123-45-6789", "1980-05-13", "Rome"]])
def test_so_is_every_record_if_the_personal_column_may_have_another_name(header: list[str]) -> None:
    assert redactor(header).text("1,123-45-6789,1980-05-13,Rome", "").startswith("(masked: 29 characters, HMAC ")


def test_a_personal_column_is_known_by_its_aliases_too() -> None:
    person = Contract("People", (replace(SSN, aliases=("social_nb",)), Column("town", "VARCHAR", True)))
    expected = f"{mask_text('123-45-6789', SSN, KEY)},Rome"
    assert redactor(["social_nb", "town"], person).text("123-45-6789,Rome", "") == expected


def test_a_personal_column_that_is_not_there_has_no_cells() -> None:
    assert redactor(["id", "ssn", "town"]).text("1,,Rome", "") == "1,,Rome"


def test_further_columns_stay_as_they_are_if_all_personal_ones_are_known() -> None:
    text = redactor([*HEADER, "phone"]).text("1,,,Rome,555-0199", "")
    assert text == "1,,,Rome,555-0199"


def test_without_a_hash_there_is_no_key_and_no_hash() -> None:
    partly = Contract("People", (PEOPLE.column("born"),))
    assert redactor(["born"], partly, key=None).text("a,b", "") == "(masked: 3 characters)"


def test_original_bytes_are_not_kept() -> None:
    place = Place(7, "1,12\\xff,,", b"1,12\xff,,")
    found = redactor().place(Fault(place, "the text is not UTF-8"))
    assert (found.line, found.raw) == (7, None) and found.text.startswith("(masked: 10 characters")


def test_a_contract_without_personal_data_changes_nothing() -> None:
    plain = redactor(contract=Contract("Plain", (Column("id", "BIGINT", False),)))
    place = Place(1, "x\\xff", b"x\xff")
    assert plain.text("a,b", "2 cells where the contract has 1") == "a,b"
    assert plain.place(Fault(place, "")) is place
    assert plain.header(["x"]) == ["x"] and not plain.is_needed


def test_a_header_that_may_be_a_record_shows_known_names_only() -> None:
    assert redactor().header(["id", "123-45-6789", "town"]) == ["id", "(11 characters)", "town"]
