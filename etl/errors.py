"""Every way a command or a step of `etl` can fail on purpose.

    EtlError
    ├── ConfigError        luigi.cfg, the command line or the project folder is wrong
    ├── ContractError      a contract or a source cannot be compiled
    ├── ModelError         a file under sql/ is not a model, an audit or a test of a model
    ├── QueryError         the query of `etl sql` is wrong
    ├── AlreadyRunning     another run holds the project
    ├── NoRoom             the disk cannot hold what the run would write
    ├── Crash              etl itself failed, in a way that nobody foresaw
    └── StepError          a step of the run failed; what was published stays
        ├── DeliveryError      a raw file was refused, or changed while it was read
        │   └── UnreadableError    a raw file has no records that its format can find
        ├── RecordsLost        records of a raw file are unaccounted for (law 1)
        ├── WithdrawnError     too many published partitions of a source vanished at once
        ├── TransformError     a model's SELECT failed in DuckDB
        ├── LedgerError        the ledger cannot be read or written
        ├── AuditError         an error-severity check found offending rows
        ├── NotReproduced      a generation cannot be built anew, or comes out otherwise
        ├── PromotionRefused   a generation may not be promoted to another environment
        ├── PublishError       a generation could not be written, found or switched to
        └── PublishHeld        the project is rolled back, and what was wrong has not changed

A message says what happened, where, why, and what to do next; it is the whole text a user sees.
"""

from __future__ import annotations

from collections.abc import Iterable

from etl.printable import printable


def few(texts: Iterable[object], limit: int = 5, separator: str = ", ") -> str:
    """Return texts as a message lists them, each printable: all, or the first ones and how many more there are."""
    listed = list(texts)
    more = f" and {len(listed) - limit:,} more" if len(listed) > limit else ""
    return separator.join(printable(str(text)) for text in listed[:limit]) + more


def counted(number: int, noun: str) -> str:
    """Return a number and its noun as a message says them: `1 record`, `1,204 records`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class EtlError(Exception):
    """The root: catch it to handle everything that `etl` reports without a traceback."""

    #: What the `etl` command exits with; Luigi's own runs use the same numbers.
    exit_code = 30


class ConfigError(EtlError):
    """Raised when the project cannot be found, or one of its settings is wrong."""

    exit_code = 35


class ContractError(EtlError):
    """Raised when a contract or a source cannot be loaded or compiled to SQL."""

    exit_code = 35


class ModelError(EtlError):
    """Raised when a file under sql/ is not exactly one SELECT (or a test), or what it names is not there."""

    exit_code = 35


class QueryError(EtlError):
    """Raised when DuckDB does not understand the query that a command was given."""

    exit_code = 2


class AlreadyRunning(EtlError):
    """Raised when another run of the same project is under way."""

    exit_code = 10


class NoRoom(EtlError):
    """Raised before a run begins whose candidate, or whose generation, would not fit on the disk."""

    exit_code = 35


class Crash(EtlError):
    """Raised when etl itself failed in a way that nobody foresaw; the traceback is in the log."""

    exit_code = 40

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}\nThis is a fault of etl: please report it with the traceback above.")


class StepError(EtlError):
    """Raised when a step of the run fails for a reason that its message explains."""


class DeliveryError(StepError):
    """Raised when a raw file cannot be accepted as a partition."""


class UnreadableError(DeliveryError):
    """Raised when a raw file is not of its format at all, such as a damaged archive."""


class RecordsLost(StepError):
    """Raised when the records of a file do not equal the rows in the lake plus those in quarantine."""


class WithdrawnError(StepError):
    """Raised when more published partitions of a source vanished from raw/ than the source allows."""


class TransformError(StepError):
    """Raised when DuckDB cannot build a model."""


class LedgerError(StepError):
    """Raised when the ledger is no SQLite file any more, or the disk that holds it is full."""


class AuditError(StepError):
    """Raised when the candidate breaks an error-severity check; nothing is published."""


class NotReproduced(StepError):
    """Raised when a generation cannot be built anew from what there is, or holds something else then."""


class PromotionRefused(StepError):
    """Raised when a generation may not be promoted: not audited, older inputs, or without approval."""


class PublishError(StepError):
    """Raised when a generation cannot be written, found or made the current one."""


class PublishHeld(StepError):
    """Raised when a candidate waits, since the project is rolled back and what was wrong has not changed."""
