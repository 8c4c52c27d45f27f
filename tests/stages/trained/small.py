"""A project with a model that learns, written in plain Python: it guesses how many of each kind buy."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from etl.project import Project
from tests.support import tiny

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Visits(pa.DataFrameModel):
    id: int
    kind: int
    bought: int = pa.Field(nullable=True, coerce=True)

visits = Source(contract=Visits, files="visits/{date}.csv", partition="visit_date")
"""
SQL = {"ml/training.sql": "select visit_date, id, kind, bought from raw.visits"}
SETTINGS = "threads = 1\n"
MODEL = '''
"""Who buys."""

FEATURES = "ml.training"
LABEL = "bought"
KEY = ["id"]
TIME = "visit_date"
HELD_OUT = "10 days"
SEED = 3
PARAMS = {"weight": 1.0}


def train(rows, params, report):
    shares = rows.groupby("kind")["bought"].mean() * params["weight"]
    report(1, "log_loss", float(len(rows)))
    return {int(kind): float(share) for kind, share in shares.items()}


def predict(model, rows):
    return [model.get(int(kind), 0.5) for kind in rows["kind"]]
'''
FIRST = date(2024, 1, 1)


def day(number: int) -> date:
    return FIRST + timedelta(number)


def visits(number: int, change: int = 0) -> str:
    """Twelve visits of a day: of the kinds 0 to 2, each kind buys more than the one before."""
    rows = [
        f"{number * 100 + n},{n % 3},{int((number * 7 + n * 5 + change) % 10 < 2 + 3 * (n % 3))}"
        for n in range(12)
    ]
    return "\n".join(["id,kind,bought", *rows]) + "\n"


def deliveries(days: range) -> dict[str, str]:
    return {f"visits/{day(number)}.csv": visits(number) for number in days}


def write(project: Project, text: str = MODEL, name: str = "guess") -> None:
    (project.root / "ml").mkdir(exist_ok=True)
    (project.root / f"ml/{name}.py").write_text(text.lstrip())


def project(
    root: Path,
    days: range = range(64),
    sql: Mapping[str, str] = SQL,
    text: str = MODEL,
    settings: str = "",
) -> Project:
    made = tiny.project(root, CONTRACTS, sql, deliveries(days), settings or SETTINGS)
    write(made, text)
    return made
