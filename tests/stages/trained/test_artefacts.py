"""A model that is too large for a row: a file that generations share, and everything else as for a small one."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from etl.errors import TransformError
from etl.ledger import Ledger
from etl.operations import environments
from etl.operations.clearing import clear
from etl.operations.promotion import Promotion
from etl.project import Project, load_project
from etl.project.own import foreign
from etl.stages import mirrored, published
from etl.stages.published import generations
from tests.stages.trained import small
from tests.stages.trained.test_night import WORSE, deliver, night, tables
from tests.support import tiny

IN_FILES = "threads = 1\nartefact_megabytes = 0\nkeep_generations = 2\n"
MODELS = "select format, artefact from ml.guess{}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A model that was trained once, and lies in a file."""
    return tiny.once(tmp_path / "project", published_once)


def published_once(root: Path) -> None:
    night(small.project(root, settings=IN_FILES), 63)


def files(folder: Path) -> dict[str, int]:
    """The files of models in a folder, with their inodes."""
    return {path.name: path.stat().st_ino for path in (folder / "artefacts").glob("*")}


def of_generations(project: Project) -> list[dict[str, int]]:
    return [files(project.generations / name) for name in generations(project)]


def test_it_is_one_file_that_generations_share_and_rows_name(project: Project) -> None:
    (one,) = {
        row for table in ("", "_trained", "_decisions") for row in tiny.published(project, MODELS.format(table))
    }
    (name,) = files(project.current)
    assert one == ("pickle in a file", name.encode())
    path = project.current / "artefacts" / name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem and path.stat().st_mode & 0o222 == 0
    deliver(project, 64)
    night(project, 64)
    older, newer = of_generations(project)
    assert newer == files(project.artefacts.parent) and older.keys() == newer.keys()
    deliver(project, 65)
    night(project, 65)
    assert of_generations(project) == [newer, newer]
    assert foreign(project) == []


def test_it_says_the_same_as_one_in_a_row(project: Project, tmp_path: Path) -> None:
    other = small.project(tmp_path / "rows")
    night(other, 63)
    same = "select * exclude (format, artefact, experiment_id) from ml.guess"
    assert tiny.published(project, same) == tiny.published(other, same)
    assert tables(project)["ml.guess_predictions"] == tables(other)["ml.guess_predictions"]


def test_it_goes_with_the_last_generation_that_names_it(project: Project) -> None:
    (first,) = files(project.current)
    small.write(project, WORSE)
    night(project, 63)
    (second,) = files(project.current).keys() - {first}
    # a challenger that lost, of which only ml.guess_trained speaks
    small.write(project, WORSE.replace("0.3", "0.2"))
    for number in (63, 64, 65):
        deliver(project, number)
        night(project, number)
    assert first in files(project.current) and second not in {
        name for found in of_generations(project) for name in found
    }
    assert second not in files(project.artefacts.parent)
    (project.ml / "guess.py").unlink()
    for number in (66, 67, 68):
        deliver(project, number)
        night(project, number)
    assert of_generations(project) == [{}, {}] and not project.artefacts.exists()


@pytest.mark.parametrize("lost", ["the file", "the file and the build", "the file, the build and the ledger"])
def test_a_file_that_is_lost_beside_the_build_comes_from_a_generation(project: Project, lost: str) -> None:
    shutil.rmtree(project.artefacts)
    if "build" in lost:
        project.build.unlink()
    if "ledger" in lost:
        project.ledger.unlink()
    deliver(project, 64)
    night(project, 64)
    assert len(tables(project)["ml.guess_predictions"]) == 65 * 12
    ((why,),) = tiny.published(project, "select why from ml.guess_decisions")
    assert why == "the first model" and files(project.artefacts.parent) == files(project.current)


def test_a_published_file_that_is_lost_is_published_again(project: Project) -> None:
    (path,) = (project.current / "artefacts").iterdir()
    path.unlink()
    night(project, 63)
    assert files(project.current) == files(project.artefacts.parent)


