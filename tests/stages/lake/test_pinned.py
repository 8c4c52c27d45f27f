"""What was looked at is what is read: a delivery that is swapped since is neither published nor waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import DeliveryError
from etl.project import Project
from tests.support import tiny

SECRET = "id,item\n666,secret\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "2024-03-01.csv").write_text(SECRET)
    return tiny.project(tmp_path / "project", settings="threads = 1\n")


def with_link(file: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to(outside / file.name)


def with_folder_link(file: Path, outside: Path) -> None:
    file.parent.rename(file.parent.with_name("before"))
    file.parent.symlink_to(outside)


def with_pipe(file: Path, outside: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def with_other_file(file: Path, outside: Path) -> None:
    os.replace(outside / file.name, file)


SWAPS = [with_link, with_folder_link, with_pipe, with_other_file]


#: Another file in raw/ before anything was read is only a delivery that came a moment later.
CASES = [
    (when, swap)
    for when in ("after the look", "after the hash", "while it is read")
    for swap in SWAPS
    if (when, swap) != ("after the look", with_other_file)
]


@pytest.mark.parametrize(("when", "swap"), CASES)
def test_a_delivery_that_is_swapped_is_not_taken(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    swap: Callable[[Path, Path], None],
    when: str,
) -> None:
    file = project.raw / "sales" / "2024-03-01.csv"
    done: list[bool] = []

    def swapped() -> None:
        if not done:
            done.append(True)
            swap(file, tmp_path / "outside")

    if when == "after the look":
        _before(monkeypatch, "etl.plan.deliveries.sha256", swapped)
    elif when == "after the hash":
        _before(monkeypatch, "etl.stages.lake.extraction.open_file", swapped)
    else:
        _before(monkeypatch, "etl.stages.lake.extraction.extract_clean", swapped)

    with pytest.raises(DeliveryError):
        tiny.night(project)

    assert done
    assert not list(project.lake.glob("sales/*=2024-03-01/data.parquet"))
    assert not any(b"secret" in path.read_bytes() for path in project.lake.rglob("*.parquet"))


@pytest.mark.parametrize("swap", SWAPS)
def test_a_small_delivery_that_is_swapped_is_not_taken(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path, Path], None]
) -> None:
    file = project.raw / "sales" / "2024-03-01.csv"
    monkeypatch.setattr("etl.stages.lake.in_blocks.LEAST_BYTES", 0)
    done: list[bool] = []

    def swapped() -> None:
        if not done:
            done.append(True)
            swap(file, tmp_path / "outside")

    _before(monkeypatch, "etl.stages.lake.small._read", swapped)

    with pytest.raises(DeliveryError):
        tiny.night(project)

    assert done
    assert not list(project.lake.glob("sales/*=2024-03-01/data.parquet"))
    assert not any(b"secret" in path.read_bytes() for path in project.lake.rglob("*.parquet"))


def test_many_files_are_read_with_few_of_them_open(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.stages.lake.pinned._MOST_OPEN", 1)
    tiny.night(project)

    assert tiny.published(project, "select count(*) from raw.sales") == [(3,)]
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert not [path for path in opened if path.startswith(str(project.raw))]
    assert not list(project.scratch.glob("records*"))


@pytest.mark.parametrize("names", [("[a]", "\\x"), ("a*b?", "c"), ("'", '"'), ("[a\\b]", "x" * 200)])
def test_names_of_senders_mean_nothing_to_what_reads_the_files(project: Project, names: tuple[str, str]) -> None:
    contracts = tiny.CONTRACTS.replace("{date}.csv", "{date}/*.csv")
    (project.contracts / "all.py").write_text(contracts)
    files = {f"sales/2024-03-01/{name}.csv": f"id,item\n{n},book\n" for n, name in enumerate(names)}
    tiny.deliver(project, files)

    tiny.night(project)

    assert tiny.published(project, "select count(*) from raw.sales") == [(2,)]


def _before(monkeypatch: pytest.MonkeyPatch, name: str, do: Callable[[], None]) -> None:
    """Have something happen just before a function is called."""
    module, _, function = name.rpartition(".")
    owner = __import__(module, fromlist=[function])
    real = getattr(owner, function)
    monkeypatch.setattr(name, lambda *args, **options: (do(), real(*args, **options))[1])
