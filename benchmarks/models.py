"""1,000 small models, a small shop, and TPC-H from raw files to its 22 answers, beside a script, dbt and SQLMesh.

The part `views` is TPC-H with raw tables that are views over the lake, beside the script alone.

Usage: python benchmarks/models.py [--parts graph,shop,tpch,views] [--rounds 5] [--scale 1] [--report FILE.md]
           [--work DIR] [--no-peers]
In each round every workload runs once through each contestant, one after another, so that noise on the
machine hits all alike, and what each has published is compared. This process imports neither duckdb nor etl:
the peak memory of a child includes what its parent held when it was started.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from figures import report
from models_contestants import Contestant, contestants
from models_domain import Domain
from models_graph import graph
from models_shop import shop
from models_tpch import deliver, tpch
from processes import TOLD, VERSIONS, environment, measure, peer, python, tell

GRAPH, SHOP, TPCH, VIEWS = "graph", "shop", "tpch", "views"
PARTS = (GRAPH, SHOP, TPCH, VIEWS)
#: The parts whose raw files are made here.
_MADE = {GRAPH: graph, SHOP: shop}
#: The scale for which answers are published.
PUBLISHED_SCALE = 1.0

FIRST = "very first run"
ALL = "all, from nothing"
CHANGE = "one model changed"
NOTHING = "nothing changed"
_PROVE = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute(sys.argv[2]).fetchall())
"""


@dataclass
class Race:
    """A part of the benchmark under way; `answers` are files of answers that the models must give unchanged."""

    part: str
    domain: Domain
    contestants: Sequence[Contestant]
    answers: Sequence[Path]
    changed: bool = False
    #: What the contestants have published, without the change and with it.
    proofs: dict[bool, str] = field(default_factory=dict)

    def first(self) -> None:
        """Run each contestant with nothing compiled and nothing parsed."""
        for contestant in (c for c in self.contestants if c.is_full):
            contestant.write(self.changed)
            contestant.forget(True)
            self._run(FIRST, contestant)

    def round(self) -> None:
        """Run every workload; the change stays, and the next round takes it back, so that all know both texts."""
        for contestant in (c for c in self.contestants if c.is_full):
            contestant.write(self.changed)
            contestant.forget(False)
            self._run(ALL, contestant)
        self.changed = not self.changed
        for contestant in self.contestants:
            contestant.write(self.changed)
        for workload in (CHANGE, NOTHING):
            for contestant in (c for c in self.contestants if c.is_partial):
                self._run(workload, contestant)

    def _run(self, workload: str, contestant: Contestant) -> None:
        contestant.prepare()
        measurement = measure(contestant.name, contestant.command, contestant.variables)
        what = f"{len(self.domain.models):,} models of {self.domain.name}: {workload}"
        tell("models", what, contestant.name, measurement)
        self._verify(workload, contestant)

    def _verify(self, workload: str, contestant: Contestant) -> None:
        """Exit unless the contestant has published what the others have, the change included."""
        proof = python(_PROVE, str(contestant.published), self.domain.proof)
        if proof != self.proofs.setdefault(self.changed, proof):
            sys.exit(f"{self.domain.name}, {workload}: {contestant.name} published other rows than the others")
        if proof == self.proofs.get(not self.changed):
            sys.exit(f"{self.domain.name}, {workload}: the change of {self.domain.change.model} changed nothing")
        for answers in self.answers if not self.changed else ():
            if wrong := _answers(sys.executable, "compare", str(answers), str(contestant.published)):
                sys.exit(f"{contestant.name} does not give the answers in {answers}: {' '.join(wrong.split())}")


def main() -> None:
    """Measure, print the report and write it."""
    options = _options()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        said = benchmark(options.work.resolve(), options)
    else:
        with tempfile.TemporaryDirectory(prefix="models-") as folder:
            said = benchmark(Path(folder).resolve(), options)
    print(said)
    if options.report:
        options.report.write_text(said + "\n", encoding="utf-8")


