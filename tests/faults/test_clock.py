"""A clock that is set back, or that passes midnight in the middle of a night, changes nothing but names."""

from typing import Any

from tests.faults.faults import DATE, assert_whole, disturbed

CORRECTION = "1|2018-05-27|book|Doha, Qatar\n"


def generations(project: Any) -> list[str]:
    return sorted(path.name for path in (project.data / "warehouse" / "generations").iterdir())


def test_a_night_after_the_clock_was_set_back_is_the_newest_all_the_same(
    project: Any, make_project: Any, tools: Any
) -> None:
    done, _ = disturbed(project, tools, clock="2040-01-01T02:00:00+00:00")
    assert done.returncode == 0, done.stdout
    from_the_future = project.generation

    for n in range(3):
        project.deliver("orders/2018-05-27.psv", CORRECTION * (n + 1))
        project.published()
        assert project.generation != from_the_future

    whole = make_project("whole")
    whole.deliver("orders/2018-05-27.psv", CORRECTION * 3)
    whole.published()
    assert_whole(project, whole.content())
    # the oldest goes first, by the order of publishing and not by name
    assert from_the_future not in generations(project)
    assert len(generations(project)) == 3
    assert project.ledger("select outcome from runs order by rowid desc limit 1") == [("unchanged",)]


def test_a_night_that_passes_midnight_belongs_to_the_day_on_which_it_began(project: Any, tools: Any) -> None:
    done, _ = disturbed(project, tools, (), clock=f"{DATE}T23:59:59.950000+00:00")

    assert done.returncode == 0, done.stdout
    assert project.ledger("select batch_date, finished_at > started_at from runs") == [(DATE, 1)]
    assert project.sql("select max(snapshot_date)::varchar from raw.items") == [(DATE,)]
    assert "T00:00" in project.ledger("select finished_at from runs")[0][0]
