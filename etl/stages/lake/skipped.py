"""Lines that are skipped by their number alone but keep the contract: records that were nearly lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from pathlib import Path

from etl.engine.quoting import identifier
from etl.sources import Source
from etl.sources.formats import Fault, Opened, Place
from etl.sources.formats.blocks import InBlocks, in_blocks
from etl.sources.formats.format import Reader, Skipped
from etl.sources.formats.json_values import dumped
from etl.sources.formats.totals import is_total, word
from etl.stages.lake.inputs import Input, reopened, which
from etl.stages.lake.place import Extraction, scratch_file
from etl.stages.lake.sound import Sound
from etl.stages.raw import Delivery

_MOST_SHOWN = 200


@dataclass(frozen=True)
class Rescued:
    """A file with lines that it skips by their number; they are broken records of it."""

    opened: Opened
    rescued: Sequence[Fault]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file."""
        return self.opened.columns

    @property
    def extras(self) -> Mapping[str, int]:
        """The names of its further cells, and the line where each is first."""
        return self.opened.extras

    @property
    def sound(self) -> int:
        """The number of its sound records."""
        return self.opened.sound

    @property
    def broken(self) -> int:
        """The number of its broken records and of the rescued lines."""
        return self.opened.broken + len(self.rescued)

    @property
    def lines(self) -> int:
        """The number of its lines."""
        return self.opened.lines

    @property
    def skipped(self) -> int:
        """The number of its lines that are still skipped."""
        return self.opened.skipped - len(self.rescued)

    @property
    def reader(self) -> Reader:
        """What reads its sound records."""
        return self.opened.reader

    @property
    def file(self) -> Path:
        """Where its sound records are."""
        return self.opened.file

    @property
    def in_blocks(self) -> InBlocks | None:
        """Its sound records in blocks, if it has them."""
        return in_blocks(self.opened)

    def verify(self) -> None:
        """Look at every record of the file."""
        self.opened.verify()

    def faults(self) -> Iterator[Fault]:
        """Yield the broken records and the rescued lines, in order."""
        return merge(self.opened.faults(), self.rescued, key=_line)

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        """Yield the sound records with these numbers."""
        return self.opened.places(numbers)

    def everything(self) -> Iterator[Fault]:
        """Yield all records and the rescued lines, in order."""
        return merge(self.opened.everything(), self.rescued, key=_line)

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        """Return the lines that are skipped by their number alone."""
        return self.opened.skips(headers)

    def blank(self) -> Sequence[str]:
        """Return the columns of which no sound record has a cell."""
        return self.opened.blank()

    def close(self) -> None:
        """Delete what was written to take the file apart."""
        self.opened.close()


@dataclass
class Looked:
    """Files of a delivery with their nearly lost records; `problem` is why it is refused for them, or empty."""

    inputs: list[Input] = field(default_factory=list)
    problem: str = ""


def look(extraction: Extraction, delivery: Delivery, inputs: Sequence[Input]) -> Looked:
    """Take the lines that are skipped by their number alone for what they are.

    One that keeps the contract is a record: the source says whether the file is refused for it, unless a person
    has decided about it, or only the line goes to quarantine. One that calls itself a total, or is a title above
    a header, is only noted.
    """
    looked = Looked()
    source = extraction.source
    for number, file in enumerate(inputs):
        skips = [] if source.skipped == "allow" else _doubtful(file)
        records, noted = _records(extraction, delivery, number, file, skips) if skips else ([], [])
        redactor = extraction.redactor(file)
        notes = tuple(_said(skip, _shown(redactor.text(skip.place.text, ""))) for skip in noted)
        faults = [Fault(skip.place, _said(skip)) for skip in records]
        opened = Rescued(file.opened, faults) if faults else file.opened
        looked.inputs.append(replace(file, opened=opened, notes=notes) if faults or notes else file)
        if records and source.skipped == "refuse" and not looked.problem:
            decided = extraction.corrections(delivery)
            for skip in records:
                if not looked.problem and not decided.about(file.file.name, skip.place):
                    text = _shown(redactor.text(skip.place.text, ""))
                    looked.problem = f"{which(inputs, file)}{_said(skip, text)}. {_advice(source, skip)}"
    return looked


def eaten(file: Input) -> str:
    """Return which skipped line may be the header that a file lacks, for a message; empty if none is."""
    names = [column.name for column in file.source.contract.columns if column.required]
    for skip in file.opened.skips():
        # the text of a sheet's row names the columns that it has by the header that was read
        text = skip.place.text
        for name in file.opened.columns:
            text = text.replace(f"{dumped(name)}:", "")
        if skip.role == "above" and names and all(name in text for name in names):
            return f"; line {skip.place.line} may be the header, but {skip.option} skips it"
    return ""


