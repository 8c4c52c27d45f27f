"""One delivery after another through both ways of extraction: in blocks, and as DuckDB reads a whole file.

What comes out must be the same: rows, types, order, rejects, places, texts, metadata, receipts, refusals. Used by
the tests and by benchmarks/both_ways.py, which goes on for as long as it is told.
"""

import json
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unittest import mock

import duckdb
import pyarrow as pa

from etl.contract import Column, Contract, Rule, Unique
from etl.contract.cleansing import Clean
from etl.engine.quoting import identifier
from etl.errors import EtlError
from etl.sources import Source
from etl.sources.formats import Csv, FixedWidth, blocks, csv_file, csv_small
from etl.sources.formats.blocks import Unproven
from etl.stages.lake import grouped, in_blocks
from tests.support import tiny

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
DECIMALS = ("DECIMAL(15,2)", "DECIMAL(4,0)", "DECIMAL(18,6)", "DECIMAL(38,3)", "DECIMAL(20,20)", "DECIMAL(1,0)")
FLOATS = ("DOUBLE", "FLOAT")
MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
TYPES = (*INTEGERS, *DECIMALS, *FLOATS, *MOMENTS, "BOOLEAN", "VARCHAR", "VARCHAR")
#: Types that are never taken in blocks.
OTHERS = ("TIME", "HUGEINT", "BIGINT[]", "INTERVAL")
ZONES = ("UTC", "Europe/Berlin", "America/New_York")

_WORDS = """
1 0 -1 +1 007 -007 00 -0 +0 1. 1.0 1.5 -1.5 .5 -.5 - + . -. 1e3 1E3 1e+3 1e-3 0x1F 0b1 1_000 1,000 1,5 1.234,5
127 128 -128 255 256 65536 9223372036854775807 9223372036854775808 inf nan 1e400 --1 1- 0.1 1.10 1.100 1.123
12345678901234567890.12 9999999999999.99 99999999999999.9 1.2.3 340282366920938463463374607431768211456
0.30000000000000004 1234567890123456789 2013-02-03 2013-2-3 2013/02/03 20130203 2013-02-30 0000-01-01 0001-01-01
9999-12-31 10000-01-01 2013-02-03T00:00:00 infinity epoch 2013-02 03.02.2013 2013-02-03T04Z 2013-02-03T04:05:06Z
true false t f TRUE tRuE T F yes on 2 01 NA null a - \\N \\ é #
"""
#: Texts at the edges of what is a value.
EDGES = [
    *_WORDS.split(),
    *("2013-02-03 04", "2013-02-03 04+01:00", "2013-02-03 0405", "2013-02-03 04:05", "2013-10-27 02:30"),
    *("2013-02-03 04:05:06.1234567", "2013-02-03 04:05+19:59", "2013-02-03 04:05+20:00", "2013-03-31 02:30"),
    *("2013-02-03 24:00", "2013-02-03 04:05:60", "2013-02-03 (BC)"),
    *("", " ", " 1", "1 ", "\t1", "1\f", "1\u00a0", "\u0663", "\ufeff"),
]


class Case(NamedTuple):
    """A source, and the files that are delivered, by their paths below raw/."""

    source: Source
    files: dict[str, bytes]
    timezone: str


class Outcome(NamedTuple):
    """All that an extraction leaves."""

    receipts: list[Any]
    error: str
    lake: dict[str, Any]
    quarantine: dict[str, Any]


def case(random: Random) -> Case:
    """Return a random source with deliveries, most of whose cells are values of their columns."""
    types = (*TYPES, *OTHERS) if random.random() < 0.05 else TYPES
    columns = [_column(random, number, random.choice(types)) for number in range(random.randint(1, 6))]
    fmt = _fixed_width(random, columns) if random.random() < 0.25 else _format(random)
    contract = Contract("Any", tuple(columns), tuple(_rules(random, columns)), _uniques(random, columns))
    wild = random.random() < 0.2
    source = Source(
        contract,
        "any/{date}-*.csv" if wild else "any/{date}.csv",
        format=fmt,
        name="any",
        extra=random.choice(("refuse", "ignore", "keep")),
        duplicates=random.choice(("quarantine", "first", "last")),
        max_reject_ratio=random.choice((0.01, 1, 1)),
        max_rejects=random.choice((None, None, None, 2)),
        optional=random.random() < 0.2,
    )
    parts = ("-a", "-b") if wild else ("",)
    days = range(1, random.randint(1, 4) + 1)
    names = [f"any/2024-03-0{day}{part}.csv" for day in days for part in parts]
    file = _fixed_file if isinstance(fmt, FixedWidth) else _file
    return Case(source, {name: file(random, source) for name in names}, random.choice(ZONES))


