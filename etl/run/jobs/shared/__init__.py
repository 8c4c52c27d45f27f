"""shared: files of jobs by way of a bucket, for workers that share no disk with the run.

A file is an object that is named by its hash and never changes. The run sends what a job reads; the worker makes a
folder of it that is its own, does the job there as it would anywhere, and sends what it made; the run takes that,
if it has the hash that was told, and puts it in place. Ledger, lock and build.duckdb stay where the run is.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.run.jobs.shared.forgetting import forget, prepare
    from etl.run.jobs.shared.sending import Sending
    from etl.run.jobs.shared.working import run_shared

__all__ = ["Sending", "forget", "prepare", "run_shared"]

#: What is imported when it is asked for.
_MODULES = {"Sending": "sending", "forget": "forgetting", "prepare": "forgetting", "run_shared": "working"}

__getattr__ = lazily(__name__, _MODULES)
