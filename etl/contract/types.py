"""The DuckDB type of a pandera data type, read from its numpy, pandas or pyarrow type object."""

from typing import Any

INTEGERS = {
    **{"i1": "TINYINT", "i2": "SMALLINT", "i4": "INTEGER", "i8": "BIGINT"},
    **{"u1": "UTINYINT", "u2": "USMALLINT", "u4": "UINTEGER", "u8": "UBIGINT"},
}
_NUMPY = {**INTEGERS, "f4": "FLOAT", "f8": "DOUBLE", "b1": "BOOLEAN", "M8": "TIMESTAMP", "m8": "INTERVAL"}


def duckdb_type(dtype: Any) -> str:
    """The type's name as DuckDB's `describe` spells it; ValueError when there is none."""
    import pandas as pd
    from pandera import dtypes

    if dtype is None:
        raise ValueError("it has no type; give it one")
    native = getattr(dtype, "type", None)
    if isinstance(native, pd.ArrowDtype):
        return _arrow_type(native.pyarrow_dtype)
    if isinstance(dtype, dtypes.Decimal):
        return _decimal(dtype.precision, dtype.scale)
    if isinstance(native, pd.CategoricalDtype):
        return _category(native)
    if isinstance(dtype, dtypes.String):
        return "VARCHAR"
    if isinstance(dtype, dtypes.Date):
        return _date_or_timestamp(dtype)
    return _numpy_type(getattr(native, "numpy_dtype", native), dtype)


def _numpy_type(native: Any, dtype: Any) -> str:
    code = f"{getattr(native, 'kind', '?')}{getattr(native, 'itemsize', '')}"
    if code not in _NUMPY:
        raise ValueError(f"type {dtype} has no DuckDB type here; use one that has")
    return _NUMPY[code]


def _date_or_timestamp(dtype: Any) -> str:
    from pandera import dtypes

    if getattr(dtype, "time_zone_agnostic", False):
        raise ValueError("time_zone_agnostic leaves the type open; name the time zone")
    if not isinstance(dtype, dtypes.Timestamp):
        return "DATE"
    return "TIMESTAMP WITH TIME ZONE" if getattr(dtype.type, "tz", None) else "TIMESTAMP"


def _category(native: Any) -> str:
    if native.categories is not None:
        raise ValueError("a category with fixed categories is not a type in DuckDB; use str with isin=[...]")
    return "VARCHAR"


def _arrow_type(native: Any) -> str:
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_decimal(native):
        return _decimal(native.precision, native.scale)
    if kinds.is_timestamp(native):
        return "TIMESTAMP WITH TIME ZONE" if native.tz else "TIMESTAMP"
    names = {
        "DATE": kinds.is_date(native),
        "TIME": kinds.is_time(native),
        "INTERVAL": kinds.is_duration(native),
        "VARCHAR": kinds.is_string(native) or kinds.is_large_string(native),
        "BLOB": kinds.is_binary(native) or kinds.is_large_binary(native),
    }
    for name, fits in names.items():
        if fits:
            return name
    if kinds.is_boolean(native) or kinds.is_integer(native) or kinds.is_floating(native):
        import numpy as np

        return _numpy_type(np.dtype(native.to_pandas_dtype()), native)
    raise ValueError(f"type {native} has no DuckDB type here; use one that has")


def _decimal(precision: int, scale: int) -> str:
    if not 0 <= scale <= precision <= 38:
        raise ValueError(f"DECIMAL({precision},{scale}) is not in DuckDB: 0 <= scale <= precision <= 38")
    return f"DECIMAL({precision},{scale})"
