"""How well the published model tells parts of the rows that it has not learned from, such as each airport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.engine.quoting import identifier, qualified
from etl.errors import PublishError
from etl.models.trained import FOLDER, Learned
from etl.project import Project
from etl.stages import published
from etl.stages.trained import is_negative, judged

if TYPE_CHECKING:
    import duckdb

#: Columns of these types part the rows, if they have so many values at the most; a part has so many rows at least.
_TYPES, _VALUES, _ROWS = ("VARCHAR", "BOOLEAN"), 20, 30


def parts_of(project: Project, learned: Learned, personal: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return how well parts of the rows are told that the model has not learned from, the worst ones first.

    A part is the rows with one value of a column; the first one is all of them. Columns that are `personal` part
    nothing. Nothing is returned if no model is published yet.
    """
    try:
        file = published.find(project, published.CURRENT)
    except PublishError:
        return []
    model, said = (qualified(f"{FOLDER}.{learned.name}{ending}") for ending in ("", "_predictions"))
    rows, label, time = qualified(learned.features), identifier(learned.label), identifier(learned.time)
    by = ", ".join(identifier(name) for name in dict.fromkeys((*learned.key, learned.time)))
    unseen = (
        f"select rows.*, told.prediction as _told from {rows} as rows join {said} as told using ({by}) "
        f"join {model} as used on told.model_version = used.model_version "
        f"where rows.{label} is not null and rows.{time} >= used.trained_until"
    )
    with engine.reading(project, file) as con:
        if not _is_there(con, (f"{FOLDER}.{learned.name}", f"{FOLDER}.{learned.name}_predictions")):
            return []
        con.execute(f"create temp table unseen as {unseen}")
        return [*_judged(con, learned, "", "'all'"), *_parts(con, learned, personal)]


def _is_there(con: duckdb.DuckDBPyConnection, tables: tuple[str, ...]) -> bool:
    query = "select schema_name || '.' || table_name from duckdb_tables()"
    return set(tables) <= {name for (name,) in con.execute(query).fetchall()}


def _parts(con: duckdb.DuckDBPyConnection, learned: Learned, personal: frozenset[str]) -> Iterator[dict[str, Any]]:
    own = {name.lower() for name in (learned.label, learned.time, *personal, "_told")}
    for name, type, *_ in con.execute("describe unseen").fetchall():
        column = identifier(name)
        if type not in _TYPES or name.lower() in own:
            continue
        (many,) = con.execute(f"select count(distinct {column}) from unseen").fetchone() or (0,)
        if 1 < many <= _VALUES:
            found = list(_judged(con, learned, name, f"coalesce(cast({column} as varchar), '(null)')"))
            sign = -1 if is_negative(learned.gate) else 1
            yield from sorted(found, key=lambda one: -sign * one["score"])


def _judged(con: duckdb.DuckDBPyConnection, learned: Learned, column: str, part: str) -> Iterator[dict[str, Any]]:
    label = f"cast({identifier(learned.label)} as double)"
    query = f"select {part} as part, {label} as truth, cast(_told as double) as told from unseen order by part"
    found = con.execute(query).fetchnumpy()
    for value in sorted(set(found["part"].tolist())):
        rows = found["part"] == value
        truth, told = found["truth"][rows], found["told"][rows]
        if len(truth) >= _ROWS:
            score = judged(learned.gate, truth, told)
            yield {
                **{"column": column, "value": value, "rows": len(truth)},
                "score": -score if is_negative(learned.gate) else score,
                **{"mean": float(truth.mean()), "mean_told": float(told.mean())},
            }
