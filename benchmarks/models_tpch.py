"""TPC-H: eight raw files with contracts, eight staging views, and the 22 queries as models.

The queries in `tpch/` are those of the specification with the parameters of its qualification database.
"""

from __future__ import annotations

import os
from pathlib import Path

from extract_data import COLUMNS as LINEITEM
from extract_data import CONTRACT as LINEITEM_CONTRACT
from models_domain import Change, Domain, Raw

QUERIES = Path(__file__).with_name("tpch")
MARTS = [f"q{number:02}" for number in range(1, 23)]
MONEY = "decimal(15,2)"

COLUMNS = {
    "region": {"r_regionkey": "bigint", "r_name": "varchar", "r_comment": "varchar"},
    "nation": {"n_nationkey": "bigint", "n_name": "varchar", "n_regionkey": "bigint", "n_comment": "varchar"},
    "supplier": {
        "s_suppkey": "bigint",
        **dict.fromkeys(("s_name", "s_address"), "varchar"),
        "s_nationkey": "bigint",
        "s_phone": "varchar",
        "s_acctbal": MONEY,
        "s_comment": "varchar",
    },
    "customer": {
        "c_custkey": "bigint",
        **dict.fromkeys(("c_name", "c_address"), "varchar"),
        "c_nationkey": "bigint",
        "c_phone": "varchar",
        "c_acctbal": MONEY,
        **dict.fromkeys(("c_mktsegment", "c_comment"), "varchar"),
    },
    "part": {
        "p_partkey": "bigint",
        **dict.fromkeys(("p_name", "p_mfgr", "p_brand", "p_type"), "varchar"),
        "p_size": "bigint",
        "p_container": "varchar",
        "p_retailprice": MONEY,
        "p_comment": "varchar",
    },
    "partsupp": {
        **dict.fromkeys(("ps_partkey", "ps_suppkey", "ps_availqty"), "bigint"),
        "ps_supplycost": MONEY,
        "ps_comment": "varchar",
    },
    "orders": {
        **dict.fromkeys(("o_orderkey", "o_custkey"), "bigint"),
        "o_orderstatus": "varchar",
        "o_totalprice": MONEY,
        "o_orderdate": "date",
        **dict.fromkeys(("o_orderpriority", "o_clerk"), "varchar"),
        "o_shippriority": "bigint",
        "o_comment": "varchar",
    },
    "lineitem": LINEITEM,
}

