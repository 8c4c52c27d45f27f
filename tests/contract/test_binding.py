"""Rules are bound together, and the one that DuckDB refuses is named all the same."""

import pytest

from etl.contract import Column, Contract, Rule
from etl.contract.binding import check_rules

COLUMNS = (Column("id", "BIGINT", True), Column("name", "VARCHAR", True))


def contract(*sql: str) -> Contract:
    return Contract("Wide", columns=COLUMNS, rules=tuple(Rule(f"r{n}", text) for n, text in enumerate(sql)))


@pytest.mark.parametrize(
    "bad", ["missing > 1", "sum(id) > 1", "row_number() over () > 1", "name > ", "abs(name) > 1", "id > 1 -- one"]
)
@pytest.mark.parametrize("place", [0, 199, 200, 449])
def test_the_rule_that_is_refused_is_named_wherever_it_stands(bad: str, place: int) -> None:
    rules = ["id > 1"] * 450
    rules[place] = bad
    with pytest.raises(ValueError, match=f"^rule r{place}: DuckDB refuses it"):
        check_rules(contract(*rules))


def test_sound_rules_are_bound_in_few_statements_and_none_by_none() -> None:
    check_rules(contract())
    check_rules(contract(*(f"id <> {n} or name is null" for n in range(450))))
