"""Small senders, one of each kind of fetch: what the laws of fetching are held to.

A kind that is added has a maker here: a context manager that starts a real server, or makes a table or a file, and
gives a Sender.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: An order: its id, what was bought, and when it was changed, as `2024-03-01 12:00:00`.
Row = tuple[int, str | None, str]


@dataclass(kw_only=True)
class Sender:
    """Somebody who holds orders, and says them when they are fetched."""

    #: What a contract file writes after `fetch=`, and what else it holds.
    fetch: str
    contracts: str = ""
    #: More options of the source, such as `format=JsonLines()`.
    options: str = ""
    #: Have the sender hold exactly these orders.
    hold: Callable[[Sequence[Row]], object]
    #: Have nobody answer; and answer again.
    go_away: Callable[[], object]
    come_back: Callable[[], object]
    #: Variables of the environment, and what of them may never be written or said.
    environment: Mapping[str, str] = field(default_factory=dict)
    canaries: Sequence[str] = ()
    #: The library that the kind needs, as it is imported; empty if it needs none.
    library: str = ""


@contextmanager
def _function(folder: Path, parameters: str, body: str, options: str) -> Iterator[Sender]:
    """A function in Python that reads a file; it says what is new if it is asked so."""
    held, away = folder / "held.json", folder / "away.json"
    held.write_text("[]")
    contracts = f"""
import json, os
from pathlib import Path

def said({parameters}):
    rows = json.loads(Path({str(held)!r}).read_text())
{body}
"""
    yield Sender(
        fetch=f"Fetch(said{options})",
        contracts=contracts,
        hold=lambda rows: held.write_text(
            json.dumps([dict(zip(("id", "item", "updated_at"), row, strict=True)) for row in rows])
        ),
        go_away=lambda: held.rename(away),
        come_back=lambda: away.rename(held),
    )


def _records(folder: Path) -> AbstractContextManager[Sender]:
    return _function(folder, "", "    yield from rows", "")


def _tables(folder: Path) -> AbstractContextManager[Sender]:
    body = """
    import pyarrow as pa
    schema = pa.schema([("id", pa.int64()), ("item", pa.string()), ("updated_at", pa.string())])
    for start in range(0, len(rows), 2):
        yield pa.Table.from_pylist(rows[start : start + 2], schema=schema)
"""
    return _function(folder, "", body, "")


def _incremental(folder: Path) -> AbstractContextManager[Sender]:
    body = "    yield from (row for row in rows if cursor is None or row['updated_at'] >= cursor)"
    return _function(folder, "cursor", body, ', column="updated_at"')


def _own_cursor(folder: Path) -> AbstractContextManager[Sender]:
    body = """
    yield from (row for row in rows if not cursor or row["updated_at"] >= cursor["seen"])
    return {"seen": max((row["updated_at"] for row in rows), default="")}
"""
    return _function(folder, "cursor", body, "")


#: The makers of each kind, by the name of its class.
MAKERS: dict[str, Sequence[Callable[[Path], AbstractContextManager[Sender]]]] = {
    "Fetch": (_records, _tables, _incremental, _own_cursor),
}
