"""Drift against training: the index is that of a plain loop, and a model's file says what it has learned from."""

import math
from bisect import bisect_left
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.contract.audit import HeaderAudit
from etl.contract.audit_kinds import audits_of
from etl.contract.drift_training import psi_as_learned, psi_of_training
from etl.errors import ModelError
from etl.models.trained import read_learned, training_of
from tests.support import tiny

NEWEST = date(2024, 3, 20)
CUT_OFF = date(2024, 3, 1)
#: What a model that learns declares beside its table and its days.
REST = """
LABEL = "number"
KEY = ["id", "delivery_date"]
GATE = "mae"
def train(rows, params, report):
    return b""
def predict(model, rows):
    return [0.0] * len(rows)
"""
KINDS = {
    "double": st.floats(-100, 100).map(lambda x: round(x, 1)),
    "bigint": st.integers(-5, 5),
    "varchar": st.sampled_from(["a", "b", "null", "1"]),
    "boolean": st.booleans(),
}
days = st.integers(0, 120).map(lambda n: NEWEST - timedelta(n))
columns = st.sampled_from([*KINDS]).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.lists(st.tuples(days, st.none() | KINDS[kind]), min_size=1, max_size=60)
    )
)


def expected(rows: list[tuple[date, Any]], until: date) -> float | None:
    seen = [value for day, value in rows if day < until]
    new = [value for day, value in rows if day >= until]
    if not seen or not new:
        return None
    known = sorted(value for value in seen if value is not None)
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known) and known
    is_number = is_number or (known and all(value == "1" for value in known))
    edges = sorted(
        {float(known[max(0, math.ceil(tenth * len(known) / 10) - 1)]) for tenth in range(1, 10)}
        if is_number
        else ()
    )
    frequent = {value for value, many in Counter(known).items() if many >= 0.05 * len(known)}

    def bin_of(value: Any) -> Any:
        if value is None:
            return "null", None
        if is_number:
            try:
                return "bin", bisect_left(edges, float(value))
            except ValueError:
                return "bin", None
        return ("value", value) if value in frequent else ("rest", None)

    shares = [Counter(map(bin_of, side)) for side in (seen, new)]
    least, psi = max(1e-4, 0.5 / len(new)), 0.0
    for name in shares[0].keys() | shares[1].keys():
        before, own = (
            max(share[name] / len(side), least) for share, side in zip(shares, (seen, new), strict=True)
        )
        psi += (own - before) * math.log(own / before)
    return psi


@given(column=columns, held_out=st.integers(0, 40))
@example(column=("varchar", [(NEWEST, "a"), (NEWEST - timedelta(20), "1")]), held_out=0)
def test_the_index_is_that_of_a_plain_loop(column: tuple[str, list[tuple[date, Any]]], held_out: int) -> None:
    kind, rows = column
    rows = [(NEWEST, None), *rows]
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"create schema ml; create table ml.t (day date, v {kind})")
        con.executemany("insert into ml.t values (?, ?)", rows)
        ((name, psi),) = con.execute(psi_of_training("ml.t", "v", "day", held_out, "true")).fetchall()
    wanted = expected(rows, CUT_OFF - timedelta(held_out))
    assert name == "v" and (psi is None) == (wanted is None)
    assert wanted is None or psi == pytest.approx(wanted, abs=1e-9)


@given(column=columns, until=days)
def test_training_is_what_the_model_in_use_has_learned_from(
    column: tuple[str, list[tuple[date, Any]]], until: date
) -> None:
    kind, rows = column
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"create schema ml; create table ml.t (day date, v {kind})")
        con.executemany("insert into ml.t values (?, ?)", rows)
        con.execute("create table ml.delay as select $1::date as trained_until", [until])
        ((_, psi),) = con.execute(psi_as_learned("ml.t", "v", "day", "ml.delay", "true")).fetchall()
        con.execute("delete from ml.delay")
        assert con.execute(psi_as_learned("ml.t", "v", "day", "ml.delay", "psi > 0")).fetchall() == []
    wanted = expected(rows, until)
    assert psi == (wanted if wanted is None else pytest.approx(wanted, abs=1e-9))


