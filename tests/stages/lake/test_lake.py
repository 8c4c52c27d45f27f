"""What becomes of a raw file's records: rows of the lake or rejects in quarantine, and none of them lost."""

import codecs
import json
import re
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract, Rule, Unique
from etl.errors import DeliveryError, EtlError
from etl.ledger import Key, Ledger, Receipt
from etl.ledger.rows import WHY
from etl.project import Project
from etl.sources.formats import Csv, splitter
from etl.stages import lake
from tests.support import tiny
from tests.support.thorough import examples

BLANK = b"\r\n"
DIRT = st.sampled_from(
    [b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b"1", b"7", b"-5", b" ", b"\0", b"\xff", b"x,2\n"]
)
LINES = st.sampled_from([b"1,book,5\n", b"2,pen,\n", b'3,"a,b",1.25\n', b"4,x\n", b"x,y,z\n", b'5,"u\nv",1\n'])
TEXTS = st.sampled_from([b"a,b\n", b'"a","b"\n', b'a,"b\nc"\n', b"a,\n"])


def day(root: Path, text: str | bytes, **options: Any) -> tuple[Project, list[Receipt]]:
    """Extract one file of sales."""
    project = tiny.project(root, raw={"sales/2024-03-01.csv": text})
    return project, tiny.take(project, tiny.sales(**options))


def refused(root: Path, text: str | bytes, message: str, **options: Any) -> Project:
    """Extract one file of sales that is refused with `message`."""
    project = tiny.project(root, raw={"sales/2024-03-01.csv": text})
    with pytest.raises(DeliveryError, match=message):
        tiny.take(project, tiny.sales(**options))
    return project


def counts(receipt: Receipt) -> tuple[int, int, int]:
    return receipt.details["records"], receipt.details["rows"], receipt.details["rejected"]


def test_good_rows_go_to_the_lake_with_their_types_date_and_file(tmp_path: Path) -> None:
    project, (receipt,) = day(tmp_path, tiny.HEADER + "1,book,9.5\n2,,\n")

    assert counts(receipt) == (2, 2, 0)
    assert tiny.rows_of(project) == [
        (1, "book", Decimal("9.50"), tiny.DAY, "sales/2024-03-01.csv"),
        (2, None, None, tiny.DAY, "sales/2024-03-01.csv"),
    ]
    (file,) = project.lake.glob("sales/delivery_date=2024-03-01/data.parquet")
    with duckdb.connect() as con:
        columns = con.execute(f"describe from read_parquet('{file}', hive_partitioning = false)").fetchall()
    assert [(name, kind) for name, kind, *_ in columns] == [
        ("id", "BIGINT"),
        ("item", "VARCHAR"),
        ("price", "DECIMAL(9,2)"),
        ("delivery_date", "DATE"),
        ("_file", "VARCHAR"),
    ]


def test_rejects_keep_their_line_their_rules_and_their_exact_text(tmp_path: Path) -> None:
    text = 'id,item,price\r\n1,"two\r\nlines",1\r\nx, "é,-5\r\ny,z,-5\r\n3,ok,1.234\r\n4,ok\r\n'
    project, (receipt,) = day(tmp_path, text)

    assert counts(receipt) == (5, 1, 4)
    assert tiny.rejects_of(project, columns="line, rule, column_name, message, text") == [
        (4, "record", None, "a quote is stray or not closed", 'x, "é,-5'),
        (5, "id.dtype", "id", "id.dtype: id is not a BIGINT; price.ge: price = -5.00 is not >= 0", "y,z,-5"),
        (6, "price.dtype", "price", "price.dtype: price is not a DECIMAL(9,2)", "3,ok,1.234"),
        (7, "record", None, "2 cells where the contract has 3", "4,ok"),
    ]
    assert tiny.rejects_of(project, columns="distinct source, date, file, run_id") == [
        ("sales", tiny.DAY, "sales/2024-03-01.csv", "run-1")
    ]


def test_a_lake_file_says_where_it_comes_from(tmp_path: Path) -> None:
    project, (receipt,) = day(tmp_path, tiny.HEADER + "1,book,2000\n")

    (file,) = project.lake.glob("sales/*/data.parquet")
    with duckdb.connect() as con:
        query = f"select decode(key), decode(value) from parquet_kv_metadata('{file}')"
        found = dict(con.execute(query).fetchall())
    assert found["source"] == "sales"
    assert found["date"] == "2024-03-01"
    assert found["run_id"] == "run-1"
    assert found["fingerprint"] == receipt.fingerprint
    facts = json.loads(found["facts"])
    assert facts["file"] == "sales/2024-03-01.csv"
    assert facts["records"] == 1
    assert facts["warnings"] == {"price.dear": 1}


