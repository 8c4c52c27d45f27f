"""How well parts of the rows are told: only rows that the model has not learned from, and each as by hand."""

from contextlib import closing
from math import log
from pathlib import Path

import pytest

from etl.ledger import Ledger
from etl.project import Project
from etl.reports.cards import card, markdown
from tests.stages.trained import small
from tests.support import tiny

SQL = {
    "ml/training.sql": "select visit_date, id, kind, if(kind = 0, 'few', 'many') as letter, id::varchar as name, "
    "'same' as one, bought from raw.visits"
}


def _published(root: Path) -> None:
    days = range(64)
    tiny.night(small.project(root, days, SQL), small.day(days[-1]))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A night that has trained a model, and said what it says of each row."""
    return tiny.once(tmp_path, _published)


def test_each_part_is_told_as_by_hand(project: Project) -> None:
    with closing(Ledger(project.ledger)) as ledger:
        found = card(project, ledger, "guess")

    ((until,),) = tiny.published(project, "select trained_until from ml.guess")
    query = "select letter, bought, prediction from ml.training join ml.guess_predictions using (id, visit_date)"
    rows = tiny.published(project, f"{query} where visit_date >= '{until}' and bought is not null")
    assert rows and len(rows) < 64 * 12
    # no part of a column with one value, with a value for each row, or of numbers
    assert (found["parts"][0]["column"], found["parts"][0]["value"]) == ("", "all")
    assert {one["column"] for one in found["parts"][1:]} == {"letter"}
    for one in found["parts"]:
        own = [(truth, told) for letter, truth, told in rows if one["value"] in ("all", letter)]
        loss = [-log(told if truth else 1 - told) for truth, told in own]
        assert (one["rows"], one["score"]) == (len(own), pytest.approx(sum(loss) / len(own)))
        assert one["mean"] == pytest.approx(sum(truth for truth, _ in own) / len(own))
    scores = [one["score"] for one in found["parts"][1:]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 2
    assert "## How well parts are told" in markdown(found).splitlines()


def test_a_night_is_told_with_its_commit_its_verdict_and_why(project: Project) -> None:
    with closing(Ledger(project.ledger)) as ledger:
        found = card(project, ledger, "guess")

    assert found["counts_as"] == "the champion" and found["again"] == [
        f"etl reproduce {found['training']['run_id']}"
    ]
    ((decided),) = found["gate"]
    assert (decided["verdict"], decided["why"]) == ("champion", "the first model")
    assert set(found["tables"]) >= {"ml.guess", "ml.guess_predictions", "ml.guess_decisions"}
