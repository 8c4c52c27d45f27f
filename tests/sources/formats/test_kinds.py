"""A file that is something else than its name says is refused by what it is."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from etl.errors import UnreadableError
from etl.sources.formats import Csv, Excel, FixedWidth, Format, Json, JsonLines, Xml
from etl.sources.formats.kinds import binary_kind, kind

TEXTS = [Csv(), FixedWidth(columns={"id": (1, 4)}), Json(), JsonLines(), Xml(record="a/b")]


def tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("sales.csv")
        member.size = 8
        archive.addfile(member, io.BytesIO(b"id\n1\n2\n3"))
    return packed.getvalue()


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sales.csv", "id\n1\n")
    return packed.getvalue()


def refusal(folder: Path, fmt: Format, content: bytes, name: str = "a.dat") -> str:
    (folder / name).write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        fmt.open(folder / name, ["id"], folder / "scratch")
    return str(caught.value)


@pytest.mark.parametrize("fmt", TEXTS, ids=lambda fmt: type(fmt).__name__)
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (tar(), "a tar archive"),
        (zipped(), "a zip archive"),
        (gzip.compress(b"id\n1\n"), "a gz archive"),
        (b"%PDF-1.7\n1 0 obj", "a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an .xls workbook"),
    ],
    ids=["tar", "zip", "gz", "pdf", "xls"],
)
def test_what_is_not_text_is_refused_by_what_it_is(
    tmp_path: Path, fmt: Format, content: bytes, found: str
) -> None:
    assert f"a.dat is {found}" in refusal(tmp_path, fmt, content)


def test_a_tar_within_an_archive_is_not_read_as_text(tmp_path: Path) -> None:
    assert "a.csv.gz is a tar archive, not text" in refusal(tmp_path, Csv(), gzip.compress(tar()), "a.csv.gz")
    assert not list(tmp_path.glob("scratch*.text"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<html><body><table><tr><td>1</td></tr></table>", "is HTML, whatever its name says"),
        (b"\xef\xbb\xbf\r\n<!-- x -->\n<!DOCTYPE HTML PUBLIC>", "is HTML, whatever its name says"),
        (b'<?xml version="1.0"?><Workbook/>', "is XML, whatever its name says"),
        ("id\tname\n1\té\n".encode(), "is text, whatever its name says"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "is an .xls workbook, or an encrypted one. Ask for an .xlsx"),
        (zipped(), "is a zip archive, but not a workbook"),
        (b"\x01\x02\0", "is not a sound workbook"),
    ],
)
def test_what_is_called_a_workbook_is_refused_by_what_it_is(tmp_path: Path, content: bytes, found: str) -> None:
    assert found in refusal(tmp_path, Excel(), content, "a.xls")


@pytest.mark.parametrize(
    "head", [b"", b"id,item\n", b"BZh,item\n", b"PK,item\n", b"a" * 257 + b"ustar\n", b"<a>,b\n"]
)
def test_text_is_never_taken_for_something_else(head: bytes) -> None:
    assert binary_kind(head) == ""
    assert kind(head) in ("", "text", "XML")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"data": {"items": null}}', "data.items is null, not an array of records"),
        ('{"data": null}', "data is null, not an object"),
        ('{"data": {"items": {}}}', "data.items is an object, not an array of records"),
        ('{"data": {"items": 12}}', "data.items is a number, not an array of records"),
        ('{"data": ["items"]}', "data is an array, not an object"),
        ('{"data": {"item": []}}', "holds no array at data.items; the keys found are: data, item"),
    ],
)
def test_what_stands_where_the_records_of_json_belong_is_said(tmp_path: Path, document: str, said: str) -> None:
    assert said in refusal(tmp_path, Json(records="data.items"), document.encode())