def test_a_header_that_lacks_a_column_is_refused_with_all_its_records(tmp_path: Path) -> None:
    message = "sales 2024-03-01: .*column 'price' .*missing: the header found is id, item"
    project = refused(tmp_path, "id,item\n1,book\n2,\xff\n".encode("latin-1"), message)

    assert tiny.rejects_of(project) == [
        (2, "partition.refused", "1,book"),
        (3, "partition.refused", "2,\\xff"),
    ]
    assert not list(project.lake.rglob("*.parquet"))
    assert Ledger(project.ledger).receipts() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,item,price,colour\n1,a,1,red\n", "'colour' is not in the contract"),
        ("id,item,item,price\n1,a,b,1\n", "a column appears twice"),
        ("ID,item,price\n1,a,1\n", "'id' of the contract is missing"),
        ("", "the file has no header at all"),
    ],
)
def test_a_header_that_is_not_the_contracts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path, text, message)


def test_the_columns_may_come_in_another_order(tmp_path: Path) -> None:
    project, _ = day(tmp_path, 'price,"id",item\n5,1,book\n')

    assert tiny.rows_of(project, columns="id, item, price") == [(1, "book", Decimal(5))]


def test_a_column_that_is_not_required_may_be_absent(tmp_path: Path) -> None:
    columns = (Column("id", "BIGINT", False), Column("note", "VARCHAR", True, required=False))

    project, _ = day(tmp_path, "id\n1\n", contract=Contract("Sales", columns))

    assert tiny.rows_of(project, columns="id, note") == [(1, None)]


def test_an_optional_source_goes_on_without_a_refused_delivery(tmp_path: Path) -> None:
    project, (receipt,) = day(tmp_path, "id,item\n1,book\n", optional=True)

    assert receipt.outcome == "refused"
    assert "column 'price'" in receipt.details["refused"]
    assert counts(receipt) == (1, 0, 1)
    assert Ledger(project.ledger).receipt(receipt.key) is not None
    assert tiny.rejects_of(project) == [(2, "partition.refused", "1,book")]


def test_the_reject_limit_applies_from_a_thousand_records(tmp_path: Path) -> None:
    bad, good = "x,,\n", "".join(f"{n},,\n" for n in range(989))

    _, (receipt,) = day(tmp_path / "999", tiny.HEADER + bad * 10 + good)
    assert counts(receipt) == (999, 989, 10)
    message = r"11 of 1,000 records break .* max_reject_ratio = 0.01 .*id.dtype 11.*line 2: x,,; line 3"
    project = refused(tmp_path / "1000", tiny.HEADER + bad * 11 + good, message)
    assert tiny.rejects_of(project, columns="count(*)") == [(1000,)]
    _, (receipt,) = day(tmp_path / "all", tiny.HEADER + bad * 1000, max_reject_ratio=1.0)
    assert counts(receipt) == (1000, 0, 1000)


def test_a_refused_record_keeps_its_own_fault_too(tmp_path: Path) -> None:
    project = refused(tmp_path, tiny.HEADER + "x,,\n" * 1000 + "1,a,1\n", "1,000 of 1,001")

    rows = tiny.rejects_of(project, columns="line, rule, message")
    assert len(rows) == 1001
    assert {rule for _, rule, _ in rows} == {"partition.refused"}
    assert rows[0][2].endswith("; this record: id.dtype: id is not a BIGINT")
    assert "this record" not in rows[-1][2]


def test_a_row_that_is_not_of_its_files_date_is_rejected(tmp_path: Path) -> None:
    contract = Contract("Sales", (Column("id", "BIGINT", False), Column("day", "DATE", True)))
    text = "id,day\n1,2024-03-01\n2,2024-03-02\n3,\n"

    project, _ = day(tmp_path, text, contract=contract, partition="day")

    assert tiny.rows_of(project, columns="id, day") == [(1, tiny.DAY)]
    assert tiny.rejects_of(project, columns="line, rule, message") == [
        (3, "partition", "partition: day = 2024-03-02 is not the date of the file"),
        (4, "partition", "partition: day is not the date of the file"),
    ]


