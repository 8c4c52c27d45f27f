"""Parquet files: every value as text that reads back as exactly that value."""

import datetime as dt
import json
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.contract.parse import parsed
from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Parquet, format_from, format_to

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_columns_are_found_by_name_and_a_row_is_a_json_object(tmp_path, table):
    path = written(tmp_path / "a.parquet", {"price": pa.array([Decimal("1.10"), None]), "id": [1, 2]})
    found = table(Parquet(), path, ["id", "price"])
    assert found.columns == ("price", "id")
    assert found.rows == [("1.10", "1"), (None, "2")]
    assert found.places == [(1, '{"price":"1.10","id":"1"}', None), (2, '{"price":null,"id":"2"}', None)]


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [
        (0.1, pa.float32(), "0.1"),
        (0.30000000000000004, pa.float64(), "0.30000000000000004"),
        (float("-inf"), pa.float64(), "-inf"),
        (1.0, pa.float64(), "1"),
        (-0.0, pa.float64(), "-0"),
        (2.0**53 - 1, pa.float64(), "9007199254740991"),
        (2.0**53, pa.float64(), "9007199254740992.0"),
        (2.0**24, pa.float32(), "16777216.0"),
        (True, pa.bool_(), "true"),
        (2**64 - 1, pa.uint64(), "18446744073709551615"),
        (Decimal("99999999999999999999999999999999.999999"), pa.decimal128(38, 6), "9" * 32 + ".999999"),
        (dt.date(2024, 2, 29), pa.date32(), "2024-02-29"),
        (dt.time(1, 2, 3, 4), pa.time64("us"), "01:02:03.000004"),
        (dt.datetime(2024, 1, 2), pa.timestamp("us"), "2024-01-02 00:00:00"),
        (1, pa.timestamp("ns"), "1970-01-01 00:00:00.000000001"),
        (dt.datetime(1800, 1, 2, tzinfo=dt.UTC), pa.timestamp("us", "Asia/Kolkata"), "1800-01-02 00:00:00+00"),
        ([1, None], pa.list_(pa.int8()), "[1,null]"),
        ({"a": "é", "b": [Decimal("1.10")]}, None, '{"a":"é","b":[1.1]}'),
        ("line\nbreak \0 \\xAA", pa.string(), "line\nbreak \0 \\xAA"),
    ],
)
def test_values_of_every_type_are_exact_text(tmp_path, table, value, type, text):
    path = written(tmp_path / "a.parquet", {"a": pa.array([value], type)})
    assert table(Parquet(), path, ["a"]).rows == [(text,)]


def test_a_column_of_bytes_is_refused_unless_it_is_declared(tmp_path, table):
    path = written(tmp_path / "a.parquet", {"a": pa.array([b"\xffA"]), "b": [1]})
    with pytest.raises(UnreadableError, match=r"column 'a' holds bytes.*binary=\['a'\]"):
        table(Parquet(), path, ["a", "b"])
    assert table(Parquet(), path, ["b"]).columns == ("a", "b")
    assert table(Parquet(binary=["a"]), path, ["a"]).rows == [("\\xFFA", "1")]


def test_a_name_that_etl_needs_is_refused(tmp_path, table):
    with pytest.raises(UnreadableError, match="File_Index"):
        table(Parquet(), written(tmp_path / "a.parquet", {"File_Index": [1]}), ["a"])


def test_names_are_never_code(tmp_path, table):
    name = "a\"; drop table x; --'"
    assert table(Parquet(), written(tmp_path / "a.parquet", {name: ["x"]}), [name]).rows == [("x",)]


def test_a_folder_name_is_no_column(tmp_path, table):
    folder = tmp_path / "b=1"
    folder.mkdir()
    assert table(Parquet(), written(folder / "a*[x].parquet", {"a": [1]}), ["a"]).columns == ("a",)


@pytest.mark.parametrize("damage", [lambda c: c[:-20], lambda c: c[:4], lambda c: b"", lambda c: b"id\n1\n"])
def test_a_file_cut_off_is_refused(tmp_path, table, damage):
    path = written(tmp_path / "a.parquet", {"a": list(range(1000))})
    with pytest.raises(UnreadableError, match="not a sound Parquet file"):
        table(Parquet(), damage(path.read_bytes()), ["a"])


@pytest.mark.parametrize(
    "values",
    [
        [str(n) * 9 for n in range(5000)],
        list(range(5000)),
        [n / 7 for n in range(5000)],
        [Decimal(n) / 4 for n in range(5000)],
        [dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(5000)],
        [dt.datetime(2024, 1, 1) + dt.timedelta(n) for n in range(5000)],
        [[n] for n in range(5000)],
        [{"b": n} for n in range(5000)],
    ],
    ids=lambda values: type(values[0]).__name__,
)
def test_damage_in_the_middle_is_found_when_the_file_is_opened(tmp_path, values):
    path = written(tmp_path / "a.parquet", {"a": values}, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="not a sound Parquet file"):
        Parquet().open(path, ["a"], tmp_path / "scratch")


def test_a_row_is_read_again_from_its_text(tmp_path, table):
    path = written(tmp_path / "a.parquet", {"a": [[1.5, None]], "b": ["x\ny"], "c.d": [Decimal("1.10")]})
    found = table(Parquet(), path, ["a"])
    assert table(Parquet().record_format(found.columns), found.places[0].text, [*found.columns]).rows == found.rows
    hidden = {"b": lambda text: "*"}
    assert Parquet().redacted(found.places[0].text, found.columns, hidden) == (
        '{"a":"[1.5,null]","b":"*","c.d":"1.10"}'
    )


def test_wrong_options_are_told_and_right_ones_survive_the_cache():
    with pytest.raises(ContractError, match="means nothing"):
        Parquet(decimal=",")
    fmt = Parquet(binary=["a"])
    assert format_from(json.loads(json.dumps(format_to(fmt)))) == fmt


TYPES = {
    "BIGINT": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "DOUBLE": (pa.float64(), st.floats()),
    "FLOAT": (pa.float32(), st.floats(width=32)),
    "DECIMAL(20,4)": (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4)),
    "BOOLEAN": (pa.bool_(), st.booleans()),
    "DATE": (pa.date32(), st.dates()),
    "TIMESTAMP": (pa.timestamp("us"), st.datetimes()),
    "TIMESTAMP WITH TIME ZONE": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "VARCHAR": (pa.string(), st.text()),
}


@FUZZ
@given(st.data(), st.sampled_from(list(TYPES)), st.integers(1, 3))
def test_what_a_writer_wrote_comes_back(tmp_path, data, type, row_group):
    arrow, values = TYPES[type]
    wanted = pa.array(data.draw(st.lists(st.none() | values, min_size=1, max_size=5)), arrow)
    path = written(tmp_path / "a.parquet", {"a": wanted}, row_group_size=row_group)
    opened = Parquet().open(path, ["a"], tmp_path / "scratch")
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'Africa/Monrovia'")
        cells = opened.reader.numbered(path, ["a"])
        found = con.execute(f"select {parsed('a', type)}, ({parsed('a', type)})::varchar from {cells}").fetchall()
        con.register("original", pa.table({"a": wanted}))
        expected = con.execute("select a, a::varchar from original").fetchall()
    assert list(map(str, found)) == list(map(str, expected))


@FUZZ
@given(st.binary(max_size=80))
def test_any_bytes_are_refused(table, content):
    for whole in (content, b"PAR1" + content + b"PAR1"):
        with pytest.raises(UnreadableError):
            table(Parquet(), whole, ["a"])
