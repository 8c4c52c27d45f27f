"""Contracts as data: a pandera model compiled to types, DDL and SQL rules, and the sources that use them."""

from etl.contract.catalog import Catalog, catalog_key, load_catalog, load_named
from etl.contract.contract import Column, Contract, PythonRule, Rule, Unique
from etl.contract.custom import sql_check
from etl.contract.source import Source

__all__ = [
    "Catalog",
    "Column",
    "Contract",
    "PythonRule",
    "Rule",
    "Source",
    "Unique",
    "catalog_key",
    "load_catalog",
    "load_named",
    "sql_check",
]
