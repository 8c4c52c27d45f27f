"""What is taken in blocks is what is taken as a whole, whatever is delivered."""

from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.contract.masking import KEY_VARIABLE
from etl.sources import Source
from tests.support import both_ways
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled


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


@pytest.mark.parametrize("extra", ["refuse", "ignore", "keep"])
@pytest.mark.parametrize(
    "header",
    ["id,item", "id,item,new", "new,id,item", "item,id", "id", "id,more", "id,item,item", "id,,item", "", "x,y"],
)
def test_small_deliveries_are_refused_for_their_headers_in_the_same_words(
    tmp_path: Path, header: str, extra: Literal["refuse", "ignore", "keep"]
) -> None:
    contract = Contract("Any", (Column("id", "BIGINT", True), Column("item", "VARCHAR", True)), (), ())
    source = Source(contract, "any/{date}.csv", name="any", extra=extra, max_reject_ratio=1)
    record = ",".join(["1"] * len(header.split(",")))
    files = {f"any/2024-03-0{day}.csv": f"{header}\n{record}\n{record}\n".encode() for day in (1, 2)}
    sound = {"any/2024-03-03.csv": b"id,item\n2,pen\n"}

    both_ways.compare(both_ways.Case(source, files | sound, "UTC"), tmp_path, small_bytes=10_000)


def test_many_deliveries_are_taken_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a key of many different letters")
    taken = [both_ways.compare(both_ways.case(Random(seed)), tmp_path) for seed in range(12)]

    assert sum(taken) > len(taken) / 3
