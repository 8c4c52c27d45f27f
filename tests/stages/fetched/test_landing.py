"""The names of landed files: the last one is the newest, and a part never stands for all there is."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from etl.sources.connectors.connector import Known
from etl.sources.connectors.landed import Landed
from etl.stages.fetched import landing
from tests.stages.fetched.test_laws import Shop, shop

__all__ = ["shop"]


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def taken(root: Path, mode: str) -> list[str]:
    seen = Landed("orders", mode).look(root, "orders", date(2024, 3, 9), 0, Known())
    return [one.file.name for one in seen if one.file]


def test_what_is_new_alone_is_never_taken_for_all_there_is(tmp_path: Path) -> None:
    whole, part = "orders/2024-03-01/20240301T010000.parquet", "orders/2024-03-02/20240302T010000-part.parquet"
    put(tmp_path, whole, part)

    assert taken(tmp_path, "full") == [whole]
    assert taken(tmp_path, "cursor") == [whole, part]


@pytest.mark.parametrize("now", [datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 2, 8, tzinfo=UTC)])
def test_the_next_name_sorts_last_whatever_clock_and_zone_say(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    if shop.source.connector.mode == "copies":
        pytest.skip("copies keep their own names")
    put(shop.project.fetched, "orders/2024-03-02/20240302T070000-part.jsonl.zst")
    monkeypatch.setattr(landing.Landing, "_now", lambda _: now)

    (file,) = shop.fetch(date(2024, 3, 1)).files

    assert file.startswith("orders/2024-03-01/")
    assert file.rpartition("/")[2] > "20240302T070000-part.jsonl.zst"
