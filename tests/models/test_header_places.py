"""Where a header is found: wherever it is before the SELECT, however it is decorated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.contract.audit_kinds import AUDIT_KEYS
from etl.errors import ModelError
from etl.models.header import _PARSERS, as_sql, header_lines, read_header

KEYS = {**dict.fromkeys(_PARSERS, "a"), **dict.fromkeys(AUDIT_KEYS, "a")}
_between = st.sampled_from(
    ["", "\n", "/* licence */\n", "/*\n -- key: b\n*/\n", "-- What it is. Grain: id.\n", "  \n"]
)
_lines = st.lists(
    st.tuples(
        st.sampled_from(sorted(KEYS)),
        st.sampled_from([str.lower, str.upper, str.capitalize]),
        st.sampled_from(["", " ", "\t"]),
        st.sampled_from(["-- ", "--", "---  ", "-- * "]),
        st.sampled_from(["", " "]),
        _between,
    ),
    min_size=1,
    max_size=5,
)


@given(st.sampled_from(["", "\ufeff"]), _between, _lines)
def test_any_decoration_of_a_header_gives_the_same_lines(mark: str, first: str, lines: list) -> None:
    text = mark + first
    for key, case, indent, dashes, blank, after in lines:
        text += f"{indent}{dashes}{case(key)}{blank}: some Value\n{after}"

    found = list(header_lines(f"{text}select 1 as x\n-- owner: nobody"))

    assert [(line.key, line.value) for line in found] == [(line[0], "some Value") for line in lines]


@pytest.mark.parametrize(
    ("line", "key", "meant"),
    [
        ("-- not-null: id", "not-null", "not_null"),
        ("-- unique = id", "unique =", "unique"),
        ("-- Materialised: view", "materialised", "materialized"),
        ("-- onwer: ann", "onwer", "owner"),
    ],
)
def test_a_line_that_was_meant_to_be_a_header_is_an_error_with_the_key(line: str, key: str, meant: str) -> None:
    with pytest.raises(ModelError) as error:
        read_header("sql/marts/x.sql", f"/* x */\n{line}\nselect 1 as x")

    assert str(error.value).startswith(f"sql/marts/x.sql:2: there is no header key '{key}'. Did you mean {meant}")


@pytest.mark.parametrize("line", ["-- Copyright: us", "-- Grain: id", "-- x = 1", "-- https://example.org"])
def test_prose_is_no_header(line: str) -> None:
    assert list(header_lines(f"{line}\nselect 1 as x")) == []


@pytest.mark.parametrize(
    "before",
    ["", "#!/usr/bin/env python\n", '"""What it is.\n\nowner: no\n"""\n', "'What.'\n\n", "\ufeff# What.\n"],
)
def test_a_python_model_has_its_header_below_a_shebang_or_a_docstring_too(before: str) -> None:
    text = as_sql(f"{before}# Owner : ann\nREADS = []\n# tags: x\n")

    ((number, key, value),) = [(line.number, line.key, line.value) for line in header_lines(text)]
    assert (number, key, value) == (before.count("\n") + 1, "owner", "ann")
