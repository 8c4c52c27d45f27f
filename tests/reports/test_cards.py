"""Cards of models that learn: what is known of one, from its docstring down to the columns of raw files."""

import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from etl.cli.main import cli
from etl.errors import ConfigError, printable
from etl.ledger import Ledger
from etl.ledger.experiments import Experiment, write
from etl.project import Project
from etl.reports.cards import card, markdown
from etl.reports.cards.counts import counting, thinned
from etl.reports.cards.gate import decisions_of
from tests.support import tiny

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Visits(pa.DataFrameModel):
    id: int
    age: int = pa.Field(description="of the visitor", metadata={"unit": "years"})
    bought: int

visits = Source(contract=Visits, files="visits/{date}.csv", partition="visit_date")
"""
SQL = {
    "staging/visits.sql": "select id, visit_date, age, bought, id % 7 as till from raw.visits where age > 0",
    "ml/elsewhere_decisions.sql": """
        select 2 as number, date '2024-03-01' as decided_for, 'challenger lost' as verdict, 'abc' as challenger,
            0.0004::double as gain, -0.0024::double as gain_low, 0.0035::double as gain_high,
            'not clearly better' as why, 'left out'::blob as artefact
        union all by name select 1 as number, 'champion' as verdict
    """,
    "features/till_last.sql": """-- What a till saw last. Grain: till, seen_on.
-- entity: till
-- event_time: seen_on
-- ttl: 5 days
-- owner: ann@example.com
select till, visit_date as seen_on, max(age) as till_age from staging.visits group by all""",
    "ml/training.sql": """-- features: till_last
-- at: visit_date
select id, visit_date, age, age * till as mixed, till, bought from staging.visits""",
}
MODEL = '''
"""Who buys.

Told at the door.
"""

FEATURES = "ml.training"
LABEL = "bought"
KEY = ["id"]
TIME = "visit_date"
HELD_OUT = "10 days"
PARAMS = {"share": 0.3}


def train(rows, params, report):
    return params["share"]


def predict(model, rows):
    return [model] * len(rows)
'''
TRAINED = Experiment(
    experiment_id="1" * 16,
    model="guess",
    origin="night",
    started_at="2024-03-01T04:00:00+00:00",
    run_id="20240301T040000Z",
    commit_id="abcdef",
    cut_off="2024-03-01",
    params={"share": 0.3},
    metrics={"log_loss": 0.5, "days": [[1, 2]]},
    libraries={},
    rows=1_234,
    seed=3,
    fingerprint="f00",
    verdict="champion",
)
CURVE = [("log_loss", step, 1 / step) for step in range(1, 201)]


def _published(root: Path) -> None:
    tiny.night(tiny.project(root, CONTRACTS, SQL, {"visits/2024-03-01.csv": "id,age,bought\n1,20,0\n"}))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A published project with a model that learns, and one training of it."""
    made = tiny.once(tmp_path, _published)
    (made.root / "ml").mkdir()
    (made.root / "ml/guess.py").write_text(MODEL.lstrip())
    keep(made, TRAINED)
    monkeypatch.setenv("ETL_PROJECT", str(made.root))
    return made


def keep(project: Project, *experiments: Experiment) -> None:
    with closing(Ledger(project.ledger)) as ledger:
        for one in experiments:
            write(ledger, one, CURVE)


def known(project: Project, name: str = "guess"):
    with closing(Ledger(project.ledger)) as ledger:
        return card(project, ledger, name)


def test_a_card_says_what_a_model_is_and_how_well_it_does(project: Project) -> None:
    keep(project, replace(TRAINED, experiment_id="2", started_at="2024-04-01", verdict="challenger lost"))
    found = known(project)

    assert found["description"] == "Who buys.\n\nTold at the door."
    assert found["counts_as"] == "the champion" and found["training"]["metrics"] == {"log_loss": 0.5}
    assert found["training"]["curves"]["log_loss"][-1] == [200, 0.005]
    assert [one["verdict"] for one in found["decisions"]] == ["challenger lost", "champion"]
    assert found["gaps"] == [] and found["again"] == ["etl reproduce 20240301T040000Z"]
    assert json.loads(json.dumps(found)) == found


