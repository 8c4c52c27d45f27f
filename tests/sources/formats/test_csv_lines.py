"""Lines that are not records like the others: types, trailers, headers that come again, cells that are missing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats.csv import Csv
from etl.sources.formats.fixed_width import FixedWidth
from tests.sources.formats.conftest import taken_apart
from tests.support import tiny
from tests.support.thorough import examples

TYPED = {
    "header": False,
    "names": ["kind", "id", "item"],
    "record_type": 1,
    "record": "D",
    "ignored": ["H"],
    "trailer": ("T", 2),
}
CELLS = st.text("aé\"',;\n DHT1", max_size=4)


@pytest.fixture
def opened(tmp_path):
    """Take a text apart."""

    def opened(text, expected=("id", "item"), **options):
        path = tmp_path / "a.csv"
        path.write_text(text, newline="")
        file = Csv(**options).open(path, expected, tmp_path / "scratch")
        # nothing is lost: every line is of a record or skipped
        assert file.lines == file.sound + file.broken + file.skipped
        return file

    return opened


def rows(file):
    return taken_apart(file).rows


def faults(file):
    return [(fault.place.line, fault.place.text, fault.problem) for fault in file.faults()]


def test_lines_of_other_types_are_no_records_and_the_trailer_counts_them(opened):
    file = opened("H,shop,2024\nD,1,book\nH,till\nD,2,pen\nT,2\n", **TYPED)

    assert rows(file) == [("D", "1", "book"), ("D", "2", "pen")]
    assert (faults(file), file.lines, file.skipped) == ([], 5, 3)


@pytest.mark.parametrize("count", ["1", "3", "", "two", "-2", "2.0"])
def test_a_trailer_that_counts_otherwise_refuses_the_file(opened, count):
    with pytest.raises(UnreadableError, match=r"the trailer in line 3 counts .*, but 2 were found"):
        opened(f"D,1,book\nD,2,pen\nT,{count}\n", **TYPED)


def test_broken_records_count_too_and_a_file_without_its_trailer_is_refused(opened):
    file = opened('D,1,book\nD,2\nD,3,"a"b\nT,3\n', **TYPED)
    assert [line for line, _, _ in faults(file)] == [2, 3]
    with pytest.raises(UnreadableError, match="ends without its trailer 'T'; it was cut off"):
        opened("D,1,book\n", **TYPED)


def test_an_undeclared_type_is_broken_and_so_is_what_follows_the_trailer(opened):
    file = opened("D,1,book\nX,9\nT,1\nD,2,pen\nH,x\n", **TYPED)

    assert rows(file) == [("D", "1", "book")]
    assert faults(file) == [
        (2, "X,9", "record type 'X' is not declared"),
        (4, "D,2,pen", "it is behind the trailer"),
        (5, "H,x", "it is behind the trailer"),
    ]


def test_a_line_that_is_no_record_swallows_none_for_a_stray_quote(opened):
    file = opened('H,"shop\nD,1,book\nD,2,pen"\nD,3,ink\nT,3\n', **TYPED)

    assert ("D", "1", "book") in rows(file)
    assert [text for _, text, _ in faults(file)] == ['H,"shop', 'D,2,pen"']


def test_the_type_may_be_a_column_of_the_header(opened):
    file = opened("id,kind,item\n1,D,book\n,H\n", record_type="kind", record="D", ignored=["H"])
    assert rows(file) == [("1", "D", "book")]
    with pytest.raises(UnreadableError, match="has no column 'type', which record_type= names"):
        opened("id,kind\n", record_type="type", record="D")


def test_a_mark_before_the_longest_name_hides_no_header(opened):
    assert rows(opened("item,id\na,1\n\ufeffitem,id\nb,2\n", repeated_headers=True)) == [("a", "1"), ("b", "2")]


def test_headers_of_files_that_were_put_one_behind_another_are_no_records(opened):
    text = 'id,item\n1,a\nid,item\n2,b\n\ufeffid,item\n"id","item"\n3,c\n'
    file = opened(text, repeated_headers=True)

    assert rows(file) == [("1", "a"), ("2", "b"), ("3", "c")]
    assert (faults(file), file.skipped) == ([], 4)


@pytest.mark.parametrize("again", ["item,id", "id,item,price", "id,item,"])
def test_a_header_that_is_not_the_same_begins_another_table(opened, again):
    file = opened(f"id,item\n1,a\nid,item\n2,b\n{again}\n3,c\n", repeated_headers=True)

    assert rows(file) == [("1", "a"), ("2", "b")]
    assert [text for _, text, problem in faults(file) if "second table" in problem] == [again, "3,c"]


def test_cells_that_a_sender_leaves_out_at_the_end_are_null(opened):
    file = opened("id,item,price\n1\n2,b\n3,,3\n4,d,4,x\n", trimmed=["item", "price"])

    assert rows(file) == [("1", None, None), ("2", "b", None), ("3", None, "3")]
    assert faults(file) == [(5, "4,d,4,x", "4 cells where the contract has 3")]


def test_only_the_columns_that_may_lack_do(opened):
    file = opened("id,item,price\n1\n2,b\n", trimmed=["price"], null="NA")

    assert rows(file) == [("2", "b", None)]
    assert faults(file) == [(2, "1", "1 cells where the contract has 3")]
    with pytest.raises(UnreadableError, match="does not end in the columns of trimmed="):
        opened("id,price,item\n1,2,a\n", trimmed=["price"])


def test_the_number_of_a_line_is_a_column(opened):
    file = opened('id,item\n1,"two\nlines"\n\n2,b\n3\n4,d\n', line_number="line")

    assert file.columns == ("id", "item", "line")
    assert rows(file) == [("1", "two\nlines", "2"), ("2", "b", "5"), ("4", "d", "7")]
    assert faults(file) == [(6, "3", "1 cells where the contract has 2")]


@settings(max_examples=examples(30), deadline=None)
@given(
    table=st.lists(st.tuples(st.sampled_from("DH"), st.lists(CELLS, min_size=2, max_size=2)), max_size=6),
    options=st.sampled_from([{}, {"trailing_delimiter": True}, {"escape": "\\"}, {"delimiter": "||"}]),
)
def test_what_a_writer_wrote_comes_back_with_its_lines(tmp_path_factory, table, options):
    folder = tmp_path_factory.mktemp("lines")
    mark = options.get("delimiter", ",")
    lines, wanted, line = [], [], 1
    for kind, cells in [*table, ("T", [str(sum(kind == "D" for kind, _ in table))])]:
        quoted = [cell.replace('"', f'{options.get("escape", chr(34))}"') for cell in cells]
        text = mark.join([kind, *(f'"{cell}"' for cell in quoted)]) + mark * ("trailing_delimiter" in options)
        lines.append(text + "\n")
        wanted += [(kind, *cells, str(line))] * (kind == "D")
        line += 1 + text.count("\n")
    (folder / "a.csv").write_text("".join(lines), newline="")

    file = Csv(**TYPED, **options, line_number="line").open(folder / "a.csv", ["id", "item"], folder / "scratch")
    found = taken_apart(file)

    assert file.lines == file.sound + file.broken + file.skipped
    # a record of several lines may be taken for several records, but none is another than was written
    assert set(found.rows) <= set(wanted)
    if not any("\n" in cell for _, cells in table for cell in cells):
        assert found.rows == wanted


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("BOF 2\n1,a\n2,b\nEOF\n", {"preamble": r"^BOF (?P<records>\d+)", "footer": "^EOF"}),
        ("BOF\n1,a\n2,b\nEOF x 0002 y\n", {"preamble": "^BOF", "footer": r"^EOF \w (?P<records>\d+)"}),
        ("1,a\n2,b\nTotal lines: 3\n", {"footer": r"^Total lines: (?P<lines>\d+)"}),
    ],
)
def test_a_line_above_or_below_can_count(opened, text, options):
    options |= {"header": False}
    assert rows(opened(text, **options)) == [("1", "a"), ("2", "b")]
    with pytest.raises(UnreadableError, match=r"counts \d+ (records|lines), but \d were found"):
        opened(text.replace("2,b\n", ""), **options)


def test_a_line_that_counts_must_be_there(opened):
    with pytest.raises(UnreadableError, match="the footer counts no records, but 2 were found"):
        opened("1,a\n2,b\n", header=False, footer=r"^EOF (?P<records>\d+)")


def test_fixed_width_has_the_number_of_a_line_too(tmp_path):
    (tmp_path / "a.txt").write_text("01ACC1\n02  10\n02  20\n01ACC2\n02  30\n")
    typed = {"record_type": (1, 2), "line_number": "line"}
    heads = FixedWidth(columns={"account": (3, 6)}, record="01", ignored=["02"], **typed)
    moves = FixedWidth(columns={"amount": (3, 6)}, record="02", ignored=["01"], **typed)

    assert rows(heads.open(tmp_path / "a.txt", [], tmp_path / "h")) == [("ACC1", "1"), ("ACC2", "4")]
    assert rows(moves.open(tmp_path / "a.txt", [], tmp_path / "m")) == [("10", "2"), ("20", "3"), ("30", "5")]


JOINED = """
import pandera.pandas as pa
from etl import Csv, Source

