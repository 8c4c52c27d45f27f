"""Any bytes in any dialect: never a crash, never a hang, and rows and rejects are what a plain reader says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.sources.formats import Csv
from etl.sources.formats.kinds import binary_kind
from tests.support import fuzzing, tiny
from tests.support.fuzzing import BOM, Harness

NUMBERS = st.lists(st.integers(0, 30), min_size=9, max_size=9)
DIRT = st.lists(st.integers(0, 200), max_size=30)
#: Encodings with all that makes one hard: two bytes, marks, states, bytes that mean nothing.
ENCODINGS = ("cp1252", "latin-1", "utf-16", "utf-16-be", "shift_jis", "gb18030", "utf-8-sig", "ascii", "cp500")


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    return Harness(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    base = tmp_path_factory.mktemp("lake")
    return (base / str(number) for number in range(1_000_000))


@given(NUMBERS, DIRT)
@settings(max_examples=150)
def test_what_is_found_is_what_a_plain_reader_finds(harness: Harness, numbers: list[int], dirt: list[int]) -> None:
    fmt, _ = fuzzing.dialect(iter(numbers))
    known = fuzzing.tokens(fmt)
    harness.check(fmt, fuzzing.content(fmt, b"".join(known[number % len(known)] for number in dirt)))


@given(NUMBERS, st.binary(max_size=60))
@settings(max_examples=50)
def test_bytes_without_any_sense_are_kept_too(harness: Harness, numbers: list[int], dirt: bytes) -> None:
    fmt, _ = fuzzing.dialect(iter(numbers))
    harness.check(fmt, fuzzing.content(fmt, dirt))


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ({"names": ["a"]}, b"a\nx\r"),
        ({"names": ["a"]}, b"a\rx\n"),
        ({"names": ["a"]}, b"a\r\nx\r"),
        ({"names": ["a"]}, b"a\r\nx\n"),
        ({"names": ["a"]}, b"a\nx\r\n"),
        ({"names": ["a"], "header": False}, BOM + BOM + b"x\n"),
        ({"names": ["a"]}, b"a\n" + BOM + b"x\n\n" + BOM + b"y\n"),
        (
            {"names": ["a", "b"], "header": False, "delimiter": "||", "trailing_delimiter": True},
            b"x||y||\nx||y|||\n",
        ),
        ({"names": ["a"], "header": False, "trailing_delimiter": True, "comment": "#"}, b"#,\nx,\n#,\nx,y\n"),
        ({"names": ["a"], "header": False, "trailing_delimiter": True}, b'x,\n"y,",\n"z,"\n'),
    ],
)
def test_known_traps(harness: Harness, options: dict, content: bytes) -> None:
    harness.check(Csv(**options), content)


@given(st.sampled_from(ENCODINGS), st.binary(max_size=60), st.booleans())
@example("utf-16", "a,é\r\nb".encode("utf-16") + b"\xd8", False)
@settings(max_examples=60)
def test_in_any_encoding_every_byte_is_in_some_record(
    tmp_path_factory: pytest.TempPathFactory, encoding: str, dirt: bytes, is_text: bool
) -> None:
    content = dirt.decode("cp437").encode(encoding, "ignore") if is_text else dirt
    # such a file is refused as a whole
    assume(not binary_kind(content))
    folder = tmp_path_factory.getbasetemp()
    (folder / "encoded.csv").write_bytes(content)
    opened = Csv(names=["a", "b"], header=False, quote="", encoding=encoding).open(
        folder / "encoded.csv", ["a", "b"], folder / "scratch"
    )
    try:
        opened.verify()
        records = list(opened.everything())
        assert len(records) == opened.sound + opened.broken
        position = 0
        for record in records:
            text = record.place.raw or record.place.text.encode(_exact(content, encoding))
            position = content.index(text, position) + len(text)
    finally:
        opened.close()


def _exact(content: bytes, encoding: str) -> str:
    """Return the encoding of a part of a file, which has no mark of its own."""
    order = "be" if content.startswith(b"\xfe\xff") else "le"
    return {"utf-16": f"utf-16-{order}", "utf-8-sig": "utf-8"}.get(encoding, encoding)


@given(NUMBERS, DIRT)
@settings(max_examples=25)
def test_lake_and_quarantine_hold_every_record(
    folders: Iterator[Path], numbers: list[int], dirt: list[int]
) -> None:
    fmt, width = fuzzing.dialect(iter(numbers))
    known = fuzzing.tokens(fmt)
    content = fuzzing.content(fmt, b"".join(known[number % len(known)] for number in dirt))
    project = tiny.project(next(folders), raw={"sales/2024-03-01.csv": content})
    contract = Contract("Any", tuple(Column(f"c{n}", "VARCHAR", True) for n in range(width)))
    options = {"contract": contract, "format": fmt, "max_reject_ratio": 1.0, "empty": "partition"}

    (receipt,) = tiny.take(project, tiny.sales(**options))

    rows = tiny.rows_of(project, columns=", ".join(f"c{n}" for n in range(width)))
    rejected = receipt.details["rejected"]
    rejects = tiny.rejects_of(project, columns="line, coalesce(raw, encode(text))") if rejected else []
    fuzzing.compare(fmt, content, rows, rejects, receipt.details["rows"])
    assert receipt.details["records"] == len(rows) + len(rejects)
