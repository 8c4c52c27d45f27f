"""jobs: work that any machine can do which sees the same folders; text goes in, and text comes out.

A job takes deliveries of one source into the lake, or builds partitions of one model. It is a pure function: done
twice, or on another machine, it leaves the same bytes. The process that holds the run alone has the lock, the
ledger and build.duckdb: it writes the receipts that come back, takes in what was built, and does one partition of
each step once more itself, as a witness.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.run.jobs.extraction import extract
    from etl.run.jobs.handing import elsewhere
    from etl.run.jobs.readable import why_here
    from etl.run.jobs.work import run_job

__all__ = ["elsewhere", "extract", "run_job", "why_here"]

#: What is imported when it is asked for.
_MODULES = {"elsewhere": "handing", "extract": "extraction", "run_job": "work", "why_here": "readable"}

__getattr__ = lazily(__name__, _MODULES)
