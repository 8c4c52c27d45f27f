"""Each question of a morning is answered by the report, at most two clicks from where it opens."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.ledger import Ledger
from etl.plan import Scope
from etl.reports.page import write_report
from etl.run.active import active_run, finish_runs, new_run_id
from tests.docs.test_questions import project as morning
from tests.docs.test_questions import questions
from tests.reports.test_browser import opened
from tests.support import tiny

__all__ = ["morning", "opened"]

#: What is clicked from the first page on, and what is said there; by the command that answers in a terminal.
ANSWERS = {
    "etl status": ([], ["raw.sales", "2024-03-08", "late since 2024-03-09"]),
    "etl show": (
        [],
        ["The run is under way", "What runs, and what waits", r"audit\s+It waits for .*load"],
    ),
    "etl show failed": ([], ["The night failed", "audits.dear found 1 offending row", "It waits for audit"]),
    "etl schedule show": ([], ["NEXT RUN|Next run", "etl schedule show"]),
    "etl status sales": ([], ["missing: 2024-03-03, 2024-03-09"]),
    "etl audits --failed": (["audits.dear"], ["audits.dear", "gold is dear", "gold"]),
    "etl diff": (["Changes"], ["marts.items", "new: 2024-03-04", "etl report --changes"]),
    "etl run": ([], ["luigi --module etl Nightly", "Run only what failed and what waits for it"]),
}


@pytest.fixture
def bad(morning: Any) -> Path:
    """The report that the browser opens; of each question's moment it is written again."""
    return Path(write_report(morning, Ledger(morning.ledger, is_reading=True)).resolve())


@pytest.mark.parametrize("command", ANSWERS)
def test_a_question_is_answered_within_two_clicks(morning: Any, opened: Any, tmp_path: Path, command: str) -> None:
    clicks, texts = ANSWERS[command]
    assert len(clicks) <= 2
    file = tmp_path / "report.html"
    if command == "etl show":
        tiny.deliver(morning, {"sales/2024-03-10.csv": "id,item\n10,cup\n"})
        active_run(morning.identity, new_run_id(), Scope(date(2024, 3, 10)), is_whole=True)
    try:
        write_report(morning, Ledger(morning.ledger, is_reading=True), file)
    finally:
        finish_runs()

    page = opened("", file)
    for name in clicks:
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_timeout(50)

    shown = page.inner_text("main")
    for text in texts:
        assert re.search(text, shown), shown


def test_every_question_of_the_page_is_among_them() -> None:
    assert set(questions()) == set(ANSWERS)
