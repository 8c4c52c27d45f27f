"""What is in quarantine, as plain data, and as a file to edit; nothing here changes the project."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal
from etl.errors import LONGEST, ConfigError, counted, cut
from etl.ledger import Ledger, Receipt
from etl.operations import rejected
from etl.operations.rejected import ORDER, Selection, find_source
from etl.operations.spreadsheet import guarded_text_sql
from etl.plan.definitions import definitions
from etl.project import Project
from etl.project.files import restrict_files, sha256
from etl.stages.lake.corrections import read_corrections
from etl.stages.lake.layout import BESIDE, REJECTS
from etl.stages.lake.rejects import REFUSED_RULE

if TYPE_CHECKING:
    import duckdb

#: The columns of an exported file; `record` tells a record from all others, and whether its text was edited.
COLUMNS = ("source", "date", "file", "line", "record", "rule", "message", "text")
#: The memory in which records are sorted; what is beyond goes to the disk.
_LITTLE = "256MB"
_GUARDED = ("file", "rule", "message", "text")
#: Rows of refused partitions that nobody discarded; what their message says beside the reason is their own fault.
_IS_REFUSED = f"(rule = {literal(REFUSED_RULE)} and discarded is null)"


@dataclass(frozen=True, kw_only=True)
class Page:
    """The first records of a selection, long texts cut; `total` and `discarded` count all of them.

    Why whole partitions are refused is said once each, and the records have their own faults alone.
    """

    rows: list[dict[str, Any]]
    total: int
    discarded: int
    refusals: list[str]


def counts(project: Project, source: str = "") -> list[dict[str, Any]]:
    """Return how many records are in quarantine, by source, date, file and rule; discarded ones are apart."""
    if source:
        find_source(project, source)
    query = (
        "select source, date, file, rule, count(*) - count(discarded) as records, count(discarded) as discarded "
        "from selected group by all order by all"
    )
    with rejected.opened(project, source) as con:
        return list(_dicts(con, query))


def records(project: Project, source: str, selection: Selection) -> Iterator[dict[str, Any]]:
    """Yield the records of a source in quarantine, whole; the sound ones of refused partitions come last."""
    find_source(project, source)
    with rejected.opened(project, source, selection) as con:
        yield from _dicts(con, f"from selected order by {ORDER}")


def first_records(project: Project, source: str, selection: Selection, limit: int) -> Page:
    """Return the first `limit` records of a source in quarantine, as people are shown them."""
    find_source(project, source)
    # the bytes and what a record is called are not shown, and have their price
    texts = [f"{_own(name)} as {name}" for name in REJECTS if name != "raw"]
    query = f"select {', '.join(texts)} from selected order by {ORDER} limit {limit}"
    with rejected.opened(project, source, selection) as con:
        ((total, discarded),) = con.execute("select count(*), count(discarded) from selected").fetchall()
        rows = [_cut(row) for row in _dicts(con, query)]
        return Page(rows=rows, total=total, discarded=discarded, refusals=_refusals(con))


def export(project: Project, source: str, selection: Selection, file: Path) -> int:
    """Write records to a new CSV file, made to be edited; return how many. Those discarded are left out.

    Raises ConfigError if the file exists, or there is nothing to write.
    """
    find_source(project, source)
    with rejected.opened(project, source, selection, discarded=False) as con:
        ((number,),) = con.execute("select count(*) from selected").fetchall()
        if not number:
            raise ConfigError(f"{source} has no records{selection} in quarantine that could be exported.")
        restrict_files(project.settings.mask)
        try:
            file.open("x").close()
        except FileExistsError:
            message = f"{file} already exists, and etl does not overwrite it. Name another file."
            raise ConfigError(message) from None
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
        try:
            _sorted_in_little(
                con, project, f"copy ({_cells()}) to {literal(str(file))} (format csv, header, use_tmp_file false)"
            )
        except BaseException:
            file.unlink(missing_ok=True)
            raise
    return int(number)


def stale(project: Project, source: str = "") -> list[dict[str, Any]]:
    """Return the corrections that the last run did not apply, with the reason."""
    ledger = Ledger(project.ledger, is_reading=True)
    sources = definitions(project, ledger)[0].sources
    receipts = _receipts(ledger)
    found = []
    for file in sorted(project.corrections.glob(f"{source or '*'}/*.jsonl")):
        name, day = file.parent.name, file.stem
        receipt = receipts.get((name, day))
        is_settled = name in sources and receipt and receipt.details.get("stale") == []
        # a million decisions that all count are not read to be told so
        if is_settled and receipt and receipt.details.get("corrections") == sha256(file):
            continue
        decided = read_corrections(file)
        for item in decided:
            why = "there is no such source" if name not in sources else ""
            why = why or _reason(receipt, decided.sha256, item.name)
            if why:
                found.append({"source": name, "date": day, "record": item.name, "action": item.action, "why": why})
    return found


def _reason(receipt: Receipt | None, sha256: str, record: str) -> str:
    if receipt is None:
        return "its delivery is refused, or gone from raw/"
    if receipt.details.get("corrections") != sha256:
        return "it waits for the next run"
    names, whys = receipt.details["stale"], receipt.details.get("why_stale", ())
    found = dict.fromkeys(names, "its record keeps the contract, or is gone") | dict(
        zip(names, whys, strict=False)
    )
    return found.get(record, "")


def _receipts(ledger: Ledger) -> Mapping[tuple[str, str], Receipt]:
    """Return the receipts of extraction by source and date; a source's latest for `snapshot` too."""
    found: dict[tuple[str, str], Receipt] = {}
    for key, receipt in sorted(ledger.receipts().items(), key=lambda item: item[1].run_id):
        if key.step == "extract":
            found[key.name, key.partition] = found[key.name, "snapshot"] = receipt
    return found


