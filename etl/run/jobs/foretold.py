"""What `etl plan` says of models that jobs are to build, and of those that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from etl.errors import counted
from etl.plan import Plan
from etl.run.jobs.handing import FEWEST
from etl.run.jobs.readable import why_here
from etl.run.jobs.whole import is_spark


def foretold(plan: Plan, expected: Mapping[str, int | None]) -> Iterator[str]:
    """Yield which models of those that are built by date go to the executor, and why others stay.

    `expected` are the models that will be built, each with the number of its partitions, None for all of them.
    """
    url, models = plan.project.settings.executor, plan.models.models
    given, stay = [], []
    whole = [name for name in expected if models[name].spark]
    if whole and is_spark(url):
        yield f"to be computed by {url}, in SQL of Spark: {', '.join(whole)}"
    elif whole:
        yield f"built by DuckDB, since {url} is not a Spark: {', '.join(whole)}"
    for name, count in expected.items():
        if not models[name].kind.is_partitioned:
            continue
        if why := why_here(models[name], plan.models, plan.catalog.sources):
            stay.append(f"{name} {why}")
        elif count is not None and count < FEWEST:
            stay.append(f"{name} has {counted(count, 'partition')} to build, as the witness would")
        else:
            given.append(f"{name} ({'all' if count is None else f'{count:,}'})")
    if given:
        yield f"partitions to build on {url}: {', '.join(given)}"
    yield from (f"built by the run itself, since {why}" for why in stay)
