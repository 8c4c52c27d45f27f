"""Drafts from what is not delimited text, by the kind of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import Kind, Sample

_MODULES = {
    Kind.EXCEL: "sheets",
    Kind.JSON: "documents",
    Kind.JSON_LINES: "documents",
    Kind.PARQUET: "columnar",
    Kind.XML: "markup",
}


def structured_drafts(sample: Sample) -> Iterator[Draft]:
    """Yield the drafts of a sample that is not delimited text."""
    make: Callable[[Sample], Iterator[Draft]] = import_module(f"etl.sources.sniff.{_MODULES[sample.kind]}").drafts
    yield from make(sample)
