"""A snapshot that was taken when a column had another type: every value is kept, or nothing is loaded."""

from typing import Any

import duckdb
import pytest

from etl.stages.warehouse.snapshots import _cast


@pytest.mark.parametrize(
    ("held", "wanted", "sound", "bent"),
    [
        ("DOUBLE", "BIGINT", "3.0", "3.5"),
        ("DECIMAL(9,3)", "DECIMAL(9,2)", "1.250", "1.255"),
        ("BIGINT", "DOUBLE", "9007199254740992", "9007199254740993"),
        ("BIGINT", "TINYINT", "127", "128"),
        ("TIMESTAMP", "DATE", "2024-01-01 00:00:00", "2024-01-01 10:00:00"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "2024-03-31 01:59:00", "2024-03-31 02:30:00"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "2024-10-27 03:00:00", "2024-10-27 02:30:00"),
        ("VARCHAR", "BIGINT", "12", "1.5"),
        ("VARCHAR", "TIMESTAMP WITH TIME ZONE", "2024-10-27 03:00:00", "2024-10-27 02:30:00"),
    ],
)
def test_a_value_is_kept_or_refused(held: str, wanted: str, sound: str, bent: str) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'Europe/Berlin'")

        def cast(text: str | None) -> Any:
            return con.execute(
                f"select {_cast('x', held, wanted)} from (select cast(? as {held}) as x)", [text]
            ).fetchone()[0]

        assert cast(sound) is not None
        assert cast(None) is None
        with pytest.raises(duckdb.Error, match=f"column x: .* is not a {wanted.split('(')[0]}"):
            cast(bent)