def test_what_training_is_stands_in_the_file_of_the_model_that_learns_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml/delay.py").write_text('FEATURES, OTHER = "a.b", 1\nFEATURES = "ml.t"\nTIME = "day"\n' + REST)
    (tmp_path / "ml/other.py").write_text('FEATURES = "ml.u"\nTIME = "at"\nHELD_OUT = "7 days"\n' + REST)
    (tmp_path / "ml/second.py").write_text('FEATURES = "ml.u"\nTIME = "at"\nHELD_OUT = "9 days"\n' + REST)
    (tmp_path / "ml/_help.py").write_text("not Python")
    assert training_of(read_learned(tmp_path)) == {
        "ml.t": 'by "day" as ml.delay learned',
        "ml.u": 'by "at" as ml.other learned',
    }

    line = HeaderAudit("drift", "v within 0.2 of training")
    (audit,) = audits_of("ml.t", "t.sql", [line], "", 'by "day" as ml.delay learned')
    assert audit.name == "ml.t.drift.v,training" and audit.why == "drift: v within 0.2 of training"
    assert "psi > 0.2" in audit.sql
    # another model in use is another answer
    assert audit.reads == ("ml.t", "ml.delay")
    with pytest.raises(
        ModelError, match=r"t\.sql: drift: no model in ml/ learns from this table\. Say what training is"
    ):
        audits_of("ml.t", "t.sql", [HeaderAudit("drift", "v within 0.2 of training")])


def test_a_night_warns_of_what_a_model_has_not_learned_from(tmp_path: Path) -> None:
    sql = {
        "ml/training.sql": "-- warn drift: id within 0.2 of training\n"
        "-- drift: item within 0.2 of training\nselect delivery_date, id, item, 1 as number from raw.sales"
    }
    first = date(2024, 1, 1)
    raw = {
        f"sales/{day}.csv": "id,item\n" + "".join(f"{n + (900 if number > 60 else 0)},x\n" for n in range(9))
        for number in range(70)
        for day in [first + timedelta(number)]
    }
    project = tiny.project(tmp_path, sql=sql, raw=raw)
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml/guess.py").write_text(
        'FEATURES = "ml.training"\nTIME = "delivery_date"\nHELD_OUT = "5 days"\n' + REST
    )
    tiny.night(project)
    checks = dict(tiny.published(project, "select name, failing from etl.checks where name like '%drift%'"))
    assert checks == {"ml.training.drift.id,training": 1, "ml.training.drift.item,training": 0}


@pytest.mark.parametrize(("retrain", "failing"), [("monthly", 1), ("always", 0)])
def test_what_was_learned_since_the_month_began_is_training(tmp_path: Path, retrain: str, failing: int) -> None:
    """Two odd days at the beginning of March are new to a model of February, and known to one of March."""
    sql = {
        "ml/training.sql": "-- warn drift: id within 0.2 of training\n"
        "select delivery_date, id, 1 as number from raw.sales"
    }
    odd = (date(2024, 3, 1), date(2024, 3, 2))
    raw = {
        f"sales/{day}.csv": "id,item\n" + "".join(f"{n + (900 if day in odd else 0)},x\n" for n in range(9))
        for day in (date(2024, 3, 10) - timedelta(back) for back in range(70))
    }
    project = tiny.project(tmp_path, sql=sql, raw=raw)
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml/guess.py").write_text(
        f'FEATURES = "ml.training"\nTIME = "delivery_date"\nHELD_OUT = "5 days"\nRETRAIN = "{retrain}"\n{REST}'
    )
    tiny.night(project)
    checks = tiny.published(project, "select failing from etl.checks where name like '%drift%'")
    assert checks == [(failing,)]