_CONTRACTS = '''"""The other tables of TPC-H, and how all eight are delivered."""

from datetime import date
from decimal import Decimal

import pandera.pandas as pa

from etl import Csv, Source

from .model import Day, LineItem, Money

POSITIVE = {"ge": Decimal(0)}
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
PHONE = r"^\\d{2}-\\d{3}-\\d{3}-\\d{4}$"


class Region(pa.DataFrameModel):
    """One row per region."""

    r_regionkey: int = pa.Field(unique=True)
    r_name: str = pa.Field(unique=True)
    r_comment: str


class Nation(pa.DataFrameModel):
    """One row per nation."""

    n_nationkey: int = pa.Field(unique=True)
    n_name: str = pa.Field(unique=True)
    n_regionkey: int = pa.Field(ge=0)
    n_comment: str


class Supplier(pa.DataFrameModel):
    """One row per supplier."""

    s_suppkey: int = pa.Field(unique=True, gt=0)
    s_name: str
    s_address: str
    s_nationkey: int = pa.Field(in_range={"min_value": 0, "max_value": 24})
    s_phone: str = pa.Field(str_matches=PHONE)
    s_acctbal: Money
    s_comment: str


class Customer(pa.DataFrameModel):
    """One row per customer."""

    c_custkey: int = pa.Field(unique=True, gt=0)
    c_name: str
    c_address: str
    c_nationkey: int = pa.Field(in_range={"min_value": 0, "max_value": 24})
    c_phone: str = pa.Field(str_matches=PHONE)
    c_acctbal: Money
    c_mktsegment: str = pa.Field(isin=SEGMENTS)
    c_comment: str


class Part(pa.DataFrameModel):
    """One row per part."""

    p_partkey: int = pa.Field(unique=True, gt=0)
    p_name: str
    p_mfgr: str
    p_brand: str
    p_type: str
    p_size: int = pa.Field(in_range={"min_value": 1, "max_value": 50})
    p_container: str
    p_retailprice: Money = pa.Field(**POSITIVE)
    p_comment: str


class PartSupp(pa.DataFrameModel):
    """One row per part and supplier."""

    ps_partkey: int = pa.Field(gt=0)
    ps_suppkey: int = pa.Field(gt=0)
    ps_availqty: int = pa.Field(ge=0)
    ps_supplycost: Money = pa.Field(**POSITIVE)
    ps_comment: str

    class Config:
        unique = ["ps_partkey", "ps_suppkey"]


class Orders(pa.DataFrameModel):
    """One row per order."""

    o_orderkey: int = pa.Field(unique=True, gt=0)
    o_custkey: int = pa.Field(gt=0)
    o_orderstatus: str = pa.Field(isin=["F", "O", "P"])
    o_totalprice: Money = pa.Field(**POSITIVE)
    o_orderdate: Day = pa.Field(in_range={"min_value": date(1992, 1, 1), "max_value": date(1998, 12, 31)})
    o_orderpriority: str = pa.Field(isin=PRIORITIES)
    o_clerk: str
    o_shippriority: int
    o_comment: str


_FORMAT = Csv(delimiter="|", quote="", header=False, trailing_delimiter=True)
region = Source(contract=Region, files="region.tbl", format=_FORMAT)
nation = Source(contract=Nation, files="nation.tbl", format=_FORMAT)
supplier = Source(contract=Supplier, files="supplier.tbl", format=_FORMAT)
customer = Source(contract=Customer, files="customer.tbl", format=_FORMAT)
part = Source(contract=Part, files="part.tbl", format=_FORMAT)
partsupp = Source(contract=PartSupp, files="partsupp.tbl", format=_FORMAT)
orders = Source(contract=Orders, files="orders.tbl", format=_FORMAT)
lineitem = Source(contract=LineItem, files="lineitem.tbl", format=_FORMAT)
'''


def tpch(folder: Path, load: str = "table") -> Domain:
    """Return the models over the files in `folder`; with etl, raw tables are what `load` says."""
    dialect = "delim = '|', quote = '', escape = '', header = false"
    raw = [Raw(name, folder / f"{name}.tbl", columns, dialect) for name, columns in COLUMNS.items()]
    models = {f"staging.{name}": _staging(name, columns) for name, columns in COLUMNS.items()}
    models |= {f"marts.{name}": (QUERIES / f"{name}.sql").read_text(encoding="utf-8") for name in MARTS}
    sources = _CONTRACTS.replace("format=_FORMAT)", f"format=_FORMAT, load={load!r})")
    contracts = {"model.py": LINEITEM_CONTRACT, "tpch.py": sources}
    change = Change("marts.q06", "sum(l_extendedprice * l_discount)", "sum(l_extendedprice * l_discount * 2)", 1)
    counts = " union all ".join(f"select '{name}', count(*) from marts.{name}" for name in MARTS)
    proof = f"{counts} union all select 'q06', round(revenue * 100)::bigint from marts.q06 order by all"
    name = "TPC-H" if load == "table" else f"TPC-H, raw as {load}s"
    return Domain(name, raw, contracts, models, change, proof)


def deliver(made: Path, raw: Path) -> None:
    """Put the files into `raw`, without a copy."""
    raw.mkdir(parents=True, exist_ok=True)
    for name in COLUMNS:
        target = raw / f"{name}.tbl"
        target.unlink(missing_ok=True)
        os.link(made / f"{name}.tbl", target)


def _staging(name: str, columns: dict[str, str]) -> str:
    return f"-- {name.capitalize()} of TPC-H, as delivered.\nselect {', '.join(columns)}\nfrom raw.{name}\n"
