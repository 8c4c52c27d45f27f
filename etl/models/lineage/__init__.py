"""Column lineage: what each column of a table is made of, down to the raw files, and what it ends up in."""

from etl.models.lineage.columns import Expression, Made, Origin, Traced
from etl.models.lineage.data import as_data
from etl.models.lineage.graph import Lineage
from etl.models.lineage.read import read_lineage
from etl.models.lineage.tree import downstream, upstream

__all__ = [
    "Expression",
    "Lineage",
    "Made",
    "Origin",
    "Traced",
    "as_data",
    "downstream",
    "read_lineage",
    "upstream",
]
