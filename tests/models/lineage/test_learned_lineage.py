"""The lineage of models that learn: a prediction leads through FEATURES to raw files, and never by its label."""

from contextlib import closing
from pathlib import Path

import pytest

from etl.ledger import Ledger
from etl.models.lineage import Lineage, Origin, downstream, read_lineage, upstream
from etl.plan.definitions import definitions
from tests.stages.trained import small

#: A column is called as one of the tables of the model has one, too.
SQL = {
    "staging/visits.sql": "select visit_date, id, kind, kind * 2 as seed, bought from raw.visits",
    "ml/training.sql": "select visit_date, id as Id, seed, kind + 1 as more, bought from staging.visits",
}


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    project = small.project(tmp_path, range(1), SQL, small.MODEL.replace('["id"]', '["id", "seed"]'))
    with closing(Ledger(project.ledger)) as ledger:
        return read_lineage(*definitions(project, ledger))


def of_training(*names: str) -> set[Origin]:
    return {Origin("ml.training", name) for name in names}


def test_a_prediction_is_made_of_the_model_and_of_every_column_but_the_label(lineage: Lineage) -> None:
    made = lineage.made(Origin("ml.guess_predictions", "prediction"))

    assert {*made.values} == of_training("visit_date", "Id", "seed", "more") | {Origin("ml.guess", "artefact")}
    assert made.expressions[0].sql == "predict(model, rows)" and not made.same


@pytest.mark.parametrize("name", ["Id", "seed", "visit_date"])
def test_a_column_of_the_key_is_that_of_the_rows(lineage: Lineage, name: str) -> None:
    assert {*lineage.same(Origin("ml.guess_predictions", name))} == of_training(name)


def test_the_model_is_made_of_all_that_it_was_trained_on(lineage: Lineage) -> None:
    assert lineage.same(Origin("ml.guess", "artefact")) == (Origin("ml.guess_decisions", "artefact"),)
    (trained,) = lineage.same(Origin("ml.guess_decisions", "artefact"))
    assert {*lineage.values[trained]} == of_training("visit_date", "Id", "seed", "more", "bought")
    assert lineage.same(Origin("ml.guess_trained", "cut_off")) == (Origin("ml.guess_window", "cut_off"),)
    gain = {*lineage.values[Origin("ml.guess_decisions", "gain")]}
    assert gain == {trained, *of_training("visit_date", "Id", "seed", "more", "bought")}


def test_every_table_of_it_is_known_down_to_the_file_and_back(lineage: Lineage) -> None:
    assert not any(table.opaque for table in lineage.tables.values())
    above = "\n".join(upstream(lineage, "ml.guess_predictions.prediction"))
    assert "data/raw/visits/{date}.csv: kind" in above
    below = "\n".join(downstream(lineage, "raw.visits.kind"))
    assert "ml.guess_predictions.prediction" in below and "ml.guess.artefact" in below
