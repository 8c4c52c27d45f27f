"""What `etl sniff` proposes: valid contracts that accept the file they were made from, and plain refusals."""

import bz2
import gzip
import json
import lzma
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import etl
from etl.cli.main import cli
from etl.errors import ConfigError
from etl.operations.sniffing import propose
from etl.project import load_project
from etl.sources.catalog import load_catalog
from etl.sources.sniff import dialect, sample
from tests.support import tiny
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

ORDERS = Path(etl.__file__).parent.parent / "data" / "raw" / "orders"


def sniffed(folder, content, name="sales_2024-03-01.csv", delimiter=""):
    """Return the proposal for a file with this content, below data/raw."""
    path = folder / "data" / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return propose(path, delimiter)


def code(text):
    """Return a proposal without its comments, on one line where it was wrapped; it compiles as Python."""
    compile(text, "proposal", "exec")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return (
        "\n".join(lines).replace("(\n    ", "(").replace(",\n    ", ", ").replace("    ,", "").replace(",\n)", ")")
    )


def comments(text):
    """Return what a proposal says beside the code, unwrapped."""
    return " ".join(line.strip().lstrip("# ") for line in text.splitlines() if line.lstrip().startswith("#"))


def extracted(folder, content, name="sales_2024-03-01.csv"):
    """Save the proposal as the only contract of a project, extract the file; return rows and rejects."""
    proposal = sniffed(folder, content, name)
    project = tiny.project(folder, contracts=proposal, sql={}, raw={})
    (source,) = load_catalog(project.root / "contracts").sources.values()
    (receipt,) = tiny.take(project, source)
    return receipt.details["rows"], receipt.details["rejected"]


def lines(header, *rows):
    return "\n".join([header, *rows]) + "\n"


def test_a_table_of_every_type_is_proposed_in_full(tmp_path):
    rows = [
        f"{i},{i / 4},2024-03-{i % 28 + 1:02},2024-03-01 10:0{i % 6}:00,{i % 2 == 0},{'AB'[i % 2]},x{i}"
        for i in range(60)
    ]
    text = sniffed(tmp_path, lines("id,price,day,at,paid,grade,note", *rows))
    assert code(text) == (
        "\nfrom datetime import date\n\nimport pandas as pd\nimport pandera.pandas as pa\n\n"
        "from etl import Source\n\n\n"
        "class Sales(pa.DataFrameModel):\n"
        '    """One row per record: say what a record is."""\n\n'
        "    id: int = pa.Field(unique=True)\n"
        "    price: float\n"
        "    day: date\n"
        "    at: pd.Timestamp\n"
        "    paid: bool\n"
        "    grade: str\n"
        "    note: str\n\n\n"
        'sales = Source(contract=Sales, files="sales_{date}.csv")'
    )
    said = comments(text)
    assert "0 to 59 seen" in said and "0.0 to 14.75 seen" in said
    assert 'one of "A", "B" seen' in said and "2 to 3 characters seen" in said
    assert "Tried on it: 60 rows, 0 rejected; 1 line skipped, such as a header." in said


def test_nulls_make_a_column_nullable_and_their_text_is_named(tmp_path):
    text = sniffed(tmp_path, lines("id,n,f,word", "1,NA,0.5,a", "2,7,NA,NA", "3,8,1.5,c"))
    assert "n: pd.Int64Dtype = pa.Field(nullable=True)" in text
    assert "f: float = pa.Field(nullable=True)" in text
    assert "word: str = pa.Field(nullable=True)" in text
    assert 'format=Csv(null="NA")' in text


def test_a_null_text_is_a_value_where_nothing_says_otherwise(tmp_path):
    text = sniffed(tmp_path, lines("country,city", "NA,Windhoek", "DE,Bonn", "-,x"))
    assert "nullable" not in text and "null=" not in text


