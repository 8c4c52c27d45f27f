"""What a file is refused for names the file as it was delivered, whatever its format, and ends like a sentence."""

import gzip
import re
from pathlib import Path

import pytest

from etl.errors import DeliveryError
from tests.sources.formats.makers import MAKERS
from tests.support import tiny

#: What is of no format, nor an archive as its name says.
DAMAGED = b"PK\x05\x06"
COLUMNS = [column.name for column in tiny.CONTRACT.columns]


@pytest.mark.parametrize("name", MAKERS)
def test_a_file_of_no_format_is_named_as_it_was_delivered(tmp_path: Path, name: str) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.gz": DAMAGED})
    source = tiny.sales(format=MAKERS[name].fmt(COLUMNS), files="sales/{date}.gz")

    with pytest.raises(DeliveryError, match=r"sales/2024-03-01\.gz is refused: ") as refused:
        tiny.take(project, source)

    said = str(refused.value)
    assert str(tmp_path) not in said and ".." not in said, said


def test_of_several_files_the_one_is_named(tmp_path: Path) -> None:
    raw = {"sales/2024-03-01/a.csv.gz": gzip.compress(tiny.HEADER.encode()), "sales/2024-03-01/b.csv.gz": DAMAGED}
    project = tiny.project(tmp_path, raw=raw)

    with pytest.raises(DeliveryError, match=re.escape("is refused: sales/2024-03-01/b.csv.gz is not a sound gz")):
        tiny.take(project, tiny.sales(files="sales/{date}/*.csv.gz"))
