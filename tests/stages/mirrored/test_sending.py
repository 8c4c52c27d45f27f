"""The mirror: a reader there sees one whole generation at any moment, the current one in the end."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from etl.errors import StepError
from etl.ledger import Ledger
from etl.project import Project
from etl.stages import mirrored, published
from etl.stages.mirrored import places
from etl.stages.mirrored.places import open_place
from tests.stages.mirrored.conftest import Mirrored
from tests.support import tiny
from tests.support.kills import kill_before

pytestmark = pytest.mark.sampled

#: More than a push asks of a mirror.
MOST = 40
NEXT = {"sales/2024-03-03.csv": "id,item\n4,cup\n"}
OTHER = {"sales/2024-03-03.csv": "id,item\n5,ink\n"}


def again(shop: Mirrored, files: dict[str, str]) -> None:
    """Publish another generation."""
    tiny.deliver(shop.project, files)
    tiny.night(shop.project)


def test_a_reader_finds_the_warehouse_and_its_exports(shop: Mirrored, tmp_path: Path) -> None:
    assert shop.push().files == 3
    assert shop.items(tmp_path) == ["book", "pen"]
    manifest = shop.manifest()
    assert manifest["generation"] == shop.pointer()["generation"] == published.current(shop.project)
    assert list(manifest["exports"]) == ["marts.items"]
    assert manifest["lake"] == {}


def test_what_is_there_is_not_sent_again(shop: Mirrored) -> None:
    shop.push()
    before = shop.pointer()
    pushed = shop.push()
    assert (pushed.files, pushed.bytes, pushed.deleted, pushed.is_switched) == (0, 0, 0, False)
    assert shop.pointer() == before


def test_of_the_lake_only_what_is_new_is_sent(shop: Mirrored) -> None:
    shop.project = replace(shop.project, settings=replace(shop.project.settings, mirror_lake="yes"))
    assert shop.push().files == 5
    assert list(shop.manifest()["lake"]["sales"]) == ["2024-03-01", "2024-03-02"]
    again(shop, NEXT)
    # one partition, the warehouse, the export, and the record of the generation
    assert shop.push().files == 4
    assert list(shop.manifest()["lake"]["sales"]) == ["2024-03-01", "2024-03-02", "2024-03-03"]


def test_a_rollback_leads_readers_back(shop: Mirrored, tmp_path: Path) -> None:
    shop.project = replace(shop.project, settings=replace(shop.project.settings, mirror_lake="yes"))
    shop.push()
    first = shop.manifest()
    again(shop, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    shop.push()
    assert shop.items(tmp_path) == ["book", "cup", "pen"]
    published.rollback(shop.project, Ledger(shop.project.ledger), "", "ann", "spoiled")
    shop.push()
    assert shop.items(tmp_path) == ["book", "pen"]
    # also the partition that the lake has another one of now
    assert shop.manifest() == first


def test_what_no_generation_has_is_deleted(shop: Mirrored, tmp_path: Path) -> None:
    shop.project = replace(shop.project, settings=replace(shop.project.settings, keep_generations=1))
    shop.push()
    old = shop.manifest()["warehouse"]
    again(shop, NEXT)
    assert shop.push().deleted == 4
    assert shop.place.read(old) is None
    assert set(shop.place.names("objects")) == {one["object"] for one in shop.manifest()["files"].values()}
    assert len(shop.place.names("generations")) == 1
    assert shop.items(tmp_path) == ["book", "cup", "pen"]


def test_what_others_keep_there_stays(shop: Mirrored, tmp_path: Path) -> None:
    others = ["thesis.txt", "objects/thesis.txt", "objects/aa/thesis.txt", "generations/mine/thesis.txt"]
    others += ["generations/thesis.txt", f"objects/{'0' * 63}.duckdb"]
    for name in others:
        shop.place.write(name, b"thesis")
    shop.push()
    again(shop, NEXT)
    shop.push()
    assert [shop.place.read(name)[0] for name in others] == [b"thesis"] * len(others)


class Killed(BaseException):
    """What ends a push wherever it is."""


def test_ended_anywhere_a_reader_sees_the_one_before_or_the_one_after(
    shop: Mirrored, tmp_path, monkeypatch
) -> None:
    # one generation is kept, so that each push deletes too
    shop.project = replace(shop.project, settings=replace(shop.project.settings, keep_generations=1))
    shop.push()
    for before in range(1, MOST):
        was = shop.items(tmp_path)
        again(shop, {"sales/2024-03-03.csv": f"id,item\n4,cup {before}\n"})
        is_ended = _push_ended(shop, before, monkeypatch)
        assert shop.items(tmp_path) in (was, ["book", f"cup {before}", "pen"])
        shop.push()
        assert shop.items(tmp_path) == ["book", f"cup {before}", "pen"]
        assert len(shop.place.names("generations")) == 1
        if not is_ended:
            break
    assert 8 < before < MOST - 1


def _push_ended(shop: Mirrored, before: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Push, and be ended before the mirror is asked for the so manieth time; return whether it came so far."""
    left, kind = [before], type(shop.place)
    with monkeypatch.context() as patched:
        for name in ("send", "read", "write", "switch", "delete", "names"):
            patched.setattr(kind, name, _ending(getattr(kind, name), left))
        try:
            shop.push()
        except Killed:
            return True
    return False


