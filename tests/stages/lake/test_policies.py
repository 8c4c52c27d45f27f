"""What a source says of columns, duplicates and limits, and what then becomes of its files."""

import json
import re
from pathlib import Path

import pytest

from etl.contract import Column, Contract, Unique
from etl.errors import DeliveryError
from etl.project import Project
from etl.sources.formats import Csv
from tests.support import tiny

ID = Column("id", "BIGINT", False)
ITEM = Column("item", "VARCHAR", True, aliases=("Artikel", "article"))
CONTRACT = Contract("Sales", (ID, ITEM))
KEYED = Contract("Sales", (ID, ITEM), uniques=(Unique("id.unique", ("id",)),))


def taken(root: Path, delivered: dict[str, str | bytes], **options) -> Project:
    project = tiny.project(root, raw={f"sales/{name}": text for name, text in delivered.items()})
    receipts = tiny.take(project, tiny.sales(**{"contract": CONTRACT, **options}))
    for receipt in receipts:
        assert receipt.details["records"] == receipt.details["rows"] + receipt.details["rejected"]
    return project


def one(root: Path, text: str | bytes, **options) -> Project:
    return taken(root, {"2024-03-01.csv": text}, **options)


def test_a_column_that_the_contract_lacks_refuses_the_file(tmp_path):
    with pytest.raises(
        DeliveryError, match="column 'colour' is not in the contract: the header found is id, item, c"
    ):
        one(tmp_path, "id,item,colour\n1,a,red\n")


def test_or_is_left_out(tmp_path):
    project = one(tmp_path, "colour,id,item\nred,1,a\nred,2\n", extra="ignore")

    assert tiny.rows_of(project, columns="* exclude (delivery_date, _file)") == [(1, "a")]
    assert tiny.rejects_of(project) == [(3, "record", "red,2")]


def test_or_is_kept_as_text(tmp_path):
    text = 'id,a"b,item,"x;y\nz"\n1,red,a,\n2,"q""u",b,\'5\'\n'.replace('a"b', '"a""b"')
    project = one(tmp_path, text, extra="keep")

    kept = [(id, json.loads(extra)) for id, extra in tiny.rows_of(project, columns="id, _extra")]
    assert kept == [(1, {'a"b': "red", "x;y\nz": None}), (2, {'a"b': 'q"u', "x;y\nz": "'5'"})]


def test_kept_columns_are_null_where_there_are_none(tmp_path):
    files = {"2024-03-01-a.csv": "id,item\n1,a\n", "2024-03-01-b.csv": "id,item,more\n2,b,c\n3\n"}
    project = taken(tmp_path, files, files="sales/{date}-*.csv", extra="keep")

    assert sorted(tiny.rows_of(project, columns="id, _extra")) == [(1, None), (2, '{"more":"c"}')]


@pytest.mark.parametrize("name", ["item", "Artikel", "article"])
def test_a_column_may_come_under_its_other_names(tmp_path, name):
    assert tiny.rows_of(one(tmp_path, f"{name},id\na,1\n"), columns="id, item") == [(1, "a")]


@pytest.mark.parametrize("header", ["id,item,article", "id,Artikel,article"])
def test_but_not_under_two_at_once(tmp_path, header):
    with pytest.raises(DeliveryError, match=r"appears twice|is not in the contract"):
        one(tmp_path, f"{header}\n1,a,b\n")


@pytest.mark.parametrize(
    ("policy", "kept", "lines"), [("quarantine", [2], [2, 4]), ("first", [1, 2], [4]), ("last", [1, 2], [2])]
)
def test_of_records_with_the_same_key_the_policy_says_which_stay(tmp_path, policy, kept, lines):
    project = one(tmp_path, "id,item\n1,a\n2,b\n1,c\n", contract=KEYED, duplicates=policy)

    assert sorted(row[0] for row in tiny.rows_of(project, columns="id")) == kept
    assert tiny.rejects_of(project, columns="line, rule") == [(line, "id.unique") for line in lines]


@pytest.mark.parametrize(("policy", "kept"), [("quarantine", []), ("first", ["a"]), ("last", ["c"])])
def test_duplicates_are_found_across_the_files_of_a_date(tmp_path, policy, kept):
    files = {f"2024-03-01-{n}.csv": f"id,item\n1,{item}\n" for n, item in enumerate("abc")}
    project = taken(tmp_path, files, files="sales/{date}-*.csv", contract=KEYED, duplicates=policy)

    assert [row[0] for row in tiny.rows_of(project, columns="item")] == kept
    assert len(tiny.rejects_of(project)) == 3 - len(kept)


