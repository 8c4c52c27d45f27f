"""What is taken in blocks is what is taken as a whole, whatever is delivered."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.contract.masking import KEY_VARIABLE
from tests.support import both_ways
from tests.support.thorough import examples


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_delivery_in_blocks_is_what_it_is_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random: Random
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a key of many different letters")
    case = both_ways.case(random)

    both_ways.compare(
        case,
        tmp_path,
        block_bytes=random.choice((60, 300, 3000)),
        small_bytes=random.choice((0, 99)),
        most=random.choice((0, 10**6)),
    )


def test_many_deliveries_are_taken_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a key of many different letters")
    taken = [both_ways.compare(both_ways.case(Random(seed)), tmp_path) for seed in range(12)]

    assert sum(taken) > len(taken) / 3
