"""What does not fit in memory: how DuckDB says so, and what to do about it."""

from __future__ import annotations

from etl.errors import is_full_disk

#: What a message says about a statement that needs more memory than it may have.
OUT_OF_MEMORY = "Out of Memory Error"
#: What to do about it, before the command to type.
MORE_MEMORY = (
    "DuckDB moves sorts, joins, windows and groups to the disk, but not what list(), string_agg(), median() or "
    "quantile_cont() collects of one group. Let it collect less, such as by smaller groups, or set a higher "
    "memory_limit in luigi.cfg."
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of DuckDB says that a statement needs more than its memory_limit; no full disk."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return "OutOfMemoryException" in kinds and not is_full_disk(error)
