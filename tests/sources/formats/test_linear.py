"""Four times as much of anything takes about four times the work, in every format: nothing is searched twice."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from etl.errors import UnreadableError
from tests.sources.formats.makers import MAKERS, Maker

pytestmark = pytest.mark.sampled

#: Linear work is 4 times as much, quadratic 16 times; what is small may be anything.
MOST_TIMES, SMALL_SECONDS = 9, 0.1
#: Linear work passes the first time, or on a busy machine the second; quadratic work never does.
MOST_TRIES = 10


def rows(maker: Maker, number: int) -> tuple[list[str], bytes]:
    columns = ["id", "item", "price"]
    return columns, maker.write(columns, [[n, "book", 1] for n in range(number * 10)])


def broken(maker: Maker, number: int) -> tuple[list[str], bytes]:
    columns, content = rows(maker, number)
    return columns, content.replace(b"book", b'"<{[')


def columns(maker: Maker, number: int) -> tuple[list[str], bytes]:
    names = [f"c{n}" for n in range(number)]
    return names, maker.write(names, [list(range(number))] * 2)


def blanks(maker: Maker, number: int) -> tuple[list[str], bytes]:
    names, content = rows(maker, 1)
    return names, content + b" \n\t" * number * 8


def one_cell(maker: Maker, number: int) -> tuple[list[str], bytes]:
    names = ["id", "item", "price"]
    return names, maker.write(names, [[1, "<x a=\"'[{,;" * number, 1]])


@pytest.mark.parametrize("make", [rows, broken, columns, blanks, one_cell])
@pytest.mark.parametrize("name", MAKERS)
def test_work_grows_no_faster_than_the_file(
    tmp_path: Path, name: str, make: Callable[[Maker, int], tuple[list[str], bytes]]
) -> None:
    maker = MAKERS[name]
    # a cell of fixed width has its most, and so has a cell of Excel, whose files are slow to write
    number = {"FixedWidth": 1 if make is one_cell else 500, "Excel": 100}.get(name, 500)
    files = [make(maker, times * number) for times in (1, 4)]
    # the least of all times is that of the work: on a busy machine some are more
    small = large = float("inf")
    for _ in range(MOST_TRIES):
        small, large = (
            min(least, _seconds(tmp_path, maker, *file)) for least, file in zip((small, large), files, strict=True)
        )
        if large < MOST_TIMES * small + SMALL_SECONDS:
            return
    pytest.fail(f"{small:.3f} s, and {large:.3f} s of four times as much")


def _seconds(folder: Path, maker: Maker, columns: list[str], content: bytes) -> float:
    """Return the CPU that a file takes to be taken apart."""
    (folder / "raw.dat").write_bytes(content)
    begun = time.process_time()
    with suppress(UnreadableError):
        opened = maker.fmt(columns).open(folder / "raw.dat", columns, folder / "scratch")
        sum(1 for _ in opened.everything())
        opened.close()
    return time.process_time() - begun
