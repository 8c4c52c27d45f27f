"""What is asked for when two published files are compared, and the counts that the ledger keeps of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from etl.ledger import Ledger
from etl.ledger.changed_rows import note_changed_rows
from etl.operations.diff.compare import Compared, Request, compare
from etl.project import Project, environments, load_project
from etl.stages.published import CURRENT, find, is_content, read_record


def request_of(project: Project, a: str, b: str) -> Request:
    """Return what is to be compared, and what is known of it: keys, and hashes that are equal."""
    files = (_find(project, a), _find(project, b))
    records = [read_record(file.parent) for file in files]
    tables = [record.tables if record else {} for record in records]
    keys = {name: held.key for side in tables for name, held in side.items() if held.key}
    left, right = ({name: held for name, held in side.items() if held.kind == "table"} for side in tables)
    same = frozenset(name for name in left.keys() & right.keys() if left[name].hash == right[name].hash)
    rows = {name: (left[name].rows, right[name].rows) for name in left.keys() & right.keys()}
    is_hashed = all(record is not None and is_content(record.content) for record in records)
    return Request(files, keys=keys, same=same, rows=rows, is_hashed=is_hashed)


def _find(project: Project, name: str) -> Path:
    """Return the published file that a name means, of this environment or of another one that it begins with."""
    environment, _, rest = name.partition("/")
    if environment in environments(project):
        return find(load_project(project.root, environment), rest or CURRENT)
    return find(project, name)


def note_counts(project: Project, ledger: Ledger, request: Request, found: Iterable[Compared]) -> None:
    """Note how many rows differ, for the report, if two generations of this project were compared."""
    before, after = (file.parent for file in request.files)
    if before.parent == after.parent == project.generations:
        counts = {
            item.table: (item.added, item.removed, item.changed) for item in found if item.status == "changed"
        }
        note_changed_rows(ledger, before.name, after.name, counts)


def count_changes(project: Project, ledger: Ledger, before: str, after: str) -> None:
    """Compare two generations, and note how many rows of each table differ."""
    request = request_of(project, before, after)
    note_counts(project, ledger, request, compare(project, request))
