"""What holds for every kind of fetch: each is taken through the same laws, against a small sender of its own."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.errors import AlreadyRunning, ContractError, FetchError
from etl.ledger.lock import take_lock
from etl.operations.fetching import fetch_now
from etl.sources.fetches import FETCHES, fetch_class, fetch_from, fetch_to
from etl.stages import fetched
from etl.stages.fetched import landing, manifests, newest_manifest
from etl.stages.fetched.fetch import kind_of
from tests.support import kills, options, shops, tiny
from tests.support.pages import PAGES
from tests.support.senders import MAKERS, Row
from tests.support.shops import DAY, Shop

pytestmark = pytest.mark.sampled

ROWS: Sequence[Row] = [
    (1, "book", "2024-02-01 10:00:00"),
    (2, None, "2024-02-01 10:00:00"),
    (3, "", "2024-02-03 00:00:01"),
]
CHANGED: Sequence[Row] = [*ROWS[:1], (2, "pen", "2024-02-04 09:00:00"), ROWS[2], (4, "cup", "2024-02-04 09:00:00")]
KINDS = [(name, number) for name, makers in MAKERS.items() for number in range(len(makers))]


@pytest.fixture(params=KINDS, ids=[f"{name} {number}" for name, number in KINDS])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    name, number = request.param
    with shops.opened(MAKERS[name][number], tmp_path) as found:
        found.sender.hold(ROWS)
        yield found


def test_every_kind_is_tried() -> None:
    assert set(MAKERS) == set(FETCHES), "Add a maker of the new kind to tests/support/senders.py."


def test_what_the_sender_has_is_published_and_what_it_changes_too(shop: Shop) -> None:
    assert shop.fetch().files
    assert shop.holds(ROWS)
    shop.sender.hold(CHANGED)
    assert shop.fetch().files
    assert shop.holds(CHANGED)
    assert shop.left == []


def test_nothing_new_is_no_delivery(shop: Shop) -> None:
    shop.fetch()
    before = shop.files
    for rows in (ROWS, list(reversed(ROWS))):
        shop.sender.hold(rows)
        assert shop.fetch().files == ()
        assert shop.fetch(date(2024, 3, 2)).files == ()
    assert (shop.files, shop.left) == (before, [])


def test_a_notebook_whose_thread_runs_a_loop_can_fetch_too(shop: Shop) -> None:
    async def cell() -> fetched.Fetched:
        return shop.fetch()

    assert asyncio.run(cell()).files
    assert shop.holds(ROWS)


def test_the_cursor_is_in_the_newest_file_and_nowhere_else(shop: Shop) -> None:
    shop.fetch()
    assert shop.holds(ROWS)
    shop.sender.hold(CHANGED)
    (last,) = shop.fetch(date(2024, 3, 2)).files
    before = newest_manifest(shop.source, shop.project.fetched)

    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (shop.project.data / name).unlink(missing_ok=True)
    assert shop.fetch(date(2024, 3, 3)).files == ()
    assert newest_manifest(shop.source, shop.project.fetched) == before

    (shop.project.fetched / last).unlink()
    assert shop.fetch(date(2024, 3, 3)).files
    assert shop.holds(CHANGED, date(2024, 3, 3))


def test_a_landed_file_is_never_written_again_and_says_what_it_is(shop: Shop) -> None:
    shop.fetch()
    ((found, said),) = list(manifests(shop.source, shop.project.fetched))
    path = shop.project.fetched / found.path
    assert path.stat().st_mode & 0o222 == 0
    assert (said.source, said.file) == ("orders", found.path)
    # the records of a copy are counted when it is read
    assert said.rows == (None if said.mode == "copies" else 3)
    assert said.kind in FETCHES and said.mode == shop.source.fetch.mode
    assert datetime.fromisoformat(said.started_at) <= datetime.fromisoformat(said.ended_at)
    assert datetime.fromisoformat(said.started_at).utcoffset() is not None
    content = path.read_bytes()
    shop.sender.hold(CHANGED)
    shop.fetch()
    shop.fetch(full=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/St_Johns"])
def test_a_clock_that_is_set_back_changes_no_order(shop: Shop, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.project.root / "luigi.cfg").write_text(f"[etl]\nthreads = 1\nretries = 0\ntimezone = {zone}\n")
    shop.project = tiny.load_project(shop.project.root)
    times = iter([datetime(2024, 3, 1, 23, 59, 59), datetime(2024, 3, 1, 1), datetime(2024, 3, 1, 23, 59, 59)])
    monkeypatch.setattr(landing.Landing, "_now", lambda _: next(times))
    shop.fetch()
    for rows in (CHANGED, [*CHANGED, (5, "map", "2024-02-05 00:00:00")]):
        shop.sender.hold(rows)
        assert shop.fetch().files
    assert len(shop.files) == len(set(shop.files)) >= 3
    assert newest_manifest(shop.source, shop.project.fetched).file == max(
        (found.path for found, _ in manifests(shop.source, shop.project.fetched)), key=lambda p: (len(p), p)
    )
    assert shop.holds(rows)


def test_a_date_that_was_ahead_by_years_hides_nothing_that_is_new(shop: Shop) -> None:
    ahead = date(2034, 3, 1)
    shop.fetch(ahead)
    for day, rows in ((2, CHANGED), (3, [*CHANGED, (5, "map", "2024-02-05 00:00:00")])):
        shop.sender.hold(rows)
        assert shop.fetch(date(2024, 3, day)).files
        assert shop.fetch(date(2024, 3, day)).files == ()
    assert shop.holds(rows, date(2024, 3, 3))
    if shop.source.fetch.mode == "full":
        shop.sender.hold(ROWS)
        assert shop.fetch(date(2024, 3, 4)).files
        assert shop.holds(ROWS, date(2024, 3, 4))


def test_a_sender_that_does_not_answer_changes_nothing(shop: Shop) -> None:
    shop.fetch()
    before = shop.files
    shop.sender.hold(CHANGED)
    shop.sender.go_away()
    with pytest.raises(FetchError, match="orders: ") as caught:
        shop.fetch()
    assert shop.files == before
    assert not any(canary in str(caught.value) for canary in shop.sender.canaries)
    assert shop.holds(ROWS)
    shop.sender.come_back()
    shop.fetch()
    assert shop.holds(CHANGED)


def test_no_secret_is_written_or_said(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    for is_away in (False, True):
        shop.sender.hold(CHANGED if is_away else ROWS)
        if is_away:
            shop.sender.go_away()
        (row,) = fetch_now([])
        texts = [
            caplog.text,
            str(row),
            *(p.read_bytes().decode("latin-1") for p in shops.all_files(shop.project.data)),
        ]
        assert [c for c in shop.sender.canaries if any(c in text for text in texts)] == []
    shop.sender.come_back()


def test_a_fetch_that_is_killed_anywhere_loses_and_doubles_nothing(shop: Shop) -> None:
    shop.fetch()
    shop.sender.hold(CHANGED)
    before, at = shop.files, 0
    while True:
        at += 1
        if not _killed(shop, at):
            break
        assert at < 200
        new = set(shop.files) - set(before)
        assert all(newest_manifest(shop.source, shop.project.fetched) for _ in new)
    shop.fetch()
    assert shop.holds(CHANGED)
    assert shop.left == []
    assert at > 5


def _killed(shop: Shop, at: int) -> bool:
    """Fetch in a process that is killed before one of its side effects; return whether it came so far."""
    if not shop.sender.forks:
        return kills.is_killed(shop.project, "orders", DAY, at)
    source = shop.source
    pid = os.fork()
    if pid:
        return bool(os.WIFSIGNALED(os.waitpid(pid, 0)[1]))
    try:
        kills.kill_before(at, str(shop.project.data))
        fetched.fetch(shop.project, source, DAY)
    finally:
        os._exit(0)


def test_a_disk_that_is_full_is_said_and_leaves_all_as_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.fetch()
    before = shop.files
    shop.sender.hold(CHANGED)
    with monkeypatch.context() as patched:
        patched.setattr(landing, "put", _full)
        with pytest.raises(FetchError, match=r"orders: the disk is full.*Make room"):
            shop.fetch()
    assert shop.files == before
    shop.fetch()
    assert shop.holds(CHANGED)


def _full(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def test_two_fetches_exclude_each_other(shop: Shop) -> None:
    lock = take_lock(shop.project, "other")
    try:
        with pytest.raises(AlreadyRunning):
            fetch_now([])
    finally:
        os.close(lock)
    assert [row.outcome for row in fetch_now(["orders"])] == ["landed"]


def test_a_file_that_lost_its_manifest_stops_the_fetch_and_not_the_night(shop: Shop) -> None:
    shop.fetch()
    ((found, _),) = list(manifests(shop.source, shop.project.fetched))
    path = shop.project.fetched / found.path
    path.chmod(0o644)
    beside = path.with_name(f"{path.name}.manifest.json")
    if beside.exists():
        beside.unlink()
    else:
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(FetchError, match=r"has no manifest.*Restore the file"):
        shop.fetch()
    assert shop.holds(ROWS)


def test_what_is_declared_survives_json_and_is_a_field_with_a_comment(shop: Shop) -> None:
    declared = shop.source.fetch
    assert fetch_from(fetch_to(declared)) == declared
    assert isinstance(declared, fetch_class(type(declared).__name__))
    assert declared.named.startswith(f"fetch={type(declared).__name__}(")
    assert not any(canary in repr(declared) for canary in shop.sender.canaries)


def test_a_library_that_is_missing_is_said_with_how_to_install_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shop.sender.library:
        pytest.skip("it needs none")
    library = shop.sender.library
    starts = (f"{library.split('.')[0]}.", "etl.stages.fetched.kinds.")
    hidden = {name: module for name, module in sys.modules.items() if f"{name}.".startswith(starts)}
    hidden.pop("etl.stages.fetched.kinds", None)
    # a package has its modules by name too, or something else that is named like one of them
    packages = {sys.modules[name.rpartition(".")[0]] for name in hidden if "." in name}
    as_they_were = [(package, dict(vars(package))) for package in packages]
    with monkeypatch.context() as patched:
        for name in hidden:
            patched.delitem(sys.modules, name)
        patched.setitem(sys.modules, library, None)
        with pytest.raises(FetchError, match=r"pip install 'etl\[\w+\]'"):
            shop.fetch()
    for package, names in as_they_were:
        vars(package).update(names)


def test_files_that_are_too_old_are_deleted_if_that_is_declared_but_for_the_newest(shop: Shop) -> None:
    if shop.source.fetch.mode == "cursor":
        with pytest.raises(ContractError, match="keep_days would lose rows"):
            replace(shop.source.fetch, keep_days=5)
        return
    source = shop.source
    days = [date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 20)]
    for day, rows in zip(days, (ROWS, CHANGED, ROWS), strict=True):
        shop.sender.hold(rows)
        source.fetch = replace(source.fetch, keep_days=5 if day == days[-1] else None)
        fetched.fetch(shop.project, source, day)
    assert [found.day for found, _ in manifests(source, shop.project.fetched)] == [days[-1]]
    source.fetch = replace(source.fetch, keep_days=1)
    assert fetched.fetch(shop.project, source, date(2025, 1, 1)).forgotten == ()
    assert shop.holds(ROWS, days[-1])


def test_a_fetch_that_takes_too_long_is_ended(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    source = shop.source
    source.fetch = replace(source.fetch, time_limit="0.2 seconds")
    kind = kind_of(source)
    monkeypatch.setattr(kind, "fetch", lambda asked, landing: time.sleep(600))
    with pytest.raises(FetchError, match=r"orders: the fetch takes longer than its time_limit, 0.2 seconds"):
        fetched.fetch(shop.project, source, DAY)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert shop.files == []


def test_a_folder_that_may_not_be_written_to_is_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(written: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(landing, "put", refuse)
    with pytest.raises(FetchError, match=r"orders: .*data/fetched.*: Permission denied. Fix it"):
        shop.fetch()
    assert shop.files == []


def test_what_is_fetched_lands_on_another_disk_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real = landing.put

    def put(written: Path, target: Path) -> None:
        if shop.project.fetching_aside in written.parents:
            raise OSError(18, "Invalid cross-device link")
        real(written, target)

    monkeypatch.setattr(landing, "put", put)
    shop.fetch()
    assert shop.holds(ROWS)
    assert shop.left == []


@pytest.mark.parametrize("name", FETCHES)
def test_its_options_are_fields_with_a_comment_each_and_rows_of_a_page(name: str) -> None:
    kind = fetch_class(name)
    said, given = options.comments(kind), options.options(kind)
    assert set(given) - set(said) == set(), "Write a comment above each option."
    assert all(text.endswith(".") for text in said.values())
    assert getattr(etl, name) is kind and name in etl.__all__
    pages = "".join(path.read_text() for path in PAGES)
    assert [option for option in given if options.row(kind, option) not in pages] == []


def test_a_time_limit_is_a_time(shop: Shop) -> None:
    for text in ("2 h", "0 hours", "-1 hours", "forever", ""):
        with pytest.raises(ContractError, match="is not a time such as"):
            replace(shop.source.fetch, time_limit=text)