def compare(
    case: Case, folder: Path, *, block_bytes: int = 200, small_bytes: int = 100, most: int = 10**6
) -> bool:
    """Extract a case both ways; AssertionError for any difference. Return whether blocks were taken at all."""
    with (
        mock.patch.object(in_blocks, "LEAST_BYTES", 1 << 60),
        mock.patch.object(FixedWidth, "is_cut_alike", False),
    ):
        whole = extracted(case, folder / "project")
    with _forced(block_bytes, small_bytes, most) as written:
        blocks = extracted(case, folder / "project")
    assert blocks == whole, shown(case, whole, blocks)
    return bool(written)


def edge(random: Random) -> str:
    """Return a text at the edge of what is a value, or next to one."""
    text = random.choice(EDGES)
    at = random.randint(0, len(text))
    letter = random.choice("0123456789-+./eExX _,\t:TZinfat")
    return random.choice((text, text[:at] + letter + text[at:], text[:at] + text[at + 1 :]))


def plausible(random: Random, type: str) -> str:
    """Return a text that most often is a value of a type."""
    return _value(random, type, "")


def extracted(case: Case, folder: Path) -> Outcome:
    """Return what an extraction leaves in a new project."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = f"threads = 2\ntimezone = {case.timezone}\n"
    project = tiny.project(folder, contracts="", sql={}, raw=case.files, settings=settings)
    receipts, error = [], ""
    try:
        receipts = tiny.take(project, case.source)
    except EtlError as caught:
        # in which order deliveries are taken is no promise
        error = "\n".join(sorted(str(caught).replace(str(folder), "").splitlines()))
    details = [
        (str(receipt.key), receipt.outcome, {**receipt.details, "lake": "", "quarantine": ""})
        for receipt in receipts
    ]
    leftovers = [path for path in project.scratch.rglob("*") if path.is_file()] if project.scratch.exists() else []
    assert not leftovers, leftovers
    # where records are numbered by DuckDB, their order in the lake is left to it
    is_in_order = not any(column.ambiguous == "order" for column in case.source.contract.columns)
    return Outcome(
        sorted(details, key=str), error, _read(project.lake, is_in_order), _read(project.quarantine, True)
    )


def shown(case: Case, whole: Outcome, blocks: Outcome) -> str:
    """Return what is different, with the case that it was found with."""
    told = json.dumps(case.source.to_dict(), default=str)
    lines = [told, *(f"{name}: {content!r}" for name, content in case.files.items())]
    for part, old, new in zip(Outcome._fields, whole, blocks, strict=True):
        if old != new:
            lines += [f"--- {part}, as a whole", str(old), f"--- {part}, in blocks", str(new)]
    return "\n".join(lines)


@contextmanager
def _forced(block_bytes: int, small_bytes: int, most: int) -> Iterator[list[Path]]:
    """Take everything in blocks that can be, in small ones; only what is not proven may be given back."""
    from etl.stages.lake import lake_file

    written: list[Path] = []
    finish = lake_file.LakeFile.finish

    def finished(self: Any, metadata: Any) -> None:
        written.append(self._path)
        finish(self, metadata)

    def given_back(error: Exception) -> None:
        if not isinstance(error, Unproven | pa.ArrowInvalid | duckdb.Error):
            raise AssertionError(f"{type(error).__name__}: {error}") from error

    with (
        mock.patch.object(in_blocks, "LEAST_BYTES", 0),
        mock.patch.object(in_blocks, "LARGE_BYTES", 4 * block_bytes),
        mock.patch.object(in_blocks, "given_back", given_back),
        mock.patch.object(grouped, "given_back", given_back),
        mock.patch.object(grouped, "_GROUP_BYTES", block_bytes),
        mock.patch.object(blocks, "BLOCK_BYTES", block_bytes),
        mock.patch.object(blocks, "COLUMN_BYTES", 0),
        mock.patch.object(csv_file, "SMALL_BYTES", small_bytes),
        mock.patch.object(csv_small, "MOST_BYTES", most),
        mock.patch.object(lake_file.LakeFile, "finish", finished),
    ):
        yield written


def _read(base: Path, is_in_order: bool) -> dict[str, Any]:
    """Return rows in order, columns with types and metadata of every Parquet file below a folder."""
    found = {}
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for path in sorted(base.rglob("*.parquet")):
            relation = f"read_parquet('{path}', hive_partitioning = false)"
            columns = con.execute(f"describe from {relation}").fetchall()
            # floats by their bits: -0 and NaN are values too
            cells = ", ".join(
                f"hex({identifier(name)}::varchar) || coalesce(signbit({identifier(name)})::varchar, '')"
                if kind in FLOATS
                else f"{identifier(name)}::varchar"
                for name, kind, *_ in columns
            )
            rows = con.execute(f"select {cells} from {relation}").fetchall()
            rows = rows if is_in_order else sorted(rows, key=str)
            metadata = f"select decode(key), decode(value) from parquet_kv_metadata('{path}')"
            values = con.execute(metadata).fetchall()
            schema = con.execute(
                f"select name, type, scale, precision from parquet_schema('{path}') where num_children is null"
            ).fetchall()
            found[str(path.relative_to(base))] = (rows, [column[:2] for column in columns], sorted(values), schema)
    return found


def _column(random: Random, number: int, type: str) -> Column:
    values: dict[str, Any] = {}
    roll = random.random()
    nullable = random.random() < 0.7
    if roll < 0.1:
        values["clean"] = Clean(
            trim=random.random() < 0.5,
            empty_to_null=random.random() < 0.5,
            case=random.choice(("", "upper")) if type == "VARCHAR" else "",
            map=(("1", "2"), ("NA", None)) if random.random() < 0.5 else (),
        )
    elif roll < 0.2:
        values["default"] = _value(random, type, "")
    elif roll < 0.3 and type == "VARCHAR":
        values["pii"] = random.choice(("hash", "partial"))
    elif roll < 0.3 and nullable:
        values["pii"] = "drop"
    elif roll < 0.4 and type in MOMENTS:
        values["format"] = {"DATE": "%d.%m.%Y", "TIMESTAMP": "%d.%m.%Y %H:%M"}.get(type, "%d.%m.%Y %H:%M:%S")
    elif roll < 0.4 and type.startswith(("DECIMAL", *FLOATS, *INTEGERS)):
        values["decimal"] = random.choice((",", "."))
    elif roll < 0.42 and type.startswith("DECIMAL"):
        values["thousands"] = "'"
    if type == "TIMESTAMP WITH TIME ZONE" and random.random() < 0.3:
        values["ambiguous"] = random.choice(("first", "last", "order"))
    name = random.choice(("c{}", "Any thing {}", "größe_{}")).format(number)
    return Column(name, type, nullable, required=random.random() < 0.9, **values)


def _rules(random: Random, columns: list[Column]) -> Iterator[Rule]:
    for column in columns:
        if not column.nullable:
            yield Rule(f"{column.name}.not_nullable", f"{column.sql} is not null", column.name, "is null")
        severity: Any = random.choice(("error", "error", "warn"))
        if random.random() < 0.5:
            limits = {"VARCHAR": f"length({column.sql}) < 8", "BOOLEAN": column.sql}
            moment = f"year({column.sql}) > 1900"
            rule = limits.get(column.type, moment if column.type in MOMENTS else f"{column.sql} >= 0")
            if column.type not in OTHERS:
                yield Rule(
                    f"{column.name}.ge", rule, column.name, "greater_than_or_equal_to(0)", severity=severity
                )
    if random.random() < 0.1:
        # a rule of the author's own may fail
        yield Rule("odd", f"cast({columns[0].sql}::varchar as double) > -1", columns[0].name, "")


def _uniques(random: Random, columns: list[Column]) -> tuple[Unique, ...]:
    if random.random() < 0.7:
        return ()
    names = tuple(column.name for column in random.sample(columns, min(len(columns), random.randint(1, 2))))
    return (Unique("key.unique", names, severity=random.choice(("error", "error", "warn"))),)


def _format(random: Random) -> Csv:
    quote = random.choice(('"', '"', "'", ""))
    escapes = random.choice(("", "", "copy", "mysql")) if not quote else ""
    marks = [mark for mark in (",", ";", "\t", "|", "||", " ", "-", "1", "é") if mark != quote]
    delimiter = random.choice(marks[:4] if escapes or random.random() < 0.8 else marks)
    nulls = [null for null in ("", "NA", "-", "null", "1") if null == "" or null not in delimiter]
    return Csv(
        delimiter=delimiter,
        quote=quote,
        escape=random.choice(("", "", "\\")) if quote else "",
        escapes=escapes,
        null=random.choice(("", "", random.sample(nulls, random.randint(1, 2)))),
        header=random.choice((True, True, False)),
        comment=random.choice(("", "", "", "#")),
        trailing_delimiter=not escapes and random.random() < 0.2,
        preamble=random.choice((0, 0, 1)),
        footer=random.choice((0, 0, 0, 1)),
        encoding=random.choice(("utf-8", "utf-8", "utf-8", "cp1252", "utf-16")),
        decimal=random.choice((".", ".", ".", ",")) if delimiter != "," else ".",
        date_format=random.choice(("", "", "", "", "%Y%m%d")),
    )


def _fixed_width(random: Random, columns: list[Column]) -> FixedWidth:
    is_typed = random.random() < 0.3
    spans, at = {}, 3 if is_typed else 1
    for column in columns:
        at += random.choice((0, 0, 0, 1))
        width = random.choice((1, 4, 10, 16)) if random.random() < 0.4 else 12
        spans[column.name], at = (at, at + width - 1), at + width
    end = max(last for _, last in spans.values()) + random.choice((0, 0, 2))
    last = columns[-1].name
    return FixedWidth(
        columns=spans,
        length=random.choice((end, end, [end, end + 3])),
        trimmed=random.choice((False, False, True, [last])),
        strip=random.random() < 0.8,
        null=random.choice(("", "", [], ["", "NA"], "-")),
        header_lines=random.choice((0, 0, 2, "^#")),
        encoding=random.choice(("utf-8", "utf-8", "cp1252", "utf-16", "cp500")),
        decimal=random.choice((".", ".", ",")),
        line_number="" if random.random() < 0.95 else "line",
        **({"record_type": (1, 2), "record": "01", "ignored": ["00", "é0"]} if is_typed else {}),
        **({"trailer": ("99", (3, 10))} if is_typed and random.random() < 0.5 else {}),
    )


def _fixed_file(random: Random, source: Source) -> bytes:
    fmt = source.format
    assert isinstance(fmt, FixedWidth)
    rate = random.choice((0, 0, 0.02, 0.3))
    lines = [_fixed_line(random, source, rate) for _ in range(random.choice((0, 1, 5, 30)))]
    if lines and random.random() < 0.2:
        lines.append(random.choice(lines))
    count = len(lines) + random.choice((0, 0, 0, 0, 1))
    for _ in range(random.choice((0, 0, 0, 1, 3))):
        other = ["", " ", "x", "00", "00 a type without records", "\u00e90", "02 unknown", "#", "01", "01" * 60]
        lines.insert(random.randint(0, len(lines)), random.choice(other))
    lines = (["# about", "# it"] if fmt.header_lines else []) + lines
    if fmt.trailer and random.random() < 0.95:
        lines.insert(len(lines) - random.choice((0, 0, 0, 0, min(1, len(lines)))), f"99{count:08}")
    end = random.choice(("\n", "\n", "\n", "\r\n", "\r"))
    data = (end.join(lines) + random.choice((end, end, ""))).encode(fmt.encoding, "replace")
    return _spoiled(random, data, fmt) if random.random() < 0.3 else data


def _fixed_line(random: Random, source: Source, rate: float) -> str:
    fmt = source.format
    assert isinstance(fmt, FixedWidth)
    line = list((fmt.record if fmt.record_type else "").ljust(random.choice(fmt.lengths)))
    for column in source.contract.columns:
        start, end = fmt.columns[column.name]
        cell = _fixed_cell(random, column, fmt, rate)[: end - start + 1]
        pad = random.choice((str.ljust, str.rjust, str.center))
        line[start - 1 : end] = pad(cell, end - start + 1)
    text = "".join(line)
    return text.rstrip(" ") if fmt.trimmed and random.random() < 0.5 else text


def _fixed_cell(random: Random, column: Column, fmt: FixedWidth, rate: float) -> str:
    roll = random.random()
    if roll < rate:
        return random.choice(EDGES)
    if roll > 0.92:
        return random.choice(["", *fmt.nulls])
    text = _value(random, column.type, column.format)
    return text.replace(".", column.decimal or fmt.decimal) if column.type.startswith(("DEC", *FLOATS)) else text


def _file(random: Random, source: Source) -> bytes:
    fmt = source.format
    assert isinstance(fmt, Csv)
    present = [c for c in source.contract.columns if c.required or random.random() < 0.5 or not fmt.header]
    names = [column.name for column in present]
    extras = ["more", "extra"][: random.choice((0, 0, 0, 1, 2))] if fmt.header else []
    order = [*present, *extras]
    if fmt.header:
        random.shuffle(order)
    names = [column if isinstance(column, str) else column.name for column in order]
    rate = random.choice((0, 0, 0.02, 0.3))
    lines = [
        _line(random, fmt, [_cell(random, column, fmt, rate) for column in order])
        for _ in range(random.choice((0, 1, 5, 30)))
    ]
    if lines and random.random() < 0.2:
        lines.append(random.choice(lines))
    if fmt.header:
        lines.insert(0, _line(random, fmt, names, plain=True))
    lines = ["about"] * int(fmt.preamble) + lines + ["total"] * int(fmt.footer)
    end = random.choice(("\n", "\n", "\r\n", "\r"))
    text = end.join(lines) + random.choice((end, end, ""))
    data = text.encode(fmt.encoding, "replace")
    return _spoiled(random, data, fmt) if random.random() < 0.3 else data


def _line(random: Random, fmt: Csv, cells: list[str], plain: bool = False) -> str:
    written = [cell if plain and not fmt.quote else _written(random, fmt, cell) for cell in cells]
    return fmt.delimiter.join(written) + fmt.delimiter * fmt.trailing_delimiter


def _written(random: Random, fmt: Csv, cell: str) -> str:
    needs = any(mark in cell for mark in (fmt.delimiter, fmt.quote or "\0", "\n", "\r"))
    if fmt.quote and (needs or random.random() < 0.05):
        guard = fmt.escape or fmt.quote
        inner = cell.replace(fmt.escape, fmt.escape * 2) if fmt.escape else cell
        return fmt.quote + inner.replace(fmt.quote, guard + fmt.quote) + fmt.quote
    if fmt.escapes:
        for char, letter in (("\\", "\\\\"), (fmt.delimiter, "\\" + fmt.delimiter), ("\n", "\\n"), ("\r", "\\r")):
            cell = cell.replace(char, letter)
    elif needs:
        return "x"
    return cell


def _cell(random: Random, column: Any, fmt: Csv, rate: float) -> str:
    roll = random.random()
    if roll < rate:
        return random.choice(EDGES)
    if roll > 0.92:
        return random.choice(fmt.nulls)
    if isinstance(column, str):
        return random.choice(("x", "1", "é"))
    text = _value(random, column.type, column.format or (fmt.date_format if column.type == "DATE" else ""))
    mark = column.decimal or fmt.decimal
    return text.replace(".", mark) if column.type.startswith(("DECIMAL", *FLOATS)) else text


def _value(random: Random, type: str, format: str) -> str:
    if type in OTHERS:
        return {"TIME": "04:05", "BIGINT[]": "[1, 2]", "INTERVAL": "2 days"}.get(
            type, str(random.randint(0, 10**20))
        )
    if type in INTEGERS:
        return str(random.randint(0, random.choice((9, 127))))
    if type.startswith("DECIMAL"):
        scale = int(type.split(",")[1][:-1])
        return f"{random.randint(-9, 9)}" + (f".{random.randint(0, 9)}" if scale and random.random() < 0.7 else "")
    if type in FLOATS:
        bits = struct.unpack("d", random.randbytes(8))[0]
        return random.choice((f"{random.uniform(-1e3, 1e3)}", repr(bits), f"{random.randint(0, 10**17)}"))
    day = f"{random.randint(1899, 2100)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    if type in MOMENTS and format:
        year, month, of_month = day.split("-")
        text = f"{year}{month}{of_month}" if format == "%Y%m%d" else f"{of_month}.{month}.{year}"
        return text + {"%H:%M": " 04:05", "%M:%S": " 04:05:06"}.get(format[-5:], "")
    if type == "DATE":
        return day
    if type in MOMENTS:
        zone = random.choice(("Z", "Z", "+01:00", "-0530", "")) if type != "TIMESTAMP" else ""
        fraction = f":{random.randint(0, 59):02}.{random.randint(0, 999_999)}" if random.random() < 0.5 else ""
        return f"{day}{random.choice('T ')}{random.randint(0, 23):02}:{random.randint(0, 59):02}{fraction}{zone}"
    if type == "BOOLEAN":
        return random.choice(("true", "false", "T", "F", "1", "0"))
    return "".join(random.choice("ab 1,;|\"'\\é#\n\r\ufeff") for _ in range(random.choice((1, 3, 6))))


def _spoiled(random: Random, data: bytes, fmt: Csv | FixedWidth) -> bytes:
    """Return a file with dirt at some places, or without some of its bytes."""
    own = [fmt.delimiter, fmt.quote] if isinstance(fmt, Csv) else ["é", "😀"]
    marks = [*own, "\n", "\r", "\r\n", "\0", "\ufeff", "\n\n", '"', " "]
    dirt = [*(mark.encode(fmt.encoding, "replace") for mark in marks), b"\xff", b"\xc3", b"\xed\xb3\xbf"]
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(data))
        data = data[:at] + random.choice(dirt) + data[at + random.choice((0, 0, 1, 3)) :]
    return data
