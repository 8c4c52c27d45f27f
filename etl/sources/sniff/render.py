"""The proposal as Python: comments that say what is a guess, the model, and its source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etl.sources.sniff import names
from etl.sources.sniff.columns import Column, literal, text_literal
from etl.sources.sniff.sample import SAMPLE_BYTES, SAMPLE_RECORDS

_WIDTH = 110


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A proposal before it is tried: columns in the file's order, the format, and what a person must hear."""

    path: Path
    columns: tuple[Column, ...]
    #: The name of the format's class, and its options.
    format: str
    options: Mapping[str, object] = field(default_factory=dict)
    records: int
    is_whole: bool
    notes: tuple[str, ...] = ()
    #: What is odd about the file, for those who ask.
    oddities: tuple[str, ...] = ()
    #: Source's `files`, if it is not told by the path, and what the proposal is from.
    files: str = ""
    subject: str = ""
    #: What is fetched, as Python: a class and its arguments; empty for files.
    fetch: str = ""
    #: The columns of a key that has several.
    unique: tuple[str, ...] = ()
    #: What Source says beside.
    source: Mapping[str, object] = field(default_factory=dict)
    #: The formats as Python by the day since when they hold, the first since ever, if there are several.
    by_day: tuple[tuple[str, str], ...] = ()

    @property
    def call(self) -> str:
        """The format as Python."""
        if self.by_day:
            said = (f"{text_literal(day) if day else None}: {format}" for day, format in self.by_day)
            return f"{{{', '.join(said)}}}"
        return call(self.format, self.options)


def render(draft: Draft, found: Sequence[str] = ()) -> str:
    """Return the contract file; `found` is what was found when it was tried."""
    source = names.source_name(draft.path)
    model = names.class_name(source)
    fields = "\n".join([*_fields(draft.columns), *_config(draft)])
    files, notes = names.files(draft.path)
    notes = [] if draft.files or draft.fetch else notes
    blocks = [
        "\n".join([*_comments([*_about(draft), *found, *draft.notes, *notes], ""), ""]),
        _imports(draft),
        "",
        f"class {model}(pa.DataFrameModel):",
        '    """One row per record: say what a record is."""',
        "",
        fields,
        "",
        "",
        _source(source, model, draft.files or files, draft),
    ]
    return "\n".join(blocks) + "\n"


def call(name: str, options: Mapping[str, object]) -> str:
    """Return a call with keyword arguments as Python."""
    return f"{name}({', '.join(f'{option}={literal(value)}' for option, value in options.items())})"


def _about(draft: Draft) -> list[str]:
    if draft.fetch:
        return [
            f"Proposed by `etl sniff` from what the database says of {draft.subject}: its names, types and keys.",
            "Correct it, then save it as a contract.",
        ]
    name = draft.subject or repr(draft.path.name)
    seen = f"the {draft.records:,} records of {name}" if draft.records != 1 else f"the only record of {name}"
    if not draft.is_whole:
        limit = f"{SAMPLE_BYTES // 10**6} MB and {SAMPLE_RECORDS:,} records"
        seen = f"the first {draft.records:,} records of {name}, which has more than {limit} allow"
    return [
        f"Proposed by `etl sniff` from {seen}.",
        "Types and nulls are what was seen, not what may come: correct them, then save this as a contract.",
    ]


def _imports(draft: Draft) -> str:
    used = " ".join(column.annotation for column in draft.columns)
    standard = ["from datetime import date"] if re.search(r"\bdate\b", used) else []
    standard += ["from typing import Annotated"] if "Annotated[" in used else []
    others = ["import pandas as pd"] if "pd." in used else []
    others += ["import pandera.pandas as pa"]
    others += ["import pyarrow"] if "pyarrow." in used else []
    calls = [format for _, format in draft.by_day] or [draft.call]
    format = {name.partition("(")[0] for name in calls if name != "Csv()" or draft.by_day}
    used_here = {draft.fetch.partition("(")[0]} if draft.fetch else format
    ours = [f"from etl import {', '.join(sorted([*used_here, 'Source']))}"]
    return "\n\n".join("\n".join(lines) for lines in (standard, others, ours) if lines) + "\n"


def _fields(columns: Sequence[Column]) -> list[str]:
    lines = []
    columns = [*columns, *(other for column in columns for other in column.beside)]
    attributes = names.attributes([column.name for column in columns])
    for attribute, column in zip(attributes, columns, strict=True):
        lines += _comments(column.comments, "    ")
        alias = [] if attribute == column.name else [f"alias={text_literal(column.name)}"]
        arguments = [*alias, *column.arguments]
        head = f"    {attribute}: {column.annotation}"
        lines.append(head + (_wrapped(" = pa.Field(", arguments, len(head), "    ") if arguments else ""))
    return lines


def _config(draft: Draft) -> list[str]:
    return ["", "    class Config:", f"        unique = {literal(list(draft.unique))}"] if draft.unique else []


def _source(source: str, model: str, files: str, draft: Draft) -> str:
    arguments = [f"contract={model}", f"fetch={draft.fetch}" if draft.fetch else f"files={text_literal(files)}"]
    is_dated = "cursor=" in draft.fetch if draft.fetch else "{date}" in files
    own = "delivery_date" if is_dated else "snapshot_date"
    taken = {column.name.lower() for column in draft.columns}
    if own in taken:
        arguments.append(f'partition="{names.free("file_date", taken)}"')
    if draft.call != "Csv()" and not draft.fetch:
        arguments.append(f"format={draft.call}")
    arguments += [f"{option}={literal(value)}" for option, value in draft.source.items()]
    return _wrapped(f"{source} = Source(", arguments, 0, "")


def _wrapped(opening: str, arguments: Sequence[str], before: int, indent: str) -> str:
    line = f"{opening}{', '.join(arguments)})"
    if before + len(line) <= _WIDTH:
        return line
    return opening + "".join(f"\n{indent}    {argument}," for argument in arguments) + f"\n{indent})"


def _comments(texts: Sequence[str], indent: str) -> list[str]:
    lines = []
    for text in texts:
        line = f"{indent}#"
        for word in text.split(" "):
            if len(line) + len(word) >= _WIDTH:
                lines.append(line)
                line = f"{indent}#  "
            line += f" {word}"
        lines.append(line)
    return lines
