"""1,000 small models in ten layers, each of which joins one to three of the layer before."""

from __future__ import annotations

from pathlib import Path
from random import Random

from models_domain import Change, Domain, Raw, write

LAYERS, WIDTH, ROWS = 10, 100, 100
SEED = 4
#: The least that any contestant may publish: each model has every row of the raw table.
MIDDLE = (5, 50)

_CONTRACT = '''"""A tiny list of numbers."""

import pandera.pandas as pa

from etl import Source


class Numbers(pa.DataFrameModel):
    """One row per number."""

    id: int = pa.Field(unique=True)
    value: int = pa.Field(ge=0)


numbers = Source(contract=Numbers, files="numbers.csv")
'''


def graph(folder: Path) -> Domain:
    """Return the models; their raw file is written to `folder`."""
    lines = "".join(f"{number},{number * 7919 % 1000}\n" for number in range(ROWS))
    write(folder / "numbers.csv", f"id,value\n{lines}")
    random, models = Random(SEED), {}
    reads: dict[str, list[str]] = {}
    for layer in range(1, LAYERS + 1):
        for number in range(WIDTH):
            name = _name(layer, number)
            before = random.sample(range(WIDTH), random.randint(1, 3))
            reads[name] = [_name(layer - 1, other) for other in before] if layer > 1 else ["raw.numbers"]
            models[name] = _select(reads[name], random.randint(2, 9), random.randint(1, 999))
    raw = Raw("numbers", folder / "numbers.csv", {"id": "bigint", "value": "bigint"}, "header = true, delim = ','")
    changed = _name(*MIDDLE)
    change = Change(changed, ") % 1000003", " + 1) % 1000003", 1 + len(_below(changed, reads)))
    return Domain("graph", [raw], {"numbers.py": _CONTRACT}, models, change, _proof())


def _name(layer: int, number: int) -> str:
    return f"layer_{layer:02}.m_{number:03}"


def _select(tables: list[str], factor: int, constant: int) -> str:
    first, *others = (f"{table} as {alias}" for table, alias in zip(tables, "abc", strict=False))
    joins = "".join(f"\njoin {other} using (id)" for other in others)
    values = " + ".join(f"{alias}.value * {factor + place}" for place, alias in enumerate("abc"[: len(tables)]))
    select = f"select id, ({values} + {constant}) % 1000003 as value"
    return f"-- A small step. Grain: id.\n{select}\nfrom {first}{joins}\n"


def _below(name: str, reads: dict[str, list[str]]) -> set[str]:
    """Return the models that depend on one, through any number of others."""
    found = {name}
    for model, tables in reads.items():  # in order
        if found.intersection(tables):
            found.add(model)
    return found - {name}


def _proof() -> str:
    last = " union all ".join(
        f"select {n} as n, sum(value * (id + 1)) as s, count(*) as c from {_name(LAYERS, n)}" for n in range(WIDTH)
    )
    return f"select n, s::bigint, c from ({last}) order by n"
