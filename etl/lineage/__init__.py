"""Column lineage: what each column of a table is made of, down to the raw files, and what it ends up in."""

from etl.lineage.graph import Column, Lineage, Made, read_lineage
from etl.lineage.tree import downstream, shown, upstream

__all__ = ["Column", "Lineage", "Made", "downstream", "read_lineage", "shown", "upstream"]
