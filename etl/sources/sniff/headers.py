"""Which of the first rows name the columns: never one that may be a record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from etl.sources.sniff.notation import Cells, Notation, cells_of, find_notation

_MOST_HEADER = 3
_YEAR = re.compile(r"(?:19|20)\d\d")
_WORD = re.compile(r"[^\W\d_]+")
# what a second row of a header says, in brackets or alone
_UNIT = re.compile(
    r"[(\[<].*[)\]>]|%|°?[CFK]|[kMGm]?[gmsWVAJNB]|[kMG]?(?:Hz|Wh|Pa|bit|b)|cm|km|mm|µ\w|ml|l|ha|h|min|sec|EUR|USD|GBP|CHF|[€$£]|"
    r"int|integer|string|text|date|float|number|varchar|char|bool(?:ean)?|unit|n/?a|-"
)
#: Words of column names, in the languages of most senders.
_WORDS = """
id ids key code name names title type kind class category status state date day month year time timestamp
datetime start end from to first last created updated country city region zip postcode postal address street
house email mail phone tel fax url link web customer client user account bank iban bic supplier vendor product
item items sku article group brand price cost amount total sum value quantity qty count number no nr num unit
units currency tax vat rate percent share score rank rating size length width height weight color colour text
note notes comment comments description desc details reference ref invoice order orders department entity
organisation organization company gender sex age birth dob lat lon lng latitude longitude lang language version
source target message level model make team player station area location place site role job salary balance
debit credit payee payment method channel device browser page event action result flag active datum tag monat
jahr zeit uhrzeit nummer bezeichnung beschreibung betrag preis menge anzahl kunde kundennummer konto buchungstag
wertstellung empfänger auftraggeber verwendungszweck währung saldo ort plz strasse straße land vorname nachname
bemerkung artikel gruppe einheit wert stadt titel art typ kategorie stand nom prénom prix quantité montant
libellé ville pays adresse numéro désignation nombre valeur mois année nombre fecha precio cantidad importe
cliente ciudad país dirección número descripción tipo estado valor año mes nome data prezzo quantità importo
città paese indirizzo numero descrizione stato anno mese cognome naam prijs aantal bedrag klant plaats straat
omschrijving soort waarde jaar maand
"""
_NAMES = frozenset(_WORDS.split())


def header_size(records: Sequence[Sequence[str]]) -> int:
    """Return how many of the first records name the columns: their texts have not the types of those below."""
    if len(records) == 1:
        return int(all(cell and Notation().type_of(cells_of([cell])) == "str" for cell in records[0]))
    if not _is_header(records):
        # of groups of columns, which stand above their names
        return 2 if len(records) > 2 and _is_partial(records[0]) and _is_header(records[1:]) else 0
    size = 1
    while size < min(_MOST_HEADER, len(records) - 1) and _goes_on(records, size):
        size += 1
    return size


def is_names(cells: Sequence[str], width: int) -> bool:
    """Return whether a row of another width is that of the names of `width` columns: all its cells are texts."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    types = {Notation().type_of(cells_of([cell])) for cell in filled}
    return max(2, width / 2) <= len(filled) and types == {"str"}


def columns_of(records: Sequence[Sequence[str]]) -> list[Cells]:
    """Return the counted cells of each column."""
    return [cells_of(texts) for texts in zip(*records, strict=True)]


def _is_header(records: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record names the columns of those below it; it may be there again."""
    first, rest = records[0], [record for record in records[1:] if record != records[0]]
    if not rest:
        return False
    below = columns_of(rest)
    notation = find_notation(below)
    votes = _votes(first, below, notation)
    return votes > 0 or (votes == 0 and _is_named(first, below)) or _has_years(first, below)


def _is_partial(record: Sequence[str]) -> bool:
    """Return whether a record has so few cells that it can be no more than a row of groups."""
    filled = [cell for cell in record if cell.strip()]
    return not record[0].strip() and 0 < len(filled) <= len(record) / 2


def _has_years(record: Sequence[str], columns: Sequence[Cells]) -> bool:
    """Return whether a record names columns by years, one after the other, and no value below is one."""
    pairs = [(cell, below) for cell, below in zip(record, columns, strict=True) if _YEAR.fullmatch(cell)]
    years = [int(cell) for cell, _ in pairs]
    others = [cell for cell in record if not _YEAR.fullmatch(cell)]
    if len(years) < 2 or len({after - year for year, after in pairwise(years)}) > 1 or not any(others):
        return False
    return not any(_YEAR.fullmatch(text) for _, below in pairs for text in below.values)


def _votes(record: Sequence[str], columns: Sequence[Cells], notation: Notation) -> int:
    """Return how many of a record's cells look like names, less those that look like values."""
    votes = 0
    for name, below in zip(record, columns, strict=True):
        type = notation.type_of(below)
        if type != "str" and name:
            is_value = notation.readers[type](name.strip()) is not None or name in notation.nulls
            # what has no letter may be a value that is out of order
            votes += -1 if is_value else any(map(str.isalpha, name))
        elif name in below.values:
            votes -= 1
    return votes


def _is_named(record: Sequence[str], columns: Sequence[Cells]) -> bool:
    """Return whether a record above nothing but text names it: in doubt it is a record."""
    given = [(name.strip(), below) for name, below in zip(record, columns, strict=True) if name or below.values]
    pairs = [(name, below) for name, below in given if name]
    names = [name for name, _ in pairs]
    are_words = all(any(map(str.isalpha, name)) for name in names)
    if len(names) < len(given) / 2 or not are_words or len(set(names)) < len(names):
        return False
    # a record may lack a cell, and a header seldom does
    votes = -(len(given) > len(names))
    for name, below in pairs:
        words = {word.lower() for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))}
        votes += 2 * bool(words & _NAMES) + ("_" in name)
        shapes = {_shape(text.strip()) for text in below.values}
        if len(shapes) == 1:
            votes += 1 if _shape(name) not in shapes else -1
    return votes > 0


def _shape(text: str) -> str:
    """Return of which kinds of characters a text is made, in their order."""
    kinds = re.sub(r"[^\W\d_]", lambda letter: "A" if letter[0].isupper() else "a", text)
    return re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "9", kinds))


def _goes_on(records: Sequence[Sequence[str]], size: int) -> bool:
    """Return whether the row below a header belongs to it: it has units, or completes names that are not ones."""
    above, record, below = records[size - 1], records[size], columns_of(records[size + 1 :])
    filled = [cell.strip() for cell in record if cell.strip()]
    if not filled or _votes(record, below, find_notation(below)) <= 0:
        return False
    names = [name for name, cells in zip(above, below, strict=True) if name or cells.values]
    # names that are not ones, completed by words
    is_partial = len(set(filter(None, names))) < len(names) and not any(re.search(r"\d", cell) for cell in filled)
    return is_partial or all(_UNIT.fullmatch(cell) for cell in filled)
