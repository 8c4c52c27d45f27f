"""Projects whose report is looked at: a good night, a bad one, and one of hostile names and values."""

import re
from collections.abc import Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

from etl.errors import EtlError
from etl.ledger import Ledger, Run, now
from etl.ledger.experiments import Experiment, write
from etl.project import Project
from etl.reports.page.data import report_data
from etl.reports.page.document import document
from tests.support import tiny

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    \"\"\"One row per sale at the till.\"\"\"
    id: int = pa.Field(unique=True, description="the number on the receipt")
    item: str = pa.Field(nullable=True)
    price: float = pa.Field(
        ge=0, nullable=True, description="what was paid, taxes included", metadata={"unit": "EUR"}
    )
    email: str = pa.Field(nullable=True, metadata={"pii": "partial"})

class Stock(pa.DataFrameModel):
    item: str
    amount: int

sales = Source(contract=Sales, files="sales/{date}.csv", every="day", max_reject_ratio=1.0)
stock = Source(contract=Stock, files="stock/{date}.csv", optional=True, max_rejects=0)
"""
SQL = {
    "staging/sales.sql": "-- materialized: view\nselect id, item, price, delivery_date from raw.sales",
    "marts/items.sql": "-- owner: ann@example.com\n-- tags: shop\n"
    "select item, count(*) as sales, sum(price) as turnover from staging.sales where price > 0 group by item",
    "marts/stock.sql": "select item, amount from raw.stock",
    "marts/overview.sql": "select * from marts.items left join marts.stock using (item)",
    "audits/no_pens.sql": "-- fail: pens are not sold any more\n"
    "select item, sales from marts.items where item = 'pen'",
}
HEADER = "id,item,price,email\n"
RAW = {
    "sales/2024-03-01.csv": HEADER + "1,book,5,a@example.com\n2,cup,7,b@example.com\n",
    "sales/2024-03-02.csv": HEADER + "3,book,5,c@example.com\nx,cup,7,secret@example.com\n",
    "stock/2024-03-01.csv": "item,amount\nbook,3\n",
}


def good(root: Path) -> Project:
    """Return a project after two nights, in the second of which a record was rejected."""
    project = tiny.project(root, CONTRACTS, SQL, {name: RAW[name] for name in list(RAW)[::2]}, "report = yes\n")
    night(project, date(2024, 3, 1))
    tiny.deliver(project, RAW)
    night(project, date(2024, 3, 2))
    return project


def bad(root: Path) -> Project:
    """Return that project after a third night: sales are missing, a file is corrupt, and an audit fails."""
    project = good(root)
    tiny.deliver(project, {"sales/2024-03-03.csv": HEADER + "4,pen,1,d@example.com\n"})
    tiny.deliver(project, {"stock/2024-03-05.csv": b"item,amount\nbook,3\n\xff\xfe\x00broken"})
    night(project, date(2024, 3, 6))
    return project


def train(
    project: Project, names: Sequence[str] = ("log_loss", "auc"), trainings: int = 3, steps: int = 50
) -> None:
    """Keep trainings of a model `guess` whose parameters, metrics, curves and verdicts have these names."""
    (project.root / "ml").mkdir(exist_ok=True)
    said = "\n\n".join(names).replace("\\", "").replace('"', "'")
    declared = 'FEATURES = "staging.sales"\nLABEL = "price"\nKEY = ["id"]\nTIME = "delivery_date"\n'
    code = "def train(rows, params, report): ...\n\ndef predict(model, rows): ...\n"
    (project.root / "ml/guess.py").write_text(f'"""{said}"""\n\n{declared}\n\n{code}')
    ledger = Ledger(project.ledger)
    for number in range(trainings):
        one = Experiment(
            experiment_id=f"{number:08x}00000000",
            model="guess",
            origin="night",
            started_at=f"2024-03-{number % 28 + 1:02}T04:00:00+00:00",
            run_id="2024",
            commit_id="abcdef",
            cut_off="2024-03-01",
            params={name: name if number else number / 7 for name in names},
            metrics={name: 1 / (number + at + 1) for at, name in enumerate(names)} if number != 1 else {},
            rows=1_000 + number,
            seconds=1.5,
            libraries={name: name for name in names},
            fingerprint="f00",
            verdict="champion" if number == 0 else names[0],
        )
        write(ledger, one, [(name, step, 1 / (step + number + 1)) for name in names for step in range(steps)])
    ledger.close()


def night(project: Project, day: date) -> None:
    """Do a night, and note how it ended, as a run does."""
    ledger, outcome = Ledger(project.ledger), "published"
    try:
        tiny.night(project, day)
    except EtlError as error:
        if not ledger.runs():
            raise
        outcome = "failed"
        ledger.note_problem(ledger.runs()[0].run_id, "audit", str(error))
    (last, *_) = ledger.runs()
    mine = [receipt for receipt in ledger.receipts().values() if receipt.run_id == last.run_id]
    extracted = [receipt.details for receipt in mine if receipt.key.step == "extract"]
    counts = {name: sum(facts[name] for facts in extracted) for name in ("records", "rows", "rejected")}
    seconds = {receipt.key.step: receipt.seconds for receipt in mine}
    ledger.write_run(
        Run(
            last.run_id,
            last.batch_date,
            last.started_at,
            now(),
            outcome=outcome,
            summary={**counts, "discarded": 0, "seconds": seconds},
        )
    )


def page(project: Project) -> str:
    """Return the report of a project."""
    return document(report_data(project, Ledger(project.ledger, is_reading=True)))


class _Text(HTMLParser):
    """What a reader without scripts sees."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of(html: str) -> str:
    """Return the text of a page as a reader without scripts sees it, on one line."""
    parser = _Text()
    parser.feed(html)
    return re.sub(r"\s+", " ", " ".join(parser.parts))
