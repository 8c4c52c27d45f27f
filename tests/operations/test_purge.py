"""`etl purge`: what was made from a source is gone; what raw/ and the contract say now is published."""

import json
from datetime import date
from pathlib import Path

import pytest

from etl.errors import ConfigError, DeliveryError
from etl.ledger import Ledger
from etl.operations.purge import drop, purge, purge_generations, still_learned
from etl.project import Project
from etl.reports.page import write_report
from etl.stages.published import current, generations
from tests.stages.trained import small
from tests.support import tiny, warm
from tests.support.everything import written
from tests.support.projects import environment

DAY = date(2024, 3, 2)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two generations, both of which hold the pen of March 2nd."""
    raw = {"sales/2024-03-01.csv": "id,item\n1,book\n", f"sales/{DAY}.csv": "id,item\n2,canary-pen\n"}
    project = tiny.project(tmp_path, raw=raw)
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n3,cup\n"})
    tiny.night(project)
    assert len(generations(project)) == 2
    return project


def holding(project: Project, text: str) -> set[str]:
    return {path for path, content in written(project) if text in content}


def test_a_day_whose_file_is_gone_is_gone_everywhere(project: Project) -> None:
    (project.raw / f"sales/{DAY}.csv").unlink()
    purged = purge(project, "sales", DAY)
    assert (purged.partitions, purged.remains) == (1, [])
    tiny.night(project)
    assert len(purge_generations(project, "sales", DAY)) == 2
    assert holding(project, "canary-pen") == set()
    assert tiny.published(project, "select id from raw.sales order by id") == [(1,), (3,)]


def test_what_a_command_was_given_is_gone(tmp_path: Path) -> None:
    copied = 'READS = ["raw.sales"]\nCOMMAND = ["cp", "{inputs}/raw.sales.parquet", "{output}"]\nVERSION = "1"\n'
    promised = (
        "\nclass Copied(Sales):\n    delivery_date: pa.Date\n    class Config:\n        name = 'marts.copied'\n"
    )
    project = tiny.project(tmp_path, tiny.CONTRACTS + promised, {"marts/copied.py": copied})
    tiny.night(project)
    assert list(project.build.parent.glob("commands/marts.copied/inputs/raw.sales.parquet"))

    purge(project, "sales")

    assert not list(project.build.parent.glob("commands*"))


def test_what_remains_in_raw_is_told_and_comes_again(project: Project) -> None:
    before = current(project)
    assert purge(project, "sales").remains == [f"data/raw/sales/2024-03-0{n}.csv" for n in (1, 2, 3)]
    assert not list((project.lake / "sales").iterdir())
    tiny.night(project)
    assert tiny.published(project, "select count(*) from raw.sales") == [(3,)]
    # the same rows, and yet a new file: the old one could hold more than its rows
    assert current(project) != before
    older = [name for name in generations(project) if name != current(project)]
    assert purge_generations(project, "sales") == older


def test_other_dates_and_generations_without_the_day_are_kept(project: Project) -> None:
    purge(project, "sales", date(2024, 3, 3))
    tiny.night(project)
    assert len(purge_generations(project, "sales", date(2024, 3, 3))) == 1
    assert len(generations(project)) == 2


def test_a_source_that_the_project_no_longer_has_can_be_purged(project: Project) -> None:
    (project.root / "contracts/all.py").write_text("")
    (project.sql / "marts/items.sql").write_text("select 1 as one")
    tiny.night(project)
    assert purge(project, "sales").partitions == 3
    tiny.night(project)
    purge_generations(project, "sales")
    assert holding(project, "canary-pen") == set()


def test_the_ledger_forgets_what_it_quoted(project: Project) -> None:
    Ledger(project.ledger).note_problem("run-1", "AuditedWarehouse", "found canary-pen")
    purge(project, "sales")
    assert [message for _, message in Ledger(project.ledger).problems("run-1")] == [
        "(removed, since it may quote personal data that was masked or withdrawn)"
    ]


def test_no_report_quotes_what_was_purged(project: Project) -> None:
    write_report(project, Ledger(project.ledger))
    purge(project, "sales")
    assert not list(project.data.rglob("report.html"))


def test_a_source_that_never_was_is_refused(project: Project) -> None:
    with pytest.raises(ConfigError, match="saels is not a source"):
        purge(project, "saels")


def test_the_command_runs_a_night_and_deletes_the_older_generations(project: Project) -> None:
    (project.raw / f"sales/{DAY}.csv").unlink()
    done = warm.run(["-m", "etl", "purge", "sales", "--date", str(DAY), "--yes"], project.root, environment())
    assert done.returncode == 0, done.stdout
    assert "Deleted 1 partition from the lake and quarantine. A night follows." in done.stdout
    assert f"Deleted 2 generations that held sales of {DAY}." in done.stdout
    assert generations(project) == [current(project)]
    assert holding(project, "canary-pen") == set()


def test_a_night_that_publishes_nothing_is_told(project: Project) -> None:
    (project.sql / "audits").mkdir()
    (project.sql / "audits/never.sql").write_text("-- fail: never\nselect * from raw.sales")
    done = warm.run(["-m", "etl", "purge", "sales", "--yes"], project.root, environment())
    assert done.returncode == 30
    assert "Nothing was published, so the generations still hold all of sales." in done.stdout
    assert len(generations(project)) == 2


def test_records_refused_while_accepted_rows_stay_are_purged_too(project: Project) -> None:
    tiny.deliver(project, {f"sales/{DAY}.csv": "id,item\nx,canary-late\n"})
    with pytest.raises(DeliveryError):
        tiny.night(project)
    assert holding(project, "canary-late")
    (project.raw / f"sales/{DAY}.csv").unlink()
    purge(project, "sales", DAY)
    tiny.night(project)
    purge_generations(project, "sales", DAY)
    assert holding(project, "canary-late") == set()


def test_nothing_is_deleted_through_a_link_or_beside_the_lake(project: Project, tmp_path: Path) -> None:
    other = project.raw / "other/day=2024-03-01/data.parquet"
    other.parent.mkdir(parents=True)
    other.write_text("delivered")
    (project.lake / "gone").symlink_to(project.raw / "other")
    (project.lake / "left").mkdir()
    (project.lake / "left/day=2024-03-01").symlink_to(other.parent)
    for delete in (purge, drop):
        for name in ("../raw/other", "..", "gone", "left", "/tmp"):
            with pytest.raises(ConfigError, match=r"is not the name of a source|nothing through links"):
                delete(project, name)
    assert other.read_text() == "delivered"


def test_what_is_left_of_a_removed_source_is_cleared_but_for_others_files(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"sales is a source, .*: etl purge sales"):
        drop(project, "sales")
    (project.root / "contracts/all.py").write_text("")
    (project.sql / "marts/items.sql").write_text("select 1 as one")
    tiny.night(project)
    notes = project.lake / "sales" / f"delivery_date={DAY}" / "notes.txt"
    notes.write_text("mine")
    assert drop(project, "sales") == 3
    assert [path for path in (project.lake / "sales").rglob("*") if path.is_file()] == [notes]
    assert not [key for key in Ledger(project.ledger).receipts() if key.step == "extract"]
    with pytest.raises(ConfigError, match="etl status"):
        drop(project, "gone")


def test_the_mirror_is_reached_too_or_the_command_says_that_it_was_not(project: Project, tmp_path: Path) -> None:
    mirror = tmp_path.with_name(f"{tmp_path.name} mirror")
    mirror.mkdir()
    with (project.root / "luigi.cfg").open("a") as file:
        file.write(f"mirror = file://{mirror}\n")
    (project.raw / f"sales/{DAY}.csv").unlink()
    command = ["-m", "etl", "purge", "sales", "--date", str(DAY), "--yes"]

    (mirror / "objects").write_text("not a folder")
    ended = warm.run(command, project.root, environment())
    assert ended.returncode == 30, ended.stdout
    assert f"file://{mirror} still holds sales of {DAY}. Fix the cause, and run: etl mirror" in ended.stdout

    (mirror / "objects").unlink()
    ended = warm.run(["-m", "etl", "mirror"], project.root, environment())
    assert ended.returncode == 0, ended.stdout
    assert not [path for path in mirror.rglob("*.parquet") if b"canary-pen" in path.read_bytes()]


#: Keeps every row that it has learned from.
LEARNS = small.MODEL.replace(
    "    return {int(kind): float(share) for kind, share in shares.items()}",
    '    seen = ", ".join(f"canary-{id}" for id in rows["id"])\n'
    '    return {"seen": seen} | {int(kind): float(share) for kind, share in shares.items()}',
)
#: A visit of the third day.
VISIT = "canary-205"


@pytest.fixture(params=["", "artefact_megabytes = 0\n"], ids=["models in rows", "models in files"])
def learned(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    """A project with a model that was trained twice, and both were used; the third of its days is gone since."""
    project = small.project(tmp_path, settings=f"threads = 1\n{request.param}", text=LEARNS)
    tiny.night(project, small.day(63))
    small.write(project, LEARNS.replace('"weight": 1.0', '"weight": 0.9'))
    word = {"cut_off": str(small.day(60)), "word": "promote", "why": "to try it"}
    (project.ml / "guess.jsonl").write_text(json.dumps(word))
    tiny.night(project, small.day(63))
    assert len(models(project)) == 2
    (project.raw / f"visits/{small.day(2)}.csv").unlink()
    return project


def models(project: Project) -> set[str]:
    query = "select model_version from ml.guess_decisions where artefact is not null"
    return {version for (version,) in tiny.published(project, query)}


def test_no_model_that_has_learned_from_what_was_purged_is_anywhere(learned: Project) -> None:
    before = models(learned)
    assert holding(learned, VISIT)
    purged = purge(learned, "visits", small.day(2))
    assert purged.models == ["ml.guess"]
    tiny.night(learned, small.day(63))
    purge_generations(learned, "visits", small.day(2))
    assert still_learned(learned, purged) == [] and holding(learned, VISIT) == set()
    assert len(models(learned)) == 1 and models(learned).isdisjoint(before)
    told = tiny.published(learned, "select why, artefact is null from ml.guess_decisions order by number")
    assert told == [
        ("the first model; what it had learned was purged", True),
        ("promoted: to try it; what it had learned was purged", True),
        ("the models of before were purged", False),
    ]
    assert tiny.published(learned, "select count(*) from ml.guess_predictions") == [(63 * 12,)]


def test_a_build_that_is_lost_before_the_night_brings_what_was_learned_back_and_that_is_told(
    learned: Project,
) -> None:
    purged = purge(learned, "visits", small.day(2))
    learned.build.unlink()
    tiny.night(learned, small.day(63))
    assert still_learned(learned, purged) == ["ml.guess_decisions"]


def test_the_command_names_the_models_that_learn_again(learned: Project) -> None:
    command = ["-m", "etl", "purge", "visits", "--date", str(small.day(2))]
    asked = warm.run(command, learned.root, environment())
    assert "all generations but the next, with all that was learned from it by ml.guess?" in asked.stdout
    done = warm.run([*command, "--yes"], learned.root, environment())
    assert done.returncode == 0, done.stdout
    assert "Deleted what was learned from visits, and is learned again from what is left: ml.guess." in done.stdout
    assert holding(learned, VISIT) == set()
