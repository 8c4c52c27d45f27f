"""Archives of several files, names of months and weeks, and files that were put one behind another."""

import io
import tarfile
import zipfile

import pytest

from etl.errors import ConfigError
from etl.operations.sniffing import propose
from etl.sources.sniff.names import date_in, dated

SALES = "id,item\n1,book\n2,pen\n3,ink\n"


def zipped(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_of_an_archive_the_largest_file_is_proposed_and_the_others_are_named(tmp_path):
    files = {"sales_2024-03-31.csv": SALES, "shops.csv": "id\n1\n", "__MACOSX/._sales.csv": "x" * 999}
    text = propose(zipped(tmp_path / "shop.zip", **files))

    assert 'Csv(member="sales_*.csv")' in text
    assert "# Tried on it: 3 rows, 0 rejected" in text
    assert "The archive has other files: 'shops.csv'." in text


def test_what_names_two_files_is_not_proposed(tmp_path):
    files = {"sales_2024-03-30.csv": SALES, "sales_2024-03-31.csv": SALES + "4,cap\n"}
    assert 'member="sales_2024-03-31.csv"' in propose(zipped(tmp_path / "shop.zip", **files))


def test_rubbish_beside_the_only_file_needs_no_word(tmp_path):
    text = propose(zipped(tmp_path / "shop.zip", **{"a.json": '[{"id": 1}, {"id": 2}]', ".DS_Store": "x"}))
    assert "Json()" in text


def test_a_tar_is_an_archive_too(tmp_path):
    with tarfile.open(tmp_path / "shop.tar.gz", "w:gz") as archive:
        for name, text in (("sales.csv", SALES), ("shops.csv", "id\n1\n")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    assert 'Csv(member="sales.csv")' in propose(tmp_path / "shop.tar.gz")


def test_of_an_archive_without_a_file_nothing_is_proposed(tmp_path):
    with pytest.raises(ConfigError, match="is an archive without a file"):
        propose(zipped(tmp_path / "shop.zip", **{"__MACOSX/._a.csv": "x"}))


@pytest.mark.parametrize(
    ("name", "files", "day"),
    [
        ("sales_2024-03.csv", "sales_{date:%Y-%m}.csv", "2024-03-01"),
        ("sales_2024_03.csv", "sales_{date:%Y_%m}.csv", "2024-03-01"),
        ("sales202403.csv", "sales{date:%Y%m}.csv", "2024-03-01"),
        ("sales-2024-W13.csv", "sales-{date:%G-W%V}.csv", "2024-03-25"),
        ("2024Q2.csv", "{date:%YQ%q}.csv", "2024-04-01"),
        ("2024-Q4.csv", "{date:%Y-Q%q}.csv", "2024-10-01"),
        ("sales_2024-03-31.csv", "sales_{date}.csv", "2024-03-31"),
        ("sales_20240331.csv", "sales_{date:%Y%m%d}.csv", "2024-03-31"),
        ("order_123456.csv", "order_123456.csv", "None"),
        ("sales_2024-13.csv", "sales_2024-13.csv", "None"),
        ("sales_2024-02-30.csv", "sales_2024-02-30.csv", "None"),
    ],
)
def test_a_name_of_a_time_has_its_first_day(tmp_path, name, files, day):
    assert (dated(name), str(date_in(tmp_path / name))) == (files, day)


@pytest.mark.parametrize("header", ["id,item", '"id","item"', "id,"])
def test_headers_that_come_again_are_left_out(tmp_path, header):
    (tmp_path / "sales.csv").write_text(f"{header}\n1,book\n2,pen\n{header}\n3,ink\n4,cap\n")
    text = propose(tmp_path / "sales.csv")

    assert "repeated_headers=True" in text
    assert "# Tried on it: 4 rows, 0 rejected; 2 lines skipped, such as a header." in text
