"""Proposes a source and its contract for a table of a database, from what its catalogue says."""

from __future__ import annotations

import re
from pathlib import Path

from etl.errors import ConfigError, EtlError
from etl.project import load_project
from etl.project.secret import use_environment
from etl.sources.fetches.database import Table, parts_of
from etl.sources.sniff.columns import ANNOTATIONS, Column, text_literal
from etl.sources.sniff.render import Draft, render
from etl.stages.fetched.kinds.database import opened
from etl.stages.fetched.kinds.database.catalogue import Held
from etl.stages.fetched.kinds.database.session import Limits

#: Names of columns with the moment of the last change, the likeliest first.
_CHANGED = re.compile(
    r"(updated?|modif(ied|y)|chang(ed|e)|last_(updated?|modified|changed?))(_?(at|on|ts|time|date))?"
)
_DECIMAL = re.compile(r"(?:numeric|decimal)\((\d+)(?:, ?(\d+))?\)", re.IGNORECASE)
_SECONDS = 30.0


def propose_table(variable: str, table: str) -> str:
    """Return a contract file for a table of the database whose address a variable holds, in Python.

    Raises ConfigError if there is no such table, and for what else the database says.
    """
    try:
        root = load_project().root
        use_environment(root)
    except ConfigError:
        root = Path()
    declared = Table(variable, table)
    try:
        session = opened(variable, root)
    except EtlError as error:
        raise ConfigError(str(error)) from error
    try:
        with session.asking(Limits(source="sniff", connect=_SECONDS, answer=_SECONDS)):
            held = session.held(parts_of(table))
    except EtlError as error:
        raise ConfigError(str(error)) from error
    finally:
        session.close()
    if not held:
        raise ConfigError(f"There is no {table} in {session.address.shown}; or its user may not see it.")
    return render(_draft(declared, held))


def _draft(table: Table, held: list[Held]) -> Draft:
    cursor = _cursor(held)
    key = [one.name for one in held if one.is_key]
    arguments = f"{text_literal(table.dsn)}, {text_literal(table.table)}"
    notes = [f"The key is {', '.join(key)}."] if key else ["The database names no key."]
    if cursor:
        arguments += f", cursor={text_literal(cursor)}"
        notes += [
            f"What is new is told by {cursor}: see that every change sets it. Rows come again, so that only a "
            "merge or scd2 model by the key may read them; and deleted rows are not seen."
        ]
    own = key[0] if len(key) == 1 and not cursor else ""
    return Draft(
        path=Path(parts_of(table.table)[-1].replace("/", "_")),
        columns=tuple(_column(one, is_unique=one.name == own) for one in held),
        format="Csv",
        records=0,
        is_whole=True,
        subject=table.table,
        fetch=f"Table({arguments})",
        unique=tuple(key) if len(key) > 1 and not cursor else (),
        notes=tuple(notes),
    )


def _cursor(held: list[Held]) -> str:
    """Return the column that tells of the last change; empty if none does."""
    moments = [one for one in held if one.family in ("timestamp", "zoned")]
    found = [one for one in moments if _CHANGED.fullmatch(one.name.lower())]
    return min(found, key=lambda one: one.nullable).name if found else ""


def _column(held: Held, *, is_unique: bool) -> Column:
    annotations, comments = _annotations(held)
    return Column(
        name=held.name,
        annotations=annotations,
        is_nullable=held.nullable and not held.is_key,
        is_unique=is_unique,
        comments=comments,
        description=" ".join(held.comment.split()),
    )


def _annotations(held: Held) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Return the annotations without nulls and with, and what a comment says of a type that has none."""
    if held.family == "int" and "unsigned" in held.type and held.type.startswith("bigint"):
        return ("Annotated[pd.ArrowDtype, pyarrow.uint64()]",) * 2, ()
    if held.family in ("bool", "int", "float", "date", "timestamp", "zoned"):
        return ANNOTATIONS[held.family], ()
    if held.family == "bytes":
        return ("Annotated[pd.ArrowDtype, pyarrow.binary()]",) * 2, ()
    if held.family == "time":
        return ('Annotated[pd.ArrowDtype, pyarrow.time64("us")]',) * 2, ()
    found = _DECIMAL.match(held.type)
    if held.family == "decimal" and found and int(found[1]) <= 38:
        return (f"Annotated[pd.ArrowDtype, pyarrow.decimal128({int(found[1])}, {int(found[2] or 0)})]",) * 2, ()
    return ANNOTATIONS["str"], () if held.family == "text" else (f"{held.type}, as text",)
