"""diff: two published files, or candidates, compared table by table, row by row; neither is written to."""

from etl.operations.diff.asked import count_changes, note_counts, request_of
from etl.operations.diff.compare import Compared, Request, compare, write_rows
from etl.operations.diff.rows import Example

__all__ = [
    "Compared",
    "Example",
    "Request",
    "compare",
    "count_changes",
    "note_counts",
    "request_of",
    "write_rows",
]
