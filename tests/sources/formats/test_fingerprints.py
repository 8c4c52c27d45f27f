"""A format that says nothing of an option that came later has the fingerprint that it had before."""

import json
from dataclasses import fields

import pytest

from etl.sources.formats import format_from, format_to
from tests.sources.formats.makers import MAKERS

COMMON = ["decimal", "thousands", "date_format", "timestamp_format", "two_digit_years_until", "decimals"]
#: What the fingerprints of the first release say of each format, beside what all of them say.
OWN = {
    "Csv": "delimiter quote header null escape names preamble footer comment trailing_delimiter escapes",
    "Excel": "sheet header_row timestamps",
    "FixedWidth": "columns length trimmed strip null header_lines record_type record ignored trailer",
    "Json": "paths records",
    "JsonLines": "paths",
    "Parquet": "binary",
    "Xml": "record fields namespaces strip null",
}


@pytest.mark.parametrize("name", OWN)
def test_an_option_that_is_not_used_is_not_in_the_fingerprint(name: str) -> None:
    written = format_to(MAKERS[name].fmt(["id"]))
    text = [] if name in ("Excel", "Parquet") else ["encoding", "compression"]
    assert list(written) == ["format", *COMMON, "max_expansion", *text, *OWN[name].split()]


@pytest.mark.parametrize("name", MAKERS)
def test_a_format_survives_the_cache(name: str) -> None:
    fmt = MAKERS[name].fmt(["id"])
    again = format_from(json.loads(json.dumps(format_to(fmt))))
    assert again == fmt
    assert [getattr(again, option.name) for option in fields(again)] == [
        getattr(fmt, option.name) for option in fields(fmt)
    ]
