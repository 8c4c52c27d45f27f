"""The files of a delivery, taken apart, with their cells matched to the contract's columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from etl.contract.numerals import flagged
from etl.engine.quoting import identifier, literal
from etl.errors import UnreadableError, printable
from etl.project import Project
from etl.project.files import private
from etl.sources import Source
from etl.sources.formats import Opened
from etl.stages.lake.empty import needs_no_header
from etl.stages.lake.pinned import Pinned
from etl.stages.lake.renamed import renamed
from etl.stages.raw import Delivery, File

#: The column of cells that the contract does not know, if the source keeps them.
EXTRA = "_extra"
_MOST_SHOWN = 1000


@dataclass(frozen=True, kw_only=True)
class Input:
    """One file of a delivery; `names` are its columns by the contract's names."""

    file: File
    opened: Opened
    names: tuple[str, ...]
    source: Source
    #: What is to be said of its skipped lines.
    notes: tuple[str, ...] = ()
    pinned: Pinned | None = None
    #: The contract's columns whose cells come as values of their types, and not as texts.
    known: frozenset[str] = frozenset()

    def close(self) -> None:
        """Let go of the file, and of what was written to take it apart."""
        self.opened.close()
        if self.pinned:
            self.pinned.close()

    @property
    def records(self) -> int:
        """All records of the file."""
        return self.opened.sound + self.opened.broken

    @cached_property
    def cells(self) -> dict[str, str]:
        """The text column of each of the contract's columns that the file has."""
        known = {column.name for column in self.source.contract.columns}
        return {name: f"_text_{n}" for n, name in enumerate(self.names) if name in known}

    @property
    def layout(self) -> tuple[object, ...]:
        """What files have in common that DuckDB can read together."""
        return (self.opened.reader, self.names, bool(self.opened.extras))

    @property
    def texts(self) -> list[str]:
        """What the cells are called before they are values: no header can collide with these names."""
        return [*(f"_text_{n}" for n in range(len(self.names))), *([EXTRA] if self.opened.extras else [])]

    @property
    def extra(self) -> str:
        """The SQL of the cells that the contract does not know, as one JSON object; null if there are none."""
        if self.opened.extras:
            return EXTRA
        cells = [(name, f"_text_{n}") for n, name in enumerate(self.names) if name not in self.cells]
        pairs = ", ".join(f"{literal(name)}, {text}" for name, text in cells)
        return f"json_object({pairs})::varchar" if cells else "null::varchar"

    def problem(self, shown: Sequence[str]) -> str:
        """Return what is wrong with the columns that the file has, `shown` in the message; empty if nothing."""
        contract, found = self.source.contract, self.opened.columns
        header = f"the header found is {_short(shown)}" if found else "the file has no header at all"
        names = set(self.names)
        missing = [c.name for c in contract.columns if c.required and c.name not in names]
        unknown = [name for name in self.names if name not in self.cells]
        extra = list(map(repr, unknown))
        extra += [f"{name!r} (first on line {line})" for name, line in self.opened.extras.items()]
        if doubled := [name for name in flagged(contract.columns) if name in self.names]:
            return (
                f"column {_short(map(repr, doubled))} takes the flags of another column, and the file has it too: "
                "call that of the contract another"
            )
        if missing:
            new = [name for name in unknown if name in shown]
            expected = contract.delivered
            what = "column" if len(missing) == 1 else "columns"
            are = "is" if len(missing) == 1 else "are"
            said = f"{what} {_short(map(repr, missing))} of the contract {are} missing: {header}"
            return said + renamed(missing, new, expected=expected, found=self.names)
        if extra and self.source.extra == "refuse" and not contract.drops_extra:
            seen = "" if self.opened.extras else f": {header}"
            return (
                f"column {_short(extra)} is not in the contract{seen}. If it is allowed, write extra='ignore' or "
                f"extra='keep' in the Source{self._renamed_in_records()}"
            )
        if len(names) < len(self.names):
            return f"a column appears twice: {header}"
        if contract.ordered and [n for n in self.names if n in self.cells] != [
            column.name for column in contract.columns if column.name in self.cells
        ]:
            return f"the columns are not in the contract's order: {header}"
        return ""

    def _renamed_in_records(self) -> str:
        """Return which extra cell may be a column that no record has, where each names its own cells."""
        names = dict(zip(self.opened.columns, self.names, strict=True))
        missing = [names[name] for name in self.opened.blank()]
        option = "fields" if hasattr(self.source.format, "fields") else "paths"
        return renamed(missing, list(self.opened.extras), option=option)


