"""The space of a search, as a project declares it: by parameter, what values there are."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Any

from etl.errors import ConfigError

#: What a dimension can be, and how it is written.
KINDS = {
    "float": '("float", LOW, HIGH)',
    "log": '("log", LOW, HIGH)',
    "int": '("int", LOW, HIGH)',
    "log_int": '("log_int", LOW, HIGH)',
    "choice": '("choice", ONE, OTHER, ...)',
    "layers": '("layers", MOST, (WIDTH, OTHER, ...))',
}


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One parameter of a space: numbers from `low` to `high`, or one of `choices`."""

    name: str
    kind: str
    low: float = 0
    high: float = 0
    choices: tuple[Any, ...] = ()

    @property
    def is_number(self) -> bool:
        return not self.choices

    @property
    def is_whole(self) -> bool:
        return self.kind in ("int", "log_int")

    @property
    def is_log(self) -> bool:
        return self.kind in ("log", "log_int")

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of the space."""
        if not self.is_number:
            return text_of(value) in map(text_of, self.choices)
        is_one = isinstance(value, int | float) and not isinstance(value, bool)
        return is_one and self.low <= value <= self.high and not (self.is_whole and int(value) != value)

    def as_declared(self, value: Any) -> Any:
        """Return a value as the space has it: JSON has lists only."""
        return value if self.is_number else next(one for one in self.choices if text_of(one) == text_of(value))


def read_space(space: Mapping[str, Any], where: str) -> tuple[Dimension, ...]:
    """Return the dimensions of a SPACE in the order of their names.

    `("layers", 3, (16, 32))` is every topology of up to three layers of which none is wider than the one before.
    Raises ConfigError naming `where` it stands for one that is not written as in KINDS.
    """
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(f"{where}: SPACE is empty. Declare a parameter, such as " + _EXAMPLE)
    return tuple(_dimension(name, space[name], where) for name in sorted(space))


_EXAMPLE = 'SPACE = {"learning_rate": ("log", 0.01, 0.3)}.'


def _dimension(name: str, value: Any, where: str) -> Dimension:
    kind, *rest = value if isinstance(value, tuple | list) and value else (None,)
    if kind not in KINDS:
        raise ConfigError(f"{where}: SPACE: {name} is {value!r}. Write it as one of {', '.join(KINDS.values())}.")
    wrong = ConfigError(f"{where}: SPACE: {name} is {value!r}. Write it as {KINDS[str(kind)]}.")
    if kind == "choice":
        if len({text_of(one) for one in rest}) != len(rest) or len(rest) < 2:
            raise wrong
        return Dimension(name=name, kind=kind, choices=tuple(map(_hashable, rest)))
    if len(rest) != 2:
        raise wrong
    if kind == "layers":
        most, widths = rest
        if not _is_count(most) or not isinstance(widths, tuple | list) or not all(map(_is_count, widths)):
            raise wrong
        return Dimension(name=name, kind=kind, choices=tuple(_topologies(most, sorted({*widths}, reverse=True))))
    low, high = rest
    whole = kind in ("int", "log_int")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in rest) or not low < high:
        raise wrong
    if (whole and any(int(one) != one for one in rest)) or (kind in ("log", "log_int") and low <= 0):
        raise wrong
    return Dimension(name=name, kind=str(kind), low=low, high=high)


def _topologies(most: int, widths: list[int]) -> Iterator[tuple[int, ...]]:
    for depth in range(1, most + 1):
        yield from combinations_with_replacement(widths, depth)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def draw(space: Sequence[Dimension], seed: int) -> dict[str, Any]:
    """Return parameters of a space drawn at random, the same for a seed."""
    source, found = random.Random(seed), {}
    for one in space:
        if not one.is_number:
            found[one.name] = source.choice(one.choices)
            continue
        low, high = (math.log(one.low), math.log(one.high)) if one.is_log else (one.low, one.high)
        value = source.uniform(low, high)
        value = math.exp(value) if one.is_log else value
        found[one.name] = round(value) if one.is_whole else value
    return found


def every(space: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Return all parameters of a space without numbers; none of another one."""
    if any(one.is_number for one in space):
        return []
    return [
        dict(zip((one.name for one in space), values, strict=True))
        for values in product(*(one.choices for one in space))
    ]


def text_of(value: Any) -> str:
    """Return a value as text that tells it from every other one."""
    return json.dumps(value, sort_keys=True, default=str)
