"""diff: two published files, or candidates, compared table by table, row by row; neither is written to."""

from etl.diff.compare import Compared, Request, compare, write_rows
from etl.diff.rows import Example

__all__ = ["Compared", "Example", "Request", "compare", "write_rows"]