class Lines(NamedTuple):
    """The lines of files, those of them that are skipped, and what is to be said of these."""

    lines: int = 0
    skipped: int = 0
    notes: tuple[str, ...] = ()


def lines_of(inputs: Sequence[Input]) -> Lines:
    """Return the lines of the files of a delivery."""
    lines, skipped = (sum(getattr(file.opened, name) for file in inputs) for name in ("lines", "skipped"))
    return Lines(lines, skipped, tuple(note for file in inputs for note in file.notes))


def open_file(project: Project, source: Source, delivery: Delivery, file: File, number: int) -> Input:
    """Take one file apart, as it was when the run was planned.

    Raises UnreadableError if it is not of its format at all, DeliveryError if it is another file by now.
    """
    expected = source.contract.delivered
    scratch = _scratch(project, delivery, number)
    pinned = Pinned(file, scratch)
    try:
        opened = source.format.open(pinned.path, expected, scratch)
        names = expected if needs_no_header(source, file.size) else _names(source, opened.columns)
        return Input(file=file, opened=opened, names=tuple(names), source=source, pinned=pinned)
    except UnreadableError as error:
        pinned.close()
        raise UnreadableError(_named(str(error), pinned.path, delivery, file)) from error
    except BaseException:
        pinned.close()
        raise


def _named(message: str, path: Path, delivery: Delivery, file: File) -> str:
    """Return a format's message with the file's name, not the path that was opened, and without its full stop.

    If it is the only one of the delivery, what is said before the message names it.
    """
    if len(delivery.files) == 1:
        message = message.removeprefix(f"{path}: ")
        message = f"it{message.removeprefix(str(path))}" if message.startswith(f"{path} ") else message
    return message.replace(str(path), file.name).removesuffix(".")


def which(inputs: Sequence[Input], file: Input) -> str:
    """Return how a message about one file of a delivery begins: with its name, if there are others."""
    return f"{file.file.name}: " if len(inputs) > 1 else ""


def reopened(file: Input, path: Path, scratch: Path, lines: Mapping[int, int] = MappingProxyType({})) -> Input:
    """Take apart texts of records at `path`, to be read in the place of others of `file`.

    `lines` are the lines that those had in the file, by the lines that they have at `path`.
    """
    source, columns = file.source, file.opened.columns
    expected = source.contract.delivered
    opened = source.format.record_format(columns).open(path, expected, scratch)
    if lines and hasattr(opened, "number_as"):
        opened.number_as(lines)
    return Input(file=file.file, opened=opened, names=tuple(_names(source, opened.columns)), source=source)


def names_of(source: Source, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the contract's names of a file's columns."""
    return tuple(_names(source, columns))


def _names(source: Source, columns: Sequence[str]) -> Iterator[str]:
    aliases = {alias: column.name for column in source.contract.columns for alias in column.aliases}
    return (aliases.get(name, name) for name in columns)


def _scratch(project: Project, delivery: Delivery, number: int) -> Path:
    return private(project.scratch) / f"records-{delivery.source}-{delivery.date}-{number}"


def _short(names: Iterable[str]) -> str:
    """Return names as a list that fits into a message, which every record of a refused file repeats."""
    text = ", ".join(map(printable, names))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} ..."


def select_list(names: Sequence[str]) -> str:
    """Return names as a select list."""
    return ", ".join(map(identifier, names))