def _doubtful(file: Input) -> list[Skipped]:
    # a header is what it says it is if it names a column of the contract
    return [skip for skip in file.opened.skips(headers=not file.cells) if skip.place.raw is None]


def _records(
    extraction: Extraction, delivery: Delivery, number: int, file: Input, skips: Sequence[Skipped]
) -> tuple[list[Skipped], list[Skipped]]:
    """Return the lines that keep the contract: records, and what says of itself that it is none."""
    path = scratch_file(extraction.project, f"skipped-{number}", delivery, "txt")
    lines = [skip.place.text for skip in skips]
    try:
        found = _kept(extraction, delivery, file, path, lines)
    finally:
        path.unlink(missing_ok=True)
    records: list[Skipped] = []
    noted: list[Skipped] = []
    has_names = any(skip.role == "names" for skip in file.opened.skips())
    for position, cells in found.items():
        skip = skips[position]
        if skip.role in ("above", "header") and _is_header(file.source, cells):
            continue
        (noted if _is_told(skip, list(cells.values()), has_names) else records).append(skip)
    return records, noted


def _kept(
    extraction: Extraction, delivery: Delivery, file: Input, path: Path, lines: Sequence[str]
) -> dict[int, dict[str, str | None]]:
    """Return the cells of those lines that are records and keep the contract, by their place in `lines`."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")
    opened = reopened(file, path, path.with_name(f"{path.name}.records"))
    try:
        opened.opened.verify()
        if not opened.opened.sound:
            return {}
        places = opened.opened.places(range(opened.opened.sound))
        # what breaks a line in two is not one record, and what is left out is none
        origins = {_first_line(lines, position): position for position in range(len(lines))}
        positions = [origins.get(place.line) for place in places]
        # two equal lines are two records, although no table may hold both
        uniques = {unique.name for unique in file.source.contract.uniques}
        broken = Sound(extraction, delivery, [opened]).broken()[0]
        columns = ", ".join(identifier(text) for text in opened.texts[: len(opened.names)])
        relation = opened.opened.reader.numbered(opened.opened.file, opened.texts)
        cells = extraction.con.execute(f"select {columns} from {relation} order by _record").fetchall()
    finally:
        opened.opened.close()
    return {
        position: dict(zip(opened.names, row, strict=True))
        for record, (position, row) in enumerate(zip(positions, cells, strict=True))
        if position is not None and not {breach.rule for breach in broken.get(record, ())} - uniques
    }


def _first_line(lines: Sequence[str], position: int) -> int:
    """Return the physical line on which a text begins, if each ends in a line feed."""
    above = "".join(f"{line}\n" for line in lines[:position])
    return 1 + above.count("\n") + above.count("\r") - above.count("\r\n")


def _is_header(source: Source, cells: dict[str, str | None]) -> bool:
    """Return whether a cell is the name of its own column, however it is written."""
    aliases = {column.name: column.aliases for column in source.contract.columns}
    return any(
        cell and word(cell) in {word(known) for known in (name, *aliases.get(name, ())) if word(known)}
        for name, cell in cells.items()
    )


def _is_told(skip: Skipped, cells: Sequence[str | None], has_names: bool) -> bool:
    """Return whether a line says that it is no record: a total by its word, or a lone title above a header."""
    filled = [cell for cell in cells if cell and cell.strip()]
    if skip.role == "below":
        return any(is_total(cell) for cell in filled)
    is_title = len(filled) == 1 and len(cells) > 2 and not any(char.isdigit() for char in filled[0])
    return skip.role == "above" and has_names and is_title


def _said(skip: Skipped, text: str = "") -> str:
    shown = f": {text}" if text else ""
    return f"line {skip.place.line} is skipped by {skip.option}, but keeps the contract as a record does{shown}"


def _advice(source: Source, skip: Skipped) -> str:
    how = "name the sheet's header_row=" if skip.option.startswith("header_row") else f"say {_pattern(skip)}"
    return (
        f"If it is a record, correct the source; if not, {how}, or discard the line. With "
        "Source(skipped='quarantine') only the line goes to quarantine"
    )


def _pattern(skip: Skipped) -> str:
    """Return the option that says by its text what a line is that is skipped."""
    name = {"above": skip.option.partition("=")[0], "below": "footer"}.get(skip.role, "header=False and preamble")
    return f"{name}=r'...', a regular expression that it alone matches"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} ...")


def _line(fault: Fault) -> int:
    return fault.place.line
