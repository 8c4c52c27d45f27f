"""Delimited files of any dialect: what their columns and records are, and what is said of broken ones."""

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pytest

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Csv, format_from, format_to

BOM = b"\xef\xbb\xbf"
STRAY = "a quote is stray or not closed"
ITEMS = ["id", "item"]


def opened(folder, fmt, content):
    (folder / "raw.csv").write_bytes(content)
    return fmt.open(folder / "raw.csv", ITEMS, folder / "scratch")


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ""},
        {"delimiter": "\n"},
        {"delimiter": "12345"},
        {"delimiter": '"'},
        {"delimiter": "éé€"},
        {"quote": "''"},
        {"quote": "\n"},
        {"quote": "«"},
        {"escape": "é"},
        {"escape": ","},
        {"escape": "\\", "quote": ""},
        {"escapes": "copy"},
        {"escapes": "csv", "quote": ""},
        {"escapes": "copy", "quote": "", "delimiter": "x"},
        {"escapes": "copy", "quote": "", "delimiter": "||"},
        {"escapes": "copy", "quote": "", "trailing_delimiter": True},
        {"escapes": "copy", "quote": "", "null": 'a"'},
        {"null": ("NA", "a,b")},
        {"null": ()},
        {"null": 'a"'},
        {"comment": '"'},
        {"comment": ","},
        {"comment": "#\n"},
        {"header": -1},
        {"header": "1"},
        {"preamble": 1001},
        {"preamble": "2"},
        {"footer": -1},
        {"footer": "("},
        {"names": ["a", "a"]},
        {"encoding": "rot13"},
        {"encoding": "klingon"},
        {"compression": "rar"},
        {"decimal": ""},
        {"thousands": "12"},
        {"date_format": "dd.mm.yyyy"},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_by_name(options):
    with pytest.raises(ContractError, match=f"{next(iter(options))}="):
        Csv(**options)


def test_marks_of_numbers_must_differ():
    with pytest.raises(ContractError, match="decimal= and thousands= are both ','"):
        Csv(decimal=",", thousands=",")


def test_a_dialect_survives_json():
    fmt = Csv(delimiter="|", quote="", header=2, null=["NA", "-"], names=["a", "b"], footer="^Total", preamble=3)

    assert format_from({**format_to(fmt), "null": ["NA", "-"], "names": ["a", "b"]}) == fmt


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"id,item\n1,a\n", ("id", "item")),
        (b"id,item\r\n1,a\r\n", ("id", "item")),
        (b"id,item\r1,a\r", ("id", "item")),
        (b"id,item", ("id", "item")),
        (b"\n\r\nid,item\n", ("id", "item")),
        (BOM + b'"id","it""em"\n', ("id", 'it"em')),
        (b"", ()),
        (b"\n\n", ()),
        (b'id,"item\n1,a\n', ("id", '"item')),
        (b'"i\nd",item\n1,a\n', ("i\nd", "item")),
    ],
)
def test_the_columns_are_those_of_the_header(tmp_path, content, columns):
    assert opened(tmp_path, Csv(), content).columns == columns


def test_without_a_header_the_columns_are_those_of_the_contract(table):
    found = table(Csv(header=False), b"1,a\n", ITEMS)

    assert (found.columns, found.rows) == (("id", "item"), [("1", "a")])


def test_names_in_the_source_stand_for_those_of_the_header_which_is_not_read(table):
    found = table(Csv(names=["item", "id"]), b'Nr","Name\na,1\n', ITEMS)

    assert (found.columns, found.rows) == (("item", "id"), [("a", "1")])


def test_a_header_swallows_no_record_for_a_quote_too_many(table):
    found = table(Csv(names=ITEMS), b'Nr,"Name\n1,a\n2,"\nb"\n', ITEMS)

    assert found.rows == [("1", "a"), ("2", "\nb")]


