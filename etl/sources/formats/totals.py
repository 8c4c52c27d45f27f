"""The words by which a line says that it sums up others, and so is not a record."""

from __future__ import annotations

import re

from etl.errors import UnreadableError

_WORDS = frozenset(
    (
        *("total", "totals", "grandtotal", "subtotal", "totale", "totaal", "totalgeneral", "sum", "suma", "summe"),
        *("somma", "somme", "soma", "gesamt", "gesamtsumme", "итого", "razem", "yhteensä", "合計", "总计"),
    )
)
_NO_WORD = re.compile(r"[\W_]+")


def word(text: str) -> str:
    """Return the letters and digits of a text, without regard to case."""
    return _NO_WORD.sub("", text.casefold())


def is_total(cell: str) -> bool:
    """Return whether a cell is nothing but the word for a total."""
    return word(cell) in _WORDS


def check_count(path: object, where: str, count: str, found: int, what: str = "records") -> None:
    """Raise UnreadableError unless what a file says of itself is what was found in it."""
    count = count.strip()
    if not (count.isascii() and count.isdigit() and int(count) == found):
        raise UnreadableError(
            f"{path}: {where} counts {count or 'no'} {what}, but {found} were found. Some are missing or surplus. "
            "Ask for the file again."
        )
