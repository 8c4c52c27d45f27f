"""What Arrow makes of texts is taken only where the strict SQL of a column's type says the same."""

from random import Random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column
from etl.contract.parse import value
from etl.contract.values import Values
from etl.sources.formats.arrow_values import arrow_type, exact, nearly_exact
from tests.support.both_ways import EDGES, TYPES, edge, plausible
from tests.support.thorough import examples

KINDS = sorted(set(TYPES))


def strict(texts: list[str], type: str, decimal: str = ".") -> pa.Array:
    """Return what the SQL of a contract makes of texts."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'Europe/Berlin'")
        con.register("texts", pa.table({"cell": pa.array(texts, pa.string())}))
        sql = value("cell", Column("c", type, True), Values(decimal=decimal))
        found = con.sql(f"select {sql} as v from texts").to_arrow_table()
    return found.column("v").combine_chunks().cast(arrow_type(type))


def bits(array: pa.Array) -> list[object]:
    """Return values so that -0 is not 0, nor NaN another one."""
    if pa.types.is_floating(array.type):
        return [None if item is None else item.hex() for item in array.to_pylist()]
    return list(array.cast(pa.string()).to_pylist())


def check(texts: list[str], type: str, decimal: str = ".") -> int:
    """Compare each text alone; return how many were taken."""
    wanted, taken = bits(strict(texts, type, decimal)), 0
    for text, expected in zip(texts, wanted, strict=True):
        found = exact(pa.array([text]), type, decimal)
        if found is not None:
            taken += 1
            assert found.type == arrow_type(type)
            assert bits(found) == [expected], (type, decimal, text)
    return taken


@pytest.mark.parametrize("type", KINDS)
def test_edges_of_values_are_taken_as_the_strict_sql_takes_them_or_not_at_all(type: str) -> None:
    assert check(EDGES, type) > 0
    check(EDGES, type, ",")


@given(type=st.sampled_from(KINDS), decimal=st.sampled_from(".,"), random=st.randoms(use_true_random=False))
@settings(max_examples=examples(60), deadline=None)
def test_random_texts_are_taken_as_the_strict_sql_takes_them_or_not_at_all(
    type: str, decimal: str, random: Random
) -> None:
    texts = [edge(random) if random.random() < 0.3 else plausible(random, type) for _ in range(50)]
    texts = [text.replace(".", decimal) if random.random() < 0.8 else text for text in texts]

    check(texts, type, decimal)


@pytest.mark.parametrize("type", KINDS)
def test_what_a_column_is_made_of_is_taken_as_a_whole_with_its_nulls(type: str) -> None:
    random = Random(type)
    texts = [
        text for text in (plausible(random, type) for _ in range(300)) if exact(pa.array([text]), type) is not None
    ]
    column = pa.array([text if number % 3 else None for number, text in enumerate(texts)])

    assert len(texts) > 5
    for part in (column, column.slice(5), column.slice(5, 1), column.slice(0, 0)):
        found = exact(part, type)
        assert found is not None
        assert bits(found) == bits(strict(part.to_pylist(), type))


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("BIGINT", " 1"),
        ("BIGINT", "0x1F"),
        ("DECIMAL(15,2)", "1e3"),
        ("DECIMAL(15,2)", "12345678901234.5"),
        ("DECIMAL(15,2)", "340282366920938463463374607431768211456"),
        ("DECIMAL(38,3)", "347078288674403040300094693007200090"),
        ("DOUBLE", "1e400"),
        ("DOUBLE", "iNf"),
        ("DOUBLE", "12345678901234567"),
        ("DATE", "0000-01-01"),
        ("TIMESTAMP", "2013-02-03"),
        ("TIMESTAMP", "2013-02-03 04"),
        ("TIMESTAMP WITH TIME ZONE", "2013-02-03 04:05+20:00"),
        ("TIMESTAMP WITH TIME ZONE", "2013-02-03 04+01:00"),
        ("BOOLEAN", "yes"),
    ],
)
def test_what_arrow_takes_beyond_the_strict_sql_is_in_doubt(type: str, text: str) -> None:
    assert exact(pa.array([text]), type) is None
    assert exact(pa.array([plausible(Random(1), type), text]), type) is None


@given(type=st.sampled_from(KINDS), seed=st.integers(0, 1 << 32))
@settings(max_examples=examples(40), deadline=None)
def test_most_texts_of_a_column_are_values_and_the_doubtful_ones_are_named(type: str, seed: int) -> None:
    random = Random(seed)
    texts = [plausible(random, type) for _ in range(400)]
    for _ in range(random.choice((0, 1, 3, 30))):
        texts[random.randrange(len(texts))] = edge(random)
    cells = [None if random.random() < 0.1 else text for text in texts]
    column = pa.array(cells, pa.string()).slice(random.choice((0, 7)))

    found = nearly_exact(column, type)

    if found is None:
        return
    values, doubtful = found
    wanted, known = bits(strict(column.to_pylist(), type)), set(doubtful.tolist())
    assert len(values) == len(column)
    assert [value for at, value in enumerate(bits(values)) if at not in known] == [
        value for at, value in enumerate(wanted) if at not in known
    ]
    assert all(not values[at].is_valid for at in known)


def test_one_wrong_text_among_many_leaves_the_others_values() -> None:
    for type, wrong in (("DATE", "1996-02-30"), ("DATE", "1996-2-3"), ("BIGINT", "x"), ("DOUBLE", "1e400")):
        texts = [plausible(Random(number), type) if type != "DOUBLE" else "1.5" for number in range(10_000)]
        texts[7000] = wrong
        found = nearly_exact(pa.array(texts), type)
        assert found is not None
        assert 7000 in found[1]
        assert len(found[1]) < 100
