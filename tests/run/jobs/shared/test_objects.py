"""What jobs share are objects that never change: one that is lost or another one is refused, and made again."""

import json
import os
import threading
from collections.abc import Callable

import pytest

from etl.errors import StepError
from etl.ledger import Ledger
from etl.run import jobs
from etl.run.jobs.shared import forget
from etl.run.jobs.shared.objects import Shared
from etl.run.jobs.shared.texts import Order, Reply
from tests.run.jobs.shared.conftest import Shop
from tests.support import tiny

pytestmark = pytest.mark.sampled


def lose(shared: Shared, hashed: str) -> None:
    shared.delete([hashed])


def change(shared: Shared, hashed: str) -> None:
    there = shared.place.read(f"{shared.folder}/{hashed}")
    assert there
    # as many bytes, so that a listing does not tell
    shared.place.write(f"{shared.folder}/{hashed}", bytes(reversed(there[0])))


SPOILT = {lose: "is not there any more.", change: "holds something else than its name says."}


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_a_job_reads_is_refused_if_it_is_lost_or_another_one(shop: Shop, spoil: Callable) -> None:
    def before(text: str) -> None:
        order = Order.of(text)
        assert order
        spoil(shop.shared, order.files["raw/sales/2024-03-01.csv"])

    with pytest.raises(StepError, match=r"was to read raw/sales/2024-03-01\.csv: ") as raised:
        shop.extract(before=before)
    assert f"{SPOILT[spoil]} The next run sends it again." in str(raised.value)
    assert shop.files() == {}
    # it is sent again, though an object of this name and size was there
    assert len(shop.extract()) == 2


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_a_job_made_is_refused_if_it_is_lost_or_another_one(shop: Shop, spoil: Callable) -> None:
    def after(text: str) -> None:
        made = Reply.of(text).made
        spoil(shop.shared, made["lake/sales/delivery_date=2024-03-02/data.parquet"])

    with pytest.raises(StepError, match=r"Nothing of its job is taken\. Run again") as raised:
        shop.extract(after=after)
    assert SPOILT[spoil] in str(raised.value)
    # not even the partition whose object is sound
    assert shop.files() == {}
    assert len(shop.extract()) == 2


def test_a_worker_that_makes_more_than_its_job_is_refused(shop: Shop) -> None:

    from etl.run.jobs.shared import Sending

    answer = Sending.answer

    def changed(self: Sending, text: str) -> str:
        facts = json.loads(text)
        facts["made"]["lake/../ledger.sqlite"] = "0" * 64
        return answer(self, json.dumps(facts))

    shop.monkeypatch.setattr(Sending, "answer", changed)
    with pytest.raises(StepError, match=r"a worker made lake/../ledger.sqlite, which was not its job"):
        shop.extract()
    assert shop.files() == {}


def test_done_twice_and_twice_at_once_a_job_leaves_the_same_bytes(shop: Shop) -> None:
    shop.extract()
    first = shop.files()
    assert len(first) == 3
    order, reply = shop.texts
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(jobs.run_job(order))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {json.dumps(Reply.of(text).made) for text in replies} == {json.dumps(Reply.of(reply).made)}
    shop.extract()
    assert shop.files() == first


def test_what_is_there_is_not_sent_again(shop: Shop) -> None:
    shop.extract()
    sent, send = [], Shared.send
    shop.monkeypatch.setattr(Shared, "send", lambda *given: (sent.append(given[2].suffix), send(*given)))
    shop.extract()
    # only what is made again
    assert set(sent) == {".parquet"}


def test_no_path_and_no_secret_is_in_what_is_said(shop: Shop) -> None:
    shop.extract()
    order = Order.of(shop.texts[0])
    assert order
    facts = json.loads(order.job)
    facts["project"] = order.url
    said = json.dumps([facts, shop.texts[1]])
    assert str(shop.project.data) not in said
    keys = ("AWS_SECRET_ACCESS_KEY", "GOOGLE_SERVICE_ACCOUNT_KEY", "AZURE_STORAGE_ACCOUNT_KEY")
    for secret in filter(None, map(os.environ.get, keys)):
        assert json.dumps(secret)[1:-1] not in json.dumps(shop.texts)


def test_what_the_lake_does_not_hold_is_deleted_and_nothing_else(shop: Shop) -> None:
    shop.extract()
    ledger, shared = Ledger(shop.project.ledger), shop.shared
    other = Shared(shared.url, "jobs/other")
    for place, name in ((other, "0" * 64), (Shared(shared.url, "objects"), "mirror.duckdb")):
        place.place.write(f"{place.folder}/{name}", b"others need it")
    lake = {file.read_bytes() for file in shop.project.lake.rglob("data.parquet")}
    assert len(shared.there()) > len(lake)
    forget(shop.project, ledger)
    held = {shared.place.read(f"{shared.folder}/{hashed}")[0] for hashed in shared.there()}
    assert held == lake
    assert list(other.there()) == ["0" * 64]
    assert shared.place.read("objects/mirror.duckdb")
    assert shared.receive("1" * 64, shop.project.scratch / "file").endswith("is not there any more.")
    assert not (shop.project.scratch / "file").exists()
    # a run that shares nothing asks for nothing
    shop.monkeypatch.setattr(Shared, "there", lambda self: pytest.fail("it was asked"))
    forget(shop.project, ledger)


def test_an_unreachable_place_is_told_and_tried_again(shop: Shop, caplog) -> None:
    shop.extract()
    ledger = Ledger(shop.project.ledger)

    def away(self: Shared) -> None:
        raise StepError("nobody answers.")

    with shop.monkeypatch.context() as patched:
        patched.setattr(Shared, "there", away)
        forget(shop.project, ledger)
    assert "and the next run tries again: nobody answers." in caplog.text
    forget(shop.project, ledger)
    assert len(shop.shared.there()) == 2


def test_a_file_that_changes_while_it_is_sent_is_left_for_the_next_run(shop: Shop) -> None:
    send, raw = Shared.send, shop.project.raw / "sales/2024-03-02.csv"

    def meanwhile(shared: Shared, hashed: str, file) -> None:
        if file == raw:
            tiny.deliver(shop.project, {"sales/2024-03-02.csv": "id,item,price\n5,cup,2\n"})
        send(shared, hashed, file)

    with shop.monkeypatch.context() as patched:
        patched.setattr(Shared, "send", meanwhile)
        with pytest.raises(StepError, match=r"2024-03-02\.csv was there when the run began, and cannot"):
            shop.extract()
    assert not [name for name in shop.files() if "2024-03-02" in name]
    assert len(shop.extract()) == 2
