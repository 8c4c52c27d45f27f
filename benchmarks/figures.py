"""What was measured, as rows and as one table: CPU seconds, wall clock, memory, and how much etl takes of each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

PRODUCT = "etl"
CPU, WALL, MEMORY = "cpu_seconds", "seconds", "peak_mb"
#: What is measured of a process, and in what.
UNITS = {CPU: " s", WALL: " s", MEMORY: " MB"}

Row = Mapping[str, Any]
#: One row for each workload and contestant.
Figures = Mapping[tuple[str, str], Row]


def medians(rows: Iterable[Row]) -> Figures:
    """Return one row for each workload and contestant, in the order in which they came."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((str(row["workload"]), str(row["name"])), []).append(row)
    return {
        (workload, name): {
            "workload": workload,
            "name": name,
            "rounds": len(of),
            **{unit: round(median(float(row[unit]) for row in of), 3) for unit in UNITS},
        }
        for (workload, name), of in found.items()
    }


def table(figures: Figures) -> Iterator[str]:
    """Yield the lines of the table: etl is compared with all that did the same work."""
    yield "| workload | contestant | rounds | CPU s | wall s | peak MB | etl takes of it: CPU | wall | memory |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for (workload, name), row in figures.items():
        ours = figures.get((workload, PRODUCT), row)
        took = [f"{row[CPU]:.2f}", f"{row[WALL]:.2f}", f"{row[MEMORY]:.0f}" if row[MEMORY] else ""]
        times = [f"{ours[unit] / row[unit]:.2f}" if name != PRODUCT and row[unit] else "" for unit in UNITS]
        yield f"| {workload} | {name} | {row['rounds']} | {' | '.join(took + times)} |"


def report(rows: Iterable[Row], conditions: Iterable[str]) -> str:
    """Return what a benchmark says: tables, unless `make bench` makes them of all, and under what conditions."""
    from goals import goals

    figures = medians(rows)
    tables = [] if "ETL_BENCH" in os.environ else [*table(figures), "", *goals(figures), ""]
    return "\n".join([*tables, *conditions])