def test_all_records_of_the_same_key_are_rejected(tmp_path: Path) -> None:
    project, _ = day(tmp_path, tiny.HEADER + "1,a,1\n2,b,1\n1,c,1\n")

    assert tiny.rows_of(project, columns="id") == [(2,)]
    assert tiny.rejects_of(project) == [(2, "id.unique", "1,a,1"), (4, "id.unique", "1,c,1")]


def test_a_key_that_is_no_value_is_no_duplicate_of_a_null(tmp_path: Path) -> None:
    contract = Contract("Sales", (Column("id", "BIGINT", True),), uniques=(Unique("id.unique", ("id",)),))

    project, _ = day(tmp_path, "id\n1\nx\nNA\n", contract=contract, format=Csv(null="NA"))

    assert tiny.rows_of(project, columns="id") == [(1,), (None,)]
    assert tiny.rejects_of(project) == [(3, "id.dtype", "x")]


def test_a_warning_keeps_the_row_and_counts_it(tmp_path: Path) -> None:
    _, (clean,) = day(tmp_path / "clean", tiny.HEADER + "1,a,5000\n2,b,1\n")
    _, (dirty,) = day(tmp_path / "dirty", tiny.HEADER + "1,a,5000\n2,b,1\nx,c,5000\n")

    assert clean.details["warnings"] == {"price.dear": 1}
    assert counts(clean) == (2, 2, 0)
    assert dirty.details["warnings"] == {"price.dear": 1}
    assert counts(dirty) == (3, 2, 1)


