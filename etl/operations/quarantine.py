"""What is in quarantine, as plain data, and as a file to edit; nothing here changes the project."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.engine.quoting import literal, paths
from etl.errors import ConfigError, counted, unknown
from etl.ledger import Ledger, Receipt
from etl.operations.spreadsheet import guarded, same_line_ends
from etl.plan.definitions import definitions
from etl.project import Project
from etl.project.files import restrict_files
from etl.sources import Source
from etl.stages.lake.corrections import read_corrections, record_hash
from etl.stages.lake.layout import BESIDE, REJECTS, refused_base
from etl.stages.lake.rejects import REFUSED_RULE

if TYPE_CHECKING:
    import duckdb

#: The columns of an exported file; `record` tells a record from all others, and whether its text was edited.
COLUMNS = ("source", "date", "file", "line", "record", "rule", "message", "text")
_RECORD_DIGITS, _TEXT_DIGITS = 16, 8


@dataclass(frozen=True)
class Selection:
    """Which of a source's records are meant: all that match what is given."""

    date: date | None = None
    rule: str = ""
    file: str = ""
    lines: Sequence[int] = ()

    def condition(self) -> str:
        """Return it as SQL."""
        parts = [f"date = {literal(self.date)}"] if self.date else []
        parts += [f"{literal(self.rule)} in (rule, fault)"] if self.rule else []
        parts += [f"file = {literal(self.file)}"] if self.file else []
        parts += [f"list_contains({literal(list(self.lines))}, line)"] if self.lines else []
        return " and ".join(parts) or "true"

    def __str__(self) -> str:
        given = {"date": self.date, "rule": self.rule, "file": self.file, "line": ", ".join(map(str, self.lines))}
        return "".join(f" of {name} {value}" for name, value in given.items() if value)


def find_source(project: Project, name: str) -> Source:
    """Return a source of the project. Raises ConfigError if there is none of that name."""
    sources = definitions(project, Ledger(project.ledger, is_reading=True))[0].sources
    if name not in sources:
        raise ConfigError(unknown(f"There is no source {name}", name, sources))
    return sources[name]


def counts(project: Project, source: str = "") -> list[dict[str, Any]]:
    """Return how many records are in quarantine, by source, date, file and rule; discarded ones are apart."""
    if source:
        find_source(project, source)
    query = (
        "select source, date, file, rule, count(*) - count(discarded) as records, count(discarded) as discarded "
        "from quarantine group by all order by all"
    )
    with _opened(project, source) as con:
        return _dicts(con, query)


def records(project: Project, source: str, selection: Selection, discarded: bool = True) -> list[dict[str, Any]]:
    """Return the records of a source in quarantine, with `record`, and with or without those discarded.

    The sound ones of refused partitions come last.
    """
    find_source(project, source)
    kept = "" if discarded else " and discarded is null"
    is_sound = f"(rule = {literal(REFUSED_RULE)} and fault is null)"
    query = f"from quarantine where {selection.condition()}{kept} order by {is_sound}, date, file, line"
    with _opened(project, source) as con:
        found = _dicts(con, query)
    return [{**row, "record": _record(row)} for row in found]


def told_once(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return why whole partitions are refused, each said once, and the records, with their own faults alone."""
    refused: Counter[tuple[date, str]] = Counter()
    rows = []
    for row in found:
        own = row["message"]
        if row["rule"] == REFUSED_RULE and row["discarded"] is None:
            reason, _, own = own.partition(BESIDE)
            refused[row["date"], reason] += 1
        rows.append({**row, "message": own})
    said = [f"{day} is refused ({counted(n, 'record')}): {reason}" for (day, reason), n in sorted(refused.items())]
    return said, rows


def export(project: Project, source: str, selection: Selection, file: Path) -> int:
    """Write records to a new CSV file, made to be edited; return how many. Those discarded are left out.

    Raises ConfigError if the file exists, or there is nothing to write.
    """
    found = records(project, source, selection, discarded=False)
    if not found:
        raise ConfigError(f"{source} has no records{selection} in quarantine that could be exported.")
    restrict_files(project.settings.mask)
    try:
        # a spreadsheet takes a file without a byte order mark for the local code page
        with file.open("x", encoding="utf-8-sig", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(COLUMNS)
            writer.writerows([_cell(row, name) for name in COLUMNS] for row in found)
    except FileExistsError:
        raise ConfigError(f"{file} already exists, and etl does not overwrite it. Name another file.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
    return len(found)


def is_edited(record: str, text: str) -> bool:
    """Return whether a text is another one than that of the record when it was exported, but for line ends."""
    return record.rpartition("-")[2] != _text_hash(text)


def _record(row: Mapping[str, Any]) -> str:
    """Return what tells a record from all others, and then its text; no spreadsheet takes it for a number."""
    place = [str(row[name]) for name in ("source", "date", "file", "line")]
    whole = hashlib.sha256(
        "\0".join([*place, record_hash(row["text"], row["raw"])]).encode("utf-8", "surrogatepass")
    )
    return f"r{whole.hexdigest()[:_RECORD_DIGITS]}-{_text_hash(row['text'])}"


def _text_hash(text: str) -> str:
    lines = same_line_ends(text.rstrip("\r\n")).encode("utf-8", "surrogatepass")
    return hashlib.sha256(lines).hexdigest()[:_TEXT_DIGITS]


def _cell(row: Mapping[str, Any], name: str) -> object:
    return guarded(row[name]) if name in ("file", "rule", "message", "text") and row[name] else row[name]


def contents(project: Project, source: str) -> dict[Path, str]:
    """Return the hash of the delivery that each quarantine file of a source is about."""
    files = _files(project, source)
    if not files:
        return {}
    query = (
        f"select file_name, decode(value) from parquet_kv_metadata({paths(files)}) where decode(key) = 'sha256'"
    )
    with engine.in_memory(project) as con:
        return {Path(name): sha256 for name, sha256 in con.execute(query).fetchall()}


def stale(project: Project, source: str = "") -> list[dict[str, Any]]:
    """Return the corrections that the last run did not apply, with the reason."""
    ledger = Ledger(project.ledger, is_reading=True)
    sources = definitions(project, ledger)[0].sources
    receipts = _receipts(ledger)
    found = []
    for file in sorted(project.corrections.glob(f"{source or '*'}/*.jsonl")):
        name, day = file.parent.name, file.stem
        decided = read_corrections(file)
        for item in decided:
            why = "there is no such source" if name not in sources else ""
            why = why or _reason(receipts.get((name, day)), decided.sha256, item.name)
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


@contextmanager
def _opened(project: Project, source: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with the table `quarantine`."""
    columns = ", ".join(f"null::{type} as {name}" for name, type in REJECTS.items())
    query = f"select {columns} where false"
    if files := _files(project, source):
        options = "hive_partitioning = false, union_by_name = true"
        query += f" union all by name from read_parquet({paths(files)}, {options})"
    with engine.in_memory(project) as con:
        con.execute(f"create temp view quarantine as {query}")
        yield con


def _files(project: Project, source: str) -> list[Path]:
    """Return the files of quarantine; for a partition that stays as it was accepted, what is refused since."""
    base, pattern = project.quarantine, f"{source or '*'}/*/data.parquet"
    refused = {path.relative_to(refused_base(project)): path for path in refused_base(project).glob(pattern)}
    return sorted(({path.relative_to(base): path for path in base.glob(pattern)} | refused).values())


def _dicts(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = con.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