class Accounts(pa.DataFrameModel):
    line: int
    account: str

class Moves(pa.DataFrameModel):
    line: int
    amount: int

lines = {"header": False, "record_type": 1, "line_number": "line"}
heads = Csv(names=["kind", "account"], record="01", ignored=["02"], **lines)
details = Csv(names=["kind", "amount"], record="02", ignored=["01"], **lines)
accounts = Source(Accounts, "bank/{date}.csv", format=heads, extra="ignore")
moves = Source(Moves, "bank/{date}.csv", format=details, extra="ignore")
"""


def test_details_are_joined_to_the_header_above_them(tmp_path):
    files = {"bank/2024-03-01.csv": "01,ACC1\n02,10\n02,20\n01,ACC2\n02,30\n"}
    sql = {
        "marts/moves.sql": "select account, amount from raw.moves "
        "asof join raw.accounts using (delivery_date, line)"
    }
    project = tiny.project(tmp_path, JOINED, sql, files)
    tiny.night(project)

    found = tiny.published(project, "from marts.moves order by amount")
    assert found == [("ACC1", 10), ("ACC1", 20), ("ACC2", 30)]


@pytest.mark.parametrize(
    "fmt",
    [
        Csv(line_number="line"),
        FixedWidth(columns={"id": (1, 2), "item": (3, 5)}, header_lines=1, trimmed=True, line_number="line"),
    ],
    ids=lambda fmt: type(fmt).__name__,
)
def test_a_corrected_record_keeps_the_number_of_its_line(tmp_path, fmt):
    mark = "," if isinstance(fmt, Csv) else " "
    contracts = f"""
