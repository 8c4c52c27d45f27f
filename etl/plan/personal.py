"""Which columns hold personal data: those that a contract tags, and all that any SQL makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from etl.contract import Contract
from etl.contract.expand import expanded
from etl.ledger import Ledger, fingerprint
from etl.models import Models
from etl.sources import Catalog

_CACHED = "personal columns"


def personal_columns(catalog: Catalog, models: Models, ledger: Ledger) -> dict[str, list[str]]:
    """Return by table, in lower case, the columns that are tagged `pii` or made of one that is.

    What cannot be traced, as the columns of a Python model, counts as made of all that is read. The answer is
    cached for as long as contracts and SQL are the same; a project that tags nothing is not traced.
    """
    tagged = [[table, name] for table, name in _tagged(catalog, models)]
    if not tagged:
        return {}
    key = fingerprint(tagged, models.to_json())
    if (text := ledger.cached(_CACHED, key)) is None:
        text = json.dumps(_reached(catalog, models, tagged))
        ledger.cache(_CACHED, key, text)
    found: dict[str, list[str]] = json.loads(text)
    return found


def _tagged(catalog: Catalog, models: Models) -> Iterator[tuple[str, str]]:
    for source in catalog.sources.values():
        yield from _of(source.table, source.contract, list(source.columns))
    for table, contract in catalog.tables.items():
        if table in models.models:
            yield from _of(table, contract, [name for name, _ in models.models[table].stored])


def _of(table: str, contract: Contract, names: list[str]) -> Iterator[tuple[str, str]]:
    if any(column.pii for column in contract.columns):
        yield from ((table, column.name.lower()) for column in expanded(contract, names).columns if column.pii)


def _reached(catalog: Catalog, models: Models, tagged: list[list[str]]) -> dict[str, list[str]]:
    from etl.models.lineage import read_lineage
    from etl.models.lineage.graph import reachable

    lineage = read_lineage(catalog, models)
    wanted = {(table, name) for table, name in tagged}
    start = [column for column in lineage.values if (column.table, column.name.lower()) in wanted]
    found: dict[str, set[str]] = {}
    for table, name in tagged:
        found.setdefault(table, set()).add(name)
    for column in reachable(start, lambda one: lineage.into.get(one, ())):
        found.setdefault(column.table, set()).add(column.name.lower())
    return {table: sorted(names) for table, names in found.items()}
