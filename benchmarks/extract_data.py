"""What `extract.py` extracts: lineitem of TPC-H, clean and dirty, a source of many small files, their contract.

Everything is made anew the same way each time: the generator has no seed to choose, and dirt follows the
number of the line.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import IO

#: Whether raw files keep the delimiter that TPC-H puts at the end of every line.
TRAILING = True
#: One line in so many is spoiled.
DIRTY_EVERY = 1000
DAY = date(2026, 1, 1)
SMALL_FIRST, SMALL_ROWS = date(1990, 1, 1), 20

COLUMNS = {
    **dict.fromkeys(("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber"), "bigint"),
    **dict.fromkeys(("l_quantity", "l_extendedprice", "l_discount", "l_tax"), "decimal(15,2)"),
    **dict.fromkeys(("l_returnflag", "l_linestatus"), "varchar"),
    **dict.fromkeys(("l_shipdate", "l_commitdate", "l_receiptdate"), "date"),
    **dict.fromkeys(("l_shipinstruct", "l_shipmode", "l_comment"), "varchar"),
}

# 16 columns that are never null and 16 checks are 32 rules; that a text is a value of its type comes on top.
# Decimals and dates are Arrow's, in which pandas computes; as Python objects they would be slower still.
CONTRACT = '''"""Line items of TPC-H: 32 rules, every column present and one check each."""

from datetime import date
from decimal import Decimal
from typing import Annotated

import pandas as pd
import pandera.pandas as pa
import pyarrow

Money = Annotated[pd.ArrowDtype, pyarrow.decimal128(15, 2)]
Day = Annotated[pd.ArrowDtype, pyarrow.date32()]
YEARS = {"min_value": date(1992, 1, 1), "max_value": date(1998, 12, 31)}


def between(low, high):
    return {"min_value": Decimal(low), "max_value": Decimal(high)}


class LineItem(pa.DataFrameModel):
    """One row per line of an order."""

    l_orderkey: int = pa.Field(gt=0)
    l_partkey: int = pa.Field(gt=0)
    l_suppkey: int = pa.Field(gt=0)
    l_linenumber: int = pa.Field(in_range={"min_value": 1, "max_value": 7})
    l_quantity: Money = pa.Field(in_range=between("1", "50"))
    l_extendedprice: Money = pa.Field(gt=Decimal(0))
    l_discount: Money = pa.Field(in_range=between("0", "0.10"))
    l_tax: Money = pa.Field(in_range=between("0", "0.08"))
    l_returnflag: str = pa.Field(isin=["A", "N", "R"])
    l_linestatus: str = pa.Field(isin=["F", "O"])
    l_shipdate: Day = pa.Field(in_range=YEARS)
    l_commitdate: Day = pa.Field(in_range=YEARS)
    l_receiptdate: Day = pa.Field(in_range=YEARS)
    l_shipinstruct: str = pa.Field(isin=["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"])
    l_shipmode: str = pa.Field(str_matches=r"^(AIR|FOB|MAIL|RAIL|REG AIR|SHIP|TRUCK)$")
    l_comment: str = pa.Field(str_length={"min_value": 1, "max_value": 44})
'''

SOURCES = '''"""The deliveries: one large file a day, and many small ones."""

from etl import Csv, Source

from .model import LineItem

_FORMAT = Csv(delimiter="|", quote="", header=False{trailing})
lineitem = Source(contract=LineItem, files="lineitem/{{date}}.tbl", format=_FORMAT)
small = Source(contract=LineItem, files="small/{{date}}.tbl", format=_FORMAT)
'''


@dataclass(frozen=True)
class Dirt:
    """One way to spoil a line; half of them take its shape, half make a cell that breaks the contract."""

    name: str
    spoil: Callable[[list[bytes]], list[bytes]]


def _cell(position: int, text: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda cells: [*cells[:position], text, *cells[position + 1 :]]


DIRT = (
    Dirt("a delimiter is missing", lambda cells: [cells[0] + cells[1], *cells[2:]]),
    Dirt("a quantity out of range", _cell(4, b"51")),
    Dirt("a delimiter too many", lambda cells: [*cells[:8], b"", *cells[8:]]),
    Dirt("a date that is none", _cell(10, b"1996-02-30")),
    Dirt("bytes that are not UTF-8", lambda cells: [*cells[:15], b"caf\xe9 \xff" + cells[15]]),
    Dirt("an unknown flag", _cell(8, b"X")),
    Dirt("a NUL in a cell", lambda cells: [*cells[:15], b"\0" + cells[15]]),
    Dirt("a price that is no number", _cell(5, b"1,234.50")),
    Dirt("a surplus empty cell at the end", lambda cells: [*cells, b""]),
    Dirt("an order without its key", _cell(0, b"")),
)


def generate(tpchgen: Path, folder: Path, scale: int) -> Path:
    """Return lineitem.tbl at a scale, as delivered; generated once per folder."""
    raw = folder / f"lineitem-{scale}{'' if TRAILING else '-bare'}.tbl"
    if not raw.exists():
        print(f"generating lineitem at scale {scale} ...", file=sys.stderr, flush=True)
        command = [str(tpchgen), "-s", str(scale), "--tables", "lineitem", "--stdout"]
        half = raw.with_suffix(".half")
        with half.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            _copy(process.stdout, file)
        if process.returncode:
            sys.exit(f"{command} ended with {process.returncode}")
        half.rename(raw)
    return raw


def spoiled(clean: Path) -> Path:
    """Return a copy of `clean` in which one line in 1,000 is spoiled, in every way in turn."""
    target = clean.with_name(clean.name.replace("lineitem", "dirty"))
    if not target.exists():
        half = target.with_suffix(".half")
        with clean.open("rb") as source, half.open("wb") as file:
            number = 0
            while lines := list(islice(source, DIRTY_EVERY - 1)):
                file.writelines(lines)
                if line := source.readline():
                    file.write(_spoil(line, DIRT[number % len(DIRT)]))
                    number += 1
        half.rename(target)
    return target


def deliver_small(lines: Iterable[bytes], folder: Path, count: int) -> None:
    """Make `count` small deliveries of 20 rows each in `folder`, one a day."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = iter(lines)
    for number in range(count):
        day = SMALL_FIRST + timedelta(number)
        (folder / f"{day}.tbl").write_bytes(b"".join(islice(rows, SMALL_ROWS)))


