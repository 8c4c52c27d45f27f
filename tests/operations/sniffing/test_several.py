"""A proposal for a folder of files: the union of what they have, with what differs by date."""

from pathlib import Path

import pytest

from etl.errors import ConfigError
from etl.operations.sniffing import propose
from etl.sources.catalog import load_catalog
from tests.support import tiny


def proposed(root: Path, files: dict[str, str], asked: str = "") -> str:
    """Write files below data/raw; return the proposal for their folder, or for what is asked there."""
    for name, text in files.items():
        path = root / "data" / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return propose(root / "data" / "raw" / (asked or next(iter(files)).split("/")[0]))


def loaded(root: Path, text: str) -> dict[str, tuple[int, int]]:
    """Return rows and rejects of each date, extracted as a night does."""
    project = tiny.project(root, contracts=text, sql={}, raw={})
    (source,) = load_catalog(project.contracts).sources.values()
    receipts = tiny.take(project, source)
    return {
        receipt.key.partition[-5:]: (receipt.details["rows"], receipt.details["rejected"]) for receipt in receipts
    }


def test_columns_that_come_and_types_that_change_are_of_all_files(tmp_path: Path) -> None:
    text = proposed(
        tmp_path,
        {
            "sales/2024-03-01.csv": "id,n\n1,5\n2,6\n",
            "sales/2024-03-02.csv": "id,n,note\n3,7.5,x\n4,,y\n",
        },
    )
    assert 'files="sales/{date}.csv"' in text
    assert "note: str | None" in text
    assert "n: float = pa.Field(nullable=True)" in text
    assert "'note' is in 1 of 2 files: first in 2024-03-02, last in 2024-03-02." in text
    assert "Tried on it: 4 rows, 0 rejected" in text
    assert loaded(tmp_path, text) == {"03-01": (2, 0), "03-02": (2, 0)}


def test_a_dialect_that_changes_is_declared_by_date(tmp_path: Path) -> None:
    text = proposed(
        tmp_path,
        {"sales/2024-03-01.csv": "id,v\n1,a\n2,b\n", "sales/2024-03-02.csv": "id;v\n3;c\n4;d\n"},
    )
    assert 'format={None: Csv(), "2024-03-02": Csv(delimiter=";")}' in text
    assert loaded(tmp_path, text) == {"03-01": (2, 0), "03-02": (2, 0)}


def test_several_files_of_a_date_are_one_partition(tmp_path: Path) -> None:
    files = {f"sales/shop{n}_20240301.csv": f"id,v\n{n},a\n{n + 10},b\n" for n in (1, 2, 3)}
    text = proposed(tmp_path, files, "sales/*.csv")
    assert 'files="sales/shop*_{date:%Y%m%d}.csv"' in text
    assert loaded(tmp_path, text) == {"03-01": (6, 0)}


def test_files_of_another_kind_are_left_out_by_name(tmp_path: Path) -> None:
    files = {f"sales/2024-03-0{n}.csv": "id,v\n1,a\n" for n in (1, 2)} | {"sales/README.md": "hello"}
    assert "1 file of other names are left out: README.md" in proposed(tmp_path, files)


def test_files_at_different_depths_are_asked_for(tmp_path: Path) -> None:
    files = {"sales/2024-03-01.csv": "id,v\n1,a\n", "sales/old/2024-03-02.csv": "id,v\n1,a\n"}
    with pytest.raises(ConfigError, match="lie at different depths"):
        proposed(tmp_path, files)