@pytest.mark.parametrize(
    ("content", "option"),
    [
        ("id;amount\n1;1,50\n2;2,75\n", 'delimiter=";", decimal=","'),
        ("id;amount\n1;1.234,50\n2;2,75\n", 'delimiter=";", decimal=",", thousands="."'),
        ('id,amount\n1,"1,234.50"\n2,3.00\n', 'thousands=","'),
        ("id;day\n1;31.12.2024\n2;01.02.2024\n", 'delimiter=";", date_format="%d.%m.%Y"'),
        ("id,day\n1,12/31/2024\n2,01/02/2024\n", 'date_format="%m/%d/%Y"'),
        ("id,day\n1,31/12/2024\n2,01/02/2024\n", 'date_format="%d/%m/%Y"'),
        ("id,at\n1,31.12.2024 10:00\n2,01.02.2024 11:30\n", 'timestamp_format="%d.%m.%Y %H:%M"'),
        ("id,a\n1,x\n2,\\N\n", 'null="\\\\N"'),
        ("id|a|\n1|x|\n2|y|\n", 'delimiter="|", trailing_delimiter=True'),
        ("id||a\n1||x\n2||y\n", 'delimiter="||"'),
        ("id,'a'\n1,'x,y'\n2,'z'\n", 'quote="\'"'),
        ('id,a\n1,"x \\"y\\" z"\n2,"z"\n', 'escape="\\\\"'),
        ('id,pipe\n1,5" wide\n2,6" wide\n', 'quote=""'),
        ("Report of March\n\nid,a\n1,x\n2,y\n", "preamble=2"),
        ("Report of March,,\nid,a,b\n1,x,3\n2,y,4\n", "preamble=1"),
        ("# by hand\nid,a\n1,x\n# more\n2,y\n", 'comment="#"'),
        ("1,x\n2,y\n", "header=False"),
        ("id,a,n\n1,x,5\n2,y,6\nTotal,,11\n", 'footer="^Total"'),
        ("id,a\n1,x\n2,y\nEOF 2\n\n", 'footer="^EOF"'),
        ("id,a\n1,Total oil\n2,y\nTotal\n", 'footer="^Total"'),
        ("id\ta\n1\t\\N\n2\ta\\tb\n\\.\n", 'delimiter="\\t", quote="", escapes="copy"'),
    ],
)
def test_the_dialect_is_told_by_the_options_of_csv(tmp_path, content, option):
    assert f"format=Csv({option})" in code(sniffed(tmp_path, content))


def test_what_can_be_meant_either_way_is_called_ambiguous(tmp_path):
    text = sniffed(tmp_path, "id;day;n\n1;03/04/2024;1,234\n2;05/06/2024;5,678\n")
    assert "Ambiguous: 03/04/2024 is read with date_format='%m/%d/%Y'; it may be '%d/%m/%Y'." in comments(text)
    assert "Ambiguous: 1,234 is read with decimal=','" in comments(text)


