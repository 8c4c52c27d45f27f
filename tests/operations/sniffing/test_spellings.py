"""What `etl sniff` proposes for numbers and dates that senders spell in their own way, and that it loads."""

import csv
import io
import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.operations.sniffing import propose
from etl.sources.catalog import load_catalog
from etl.sources.sniff.proposals import proposed_dates, proposed_number
from tests.support import tiny
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled


@pytest.mark.parametrize(
    ("texts", "said", "plain"),
    [
        (["1234.56-", "99.00"], {"number": {"negative": "after"}}, ["-1234.56", "99.00"]),
        (
            ["($900.23)", "$1,500.00", "$+15.10", "-$2.00"],
            {"decimal": ".", "thousands": ",", "number": {"units": ["$"], "negative": "brackets"}},
            ["-900.23", "1500.00", "15.10", "-2.00"],
        ),
        (["12,5 %", "100%"], {"decimal": ",", "number": {"percent": True}}, ["0.125", "1.00"]),
        (["3,5 kg", "12 kg"], {"decimal": ",", "number": {"units": ["kg"]}}, ["3.5", "12"]),
        (["1.234,56", "1,234.56"], {"number": {"either_mark": True}}, ["1234.56", "1234.56"]),
        (
            ["1,23,45,678", "2,345"],
            {"decimal": ".", "thousands": ",", "number": {"groups": "indian"}},
            ["12345678", "2345"],
        ),
        (["0000012{", "000001J"], {"number": {"overpunch": "ebcdic"}}, ["120", "-11"]),
        (["10.00 CR", "5.00 DR"], {"number": {"signs": {"CR": "+", "DR": "-"}}}, ["10.00", "-5.00"]),
        (["12.5 p", "3.1", "2*"], {"number": {"flags": ["*", "p"]}}, ["12.5", "3.1", "2"]),
        (["1'234.5", "1\u2019234"], {"number": {"group_marks": ["'", "\u2019"]}}, ["1234.5", "1234"]),
        (["\u22125.5", "3"], {"number": {"negative": "before"}}, ["-5.5", "3"]),
    ],
)
def test_a_spelling_of_numbers_is_proposed_where_it_is_seen(
    texts: list[str], said: dict[str, Any], plain: list[str]
) -> None:
    found = proposed_number(texts)
    assert found is not None
    assert found.metadata == said
    assert [found.plain[text] for text in texts] == plain


@pytest.mark.parametrize(
    "texts",
    [
        *(["A1", "A2"], ["1A", "2B"], ["S1", "H2"], ["0010", "0012 kg"], ["12 apples", "3 apples"], ["12 b", "3"]),
        *(["5 kg", "3 g"], ["5 €", "3 $"], ["12%", "5"], ["12-34", "5-"], ["(555) 123"], ["1.500", "x"]),
        *(["0015-"], ["1.2.3.4"], ["12:30", "13:00"], ["-", "5"], ["123A"], [], ["1.500-", "2.5,-"]),
    ],
)  # fmt: skip
def test_codes_and_mixtures_are_no_numbers(texts: list[str]) -> None:
    assert proposed_number(texts) is None


@pytest.mark.parametrize(
    ("name", "texts", "said", "plain"),
    [
        ("d", ["2024-03-08", "08.03.2024"], {"format": ["iso", "%d.%m.%Y"]}, "2024-03-08"),
        ("d", ["5. März 2024", "12. Mai 2024"], {"format": "%d. %B %Y", "months": "de"}, "2024-03-05"),
        ("d", ["1 févr. 2024", "5 mars 2024"], {"format": "%d %B %Y", "months": "fr"}, "2024-02-01"),
        ("d", ["March 5, 2024"], {"format": "%B %d, %Y", "months": "en"}, "2024-03-05"),
        ("d", ["5 de marzo de 2024"], {"format": "%d de %B de %Y", "months": "es"}, "2024-03-05"),
        ("created_at", ["1711843200", "1711843201"], {"format": "epoch_s"}, "2024-03-31 00:00:00Z"),
        ("created_at", ["1711843200123"], {"format": "epoch_ms"}, "2024-03-31 00:00:00.123Z"),
        ("date", ["45379", "45380"], {"format": "excel_1900"}, "2024-03-28"),
    ],
)
def test_a_spelling_of_dates_is_proposed_where_it_is_seen(
    name: str, texts: list[str], said: dict[str, Any], plain: str
) -> None:
    found = proposed_dates(texts, name)
    assert found is not None
    assert (found.metadata, found.plain[texts[0]]) == (said, plain)


