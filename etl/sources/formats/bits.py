"""Sets of positions in a block of bytes, one bit each: 64 positions are one machine word.

What a parser asks of every byte costs an eighth of the block's memory this way: is it within quotes, is it
behind a delimiter, how many are before it. A set has at least one spare bit behind the last position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bits = NDArray[np.uint64]
    Positions = NDArray[np.int64]

_ONE = np.uint64(1)
_LAST = np.uint64(63)
#: With fewer positions than one in so many, taking bit by bit out of the words is faster.
_SPARSE = 40


def pack(matches: NDArray[np.bool_]) -> Bits:
    """Return the set of the positions at which `matches` is true."""
    packed = np.packbits(matches, bitorder="little")
    bits = np.zeros((len(matches) >> 6) + 1, "<u8")
    bits.view(np.uint8)[: len(packed)] = packed
    return bits


def behind(bits: Bits) -> Bits:
    """Return the set of the positions just after those of a set."""
    moved = bits << _ONE
    moved[1:] |= bits[:-1] >> _LAST
    return moved


def before(bits: Bits) -> Bits:
    """Return the set of the positions just before those of a set."""
    moved = bits >> _ONE
    moved[:-1] |= bits[1:] << _LAST
    return moved


def between(marks: Bits) -> Bits:
    """Return the positions from each odd mark up to, but without, the even one that follows."""
    inside = marks.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        inside ^= inside << np.uint64(shift)
    carried = np.bitwise_xor.accumulate(inside >> _LAST)
    # a word behind an odd number of marks is turned over as a whole
    inside[1:] ^= np.uint64(0) - carried[:-1]
    return inside


def positions(bits: Bits, size: int) -> Positions:
    """Return the positions of a set below `size`, ascending."""
    if int(np.bitwise_count(bits).sum()) * _SPARSE > size:
        return np.flatnonzero(np.unpackbits(bits.view(np.uint8), count=size, bitorder="little").view(bool))
    words = np.flatnonzero(bits)
    left = bits[words]
    found = [np.empty(0, np.int64)]
    while len(words):
        lower = left - _ONE
        found.append((words << 6) + np.bitwise_count(~left & lower))
        left &= lower
        more = np.flatnonzero(left)
        words, left = words[more], left[more]
    # one round has them in order already
    everywhere = np.concatenate(found)
    if len(found) > 2:
        everywhere.sort(kind="stable")
    return everywhere[: np.searchsorted(everywhere, size)]


def first(bits: Bits, default: int) -> int:
    """Return the lowest position of a set, `default` for an empty one."""
    word = int(np.argmax(bits != 0))
    value = int(bits[word])
    return (word << 6) + (value & -value).bit_length() - 1 if value else default


def has(bits: Bits, position: int) -> bool:
    """Return whether a position is in a set."""
    return bool(int(bits[position >> 6]) >> (position & 63) & 1)


def add(bits: Bits, position: int) -> None:
    """Put a position into a set."""
    bits[position >> 6] |= _ONE << np.uint64(position & 63)


def counts(bits: Bits, ends: Positions) -> Positions:
    """Return how many positions of a set lie before the first end, then between each end and the next."""
    totals = np.zeros(len(bits) + 1, np.int64)
    np.cumsum(np.bitwise_count(bits), out=totals[1:])
    words = ends >> 6
    below = (_ONE << (ends & 63).view(np.uint64)) - _ONE
    ranks: Positions = totals[words] + np.bitwise_count(bits[words] & below)
    ranks[1:] -= ranks[:-1].copy()
    return ranks