@pytest.mark.parametrize(
    ("header", "content", "columns"),
    [
        (2, b"Sales,Sales,\nid,item,price\n1,a,5\n", ("Sales id", "Sales item", "price")),
        (3, b"a,b\n\nc,d\ne\n1,2\n", ("a c e", "b d")),
        (2, b"a,b\n", ("a", "b")),
    ],
)
def test_header_lines_are_joined(table, header, content, columns):
    assert table(Csv(header=header), content, []).columns == columns


@pytest.mark.parametrize(
    ("options", "content", "line"),
    [
        ({"preamble": 2}, b'made by "x\n\nid,item\n1,a\n', 4),
        ({"preamble": 1}, BOM + b"made by x\r\nid,item\r\n1,a\r\n", 3),
        ({"preamble": 1}, b"made by x\rid,item\r1,a\r", 3),
        ({"footer": 1}, b"id,item\n1,a\nTotal: 1\n", 2),
        ({"footer": 2}, b"id,item\n1,a\nTotal: 1\n\nend", 2),
        ({"footer": "^(Total|--)"}, b"id,item\n1,a\n--\nTotal,1\n\n", 2),
        ({"footer": "summe é"}, "id,item\n1,a\nsumme é\n".encode(), 2),
        ({"comment": "#"}, b'#made, "by" x\nid,item\n#"\n1,a\n#2,b\n', 4),
        ({"comment": "--"}, b"id,item\n-- x\n1,a\n", 3),
    ],
)
def test_what_is_around_the_records_is_none(table, options, content, line):
    found = table(Csv(**options), content, ITEMS)

    assert (found.columns, found.rows, found.broken) == (("id", "item"), [("1", "a")], [])
    assert [place.line for place in found.places] == [line]


def test_the_end_marker_of_copy_ends_the_file_and_what_is_no_text_is_broken(table):
    fmt = Csv(delimiter="\t", quote="", escapes="copy", header=False)
    found = table(fmt, b"1\ta\n2\t\\000\n3\t\\xff\n4\tb\\\n5\n\\.\n\n", ITEMS)
    assert found.rows == [("1", "a"), ("4", "b\n5")]
    assert found.broken == [
        (2, "2\t\\000", "a cell holds a NUL character"),
        (3, "3\t\\xff", "the text is not UTF-8"),
    ]
    one = Csv(delimiter="\t", quote="", escapes="copy", header=False)
    assert table(one, b"a\n\\.\nb\n\\.\n", ["item"]).broken == [
        (2, "\\.", "the end marker \\. stands within the file")
    ]


@pytest.mark.parametrize("text", [r"1,a\tb", r"1,\N", r"1,\\N", "1,a\\\nb", r"1,\,", '1,"'])
def test_a_record_with_escapes_is_read_again_from_its_text(table, text):
    fmt = Csv(quote="", escapes="copy", header=False, footer="^x", preamble="^y")
    found = table(fmt, f"{text}\n2,z\n", ITEMS)

    again = table(fmt.record_format(ITEMS), f"{found.places[0].text}\n", ITEMS)

    assert found.rows[1:] == [("2", "z")]
    assert again.rows == found.rows[:1]


@pytest.mark.parametrize("below", [b"", b"\n", b"\n\n \n", b",\n", b" , \n,\n\n"])
def test_lines_of_nothing_but_delimiters_do_not_count_as_a_footer(table, below):
    assert table(Csv(footer=1), b"id,item\n1,a\nTotal,1\n" + below, ITEMS).rows == [("1", "a")]
    assert table(Csv(footer=1), b"id,item\n1,a\n,\nTotal,1\n", ITEMS).rows == [("1", "a"), (None, None)]


def test_a_preamble_may_be_told_by_its_text(table):
    fmt = Csv(preamble="^(Report|Page)")
    assert table(fmt, b"Report\n\nPage 1\nid,item\n1,a\n", ITEMS).rows == [("1", "a")]
    assert table(fmt, b"id,item\nReport,a\n", ITEMS).rows == [("Report", "a")]


