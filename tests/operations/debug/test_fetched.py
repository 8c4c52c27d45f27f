"""A night that fails over what was fetched fails again from its bundle alone: no sender is asked, or known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.operations.debug import find_bundle, replay
from tests.operations.debug.test_debug import Case, fail_at, moved
from tests.support import shops
from tests.support.senders import MAKERS, Row

pytestmark = pytest.mark.sampled

FIRST: list[Row] = [(1, "book", "2024-02-01 10:00:00"), (2, "cup", "2024-02-01 10:00:00")]
THEN: list[Row] = [FIRST[0], (2, "pen", "2024-02-04 09:00:00"), (3, None, "2024-02-04 09:00:00")]
#: A pen breaks the contract.
CONTRACT = shops.CONTRACTS.replace("nullable=True", "nullable=True, ne='pen'")
KINDS = [(name, number) for name, makers in MAKERS.items() for number in range(len(makers))]


@pytest.fixture(params=KINDS, ids=[f"{name} {number}" for name, number in KINDS])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[shops.Shop]:
    name, number = request.param
    with shops.opened(MAKERS[name][number], tmp_path, contract=CONTRACT, options="max_rejects=0") as found:
        found.sender.hold(FIRST)
        found.fetch()
        yield found


def test_a_delivery_of_every_kind_fails_again_from_the_moved_folder_alone(
    shop: shops.Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sender.hold(THEN)
    shop.fetch()
    fail_at(shop.project, Case("extract", "orders"))
    folder = moved(shop.project, tmp_path / "elsewhere")
    for variable in shop.sender.environment:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    shop.sender.go_away()
    texts = [path.read_bytes().decode("latin-1") for path in shops.all_files(folder)]
    assert [canary for canary in shop.sender.canaries if any(canary in text for text in texts)] == []
    done = replay(find_bundle(None, str(folder)))
    assert done.lacking == []
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"
    assert "break the contract" in str(done.error) and "item.not_equal_to" in str(done.error)
    shop.sender.come_back()
