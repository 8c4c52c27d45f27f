"""What is said of the tables and columns of the schema etl, which are about the data and not the data."""

from __future__ import annotations

from collections.abc import Mapping

_RUN = "The run that wrote the row, as in etl.runs."

#: The description of each table of the schema etl that is for readers, under an empty name, and of its columns.
OWN: Mapping[str, Mapping[str, str]] = {
    "etl.runs": {
        "": "One row per run of the night, the newest being the one that published this file.",
        "run_id": "The name of the run; it begins with the time in UTC at which it began.",
        "started_at": "When the run began.",
        "finished_at": "When the run ended; null if it could not say so.",
        "outcome": "How the run ended: published, unchanged, partial, failed, missing data or killed.",
        "batch_date": "The last date that the run took deliveries of.",
        "git_commit": "The commit that the project's code was at.",
    },
    "etl.partitions": {
        "": "One row per partition that is loaded: a delivery of a source, with what became of its records.",
        "source": "The source.",
        "date": "The date of the delivery, or of the snapshot.",
        "file": "The delivered file, below raw/.",
        "sha256": "The hash of the file's bytes; keyed, or empty, if the source has personal data.",
        "records": "How many records the file has.",
        "rows": "How many of the records were taken.",
        "rejected": "How many of the records are in quarantine.",
        "discarded": "How many of the rejected records a person has given up.",
        "lines": "How many lines the file has: records and skipped ones.",
        "skipped": "How many lines are not records: headers, footers, blank lines and comments.",
        "loaded_at": "When the partition was loaded.",
        "run_id": _RUN,
    },
    "etl.models": {
        "": "One row per model: the tables and views that the project's SQL makes.",
        "name": "The table or view, as schema.table.",
        "materialized": "How it is built: view, table, incremental, merge, scd2 or python.",
        "fingerprint": "What stands for its code and inputs: the same text is the same table.",
        "rows": "How many rows it has; null for a view.",
        "seconds": "How long the last build took.",
        "built_at": "When it was built last.",
        "run_id": _RUN,
    },
    "etl.checks": {
        "": "One row per contract rule, audit or law, with its last result.",
        "name": "The check.",
        "table_name": "The table that it is about.",
        "severity": "What failing does: error stops the publishing, warn is said only.",
        "passed": "Whether no row offends it.",
        "failing": "How many rows offend it.",
        "examples": "A few of the offending rows; personal data is ***.",
        "run_id": "The run that checked it last.",
    },
    "etl.rejects": {
        "": "One row per rejected record, which is kept whole in quarantine.",
        "source": "The source.",
        "date": "The date of the delivery.",
        "file": "The delivered file, below raw/.",
        "line": "The line of the file at which the record begins.",
        "rule": "The rule of the contract for which the record is not taken.",
        "fault": "The rule that the record itself breaks, if its whole partition is refused.",
        "column_name": "The column that breaks the rule, if it is one.",
        "message": "What is wrong, in words.",
        "text": "The record as it was delivered; personal data is masked.",
        "raw": "The bytes of the record where they are not text.",
        "discarded": "Why a person has given the record up; null if nobody has.",
        "run_id": "The run that took the delivery.",
    },
    "etl.row_counts": {
        "": "One row per table and batch date whose rows an audit compares with earlier ones.",
        "table_name": "The table.",
        "batch_date": "The batch date.",
        "run_id": "The run that counted.",
        "rows": "How many rows the table had.",
        "fingerprint": "What stands for the code and inputs that the table was made from.",
    },
}
