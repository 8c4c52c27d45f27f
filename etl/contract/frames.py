"""Arrow to pandas, as pandera would have it: a column in the very type that its contract names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def frame(table: pa.Table, dtypes: Mapping[str, Any]) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame of pandera's `dtypes`, by the table's columns in order."""
    import pandas as pd

    columns = zip(dtypes.items(), table.itercolumns(), strict=True)
    return pd.DataFrame({name: series(values, dtype) for (name, dtype), values in columns})


def series(values: pa.ChunkedArray, dtype: Any) -> pd.Series[Any]:
    """Return an Arrow column as a Series of pandera's `dtype`; nulls as that type has them."""
    import pandas as pd
    from pandera import dtypes

    native = dtype.type
    if isinstance(native, pd.ArrowDtype):
        return pd.Series(pd.arrays.ArrowExtensionArray(_cast(values, native.pyarrow_dtype)))
    if isinstance(native, pd.CategoricalDtype):
        return pd.Series(_members(values.to_pylist(), native), dtype=native)
    if isinstance(dtype, dtypes.Decimal) or (
        isinstance(dtype, dtypes.Date) and not isinstance(dtype, dtypes.Timestamp)
    ):
        return pd.Series(values.to_pylist(), dtype=object)
    if getattr(native, "kind", "") == "m":
        return pd.Series([_span(value) for value in values.to_pylist()], dtype=native)
    if getattr(native, "kind", "") == "M":
        return _moments(values, native)
    if hasattr(native, "__from_arrow__"):
        return pd.Series(native.__from_arrow__(_plain(values)))
    if isinstance(dtype, dtypes.String):
        return pd.Series(values.to_pylist(), dtype=native)
    return pd.Series(values.to_numpy(), dtype=native)


def holds_null(dtype: Any) -> bool:
    """Return whether a column of that type can have a null: numpy's integers and booleans cannot."""
    import numpy as np

    return not (isinstance(dtype.type, np.dtype) and dtype.type.kind in "iub")


def has_missing(dtype: Any) -> bool:
    """Return whether a comparison with a null is unknown, as in SQL; in numpy's types it is false."""
    import pandas as pd

    native = dtype.type
    if isinstance(native, pd.StringDtype):
        return native.na_value is pd.NA
    return isinstance(native, pd.api.extensions.ExtensionDtype) and hasattr(native, "numpy_dtype")


def _cast(values: pa.ChunkedArray, type: Any) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_duration(type):
        return pa.chunked_array([pa.array([_span(value) for value in values.to_pylist()], type)])
    return values.cast(type)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps in UTC, a zone that every machine knows."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type) and values.type.tz:
        return values.cast(pa.timestamp("us", "UTC"))
    return values


def _moments(values: pa.ChunkedArray, native: Any) -> pd.Series[Any]:
    import pandas as pd

    moments = _plain(values).to_pandas()
    if getattr(native, "tz", None):
        moments = moments.dt.tz_convert(native.tz)
    try:
        return pd.Series(moments.astype(native))
    except pd.errors.OutOfBoundsDatetime:  # nanoseconds end in 2262
        return pd.Series(moments)


def _members(values: Sequence[Any], native: Any) -> Sequence[Any]:
    """Values as the members of an enum, where the categories are such."""
    import enum

    found = [] if native.categories is None else native.categories.tolist()
    members = {category.value: category for category in found if isinstance(category, enum.Enum)}
    return [members.get(value, value) for value in values]


def _span(value: Any) -> dt.timedelta | None:
    """DuckDB's interval, months, days and time, as a plain time span."""
    if value is None or isinstance(value, dt.timedelta):
        return value
    return dt.timedelta(days=value.months * 30 + value.days, microseconds=value.nanoseconds // 1000)