def test_a_record_that_breaks_a_rule_is_no_first_one(tmp_path):
    contract = Contract("Sales", (ID, Column("item", "BIGINT", True)), uniques=KEYED.uniques)
    project = one(tmp_path, "id,item\n1,x\n1,5\n1,6\n", contract=contract, duplicates="first")

    assert tiny.rows_of(project, columns="id, item") == [(1, 5)]
    assert [line for line, *_ in tiny.rejects_of(project)] == [2, 4]


def test_several_files_are_one_partition_and_each_row_names_its_own(tmp_path):
    files = {
        "2024-03-01/a.csv": "id,item\n1,a\n",
        "2024-03-01/b.csv": "item,id\nb,2\nc\n",
        "2024-03-01/c.csv": "id,item\n3,c\n",
    }
    project = taken(tmp_path, files, files="sales/{date}/*.csv")

    rows = sorted(tiny.rows_of(project, columns="id, item, _file"))
    assert rows == [(n, item, f"sales/2024-03-01/{item}.csv") for n, item in enumerate("abc", 1)]
    assert tiny.rejects_of(project, columns="file, line, text") == [("sales/2024-03-01/b.csv", 3, "c")]


def test_one_refused_file_refuses_its_date(tmp_path):
    files = {"2024-03-01/a.csv": "id,item\n1,a\n", "2024-03-01/b.csv": "id\n2\n"}
    project = tiny.project(tmp_path, raw={f"sales/{name}": text for name, text in files.items()})

    with pytest.raises(DeliveryError, match=r"sales/2024-03-01/b\.csv: column 'item' of the contract is missing"):
        tiny.take(project, tiny.sales(contract=CONTRACT, files="sales/{date}/*.csv"))

    assert [text for *_, text in tiny.rejects_of(project)] == ["1,a", "2"]


def test_more_rejects_than_allowed_refuse_the_date(tmp_path):
    text = "id,item\n1,a\nx,b\n3\n"
    assert tiny.rows_of(one(tmp_path / "two", text, max_rejects=2), columns="id") == [(1,)]

    with pytest.raises(DeliveryError, match="2 of 3 records break the contract, more than max_rejects = 1 allows"):
        one(tmp_path / "one", text, max_rejects=1)


@pytest.mark.parametrize(
    ("records", "said"), [(10_000, "(id.dtype 10,000)"), (10_001, "(of the first 10,000: id.")]
)
def test_counts_of_many_rejects_say_that_they_are_of_the_first(tmp_path, records, said):
    with pytest.raises(DeliveryError, match=f"{records:,} of {records:,} records .* allows {re.escape(said)}"):
        one(tmp_path, "id,item\n" + "x,a\n" * records, max_rejects=1)


def test_names_of_columns_and_files_are_data_and_no_sql(tmp_path):
    name = "'; drop table x; --\"\n{}"
    contract = Contract("Sales", (Column(name, "VARCHAR", True), ID))
    files = {'2024-03-01/it\'s [1]; "a"*.csv': f'"{name.replace(chr(34), chr(34) * 2)}",id\na,1\nb,x\n'}
    project = taken(tmp_path / 'it\'s "here"', files, files="sales/{date}/*.csv", contract=contract)

    (row,) = tiny.rows_of(project, columns="* exclude delivery_date")
    assert row == ("a", 1, 'sales/2024-03-01/it\'s [1]; "a"*.csv')
    assert tiny.rejects_of(project) == [(4, "id.dtype", "b,x")]


def test_a_file_of_one_column_has_no_record_on_a_blank_line(tmp_path):
    contract = Contract("Sales", (ITEM,))
    project = one(tmp_path, 'item\na\n\n""\n\nb,c\n\n', contract=contract, format=Csv(null="NA"))

    assert tiny.rows_of(project, columns="item") == [("a",), ("",)]
    assert tiny.rejects_of(project) == [(6, "record", "b,c")]


def test_a_header_with_a_nul_is_refused(tmp_path):
    with pytest.raises(DeliveryError, match="'item' of the contract is missing"):
        one(tmp_path, "id,it\0em\n1,a\n")
