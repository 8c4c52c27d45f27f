"""Text files of any encoding, in any archive, as plain UTF-8."""

import bz2
import gzip
import lzma
import zipfile

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats.kinds import binary_kind
from etl.sources.formats.plain import TextFile, exact_encoding, original, plain, shown

PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read(path, encoding="utf-8", compression=""):
    scratch = path.parent / "scratch"
    return plain(path, encoding, compression, scratch).read_bytes()


def test_a_plain_file_is_read_where_it_lies(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfid\n1\n")
    assert plain(path, "UTF8", "", tmp_path / "scratch") == path
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("kind", PACK)
def test_an_archive_is_told_by_its_suffix_or_by_its_option(tmp_path, kind):
    named, other = tmp_path / f"a.csv.{kind}", tmp_path / "a.dat"
    for path in (named, other):
        path.write_bytes(PACK[kind](b"id\n1\n"))
    assert read(named) == b"id\n1\n"
    assert read(other, compression=kind) == b"id\n1\n"
    with pytest.raises(UnreadableError, match="archive, not text"):
        read(named, compression="none")
    named.write_bytes(b"id\n1\n")
    assert read(named, compression="none") == b"id\n1\n"


@pytest.mark.parametrize("kind", PACK)
def test_archives_written_one_after_another_are_one_file(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(PACK[kind](b"id\n") + PACK[kind](b"1\n"))
    assert read(path) == b"id\n1\n"


@pytest.mark.parametrize("kind", [*PACK, "zip"])
@pytest.mark.parametrize("damage", [lambda c: c[:-7], lambda c: c + b"garbage", lambda c: c[:9], lambda c: b""])
def test_a_damaged_archive_is_refused_whole(tmp_path, kind, damage):
    path = tmp_path / f"a.{kind}"
    content = bytes(range(256)) * 9
    packed = PACK[kind](content) if kind in PACK else zipped(path, a=content).read_bytes()
    path.write_bytes(damage(packed))
    if kind == "zip" and path.read_bytes().endswith(b"garbage"):
        return  # a zip may be followed by a comment
    with pytest.raises(UnreadableError, match="not a sound"):
        read(path)


def test_a_zip_holds_one_file_whose_name_is_never_a_path(tmp_path):
    assert read(zipped(tmp_path / "a.zip", **{"../../evil": "id\n"})) == b"id\n"
    with pytest.raises(UnreadableError, match=r"2 files, not one: 'a.csv', 'b.csv'"):
        read(zipped(tmp_path / "b.zip", **{"a.csv": "", "b.csv": ""}))
    with pytest.raises(UnreadableError, match="0 files"):
        read(zipped(tmp_path / "c.zip"))


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("etl.sources.formats.limits.ALWAYS_BYTES", 3_000_000)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(PACK[kind](bytes(20_000_000)))
    with pytest.raises(UnreadableError, match="zip bomb"):
        read(path)
    assert (tmp_path / "scratch").stat().st_size <= 4_000_000


def test_text_of_other_encodings_becomes_utf8_without_its_mark(tmp_path):
    path = tmp_path / "a.txt"
    for encoding in ("utf-16-le", "utf-16-be", "gb18030"):
        path.write_bytes("\ufeffä\u2028\x85\r\nb".encode(encoding))
        assert read(path, encoding) == "ä\u2028\x85\r\nb".encode()
    path.write_bytes(b"na\xefve")
    assert read(path, "cp1252") == "naïve".encode()


def test_undecodable_bytes_are_invalid_in_the_copy_too_and_come_back(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\nb\x81d\n")
    good, bad, _ = read(path, "cp1252").split(b"\n")
    assert good == b"fine"
    with pytest.raises(UnicodeDecodeError):
        bad.decode()
    assert original(bad, "cp1252") == b"b\x81d"
    assert shown(b"b\x81d", "cp1252") == (r"b\x81d", b"b\x81d")
    assert shown(rb"b\x81d", "cp1252") == (r"b\x81d", None)


def test_the_byte_order_is_told_by_the_mark(tmp_path):
    path = tmp_path / "a.txt.gz"
    for exact in ("utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"):
        path.write_bytes(gzip.compress("\ufeffa".encode(exact)))
        assert exact_encoding(path, exact[:6], "") == exact
        assert read(path, exact[:6]) == b"a"
    assert exact_encoding(path, "latin-1", "") == "latin-1"


ENCODINGS = ["utf-8", "ascii", "cp1252", "utf-16", "utf-16-be", "utf-32", "cp932", "gbk", "big5", "euc-kr"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(ENCODINGS))
def test_no_byte_is_lost_in_any_encoding(tmp_path_factory, content, encoding):
    assume(not binary_kind(content))
    path = tmp_path_factory.mktemp("plain") / "a.txt"
    path.write_bytes(content)
    copy = read(path, encoding)
    exact = exact_encoding(path, encoding, "")
    back = original(copy, exact)
    if back != content:
        # without the mark; and where an encoding has two spellings of a character, in the other one
        assert back.decode(exact, "replace") == content.decode(exact, "replace").removeprefix("\ufeff")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([*PACK, "zip"]))
def test_any_bytes_are_a_file_or_unreadable(tmp_path_factory, content, kind):
    path = tmp_path_factory.mktemp("plain") / f"a.{kind}"
    path.write_bytes(content)
    with pytest.raises(UnreadableError):
        read(path)


def test_wrong_options_are_told_at_once():
    for encoding in ("klingon", "rot13", "base64", "idna", "unicode_escape", "", "undefined"):
        with pytest.raises(ContractError, match="encoding"):
            TextFile(encoding=encoding)
    with pytest.raises(ContractError, match=r"compression='rar' is not supported. Use one of none, gz"):
        TextFile(compression="rar")
    with pytest.raises(ContractError, match="decimal"):
        TextFile(decimal="x")
