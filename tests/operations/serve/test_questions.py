"""Each question of a morning is answered on a page that is two clicks from the first one."""

import re
from datetime import date

import pytest

from etl.plan import Scope
from etl.run.active import active_run, finish_runs, new_run_id
from tests.docs.test_questions import project as morning
from tests.docs.test_questions import questions
from tests.support import tiny
from tests.support.serving import Client, served

__all__ = ["morning"]

#: Where each question is answered, and how; by the command that answers it in a terminal.
ANSWERS = {
    "etl status": ("/", ["raw.sales", "2024-03-08", "late since 2024-03-09"]),
    "etl schedule show": ("/", ["Next run"]),
    "etl show": ("/runs/RUN", ["under way", "waits", "It waits for .*audit"]),
    "etl show failed": ("/runs/FAILED", ["failed", "audits.dear found 1 offending row", "skipped"]),
    "etl status sales": ("/", ["missing: 2024-03-03, 2024-03-09"]),
    "etl audits --failed": ("/", ["audits.dear", "gold"]),
    "etl diff": ("/report.json", ['"marts.items"', '"changes"']),
    "etl run": ("/runs", ['action="/runs"', "what failed or waits"]),
}


def linked(client: Client, page: str) -> set[str]:
    """Return the pages that one leads to."""
    return set(re.findall(r'href="(/[^"#]*)"', client.get(page).text))


@pytest.mark.parametrize("command", ANSWERS)
def test_a_question_is_answered_within_two_clicks(morning, command):
    with served(morning) as stranger:
        browser = stranger.log_in()
        tiny.deliver(morning, {"sales/2024-03-10.csv": "id,item\n10,cup\n"})
        runs = [run["run_id"] for run in browser.get("/runs", Accept="*/*").data]
        run = active_run(morning.identity, new_run_id(), Scope(date(2024, 3, 10)), is_whole=True)
        try:
            place, texts = ANSWERS[command]
            place = place.replace("RUN", run.row.run_id).replace("FAILED", runs[0])
            first = linked(browser, "/")
            # the page of changes is a part of the report
            assert place in {
                "/",
                "/report.json",
                *first,
                *(more for page in first for more in linked(browser, page)),
            }
            if command != "etl show":
                finish_runs()
            shown = browser.get(place).text
        finally:
            finish_runs()
    for text in texts:
        assert re.search(text, shown), shown[-3000:]


def test_every_question_of_the_page_is_among_them():
    assert set(questions()) == set(ANSWERS)
