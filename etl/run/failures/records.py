"""Raw files of which a bundle keeps the records alone: masked, or few of many, as texts below one another.

Such a file is read again by the format of its records' texts, as corrected records are; where each record was, the
header, and the lines that were skipped are known from bundle.json.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from etl.sources import Source
from etl.sources.formats import Fault, Format, Opened, Place
from etl.sources.formats.format import Skipped
from etl.sources.formats.splitter import line_ends
from etl.stages.lake.inputs import Input

#: So many of the lines that a source skips are kept.
_SKIPS = 200
#: A byte as a text for people has it.
_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What was around the records of a file: its columns, and which line each record was on.

    `is_wrong` says that its columns are not those of the contract, so that nothing is read by them.
    """

    columns: tuple[str, ...]
    lines: tuple[tuple[int, int], ...]
    is_wrong: bool = False
    extras: tuple[tuple[str, int], ...] = ()
    skips: tuple[tuple[int, str, str, str], ...] = ()

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Layout:
        """Return the layout that JSON has told of."""
        pairs = {name: tuple(map(tuple, facts[name])) for name in ("lines", "extras", "skips")}
        return cls(columns=tuple(facts["columns"]), is_wrong=facts["is_wrong"], **pairs)

    @property
    def facts(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class RecordsFormat:
    """The format of a source some of whose files are texts of records, by their paths; all else is as it says."""

    whole: Format
    layouts: Mapping[str, Layout]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("whole", "layouts"):
            raise AttributeError(name)
        return getattr(self.whole, name)

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Opened:
        """Take a file apart, as Format.open() does."""
        for name, layout in self.layouts.items():
            if os.path.exists(name) and os.path.samefile(name, path):
                names = layout.columns
                if len(set(names)) < len(names):
                    names = tuple(f"column {number}" for number, _ in enumerate(names))
                opened: Any = _Records(self.whole.record_format(names).open(path, expected, scratch), layout)
                return opened  # type: ignore[no-any-return]
        return self.whole.open(path, expected, scratch)


class _Records:
    """Texts of records taken apart, each on the line where it was."""

    def __init__(self, opened: Opened, layout: Layout) -> None:
        self._opened, self._layout, self._lines = opened, layout, dict(layout.lines)
        self.columns = layout.columns if layout.is_wrong else opened.columns
        self.extras = dict(layout.extras) if layout.is_wrong else opened.extras
        self.skipped = opened.skipped + len(layout.skips)
        self.lines = opened.lines + len(layout.skips)

    def __getattr__(self, name: str) -> Any:
        if name in ("_opened", "_layout", "_lines"):
            raise AttributeError(name)
        return getattr(self._opened, name)

    def faults(self) -> Iterator[Fault]:
        return (Fault(self._where(place), problem) for place, problem in self._opened.faults())

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        return map(self._where, self._opened.places(numbers))

    def everything(self) -> Iterator[Fault]:
        return (Fault(self._where(place), problem) for place, problem in self._opened.everything())

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        found = [Skipped(Place(line, text), option, role) for line, text, option, role in self._layout.skips]
        return [skip for skip in found if headers or skip.role != "names"]

    def _where(self, place: Place) -> Place:
        return place._replace(line=self._lines.get(place.line, place.line))


def reading(source: Source, layouts: Mapping[str, Layout]) -> Source:
    """Return a source whose files at some paths are texts of records."""
    if not layouts:
        return source
    known = copy(source)
    known.variants = [replace(v, format=RecordsFormat(v.format, layouts)) for v in source.variants]
    known.format = known.variants[-1].format
    return known


def write_records(
    file: Input,
    target: Path,
    text: Callable[[Place, str], str],
    header: Callable[[Sequence[str]], list[str]],
    is_chosen: Callable[[int, Fault], bool],
) -> tuple[Layout, int]:
    """Write the texts of the chosen records of a file; return what was around them, and how many they are.

    `text` returns what may be written of a record, given what is wrong with its shape; `header` of names.
    """
    lines, line = [], 1
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        for number, fault in enumerate(file.opened.everything()):
            if not is_chosen(number, fault):
                continue
            written = _bytes(text(fault.place, fault.problem), fault.place)
            out.write(written + b"\n")
            lines.append((line, fault.place.line))
            line += line_ends(written + b"\n")
    skips = [(s.place.line, text(s.place, ""), s.option, s.role) for s in file.opened.skips() if s.role != "names"]
    layout = Layout(
        columns=tuple(header(file.opened.columns)),
        lines=tuple(lines),
        is_wrong=bool(file.problem(file.opened.columns)),
        extras=tuple(zip(header(list(file.opened.extras)), file.opened.extras.values(), strict=True)),
        skips=tuple(skips[:_SKIPS]),
    )
    return layout, len(lines)


def _bytes(text: str, place: Place) -> bytes:
    """Return a text as bytes; where it stands for bytes that are no text, with these."""
    written = text.encode("utf-8", "surrogatepass")
    return written if place.raw is None else _BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), written)
