"""What rows must be: a pandera model compiled to types and SQL rules. It never asks where rows come from."""

from etl.contract.contract import Column, Contract, PythonRule, Rule, Unique
from etl.contract.custom import sql_check

__all__ = [
    "Column",
    "Contract",
    "PythonRule",
    "Rule",
    "Unique",
    "sql_check",
]
