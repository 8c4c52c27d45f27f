"""Numbers as senders spell them: metadata={"number": {...}}, and what is refused because it would be ambiguous."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from etl.contract.types import INTEGERS
from etl.contract.values import is_mark
from etl.errors import unknown

#: Where a minus can stand beside the one before the number.
NEGATIVE = ("before", "after", "brackets")
#: How groups of digits can be made, beside a number of digits.
GROUPS = ("threes", "indian", "any")
#: How the last digit can carry the sign: as EBCDIC does after its translation, or as ASCII compilers do.
OVERPUNCH = ("ebcdic", "ascii")
#: The types of whole numbers.
WHOLE_TYPES = (*INTEGERS.values(), "HUGEINT", "UHUGEINT")
#: Plus, minus, and the minus of typesetters.
SIGNS = "+-\u2212"
_MOST_TEXTS = 100


@dataclass(frozen=True, kw_only=True)
class Number:
    """How the numbers of one column are spelled; an empty one means plain.

    A sign may always stand before, and the minus of typesetters (U+2212) is one. Blanks, no-break ones too, may
    stand between the parts. It survives JSON: `Number(**json.loads(json.dumps(asdict(number)))) == number`.
    """

    #: Where a minus may stand too: "after" (`12.50-`), "brackets" (`(12.50)`), or a list; "before" adds none.
    negative: tuple[str, ...] = ()
    #: Texts that are the sign, before or behind the number: `{"CR": "+", "DR": "-"}`.
    signs: tuple[tuple[str, str], ...] = ()
    #: Spellings of the one unit or currency that may stand before or behind: `["€", "EUR"]`.
    units: tuple[str, ...] = ()
    #: Every number has a `%`, and is a fraction: `12.5 %` is 0.125. One without it is not a value.
    percent: bool = False
    #: The decimal mark may be a point or a comma, and the other one parts groups. `1.500` may be both: no value.
    either_mark: bool = False
    #: The marks that part groups, one of them in a number; a blank stands for no-break blanks too.
    group_marks: tuple[str, ...] = ()
    #: Groups of digits: "threes", "indian" (`1,23,45,678`), "any", or how many digits each has, such as 4.
    groups: str = ""
    #: How many of the last digits are decimals, with no mark: with 2, `0001250` is 12.50.
    places: int = 0
    #: The last digit carries the sign: "ebcdic" (`{` and A to I, `}` and J to R) or "ascii" (p to y: a minus).
    overpunch: str = ""
    #: A whole number may have decimals that are zeros: `3.0`.
    zero_decimals: bool = False
    #: Texts that may stand behind the number and say something of it: `["p", "(e)", "*"]`.
    flags: tuple[str, ...] = ()
    #: The column of the contract that takes the flag; the file does not have it.
    flag_column: str = ""

    def __post_init__(self) -> None:
        # lists come back from JSON
        object.__setattr__(self, "signs", tuple((word, sign) for word, sign in self.signs))
        for name in ("negative", "units", "group_marks", "flags"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def __bool__(self) -> bool:
        return self != PLAIN


#: Numbers in plain notation.
PLAIN = Number()
_KEYS = [field.name for field in fields(Number)]
#: What a declaration cannot say together, and why.
_ALONE = {
    "overpunch": {"places"},
    "either_mark": {"negative", "signs", "units", "percent", "zero_decimals", "flags", "flag_column"},
    "places": {"overpunch", "negative", "signs", "units", "flags", "flag_column"},
}


def number_of(given: object, type: str) -> Number:
    """Return what a column of DuckDB `type` declares as metadata={"number": {...}}; ValueError if it is wrong."""
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f'metadata "number" is {given!r}. Write {{"number": {{"negative": "after"}}}}')
    for key in given:
        if key not in _KEYS:
            raise ValueError(unknown(f'metadata "number" has no key {key!r}', str(key), _KEYS))
    found = Number(
        negative=_choices(given, "negative", NEGATIVE),
        signs=tuple(_sign_words(given.get("signs", {}))),
        units=_texts(given, "units"),
        group_marks=_marks(given),
        groups=_groups(given.get("groups", "")),
        places=_places(given.get("places", 0)),
        overpunch=_overpunch(given.get("overpunch", "")),
        flags=_texts(given, "flags"),
        flag_column=_name(given),
        **{key: _switch(given, key) for key in ("percent", "either_mark", "zero_decimals")},
    )
    _check(found, type)
    return found


def flagged(columns: Sequence[Any]) -> dict[str, Any]:
    """Return, for each column that takes the flags of another one, that other column."""
    return {column.number.flag_column: column for column in columns if column.number.flag_column}


def _check(number: Number, type: str) -> None:
    """Raise ValueError for a spelling that would be ambiguous, or mean nothing for a column of `type`."""
    said = [key for key in _KEYS if getattr(number, key)]
    for key, partners in _ALONE.items():
        if key in said and (others := [other for other in said if other != key and other not in partners]):
            raise ValueError(f'metadata "number": {key} and {others[0]} do not go together. Remove one of them')
    if number.percent and number.units:
        raise ValueError('metadata "number": percent and units do not go together. Remove one of them')
    if number.zero_decimals and type not in WHOLE_TYPES:
        raise ValueError(f'metadata "number": zero_decimals is for whole numbers, and the column is {type}')
    if number.flag_column and not number.flags:
        raise ValueError('metadata "number": flag_column has no flags. Write them, as in {"flags": ["p", "e"]}')
    _check_texts(number)


def _check_texts(number: Number) -> None:
    words = [word for word, _ in number.signs]
    units = ["%"] if number.percent else list(number.units)
    for text in (*number.units, *words, *number.flags):
        wrong = text[0].isdigit() or text[0] in f"{SIGNS}.,'\u2019" or text != text.strip() or text in ("(", ")")
        if wrong or re.match(r"[eE]\d", text) or text[-1] in SIGNS:
            raise ValueError(
                f'metadata "number": {text!r} could be taken for a part of a number. Take it out, or read the '
                "column as text"
            )
    orders = [*product(["", *units], ["", *words]), *product(words, units)]
    behind = Counter("".join(order) + flag for order in orders for flag in ["", *number.flags])
    if doubled := [text for text, count in behind.items() if count > 1]:
        raise ValueError(
            f'metadata "number": {doubled[0]!r} can be read in two ways as units, signs and flags. Take one out'
        )


def _choices(given: Mapping[str, Any], key: str, choices: Sequence[str]) -> tuple[str, ...]:
    value = given.get(key, ())
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(one in choices for one in found):
        raise ValueError(f'metadata "number": {key} is {value!r}. Write one or more of {_shown(choices)}')
    return tuple(found)


def _sign_words(given: object) -> Iterator[tuple[str, str]]:
    if not isinstance(given, Mapping) or not all(
        isinstance(word, str) and word and sign in ("+", "-") for word, sign in given.items()
    ):
        raise ValueError(f'metadata "number": signs is {given!r}. Write {{"signs": {{"CR": "+", "DR": "-"}}}}')
    yield from given.items()


def _texts(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = given.get(key, ())
    is_list = isinstance(value, list | tuple) and all(isinstance(text, str) and text for text in value)
    if not is_list or len(set(value)) < len(value) or len(value) > _MOST_TEXTS:
        raise ValueError(
            f'metadata "number": {key} is {value!r}. Write a list of up to {_MOST_TEXTS} different texts'
        )
    return tuple(value)


def _marks(given: Mapping[str, Any]) -> tuple[str, ...]:
    marks = _texts(given, "group_marks")
    if wrong := [mark for mark in marks if not is_mark(mark)]:
        raise ValueError(f'metadata "number": {wrong[0]!r} in group_marks is not one mark, such as "\'" or " "')
    return marks


def _groups(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 9:
        return str(value)
    if value == "" or value in GROUPS:
        return str(value)
    raise ValueError(
        f'metadata "number": groups is {value!r}. Write one of {_shown(GROUPS)}, or a number of digits'
    )


def _places(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 38:
        return value
    raise ValueError(f'metadata "number": places is {value!r}. Write how many digits are decimals, such as 2')


def _overpunch(value: object) -> str:
    if value == "" or value in OVERPUNCH:
        return str(value)
    raise ValueError(f'metadata "number": overpunch is {value!r}. Write one of {_shown(OVERPUNCH)}')


def _name(given: Mapping[str, Any]) -> str:
    value = given.get("flag_column", "")
    if not isinstance(value, str):
        raise ValueError(f'metadata "number": flag_column is {value!r}. Write the name of a column')
    return value


def _switch(given: Mapping[str, Any], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f'metadata "number": {key} is {value!r}. Write True or False')
    return value


def _shown(choices: Sequence[str]) -> str:
    return ", ".join(map(repr, choices))