def write_project(folder: Path, memory_limit: str = "") -> None:
    """Make a project of the contract and its two sources, without any model."""
    for name in ("contracts", "sql", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    trailing = ", trailing_delimiter=True" if TRAILING else ""
    (folder / "contracts" / "model.py").write_text(CONTRACT, encoding="utf-8")
    (folder / "contracts" / "lineitem.py").write_text(SOURCES.format(trailing=trailing), encoding="utf-8")
    limit = f"memory_limit = {memory_limit}\n" if memory_limit else ""
    (folder / "luigi.cfg").write_text(f"[etl]\n{limit}", encoding="utf-8")


def dirty_lines(records: int) -> int:
    """Return how many lines spoiled() spoils."""
    return records // DIRTY_EVERY


def _spoil(line: bytes, dirt: Dirt) -> bytes:
    end = b"|\n" if TRAILING else b"\n"
    return b"|".join(dirt.spoil(line.removesuffix(end).split(b"|"))) + end


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy in blocks; without the delimiter at the end of each line, unless the product can take it."""
    rest = b""
    while block := source.read(1 << 22):
        block = rest + block
        # a delimiter at the end of the block may belong to a line end that comes next
        rest = b"|" if block.endswith(b"|") else b""
        block = block[: len(block) - len(rest)]
        target.write(block if TRAILING else block.replace(b"|\n", b"\n"))
    target.write(rest)
