"""Rows that a fetch brings more than once, held against the models that read them, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from etl.errors import ContractError, ModelError, few
from etl.models import Model, Models
from etl.sources import Catalog, Source


def check_overlaps(catalog: Catalog, models: Models) -> None:
    """Raise ModelError for a model that would hold rows twice: those that a later fetch brings again.

    Only a `merge` or an `scd2` holds each once; between it and the source there may be views that others read.
    """
    repeating = [(source, why) for source in catalog.sources.values() if (why := _why(source))]
    for source, why in repeating:
        _check_uniques(source, why)
    found = [text for source, why in repeating for text in _doubling(source.table, why, models)]
    if found:
        raise ModelError("\n".join(dict.fromkeys(found)))


def _why(source: Source) -> str:
    """Return why a source brings a row several times; empty if it does not."""
    if source.fetch and source.fetch.repeats_rows:
        return f"a fetch of {source.name} brings the rows near its cursor again"
    if any(getattr(variant.format, "tells_changes", False) for variant in source.variants):
        return f"{source.name} tells each change of it, deletes too"
    return ""


def _check_uniques(source: Source, why: str) -> None:
    """Raise ContractError if the records of a source are to be unique: two fetches of a day are one delivery."""
    found = [unique for unique in source.contract.uniques if unique.severity == "error"]
    if found:
        raise ContractError(
            f"{source.name}: its contract says that {', '.join(found[0].columns)} is unique, "
            f"and {why}: that would be rejected. Take it out: the merge model is unique."
        )


def _doubling(table: str, why: str, models: Models) -> Iterator[str]:
    for model in (model for model in models.models.values() if table in model.reads):
        if model.kind.holds_once:
            continue
        if not model.kind.is_stored and _readers(model, models):
            yield from _doubling(model.name, why, models)
            continue
        yield (
            f"{model.file}: it reads {table}, which can hold a row several times: {why}. Let it "
            "be `-- materialized: merge` with `-- key:` and `-- order:`, "
            f"or read one that is{_instead(table, models)}."
        )


def _readers(model: Model, models: Models) -> list[str]:
    return [other.name for other in models.models.values() if model.name in other.reads]


def _instead(table: str, models: Models) -> str:
    merged = [m.name for m in models.models.values() if table in m.reads and m.kind.holds_once]
    return f", here {few(merged)}" if merged else ""