def harm(project: Project, how: str) -> None:
    for path in [*project.artefacts.iterdir(), *project.generations.glob("*/artefacts/*")]:
        path.unlink()
        if how == "damaged":
            path.write_bytes(b"else")


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_champion_that_is_lost_everywhere_is_trained_again_before_it_is_judged(
    project: Project, how: str
) -> None:
    before = tables(project)["ml.guess"]
    harm(project, how)
    small.write(project, WORSE)
    night(project, 63)
    assert tables(project)["ml.guess"] == before
    ((why,),) = tiny.published(project, "select why from ml.guess_decisions where number = 2")
    assert why.endswith("the champion was trained again, since its file was gone or not as it was written")


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_what_to_do_is_said_of_a_model_that_is_lost_and_nothing_is_published(project: Project, how: str) -> None:
    before = tables(project)
    harm(project, how)
    deliver(project, 64)
    what = r"ml/guess\.py: The file of the model \w+, .*\.model, is gone or .* `etl clear ml\.guess_trained` and"
    with pytest.raises(TransformError, match=what):
        night(project, 64)
    assert tables(project) == before
    clear(project, "ml.guess_trained")
    night(project, 64)
    assert len(tables(project)["ml.guess_predictions"]) == 65 * 12


def test_a_rollback_a_new_environment_and_a_promotion_have_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    before, first = tables(project), published.current(project) or ""
    environments.create("dev")
    dev = load_project(project.root, "dev")
    assert files(dev.current) == files(project.current)
    assert files(dev.artefacts.parent) == files(project.artefacts.parent)
    small.write(dev, WORSE)
    (dev.ml / "guess.jsonl").write_text(
        json.dumps({"cut_off": str(small.day(60)), "word": "promote", "why": "to try it"})
    )
    night(dev, 63)
    worse = tables(dev)
    assert worse != before and len(files(dev.current)) == 2 == len(files(dev.artefacts.parent))

    promotion = Promotion(dev, project)
    assert not promotion.is_done()
    promotion.promote("ann", "to try it")
    assert tables(project) == worse and files(project.current) == files(dev.current)
    published.rollback(project, Ledger(project.ledger), first)
    assert tables(project) == before and len(files(project.current)) == 1
    environments.drop("dev")
    assert not dev.data.exists()


def test_the_mirror_has_it_until_no_generation_does(project: Project, tmp_path: Path) -> None:
    place = tmp_path / "mirror"
    place.mkdir()
    config = project.root / "luigi.cfg"
    config.write_text(config.read_text() + f"mirror = file://{place}\n")
    sending = load_project(project.root)
    mirrored.push(sending, Ledger(project.ledger))
    (name,) = files(project.current)
    assert (place / "objects" / name).read_bytes() == (project.current / "artefacts" / name).read_bytes()
    (manifest,) = place.glob("generations/*/generation.json")
    assert json.loads(manifest.read_text())["files"][f"artefacts/{name}"]["sha256"] == name.removesuffix(".model")
    (project.ml / "guess.py").unlink()
    for number in (64, 65):
        deliver(project, number)
        night(sending, number)
        mirrored.push(sending, Ledger(project.ledger))
    assert not (place / "objects" / name).exists()


def test_one_of_some_megabytes_is_in_the_row_of_what_is_used_and_otherwise_a_file(tmp_path: Path) -> None:
    returned = "    return {int(kind): float(share) for kind, share in shares.items()}"
    text = small.MODEL.replace(returned, f'    more = {{"more": b"\\0" * 1_500_000}}\n{returned} | more')
    project = small.project(tmp_path / "megabytes", text=text)
    night(project, 63)
    ((format, artefact),) = tiny.published(project, MODELS.format(""))
    (name,) = files(project.current)
    assert (format, len(artefact) > 1_500_000, f"{hashlib.sha256(artefact).hexdigest()}.model") == (
        "pickle",
        True,
        name,
    )
    for table in ("_trained", "_decisions"):
        assert tiny.published(project, MODELS.format(table)) == [("pickle in a file", name.encode())]
    before = tables(project)
    shutil.rmtree(project.artefacts)
    project.build.unlink()
    night(project, 63)
    assert tables(project) == before

    limited = project.root / "luigi.cfg"
    limited.write_text(limited.read_text() + "artefact_megabytes = 1\n")
    small.write(project, text.replace("1_500_000", "1_600_000"))
    (project.ml / "guess.jsonl").write_text(
        json.dumps({"cut_off": str(small.day(60)), "word": "promote", "why": "to try it"})
    )
    night(load_project(project.root), 63)
    ((format, artefact),) = tiny.published(project, MODELS.format(""))
    assert format == "pickle in a file" and artefact.decode() in files(project.current)
