"""A cluster of Dask: `dask://scheduler:8786`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from etl.errors import StepError
from etl.run.jobs.work import run_job


@dataclass
class Dask:
    """A scheduler, which gives jobs to its workers, and again where one is lost."""

    url: str
    client: Any

    def run(self, jobs: Sequence[str]) -> Iterator[str]:
        """Yield the answers of jobs, in their order."""
        # a job is done for its effects: one with the same text is not the same job
        futures = self.client.map(run_job, jobs, pure=False)
        try:
            for future in futures:
                yield str(future.result())
        except Exception as error:
            raise StepError(f"{self.url} could not do a job: {_first(error)}. Look at its dashboard.") from None
        finally:
            self.client.cancel(futures)

    def close(self) -> None:
        """Leave the cluster, which is not ours."""
        self.client.close()


def open_host(url: str) -> Dask:
    """Return the host with an address. Raises StepError without its library, or if nobody answers."""
    try:
        import distributed
    except ImportError:
        raise StepError(f"{url} needs the library distributed. Install it: pip install 'etl[dask]'") from None
    try:
        library: Any = distributed
        address = f"tcp://{url.removeprefix('dask://')}"
        return Dask(url, library.Client(address, timeout="30s", set_as_default=False))
    except (OSError, TimeoutError) as error:
        raise StepError(f"{url} does not answer: {_first(error)}. Is the scheduler running?") from None


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")[:300]
