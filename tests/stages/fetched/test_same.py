"""Whether a fetch has brought anything new is told by its rows: in any order, and by every value of them."""

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.project import Project
from etl.stages.fetched.same import holds, same_rows
from tests.support import tiny

#: Values that are easily taken for each other.
ALIKE: dict[str, list[Any]] = {
    "int64": [None, 0, 1, -1, 2**62],
    "double": [None, 0.0, -0.0, float("nan"), float("inf"), 1e300],
    "string": [None, "", " ", "a", "A", "null", "a" * 100],
    "binary": [None, b"", b"\0", b"\0\0"],
    "bool": [None, True, False],
    "timestamp": [None, dt.datetime(2024, 3, 1), dt.datetime(2024, 3, 1, 0, 0, 0, 1)],
    "decimal": [None, Decimal("0.00"), Decimal("0.01"), Decimal("-0.01")],
    "list": [None, [], [None], [0], [0, 0]],
}
TYPES = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "decimal": pa.decimal128(9, 2),
    "list": pa.list_(pa.int64()),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny.project(tmp_path_factory.mktemp("same"), sql={}, raw={})


def file(project: Project, name: str, rows: list[tuple[Any, ...]], kinds: list[str]) -> Path:
    columns = [pa.array([row[n] for row in rows], TYPES[kind]) for n, kind in enumerate(kinds)]
    path = project.root / f"{name}.parquet"
    pq.write_table(pa.table(columns, names=[f"c{n}" for n in range(len(kinds))]), path)
    return path


def told(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(map(repr, rows))


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rows_are_the_same_if_all_their_values_are(data: st.DataObject, project: Project) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(ALIKE)), min_size=1, max_size=3))
    row = st.tuples(*(st.sampled_from(ALIKE[kind]) for kind in kinds))
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    shuffled = rows[:]
    random.Random(data.draw(st.integers())).shuffle(shuffled)
    one, other = file(project, "one", rows, kinds), file(project, "other", shuffled, kinds)
    assert same_rows(project, one, other)
    assert holds(project, other, one)

    changed = shuffled[:]
    changed[data.draw(st.integers(0, len(rows) - 1))] = data.draw(row)
    third = file(project, "third", changed, kinds)
    assert same_rows(project, one, third) == (told(changed) == told(rows))
    # a part of the rows is held, one more of any is not
    assert holds(project, file(project, "part", rows[1:], kinds), one)
    assert not holds(project, file(project, "more", [*rows, rows[0]], kinds), one)


def test_other_columns_or_types_are_something_new(project: Project) -> None:
    one = file(project, "a", [(1,)], ["int64"])
    other = project.root / "b.parquet"
    for names, values in ((["d"], pa.array([1])), (["c0"], pa.array(["1"])), (["c0"], pa.array([1], pa.int32()))):
        pq.write_table(pa.table([values], names=names), other)
        assert not same_rows(project, one, other)
        assert not holds(project, other, one)


def lines(project: Project, name: str, text: bytes) -> Path:
    path = project.root / f"{name}.jsonl.zst"
    path.write_bytes(pa.compress(text, codec="zstd", asbytes=True))
    return path


LINES = [b"{}", b'{"a":1}', b'{"a":1.0}', b'{"a":null}']


@given(found=st.lists(st.sampled_from(LINES), max_size=5), chance=st.randoms())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_lines_are_the_same_in_any_order(found: list[bytes], chance: random.Random, project: Project) -> None:
    shuffled = found[:]
    chance.shuffle(shuffled)
    one = lines(project, "one", b"".join(line + b"\n" for line in found))
    other = lines(project, "other", b"".join(line + b"\n" for line in shuffled))
    assert same_rows(project, one, other)
    more = lines(project, "more", b"".join(line + b"\n" for line in [*found, b'{"a":2}']))
    assert not same_rows(project, one, more)