def test_a_file_that_changed_since_the_plan_is_not_taken(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": tiny.HEADER + "1,a,1\n"})
    planned = tiny.found(project, tiny.sales())
    tiny.deliver(project, {"sales/2024-03-01.csv": tiny.HEADER + "1,a,1\n2,b,2\n"})

    with pytest.raises(DeliveryError, match=r"sales 2024-03-01: .* changed while it was read"):
        tiny.take(project, tiny.sales(), planned)
    assert not list(project.lake.rglob("*.parquet"))


def test_a_file_that_vanished_since_the_plan_is_a_delivery_error(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": tiny.HEADER + "1,a,1\n"})
    (planned,) = tiny.found(project, tiny.sales())
    planned.files[0].path.rename(tmp_path / "elsewhere")

    with pytest.raises(DeliveryError, match=r"sales/2024-03-01.csv was there when the run began"):
        lake.extract(project, tiny.sales(), [planned], {planned.date: "x"}, Ledger(project.ledger), "run-1")


def test_one_dirty_file_in_a_batch_costs_the_others_nothing(tmp_path: Path) -> None:
    files = {f"sales/2024-03-{n:02}.csv": f"{tiny.HEADER}{n},a,1\n" for n in range(1, 21)}
    files |= {"sales/2024-03-07.csv": f"{tiny.HEADER}7,a,1\nx,a,1\n", "sales/2024-03-08.csv": "id\n8\n"}
    project = tiny.project(tmp_path, raw=files)

    with pytest.raises(DeliveryError, match=r"^sales 2024-03-08: [^\n]+$"):
        tiny.take(project, tiny.sales())

    assert len(Ledger(project.ledger).receipts()) == 19
    for n in {*range(1, 21)} - {8}:
        assert tiny.rows_of(project, date(2024, 3, n), "id") == [(n,)]


def test_a_refused_delivery_leaves_nothing_of_an_earlier_one_in_the_lake(tmp_path: Path) -> None:
    project, _ = day(tmp_path, tiny.HEADER + "1,a,1\n")
    tiny.deliver(project, {"sales/2024-03-01.csv": "id\n1\n"})

    with pytest.raises(DeliveryError):
        tiny.take(project, tiny.sales())

    assert not list(project.lake.rglob("*.parquet"))


def test_a_corrected_file_leaves_no_rejects_behind(tmp_path: Path) -> None:
    project, _ = day(tmp_path, tiny.HEADER + "x,a,1\n")
    tiny.deliver(project, {"sales/2024-03-01.csv": tiny.HEADER + "1,a,1\n"})

    tiny.take(project, tiny.sales())

    assert tiny.rows_of(project, columns="id") == [(1,)]
    assert not list(project.quarantine.rglob("*.parquet"))


def test_extracting_again_gives_the_same(tmp_path: Path) -> None:
    project, (first,) = day(tmp_path, tiny.HEADER + "1,a,1\nx,b,2\n")
    before = tiny.rows_of(project), tiny.rejects_of(project)

    (second,) = tiny.take(project, tiny.sales())

    assert (tiny.rows_of(project), tiny.rejects_of(project)) == before
    assert (second.fingerprint, counts(second)) == (first.fingerprint, counts(first))
    assert not [path for path in project.scratch.rglob("*") if path.is_file()]


def test_when_the_ledger_is_lost_the_lake_proves_itself(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": tiny.HEADER + "1,a,5000\nx,,\n"})
    tiny.deliver(project, {"sales/2024-03-02.csv": tiny.HEADER + "2,b,1\n"})
    written = tiny.take(project, tiny.sales())

    adopted = lake.adopt(project, [tiny.sales()])

    # but for what only the ledger said: which rules the rejected records broke
    assert {r.key: (r.fingerprint, r.run_id, r.details) for r in adopted} == {
        r.key: (r.fingerprint, r.run_id, {k: v for k, v in r.details.items() if k != WHY}) for r in written
    }


def test_the_receipt_says_which_rules_were_broken_with_the_first_records(tmp_path: Path) -> None:
    _, (receipt,) = day(tmp_path, tiny.HEADER + "1,a,1\n" + "x,b,2\n" * 5 + "2,c,-1\n")

    assert receipt.details[WHY]["rules"] == {"id.dtype": 5, "price.ge": 1}
    examples = receipt.details[WHY]["examples"]
    assert [example["line"] for example in examples["id.dtype"]] == [3, 4, 5]
    (example,) = examples["price.ge"]
    assert (example["file"], example["line"], example["text"]) == ("sales/2024-03-01.csv", 8, "2,c,-1")


def test_nothing_is_said_of_rules_when_the_file_comes_again_without_fault(tmp_path: Path) -> None:
    project, (receipt,) = day(tmp_path, tiny.HEADER + "1,a,1\nx,b,2\n")
    assert WHY in receipt.details
    tiny.deliver(project, {"sales/2024-03-01.csv": tiny.HEADER + "1,a,1\n"})

    (receipt,) = tiny.take(project, tiny.sales())

    assert WHY not in receipt.details


def test_a_partition_whose_rejects_are_lost_is_not_adopted(tmp_path: Path) -> None:
    project, _ = day(tmp_path, tiny.HEADER + "1,a,1\nx,,\n")
    for file in project.quarantine.rglob("*.parquet"):
        file.unlink()

    assert lake.adopt(project, [tiny.sales()]) == []


def test_a_parquet_file_that_etl_did_not_write_is_not_adopted(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    folder = project.lake / "sales" / "delivery_date=2024-03-01"
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"copy (select 1 as id) to '{folder}/data.parquet'")

    assert lake.adopt(project, [tiny.sales()]) == []


def test_a_rule_that_fails_in_duckdb_is_a_delivery_error(tmp_path: Path) -> None:
    rule = Rule("item.number", "cast(item as integer) > 0", "item")
    contract = Contract("Sales", tiny.CONTRACT.columns, (rule,))

    message = r"sales 2024-03-01: sales/2024-03-01.csv could not be extracted: .*'a'"
    refused(tmp_path, tiny.HEADER + "1,a,1\n", message, contract=contract)


def test_rejects_of_a_long_file_have_the_right_text(tmp_path: Path) -> None:
    wanted = {7, 2048, 2049, 59_999}
    lines = [f"{n}{'x' if n in wanted else ''},item {n},1" for n in range(60_000)]

    project, (receipt,) = day(tmp_path, tiny.HEADER + "\n".join(lines))

    assert counts(receipt) == (60_000, 59_996, 4)
    assert tiny.rejects_of(project, columns="line, text") == [(n + 2, lines[n]) for n in sorted(wanted)]
    assert tiny.rows_of(project, columns="bool_and(item = 'item ' || id)") == [(True,)]


COMMAS = splitter.Dialect(b",", b'"', b"", b"", None)


def found_in(content: bytes, width: int) -> list[splitter.Record]:
    """Return the records of a file without a header, by the splitter, which is the law for them."""
    start = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    return list(splitter.split(content, start, 1, COMMAS._replace(width=width)))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny.project(tmp_path_factory.mktemp("law"), raw={}, settings="threads = 1\n")


_ANY = settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])


@_ANY
@given(st.lists(DIRT | LINES, max_size=25).map(b"".join))
@example(b"")
@example(b"1,a,\n2,b,\n")
@example(b"1,a,1,\n2,b\n")
@example(b'1,a,1\r2,"b,1\n3,c,1\r\n')
@example(b'1,a"a,1\n2,b"b,1\n')
@example(b"\n\n1,a,1\n\n")
@example(b"1,\0,1\n")
def test_every_record_of_any_bytes_is_a_row_or_a_reject(workshop: Project, content: bytes) -> None:
    source = tiny.sales(format=Csv(header=False), max_reject_ratio=1.0)
    tiny.deliver(workshop, {"sales/2024-03-01.csv": content})

    (receipt,) = tiny.take(workshop, source)

    records = found_in(content, 3)
    rows = tiny.rows_of(workshop)
    rejects = tiny.rejects_of(workshop) if receipt.details["rejected"] else []
    assert counts(receipt) == (len(records), len(rows), len(rejects))
    assert len(records) == len(rows) + len(rejects)
    by_line = {record.line: content[record.start : record.end] for record in records}
    for line, _, text in rejects:
        shown = by_line[line].removesuffix(b"\n").removesuffix(b"\r")
        assert text == shown.decode("utf-8", "backslashreplace")


@_ANY
@given(st.lists(DIRT | TEXTS, max_size=25).map(b"".join))
@example(b"a,b\rc,d\ne,f\r\n")
@example(b"a,b,\nc\n")
@example(b"a,\n,b\n")
@example(b'"",a\n')
def test_what_the_lake_holds_are_the_cells_of_the_sound_records(workshop: Project, content: bytes) -> None:
    columns = (Column("a", "VARCHAR", True), Column("b", "VARCHAR", True))
    fmt = Csv(header=False, null="NA")
    source = tiny.sales(contract=Contract("Sales", columns), format=fmt, max_reject_ratio=1.0)
    tiny.deliver(workshop, {"sales/2024-03-01.csv": content})

    tiny.take(workshop, source)

    records = found_in(content, 2)
    texts = [content[record.start : record.end].rstrip(BLANK) for record in records if not record.problem]
    assert tiny.rows_of(workshop, columns="a, b") == [tuple(splitter.cells(text, COMMAS)) for text in texts]


def test_receipts_are_named_by_step_source_and_date(tmp_path: Path) -> None:
    _, (receipt,) = day(tmp_path, tiny.HEADER)

    assert receipt.key == Key("extract", "sales", "2024-03-01")
    assert counts(receipt) == (0, 0, 0)


def test_an_empty_cell_takes_its_column_s_default_and_the_file_says_what_columns_are(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": "id,item\n1,\n2,pen\n"})
    item = Column("item", "VARCHAR", False, default="book", description="its name")
    price = Column("price", "DECIMAL(9,2)", False, required=False, default="1.5", unit="EUR")
    contract = replace(tiny.CONTRACT, columns=(tiny.CONTRACT.columns[0], item, price))
    tiny.take(project, tiny.sales(contract=contract))

    assert tiny.rows_of(project, columns="item, price::varchar") == [("book", "1.50"), ("pen", "1.50")]
    (file,) = project.lake.glob("sales/*/data.parquet")
    query = "select decode(value) from parquet_kv_metadata($1) where decode(key) = 'columns'"
    ((text,),) = duckdb.connect().execute(query, [str(file)]).fetchall()
    assert json.loads(text) == {"item": {"description": "its name"}, "price": {"unit": "EUR"}}


def test_many_rejects_are_written_a_part_at_a_time_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["etl.stages.lake.place"], "_REJECTS_AT_ONCE", 3)
    lines = ["1,a,1", "x,b,1", "2,c", "y,d,1", '3,"e', "z,f,1", "4,g", "5,h,1"]

    project, (receipt,) = day(tmp_path, tiny.HEADER + "\n".join(lines), max_reject_ratio=1.0)

    assert counts(receipt) == (8, 2, 6)
    assert tiny.rejects_of(project, columns="line, text") == [(n + 2, lines[n]) for n in range(1, 7)]


@pytest.mark.parametrize(
    ("rule", "value", "told"),
    [
        (
            Rule("price.ge", '"price" >= 0', "price", "greater_than_or_equal_to(0)"),
            "-4.5",
            "price = -4.50 is not >= 0",
        ),
        (Rule("price.lt", '"price" < 5', "price", "less_than(5)"), "7", "price = 7.00 is not < 5"),
        (Rule("price.in_range", '"price" < 5', "price", "in_range(0, 5)"), "7", "price = 7.00: in_range(0, 5)"),
        (Rule("price.odd", '"price" < 5', "price", "the price is odd"), "7", "price = 7.00: the price is odd"),
        (Rule("item.isin", "\"item\" = 'x'", "item", "isin(['x'])"), "7", "item = pen: isin(['x'])"),
        (Rule("row", '"price" < 5', None, "the price is odd"), "7", "the price is odd"),
    ],
)
def test_the_value_that_breaks_a_rule_is_told(tmp_path: Path, rule: Rule, value: str, told: str) -> None:
    contract = replace(tiny.CONTRACT, rules=(rule,))
    project, _ = day(tmp_path, f"id,item,price\n1,pen,{value}\n", contract=contract)
    assert tiny.rejects_of(project, columns="message") == [(f"{rule.name}: {told}",)]


def test_a_long_value_is_cut_and_a_masked_one_is_not_told(tmp_path: Path) -> None:
    rule = Rule("item.short", 'length("item") < 5', "item", "str_length(0, 4)")
    text = "id,item,price\n1," + "x" * 2000 + ",1\n"
    project, _ = day(tmp_path / "plain", text, contract=replace(tiny.CONTRACT, rules=(rule,)))
    assert tiny.rejects_of(project, columns="message") == [
        (f"item.short: item = {'x' * 100}... (2000 characters): str_length(0, 4)",)
    ]
    columns = tuple(replace(c, pii="drop") if c.name == "item" else c for c in tiny.CONTRACT.columns)
    masked, _ = day(tmp_path / "masked", text, contract=replace(tiny.CONTRACT, columns=columns, rules=(rule,)))
    assert tiny.rejects_of(masked, columns="message") == [("item.short: str_length(0, 4)",)]


def test_a_name_in_the_header_that_only_looks_right_is_shown_with_its_code_points(tmp_path: Path) -> None:
    contract = Contract("Sales", (Column("id", "BIGINT", False), Column("K\u00f6ln", "BIGINT", True)))
    said = "New: Ko\u0308ln (it is Ko<U+0308>ln, not K<U+00F6>ln). If it is `Köln`, add metadata={'aliases': ["
    refused(tmp_path, "id,Ko\u0308ln\n1,2\n", re.escape(said), contract=contract)


def test_a_name_in_the_header_forges_no_line(tmp_path: Path) -> None:
    text = 'id,item,price,"x\n02:15:04 published\x1b[2J"\n1,a,1,1\n'
    refused(tmp_path, text, re.escape(r"header found is id, item, price, x\n02:15:04 published\x1b[2J"))


@pytest.mark.parametrize("days", [1, 3])
def test_a_check_in_python_that_raises_names_source_and_date(tmp_path, days):
    check = (
        "\n    @pa.check('item')\n    def known(cls, items):\n        return items.map({'book': 1}.__getitem__)\n"
    )
    contracts = tiny.CONTRACTS.replace("\nsales = ", f"{check}\nsales = ")
    raw = {f"sales/2024-03-0{day}.csv": f"id,item\n{day},book\n" for day in range(1, days)}
    project = tiny.project(tmp_path, contracts, raw={**raw, f"sales/2024-03-0{days}.csv": "id,item\n9,pen\n"})

    with pytest.raises(EtlError) as failed:
        tiny.night(project)

    assert f"sales 2024-03-0{days}: sales/2024-03-0{days}.csv: Contract Sales, column 'item'" in str(failed.value)
    assert "its Python function raised KeyError: 'pen'" in str(failed.value)


def test_a_check_over_some_columns_of_a_contract_whose_columns_may_all_be_null(tmp_path):
    contracts = (
        "import pandas as pd\nimport pandera.pandas as pa\nfrom etl import Source\n"
        "class Two(pa.DataFrameModel):\n"
        "    a: pd.Int64Dtype = pa.Field(nullable=True)\n    b: pd.Int64Dtype = pa.Field(nullable=True)\n"
        "    c: str = pa.Field(nullable=True)\n"
        "    @pa.dataframe_check\n    def ordered(cls, df):\n"
        "        return df['a'].fillna(9) <= df['b'].fillna(0)\n"
        'two = Source(contract=Two, files="two/{date}.csv", max_reject_ratio=1.0)\n'
    )
    # a row of nulls alone is not judged; one with a text is
    raw = {"two/2024-03-01.csv": "a,b,c\n1,2,x\n,,\n,,y\n3,1,\n"}
    project = tiny.project(tmp_path, contracts, {}, raw)
    tiny.night(project)

    assert tiny.published(project, "select c from raw.two order by all") == [("x",), (None,)]
    assert tiny.published(project, "select line from etl.rejects order by all") == [(4,), (5,)]
