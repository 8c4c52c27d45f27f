"""What differs from the profiles of before is found by its size; what only varies is not."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.audit import Audit, HeaderAudit
from etl.contract.audit_kinds import audits_of
from etl.contract.drift_sql import count_of_past
from etl.ledger.profiles import Row
from etl.stages.audited import profile_table
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

PAST = 28
Draw = Callable[[random.Random], Any]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        made.execute("create schema etl")
        profile_table.define(made)
        yield made


def drift(text: str) -> Audit:
    (audit,) = audits_of("marts.t", "t.sql", [HeaderAudit("drift", text)])
    return audit


def facts(values: Sequence[Any]) -> dict[str, Any]:
    """Return the facts of a column, as a sample of all its rows has them."""
    known = sorted(value for value in values if value is not None)
    found: dict[str, Any] = {"rows": len(values), "nulls": len(values) - len(known), "sampled": len(known)}
    found["approx_distinct"] = len(set(known))
    if known and isinstance(known[0], str):
        top = sorted(Counter(known).items(), key=lambda item: (-item[1], item[0]))[:20]
        return found | {"top": {value: count / len(known) for value, count in top}}
    if known:
        found["quantiles"] = [known[max(0, -(-step * len(known) // 20) - 1)] for step in range(21)]
        found["mean"] = sum(known) / len(known)
    return found


def write(con: duckdb.DuckDBPyConnection, parts: Sequence[dict[str, Any]], *, by_night: bool = False) -> None:
    """Write the profiles of a column, one a day; the last one is what the last run changed."""
    con.execute("delete from etl.profiles")
    rows = []
    for number, part in enumerate(parts):
        day, run = date(2024, 1, 1) + timedelta(number), f"run-{number:04}"
        measures = {"rows": part["rows"], "measures": part.pop("measures", {})}
        for name, found in (("", measures), ("x", part)):
            rows.append(Row("marts.t", "" if by_night else str(day), name, run, str(day), json.dumps(found)))
    profile_table.write(con, [], rows)


def judged(con: duckdb.DuckDBPyConnection, text: str) -> list[tuple[Any, ...]]:
    return con.execute(drift(text).sql).fetchall()


def nights(draw: Draw, own: Draw, seed: int, size: int = 200) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    before = [facts([draw(rng) for _ in range(size)]) for _ in range(PAST)]
    return [*before, facts([own(rng) for _ in range(size)])]


STABLE: dict[str, Draw] = {
    "normal": lambda rng: rng.gauss(0, 1),
    "skewed": lambda rng: math.exp(rng.gauss(0, 3)),
    "mostly zero": lambda rng: 0 if rng.random() < 0.8 else rng.gauss(5, 2),
    "dice": lambda rng: rng.randint(1, 6),
    "constant": lambda rng: 5,
    "texts": lambda rng: rng.choice("abcdefgh"),
    "many texts": lambda rng: f"k{rng.randint(0, 500)}",
}
PLANTED: dict[str, tuple[Draw, Draw]] = {
    "a shift": (STABLE["normal"], lambda rng: rng.gauss(1, 1)),
    "a wider spread": (STABLE["normal"], lambda rng: rng.gauss(0, 3)),
    "another unit": (STABLE["skewed"], lambda rng: 1000 * math.exp(rng.gauss(0, 3))),
    "fewer zeros": (STABLE["mostly zero"], lambda rng: 0 if rng.random() < 0.4 else rng.gauss(5, 2)),
    "a lower constant": (STABLE["constant"], lambda rng: 4),
    "a higher constant": (STABLE["constant"], lambda rng: 6),
    "a new text": (STABLE["texts"], lambda rng: rng.choice("abcdefghzzzz")),
    "a lost text": (STABLE["texts"], lambda rng: rng.choice("abcdef")),
    "one text of many": (STABLE["many texts"], lambda rng: rng.choice(["k1", f"k{rng.randint(0, 500)}"])),
}


@pytest.mark.parametrize("kind", STABLE)
def test_random_draws_stay_below_the_rule_of_thumb(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    # the documented rate is below 1 in 100
    for seed in range(12):
        write(con, nights(STABLE[kind], STABLE[kind], seed))
        assert judged(con, f"x by psi 0.2 against the last {PAST}") == []
        assert len(judged(con, f"x by psi 0 against the last {PAST}")) == (kind not in ("constant", "many texts"))


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "one text of many"])
@pytest.mark.parametrize("by_night", [False, True])
def test_a_planted_drift_is_found(con: duckdb.DuckDBPyConnection, kind: str, by_night: bool) -> None:
    for seed in range(3):
        write(con, nights(*PLANTED[kind], seed), by_night=by_night)
        ((day, index),) = judged(con, f"x by psi 0.2 against the last {PAST}")
        assert day == date(2024, 1, 1) + timedelta(PAST)
        assert index > 0.2


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=20, max_size=40), min_size=4, max_size=4))
@settings(max_examples=examples(40), deadline=None)
def test_the_index_of_texts_is_that_of_a_brute_force(days: list[list[str]]) -> None:
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("create schema etl")
        profile_table.define(con)
        write(con, [facts(values) for values in days])
        ((_, index),) = con.execute(
            drift("x by psi 0 against the last 3").sql.replace("psi > 0", "true")
        ).fetchall()

    shares = [{value: values.count(value) / len(values) for value in "abc"} for values in days]
    before = {value: sum(one[value] for one in shares[:3]) / 3 for value in "abc"}
    own = {value: shares[3][value] for value in "abc" if before[value] >= 0.05}
    bins = [(own[value], before[value]) for value in own]
    bins.append((1 - sum(own.values()), 1 - sum(before[value] for value in own)))
    least = max(1e-4, 0.5 / len(days[3]))
    expected = sum((max(a, least) - max(b, least)) * math.log(max(a, least) / max(b, least)) for a, b in bins)
    assert index == pytest.approx(expected, abs=1e-9)


def test_shares_counts_means_and_what_is_measured_are_compared(con: duckdb.DuckDBPyConnection) -> None:
    before = [
        {"rows": 100, "nulls": 5, "approx_distinct": 50, "mean": 10 + n % 2, "measures": measures(0.3, 0.9)}
        for n in range(PAST)
    ]
    last = {"rows": 100, "nulls": 12, "approx_distinct": 30, "mean": 13, "measures": measures(0.42, 0.5)}
    for text, wrong in {
        "x by nulls 5%": True,
        "x by nulls 8%": False,
        "x by distinct 30%": True,
        "x by distinct 45%": False,
        "x by mean 3": True,
        "x by mean 6": False,
        "x by share of JFK 10%": True,
        "x by share of JFK 15%": False,
        "x by correlation with y 0.2": True,
        "x by correlation with y 0.5": False,
    }.items():
        write(con, [dict(part) for part in (*before, last)])
        assert bool(judged(con, f"{text} against the last {PAST}")) == wrong, text


def measures(share: float, correlation: float) -> dict[str, float]:
    return {"share of JFK of x": share, "correlation of x with y": correlation}


def test_until_there_is_enough_it_is_silent_and_counts(con: duckdb.DuckDBPyConnection) -> None:
    for there in (0, 1, 6, 7, 9):
        write(con, [*({"rows": 9, "nulls": 0} for _ in range(there)), {"rows": 9, "nulls": 9}])
        for number in (7,):
            audit = drift(f"x by nulls 5% against the last {number}")
            assert bool(con.execute(audit.sql).fetchall()) == (there >= number)
            assert con.execute(count_of_past(audit.sql)).fetchall() == [(min(there, number),)]


def test_an_old_date_is_compared_with_what_was_before_it(con: duckdb.DuckDBPyConnection) -> None:
    # a month of ones, then a month of nines; the 8th day comes again, as a nine
    write(con, [{"rows": 9, "nulls": 1 if n < 30 else 9} for n in range(60)])
    again = Row("marts.t", "2024-01-08", "x", "run-0099", "2024-02-29", json.dumps({"rows": 9, "nulls": 9}))
    profile_table.write(con, [], [again])

    ((day, share, expected),) = judged(con, "x by nulls 5% against the last 7")
    assert (day, share, expected) == (date(2024, 1, 8), 1.0, pytest.approx(1 / 9))


def test_what_one_run_changed_is_all_judged_up_to_as_many_as_it_looks_back(con: duckdb.DuckDBPyConnection) -> None:
    write(con, [{"rows": 9, "nulls": 9 * (n in (5, 20, 24))} for n in range(28)])
    con.execute("update etl.profiles set run_id = 'run-one'")

    assert [row[0].day for row in judged(con, "x by nulls 50% against the last 7")] == [25]
    assert [row[0].day for row in judged(con, "x by nulls 50% against the last 10")] == [21, 25]


@pytest.mark.parametrize(
    "text",
    [
        *("x by psi against the last 28", "x by psi 0.2 against the last 0", "x by psi 0.2 against the last 367"),
        *("x by psi 0.2", "x, y by psi 0.2 against the last 2", "x by correlation with X 0.2 against the last 2"),
        *(
            "x by share of a b 5% against the last 2",
            "x by nulls 0.05 against the last 2",
            "psi 0.2 against the last 2",
        ),
    ],
)
def test_another_text_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(Exception, match=r"Write it like this: drift: dep_delay by psi 0.2 against the last 28"):
        drift(text)


def test_names_and_values_may_be_hostile(con: duckdb.DuckDBPyConnection) -> None:
    audit = drift("\"a'b\" by share of 'it''s; drop table x' 5% against the last 2")
    con.execute("create schema marts; create table marts.t as select 'it''s; drop table x' as \"a'b\"")
    ((_, measure),) = audit.measures
    assert con.execute(f"select {measure} from marts.t").fetchall() == [(1.0,)]
    assert con.execute(audit.sql).fetchall() == []
