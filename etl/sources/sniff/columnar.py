"""A draft from Parquet: its schema says the types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from etl.errors import ConfigError
from etl.sources.sniff.columns import ANNOTATIONS, Column, describe
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample


def drafts(sample: Sample) -> Iterator[Draft]:
    """Yield the draft of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(sample.path) as file:
            batches = list(islice(file.iter_batches(batch_size=SAMPLE_RECORDS), 1))
            schema, rows_in_all = file.schema_arrow, file.metadata.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise ConfigError(f"{sample.path} is not sound Parquet: {error}. Have it delivered again.") from error
    rows = batches[0] if batches else pyarrow.RecordBatch.from_pylist([], schema)
    columns = [
        _column(field.name, field.type, rows.column(index).to_pylist(), index == 0)
        for index, field in enumerate(schema)
    ]
    binary = [field.name for field in schema if _is_binary(field.type)]
    yield Draft(
        path=sample.path,
        columns=tuple(columns),
        format="Parquet",
        options={"binary": binary} if binary else {},
        records=rows.num_rows,
        is_whole=rows_in_all <= rows.num_rows,
    )


def _column(name: str, type: Any, cells: list[Any], is_first: bool) -> Column:
    kind = _known(type)
    if kind is None:
        is_null = any(cell is None for cell in cells) or not cells
        return Column(
            name=name, annotations=ANNOTATIONS["str"], is_nullable=is_null, comments=(f"{type}, as text",)
        )
    # NaN is a null to a contract
    values = Counter(cell for cell in cells if cell is not None and cell == cell)
    return describe(name, kind[0], kind[1], values, len(cells) - values.total(), is_first)


def _known(type: Any) -> tuple[str, tuple[str, str]] | None:
    """Return the type and its annotations; None for a nested one, and others that are read as text."""
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
        return _known(type.value_type)
    tests = {"bool": types.is_boolean, "int": types.is_integer, "float": types.is_floating, "date": types.is_date}
    tests["str"] = lambda type: types.is_string(type) or types.is_large_string(type) or types.is_string_view(type)
    return next(((name, ANNOTATIONS[name]) for name, fits in tests.items() if fits(type)), None)


def _is_binary(type: Any) -> bool:
    from pyarrow import types

    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(test(type) for test in tests)
