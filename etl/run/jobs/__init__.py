"""jobs: work that any machine can do which sees the same folders; text goes in, and text comes out.

A job takes deliveries of one source into the lake. It is a pure function: done twice, or on another machine, it
leaves the same bytes. The process that holds the run alone has the lock and the ledger: it writes the receipts
that come back, and does one partition of each step once more itself, as a witness.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.run.jobs.extraction import extract
    from etl.run.jobs.work import run_job

__all__ = ["extract", "run_job"]

#: What is imported when it is asked for.
_MODULES = {"extract": "extraction", "run_job": "work"}

__getattr__ = lazily(__name__, _MODULES)
