"""Spreadsheets: exact text of numbers and dates, and no error that passes for an empty cell."""

import datetime as dt
import io
import json
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Excel, format_from, format_to

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def workbook(rows, sheet="Sheet1", errors=(), notes=False):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    for place, text in errors:
        book.active[place] = text
        book.active[place].data_type = "e"
    if notes:
        book.create_sheet("Notes")["C4"] = "a note"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def open_document(*rows, options=""):
    """Return an .ods workbook with these rows of cells in XML."""
    spaces = " ".join(
        f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for prefix, name in (("office", "office"), ("table", "table"), ("text", "text"))
    )
    calc = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    lines = "".join(f"<table:table-row{options}>{row}</table:table-row>" for row in rows)
    content = (
        f"<office:document-content {spaces} {calc}><office:body><office:spreadsheet>"
        f'<table:table table:name="S">{lines}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return packed.getvalue()


def text(value, options=""):
    return f'<table:table-cell office:value-type="string" {options}><text:p>{value}</text:p></table:table-cell>'


def test_the_header_names_the_columns_and_blank_rows_are_no_records(table):
    found = table(Excel(), workbook([["id", " name "], [1, "Ann"], [], [2.5, None]]), ["id", "name"])
    assert found.columns == ("id", "name")
    assert found.rows == [("1", "Ann"), ("2.5", None)]
    assert found.places == [(2, '{"id":"1","name":"Ann"}', None), (4, '{"id":"2.5","name":null}', None)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (-3.0, "-3"),
        (2**53 - 1, "9007199254740991"),
        (12345678901234567890, "1.234567890123457e+19"),  # has lost digits: no whole number any more
        (True, "true"),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05"),
        (dt.time(1, 2, 3), "01:02:03"),
        (dt.timedelta(hours=30, seconds=1), "30:00:01"),
        ("007", "007"),
        ("  two\nlines ", "  two\nlines "),
        ("#DIV/0!x", "#DIV/0!x"),
    ],
)
def test_values_are_exact_text(table, value, expected):
    assert table(Excel(), workbook([["a"], [value]]), ["a"]).rows == [(expected,)]


def test_values_are_spelled_as_the_source_declares(table):
    content = workbook([["a", "b"], [1.5, dt.date(2024, 12, 24)], ["2,5", dt.datetime(2024, 12, 24, 1, 2, 3)]])
    fmt = Excel(decimal=",", date_format="%d.%m.%Y", timestamp_format="%d.%m.%Y %H:%M")
    # a format that does not say the seconds would lose them
    assert table(fmt, content, ["a", "b"]).rows == [("1,5", "24.12.2024"), ("2,5", "2024-12-24 01:02:03")]


def test_a_date_in_a_column_of_timestamps_is_its_midnight(table):
    content = workbook([["at"], [dt.datetime(2024, 1, 2)], [dt.datetime(2024, 1, 2, 3)]])
    assert table(Excel(timestamps=["at"]), content, ["at"]).rows == [
        ("2024-01-02 00:00:00",),
        ("2024-01-02 03:00:00",),
    ]


def test_an_error_or_a_formula_that_nobody_calculated_breaks_its_row(table):
    rows = [["a", "b"], ["=1/0", 1], [2, 2], [3, "x"], [None, None], [None, 5]]
    found = table(Excel(), workbook(rows, errors=[("A4", "#N/A"), ("B4", "#DIV/0!"), ("B9", "#REF!")]), ["a", "b"])
    assert found.rows == [("2", "2"), (None, "5")]
    assert found.broken == [
        (2, '{"a":null,"b":"1"}', "cell A2 is a formula without a value"),
        (4, '{"a":"#N/A","b":"#DIV/0!"}', "cell A4 is #N/A, cell B4 is #DIV/0!"),
        (9, '{"a":null,"b":"#REF!"}', "cell B9 is #REF!"),
    ]


