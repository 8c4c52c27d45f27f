"""Sets of positions, one bit each, do what lists of positions would."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl.sources.formats import bits

#: The size of a block and some positions in it, over the seams of words and in dense and sparse words.
SETS = st.integers(1, 300).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), max_size=size).map(sorted))
)


def packed(size: int, members: list[int]) -> bits.Bits:
    matches = np.zeros(size, bool)
    matches[members] = True
    return bits.pack(matches)


@given(SETS)
def test_positions_come_back_in_order(case: tuple[int, list[int]]) -> None:
    size, members = case
    found = packed(size, members)

    assert bits.positions(found, size).tolist() == members
    assert bits.first(found, -1) == (members[0] if members else -1)
    assert all(bits.has(found, member) for member in members)


@given(SETS)
def test_sets_are_moved_over_the_seams_of_words(case: tuple[int, list[int]]) -> None:
    size, members = case
    found = packed(size, members)

    assert bits.positions(bits.behind(found), size + 1).tolist() == [member + 1 for member in members]
    assert bits.positions(bits.before(found), size).tolist() == [member - 1 for member in members if member]


@given(SETS)
def test_what_is_between_marks_starts_with_the_odd_ones(case: tuple[int, list[int]]) -> None:
    size, members = case
    inside = [at for at in range(size + 1) if sum(member <= at for member in members) % 2]

    assert bits.positions(bits.between(packed(size, members)), size + 1).tolist() == inside


@given(SETS, st.sets(st.integers(1, 300)))
def test_positions_are_counted_between_ends(case: tuple[int, list[int]], ends: set[int]) -> None:
    size, members = case
    limits = sorted(end for end in ends if end <= size)
    counted = bits.counts(packed(size, members), np.array(limits, np.int64))

    pairs = zip([0, *limits], limits, strict=False)
    assert counted.tolist() == [sum(low <= member < high for member in members) for low, high in pairs]


def test_a_bit_is_added() -> None:
    found = packed(130, [1])

    bits.add(found, 128)

    assert bits.positions(found, 130).tolist() == [1, 128]