import pandera.pandas as pa
from etl import Csv, FixedWidth, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str
    line: int

sales = Source(Sales, "sales/{{date}}.csv", format={fmt!r})
"""
    text = f"id{mark}item\n1{mark}a\nx{mark}b\n3{mark}c\n"
    project = tiny.project(tmp_path, contracts, {}, {"sales/2024-03-01.csv": text})
    source = tiny.plan(project).catalog.sources["sales"]
    tiny.take(project, source)
    assert [line for line, *_ in tiny.rejects_of(project)] == [3]

    tiny.decide(project, source, (3, f"x{mark}b", f"2{mark}b"))
    tiny.take(project, source)

    assert sorted(tiny.rows_of(project, columns="id, item, line")) == [(1, "a", 2), (2, "b", 3), (3, "c", 4)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"record": "D"}, "Csv(record_type=...) is missing"),
        ({"record_type": 0, "record": "D"}, "is not the number of a cell, from 1"),
        ({"record_type": 1}, "or record= is empty"),
        ({"record_type": 1, "record": "D", "ignored": ["D"]}, "are not all different"),
        ({"record_type": 1, "record": "D", "trailer": ("T", 0)}, "is not a type and the number of a cell from 1"),
        ({"record_type": "x", "record": "D", "names": ["a"]}, "is not one of its names"),
        ({"trimmed": "price"}, "is not a list of columns, or True"),
        ({"line_number": "a", "names": ["a"]}, "is a column of the file"),
    ],
)
def test_a_wrong_option_is_an_error(options, said):
    with pytest.raises(ContractError) as refused:
        Csv(**options)
    assert said in str(refused.value)