def test_each_feature_leads_to_the_columns_of_raw_files(project: Project) -> None:
    features = known(project)["features"]
    columns = {one["column"]: one for one in features["columns"]}

    assert {name: one["made_of"] for name, one in columns.items()} == {
        "id": ["raw.visits.id"],
        "visit_date": ["raw.visits.visit_date"],
        "age": ["raw.visits.age"],
        "mixed": ["raw.visits.age", "raw.visits.id"],
        "till": ["raw.visits.id"],
        "bought": ["raw.visits.bought"],
        # what it is, and whether it may still be used
        "till_age": ["raw.visits.age", "raw.visits.visit_date"],
    }
    assert features["files"] == {"raw.visits": "visits/{date}.csv"}
    assert [one["part"] for one in columns.values()] == [
        *("key", "time", "feature", "feature", "feature", "label", "feature")
    ]
    assert (columns["age"]["description"], columns["age"]["unit"]) == ("of the visitor", "years")


def test_each_feature_of_a_set_says_what_it_is_about_and_how_long_it_lasts(project: Project) -> None:
    found = known(project)

    assert (found["features"]["at"], found["features"]["sets"]) == (
        "visit_date",
        [
            {"table": "features.till_last", "description": "What a till saw last."}
            | {
                "entity": ["till"],
                "event_time": "seen_on",
                "ttl": "5 days",
                "known": "",
                "owner": "ann@example.com",
            }
        ],
    )
    said = "- `features.till_last`, by `till`, from `seen_on` on, for 5 days. What a till saw last."
    assert said + " Owner: ann@example.com." in markdown(found).splitlines()


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        (
            {"params": {"share": 0.4}},
            "PARAMS are others by now than those of the training: share was 0.4, and is 0.3.",
        ),
        (
            {"libraries": {"x": "1"}},
            "The libraries are others by now than those of the training: x was 1, and is None.",
        ),
        ({"commit_id": ""}, "It is not known which commit trained it: not all was committed, or there is no git."),
    ],
)
def test_what_has_changed_since_is_a_known_gap(project: Project, change, gap: str) -> None:
    keep(project, replace(TRAINED, **change))

    assert known(project)["gaps"] == [gap]


def test_a_model_that_nobody_trained_or_whose_file_is_gone_has_a_card(project: Project) -> None:
    (project.root / "ml/guess.py").rename(project.root / "ml/other.py")

    assert known(project, "other")["gaps"] == ["It was never trained."]
    assert known(project)["gaps"][0].startswith("The file of the model is gone")
    assert known(project)["training"]["rows"] == 1_234
    with pytest.raises(ConfigError, match="Did you mean guess"):
        known(project, "gues")


DECIDED = {
    "number": 2,
    "decided_for": "2024-03-01",
    "verdict": "challenger lost",
    "challenger": "abc",
    "gain": 0.0004,
    "gain_low": -0.0024,
    "gain_high": 0.0035,
    "why": "not clearly better",
}


def test_what_the_gate_has_published_is_told_the_newest_first(project: Project) -> None:
    found = decisions_of(project, "ml.elsewhere_decisions")

    assert found == [DECIDED, dict.fromkeys(DECIDED) | {"number": 1, "verdict": "champion"}]
    assert decisions_of(project, "ml.training") == decisions_of(project, "ml.nothing") == []
    told = markdown(known(project) | {"gate": found})
    row = "| 2024-03-01 | challenger lost | `abc` | 0.0004 | -0.0024 to 0.0035 |  | not clearly better |"
    assert row in told.splitlines()


