"""A worker of this machine: reads jobs, one a line, and prints their answers, until nobody sends more."""

from __future__ import annotations

import os
import sys

from etl.run.jobs.work import run_job


def main() -> None:
    """Answer each line of standard input with one of standard output; else what is printed goes to stderr."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            print(run_job(line), file=answers, flush=True)


if __name__ == "__main__":
    main()
