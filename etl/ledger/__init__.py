"""The ledger: receipts, runs, checks and generations in one SQLite file. Deleting it costs time, never data."""

from etl.ledger.connection import VERSION
from etl.ledger.ledger import Ledger
from etl.ledger.rows import (
    FAILED,
    KEPT_ROWS,
    Approval,
    Check,
    Key,
    Offending,
    Receipt,
    RowCount,
    Run,
    Switch,
    digest,
    failed_note,
    fingerprint,
    fingerprint_of_texts,
    now,
    stamp,
    witness_of,
)

__all__ = [
    "FAILED",
    "KEPT_ROWS",
    "VERSION",
    "Approval",
    "Check",
    "Key",
    "Ledger",
    "Offending",
    "Receipt",
    "RowCount",
    "Run",
    "Switch",
    "digest",
    "failed_note",
    "fingerprint",
    "fingerprint_of_texts",
    "now",
    "stamp",
    "witness_of",
]
