"""A project with a ledger of many nights, made without running one, so that a report of it can be measured."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from etl.ledger import Check, Key, Ledger, Receipt, Run
from etl.ledger.history import History, StepRow
from etl.ledger.profiles import Profiles, Row
from etl.plan.definitions import definitions
from etl.project import load_project
from etl.stages.audited.measured import as_json

FIRST, COLUMNS = date(2025, 11, 27), 16
WORDS = ("order", "customer", "price", "amount", "delay", "flight", "plane", "airport", "store", "item", "score")
NOUNS = ("days", "minutes", "total", "count", "average", "share", "rank", "first", "last", "net", "gross", "rate")


def make(root: Path, tables: int, nights: int) -> Path:
    """Write a project of so many tables with a ledger of so many nights into an empty folder; return it."""
    chance = random.Random(7)
    sources = tables // 5
    names = [f"{WORDS[n % len(WORDS)]}s_{n}" for n in range(sources)]
    files = {"luigi.cfg": "[etl]\n", "contracts/all.py": _contracts(names)}
    files |= dict(_models(names, tables, chance))
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    project = load_project(root)
    ledger = Ledger(project.ledger)
    catalog, models = definitions(project, ledger)
    _fill(ledger, names, list(models.models), [*models.audits], nights, chance)
    columns = {source.table: list(source.columns) for source in catalog.sources.values()}
    columns |= {model.name: [name for name, _ in model.stored] for model in models.models.values()}
    _profile(ledger, columns, chance)
    return root


def _column(n: int) -> str:
    return f"{WORDS[n % len(WORDS)]}_{NOUNS[n % len(NOUNS)]}_{n}"


def _contracts(names: list[str]) -> str:
    parts = ["import pandera.pandas as pa\nfrom etl import Source\n"]
    for name in names:
        fields = "\n".join(
            f"    {_column(n)}: {'str' if n % 4 == 0 else 'float'} = pa.Field(nullable=True, "
            f'description="The {_column(n).replace("_", " ")} as the till noted it", metadata={{"unit": "EUR"}})'
            for n in range(COLUMNS)
        )
        parts.append(f'class C_{name}(pa.DataFrameModel):\n    """One row per {name}."""\n{fields}\n')
        parts.append(f'{name} = Source(contract=C_{name}, files="{name}/{{date}}.csv", every="day")\n')
    return "\n".join(parts)


def _models(names: list[str], tables: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    columns = [_column(n) for n in range(COLUMNS)]
    made = []
    for name in names:
        cells = ",\n    ".join(columns)
        yield (
            f"sql/staging/{name}.sql",
            f"-- {name}, typed.\nselect\n    {cells},\n    delivery_date\nfrom raw.{name}\n",
        )
        made.append(f"staging.{name}")
    for n in range(tables - 2 * len(names)):
        reads = chance.sample(made[-len(names) * 2 :], 2)
        name = f"marts.{WORDS[n % len(WORDS)]}_{NOUNS[n % len(NOUNS)]}_{n}"
        cells = ",\n    ".join(
            f"sum(a.{column}) over (partition by a.{columns[0]}) as {column}" if at % 5 == 1 else f"a.{column}"
            for at, column in enumerate(columns)
        )
        yield (
            f"sql/{name.replace('.', '/')}.sql",
            f"-- What the {name} are. Grain: {columns[0]}.\n-- owner: team{n % 7}@example.com\n"
            f"-- unique: {columns[0]}\n-- warn not_null: "
            f"{columns[4]}\nselect\n    {cells},\n    b.delivery_date\nfrom {reads[0]} as a\n"
            f"join {reads[1]} as b using ({columns[0]})\nwhere a.{columns[2]} > {n}\n",
        )
        made.append(name)


def _fill(
    ledger: Ledger, sources: list[str], models: list[str], audits: list[str], nights: int, chance: random.Random
) -> None:
    history = History(ledger)
    rows = {name: chance.randint(1_000, 2_000_000) for name in [*sources, *models]}
    steps: list[StepRow] = []
    checks = []
    for night in range(nights):
        day = FIRST + timedelta(night)
        begun = datetime(day.year, day.month, day.day, 2, 15, chance.randint(0, 59))
        run = f"{begun:%Y%m%dT%H%M%S}.000Z-{night:04x}"
        is_bad = chance.random() < 0.03
        last = night == nights - 1
        for name in sources:
            rows[name] = max(100, round(rows[name] * chance.gauss(1.001, 0.03)))
            steps.append(
                StepRow(run, "extract", name, seconds=0.2, rows_in=rows[name], rows_out=rows[name], outcome="done")
            )
        for name in models:
            rows[name] = max(10, round(rows[name] * chance.gauss(1.001, 0.02)))
            seconds = round(chance.gammavariate(2, 0.4), 3)
            steps.append(StepRow(run, "transform", name, seconds=seconds, rows_out=rows[name], outcome="done"))
        size = 200_000_000 + night * 400_000
        steps.append(StepRow(run, "publish", seconds=3.0, bytes_written=size, outcome="done"))
        if night >= nights - 30:
            checks += [(run, name, name.rsplit(".", 2)[0], "warn", chance.random() > 0.01, 3) for name in audits]
        seconds = {
            "extract": 40.0,
            "load": 12.0,
            "transform": round(chance.gauss(90, 9), 1),
            "audit": 9.0,
            "publish": 3.1,
        }
        total = sum(rows[name] for name in sources)
        summary = {
            "records": total,
            "rows": total,
            "rejected": chance.randint(0, 40),
            "discarded": 0,
            "seconds": seconds,
        }
        outcome = "failed" if is_bad and not last else "published"
        finished = f"{begun + timedelta(seconds=sum(seconds.values())):%Y-%m-%dT%H:%M:%S.000000+00:00}"
        ledger.write_run(
            Run(
                run,
                str(day),
                f"{begun:%Y-%m-%dT%H:%M:%S.000000+00:00}",
                finished,
                outcome=outcome,
                summary=summary,
            )
        )
        _receipts(ledger, sources, models if last else [], day, run, rows, chance)
    history.plan(steps)
    ledger.change(("insert or replace into check_history values (?, ?, ?, ?, ?, ?)", checks))
    ledger.replace_checks(
        Check(
            name=name,
            table_name=name.rsplit(".", 2)[0],
            severity="warn",
            passed=passed,
            failing=0 if passed else 3,
            examples=[] if passed else ["item = book"],
            run_id=run,
            fingerprint="",
        )
        for run, name, _, _, passed, _ in checks[-len(audits) :]
    )


def _receipts(
    ledger: Ledger,
    sources: list[str],
    models: list[str],
    day: date,
    run: str,
    rows: dict[str, int],
    chance: random.Random,
) -> None:
    # each source misses a day now and then
    came = [name for name in sources if chance.random() > 0.004]
    facts = {"records": 0, "refused": "", "discarded": 0, "warnings": {}, "lake": []}
    why = {"rules": {"price.ge": 3, "id.dtype": 1}, "examples": {}}
    ledger.write(
        *(
            Receipt(
                Key("extract", name, str(day)),
                "f",
                run,
                seconds=0.2,
                details={
                    **facts,
                    "file": f"{name}/{day}.csv",
                    "rows": rows[name],
                    "rejected": 4,
                    "why_rejected": why,
                },
            )
            for name in came
        ),
        *(
            Receipt(Key("load", name), "f", run, seconds=0.1, details={"rows": rows[name]})
            for name in sources
            if models
        ),
        *(
            Receipt(
                Key("transform", name),
                "f",
                run,
                seconds=0.7,
                details={
                    "rows": rows[name],
                    "built": True,
                    "why": "raw changed",
                    "in_full": "",
                    "partitions": None,
                },
            )
            for name in models
        ),
    )


def _profile(ledger: Ledger, columns: dict[str, list[str]], chance: random.Random) -> None:
    day = str(FIRST)
    rows = []
    for table, names in columns.items():
        count = chance.randint(1_000, 1_000_000)
        rows.append(Row(table, "", "", "run", day, json.dumps({"rows": count})))
        for name in names:
            low = chance.gauss(0, 50)
            facts = {
                **{
                    "rows": count,
                    "nulls": chance.randint(0, count // 10),
                    "approx_distinct": chance.randint(2, count),
                },
                **{"min": f"{low:.2f}", "max": f"{low + 900:.2f}", "mean": low + 40, "std": 12.0},
                "quantiles": sorted(chance.gauss(low, 40) for _ in range(21)),
                "top": {f"value {chance.randint(1, 99)}": 0.1 for _ in range(5)},
                "sampled": 2_500,
            }
            rows.append(Row(table, "", name, "run", day, as_json(facts)))
    Profiles(ledger).replace([], rows)
