"""Projects that tell each other by events end as undisturbed ones do, whatever is killed or lost on the way."""

import random
from datetime import timedelta
from pathlib import Path

from tests.support import chains


def test_a_chain_whose_runs_are_killed_and_whose_events_are_lost_ends_as_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    nights, seed = 2, 11
    texts = random.Random(seed)
    with chains.chain(tmp_path / "disturbed", random.Random(seed)) as disturbed:
        for number in range(nights):
            disturbed.night(number, texts)
        disturbed.settle(chains.FIRST + timedelta(nights - 1))
        found = disturbed.content()
    texts = random.Random(seed)
    with chains.chain(tmp_path / "undisturbed") as undisturbed:
        # what an undisturbed one holds is the same however many nights it took
        for number in range(nights - 1):
            undisturbed.deliver(number, texts)
        undisturbed.night(nights - 1, texts)
        assert found == undisturbed.content()
    assert len(found["marts.shelf"]) == 3
    assert disturbed.counted.forged == undisturbed.counted.kills == 0