def benchmark(work: Path, options: argparse.Namespace) -> str:
    """Run every round in the folder `work` and return the report in Markdown."""
    dbt = sqlmesh = None
    if not options.no_peers:
        dbt = peer(work / "dbt-environment", ["dbt-core<1.12", "dbt-duckdb"], "dbt")
        sqlmesh = peer(work / "sqlmesh-environment", ["sqlmesh"], "sqlmesh")
    races = []
    for part in options.parts:
        folder = work / part
        shutil.rmtree(folder, ignore_errors=True)
        raw = folder / "project" / "data" / "raw"
        load = "view" if part == VIEWS else "table"
        domain, answers = (_MADE[part](raw), []) if part in _MADE else _tpch(work, raw, options.scale, load)
        # no peer knows a raw table that is a view of files which were checked: they were measured with tables
        others = (None, None) if part == VIEWS else (dbt, sqlmesh)
        races.append(Race(part, domain, contestants(folder, domain, *others), answers))
    for race in races:
        race.first()
    for _ in range(options.rounds):
        for race in races:
            race.round()
    return report(TOLD, _conditions(races, options, {"dbt": dbt, "SQLMesh": sqlmesh}))


def _tpch(work: Path, raw: Path, scale: float, load: str) -> tuple[Domain, list[Path]]:
    """Return TPC-H at a scale, delivered to `raw`, and the files of its answers."""
    made = tpch_files(work, scale)
    deliver(made, raw)
    answers = [work / f"answers-{scale:g}.json"]
    _answers(sys.executable, "answer", str(made), str(answers[0]))
    if scale == PUBLISHED_SCALE:
        answers.append(work / "answers-published.json")
        _answers(_extension(work), "published", str(answers[1]))
    return tpch(raw, load), answers


def tpch_files(work: Path, scale: float) -> Path:
    """Return a folder with the raw files of TPC-H at a scale, which are made if they are not there."""
    made = work / f"tpch-{scale:g}"
    if not made.exists():
        print(f"generating TPC-H at scale {scale:g} ...", file=sys.stderr, flush=True)
        half = made.with_suffix(".half")
        _answers(_extension(work), "generate", str(scale), str(half))
        half.rename(made)
    return made


def _extension(work: Path) -> str:
    """Return a Python with the generator of TPC-H."""
    return str(environment(work / "tpch-environment", ["duckdb-extension-tpch"]) / "bin" / "python")


def _answers(interpreter: str, *arguments: str) -> str:
    script = str(Path(__file__).with_name("models_answers.py"))
    return measure("the answers", [interpreter, script, *arguments]).output


def _conditions(
    races: Sequence[Race], options: argparse.Namespace, peers: Mapping[str, Path | None]
) -> Iterator[str]:
    rounds = "One round" if options.rounds == 1 else f"Medians of {options.rounds} rounds"
    yield f"{rounds}, the very first run once; {os.cpu_count()} cores."
    for race in races:
        change = race.domain.change
        yield f"{race.domain.name}: the changed model is {change.model}, with {change.anew - 1} that depend on it."
        for answers in race.answers:
            yield f"All 22 answers of every contestant are those of {answers.name}."
    yield f"Python {sys.version.split()[0]}, {python(VERSIONS, 'luigi', 'duckdb', 'pandera')}; for the others: "
    for name, packages in (("dbt", ["dbt-core", "dbt-duckdb"]), ("SQLMesh", ["sqlmesh"])):
        folder = peers[name]
        if folder:
            yield f"{python(VERSIONS, *packages, 'duckdb', interpreter=str(folder / 'bin/python'))};"
        else:
            yield f"{name} was not measured;"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help=f"what to measure (default {','.join(PARTS)})")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H's scale factor; 1 is 1.1 GB (default 1)")
    parser.add_argument("--no-peers", action="store_true", help="leave dbt and SQLMesh out")
    parser.add_argument("--report", type=Path, help="write the tables to this Markdown file too")
    parser.add_argument("--work", type=Path, help="keep everything, data and environments too, in this folder")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"--parts knows no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.scale <= 0 or options.rounds < 1:
        parser.error("--rounds must be 1 or more, --scale above 0")
    return options


if __name__ == "__main__":
    main()
