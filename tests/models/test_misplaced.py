"""A line of a header below the first word of the SELECT is told, and no other comment is."""

import pytest

from etl.contract.audit_kinds import AUDIT_KEYS
from etl.errors import ModelError
from etl.models.header import _PARSERS
from etl.models.misplaced import check_misplaced

VALUES = {
    "materialized": "incremental",
    "lookback": "7 days",
    "timeout_minutes": "30",
    "deletes": "absent",
    "unit": "delay = minutes",
    "column": "delay = Minutes after the scheduled time.",
    "export": "parquet",
    "storage": "lake",
    "optional": "yes",
    "owner": "ann@example.org",
    "tolerates": "marts.names",
    "ttl": "18 hours",
    "engine": "spark",
    "references": "carrier = marts.airlines.carrier",
    "accepted_values": "origin = JFK, LGA",
    "row_count": "at least 1",
    "freshness": "day within 2 days",
    "sums_to": "miles = marts.flights.miles by day",
    "drift": "delay by psi 0.2 against the last 28",
}


@pytest.mark.parametrize("key", [*_PARSERS, *AUDIT_KEYS])
@pytest.mark.parametrize(
    "text", ["select 1 as x\n{}", "{}", "with a as (select 2 as y)\n   {}\nselect 1 as x, {}"]
)
def test_any_key_below_the_first_word_is_an_error(key: str, text: str) -> None:
    line = f"-- {key}: {VALUES.get(key, 'id')}"
    if text == "{}":
        return check_misplaced("sql/marts/x.sql", f"{line}\nselect 1 as x")

    with pytest.raises(ModelError, match=r"^sql/marts/x.sql:2: `-- .*Move it above the SELECT. If"):
        check_misplaced("sql/marts/x.sql", text.replace("{}", line))


@pytest.mark.parametrize(
    "line",
    ["-- Not-Null: id", "--onwer: ann", "  --- materialised: view", "-- WARN unique: id, day", "-- keys: id"],
)
def test_what_is_nearly_a_key_is_one_too(line: str) -> None:
    with pytest.raises(ModelError, match=r"^sql/marts/x.sql:3: "):
        check_misplaced("sql/marts/x.sql", f"\ufeffselect 'é' as x,\n'ü' as y\n{line}\n")


@pytest.mark.parametrize("key", [*_PARSERS, *AUDIT_KEYS])
@pytest.mark.parametrize("block", ["/* é\n{} */", "-- x\n/*{}\n*/", "/**\n * {}\n */", "/*\n-- {}\n*/"])
def test_any_key_between_the_marks_of_a_block_is_an_error(key: str, block: str) -> None:
    line = f"{key}: {VALUES.get(key, 'id')}"
    with pytest.raises(ModelError, match=rf"^sql/marts/x.sql:2: `{key}: .* Write it as a line `-- {key}: "):
        check_misplaced("sql/marts/x.sql", f"\ufeff{block.replace('{}', line)}\nselect 1 as x")


def test_other_texts_between_the_marks_of_a_block_are_left_alone() -> None:
    check_misplaced("sql/marts/x.sql", "/* Note: mine. order: newest first\n\n owner: the shop */\nselect 1 as x")
    check_misplaced("sql/marts/x.sql", "-- /* key: id\nselect 1 as x, '/* key: id */' as y /*\nkey: id\n*/")


@pytest.mark.parametrize(
    "comment",
    [
        "-- order: newest first",
        "-- key: what the shop calls a customer",
        "-- owner: whoever signed the contract that is in force",
        "-- partition: one per day",
        "-- unit: minutes",
        "-- owner: the customer",
        "-- unique: no two sales have one id",
        "-- note: id",
        "-- key::varchar",
        "-- owner = 'ann'",
        "-- https://example.org",
        "-- order by id",
        "/*\n-- key: id\n*/",
        "/* -- key: id */",
        ", '\n-- key: id\n' as text",
        ", 2 as b -- key: id",
    ],
)
def test_other_comments_are_left_alone(comment: str) -> None:
    check_misplaced("sql/marts/x.sql", f"select 1 as x\n{comment}\n")