def _ending(method, left):
    def ended(*arguments):
        left[0] -= 1
        if not left[0]:
            raise Killed
        return method(*arguments)

    return ended


def test_the_mirror_of_another_project_is_left_alone(shop: Mirrored, tmp_path: Path) -> None:
    shop.push()
    other = tiny.project(tmp_path / "other")
    tiny.night(other)
    stranger = Mirrored(
        replace(other, settings=replace(other.settings, mirror=shop.project.settings.mirror)), shop.place
    )
    with pytest.raises(
        StepError, match=r"is the mirror of another project.*\(shop\).*Nothing was sent.*--take-over"
    ):
        stranger.push()
    assert shop.pointer()["generation"] == published.current(shop.project)

    stranger.push(take_over=True)
    assert shop.pointer()["generation"] == published.current(other)
    with pytest.raises(StepError, match="is the mirror of another project"):
        shop.push()


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b"{}", b"\xff"])
def test_a_pointer_that_cannot_be_read_is_not_overwritten_unasked(shop: Mirrored, content: bytes) -> None:
    shop.place.write("current.json", content)
    with pytest.raises(StepError, match="another project"):
        shop.push()
    shop.push(take_over=True)
    assert shop.pointer()["generation"] == published.current(shop.project)


def test_a_switch_between_reading_and_writing_is_seen(shop: Mirrored, tmp_path: Path, monkeypatch) -> None:
    shop.push()
    again(shop, NEXT)
    kind, switched = type(shop.place), []
    switch = kind.switch

    def meanwhile(place: places.Place, name: str, content: bytes, tag: str) -> bool:
        if not switched:
            switched.append(1)
            again(shop, OTHER)
            place.write(name, json.dumps({**shop.pointer(), "switched_at": "just now"}).encode())
        return switch(place, name, content, tag)

    monkeypatch.setattr(kind, "switch", meanwhile)
    shop.push()
    assert shop.items(tmp_path) == ["book", "ink", "pen"]


def test_what_cannot_be_sent_is_noted_and_fails_nothing(shop: Mirrored, caplog) -> None:
    ledger = Ledger(shop.project.ledger)
    lost = replace(shop.project, settings=replace(shop.project.settings, mirror=_lost(shop)))
    mirrored.keep_up(lost, ledger)
    assert "warning: the mirror was not brought up to date, and the next run tries again: " in caplog.text
    assert "has nothing yet, and lacks what is published now. The last try failed: " in mirrored.told(lost, ledger)
    caplog.clear()
    mirrored.keep_up(shop.project, ledger)
    assert mirrored.told(shop.project, ledger).startswith(
        f"{shop.project.settings.mirror} has {published.current(lost)}, sent "
    )


def _lost(shop: Mirrored) -> str:
    """Return an address at which nothing is."""
    url = shop.project.settings.mirror
    return f"{url}/gone" if url.startswith("file") else f"{url.partition(':')[0]}://no-such-bucket-here/shop"


def test_a_check_says_what_is_lacking_and_changes_nothing(shop: Mirrored) -> None:
    ledger = Ledger(shop.project.ledger)
    there = published.current(shop.project)
    assert mirrored.differences(shop.project, ledger) == [
        f"The mirror's readers find no generation, and {there} is the current one here. To send it: etl mirror"
    ]
    assert shop.pointer() == {}
    shop.push()
    assert mirrored.differences(shop.project, ledger) == []
    shop.place.delete([shop.pointer()["warehouse"]])
    (text,) = mirrored.differences(shop.project, ledger)
    assert text.startswith(f"The mirror lacks 1 files of generation {there}: objects/")
    assert shop.push().files == 1
    assert mirrored.differences(shop.project, ledger) == []


def test_killed_anywhere_a_folder_has_the_one_before_or_the_one_after(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    url = f"file://{tmp_path}/mirror"
    project = tiny.project(tmp_path / "shop", settings=f"threads = 1\nmirror = {url}\nkeep_generations = 1\n")
    tiny.night(project)
    shop = Mirrored(project, open_place(url))
    shop.push()
    for before in range(1, MOST):
        was = shop.items(tmp_path)
        again(shop, {"sales/2024-03-03.csv": f"id,item\n4,cup {before}\n"})
        is_killed = _is_killed(project, before)
        assert shop.items(tmp_path) in (was, ["book", f"cup {before}", "pen"])
        shop.push()
        assert shop.items(tmp_path) == ["book", f"cup {before}", "pen"]
        files = {path.name for path in (tmp_path / "mirror").rglob("*") if path.is_file()}
        assert not {name for name in files if name.endswith(".new")}
        if not is_killed:
            break
    assert 10 < before < MOST - 1


def _is_killed(project: Project, before: int) -> bool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    mirror = project.settings.mirror.removeprefix("file://")
    process = context.Process(target=_push_killed, args=(str(project.root), mirror, before))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _push_killed(root: str, mirror: str, before: int) -> None:
    project = tiny.load_project(root)
    ledger = Ledger(project.ledger)
    kill_before(before, mirror)
    mirrored.push(project, ledger)
    os._exit(0)
