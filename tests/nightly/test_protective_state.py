"""State that protects something protects also when it is damaged: it counts as the strictest that it could say."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.errors import ConfigError, DeliveryError, EtlError, LedgerError, PromotionRefused, PublishHeld, StepError
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.operations import environments
from etl.operations.promotion import promotion
from etl.project import Project, load_project
from etl.project.own import MARKER
from etl.stages import published
from tests.support import tiny

REJECTED = {"sales/2024-03-01.csv": "id,item\n1,book\nx,pen\n"}


def rolled_back(root: Path) -> Project:
    """Return a project whose newest generation is held."""
    made = tiny.project(root)
    tiny.night(made)
    tiny.deliver(made, {"sales/2024-03-02.csv": "id,item\n9,bad\n"})
    tiny.night(made)
    published.rollback(made, Ledger(made.ledger), by="ann", reason="bad")
    tiny.deliver(made, {"sales/2024-03-03.csv": "id,item\n4,other\n"})
    return made


def decided(root: Path) -> Project:
    """Return a project in which a record was discarded."""
    contracts = tiny.CONTRACTS.replace('.csv")', '.csv", max_reject_ratio=1)')
    made = tiny.project(root, contracts, raw=REJECTED)
    tiny.decide(made, tiny.sales(), (3, "x,pen", "!a test"))
    tiny.night(made)
    return made


def with_environment(root: Path) -> Project:
    """Return the environment dev of a project."""
    made = tiny.project(root)
    environments.create("dev")
    return load_project(made.root, "dev")


def promoted(project: Project) -> None:
    environments.create("dev")
    dev = load_project(project.root, "dev")
    tiny.deliver(project, {"sales/2024-03-05.csv": "id,item\n5,new\n"})
    tiny.night(dev)
    promotion(str(project.root), "dev", "prod").promote("ann")


def published_once(root: Path) -> Project:
    made = tiny.project(root)
    tiny.night(made)
    return made


@dataclass
class Protects:
    """Something that protects: the file, what it protects from, and the refusal."""

    make: Callable[[Path], Project]
    file: str
    attempt: Callable[[Project], object]
    refusal: type[EtlError]


def night(project: Project) -> None:
    tiny.night(project)


def lock(project: Project) -> None:
    os.close(take_lock(project, "a night"))


PROTECTS = {
    "hold": Protects(rolled_back, "warehouse/hold.json", night, PublishHeld),
    "corrections": Protects(decided, "corrections/sales/2024-03-01.jsonl", night, EtlError),
    "marker": Protects(with_environment, MARKER, lambda project: environments.drop("dev"), ConfigError),
    "record": Protects(published_once, "warehouse/current/generation.json", promoted, PromotionRefused),
}
DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-3] + b"\n{"),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(b"\0" * 4096),
    "another kind": lambda path: path.write_text("[1, 2]"),
    "other types": lambda path: path.write_text('{"current": 1, "held": [], "offending": 3}'),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link that leads nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


#: An empty file of decisions says that none counts: so people take them back.
CASES = [(n, d) for n in PROTECTS for d in DAMAGES if (n, d) != ("corrections", "empty")]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_what_protects_protects_when_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    protects = PROTECTS[name]
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    project = (
        tiny.once(tmp_path, protects.make) if protects.make is not with_environment else protects.make(tmp_path)
    )
    before = published.current(project)
    file = project.data / protects.file
    file.resolve().chmod(0o644)
    DAMAGES[damage](file)

    with pytest.raises(protects.refusal):
        protects.attempt(project)

    assert published.current(project) == before


def test_decisions_that_are_gone_are_missed(tmp_path: Path) -> None:
    project = tiny.once(tmp_path, decided)
    file = project.corrections / "sales" / "2024-03-01.jsonl"
    (project.corrections).rename(tmp_path / "unmounted")

    with pytest.raises(DeliveryError, match=r"sales 2024-03-01: .*2024-03-01.jsonl is gone.*touch"):
        tiny.night(project)

    file.parent.mkdir(parents=True)
    file.touch()  # somebody's word that they do not count any more
    tiny.night(project)
    assert tiny.published(project, "select rejected, discarded from etl.partitions") == [(1, 0)]


def test_a_ledger_of_a_newer_version_and_a_lock_that_is_no_file_stop_all_work(tmp_path: Path) -> None:
    project = tiny.once(tmp_path, published_once)
    with closing(sqlite3.connect(project.ledger)) as con:
        con.execute("pragma user_version = 99")
    with pytest.raises(LedgerError, match="version 99"):
        tiny.night(project)
    project.lock.unlink(missing_ok=True)
    project.lock.mkdir()
    with pytest.raises(StepError):
        lock(project)


def test_generations_stay_while_nobody_can_tell_which_of_them_a_hold_names(tmp_path: Path) -> None:
    project = tiny.once(tmp_path, rolled_back)
    (project.root / "luigi.cfg").write_text("[etl]\nthreads = 1\nkeep_generations = 1\n")
    (project.data / "warehouse" / "hold.json").write_text("{")
    there = published.generations(project)

    tiny.night(load_project(project.root), publish_held=True)

    assert set(there) <= set(published.generations(project))