def test_sheets_are_found_by_name_or_place_and_tables_anywhere_on_them(table):
    content = workbook([["id"], [1]], sheet="Data & more", notes=True)
    assert table(Excel(sheet="Data & more"), content, ["id"]).rows == [("1",)]
    assert table(Excel(sheet=1, header_row=0), content, []).rows == [(None, None, "a note")]
    with pytest.raises(UnreadableError, match="has no sheet 'data'; its sheets are: 'Data & more', 'Notes'"):
        table(Excel(sheet="data"), content, ["id"])
    with pytest.raises(UnreadableError, match="has no sheet 2"):
        table(Excel(sheet=2), content, ["id"])


def test_cells_without_a_header_are_columns_too(table):
    found = table(Excel(), workbook([["id", None, None, None], [1, None, "x"]]), ["id"])
    assert found.columns == ("id", "(column C)")  # where there is neither a name nor a cell is no column
    assert found.rows == [("1", "x")]
    assert table(Excel(header_row=0), workbook([[1, 2, 3]]), ["a", "b"]).columns == ("a", "b", "(column C)")


def test_what_stands_above_the_header_is_skipped(table):
    content = workbook([["Report of May"], [], ["id"], [1]])
    assert table(Excel(header_row=3), content, ["id"]).rows == [("1",)]


def test_open_documents_are_read_alike(table):
    date = '<table:table-cell office:value-type="date" office:date-value="2024-01-02"/>'
    number = '<table:table-cell office:value-type="float" office:value="2"/>'
    error = text("#DIV/0!", 'calcext:value-type="error" office:string-value=""')
    gap = '<table:table-cell table:number-columns-repeated="2"/>'
    content = open_document(text("a") + text("b") + text("c"), date + number, error + number, gap + error)
    found = table(Excel(sheet="S"), content, ["a", "b", "c"])
    assert found.rows == [("2024-01-02", "2", None)]
    assert [problem for _, _, problem in found.broken] == ["cell A3 is #DIV/0!", "cell C4 is #DIV/0!"]


def test_a_row_is_read_again_from_its_text(table):
    fmt = Excel(decimal=",")
    found = table(fmt, workbook([["id", "x"], [1.5, "a\nb"]]), ["id", "x"])
    assert table(fmt.record_format([]), found.places[0].text, ["id", "x"]).rows == found.rows
    assert fmt.redacted(found.places[0].text, ["id"], {"id": lambda text: "*"}) == '{"id":"*","x":"a\\nb"}'


def test_bombs_are_refused_before_they_are_read(table, monkeypatch):
    monkeypatch.setattr("etl.sources.formats.limits.ALWAYS_BYTES", 1_000_000)
    content = io.BytesIO(workbook([["id"], [1]]))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(5_000_000))
    with pytest.raises(UnreadableError, match="zip bomb"):
        table(Excel(), content.getvalue(), ["id"])


def test_a_bomb_that_understates_its_size_is_found_out(table, monkeypatch):
    monkeypatch.setattr("etl.sources.formats.limits.ALWAYS_BYTES", 1_000_000)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(5_000_000))
    lying = content.getvalue().replace((5_000_000).to_bytes(4, "little"), (99).to_bytes(4, "little"))
    with pytest.raises(UnreadableError, match="zip bomb"):
        table(Excel(), lying, ["id"])


def test_a_lonely_cell_far_away_does_not_fill_the_memory(table):
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "id", 1
    content = io.BytesIO()
    book.save(content)
    with pytest.raises(UnreadableError, match="reach to row 1,048,576 and column 16,384"):
        table(Excel(), content.getvalue(), ["id"])
    wide = '<table:table-cell office:value-type="float" office:value="2" table:number-columns-repeated="16384"/>'
    with pytest.raises(UnreadableError, match="zip bomb"):
        rows = open_document(wide, options=' table:number-rows-repeated="99999"')
        table(Excel(), rows, ["id"])


@pytest.mark.parametrize(
    "content", [b"", b"id;name", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)]
)
def test_what_is_no_workbook_is_refused(table, content):
    with pytest.raises(UnreadableError, match=r"is not a sound workbook|is an \.xls workbook|is text"):
        table(Excel(), content, ["id"])


def test_wrong_options_are_told_and_right_ones_survive_the_cache():
    for options in ({"sheet": -1}, {"header_row": -1}):
        with pytest.raises(ContractError, match="negative"):
            Excel(**options)
    fmt = Excel(sheet=["S", "T*"], timestamps=["at"], header_rows=2, footer="^Sum", null=["-", "n/a"])
    assert format_from(json.loads(json.dumps(format_to(fmt)))) == fmt