def test_what_is_skipped_by_its_number_can_be_looked_at(tmp_path):
    content = BOM + b'made on\n\nid,item\n1,a\n2,"b\n"\n3,c\n\n,\n'
    (tmp_path / "a.csv").write_bytes(content)

    opened = Csv(preamble=2, footer=1, names=ITEMS).open(tmp_path / "a.csv", ITEMS, tmp_path / "scratch")

    skips = [(skip.place.line, skip.place.text, skip.option, skip.role) for skip in opened.skips()]
    assert skips == [
        (1, "made on", "preamble=2", "above"),
        (3, "id,item", "header=True", "header"),
        (7, "3,c", "footer=1", "below"),
        (9, ",", "footer=1", "below"),
    ]
    assert (opened.lines, opened.skipped) == (8, 6)


def test_a_footer_that_is_none_is_a_record(table):
    assert table(Csv(footer="^Total"), b"id,item\nTotal,1\n2,b\n", ITEMS).rows == [("Total", "1"), ("2", "b")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"1,a,", "3 cells where the contract has 2"),
        (b"1", "1 cells where the contract has 2"),
        (b'1,a"', STRAY),
        (b'1,"a', STRAY),
        (b'1,"a"b', STRAY),
        (b"1,\0", "a cell holds a NUL character"),
        (b"1,\xff", "the text is not UTF-8"),
        (b"item,id,x", "a second table begins on line 3"),
    ],
)
def test_a_broken_record_has_its_line_text_and_problem(table, line, problem):
    found = table(Csv(), b"id,item\r\n0,z\r\n" + line + b"\r\n", ITEMS)

    text = line.decode("utf-8", "backslashreplace")
    assert (found.rows, found.broken) == ([("0", "z")], [(3, text, problem)])


def test_bytes_that_are_no_text_are_kept_beside_it(table):
    found = table(Csv(), b"id,item\n1,\xff\n2,\\xff\n", ITEMS)

    assert [(place.text, place.raw) for place in found.places] == [("1,\\xff", b"1,\xff"), ("2,\\xff", None)]


@pytest.mark.parametrize(
    "header", [b"id,item", b'"id","item"', b"id,item,more", b"item,id", b'item , "id,item'], ids=repr
)
def test_a_second_table_is_broken_from_its_header_on(table, header):
    content = b"id,item\n1,a\n\n" + header + b"\n2,b\n"
    found = table(Csv(), content, ITEMS)

    if header.startswith(b"item ,"):
        assert found.rows == [("1", "a"), ("2", "b")]
    else:
        assert found.rows == [("1", "a")]
        assert [problem for *_, problem in found.broken] == ["a second table begins on line 4"] * 2


def test_a_cell_that_is_a_columns_name_begins_no_table(table):
    assert table(Csv(), b"id,item\nid,a\nx,item\n", ITEMS).rows == [("id", "a"), ("x", "item")]


@pytest.mark.parametrize("delimiter", ["|", "||"])
def test_every_line_ends_in_a_delimiter_if_that_is_declared(table, delimiter):
    lines = "id|item|\n1|a|\n2|b\n3|c|d\n4|d|\n5|e|f|\n6||\n"
    fmt = Csv(delimiter=delimiter, trailing_delimiter=True)

    found = table(fmt, lines.replace("|", delimiter), ITEMS)

    assert found.columns == ("id", "item")
    assert found.rows == [("1", "a"), ("4", "d"), ("6", None)]
    assert [line for line, *_ in found.broken] == [3, 4, 6]


def test_a_cell_that_ends_like_a_delimiter_is_no_trailing_one(table):
    fmt = Csv(delimiter="||", trailing_delimiter=True, header=False)

    assert table(fmt, b"1||a||\n2||b|||\n", ITEMS).rows == [("1", "a")]


