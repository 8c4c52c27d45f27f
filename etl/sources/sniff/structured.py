"""A proposal from what is no delimited text: JSON and Parquet in full, of the others which class reads them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from etl.errors import ConfigError, counted
from etl.sources.sniff.columns import ANNOTATIONS, Column, column, describe
from etl.sources.sniff.notation import Notation, cells_of
from etl.sources.sniff.records import Quoted
from etl.sources.sniff.render import Proposal, render
from etl.sources.sniff.sample import SAMPLE_RECORDS, Kind, Sample, decode

_CLASSES = {Kind.EXCEL: "Excel", Kind.XML: "Xml"}


def propose_structured(sample: Sample) -> str:
    """Return the contract file for JSON or Parquet, and for other kinds a comment that says what to declare."""
    if sample.kind == Kind.PARQUET:
        return _parquet(sample)
    if sample.kind in (Kind.JSON_LINES, Kind.JSON):
        return _json(sample)
    name = _CLASSES[sample.kind]
    return (
        f"# {sample.path.name!r} is {sample.kind.value}: declare it with format={name}(...), from etl.\n"
        "# Its contract is not proposed. Write it by hand, or save the records as CSV and sniff that.\n"
    )


def _json(sample: Sample) -> str:
    objects = [item for item in _objects(sample) if isinstance(item, dict)]
    keys = list(dict.fromkeys(str(key) for item in objects for key in item))
    if not keys:
        raise ConfigError(
            f"{sample.path} is {sample.kind.value} but holds no objects with keys. Have records delivered as "
            "objects, one a line or in one array."
        )
    nested = [key for key in keys if any(isinstance(item.get(key), dict | list) for item in objects)]
    found = [
        column(key, cells_of(_text(item.get(key)) for item in objects), Notation(), is_first=index == 0)
        for index, key in enumerate(keys)
        if key not in nested
    ]
    name = "JsonLines" if sample.kind == Kind.JSON_LINES else "Json"
    notes = _nested(nested, name)
    if not found:
        raise ConfigError(f"{sample.path} holds nested values only. {' '.join(notes)}")
    is_whole = sample.is_whole and len(objects) < SAMPLE_RECORDS
    return render(
        Proposal(
            path=sample.path,
            columns=found,
            format=f"{name}()",
            records=len(objects),
            is_whole=is_whole,
            notes=notes,
        )
    )


def _objects(sample: Sample) -> Iterator[Any]:
    text = decode(sample).text
    if sample.kind == Kind.JSON_LINES:
        lines = (line for line in text.split("\n") if line.strip())
        return islice(_parsed_lines(lines), SAMPLE_RECORDS)
    return islice(_parsed_document(sample, text), SAMPLE_RECORDS)


def _parsed_lines(lines: Iterable[str]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # for quarantine: one bad line says nothing of the others


def _parsed_document(sample: Sample, text: str) -> Iterator[Any]:
    """Yield the elements of an array, as far as the sample goes, or the only object."""
    decoder, start = json.JSONDecoder(), len(text) - len(text.lstrip())
    is_array = text[start : start + 1] == "["
    position = start + is_array
    while True:
        position += len(text[position:][:1000]) - len(text[position:][:1000].lstrip(" \t\r\n,"))
        if position >= len(text) or text[position] == "]":
            return
        try:
            item, position = decoder.raw_decode(text, position)
        except ValueError as error:
            if not sample.is_whole:
                return  # the element is cut
            raise ConfigError(f"{sample.path} is not JSON: {error}. Have it delivered again.") from error
        yield item
        if not is_array:
            return


def _text(value: Any) -> str:
    """Return a JSON value as extraction reads it: text, in which nothing but null is null."""
    if value is None:
        return ""
    return Quoted(value if isinstance(value, str) else json.dumps(value))


def _nested(names: list[str], format: str) -> list[str]:
    if not names:
        return []
    shown = ", ".join(repr(name) for name in names[:10])
    return [f"{counted(len(names), 'nested value')} left out ({shown}): {format} reads them by path."]


def _parquet(sample: Sample) -> str:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(sample.path)
        batches = list(islice(file.iter_batches(batch_size=SAMPLE_RECORDS), 1))
    except (pyarrow.ArrowException, OSError) as error:
        raise ConfigError(f"{sample.path} is not sound Parquet: {error}. Have it delivered again.") from error
    rows = batches[0] if batches else pyarrow.RecordBatch.from_pylist([], file.schema_arrow)
    found, nested = [], []
    for index, field in enumerate(file.schema_arrow):
        if kind := _arrow_type(field.type):
            found.append(_parquet_column(field.name, kind, rows.column(index).to_pylist(), index == 0))
        else:
            nested.append(field.name)
    if not found:
        raise ConfigError(f"{sample.path} has no column of a plain type. Write its contract by hand.")
    is_whole = file.metadata.num_rows <= rows.num_rows
    notes = _nested(nested, "Parquet")
    return render(
        Proposal(
            path=sample.path,
            columns=found,
            format="Parquet()",
            records=rows.num_rows,
            is_whole=is_whole,
            notes=notes,
        )
    )


def _parquet_column(name: str, kind: tuple[str, tuple[str, str]], cells: list[Any], is_first: bool) -> Column:
    type, annotations = kind
    # NaN is a null to a contract
    values = Counter(cell for cell in cells if cell is not None and cell == cell)
    return describe(name, type, annotations, values, len(cells) - values.total(), is_first)


def _arrow_type(type: Any) -> tuple[str, tuple[str, str]] | None:
    """Return the type and its annotations; None for a nested one, and others that a contract cannot have."""
    from pyarrow import types

    if types.is_decimal(type):
        annotation = f"Annotated[pd.ArrowDtype, pyarrow.decimal128({type.precision}, {type.scale})]"
        return "decimal", (annotation, annotation)
    if types.is_timestamp(type):
        name = "zoned" if type.tz else "timestamp"
        return name, ANNOTATIONS[name]
    if types.is_uint64(type):
        return "int", ("Annotated[pd.ArrowDtype, pyarrow.uint64()]",) * 2
    if types.is_dictionary(type):
        return _arrow_type(type.value_type)
    tests = {"bool": types.is_boolean, "int": types.is_integer, "float": types.is_floating, "date": types.is_date}
    tests["str"] = lambda type: types.is_string(type) or types.is_large_string(type) or types.is_string_view(type)
    return next(((name, ANNOTATIONS[name]) for name, fits in tests.items() if fits(type)), None)
