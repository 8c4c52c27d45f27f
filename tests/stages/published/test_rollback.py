"""A rollback holds what was wrong: it is not published again until it changes, or somebody insists."""

from dataclasses import replace
from pathlib import Path

import pytest

from etl.errors import PublishError, PublishHeld
from etl.ledger import Ledger
from etl.project import Project
from etl.stages import published
from etl.stages.published import retention
from tests.support import tiny

BAD = {"sales/2024-03-02.csv": "id,item\n3,spoiled\n"}
GOOD = {"sales/2024-03-02.csv": "id,item\n3,mended\n"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A good night and a bad one, which was rolled back."""
    return tiny.once(tmp_path, rolled_back)


def rolled_back(root: Path) -> None:
    project = tiny.project(root)
    tiny.night(project)
    tiny.deliver(project, BAD)
    tiny.night(project)
    rollback(project)


def rollback(project: Project, generation: str = "") -> str:
    return published.rollback(project, Ledger(project.ledger), generation, "ann", "a spoiled delivery")


def items(project: Project) -> list[str]:
    return [item for (item,) in tiny.published(project, "select item from marts.items order by item")]


def test_analysts_see_the_earlier_generation_at_once(project: Project) -> None:
    assert items(project) == ["book", "pen"]
    assert published.current(project) == published.generations(project)[0]


def test_a_night_with_nothing_new_leaves_it_there(project: Project) -> None:
    assert tiny.stale(tiny.night(project)) == []
    assert items(project) == ["book", "pen"]


def test_what_is_new_waits_as_long_as_what_was_wrong_is_still_there(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})

    with pytest.raises(PublishHeld, match=r"(?s)rolled back from run.*by ann.*a spoiled delivery.*2024-03-02"):
        tiny.night(project)

    assert items(project) == ["book", "pen"]
    candidate = tiny.ask(published.candidate(project), "select item from warehouse.marts.items order by item")
    assert candidate == [("book",), ("cup",), ("pen",), ("spoiled",)]


def test_a_mended_delivery_is_published_with_all_that_waited(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    with pytest.raises(PublishHeld):
        tiny.night(project)

    tiny.deliver(project, GOOD)
    tiny.night(project)

    assert items(project) == ["book", "cup", "mended", "pen"]
    assert published.read_hold(project) is None
    assert not published.candidate(project).exists()


def test_a_delivery_that_is_taken_back_ends_the_hold(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    (project.raw / "sales/2024-03-02.csv").unlink()
    tiny.night(project)

    assert items(project) == ["book", "cup", "pen"]


def test_code_that_was_wrong_holds_until_it_changes(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    model = project.sql / "marts/items.sql"
    good = model.read_text()
    model.write_text("select item, count(*) * 2 as sales from raw.sales group by item")
    tiny.night(project)
    rollback(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    with pytest.raises(PublishHeld, match=r"It waits until one of these changes: sql/marts/items\.sql"):
        tiny.night(project)

    model.write_text(good)
    tiny.night(project)

    assert tiny.published(project, "select sum(sales) from marts.items") == [(4,)]


def test_back_to_what_is_published_already_makes_no_generation(project: Project) -> None:
    before = published.generations(project)
    tiny.deliver(project, tiny.SALES)

    tiny.night(project)

    assert published.generations(project) == before
    assert published.read_hold(project) is None
    assert tiny.stale(tiny.plan(project)) == []


def test_who_insists_publishes_all_the_same(project: Project) -> None:
    assert tiny.stale(tiny.night(project, publish_held=True)) == ["publish"]

    assert items(project) == ["book", "pen", "spoiled"]
    assert published.read_hold(project) is None


def test_a_lost_ledger_does_not_publish_what_is_held(project: Project) -> None:
    project.ledger.unlink()

    with pytest.raises(PublishHeld):
        tiny.night(project)

    assert items(project) == ["book", "pen"]


def test_going_forward_again_ends_the_hold(project: Project) -> None:
    rollback(project, published.generations(project)[-1])

    assert published.read_hold(project) is None
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(project)
    assert items(project) == ["book", "cup", "pen", "spoiled"]


def test_from_further_back_the_newest_is_still_what_is_held(project: Project) -> None:
    tiny.deliver(project, GOOD)
    tiny.night(project)
    first, bad, newest = published.generations(project)
    rollback(project, bad)
    rollback(project, first)

    hold = published.read_hold(project)

    assert hold is not None
    assert (hold.current, hold.held) == (first, newest)


def test_what_a_rollback_names_is_never_deleted(project: Project) -> None:
    tiny.deliver(project, GOOD)
    tiny.night(project)
    _, bad, newest = published.generations(project)
    rollback(project, bad)

    retention.prune(
        replace(project, settings=replace(project.settings, keep_generations=1)), Ledger(project.ledger)
    )

    assert published.generations(project) == [bad, newest]


def test_every_switch_is_on_record(project: Project) -> None:
    bad, good = published.generations(project)[::-1]
    found = [(switch.generation, switch.before, switch.kind) for switch in Ledger(project.ledger).switches()]
    assert found == [(good, bad, "rollback"), (bad, good, "publish"), (good, "", "publish")]
    assert Ledger(project.ledger).switches()[0].reason == "a spoiled delivery"


def test_there_is_no_rollback_to_what_is_current(project: Project) -> None:
    with pytest.raises(PublishError, match="is already the current generation"):
        rollback(project, str(published.current(project)))
