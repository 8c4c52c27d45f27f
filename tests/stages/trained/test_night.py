"""A model that learns, night by night: once a month, replaced by better ones only, and made once more alike."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import AuditError, ModelError, TransformError
from etl.ledger import Ledger
from etl.ledger.experiments import NIGHT, curves_of, of_model
from etl.operations.reproduce import reproduce
from etl.project import Project
from etl.stages import published
from tests.stages.trained import small
from tests.support import tiny

pytestmark = pytest.mark.sampled

MODEL = "select model_version, cut_off, trained_until, trained_rows, params, libraries, artefact from ml.guess"
DECISIONS = (
    "select decided_for, champion, challenger, judged_days, verdict, why from ml.guess_decisions order by number"
)
EVERY = ("window", "trained", "decisions", "predictions")
#: Says of each kind what is seldom so, and is worse than one that has learned.
WORSE = small.MODEL.replace('"weight": 1.0', '"weight": 0.3')
BETTER = small.MODEL.replace("model.get(int(kind), 0.5)", "min(model[int(kind)], 1)")


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> str:
    """Models lie in rows or in files: every test holds for both, and each time another one is drawn."""
    said = random.choice(("", "artefact_megabytes = 0\n"))
    print(f"drawn: {said or 'models in rows'}")
    monkeypatch.setattr(small, "SETTINGS", f"threads = 1\n{said}")
    return said


@pytest.fixture
def project(tmp_path: Path, settings: str) -> Project:
    """A model that was trained once, by sixty-four days."""
    return tiny.once(tmp_path / "project", _MADE[settings])


def _in_rows(root: Path) -> None:
    night(small.project(root), 63)


def _in_files(root: Path) -> None:
    night(small.project(root), 63)


_MADE = {"": _in_rows, "artefact_megabytes = 0\n": _in_files}


def night(project: Project, number: int) -> list[str]:
    """Do the night of a day; return the tables of the model that were not left as they were."""
    plan = tiny.night(project, small.day(number))
    receipts = Ledger(project.ledger).receipts()
    return [
        key.name
        for key, receipt in receipts.items()
        if key.step == "transform" and receipt.run_id == plan.run_id and receipt.details["built"]
    ]


def deliver(project: Project, *numbers: int) -> None:
    tiny.deliver(project, {f"visits/{small.day(number)}.csv": small.visits(number) for number in numbers})


def tables(project: Project) -> dict[str, list]:
    names = ("ml.guess", *(f"ml.guess_{name}" for name in EVERY))
    return {name: tiny.published(project, f"from {name} order by all") for name in names}


def trainings(project: Project) -> list[tuple]:
    found = of_model(Ledger(project.ledger), "guess")
    return [(one.origin, one.cut_off, one.model_version, one.verdict) for one in found]


def test_a_night_trains_once_a_month_and_says_of_each_row_what_it_is(project: Project) -> None:
    ((version, cut_off, until, rows, *_),) = tiny.published(project, MODEL)
    assert (cut_off, until, rows) == (small.day(60), small.day(50), 50 * 12)
    assert trainings(project) == [(NIGHT, str(small.day(60)), version, "champion")]
    (one,) = of_model(Ledger(project.ledger), "guess")
    assert curves_of(Ledger(project.ledger), one.experiment_id) == {"log_loss": [(1, 600.0)]}
    said = tiny.published(
        project, "select kind, bought, prediction from ml.guess_predictions join ml.training using (id)"
    )
    shares = tiny.published(
        project,
        f"select kind, avg(bought) from ml.training where visit_date < '{until}' group by all order by all",
    )
    assert len(said) == 64 * 12 and {(kind, share) for kind, _, share in said} == set(shares)

    deliver(project, 64)
    assert night(project, 64) == ["ml.training", "ml.guess_window", "ml.guess_predictions"]
    assert tiny.published(project, MODEL)[0][0] == version and len(trainings(project)) == 1
    assert tiny.published(project, "select count(*) from ml.guess_predictions") == [(65 * 12,)]
    assert night(project, 64) == []


def test_a_new_month_a_corrected_file_and_other_code_train_again(
    project: Project,
) -> None:
    tiny.deliver(project, {f"visits/{small.day(20)}.csv": small.visits(20, change=3)})
    assert "ml.guess_trained" in night(project, 63)
    small.write(project, small.MODEL.replace('"weight": 1.0', '"weight": 1.01'))
    assert "ml.guess_trained" in night(project, 63)
    deliver(project, *range(64, 92))
    assert "ml.guess_trained" in night(project, 91)
    assert [cut_off for _, cut_off, *_ in trainings(project)] == [*[str(small.day(60))] * 3, str(small.day(91))]


def test_nothing_worse_replaces_what_is_published_and_something_better_does(project: Project) -> None:
    (first,) = tiny.published(project, MODEL)
    small.write(project, WORSE)
    night(project, 63)
    assert tiny.published(project, MODEL) == [first]
    assert [row[4:] for row in tiny.published(project, DECISIONS)] == [
        ("champion", "the first model"),
        ("challenger lost", "not clearly better: it is not whichever days are drawn"),
    ]
    assert [verdict for *_, verdict in trainings(project)] == ["champion", "challenger lost"]


def test_a_better_one_replaces_a_worse_one(tmp_path: Path) -> None:
    project = small.project(tmp_path, text=WORSE)
    night(project, 63)
    small.write(project)
    night(project, 63)
    (_, (_, champion, challenger, days, verdict, why)) = tiny.published(project, DECISIONS)
    assert (days, verdict, why) == (10, "champion", "better on 10 days, whichever of them are drawn")
    assert tiny.published(project, MODEL)[0][0] == challenger != champion
    assert {
        version for (version,) in tiny.published(project, "select model_version from ml.guess_predictions")
    } == {challenger}


def test_a_persons_word_decides_and_is_told(project: Project) -> None:
    word = {"cut_off": str(small.day(60)), "word": "promote", "why": "as sales wish", "who": "ann"}
    small.write(project, WORSE)
    path = project.ml / "guess.jsonl"
    path.write_text(json.dumps(word) + "\n")
    night(project, 63)
    assert tiny.published(project, DECISIONS)[-1][4:] == ("champion", "promoted: as sales wish (ann)")
    worse = tiny.published(project, MODEL)

    small.write(project)
    path.write_text(json.dumps({**word, "word": "hold"}) + "\n")
    night(project, 63)
    assert tiny.published(project, DECISIONS)[-1][4:] == ("challenger lost", "held: as sales wish (ann)")
    assert tiny.published(project, MODEL) == worse

    path.write_text('{"cut_off": "2024-03-01", "word": "promot", "why": "x"}\n')
    with pytest.raises(ModelError, match=r"ml/guess\.jsonl:1: word is 'promot'\. Write promote or hold\."):
        night(project, 63)


def test_rollback_brings_the_model_and_what_it_says_back_together(tmp_path: Path) -> None:
    project = small.project(tmp_path, text=WORSE)
    night(project, 63)
    before = tables(project)
    first = published.current(project)
    small.write(project)
    night(project, 63)
    assert tables(project) != before

    published.rollback(project, Ledger(project.ledger), first)
    assert tables(project) == before


@pytest.mark.parametrize("when", ["train", "keep", "decide", "predict"])
def test_a_training_that_is_killed_is_done_again_and_kept_once(
    project: Project, tmp_path: Path, settings: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    whole = tiny.once(tmp_path / "whole", _MADE[settings])
    for one in (project, whole):
        deliver(one, *range(64, 92))
    night(whole, 91)

    places = {
        "train": "etl.stages.trained.night.packed",
        "keep": "etl.stages.warehouse.learning.write",
        "decide": "etl.stages.warehouse.learning.decide",
        "predict": "etl.stages.trained.artefact.unpacked",
    }
    module, _, name = places[when].rpartition(".")
    real = getattr(sys.modules[module], name)

    def killed(*arguments: object) -> None:
        if when in ("keep", "decide"):
            real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(places[when], killed)
        with pytest.raises(KeyboardInterrupt):
            night(project, 91)
    night(project, 91)
    assert tables(project) == tables(whole)
    assert trainings(project) == trainings(whole) and len(trainings(whole)) == 2


def test_the_order_of_rows_and_the_number_of_threads_make_no_difference(project: Project, tmp_path: Path) -> None:
    shuffled = small.project(tmp_path / "shuffled")
    config = shuffled.root / "luigi.cfg"
    config.write_text(config.read_text().replace("threads = 1", "threads = 2"))
    for path in shuffled.raw.rglob("*.csv"):
        head, *lines = path.read_text().splitlines()
        random.Random(path.name).shuffle(lines)
        path.write_text("\n".join([head, *lines]) + "\n")
    night(tiny.load_project(shuffled.root), 63)
    assert tables(shuffled) == tables(project)


def test_a_lost_build_and_a_lost_ledger_go_on_from_what_is_published(project: Project) -> None:
    small.write(project, WORSE)
    night(project, 63)
    before = tables(project)
    project.build.unlink()
    project.ledger.unlink()
    night(project, 63)
    assert tables(project) == before


def commit(project: Project) -> str:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
        command = ["git", "-C", str(project.root), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "luigi.cfg", "contracts", "sql", "ml")
    git("commit", "-qm", "a change")
    return git("rev-parse", "HEAD")


def test_a_generation_is_reproduced_with_its_model_bit_for_bit(project: Project) -> None:
    small.write(project, WORSE)
    night(project, 63)
    small.write(project)
    deliver(project, *range(64, 92))
    tiny.night(project, small.day(91), git_commit=commit(project))
    with reproduce(project, published.current(project) or "") as found:
        assert found.different == [] and found.notes == []
        assert len(found.tables) == 7

    code = (
        "import sys; from etl.operations.reproduce import reproduce; from etl.project import load_project\n"
        "with reproduce(load_project(sys.argv[1]), sys.argv[2]) as found: print(found.different)"
    )
    command = [sys.executable, "-c", code, str(project.root), published.current(project) or ""]
    other = {"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"}
    assert subprocess.run(command, env=other, check=True, capture_output=True, text=True).stdout == "[]\n"


def test_never_stays_where_it_was_and_drift_moves_the_cut_off(tmp_path: Path) -> None:
    text = small.MODEL.replace("SEED = 3", 'RETRAIN = "never"\nSEED = 3')
    project = small.project(tmp_path, text=text)
    night(project, 63)
    deliver(project, *range(64, 92))
    assert "ml.guess_trained" not in night(project, 91)

    small.write(project, text.replace("never", "drift 0.2"))
    night(project, 91)
    assert [cut_off for _, cut_off, *_ in trainings(project)][-1] == str(small.day(60))
    other = "\n".join(["id,kind,bought", *(f"{9200 + n},7,1" for n in range(400))]) + "\n"
    tiny.deliver(project, {f"visits/{small.day(92)}.csv": other})
    night(project, 92)
    assert [cut_off for _, cut_off, *_ in trainings(project)][-1] == str(small.day(92))


@pytest.mark.parametrize(
    ("retrain", "cut_off"), [("monthly", 60), ("weekly", 63), ("always", 64)], ids=["monthly", "weekly", "always"]
)
def test_the_cut_off_is_told_by_the_data(tmp_path: Path, retrain: str, cut_off: int) -> None:
    text = small.MODEL.replace("SEED = 3", f'RETRAIN = "{retrain}"\nSEED = 3')
    project = small.project(tmp_path, range(65), text=text)
    night(project, 80)
    assert tiny.published(project, "select cut_off from ml.guess_window") == [(small.day(cut_off),)]


def test_of_too_few_days_nothing_is_learned_and_nothing_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project = small.project(tmp_path, range(20))
    night(project, 19)
    assert {name: len(rows) for name, rows in tables(project).items()} == dict.fromkeys(tables(project), 0)
    assert "ml/guess.py is not trained yet: ml.training has 0 rows to learn from before 2023-12-22" in caplog.text
    assert trainings(project) == []


def test_other_libraries_train_the_champion_again_before_it_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"lib": "1.0"}
    monkeypatch.setattr("etl.models.libraries._version", lambda name: versions[name])
    text = small.MODEL.replace("SEED = 3", 'LIBRARIES = ["lib"]\nSEED = 3')
    project = small.project(tmp_path, text=text)
    night(project, 63)
    small.write(project, text.replace('"weight": 1.0', '"weight": 0.3'))
    versions["lib"] = "2.0"
    night(project, 63)
    ((_, _, _, _, params, libraries, _),) = tiny.published(project, MODEL)
    assert (params, libraries) == ('{"weight": 1.0}', '{"lib": "2.0"}')
    assert tiny.published(project, DECISIONS)[-1][5].endswith("trained again, by other versions of its libraries")


def _code(text: str) -> Callable[[Project], object]:
    return lambda project: small.write(project, text)


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (_code(small.MODEL.replace("    report(1", "    1 / 0\n    report(1")), TransformError,
         r"ml\.guess_trained \(ml/guess\.py:14\) could not be built: ZeroDivisionError: division by zero\."),
        (_code(small.MODEL.replace('KEY = ["id"]', 'KEY = ["kind"]')), TransformError,
         r"ml/guess\.py:5: KEY: several rows of ml\.training have kind 0, so that they have no order"),
        (_code(small.MODEL.replace('TIME = "visit_date"', 'TIME = "kind"')), ModelError,
         r"ml/guess\.py:6: TIME: kind is BIGINT, not a date or timestamp\. Cast it\."),
        (_code(small.MODEL.replace("ml.training", "ml.trainin")), ModelError,
         r"ml/guess\.py:3: FEATURES: there is no table ml\.trainin\. Did you mean ml\.training\?"),
        (_code(small.MODEL.replace('LABEL = "bought"', 'LABEL = "bougt"')), ModelError,
         r"ml/guess\.py:4: LABEL: ml\.training has no column bougt\. Did you mean bought\?"),
        (_code(small.MODEL.replace("SEED = 3", 'RETRAIN = "dayly"')), ModelError,
         r'ml/guess\.py:8: RETRAIN is \'dayly\'\. Write it as one of "monthly", "weekly", "always", "never" or'),
        (_code("# materialized: table\n# partition: id\n" + small.MODEL), ModelError, r"ml/guess\.py.*partition"),
        (lambda project: (project.sql / "ml/guess.sql").write_text("select 1 as x from raw.visits"), ModelError,
         r"ml/guess\.py: sql/ml/guess\.sql already makes ml\.guess\. Remove one of them\."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(
    project: Project, spoil: Callable[[Project], object], error: type[Exception], said: str
) -> None:
    spoil(project)
    before = tables(project)
    with pytest.raises(error, match=said):
        night(project, 63)
    assert tables(project) == before


def test_predictions_keep_their_contract_and_their_audits_and_are_exported_as_any_table(project: Project) -> None:
    header = "# owner: ann\n# export: parquet\n# unit: prediction = share\n# not_null: prediction\n"
    small.write(project, header + small.MODEL.lstrip())
    contract = """
