"""lake: records that keep the contract go to Parquet by date, all others to quarantine; none is lost."""

from etl.stages.lake.accepted import ACCEPTED, FEW_ROWS_RATIO, forget_refused
from etl.stages.lake.adopt import adopt
from etl.stages.lake.extraction import extract
from etl.stages.lake.layout import delete_partition, partition_file, partition_folders
from etl.stages.lake.place import definition

__all__ = [
    "ACCEPTED",
    "FEW_ROWS_RATIO",
    "adopt",
    "definition",
    "delete_partition",
    "extract",
    "forget_refused",
    "partition_file",
    "partition_folders",
]