def _sorted_in_little(con: duckdb.DuckDBPyConnection, project: Project, query: str) -> None:
    """Run a query that sorts with little memory; with what there may be, if that is set or they need it."""
    import duckdb

    if project.settings.memory_limit:
        con.execute(query)
        return
    ((most,),) = con.execute("select current_setting('memory_limit')").fetchall()
    try:
        con.execute(f"set memory_limit = '{_LITTLE}'")
        con.execute(query)
    except duckdb.OutOfMemoryException:
        con.execute(f"set memory_limit = {literal(most)}")
        con.execute(query)


def _cells() -> str:
    """Return the SELECT of an exported file."""
    cells = [f"{guarded_text_sql(name) if name in _GUARDED else identifier(name)} as {name}" for name in COLUMNS]
    # a spreadsheet takes a file without a byte order mark for the local code page
    cells[0] = f"{COLUMNS[0]} as {identifier(codecs.BOM_UTF8.decode() + COLUMNS[0])}"
    return f"select {', '.join(cells)} from selected order by {ORDER}"


def _own(name: str) -> str:
    """Return the SQL of a column as it is shown: a text is cut, with its whole length beside."""
    if REJECTS[name] != "varchar":
        return name
    text = name
    if name == "message":
        start = f"position({literal(BESIDE)} in message)"
        text = f"if({_IS_REFUSED}, if({start} > 0, substr(message, {start} + {len(BESIDE)}), ''), message)"
    return f"struct_pack(text := left({text}, {LONGEST}), length := length({text}))"


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    def said(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return None if value["text"] is None else cut(value["text"], LONGEST, value["length"])

    return {name: said(value) for name, value in row.items()}


def _refusals(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return why partitions are refused."""
    query = (
        f"select date, split_part(message, {literal(BESIDE)}, 1) as reason, count(*) from selected "
        f"where {_IS_REFUSED} group by all order by all"
    )
    found = con.execute(query).fetchall()
    return [f"{day} is refused ({counted(number, 'record')}): {reason}" for day, reason, number in found]


def _dicts(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, Any]]:
    names = [name for name, *_ in con.execute(f"describe {query}").fetchall()]
    yield from (dict(zip(names, row, strict=True)) for row in rejected.rows(con, query))
