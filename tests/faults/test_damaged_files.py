"""Files that are cut short, overwritten or changed in a few bytes: the next nights mend them, without a hand."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import assert_as, assert_whole
from tests.support.projects import copied

pytestmark = pytest.mark.sampled

PARQUET = "orders/delivery_date=2018-05-24/data.parquet"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwritten(path: Path) -> None:
    path.write_bytes(b"not what it was " * 1000)


def flipped(path: Path) -> None:
    """Change every 50th byte after the first 100, and keep size and time stamps."""
    status, content = path.stat(), bytearray(path.read_bytes())
    for position in range(100, len(content), 50):
        content[position] ^= 0xFF
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def correct(project: Any) -> None:
    """Have a day delivered again, so that there is something to do."""
    project.deliver("orders/2018-05-27.psv", "1|2018-05-27|book|Doha, Qatar\n")


@pytest.fixture(scope="module")
def corrected(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What an undisturbed project publishes after the correction."""
    project = copied(undisturbed.project(flights=False), tmp_path_factory.mktemp("corrected") / "shop")
    correct(project)
    project.published()
    return project.content()


def nights_until_green(project: Any) -> int:
    """Run nights, none of which may end in a traceback, until one publishes; return how many it took."""
    for number in range(1, 4):
        night = project.nightly()
        assert "Traceback" not in night.output, str(night)
        if night.exit_code == 0:
            return number
        assert night.exit_code in (30, 35), str(night)
        assert "next run" in night.output, str(night)
    raise AssertionError(f"no night was green: {night}")


@pytest.mark.parametrize("how", [emptied, cut, overwritten, flipped])
def test_a_damaged_build_is_built_anew(shop: Any, corrected: Any, how: Callable[[Path], None]) -> None:
    how(shop.data / "warehouse" / "build.duckdb")
    correct(shop)

    assert nights_until_green(shop) <= 2

    assert_as(shop, corrected)


def test_a_damaged_wal_is_no_harm(shop: Any, corrected: Any) -> None:
    (shop.data / "warehouse" / "build.duckdb.wal").write_bytes(b"no wal " * 1000)
    correct(shop)

    assert nights_until_green(shop) <= 2

    assert_as(shop, corrected)


@pytest.mark.parametrize("how", [cut, overwritten, flipped])
def test_a_damaged_ledger_is_made_anew(shop: Any, corrected: Any, how: Callable[[Path], None]) -> None:
    how(shop.data / "ledger.sqlite")
    correct(shop)

    assert nights_until_green(shop) <= 2

    assert_as(shop, corrected)


@pytest.mark.parametrize(("place", "how"), [("lake", cut), ("lake", flipped), ("quarantine", flipped)])
def test_a_damaged_partition_is_extracted_anew(
    project: Any, corrected: Any, place: str, how: Callable[[Path], None]
) -> None:
    project.deliver("orders/2018-05-24.psv", "1|2018-05-24|book|Doha, Qatar\nno order\n")
    project.published()
    original = (Path(__file__).parents[2] / "data/raw/orders/2018-05-24.psv").read_text()
    how(project.data / place / PARQUET)
    # it is read again only if the build is lost
    project.forget("warehouse/build.duckdb")
    correct(project)

    assert nights_until_green(project) <= 2
    project.deliver("orders/2018-05-24.psv", original)

    assert_whole(project, corrected)


@pytest.mark.parametrize("how", [emptied, cut, overwritten])
def test_a_damaged_generation_is_published_anew(
    project: Any, undisturbed: Any, how: Callable[[Path], None]
) -> None:
    project.published()
    damaged = project.generation
    file = project.warehouse.resolve()
    file.chmod(0o644)
    how(file)

    assert_whole(project, undisturbed.orders)

    assert project.generation != damaged


def test_records_that_cannot_be_read_stop_no_night(project: Any, corrected: Any) -> None:
    project.published()
    for path in (project.data / "warehouse").glob("generations/*/generation.json"):
        path.unlink(missing_ok=True)
        path.write_text("{ half")
    correct(project)

    assert_whole(project, corrected)