def test_what_means_null_is_null_unless_it_is_quoted(table):
    found = table(Csv(null=("NA", "-")), b'id,item\nNA,-\n"NA",""\n,x\n', ITEMS)

    assert found.rows == [(None, None), ("NA", ""), ("", "x")]


@pytest.mark.parametrize(
    ("options", "line", "cells"),
    [
        ({"quote": "'"}, b"'a,''b''',\"", ("a,'b'", '"')),
        ({"escape": "\\"}, rb'"a,\"b\\",c\d', ('a,"b\\', "c\\d")),
        ({"escape": "\\"}, rb'"C:\new\,d","\'\t""\\n"', ("C:\\new\\,d", "\\'\\t\"\\n")),
        ({"escape": "\\"}, rb'"x",a\\b', ("x", "a\\\\b")),
        ({"escapes": "copy", "quote": "", "delimiter": "\t"}, b"a\\tb\\\\c\t\\N", ("a\tb\\c", None)),
        ({"escapes": "copy", "quote": "", "delimiter": "|"}, b'"x\\\ny\\|"|\\\\N', ('"x\ny|"', "\\N")),
        (
            {"escapes": "copy", "quote": "", "delimiter": "|"},
            rb"\b\f\n\r\t\v\q|\101\x4a\60\xg",
            ("\b\f\n\r\t\vq", "AJ0xg"),
        ),
        (
            {"escapes": "mysql", "quote": "", "delimiter": "|"},
            rb"\b\f\n\r\t\v\q|\101\x4a\Z",
            ("\bf\n\r\tvq", "101x4a\x1a"),
        ),
        ({"escapes": "copy", "quote": "", "delimiter": "|", "null": [""]}, rb"\N|", ("N", None)),
        ({"quote": ""}, b'"a,b"', ('"a', 'b"')),
        ({"delimiter": "||"}, b'a|b||"c||d"', ("a|b", "c||d")),
        ({"delimiter": ", "}, b'a,b, "c, d"', ("a,b", "c, d")),
        ({"delimiter": "é"}, 'aé"bé"'.encode(), ("a", "bé")),
        ({"delimiter": "'"}, b"a'b", ("a", "b")),
    ],
)
def test_marks_are_those_that_are_declared(table, options, line, cells):
    assert table(Csv(header=False, **options), line + b"\n", ITEMS).rows == [cells]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "id,item\n1,€ 5 “é”\n"),
        ("latin-1", "id,item\r\n1,é\r\n"),
        ("utf-16", "id,item\n1,日本\n"),
        ("utf-16-be", "id,item\n1,😀\n"),
        ("utf-32", "id,item\n1,é\n"),
        ("utf-8-sig", "id,item\n1,é\n"),
        ("shift_jis", "id,item\n1,表ソ\n"),
        ("gb18030", "id,item\n1,中文\n"),
        ("cp500", "id,item\n1,a\n"),
    ],
)
def test_any_encoding_of_python_is_read(table, encoding, text):
    found = table(Csv(encoding=encoding), text.encode(encoding), ITEMS)

    assert (found.columns, found.rows) == (("id", "item"), [("1", text.split(",")[-1].rstrip())])
    assert found.places[0].text == text.splitlines()[1]


@pytest.mark.parametrize(
    ("encoding", "line"), [("shift_jis", b"2,\x82\n"), ("cp1252", b"2,\x81\n"), ("ascii", b"2,\xe9\n")]
)
def test_a_line_that_its_encoding_does_not_know_is_kept_as_bytes(table, encoding, line):
    found = table(Csv(encoding=encoding), b"id,item\n1,a\n" + line + b"3,c\n", ITEMS)

    assert found.rows == [("1", "a"), ("3", "c")]
    assert (found.places[1].line, found.places[1].raw) == (3, line[:-1])


