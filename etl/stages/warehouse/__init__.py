"""warehouse: partitions into raw.*, models on top of them, all in build.duckdb, in transactions.

build.duckdb itself says what it holds (etl._loaded, etl._builds, etl._partitions), in the same transaction as the
data; a step compares that with what is wanted and does the difference. So a killed step, an old copy and a missing
file are all mended by running again.
"""

from etl.engine.row_hashes import columns_print, row_hashes
from etl.stages.warehouse.build import (
    LAYOUT,
    STEPS,
    close_build,
    contents,
    define_own,
    describe,
    keep_build_open,
    open_build,
    remove_obsolete,
    set_comments,
    transaction,
)
from etl.stages.warehouse.by_day import copy_by_day, on_days
from etl.stages.warehouse.command_files import forget_commands
from etl.stages.warehouse.compact import compact, is_worth_compacting
from etl.stages.warehouse.content import HASHED, read_hashes
from etl.stages.warehouse.load import load
from etl.stages.warehouse.look import look
from etl.stages.warehouse.macros import define_macros, drop_other_macros
from etl.stages.warehouse.part_files import tidy_parts
from etl.stages.warehouse.parts import Held, columns_of, held_parts
from etl.stages.warehouse.raw_tables import Partition, Partitions, Table
from etl.stages.warehouse.scrubbing import is_published_outdated, note_published, note_removed, scrub
from etl.stages.warehouse.transform import build_models, transform
from etl.stages.warehouse.views import (
    FILE_VIEWS,
    all_views,
    count_rows,
    file_views,
    is_view,
    kept_rows,
    leave_out_views,
    raw_views,
    reads_kept,
    rows_of_days,
)
from etl.stages.warehouse.work import Build, Built, Day, Part, State, Work, date_inputs, work

__all__ = [
    "FILE_VIEWS",
    "HASHED",
    "LAYOUT",
    "STEPS",
    "Build",
    "Built",
    "Day",
    "Held",
    "Part",
    "Partition",
    "Partitions",
    "State",
    "Table",
    "Work",
    "all_views",
    "build_models",
    "close_build",
    "columns_of",
    "columns_print",
    "compact",
    "contents",
    "copy_by_day",
    "count_rows",
    "date_inputs",
    "define_macros",
    "define_own",
    "describe",
    "drop_other_macros",
    "file_views",
    "forget_commands",
    "held_parts",
    "is_published_outdated",
    "is_view",
    "is_worth_compacting",
    "keep_build_open",
    "kept_rows",
    "leave_out_views",
    "load",
    "look",
    "note_published",
    "note_removed",
    "on_days",
    "open_build",
    "raw_views",
    "read_hashes",
    "reads_kept",
    "remove_obsolete",
    "row_hashes",
    "rows_of_days",
    "scrub",
    "set_comments",
    "tidy_parts",
    "transaction",
    "transform",
    "work",
]