@pytest.mark.parametrize(
    ("codec", "option"),
    [("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("cp1252", "cp1252"), ("utf-8-sig", "")],
)
def test_the_encoding_is_told_and_a_guess_is_called_one(tmp_path, codec, option):
    text = sniffed(tmp_path, "id,city\n1,Zürich\n2,Köln\n".encode(codec))
    assert ("encoding=" in text) == bool(option)
    assert f'encoding="{option}"' in text or not option
    assert ("is a guess" in text) == (codec == "cp1252")
    assert "    id: int" in text


def test_a_few_bad_bytes_do_not_make_a_file_of_another_encoding(tmp_path):
    text = sniffed(tmp_path, "id,city\n1,Zürich\n2,Köln\n".encode() + b"3,K\xf6ln\n")
    assert "encoding" not in text
    assert "1 line cannot be decoded as UTF-8 and would go to quarantine." in comments(text)


def zipped(content):
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("sales.csv", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        *(("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zip", zipped)),
        ("zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
    ],
)
def test_a_packed_file_is_unpacked_by_its_suffix(tmp_path, suffix, pack):
    text = sniffed(tmp_path, pack(b"id,a\n1,x\n2,y\n"), name=f"sales_2024-03-01.csv.{suffix}")
    assert f'files="sales_{{date}}.csv.{suffix}")' in code(text)


def test_of_an_archive_of_several_files_the_largest_is_named(tmp_path):
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("stops.txt", "id,name\n1,a\n")
        archive.writestr("times_2024-03-01.txt", "id,at\n1,x\n2,y\n3,z\n")
        archive.writestr("__MACOSX/._stops.txt", b"\0" * 5000)
    text = sniffed(tmp_path, buffer.getvalue(), "feed_2024-03-01.zip")
    assert 'format=Csv(member="times_*.txt")' in code(text)
    assert "The archive has other files: 'stops.txt'." in comments(text)
    assert extracted(tmp_path, buffer.getvalue(), "feed_2024-03-01.zip") == (3, 0)


def test_records_of_xml_are_what_has_values_and_not_a_group_or_a_part(tmp_path):
    content = (
        '<feed><site id="1"><item><at>a</at><v c="in">1</v><v c="out">2</v></item><item><at>b</at></item></site>'
        '<site id="2"><item><at>c</at><v c="in">3</v></item></site></feed>'
    )
    text = sniffed(tmp_path, content, "feed_2024-03-01.xml")
    assert 'record="feed/site/item", fields={"site_id": "../@id", "v_in": "v[@c=\'in\']"' in text
    assert extracted(tmp_path, content, "feed_2024-03-01.xml") == (3, 0)


def test_a_number_with_zeros_in_front_is_a_code(tmp_path):
    assert "zip: str\n" in sniffed(tmp_path, lines("id,zip", "1,01234", "2,99999"))


def test_what_nearly_every_value_is_stands_in_a_comment(tmp_path):
    text = sniffed(tmp_path, lines("id,n", *(f"{i},{i % 3}" for i in range(30)), "99,none of them"))
    assert "all but 1 of 31 values are int, which would reject 'none of them'" in comments(text)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("order no", 'order_no: int = pa.Field(alias="order no"'),
        ("class", 'class_: int = pa.Field(alias="class"'),
        ("date", 'date_: int = pa.Field(alias="date"'),
        ("_x", 'x: int = pa.Field(alias="_x"'),
        ("2024", 'column_2024: int = pa.Field(alias="2024"'),
        ("to_schema", 'to_schema_: int = pa.Field(alias="to_schema"'),
        ("größe", "größe: int\n"),
    ],
)
def test_a_name_that_python_cannot_have_gets_an_alias(tmp_path, name, field):
    content = lines(f"id,size,{name}", "1,5,1", "2,6,2")
    assert field in code(sniffed(tmp_path, content))
    assert extracted(tmp_path, content) == (2, 0)


def test_a_header_that_no_contract_can_have_is_skipped(tmp_path):
    text = sniffed(tmp_path, lines("id,a,A,,_file", "1,x,y,z,w", "2,x,y,z,w"))
    assert 'format=Csv(names=["id", "a", "A_3", "column_4", "file_"])' in text
    fields = [
        line.split(":")[0].strip() for line in code(text).splitlines() if line.startswith("    ") and ": " in line
    ]
    assert fields[1:] == ["id", "a", "A_3", "column_4", "file_"]


@pytest.mark.parametrize(
    ("name", "source", "files"),
    [
        ("orders/2024-03-01.csv", "orders", "orders/{date}.csv"),
        ("Sales_2024-03-01.csv", "sales", "Sales_{date}.csv"),
        ("2024-03-01/sales.csv", "sales", "{date}/sales.csv"),
        ("sales.csv", "sales", "sales.csv"),
        ("date.csv", "date_file", "date.csv"),
        ("3 [a] days.csv", "source_3_a_days", "3 _a_ days.csv"),
    ],
)
def test_the_source_takes_its_name_and_files_from_the_path(tmp_path, name, source, files):
    text = code(sniffed(tmp_path, lines("id,a", "1,x", "2,y"), name))
    assert f"\n{source} = Source(contract=" in text
    assert f'files="{files}"' in text


def test_a_column_with_the_name_of_the_partition_column_moves_the_partition(tmp_path):
    content = lines("id,delivery_date", "1,2024-01-01", "2,2024-01-02")
    assert 'partition="file_date"' in sniffed(tmp_path, content)
    assert extracted(tmp_path, content) == (2, 0)


def test_a_larger_file_is_sampled_and_the_proposal_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "SAMPLE_BYTES", 100)
    text = sniffed(tmp_path, lines("id,n", *(f"{i},{i % 10}" for i in range(100))))
    assert "Proposed by `etl sniff` from the first 20 records" in comments(text)