def test_a_line_of_utf_16_that_is_none_is_kept_as_bytes(table):
    content = "id,item\n1,a\n2,".encode("utf-16-le") + b"\x00\xd8" + "\n3,c\n".encode("utf-16-le")

    found = table(Csv(encoding="utf-16"), b"\xff\xfe" + content, ITEMS)

    assert found.rows == [("1", "a"), ("3", "c")]
    assert found.places[1].raw == "2,".encode("utf-16-le") + b"\x00\xd8"


def zipped(*members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in members:
            archive.writestr(name, b"id,item\n1,a\n")
    return target.getvalue()


COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, "zstd", asbytes=True),
    "zip": lambda content: zipped("items.csv"),
}


@pytest.mark.parametrize("kind", COMPRESS)
def test_compressed_files_are_read_by_their_name_or_option(table, kind):
    content = COMPRESS[kind](b"id,item\n1,a\n")

    assert table(Csv(), content, ITEMS, f"raw.csv.{kind}").rows == [("1", "a")]
    assert table(Csv(compression=kind), content, ITEMS).rows == [("1", "a")]


@pytest.mark.parametrize("kind", COMPRESS)
def test_an_archive_that_is_cut_off_is_no_file(table, kind):
    with pytest.raises(UnreadableError, match=f"is not a sound {kind} archive"):
        table(Csv(), COMPRESS[kind](b"id,item\n1,a\n")[:-6], ITEMS, f"raw.csv.{kind}")


def test_an_archive_of_two_files_is_refused(table):
    with pytest.raises(UnreadableError, match="holds 2 files"):
        table(Csv(), zipped("a.csv", "b.csv"), ITEMS, "raw.zip")


@pytest.mark.parametrize(
    "content",
    [
        b'"' * 100_001,
        b"," * 100_000,
        b"\r" * 100_000,
        b"\n" * 100_000 + b"1,a",
        b"\0" * 10_000,
        b'"\n' * 10_001,
        b'1,"a\n' * 10_000,
        b"x" * 3_000_000,
        b"\\" * 10_000,
    ],
    ids=lambda content: f"{len(content)} of {content[:6]!r}",
)
@pytest.mark.parametrize(
    "fmt", [Csv(header=False), Csv(), Csv(header=False, escape="\\")], ids=["", "header", "escape"]
)
def test_files_of_one_thing_only_are_taken_apart_at_once(tmp_path, fmt, content):
    if fmt.header and content[:1] in b",x":
        with pytest.raises(UnreadableError, match="columns, with names of"):
            opened(tmp_path, fmt, content)
        return
    found = opened(tmp_path, fmt, content)
    found.verify()

    records = list(found.everything())
    assert len(records) == found.sound + found.broken
    if not fmt.header:
        kept = b"".join(record.place.text.encode() for record in records)
        assert bytes(sorted(kept)).strip(b"\r\n") == bytes(sorted(content)).strip(b"\r\n")


@pytest.mark.parametrize("name", ['a"b', "a;b", "a\nb", "a'b", "a,b", "select 1; --", "é\u202e", "{x}"])
def test_a_column_may_have_any_name(table, name):
    quoted = '"' + name.replace('"', '""') + '"'

    found = table(Csv(), f"id,{quoted}\n1,a\n2\n", ["id", name])

    assert (found.columns, found.rows) == (("id", name), [("1", "a")])


def test_thousands_of_columns_are_columns(table):
    names = [f"c{n}" for n in range(1_000)]
    line = ",".join("x" * len(names))

    found = table(Csv(), ",".join(names) + f"\n{line}\n{line},\n", names)

    assert (len(found.columns), len(found.rows), len(found.broken)) == (1_000, 1, 1)


def test_the_text_of_one_record_is_read_as_that_record(table):
    fmt = Csv(
        delimiter="|", header=2, preamble=3, footer=1, comment="#", encoding="cp1252", trailing_delimiter=True
    )

    assert table(fmt.record_format(ITEMS), '#1|"a|é"|\n', ITEMS).rows == [("#1", "a|é")]