def trial(number: int, **facts) -> Experiment:
    one = replace(TRAINED, experiment_id=str(number), origin="tune", verdict="trial", metrics={"share": 1.0})
    return replace(one, **facts)


@pytest.mark.parametrize(
    ("found", "chosen", "what"),
    [
        ([], None, ""),
        ([trial(1, verdict="failed")], "1", "the newest training"),
        ([trial(1), trial(2, metrics={"share": 0.25})], "1", "trial of etl tune with the parameters of today"),
        ([trial(1), trial(2, params={"share": 0.9})], "1", "trial of etl tune with the parameters of today"),
        ([trial(1, params={"share": 0.9}), trial(2, verdict="pruned")], "1", "the newest full trial of etl tune"),
        ([trial(1), trial(2, metrics={"role": "noise"})], "1", "trial of etl tune with the parameters of today"),
        ([trial(1, origin="night", verdict=""), trial(2)], "1", "the newest training of a night"),
        (
            [trial(1, origin="night", verdict="champion"), trial(2, origin="night", verdict="x")],
            "1",
            "the champion",
        ),
    ],
)
def test_the_training_that_counts(found, chosen: str | None, what: str) -> None:
    one, said = counting(found, {"share": 0.3})

    assert (one and one.experiment_id, said.endswith(what)) == (chosen, True)


@given(st.lists(st.floats(), min_size=1, max_size=300), st.integers(1, 60))
def test_a_thin_curve_ends_as_the_whole_one_does_and_has_no_step_twice(values: list[float], most: int) -> None:
    steps = [step for step, _ in thinned(list(enumerate(values)), most)]

    assert len(steps) == min(most, len(values)) and steps[-1] == len(values) - 1
    assert steps == sorted(set(steps))


def test_the_command_prints_markdown_or_json(project: Project) -> None:
    said = CliRunner().invoke(cli, ["ml", "card", "guess"]).stdout
    heads = re.findall(r"^#+ (.*)$", said, re.MULTILINE)

    assert heads == [
        *("guess", "Training", "Results", "Parameters", "Curves", "Features", "Decisions", "Do it again")
    ]
    assert "| `mixed` | feature | BIGINT |  | `raw.visits.age`, `raw.visits.id` |" in said
    assert "`log_loss`: 200 steps, from 1 to 0.005, least 0.005 at step 200" in said
    assert json.loads(CliRunner().invoke(cli, ["ml", "card", "guess", "--json"]).stdout) == known(project)


def shown(text: str) -> list[str]:
    """Return the texts that a reader of Markdown sees, in order."""
    found = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [one for one in found if one.type == "inline"]
    return ["".join(part.content for part in one.children or ()).strip() for one in inline]


texts = st.text("a|`\\<>*_[]#&~\n\u202e -!:/.1", min_size=1, max_size=8) | st.text(min_size=1)


@given(texts, texts)
def test_whatever_a_name_or_a_value_says_it_is_a_text_of_its_cell(name: str, value: str) -> None:
    one = {"metrics": {name: 1.5}, "params": {name: value}, "curves": {}, "libraries": {}, "seconds": None}
    facts = dict.fromkeys(("started_at", "verdict", "cut_off", "experiment_id", "commit_id", "run_id"), "")
    facts |= {"fingerprint": "", "model_version": "", "rows": None, "seed": None}
    told = {"model": "m", "file": "f", "description": "", "declared": {}, "tables": {}, "features": {}} | {
        "counts_as": "the champion", "training": one | facts, "trainings": {value: 1}, "decisions": [],
        "gaps": [f"x {value}"], "again": [],
    }  # fmt: skip

    seen = shown(markdown(told))

    assert seen[seen.index("metric") + 2] == printable(name).strip()
    at = seen.index("Parameters")
    assert seen[at + 3 : at + 5] == [printable(name).strip(), printable(value).strip()]
    assert seen[-1] == f"x {printable(value)}".strip()
