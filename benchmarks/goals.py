"""What is wanted of etl, in one list: how much of another's time it may take, or how much at all.

Each is judged by CPU seconds, which other work on the machine does not change much; what only waits for the
disk, by wall clock. The table has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from figures import CPU, MEMORY, PRODUCT, UNITS, WALL, Figures


@dataclass(frozen=True)
class Goal:
    """The most that etl may take of a workload: of what `other` takes, or in seconds or MB if there is no other.

    `beside` is the workload of the other, if it is not the same; with `each`, `limit` is in milliseconds beyond
    the other for each of that many pieces.
    """

    workload: str
    limit: float
    other: str = ""
    of: str = CPU
    beside: str = ""
    each: int = 0
    said: str = ""

    def value(self, figures: Figures, of: str) -> float | None:
        """Return what etl took by that measure; None if it was not measured."""
        ours = figures.get((self.workload, PRODUCT))
        theirs = figures.get((self.beside or self.workload, self.other))
        if ours is None or (self.other and theirs is None):
            return None
        if theirs is None:
            return float(ours[of])
        if self.each:
            return float(ours[of] - theirs[of]) / self.each * 1000
        return float(ours[of] / theirs[of])

    @property
    def text(self) -> str:
        """The limit in words."""
        beside = f" of {self.beside or self.other}" + "'s memory" * (self.of == MEMORY)
        if self.each:
            return f"at most {self.limit:g} ms each beyond {self.other}"
        if not self.other:
            return f"at most {self.limit:g}{UNITS[self.of]}"
        return f"at most {self.said or f'{self.limit:g}'}{beside}"

    def cell(self, figures: Figures, of: str) -> str:
        """Return what etl took by that measure, as text."""
        value = self.value(figures, of)
        assert value is not None
        return f"{value:.2f} ms" if self.each else f"{value:.2f}" if self.other else f"{value:.4g}{UNITS[of]}"


YEAR, SLOW = "flights to 2013-12-31", "flights to 2013-12-31, 2 ms a flush"
GRAPH, SHOP, TPCH = "1,000 models of graph", "13 models of shop", "30 models of TPC-H"
VIEWS = f"{TPCH}, raw as views"
SCRIPT, DBT, COPY, PLAIN = "hand-written script", "dbt-duckdb", "DuckDB COPY", "plain script"
LARGE, SMALLER = "60 M rows, load=view", "6 M rows, load=view"
REJECTS, STORED, FEWER = "1,000,000 rejects", "10,000 partitions stored", "1,000 partitions stored"

GOALS = (
    Goal("20,000 labels", 0.5),
    Goal("20,000 labels", 1 / 10, "feast", said="1/10"),
    Goal("327,346 labels", 3),
    Goal("327,346 labels", 500, of=MEMORY),
    Goal("leak check", 3, "one build"),
    Goal("30 trainings, 300 points each", 1),
    Goal("30 trainings, 300 points each", 1 / 8, "mlflow, steps together", said="1/8"),
    Goal("lineitem, clean", 1.1, COPY),
    Goal("lineitem, clean", 350, of=MEMORY),
    Goal("lineitem, 0.1 % dirty", 1.7, COPY),
    Goal("lineitem x 10, clean", 1.15, COPY),
    Goal("lineitem x 10, clean", 1.1, PRODUCT, of=MEMORY, beside="lineitem, clean"),
    Goal("32 rules", 1 / 5, "pandera.pandas", of=WALL, said="1/5"),
    Goal("32 rules", 1 / 4, "pandera.pandas", of=MEMORY, said="1/4"),
    Goal("1,000 partitions", 0.5, COPY, each=1_000),
    Goal("10,000 partitions", 0.5, COPY, each=10_000),
    *(
        Goal(f"{year}: {work}", limit, other, said=said)
        for year in (YEAR, SLOW)
        for work, limit, other, said in (
            ("all days, very first run", 2.5, SCRIPT, ""),
            ("all days, from nothing", 2.0, SCRIPT, ""),
            ("all days, from nothing", 1 / 2, DBT, "1/2"),
            ("one new day", 1.0, SCRIPT, ""),
            ("one new day", 1 / 6, DBT, "1/6"),
            ("nothing new", 1.8, "import luigi", ""),
            ("nothing new", 1 / 10, DBT, "1/10"),
        )
    ),
    Goal(f"{STORED}: nothing new", 0.5),
    *(
        Goal(f"{STORED}: {work}", 1.3, PRODUCT, beside=f"{FEWER}: {work}")
        for work in ("one new day", "one corrected day", "one withdrawn day")
    ),
    Goal(f"{REJECTS}: quarantine", 1),
    Goal(f"{REJECTS}: quarantine export", 4),
    Goal(f"{REJECTS}: quarantine discard", 5),
    *(Goal(f"{REJECTS}: quarantine{command}", 400, of=MEMORY) for command in ("", " export", " discard")),
    Goal("one new day of 500 models: diff", 0.3, PRODUCT, beside="one new day of 500 models: a night"),
    Goal(f"{GRAPH}: very first run", 2.2, PLAIN),
    Goal(f"{GRAPH}: all, from nothing", 2.2, PLAIN),
    *(
        Goal(f"{GRAPH}: {work}", 1 / 10, DBT, said="1/10")
        for work in ("very first run", "all, from nothing", "one model changed", "nothing changed")
    ),
    Goal(f"{SHOP}: all, from nothing", 1 / 8, DBT, said="1/8"),
    Goal(f"{TPCH}: all, from nothing", 1.4, PLAIN),
    Goal(f"{VIEWS}: all, from nothing", 1.0, PLAIN),
    Goal(f"{TPCH}: nothing changed", 1 / 10, DBT, said="1/10"),
    Goal(f"{LARGE}: the first night", 1000, of=MEMORY),
    Goal(f"{LARGE}: one new day", 1000, of=MEMORY),
    Goal(f"{LARGE}: one new day", 1.1, PRODUCT, beside=f"{SMALLER}: one new day"),
    Goal(f"{LARGE}: publish of one new day", 0.5, of=WALL),
    Goal("publish of 0.5 GB", 1.1, "flushed copy", of=WALL),
    Goal("publish of 2 GB", 1.1, "flushed copy", of=WALL),
)


def goals(figures: Figures) -> Iterator[str]:
    """Yield the lines of a table of the goals whose workloads were measured."""
    yield "| work | goal of etl | by CPU | by wall | memory | met |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for goal in GOALS:
        if (value := goal.value(figures, goal.of)) is not None:
            shown = (MEMORY,) if goal.of == MEMORY else (CPU, WALL)
            cells = [goal.cell(figures, of) if of in shown else "" for of in UNITS]
            met = "yes" if value <= goal.limit else "no"
            yield f"| {goal.workload} | {goal.text} | {' | '.join(cells)} | {met} |"
