"""What a model is made of, however deep the models stand on one another."""

from types import SimpleNamespace
from typing import Any

from etl.models.inputs import _everything_under


def test_a_long_chain_of_models_and_many_ways_down_are_walked_once() -> None:
    chain = {f"m.a{n}": [f"m.a{n + 1}"] for n in range(5_000)}
    ways = {f"m.b{n}": [f"m.b{n + 1}", f"m.b{n + 1}", f"m.c{n + 1}"] for n in range(60)}
    ways |= {f"m.c{n}": [f"m.b{n + 1}", f"m.c{n + 1}"] for n in range(60)}
    known: Any = {name: SimpleNamespace(reads=reads) for name, reads in (chain | ways).items()}
    assert _everything_under(["m.a0"], known) == {f"m.a{n}" for n in range(5_001)}
    assert len(_everything_under(["m.b0"], known)) == 1 + 2 * 60
