"""A cluster of Spark: `spark://master:7077`, or Spark Connect: `sc://server:15002`.

`spark://local-cluster` starts two worker processes on this machine.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import StepError

if TYPE_CHECKING:
    import pyarrow

_LOCAL = "spark://local-cluster"
#: The versions of Spark with which all on the list of `engine: spark` was compared, from the first to the last.
_COMPARED = ("4.0", "4.3")
#: What Spark takes for a pattern in the path of a file.
_PATTERN = re.compile(r"[\[\]{}*?,\\^!]")


@dataclass
class Spark:
    """A session. Each job is one task of it, done again where an executor is lost."""

    url: str
    session: Any

    def run(self, jobs: Sequence[str]) -> Iterator[str]:
        """Yield the answer of each job as it comes, one stage for all."""
        given = self.session.createDataFrame([(job,) for job in jobs], "job string").repartition(len(jobs))
        try:
            for row in given.mapInArrow(_answered, "answer string").toLocalIterator(prefetchPartitions=True):
                yield str(row.answer)
        except Exception as error:
            raise StepError(f"{self.url} could not do a job: {_first(error)}. Look at its web pages.") from None

    def select(
        self, sql: str, tables: Mapping[str, Sequence[Path]], target: Path, settings: Mapping[str, str]
    ) -> None:
        """Write the rows of a SELECT over files of Parquet to a folder.

        Raises StepError if it fails, or for a version of Spark that nobody has compared with DuckDB.
        """
        self._check_compared()
        try:
            for name, value in settings.items():
                self.session.conf.set(name, value)
            for name, files in tables.items():
                # it reads no address: `%20` would be the name of a file
                read = self.session.read.parquet(*(_literally(file) for file in files))
                read.createOrReplaceTempView(name)
            self.session.sql(sql).write.mode("overwrite").parquet(f"file:{target}")
        except Exception as error:
            raise StepError(f"{self.url} could not do it: {_first(error)}. Look at its web pages.") from None
        finally:
            for name in tables:
                self.session.catalog.dropTempView(name)

    def _check_compared(self) -> None:
        version = str(self.session.version)
        numbers = [tuple(map(int, re.findall(r"\d+", text)[:2])) for text in (*_COMPARED, version)]
        if not numbers[0] <= numbers[2] <= numbers[1]:
            raise StepError(
                f"{self.url} is Spark {version}. What `-- engine: spark` may say was compared with Spark "
                f"{' to '.join(_COMPARED)} only. Use one of these, or remove the line."
            )

    def close(self) -> None:
        """End the session."""
        self.session.stop()


def _answered(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """Do the jobs of a task, in a process of an executor."""
    import pyarrow

    from etl.run.jobs.work import run_job

    for batch in batches:
        answers = [run_job(job) for job in batch.column(0).to_pylist()]
        yield pyarrow.RecordBatch.from_arrays([pyarrow.array(answers, pyarrow.string())], ["answer"])


def open_host(url: str) -> Spark:
    """Return the host with an address. Raises StepError without its library, or if nobody answers."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise StepError(
            f"{url} needs the library pyspark, and Java. Install it: pip install 'etl[spark]'"
        ) from None
    try:
        # mypy knows no builder of theirs
        builder: Any = SparkSession.builder
        builder = builder.appName("etl").config("spark.ui.showConsoleProgress", "false")
        if url.startswith("sc:"):
            return Spark(url, builder.remote(url).getOrCreate())
        # the same Python at the same place, unless it is said where it is
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if url == _LOCAL:
            builder = builder.config("spark.ui.enabled", "false")
            return Spark(url, builder.master("local-cluster[2,1,1024]").getOrCreate())
        return Spark(url, builder.master(url).getOrCreate())
    except ImportError as error:
        # Spark Connect has libraries of its own
        raise StepError(f"{url} needs more: {_first(error)}. Install it: pip install 'etl[spark]'") from None
    except Exception as error:
        raise StepError(f"{url} does not answer: {_first(error)}. Is it running?") from None


def _literally(file: Path) -> str:
    return "file:" + _PATTERN.sub(r"\\\g<0>", str(file))


def _first(error: Exception) -> str:
    """Return what is the matter: the last error that the traces of both languages name."""
    named = re.findall(r"^(?:Caused by: )?([\w.]+(?:Error|Exception): [^\n]+)$", str(error), flags=re.MULTILINE)
    own = [text for text in named if text.partition(":")[0].endswith("Error")] or named
    return (own[-1] if own else f"{type(error).__name__}: {error}".partition("\n")[0]).rstrip(".")[:300]
