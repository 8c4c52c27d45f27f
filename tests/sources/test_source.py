"""How deliveries come: the options of a Source, and which of them are wrong."""

import json

import pytest

from etl.contract import Column, Contract
from etl.errors import ContractError
from etl.sources import Catalog, Source
from etl.sources.formats import Csv
from tests.support import tiny


def test_a_path_with_a_date_makes_a_dated_source_and_without_one_a_snapshot() -> None:
    dated, snapshot = tiny.sales(), tiny.sales(files="sites.csv")

    assert (dated.is_dated, dated.partition, dated.table) == (True, "delivery_date", "raw.sales")
    assert (snapshot.is_dated, snapshot.partition) == (False, "snapshot_date")
    assert tiny.sales(partition="day").partition == "day"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": "/sales/{date}.csv"}, "is not a relative path below data/raw"),
        ({"files": "../{date}.csv"}, "is not a relative path below data/raw"),
        ({"files": "sales//{date}.csv"}, "is not a relative path below data/raw"),
        ({"files": ""}, "is not a relative path below data/raw"),
        ({"files": "{date}/{date}.csv"}, "may hold {date} once, or a spelling of it"),
        ({"files": "{date:%Y}/{date:%m%d}.csv"}, "may hold {date} once, or a spelling of it"),
        ({"files": "sales/{date"}, "may hold {date} once, or a spelling of it"),
        ({"files": "sales/{date:%d}.csv"}, "week, month, quarter or year: {date:%d} names none"),
        ({"files": "sales/{date:%Y%d}.csv"}, "{date:%Y%d} names none of them: it has %d without %m"),
        ({"files": "sales/{date:%Y-W%V}.csv"}, "names none of them: it has %V without %G"),
        ({"files": "sales/{date:%Y%m%d*}.csv"}, "needs a date, or a week"),
        ({"files": "sales/{version}_{version}.csv"}, "may hold {version} once"),
        (
            {"files": "sales/{date:%Y%b%d}.csv"},
            "spells its date with %b; known are %Y, %y, %q",
        ),
        ({"files": "sales/**/{date}.csv"}, "may hold the wildcards"),
        ({"files": "sales/[ab]{date}.csv"}, "may hold the wildcards"),
        ({"files": "sales/{date}/*.tmp"}, "matches nothing: names that end in .tmp, .part"),
        ({"required": True, "optional": True}, "cannot be both required and optional"),
        ({"max_reject_ratio": 1.5}, "max_reject_ratio is a share from 0 to 1"),
        ({"max_reject_ratio": float("nan")}, "max_reject_ratio is a share from 0 to 1"),
        ({"lag_days": -1}, "lag_days and max_withdrawn are 0 or more"),
        ({"max_withdrawn": -1}, "lag_days and max_withdrawn are 0 or more"),
        ({"partition": "a/b"}, "partition='a/b' cannot name a column"),
        ({"partition": "_file"}, "partition='_file' cannot name a column"),
        ({"partition": "item"}, "column 'item' of contract Sales is VARCHAR, but the partition column"),
        ({"partition": "ID"}, "column 'id' of contract Sales is BIGINT, but the partition column 'ID'"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_the_source(options: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=rf"Source\(files=.*{message}"):
        tiny.sales(**options)


@pytest.mark.parametrize("name", ["_file", "_loaded_at", "file_index", "_record", "_keeps", "_Broken", "_text_0"])
def test_a_contract_cannot_take_a_name_that_etl_needs(name: str) -> None:
    with pytest.raises(ContractError, match=f"column '{name}' of contract C has a name that etl needs"):
        tiny.sales(contract=Contract("C", (Column(name, "BIGINT", False),)))


def test_a_source_survives_json() -> None:
    source = tiny.sales(
        format=Csv(delimiter="|", header=False, null=("NA", "-")), optional=True, lag_days=2, max_reject_ratio=0.5
    )

    again = Source.from_dict(json.loads(json.dumps(source.to_dict())))

    assert vars(again) == vars(source)


def test_a_catalog_survives_json() -> None:
    catalog = Catalog({"sales": tiny.sales()}, {"marts.items": tiny.CONTRACT})

    assert Catalog.from_json(catalog.to_json()).to_json() == catalog.to_json()