CELL = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    # a writer writes 15 digits, as Excel does
    | st.floats(-1e300, 1e300).map(lambda number: float(f"{number:.15g}"))
    | st.dates(dt.date(1900, 3, 1), dt.date(9999, 1, 1))
    # space at the ends is kept by the writer only if lxml is installed
    | st.text("abc é<&\n\t\"'", min_size=1, max_size=5).filter(lambda text: text == text.strip())
)


def as_text(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.date):
        return value.isoformat()
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 2**53)
    return str(int(value)) if whole else repr(value)


@FUZZ
@given(st.lists(st.tuples(CELL, CELL), max_size=4))
def test_what_a_writer_wrote_comes_back(table, rows):
    found = table(Excel(), workbook([["a", "b"], *rows]), ["a", "b"])
    assert found.rows == [(as_text(a), as_text(b)) for a, b in rows if (a, b) != (None, None)]
    assert found.broken == []


SMALL = workbook([["a"], [1]])


@FUZZ
@given(st.binary(max_size=50), st.integers(0, len(SMALL)), st.integers(0, 50))
def test_any_bytes_are_taken_apart(table, content, at, skipped):
    for whole in (content, SMALL[:at] + content + SMALL[at + skipped :]):
        try:
            table(Excel(), whole, ["a"])
        except UnreadableError:
            continue