@pytest.mark.parametrize("path", sorted(ORDERS.iterdir()), ids=lambda path: path.name)
def test_the_proposal_for_the_sample_of_orders_accepts_all_but_broken_records(tmp_path, path):
    content = path.read_bytes()
    broken = sum(line.count(b"|") != 3 for line in content.splitlines())
    assert extracted(tmp_path, content, f"orders/{path.name}") == (len(content.splitlines()) - broken, broken)


def test_the_proposal_accepts_a_file_with_nulls_quotes_and_odd_names(tmp_path):
    rows = [
        f'{i},"a ""b"", {i}",{i / 3},{"NA" if i % 5 else i},"",2024-01-02T03:04:05Z,{10**20}' for i in range(40)
    ]
    header = 'id,"say, what",x y,n,empty,at,large'
    assert extracted(tmp_path, lines(header, *rows)) == (40, 0)


CELL = st.sampled_from(
    (
        *("", "NA", "-", "1", "007", "-3", "1.5", "1e5", "1e400", "9" * 25, "true", "NaN", "inf", "#N/A"),
        *("2024-02-30", "2024-02-29", "2024-01-01 10:00", "2024-01-01 25:00:00", '"quoted, so"', '""', '"NA"'),
        *("a b", "x", "é", " 1"),
    )
)


@settings(max_examples=examples(5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), width=st.integers(2, 4))
def test_a_proposal_accepts_every_sound_record_of_its_file(tmp_path_factory, data, width):
    pools = [data.draw(st.lists(CELL, min_size=1, max_size=3)) for _ in range(width)]
    rows = data.draw(
        st.lists(st.tuples(*(st.sampled_from(pool) for pool in pools)).map(",".join), min_size=2, max_size=8)
    )
    content = lines(",".join(f"name_{i}" for i in range(width)), *rows)
    folder = tmp_path_factory.mktemp("project")
    accepted, rejected = extracted(folder, content)
    # a header of names alone may be taken for a record above text; no record is taken for anything else
    assert accepted in (len(rows), len(rows) + 1)
    assert rejected == 0


@pytest.mark.parametrize(
    ("content", "names", "rows"),
    [
        # no header, and a header of words; in doubt a record
        ("Berlin,DE,foo\nWien,AT,bar\nBern,CH,baz\n", ["column_1", "column_2", "column_3"], 3),
        ("Country,City\nGermany,Bonn\nFrance,Paris\n", ["Country", "City"], 2),
        ("id,amount,note\nx?,n.v.,first\n1,2.5,a\n2,3.5,b\n", ["id", "amount", "note"], 3),
        ("geo,2019,2020\nDE,1.5,2.5\nFR,3.5,:\n", ["geo", "2019", "2020"], 2),
        ("time,temp\n(s),(C)\n1,20.5\n2,21.0\n", ["time (s)", "temp (C)"], 2),
        (",2019,,2020,\nregion,m,f,m,f\nN,1,2,3,4\nS,5,6,7,8\n", None, 2),
        # what stands above, below and between
        ("sep=;\nid;v\n1;a\n2;b\n", ["id", "v"], 2),
        ("Title,,\n,,\nid,a,b\n1,x,\n2,y,z\n", ["id", "a", "b"], 2),
        ("id,v\n1,a\n2,b\nid,v\n3,c\n", ["id", "v"], 3),
        ("region,a\nNorth,1\nSouth,3\n\nSource: Office for statistics, 2021\n", ["region", "a"], 2),
        ("item,n\nbox,1\noil,2\nTotal oil,3\n", ["item", "n"], 3),
        ("------\n|Kd |Wert |\n------\n|01 | 2,50|\n|02 |13,00|\n------\n", None, 2),
        # divided by blanks, by width, or not at all
        ('a - [x y] "GET /" 200\nb - [x y] "PUT /" 404\n', None, 2),
        ("ID   NAME     EUR\n1    Smith   1.50\n2    Miller 22.00\n", ["ID", "NAME", "EUR"], 2),
        ("HDR2024\nDTL01 Ann  \nDTL02 Smith\nTRL0002\n", None, 2),
        ("email\na@x.de\nb@y.de\n", ["email"], 2),
        ("id\x01name\n1\x01a\n2\x01b\n", ["id", "name"], 2),
    ],
)
def test_every_record_of_an_odd_file_is_a_row_and_nothing_else_is(tmp_path, content, names, rows):
    assert extracted(tmp_path, content, "odd_2024-03-01.txt") == (rows, 0)
    if names:
        (source,) = load_catalog(tmp_path / "contracts").sources.values()
        assert [column.name for column in source.contract.columns] == names


