"""What a model is built from: the stored tables under its SELECT, and whether it needs them by date or whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from etl.engine.parquet_types import refused
from etl.engine.quoting import qualified
from etl.errors import ModelError, unknown
from etl.models.asked import ABSENT
from etl.models.binding import Bound
from etl.models.independence import by_date
from etl.models.model import Model


def with_inputs(
    model: Model, lines: Mapping[str, int], bound: Bound, dated: Mapping[str, str], known: Mapping[str, Model]
) -> Model:
    """Return a stored model with its inputs; `dated` names the partition column of each table that has one.

    `known` are the models above it, `lines` the lines of its header, for the ModelError of a wrong `tolerates`.
    """
    tables = stored(model.reads, known)
    daily = _by_date(model, bound, dated) & tables
    snapshots = _snapshots(model, daily, dated, known) if model.header.deletes == ABSENT else set()
    picks = bound.distinct_on & {model.name, *_under(model.reads, known)}
    why = _why_full(model, dated, daily, tables, picks)
    daily = set() if why else daily
    whole = tables - daily - _tolerated(model, lines, known)
    return replace(
        model,
        by_date=tuple(sorted(daily)),
        whole=tuple(sorted(whole)),
        why_full=why,
        snapshots=tuple(sorted(snapshots)),
    )


def check_storage(model: Model, lines: Mapping[str, int]) -> None:
    """Raise ModelError for a model whose rows are to be in files, of a column that Parquet cannot hold.

    So too for one that has partitions, and is not built by them.
    """
    if not model.is_in_files:
        return
    place = f"{model.file}:{lines['storage']}: storage: {model.header.storage}"
    if model.kind.is_partitioned and not model.by_date:
        raise ModelError(
            f"{place} is for models that are built by partition, and {model.name} is built in full: "
            f"{model.why_full}. Change the SELECT, or remove the line."
        )
    for name, type in model.columns:
        if what := refused(type):
            raise ModelError(
                f"{place} cannot hold the column {name}: it is {type}, and Parquet has no {what}. Cast it, or "
                "remove the line."
            )


def with_added(model: Model, bound: Bound, known: Mapping[str, Model]) -> Model:
    """Return a model with those of its columns that etl added to a raw table below, told by their names."""
    raw = [bound.given[name] for name in _everything_under(model.reads, known) if name in bound.given]
    added = {name.lower() for table in raw for name in table.added}
    for table in raw:
        added -= {name.lower() for name, _ in table.columns} - {name.lower() for name in table.added}
    return replace(model, added=tuple(name for name, _ in model.columns if name.lower() in added))


def stored(reads: Iterable[str], known: Mapping[str, Model]) -> set[str]:
    """Return the stored tables of `reads`, through any number of views."""
    return {name for name in _under(reads, known) if not _is_view(name, known)}


def _under(reads: Iterable[str], known: Mapping[str, Model]) -> set[str]:
    """Return `reads`, and all that is under the views among them."""
    found = set(reads)
    for read in reads:
        found |= _under(known[read].reads, known) if _is_view(read, known) else set()
    return found


def _snapshots(model: Model, daily: set[str], dated: Mapping[str, str], known: Mapping[str, Model]) -> set[str]:
    """Return the dated tables at the bottom whose partitions are a model's, through any number of models."""
    partition = model.header.partition

    def bottom(names: Iterable[str], column: str) -> Iterator[str]:
        for name in names:
            if name not in known:
                yield from [name] if dated.get(name, "").lower() == column.lower() else []
            elif name in dated:
                yield from bottom(known[name].by_date or stored(known[name].reads, known), dated[name])
            else:
                yield from bottom(stored(known[name].reads, known), column)

    # a filter on the partition that reaches a table shows that its dates are the model's, whatever their name
    return {found for name in daily for found in bottom([name], dated[name])} or {
        *bottom(stored(model.reads, known), partition)
    }


def _everything_under(reads: Iterable[str], known: Mapping[str, Model]) -> set[str]:
    """Return `reads`, and all that they are made of."""
    found, left = set[str](), [*reads]
    while left:
        if (read := left.pop()) not in found:
            found.add(read)
            left += known[read].reads if read in known else ()
    return found


def _is_view(name: str, known: Mapping[str, Model]) -> bool:
    return name in known and not known[name].kind.is_stored


def _by_date(model: Model, bound: Bound, dated: Mapping[str, str]) -> set[str]:
    partition = model.header.partition
    if not partition:
        return set()
    if not model.header.lookback:
        return by_date(bound.con, model.sql, partition, dated)
    # the author's word: of what has the partition's column, so many days are looked at
    looked_at: set[str] = set()
    for read in model.reads:
        if (partition.lower(), "DATE") in ((name.lower(), type) for name, type in bound.columns(read)):
            looked_at |= by_date(bound.con, f"from {qualified(read)}", partition, dated)
    return looked_at


def _why_full(model: Model, dated: Mapping[str, str], daily: set[str], tables: set[str], picks: set[str]) -> str:
    """Return why a model with a partition column is built as a whole all the same, or an empty text."""
    partition = model.header.partition
    if not partition:
        return ""
    if picks:
        instead = f"qualify row_number() over (partition by {partition}, ...)"
        return f"`distinct on` in {', '.join(sorted(picks))} may choose between dates. Write {instead}"
    if daily:
        return ""
    needed = ", ".join(sorted(tables & dated.keys()))
    return f"a {partition} may need other dates of {needed}" if needed else "it reads no dated table"


def _tolerated(model: Model, lines: Mapping[str, int], known: Mapping[str, Model]) -> set[str]:
    """Return the stored tables that are read through tolerated ones only."""
    tolerated = set()
    for name in model.header.tolerates:
        match = [read for read in model.reads if name.lower() in (read, read.split(".")[1])]
        if len(match) != 1:
            said = f"{model.file}:{lines['tolerates']}: tolerates: the SELECT reads no table {name}"
            tables = [read.split(".")[1] for read in model.reads]
            raise ModelError(unknown(said, name, tables, f"It reads {', '.join(model.reads)}"))
        tolerated.add(match[0])
    return stored(tolerated, known) - stored(set(model.reads) - tolerated, known)
