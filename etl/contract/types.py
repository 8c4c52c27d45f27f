"""The DuckDB type of a pandera data type, read from its numpy, pandas or pyarrow type object."""

import enum
from collections.abc import Sequence
from typing import Any

from etl.engine.quoting import identifier

INTEGERS = {
    **{"i1": "TINYINT", "i2": "SMALLINT", "i4": "INTEGER", "i8": "BIGINT"},
    **{"u1": "UTINYINT", "u2": "USMALLINT", "u4": "UINTEGER", "u8": "UBIGINT"},
}
_NUMPY = {**INTEGERS, "f4": "FLOAT", "f8": "DOUBLE", "b1": "BOOLEAN", "M8": "TIMESTAMP", "m8": "INTERVAL"}
_CATEGORIES = ((bool, "BOOLEAN"), (int, "BIGINT"), (str, "VARCHAR"))


def duckdb_type(dtype: Any) -> str:
    """The type's name in DuckDB; ValueError when there is none."""
    import pandas as pd
    from pandera import dtypes

    if dtype is None:
        raise ValueError("it has no type. Give it one")
    native = getattr(dtype, "type", None)
    if isinstance(native, pd.ArrowDtype):
        return _arrow_type(native.pyarrow_dtype)
    if isinstance(dtype, dtypes.Decimal):
        return _decimal(dtype.precision, dtype.scale)
    if isinstance(native, pd.CategoricalDtype):
        return _category(categories(dtype))
    if isinstance(dtype, dtypes.String):
        return "VARCHAR"
    if isinstance(dtype, dtypes.Date):
        return _date_or_timestamp(dtype)
    return _numpy_type(getattr(native, "numpy_dtype", native), dtype)


def categories(dtype: Any) -> list[Any] | None:
    """The values that a category with fixed categories, or an enum, allows; None for all other types."""
    found = getattr(getattr(dtype, "type", None), "categories", None)
    if found is None:
        return None
    return [value.value if isinstance(value, enum.Enum) else value for value in found.tolist()]


def _category(values: Sequence[Any] | None) -> str:
    if values is None:
        return "VARCHAR"
    for kind, name in _CATEGORIES:
        if values and all(type(value) is kind or (kind is str and isinstance(value, str)) for value in values):
            return name
    raise ValueError(f"its categories {values!r} are not all text, or all whole numbers. Give them one type")


def _numpy_type(native: Any, dtype: Any) -> str:
    code = f"{getattr(native, 'kind', '?')}{getattr(native, 'itemsize', '')}"
    if code not in _NUMPY:
        raise ValueError(f"type {dtype} has no DuckDB type here. Use one that has")
    return _NUMPY[code]


def _date_or_timestamp(dtype: Any) -> str:
    from pandera import dtypes

    if not isinstance(dtype, dtypes.Timestamp):
        return "DATE"
    is_zoned = getattr(dtype, "time_zone_agnostic", False) or getattr(dtype.type, "tz", None)
    return "TIMESTAMP WITH TIME ZONE" if is_zoned else "TIMESTAMP"


def _arrow_type(native: Any) -> str:
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_nested(native):
        return _nested_type(native)
    if kinds.is_dictionary(native):
        return _arrow_type(native.value_type)
    if kinds.is_decimal(native):
        return _decimal(native.precision, native.scale)
    if getattr(native, "unit", "") == "ns":
        raise ValueError(
            f"type {native} has nine digits of a second, and DuckDB keeps six here. Declare it in 'us', which "
            "takes no more than those, or as text"
        )
    if kinds.is_timestamp(native):
        return "TIMESTAMP WITH TIME ZONE" if native.tz else "TIMESTAMP"
    names = {
        "DATE": kinds.is_date(native),
        "TIME": kinds.is_time(native),
        "INTERVAL": kinds.is_duration(native),
        "VARCHAR": kinds.is_string(native) or kinds.is_large_string(native) or kinds.is_string_view(native),
        "BLOB": kinds.is_binary(native) or kinds.is_large_binary(native),
    }
    for name, fits in names.items():
        if fits:
            return name
    if kinds.is_boolean(native) or kinds.is_integer(native) or kinds.is_floating(native):
        import numpy as np

        return _numpy_type(np.dtype(native.to_pandas_dtype()), native)
    raise ValueError(f"type {native} has no DuckDB type here. Use one that has")


def _nested_type(native: Any) -> str:
    import pyarrow as pa

    if pa.types.is_list(native) or pa.types.is_large_list(native):
        return f"{_arrow_type(native.value_type)}[]"
    if pa.types.is_fixed_size_list(native):
        return f"{_arrow_type(native.value_type)}[{native.list_size}]"
    if pa.types.is_struct(native) and native.num_fields:
        fields = [native.field(number) for number in range(native.num_fields)]
        return "STRUCT(" + ", ".join(f"{identifier(f.name)} {_arrow_type(f.type)}" for f in fields) + ")"
    if pa.types.is_map(native):
        return f"MAP({_arrow_type(native.key_type)}, {_arrow_type(native.item_type)})"
    raise ValueError(f"type {native} has no DuckDB type here. Use a list, a struct with fields, or a map")


def _decimal(precision: int, scale: int) -> str:
    if not 0 <= scale <= precision <= 38:
        raise ValueError(f"DuckDB has no DECIMAL({precision},{scale}): it needs 0 <= scale <= precision <= 38")
    return f"DECIMAL({precision},{scale})"