def test_a_column_with_marks_or_dates_of_its_own_says_so_in_its_metadata(tmp_path):
    content = lines("n;lat;day;at", "1.234,50;48.1;31.12.2024;2024-03-01", "99,90;7.25;01.02.2024;2024-03-02")
    assert extracted(tmp_path, content) == (2, 0)
    first = tiny.rows_of(load_project(tmp_path), columns='n, lat, day, "at"')[0]
    assert first == (1234.5, 48.1, date(2024, 12, 31), date(2024, 3, 1))


@pytest.mark.parametrize(
    ("texts", "metadata", "value"),
    [
        (["1234.56-", "99.00"], '{"number": {"negative": "after"}}', -1234.56),
        (["(900.23)", "$1,500.00"], '"number": {"units": ["$"], "negative": "brackets"}', -900.23),
        (["12,5 %", "100 %"], '{"number": {"percent": True}, "decimal": ","}', 0.125),
        (["3,5 kg", "12 kg"], '{"number": {"units": ["kg"]}, "decimal": ","}', 3.5),
        (["1.234,50 €", "-3,20 EUR"], '"number": {"units": ["EUR", "€"]}', 1234.5),
        (["12.50 DR", "3.00 CR"], '{"number": {"signs": {"CR": "+", "DR": "-"}}}', -12.5),
        (["2024-03-28", "28.03.2024"], '{"format": ["iso", "%d.%m.%Y"]}', date(2024, 3, 28)),
        (["28. März 2024", "3. Januar 2024"], '{"format": "%d. %B %Y", "months": "de"}', date(2024, 3, 28)),
        (["12a", "13a"], "note: str\n", "12a"),
        (["001 EUR", "002 EUR"], "note: str\n", "001 EUR"),
        (["3 kg", "2 lb"], "note: str\n", "3 kg"),
    ],
)
def test_spellings_of_numbers_and_dates_are_declared_and_codes_stay_text(tmp_path, texts, metadata, value):
    content = lines("id;note", *(f"{n};{text}" for n, text in enumerate(texts)))
    assert metadata in sniffed(tmp_path, content)
    assert extracted(tmp_path, content) == (2, 0)
    assert tiny.rows_of(load_project(tmp_path), columns="note")[0] == (value,)


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [("created", "1709287200", "epoch_s"), ("ts", "1709287200000", "epoch_ms"), ("day", "45352", "excel_1900")],
)
def test_numbers_that_count_seconds_or_days_are_moments_if_their_name_says_so(tmp_path, name, text, format):
    content = lines(f"id,{name}", f"1,{text}", f"2,{int(text) + 1}")
    assert f'metadata={{"format": "{format}"}}' in sniffed(tmp_path, content)
    assert extracted(tmp_path, content) == (2, 0)
    assert "format" not in sniffed(tmp_path, content.replace(name, "n")).partition("class")[2]


def test_blanks_around_numbers_are_trimmed_by_declaration(tmp_path):
    content = lines("id,n", "1, 2.50", "2,13.00 ", "3,  ")
    text = sniffed(tmp_path, content)
    assert 'n: float = pa.Field(nullable=True, metadata={"clean": {"trim": True, "empty_to_null": True}})' in text
    assert extracted(tmp_path, content) == (3, 0)


def test_json_lines_and_arrays_name_their_format_and_nested_values_are_text(tmp_path):
    records = [
        {"id": i, "name": f"n{i}", "ok": True, "tags": [1], "price": i / 2 if i else None} for i in range(4)
    ]
    text = sniffed(tmp_path, "\n".join(map(json.dumps, records)), "shop.jsonl")
    assert "from etl import JsonLines, Source" in text and "format=JsonLines()" in text
    assert "price: float = pa.Field(nullable=True)" in text
    assert "# nested: JSON text\n    tags: str\n" in text
    assert "format=Json()" in sniffed(tmp_path, json.dumps(records, indent=1), "shop.json")


