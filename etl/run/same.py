"""A night that finds all as the last one left it, told by names and stats alone.

When a run has left nothing to do, it notes what its plan looked at, and the hash of how that was. While the hash
is the same, a plan would come out the same: the next run makes none, and says what that one would say.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from etl.ledger import Ledger, fingerprint
from etl.ledger.keys import UNCHANGED
from etl.plan.scope import Scope
from etl.project import Project

if TYPE_CHECKING:
    from etl.run.later import Later

#: How something is looked at: all that lies in a folder, or in it and below; the same of decisions, where most
#: sources have no folder; the files of the partitions in the folder of a source; one path, there or not.
FOLDER, TREE, DECISIONS, PARTITIONS, PATH = "folder", "tree", "decisions", "partitions", "path"
#: What is looked at: how, and where.
Look = tuple[str, str]

_DATA = "data.parquet"
#: How much is noted of a file: its name, and what _facts() returns.
_KNOWN_FACTS = 6


class Said(NamedTuple):
    """What a run notes and says that finds all as it was."""

    totals: dict[str, Any]
    lines: list[str]


class Seen(NamedTuple):
    """How all of it was: the hash, when the newest change was in nanoseconds, and what was noted of each thing."""

    hash: str
    newest: int
    lines: list[tuple[Any, ...]]

    @property
    def stamps(self) -> dict[str, list[int]]:
        """The stamps of the files of partitions, by path."""
        found, folder = {}, ""
        for line in self.lines:
            if line[0] in _HOW and isinstance(line[-1], str):
                folder = line[1] if line[0] == PARTITIONS else ""
            elif folder and len(line) == _KNOWN_FACTS:
                name, _, size, changed_ns, _, inode = line
                found[f"{folder}/{name}/{_DATA}"] = [size, changed_ns, inode]
        return found


def key_of(project: Project, versions: Mapping[str, str]) -> str:
    """Return what stands for all that a plan depends on and that is not in a file, but for the batch date."""
    masks = hashlib.sha256(os.environ.get("ETL_MASK_KEY", "").encode("utf-8", "surrogateescape")).hexdigest()
    return fingerprint(repr(project), dict(versions), masks)


def is_usual(scope: Scope) -> bool:
    """Return whether a scope is that of a night: all sources, up to a date, and nothing insisted on."""
    return scope == Scope(scope.last)


def find_same(project: Project, ledger: Ledger, scope: Scope, versions: Mapping[str, str]) -> Said | None:
    """Return what is to be said if all is as a run has left it that left nothing to do; else None."""
    text = ledger.cached(UNCHANGED, key_of(project, versions)) if is_usual(scope) else None
    if text is None:
        return None
    try:
        known = json.loads(text)
    except ValueError:
        return None
    said = _said(known, scope.last)
    if said is None or any(see((how, path) for how, path in looked).hash != was for looked, was in known["seen"]):
        return None
    return said


def note_same(
    ledger: Ledger,
    key: str,
    last: date,
    seen: Iterable[tuple[Iterable[Look], str]],
    said: Said,
    later: Later | None,
) -> None:
    """Note that there is nothing to do on a batch date while all that was looked at has these hashes.

    `later` says so of the dates after it.
    """
    known = {"last": str(last), "seen": [[list(looked), was] for looked, was in seen], **said._asdict()}
    ledger.cache(UNCHANGED, key, json.dumps({**known, "later": later.to_dict() if later else None}))


def _said(known: Mapping[str, Any], last: date) -> Said | None:
    """Return what is to be said on a batch date; None if there may be something to do on it."""
    if known["last"] == str(last):
        return Said(known["totals"], known["lines"])
    if known["later"] is None or str(last) < known["last"]:
        return None
    from etl.run.later import Later

    later = Later.from_dict(known["later"])
    return None if later.is_missing(last) else Said(later.totals(known["totals"], last), later.lines(last))


def see(looks: Iterable[Look]) -> Seen:
    """Return how all of this is now."""
    lines: list[_Line] = []
    newest = 0
    for how, path in looks:
        lines.append((how, path))
        newest = max(newest, _HOW[how](path, lines))
    seen = hashlib.sha256(repr(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return Seen(seen, newest, lines)


#: What is noted of one thing: its name, kind, size, times, inode, and where a link leads.
_Line = tuple[Any, ...]


def _folder(path: str, lines: list[_Line]) -> int:
    """Look at all that lies in a folder; of folders in it at the names, since they change with what is in them."""
    return _entries(path, lines)[0]


def _tree(path: str, lines: list[_Line]) -> int:
    """Look at all that lies in a folder and below."""
    newest, below = _entries(path, lines)
    return max([newest, *(_tree(folder, lines) for folder in below)])


def _decisions(path: str, lines: list[_Line]) -> int:
    """Look at the decisions about a source."""
    newest = _tree(path, lines)
    return newest if os.path.isdir(path) else 0


def _partitions(path: str, lines: list[_Line]) -> int:
    """Look at the files of the partitions in the folder of a source."""
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        lines.append((error.errno,))
        return 0
    for name in names:
        try:
            lines.append((name, *_facts(os.stat(f"{path}/{name}/{_DATA}"))))
        except OSError as error:
            lines.append((name, error.errno))
    return 0


def _path(path: str, lines: list[_Line]) -> int:
    """Look at one path."""
    try:
        return _note(path, path, os.lstat(path), lines)
    except OSError as error:
        lines.append((error.errno,))
        return _above(path)


def _entries(path: str, lines: list[_Line]) -> tuple[int, list[str]]:
    """Look at what lies in a folder; return when anything, or a name, last changed there, and the folders in it.

    What Python compiles is passed over.
    """
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        newest = _changed(os.stat(path))
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                # of these there are tens of thousands
                facts = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                lines.append((entry.name, *facts))
                newest = max(newest, facts[2], facts[3])
            else:
                newest = max(newest, _note(entry.name, entry.path, status, lines))
    except OSError as error:
        lines.append((error.errno,))
        return _above(path), []
    return newest, [e.path for e in entries if e.is_dir(follow_symlinks=False) and e.name != "__pycache__"]


def _note(name: str, path: str, status: os.stat_result, lines: list[_Line]) -> int:
    """Note one thing, and where it leads if it is a link; return the time of its newest change."""
    if stat.S_ISDIR(status.st_mode):
        lines.append((name, stat.S_IFMT(status.st_mode)))
        return 0
    lines.append((name, *_facts(status)))
    if not stat.S_ISLNK(status.st_mode):
        return _changed(status)
    try:
        target = os.stat(path)
    except OSError as error:
        lines.append((os.path.realpath(path), error.errno))
        return _changed(status)
    lines.append((os.path.realpath(path), *_facts(target)))
    return max(_changed(status), _changed(target))


def _facts(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _changed(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _above(path: str) -> int:
    """Return when the names changed where one is not: it may have been there a moment ago."""
    folder = os.path.dirname(path)
    try:
        return _changed(os.stat(folder))
    except OSError:
        return _above(folder) if folder != path else 0


_HOW: Mapping[str, Callable[[str, list[_Line]], int]] = {
    FOLDER: _folder,
    TREE: _tree,
    DECISIONS: _decisions,
    PARTITIONS: _partitions,
    PATH: _path,
}
