"""lake: records that keep the contract go to Parquet by date, all others to quarantine; none is lost.

What only asks where partitions lie imports nothing of what makes them.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.stages.lake.accepted import ACCEPTED, ALIKE, FEW_ROWS_RATIO, forget_refused
    from etl.stages.lake.adoption import adopt
    from etl.stages.lake.extraction import extract
    from etl.stages.lake.layout import delete_partition, partition_file, partition_folders
    from etl.stages.lake.place import definition

__all__ = [
    "ACCEPTED",
    "ALIKE",
    "FEW_ROWS_RATIO",
    "adopt",
    "definition",
    "delete_partition",
    "extract",
    "forget_refused",
    "partition_file",
    "partition_folders",
]

_MODULES = {
    **dict.fromkeys(("ACCEPTED", "ALIKE", "FEW_ROWS_RATIO", "forget_refused"), "accepted"),
    **dict.fromkeys(("delete_partition", "partition_file", "partition_folders"), "layout"),
    **{"adopt": "adoption", "extract": "extraction", "definition": "place"},
}

__getattr__ = lazily(__name__, _MODULES)