def test_parquet_is_proposed_from_its_schema(tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int32()),
            "n": pa.array([1, None], pa.int64()),
            "price": pa.array([Decimal("1.50"), Decimal("2.00")], pa.decimal128(9, 2)),
            "day": [date(2024, 1, 1), date(2024, 1, 2)],
            "at": [datetime(2024, 1, 1), datetime(2024, 1, 2)],
            "tags": [[1], [2]],
        }
    )
    path = tmp_path / "shop.parquet"
    pq.write_table(table, path)
    text = propose(path)
    assert "id: int = pa.Field(unique=True)" in text
    assert "n: pd.Int64Dtype = pa.Field(nullable=True)" in text
    assert "price: Annotated[pd.ArrowDtype, pyarrow.decimal128(9, 2)]" in text
    assert "day: date\n" in text and "at: pd.Timestamp\n" in text
    assert "format=Parquet()" in text
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "shop.py").write_text(text.replace("format=Parquet()", "").replace("Parquet", "Csv"))
    assert list(load_catalog(folder).sources) == ["shop"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "a.csv", "is empty"),
        (b"\n\n", "a.csv", "is empty"),
        (bytes(range(256)) * 9, "a.csv", "is binary"),
        (b"one and\ntwo, then\nthree\n", "a.csv", r"no delimiter divides .* Say which one does"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "a.xls", r"is an .xls workbook, .* Ask for an .xlsx"),
        (b"id,name\n", "a.csv.gz", "cannot be"),
        (gzip.compress(b"id,a\n1,2\n", mtime=0), "a.csv", r"packed as gz, .* Rename it to end in \.gz"),
        (b'[{"a": 1},\n nothing]', "a.json", "is not JSON"),
        (b"PAR1 and no more", "a.parquet", "is not sound Parquet"),
    ],
)
def test_what_cannot_be_proposed_is_refused_with_what_to_do(tmp_path, content, name, message):
    with pytest.raises(ConfigError, match=message) as refused:
        sniffed(tmp_path, content, name)
    assert refused.value.exit_code == 35


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        propose(tmp_path / "gone.csv")
    with pytest.raises(ConfigError, match="is a folder without a file"):
        propose(tmp_path)


def test_a_given_delimiter_may_leave_one_column(tmp_path):
    assert "word: str" in sniffed(tmp_path, "word\none two\nthree four\n", delimiter=",")


def test_the_command_prints_the_proposal(tmp_path):
    (tmp_path / "a.csv").write_text("id;n\n1;2\n")
    result = CliRunner().invoke(cli, ["sniff", str(tmp_path / "a.csv"), "--delimiter", ";"])
    assert result.exit_code == 0 and 'Csv(delimiter=";")' in result.output


def test_the_command_writes_the_proposal_to_a_file_and_over_none(tmp_path):
    (tmp_path / "a.csv").write_text("id;n\n1;2\n")
    command = ["sniff", str(tmp_path / "a.csv"), "--out", str(tmp_path / "contracts" / "a.py")]
    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, ConfigError) and "does not exist" in str(refused.exception)

    (tmp_path / "contracts").mkdir()
    written = CliRunner().invoke(cli, command)
    assert written.exit_code == 0 and f"Written to {tmp_path / 'contracts' / 'a.py'}" in written.output
    text = (tmp_path / "contracts" / "a.py").read_text()
    assert "from etl import Csv, Source" in text
    assert list(load_catalog(tmp_path / "contracts").sources) == ["a"]

    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, ConfigError) and "already exists" in str(refused.exception)
    assert (tmp_path / "contracts" / "a.py").read_text() == text


@pytest.mark.parametrize("answer", ["", "|", ","])
def test_the_delimiter_is_found_whatever_csv_sniffer_answers(monkeypatch, answer):
    monkeypatch.setattr(dialect, "_sniffed", lambda head: answer)
    assert dialect.find_dialect((ORDERS / "2018-05-24.psv").read_text()).delimiter == b"|"


def test_a_contract_that_was_proposed_before_loads_as_it_is(tmp_path):
    content = lines("id;price", "1;2,5", "2;7,5")
    today = sniffed(tmp_path, content)
    before = today.replace(
        "from etl import Csv, Source", "from etl.contract import Source\nfrom etl.formats import Csv"
    )
    assert before != today
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "sales.py").write_text(before)
    (source,) = load_catalog(tmp_path / "before").sources.values()
    assert source.format.delimiter == ";"
