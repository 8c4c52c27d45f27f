"""Which of the first rows name the columns: never one that may be a record."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etl.sources.sniff.notation import Cells, Notation, cells_of, find_notation

_MOST_HEADER = 3
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
    below = columns_of(records[1:])
    votes = _votes(records[0], below, find_notation(below))
    if votes < 0 or (votes == 0 and not _is_named(records[0], below)):
        return 0
    size = 1
    while size < min(_MOST_HEADER, len(records) - 1) and _goes_on(records, size):
        size += 1
    return size


def columns_of(records: Sequence[Sequence[str]]) -> list[Cells]:
    """Return the counted cells of each column."""
    return [cells_of(texts) for texts in zip(*records, strict=True)]


def _votes(record: Sequence[str], columns: Sequence[Cells], notation: Notation) -> int:
    """Return how many of a record's cells look like names, less those that look like values."""
    votes = 0
    for name, below in zip(record, columns, strict=True):
        type = notation.type_of(below)
        if type != "str" and name:
            votes += 1 if notation.readers[type](name) is None and name not in notation.nulls else -1
        elif name in below.values:
            votes -= 1
    return votes


def _is_named(record: Sequence[str], columns: Sequence[Cells]) -> bool:
    """Return whether a record above nothing but text names it: in doubt it is a record."""
    if not all(name and not name.isdecimal() for name in record) or len(set(record)) < len(record):
        return False
    votes = 0
    for name, below in zip(record, columns, strict=True):
        words = {word.lower() for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))}
        votes += 2 * bool(words & _NAMES) + ("_" in name)
        shapes = {_shape(text) for text in below.values}
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
    is_partial = len(set(filter(None, above))) < len(above)
    return is_partial or all(_UNIT.fullmatch(cell) for cell in filled)
