"""A project's data folder that an earlier version of etl left is taken over: nothing is done again."""

from datetime import date
from pathlib import Path

import pytest

from etl.project import Project, load_project
from tests.support import earlier, tiny, warm
from tests.support.projects import environment

PACKED = Path(__file__).with_name("earlier.zip")
LAST = date.fromisoformat(max(earlier.NIGHTS))
TOLD = (
    "A project that this version takes over would do this again. If that is meant, say so in CHANGELOG.md and "
    "make the folder again, as tests/support/earlier.py says."
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    earlier.unpack(PACKED, tmp_path)
    return load_project(tmp_path)


def test_nothing_is_stale_in_a_folder_of_an_earlier_version(project: Project) -> None:
    assert tiny.stale(tiny.plan(project, LAST)) == [], TOLD


def test_a_night_finds_the_folder_complete(project: Project) -> None:
    before = project.warehouse.resolve()

    done = warm.run(["-m", "etl", "run", "--date", str(LAST)], project.root, environment())

    assert done.returncode == 0, done.stdout
    assert "nothing new" in done.stdout
    assert project.warehouse.resolve() == before


def test_a_new_delivery_is_all_that_is_taken(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-04.csv": "id,item,price\n6,book,9.60\n"})

    planned = tiny.night(project, date(2024, 3, 4))

    extracted = [str(key) for key in planned.stale if key.step == "extract"]
    assert extracted == ["extract sales 2024-03-04"], TOLD
    assert tiny.published(project, "select count(*), max(sale_date) from marts.daily") == [(6, date(2024, 3, 4))]
    assert tiny.published(project, "select count(*) from marts.customers") == [(4,)]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (("contracts/all.py", "gt=0", "gt=1"), {"extract sales 2024-03-01"}),
        (("sql/marts/pages.sql", "count(*)", "count(page)"), {"transform marts.pages"}),
    ],
)
def test_the_folder_could_show_that_something_is_done_again(
    project: Project, change: tuple[str, str, str], again: set[str]
) -> None:
    file, old, new = change
    (project.root / file).write_text((project.root / file).read_text().replace(old, new))
    assert again <= set(tiny.stale(tiny.plan(project, LAST)))
