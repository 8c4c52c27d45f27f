"""The tables of a model that learns, as models of the night: what each reads, its columns, and what it is.

ml/delay.py makes ml.delay, the model that is used; ml.delay_predictions, what it says of each row; and
ml.delay_decisions, why it is used. ml.delay_window and ml.delay_trained stand before them: which rows there are to
learn from, and what was learned from them. A new night of the same month has the same window, and nothing is
learned again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from etl.errors import ModelError, sentence, unknown
from etl.models.asked import Columns, Header
from etl.models.header import as_sql, read_header
from etl.models.programs import Program
from etl.models.trained.declared import FOLDER, Learned

WINDOW, TRAINED, DECISIONS, CHAMPION, PREDICTIONS = "window", "trained", "decisions", "champion", "predictions"
#: The roles of which a table is made of its own rows of before, too.
CARRIED = (WINDOW, DECISIONS)
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")

_MODEL: Columns = (
    ("model_version", "VARCHAR"),
    ("cut_off", "DATE"),
    ("trained_until", "DATE"),
    ("trained_rows", "BIGINT"),
    ("features", "VARCHAR"),
    ("params", "VARCHAR"),
    ("seed", "BIGINT"),
    ("libraries", "VARCHAR"),
    ("metrics", "VARCHAR"),
    ("experiment_id", "VARCHAR"),
    ("code", "VARCHAR"),
    ("format", "VARCHAR"),
    ("artefact", "BLOB"),
)
_DECISION: Columns = (
    ("number", "BIGINT"),
    ("decided_for", "DATE"),
    ("champion", "VARCHAR"),
    ("challenger", "VARCHAR"),
    ("judge", "VARCHAR"),
    ("champion_score", "DOUBLE"),
    ("challenger_score", "DOUBLE"),
    ("gain", "DOUBLE"),
    ("gain_low", "DOUBLE"),
    ("gain_high", "DOUBLE"),
    ("judged_from", "DATE"),
    ("judged_days", "BIGINT"),
    ("judged_rows", "BIGINT"),
    ("verdict", "VARCHAR"),
    ("why", "VARCHAR"),
)
_WINDOW: Columns = (
    ("cut_off", "DATE"),
    ("trained_until", "DATE"),
    ("trained_rows", "BIGINT"),
    ("held_out_rows", "BIGINT"),
    ("content", "VARCHAR"),
)


class _Table(NamedTuple):
    """A table by its role: how its name goes on, what it reads, and what of that decides alone."""

    ending: str
    reads: tuple[str, ...]
    decides: tuple[str, ...]
    columns: Columns
    said: str


_FEATURES = "features"
_TABLES: Mapping[str, _Table] = {
    WINDOW: _Table(
        "_window",
        (_FEATURES,),
        (_FEATURES,),
        _WINDOW,
        "The rows that {file} learns from: up to when, how many, and what stands for them",
    ),
    TRAINED: _Table(
        "_trained", (WINDOW, _FEATURES), (WINDOW,), _MODEL, "What {file} has learned from the rows of its window"
    ),
    DECISIONS: _Table(
        "_decisions",
        (TRAINED, WINDOW, _FEATURES),
        (TRAINED, WINDOW),
        _DECISION + _MODEL,
        "Which model of {file} was used since when, and why",
    ),
    CHAMPION: _Table("", (DECISIONS,), (DECISIONS,), _MODEL, "The model of {file} that is used"),
    PREDICTIONS: _Table(
        "_predictions",
        (CHAMPION, _FEATURES),
        (CHAMPION, _FEATURES),
        (),
        "What the model of {file} says of each row",
    ),
}


#: How the names of its tables go on.
ENDINGS = tuple(table.ending for table in _TABLES.values())


def columns_of(role: str) -> Columns:
    """Return the columns of a table, but for those of predictions, which depend on what is predicted."""
    return _TABLES[role].columns


def ending_of(role: str) -> str:
    """Return how the name of a table of a role goes on after that of its model."""
    return _TABLES[role].ending


def table_of(learned: Learned, role: str) -> str:
    """Return the table of a role."""
    return learned.features if role == _FEATURES else f"{FOLDER}.{learned.name}{_TABLES[role].ending}"


def normal_of(learned: Learned, role: str) -> str:
    """Return a text that changes with whatever decides on a table of a model that learns, but for its rows."""
    asked = (learned.features, learned.label, learned.key, learned.time, learned.held_out)
    if role == WINDOW:
        return f"{asked[:2]} {asked[3:]} {learned.retrain}"
    if role == CHAMPION:
        return "the last of its decisions"
    words = learned.words if role == DECISIONS else ()
    return f"{learned.code.digest} {dict(learned.libraries)} {asked} {learned.gate} {words}"


@dataclass(frozen=True, kw_only=True)
class Derived(Program):
    """A table of a model that learns, as a Python model."""

    learned: Learned


def derived_programs(folder: Path, found: Mapping[str, Learned]) -> dict[str, Derived]:
    """Return the tables of models that learn by name; files are relative to what `folder` (sql/) stands in."""
    programs = (_derived(folder, learned, role) for learned in found.values() for role in _TABLES)
    return {program.name: program for program in programs}


def _derived(folder: Path, learned: Learned, role: str) -> Derived:
    table, root = _TABLES[role], learned.code.folder
    file = Path(os.path.relpath(root / learned.file, folder.parent)).as_posix()
    header_text = as_sql(list(learned.code.texts.values())[-1])
    header, _ = read_header(learned.file, header_text)
    if header.building() != Header().building() or header.contract:
        raise ModelError(
            f"{learned.file}: the header of a model that learns can say owner, tags, unit, column, export, "
            "optional, timeout_minutes and audits only. Remove the other keys."
        )
    if role != PREDICTIONS:
        header, header_text = replace(header, unit=(), column=(), export=""), ""
    reads, decides = ({table_of(learned, read) for read in some} for some in (table.reads, table.decides))
    line = learned.place("FEATURES").rpartition(":")[2]
    return Derived(
        name=table_of(learned, role),
        file=file,
        normal=normal_of(learned, role),
        reads=tuple(sorted(reads)),
        header=header,
        columns=table.columns,
        header_text=header_text,
        reads_line=int(line),
        reads_name="FEATURES",
        docstring=sentence(table.said.format(file=learned.file)),
        role=role,
        label=learned.label,
        tolerates=tuple(sorted(reads - decides)),
        learned=learned,
    )


def with_columns_of(program: Derived, features: Columns) -> Derived:
    """Return a table with its columns, which those of FEATURES decide.

    Raises ModelError naming file and line for a column that FEATURES lacks, or a TIME that is not one.
    """
    learned, there = program.learned, {name.lower(): (name, type) for name, type in features}
    for name, given in (("LABEL", [learned.label]), ("KEY", learned.key), ("TIME", [learned.time])):
        for column in given:
            if column.lower() not in there:
                what = f"{learned.place(name)}: {name}: {learned.features} has no column {column}"
                raise ModelError(unknown(what, column, [name for name, _ in features], "Name another"))
    if (type := there[learned.time.lower()][1]) not in _TIMES:
        raise ModelError(
            f"{learned.place('TIME')}: TIME: {learned.time} is {type}, not a date or timestamp. Cast it."
        )
    if program.role != PREDICTIONS:
        return program
    named = dict.fromkeys(name.lower() for name in (*learned.key, learned.time))
    said = (("prediction", "DOUBLE"), ("model_version", "VARCHAR"))
    time = there[learned.time.lower()][0]
    return replace(program, columns=(*(there[name] for name in named), *said), time=time)