def test_dates_that_are_doubtful_are_not_proposed() -> None:
    assert proposed_dates(["03/04/2024", "2024-01-01"]) is None
    assert proposed_dates(["1711843200"], "customer") is None
    assert proposed_dates(["5 Mai", "x 3"]) is None


DAYS = st.dates(date(1990, 1, 1), date(2060, 1, 1))


@given(
    numbers=st.lists(st.decimals(-(10**7), 10**7, places=2), min_size=2, max_size=5),
    spelling=st.sampled_from(["{0:,}-", "({0:,})", "{0} €", "$ {0:,}", "{0} DR", "{0}%", "{0} *"]),
)
@settings(max_examples=examples(20), deadline=None)
def test_what_is_proposed_for_numbers_reads_their_values(numbers: list[Decimal], spelling: str) -> None:
    negative = re.search(r"[-()]|DR", spelling) is not None
    texts = [spelling.format(abs(n)) if n < 0 or not negative else f"{abs(n):,}" for n in numbers]
    found = proposed_number(texts)
    if found is not None:
        for number, text in zip(numbers, texts, strict=True):
            expected = number if negative else abs(number)
            assert Decimal(found.plain[text]) == (expected / 100 if "%" in spelling else expected)


@given(
    days=st.lists(DAYS, min_size=2, max_size=5),
    formats=st.tuples(*[st.sampled_from(["%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y"])] * 2),
)
@settings(max_examples=examples(20), deadline=None)
def test_what_is_proposed_for_dates_reads_their_days(days: list[date], formats: tuple[str, str]) -> None:
    texts = [day.strftime(formats[n % 2]) for n, day in enumerate(days)]
    found = proposed_dates(texts)
    assert found is None or [found.plain[text] for text in texts] == [str(day) for day in days]


TABLE: dict[str, list[str]] = {
    "id": ["1", "2", "3"],
    "doc": ["0100", "0101", "0102"],
    "amount": ["1.234,50-", "3,00", "12,00-"],
    "share": ["12,5 %", "100 %", "1 %"],
    "since": ["5. März 2024", "12. Mai 2024", "1. Jan. 2023"],
    "rate": ["1,5 p", "2,25", "3,5*"],
    "day": ["2024-03-08", "08.03.2024", "09.03.2024"],
    "changed_at": [f"{1711843200000 + n * 1000}" for n in range(3)],
    "code": ['="0123"', '="0456"', '="0789"'],
    "n": ["1.0", "2.0", "3.0"],
}


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_file_of_all_spellings_loads_by_its_proposal(tmp_path: Path, suffix: str) -> None:
    rows = [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]
    text = json.dumps(rows)
    if suffix == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, TABLE, delimiter=";", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = out.getvalue()
    path = tmp_path / "data" / "raw" / f"sales_2024-03-01.{suffix}"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    project = tiny.project(tmp_path, contracts=propose(path), sql={}, raw={})
    (source,) = load_catalog(project.contracts).sources.values()
    (receipt,) = tiny.take(project, source)
    assert (receipt.details["rows"], receipt.details["rejected"]) == (3, 0)
    columns = "doc, amount, share, since, rate, rate_flag, day, epoch_ms(changed_at)::varchar, code, n"
    first = ("0100", -1234.5, 0.125, date(2024, 3, 5), 1.5, "p", date(2024, 3, 8), "1711843200000", "0123", 1)
    assert tiny.rows_of(project, columns=columns)[0] == first