class Guesses(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    visit_date: datetime.date
    prediction: float = pa.Field(ge=0, le=1)
    model_version: str

    class Config:
        name = "ml.guess_predictions"
"""
    path = project.root / "contracts/all.py"
    path.write_text("import datetime\n" + path.read_text() + contract)
    night(project, 63)
    checks = {name for (name,) in tiny.published(project, "select name from etl.checks")}
    assert {
        "ml.guess_predictions.not_null.prediction",
        "ml.guess_predictions.prediction.less_than_or_equal_to",
    } <= checks
    (exported,) = (project.lake / "ml/guess_predictions").glob("*.parquet")
    assert exported.is_file() and not (project.lake / "ml/guess").exists()

    path.write_text(path.read_text().replace("le=1", "le=0.3"))
    with pytest.raises(AuditError, match=r"ml\.guess_predictions"):
        night(project, 63)


#: Plans a night in a process of its own.
LIGHT = """
import sys
from datetime import date
from etl.ledger import Ledger
from etl.plan import Scope, make_plan
from etl.project import load_project

project = load_project(sys.argv[1])
plan = make_plan(project, Ledger(project.ledger), Scope(date.fromisoformat(sys.argv[2])), "run-x")
print(list(plan.stale), sorted({"duckdb", "pandas", "numpy", "colorsys"} & set(sys.modules)))
"""


def test_a_night_with_nothing_new_runs_no_code_of_a_model_and_imports_none_of_its_libraries(
    project: Project,
) -> None:
    small.write(project, "import colorsys\n" + small.MODEL.lstrip())
    night(project, 63)
    command = [sys.executable, "-c", LIGHT, str(project.root), str(small.day(63))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[] []\n"


def test_a_night_predicts_the_days_that_are_new_or_changed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr("builtins.print", seen.append)
    text = small.MODEL.replace("    return [model.get", "    print(len(rows))\n    return [model.get")
    project = small.project(tmp_path, text=text)
    night(project, 63)
    deliver(project, 64)
    tiny.deliver(project, {f"visits/{small.day(61)}.csv": small.visits(61, change=3)})
    (project.raw / f"visits/{small.day(62)}.csv").unlink()
    night(project, 64)
    assert seen == [120, 64 * 12, 24]
    rows = "select id, visit_date from {} order by all"
    predicted = tiny.published(project, rows.format("ml.guess_predictions"))
    assert predicted == tiny.published(project, rows.format("ml.training"))

    grown = tables(project)
    project.build.unlink()
    night(project, 64)
    assert tables(project) == grown and seen[-1] == 64 * 12
