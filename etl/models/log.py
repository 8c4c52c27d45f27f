"""What models may read of the log that build.duckdb keeps: what was loaded, and the rows of earlier nights."""

from __future__ import annotations

from etl.contract.audit import COUNT_COLUMNS, ROW_COUNTS
from etl.models.model import Given

PARTITIONS = "etl.partitions"
#: The columns that tell when a partition was loaded, and by which run; they are no reason to build anything.
CLOCKS = ("loaded_at", "run_id")
_TEXTS = ("source", "file", "sha256", "run_id")
_COLUMNS = "source date file sha256 records rows rejected discarded lines skipped loaded_at run_id"
_TYPES = {"date": "DATE", "loaded_at": "TIMESTAMP WITH TIME ZONE", **dict.fromkeys(_TEXTS, "VARCHAR")}

#: The tables of the log, as models read them.
LOG = (
    Given(PARTITIONS, tuple((name, _TYPES.get(name, "BIGINT")) for name in _COLUMNS.split()), added=CLOCKS),
    Given(ROW_COUNTS, COUNT_COLUMNS, added=("run_id",)),
)
LOG_NAMES = frozenset(table.name for table in LOG)