def sheets(**tables):
    """Return a workbook with a sheet for each table; a text such as "A1:B2" among the rows is a merged range."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            if isinstance(row, str):
                sheet.merge_cells(row)
            else:
                sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_several_sheets_are_read_with_their_name_as_a_column(table):
    content = sheets(Jan=[["id", "v"], [1, "x"], [2, "y"]], Notes=[["hello"]], Feb=[["v", "id"], ["z", 3]], Mar=[])
    fmt = Excel(sheet=["Jan", "F*", "Mar"], sheet_column="month")
    found = table(fmt, content, ["id", "v", "month"])
    assert found.columns == ("id", "v", "month")
    assert found.rows == [("1", "x", "Jan"), ("2", "y", "Jan"), ("3", "z", "Feb")]
    # rows are counted on: two records of a file have two lines
    assert found.places[2] == (5, '{"id":"3","v":"z","month":"Feb"}', None)
    again = table(fmt.record_format([]), found.places[2].text, ["id", "v", "month"])
    assert again.rows == [("3", "z", "Feb")]


@pytest.mark.parametrize(
    ("sheet", "column", "problem"),
    [
        ("*", "", "sheet 'Feb' and the sheets before it do not have the same columns: v, w"),
        (["Jan", "Dec"], "", "has no sheet 'Dec'; its sheets are: 'Jan', 'Feb'"),
        ("D*", "", "has no sheet 'D\\*'; its sheets are: 'Jan', 'Feb'"),
        ("J*", "v", "has a column 'v' of its own"),
        (None, "", "has 2 sheets: 'Jan', 'Feb'. .*several with a pattern"),
    ],
)
def test_sheets_that_do_not_fit_are_refused(table, sheet, column, problem):
    content = sheets(Jan=[["id", "v"], [1, "x"]], Feb=[["id", "w"], [2, "y"]])
    with pytest.raises(UnreadableError, match=problem):
        table(Excel(sheet=sheet, sheet_column=column), content, ["id", "v"])


def test_an_error_in_one_of_several_sheets_says_in_which(table):
    content = sheets(a=[["id"], [1]], b=[["id"], [2], ["=1/0"]])
    assert table(Excel(sheet="*"), content, ["id"]).broken == [
        (5, '{"id":null}', "cell A3 of sheet 'b' is a formula without a value")
    ]


REPORT = [
    ["Report of March"],
    [],
    ["Region", "Sales", None, None, "Rate"],
    [None, "Plan", "Real", None, None],
    ["North", 100, 110.5, None, 0.5],
    [None, 200, 210, None, "n/a"],
    [],
    ["South", 50, 45, None, 1],
    ["Total", 350, 365.5],
    [],
    ["As of 31 March"],
    *("A1:E1", "A3:A4", "B3:C3", "E3:E4", "A5:A6"),
]
COLUMNS = ["Region", "Sales Plan", "Sales Real", "Rate"]


def test_a_report_of_merged_cells_and_totals_is_read_by_its_declaration(table):
    fmt = Excel(header_row=3, header_rows=2, fill_merged=True, footer="^(Total|As of)", null="n/a")
    found = table(fmt, sheets(March=REPORT), COLUMNS)
    assert found.columns == tuple(COLUMNS)  # the column D has neither a name nor a cell
    assert found.rows == [
        ("North", "100", "110.5", "0.5"),
        ("North", "200", "210", None),
        ("South", "50", "45", "1"),
    ]
    # the text has what the sheet says, and is read alike
    assert found.places[1].text == '{"Region":"North","Sales Plan":"200","Sales Real":"210","Rate":"n/a"}'
    assert table(fmt.record_format([]), found.places[1].text, COLUMNS).rows == found.rows[1:2]


def test_of_names_that_are_alike_the_label_to_their_left_tells_which_is_which(table):
    rows = [
        ["id", "Sales", None, "Cost", None, None],
        [None, "Plan", "Real", "Plan", "Real", "Rate"],
        [1, 2, 3, 4, 5, 6],
    ]
    found = table(Excel(header_rows=2), sheets(S=rows), ["id"])
    assert found.columns == ("id", "Sales Plan", "Sales Real", "Cost Plan", "Cost Real", "Rate")


def test_merged_cells_are_filled_only_on_request(table):
    fmt = Excel(header_row=3, header_rows=2, footer=2)
    assert [row[0] for row in table(fmt, sheets(March=REPORT), COLUMNS).rows] == ["North", None, "South"]


def test_rows_of_a_footer_are_skipped_by_number_or_by_what_they_say(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(sheets(S=[["id"], [1], ["Total"], [], ["End"], []]))
    said = {}
    for footer in (1, 2, "^(End|Total)$", "^End$"):
        opened = Excel(footer=footer).open(tmp_path / "a.xlsx", ["id"], tmp_path / "scratch")
        said[footer] = opened.sound, [(skip.option, skip.place.line) for skip in opened.skips(headers=False)]
        opened.close()
    assert said == {
        1: (2, [("footer=1", 5)]),
        2: (1, [("footer=2", 3), ("footer=2", 5)]),
        "^(End|Total)$": (1, []),
        "^End$": (2, []),
    }


def test_merged_ranges_of_an_open_document_are_filled_alike(table):
    covered = "<table:covered-table-cell/>"
    content = open_document(
        text("a", 'table:number-rows-spanned="2"') + text("b", 'table:number-columns-spanned="2"') + covered,
        covered + text("x") + text("y"),
        text("1", 'table:number-rows-spanned="2"') + text("2") + text("3"),
        covered + text("4") + text("5"),
    )
    found = table(Excel(header_rows=2, fill_merged=True), content, ["a", "b x", "b y"])
    assert found.columns == ("a", "b x", "b y")
    assert found.rows == [("1", "2", "3"), ("1", "4", "5")]


def test_merged_ranges_that_overlap_are_refused(table):
    content = io.BytesIO(sheets(S=[["id", "v"], [1, 2], [3, 4], "A2:B3"]))
    changed = io.BytesIO()
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(changed, "w") as target:
        for member in source.infolist():
            merged = b'<mergeCell ref="A2:B3" />'
            target.writestr(member.filename, source.read(member).replace(merged, merged * 9))
    with pytest.raises(UnreadableError, match="merged cells that overlap"):
        table(Excel(fill_merged=True), changed.getvalue(), ["id", "v"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"header_rows": 0}, "does not name rows"),
        ({"header_rows": 2, "header_row": 0}, "does not name rows"),
        ({"footer": "("}, "not a regular expression"),
        ({"footer": -1}, "not a number of rows"),
        ({"sheet_column": "at", "timestamps": ["at"]}, "names of sheets"),
    ],
)
def test_wrong_options_of_a_report_are_told(options, problem):
    with pytest.raises(ContractError, match=problem):
        Excel(**options)
