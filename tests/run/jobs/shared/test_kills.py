"""Killed before any side effect, a worker leaves whole objects, and a run what the next one makes complete."""

import hashlib
import shutil
from functools import partial
from pathlib import Path

import pytest

from etl.ledger import Ledger
from tests.run.jobs.shared.conftest import Shop
from tests.support import killed_far
from tests.support.thorough import EVERY

#: More than any of them has side effects, and from which to which it is killed.
MOST, STEP = 120, 1 if EVERY else 3

pytestmark = pytest.mark.parametrize("shop", ["s3"], indirect=True)


def check_objects(shop: Shop) -> None:
    """Check that every object holds what its name says."""
    shared = shop.shared
    for hashed in shared.there():
        found = shared.place.read(f"{shared.folder}/{hashed}")
        assert found
        assert hashlib.sha256(found[0]).hexdigest() == hashed


def test_a_worker_that_is_killed_leaves_whole_objects_and_nothing_in_place(shop: Shop, tmp_path: Path) -> None:
    shop.extract()
    first, text, below = shop.files(), shop.texts[0], tmp_path / "far"
    for number in range(1, MOST, STEP):
        shutil.rmtree(below, ignore_errors=True)
        below.mkdir()
        was_killed = killed_far.is_killed(partial(killed_far.order, below=str(below)), text, str(below), number)
        check_objects(shop)
        assert shop.files() == first
        if not was_killed:
            break
    assert 10 < number < MOST - STEP
    # one that nobody killed leaves nothing of its own
    assert list(below.iterdir()) == []
    shop.extract()
    assert shop.files() == first


def test_a_run_that_is_killed_is_made_complete_by_the_next(shop: Shop) -> None:
    shop.extract()
    first = shop.files()
    for number in range(1, MOST, STEP):
        for base in (shop.project.lake, shop.project.quarantine):
            shutil.rmtree(base)
        # as if nothing had been sent
        shop.shared.delete(shop.shared.there())
        was_killed = killed_far.is_killed(
            killed_far.extraction, str(shop.project.root), str(shop.project.data), number
        )
        check_objects(shop)
        receipts = Ledger(shop.project.ledger).receipts()
        shop.extract()
        assert shop.files() == first
        assert receipts.keys() <= Ledger(shop.project.ledger).receipts().keys()
        if not was_killed:
            break
    assert 10 < number < MOST - STEP
