"""Delimited text in blocks: what is taken so, what is given back, and how much of it is in memory."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from etl.ledger import Ledger
from etl.project import Project
from etl.sources.formats import Csv
from etl.sources.formats.arrow_values import exact
from etl.stages.lake import in_blocks
from etl.stages.lake.judge import Judge
from tests.support import tiny

pytestmark = pytest.mark.sampled


@pytest.fixture(autouse=True)
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_blocks, "LEAST_BYTES", 0)


def taken(root: Path, text: str | bytes, **options: Any) -> tuple[Project, list[Any]]:
    project = tiny.project(root, raw={"sales/2024-03-01.csv": text})
    return project, tiny.take(project, tiny.sales(**options))


def was_in_blocks(project: Project) -> bool:
    """Return whether Arrow wrote the day."""
    (file,) = project.lake.rglob("*.parquet")
    with duckdb.connect() as con:
        ((writer,),) = con.execute(f"select created_by from parquet_file_metadata('{file}')").fetchall()
    return "parquet-cpp" in writer


def test_a_clean_file_is_taken_in_blocks(tmp_path: Path) -> None:
    project, _ = taken(tmp_path, "id,item,price\n1,pen,1.50\n2,,\n")

    assert was_in_blocks(project)
    assert tiny.rows_of(project, columns="id, item, price::varchar") == [(1, "pen", "1.50"), (2, None, None)]


def test_a_file_with_rejects_is_taken_in_blocks_and_they_keep_their_lines(tmp_path: Path) -> None:
    text = "id,item,price\n1,pen,1.50\nx,ink,1\n2,cap\n3,nib,-1\n4,box,2\n"
    project, _ = taken(tmp_path, text, max_reject_ratio=1)

    assert was_in_blocks(project)
    assert tiny.rows_of(project, columns="id") == [(1,), (4,)]
    assert tiny.rejects_of(project) == [
        (3, "id.dtype", "x,ink,1"),
        (4, "record", "2,cap"),
        (5, "price.ge", "3,nib,-1"),
    ]


@pytest.mark.parametrize(
    ("duplicates", "kept"), [("quarantine", [2, 4]), ("first", [1, 2, 4]), ("last", [2, 4, 1])]
)
def test_keys_that_come_twice_are_taken_in_blocks(tmp_path: Path, duplicates: Any, kept: list[int]) -> None:
    text = "id,item,price\n1,pen,1\n2,ink,1\nx,cap,1\ny,cap,1\n3,nib,-1\n3,nib,-1\n4,a,1\n1,b,1\n"
    project, _ = taken(tmp_path, text, max_reject_ratio=1, duplicates=duplicates)

    assert was_in_blocks(project)
    assert [row[0] for row in tiny.rows_of(project, columns="id")] == kept
    rejects = {line: rule for line, rule, _ in tiny.rejects_of(project)}
    doubled = {"quarantine": [2, 9], "first": [9], "last": [2]}[duplicates]
    others = {4: "id.dtype", 5: "id.dtype", 6: "price.ge", 7: "price.ge"}
    assert rejects == others | dict.fromkeys(doubled, "id.unique")
    messages = [row[0] for row in tiny.rejects_of(project, columns="message")]
    assert sum("more than one record has the same id" in message for message in messages) == len(doubled) + 2


def test_a_key_among_the_rejects_counts_too(tmp_path: Path) -> None:
    project, _ = taken(tmp_path, "id,item,price\n1,pen,1\n1,ink,-1\n2,cap,1\n", max_reject_ratio=1)

    assert tiny.rows_of(project, columns="id") == [(2,)]


def test_a_delimiter_that_arrow_does_not_know_gives_the_file_back(tmp_path: Path) -> None:
    project, _ = taken(tmp_path, "id||item||price\n1||pen||1\n", format=Csv(delimiter="||"))

    assert not was_in_blocks(project)
    assert len(tiny.rows_of(project)) == 1


def test_blank_lines_hide_nothing_from_a_file_that_is_only_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.sources.formats.csv_file.SMALL_BYTES", 0)
    project, _ = taken(tmp_path, "id,item,price\n1,pen,1\n\n2,ink,1\n")

    assert [row[0] for row in tiny.rows_of(project)] == [1, 2]


def test_a_mark_of_the_byte_order_within_a_file_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.sources.formats.csv_file.SMALL_BYTES", 0)
    monkeypatch.setattr("etl.sources.formats.blocks.BLOCK_BYTES", 24)
    monkeypatch.setattr("etl.sources.formats.blocks.COLUMN_BYTES", 0)
    text = "item,id,price\nabcdefghij,1,1\n\ufeffabcdefgh,2,1\n\ufeffabcdefgi,3,1\n"
    project, _ = taken(tmp_path, text.encode())

    assert was_in_blocks(project)
    items = [row[0] for row in tiny.rows_of(project, columns="item")]
    assert items == ["abcdefghij", "\ufeffabcdefgh", "\ufeffabcdefgi"]


@pytest.mark.parametrize("least", [0, 1 << 60])
def test_many_partitions_are_on_the_disk_before_they_are_renamed_and_their_folders_before_the_receipts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(in_blocks, "LEAST_BYTES", least)
    raw = {f"sales/2024-03-{day:02}.csv": f"id,item,price\n{day},pen,1\n" for day in range(1, 21)}
    project = tiny.project(tmp_path, raw=raw)
    done: list[str] = []

    def flushed(paths: Any) -> None:
        assert all(path.exists() for path in paths)
        done.append("folders" if all(path.is_dir() for path in paths) else "files")

    replace, write = os.replace, Ledger.write
    monkeypatch.setattr("etl.stages.lake.extraction.flush_together", flushed)
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("rename"), replace(*paths)))
    monkeypatch.setattr(Ledger, "write", lambda *given: (done.append("receipts"), write(*given)))

    receipts = tiny.take(project, tiny.sales())

    assert len(receipts) == 20
    assert done == ["files", *["rename"] * 20, "folders", "receipts"]


def test_lines_that_no_block_holds_give_the_file_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.sources.formats.blocks.BLOCK_BYTES", 16)
    monkeypatch.setattr("etl.sources.formats.blocks.COLUMN_BYTES", 0)
    monkeypatch.setattr("etl.sources.formats.csv_small.MOST_BYTES", 0)
    project, _ = taken(tmp_path, "id,item,price\n1,a line of more bytes than a block,1\n2,pen,1\n")

    assert not was_in_blocks(project)
    assert [row[0] for row in tiny.rows_of(project)] == [1, 2]
    assert not [path for path in project.scratch.rglob("*") if path.is_file()]


def test_blocks_are_taken_without_pandas(tmp_path: Path) -> None:
    text = "id,item,price\n1,pen,1.50\nx,ink,1\n2,cap,1 \n3,nib,-1\n"
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": text})
    code = (
        "import sys; from pathlib import Path; from etl.project import load_project\n"
        "from tests.support import tiny; from etl.stages.lake import in_blocks; in_blocks.LEAST_BYTES = 0\n"
        "tiny.take(load_project(Path(sys.argv[1])), tiny.sales(max_reject_ratio=1))\n"
        "print('pyarrow' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project.root)], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "False"], done.stderr


def test_texts_that_repeat_are_the_values_that_each_is_alone() -> None:
    texts = pa.array(["1.50", None, "007.5", "-0", "99999999999.99"] * 2000)

    values = exact(texts, "DECIMAL(13,2)")

    assert values is not None
    assert values.slice(9995).to_pylist() == exact(texts.slice(0, 5), "DECIMAL(13,2)").to_pylist()
    assert exact(pa.array(["1.50", "1.505"] * 5000), "DECIMAL(13,2)") is None
    assert exact(pa.array(["1.50", "1e3"] * 5000), "DECIMAL(13,2)") is None
    assert exact(pa.array(["100.00", "1"] * 5000), "DECIMAL(4,2)") is None


@pytest.mark.parametrize(("column_bytes", "blocks"), [(0, 5), (1000, 1)])
def test_the_more_columns_a_file_has_the_more_of_it_is_in_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column_bytes: int, blocks: int
) -> None:
    monkeypatch.setattr("etl.sources.formats.csv_file.SMALL_BYTES", 0)
    monkeypatch.setattr("etl.sources.formats.blocks.BLOCK_BYTES", 40)
    monkeypatch.setattr("etl.sources.formats.blocks.COLUMN_BYTES", column_bytes)
    monkeypatch.setattr("etl.stages.lake.in_blocks.LARGE_BYTES", 0)
    judged, seen = Judge.judged, []
    monkeypatch.setattr(Judge, "judged", lambda *given: (seen.append(1), judged(*given))[1])
    rows = "".join(f"{number},a pencil,1\n" for number in range(10, 20))
    project, _ = taken(tmp_path, f"id,item,price\n{rows}")

    assert was_in_blocks(project)
    assert len(seen) == blocks
