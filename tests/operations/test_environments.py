"""An environment is made whole or not at all, is true of its own files, and takes nothing with it when it goes."""

import errno
import os
import stat
from pathlib import Path

import pytest

from etl.errors import AlreadyRunning, ConfigError, DeliveryError, StepError
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.operations import environments
from etl.project import Project, load_project, own
from etl.stages import published
from tests.support import tiny


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that never ran, in which the commands are given."""
    project = tiny.project(tmp_path / "project")
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    monkeypatch.delenv("ETL_ENV", raising=False)
    return project


@pytest.fixture
def prod(project: Project) -> Project:
    """The project, when it has published."""
    tiny.night(project)
    return project


def no_links(*_: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_nothing_is_to_be_done_in_a_new_environment_and_nothing_half_made_is_taken_along(prod: Project) -> None:
    (prod.generations / ".new").mkdir()
    (prod.generations / ".new" / "warehouse.duckdb").write_text("half")

    made = environments.create("dev")

    dev = load_project(environment="dev")
    assert set(made.counts) == {"linked"}
    assert tiny.stale(tiny.plan(dev)) == []
    assert os.listdir(dev.generations) == published.generations(prod)


def test_copies_are_known_as_what_they_are_copies_of_where_links_cannot_be(
    prod: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    made = environments.create("dev")
    dev = load_project(environment="dev")

    assert set(made.counts) <= {"cloned", "copied"} and sum(made.counts.values()) == 4
    assert tiny.stale(tiny.plan(dev)) == []
    assert stat.S_IMODE(dev.warehouse.stat().st_mode) == 0o444
    times = [
        {key: receipt.finished_at for key, receipt in Ledger(of.ledger).receipts().items()} for of in (prod, dev)
    ]
    assert times[0] == times[1]


def test_a_creation_that_fails_says_so_and_leaves_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    project.build.parent.mkdir()
    project.build.touch()
    before = files(project.data)
    monkeypatch.setattr(environments, "copy_file", full)

    with pytest.raises(StepError, match=r"dev was not made: .*No space left on device"):
        environments.create("dev")

    assert [name for name in files(project.data) if name not in (".lock", "environments")] == before


def test_what_a_killed_creation_left_is_no_part_of_the_next_one(project: Project) -> None:
    aside = project.data / "environments" / ".dev.new"
    half = aside / "lake" / "sales" / "sale_date=2024-03-01" / "data.parquet"
    half.parent.mkdir(parents=True)
    half.touch()
    (aside / "ledger.sqlite-wal").touch()

    environments.create("dev")

    assert files(project.data / "environments") == [
        "dev",
        *(name for name in files(project.data / "environments")[1:]),
    ]
    assert not list((project.data / "environments").rglob("data.parquet"))
    assert not aside.exists()


@pytest.mark.parametrize("whose", ["prod", "dev"])
def test_nobody_works_in_either_while_one_is_made_of_the_other(project: Project, whose: str) -> None:
    folder = {"prod": project.data, "dev": project.data / "environments" / ".dev.new"}[whose]
    holder = load_project(project.root) if whose == "prod" else tiny.at(project, folder)
    lock = take_lock(holder, "another")
    try:
        with pytest.raises(AlreadyRunning):
            environments.create("dev")
    finally:
        os.close(lock)
    assert not (project.data / "environments" / "dev").exists()


def test_a_night_cannot_begin_there_before_it_is_made(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    flush, refused = environments.flush, []

    def night_in_between(path: Path) -> None:
        flush(path)
        if path == project.data / "environments":  # the rename is done, the command is not
            with pytest.raises(AlreadyRunning) as error:
                take_lock(load_project(environment="dev"), "a night")
            refused.append(str(error.value))

    monkeypatch.setattr(environments, "flush", night_in_between)
    environments.create("dev")

    assert len(refused) == 1 and "etl env, dev" in refused[0]


def test_one_of_a_project_that_never_ran_is_empty(project: Project) -> None:
    environments.create("dev")

    assert published.current(load_project(environment="dev")) is None
    assert not project.ledger.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("prod", "prod cannot be made of itself"), ("no/name", "is not a name for an environment")],
)
def test_what_cannot_be_made_is_said(project: Project, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        environments.create(name)


def test_a_disk_that_is_mounted_there_is_no_place_to_rename_to(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = project.data / "environments" / "dev"
    place.mkdir(parents=True)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == place)

    with pytest.raises(ConfigError, match="is where a disk is mounted: let the data of dev be a folder in there"):
        environments.create("dev")


def test_raw_files_outlive_the_environment_that_has_them_in_its_data(prod: Project) -> None:
    with (prod.root / "luigi.cfg").open("a") as config:
        config.write("[etl.env.dev]\nraw = data/environments/dev/in/raw\n")
    dev = load_project(prod.root, "dev")
    tiny.deliver(dev, tiny.SALES)
    os.close(take_lock(dev, "a night"))
    tiny.night(dev)

    environments.drop("dev")

    assert files(dev.data) == ["in", "in/raw", "in/raw/sales", *sorted(f"in/raw/{name}" for name in tiny.SALES)]
    assert published.current(prod)


def test_all_of_them_are_listed_with_what_they_hold(prod: Project) -> None:
    with (prod.root / "luigi.cfg").open("a") as config:
        config.write("[etl.env.staging]\n[etl.env.test.vars]\nname = x\n")
    environments.create("dev")

    found = {item["environment"]: item for item in environments.described()}

    assert list(found) == ["prod", "dev", "staging", "test"]
    assert found["prod"]["generation"] == found["dev"]["generation"] == published.current(prod)
    assert min(found["dev"]["bytes"], found["prod"]["bytes"]) > prod.build.stat().st_size
    assert found["staging"]["generation"] == "" and found["staging"]["bytes"] == 0


def config(project: Project, text: str) -> None:
    with (project.root / "luigi.cfg").open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "place",
    ["data/corrections", "data/lake", "data/warehouse", "data/raw", "data/raw/x", "data/environments/dev/lake",
     "data/fetched", "sql", "sql/marts", "contracts", ".git/x", "link"],
)  # fmt: skip
def test_the_data_of_an_environment_lies_in_nothing_of_anybody_elses(project: Project, place: str) -> None:
    (project.root / "link").symlink_to("sql")
    config(project, f"[etl.env.oops]\ndata = {place}\n[etl.env.dev]\n")
    for command in (environments.create, environments.drop):
        with pytest.raises(ConfigError, match=rf"\[etl.env.oops\] data = {place} is inside the "):
            command("oops")


@pytest.mark.parametrize(
    "name", ["thesis.txt", "colleague/thesis.txt", "lake/sales/notes.txt", "corrections/a.md"]
)
@pytest.mark.parametrize("is_made", [True, False])
def test_a_folder_that_holds_what_etl_did_not_make_is_neither_used_nor_deleted(
    project: Project, tmp_path: Path, name: str, is_made: bool
) -> None:
    config(project, f"[etl.env.fast]\ndata = {tmp_path / 'mnt'}\n")
    if is_made:
        environments.create("fast")
    thesis = tmp_path / "mnt" / name
    thesis.parent.mkdir(parents=True, exist_ok=True)
    thesis.write_text("thesis")
    before = files(tmp_path / "mnt")

    with pytest.raises(ConfigError, match=r"^(?!.*--yes)"):
        environments.create("fast")
    with pytest.raises(ConfigError, match="Nothing was deleted"):
        environments.drop("fast")
    if not is_made:
        with pytest.raises(ConfigError, match="holds what etl did not make"):
            take_lock(load_project(environment="fast"), "a night")
    assert set(files(tmp_path / "mnt")) - {".lock"} == set(before) - {".lock"}


def test_nothing_is_deleted_through_a_link(project: Project, tmp_path: Path) -> None:
    environments.create("real")
    victim = project.data / "environments" / "real"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("thesis")
    (project.data / "environments" / "link").symlink_to(outside)
    with pytest.raises(ConfigError, match="is a link"):
        environments.drop("link")
    (victim / "lake").symlink_to(outside)
    with pytest.raises(ConfigError, match="lake"):
        environments.drop("real")
    assert (outside / "thesis.txt").exists() and (victim / ".etl-environment").exists()


def test_the_data_of_another_environment_is_not_deleted_by_a_typo(project: Project, tmp_path: Path) -> None:
    config(project, f"[etl.env.fast]\ndata = {tmp_path / 'mnt'}\n")
    environments.create("fast")
    text = (project.root / "luigi.cfg").read_text()
    (project.root / "luigi.cfg").write_text(text.replace("etl.env.fast", "etl.env.slow"))
    for command in (environments.create, environments.drop):
        with pytest.raises(ConfigError, match="holds the data of the environment fast of"):
            command("slow")


def test_an_environment_on_a_disk_that_is_not_mounted_is_not_made_again(prod: Project, tmp_path: Path) -> None:
    config(prod, f"[etl.env.fast]\ndata = {tmp_path / 'mnt'}\n")
    environments.create("fast")
    (tmp_path / "mnt").rename(tmp_path / "unmounted")
    (tmp_path / "mnt").mkdir()

    with pytest.raises(ConfigError, match="Is a disk not mounted"):
        take_lock(load_project(environment="fast"), "a night")
    assert files(tmp_path / "mnt") == []

    environments.create("fast")  # somebody's word that it is gone for good
    os.close(take_lock(load_project(environment="fast"), "a night"))


def test_all_that_a_project_makes_is_known_as_its_own(prod: Project) -> None:
    environments.create("dev")
    dev = load_project(environment="dev")
    tiny.deliver(dev, {"sales/2024-03-01.csv": "id,item\n1,bad\n"})
    tiny.night(dev)
    tiny.deliver(dev, {"sales/2024-03-01.csv": "id,item\nx,refused while the bad one stays\n"})
    with pytest.raises(DeliveryError):
        tiny.night(dev)
    published.rollback(dev, Ledger(dev.ledger))
    published.set_aside(dev)
    assert own.foreign(dev) == []
    environments.drop("dev")
    assert not dev.data.exists()
