"""Every block of code in the pages is what it seems: Python, contracts, SQL and command lines."""

import re
import shlex
from collections.abc import Iterator

import click
import luigi
import pytest

from etl.cli.main import cli
from etl.models import LOG, Context, Given, read_models
from etl.models.header import read_audits
from etl.operations.model_tests.cases import read_cases
from etl.sources import load_catalog
from tests.support.pages import blocks, of


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles(block):
    compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")


def given(program: str) -> list:
    """Return the arguments of each command line of a program, as parameters of a test."""
    return [pytest.param(args, id=place) for place, args in commands(program)]


#: What the blocks of Python take for granted.
PRELUDE = """
from datetime import date
from typing import Annotated

import pandas as pd
import pandera.extensions as extensions
import pandera.pandas as pa
import pyarrow

from etl import *


class Sales(pa.DataFrameModel):
    sale_id: int


class NewSales(Sales):
    pass


class Customers(Sales):
    pass


"""


@pytest.mark.parametrize("block", [block for block in of("python") if "def model(" not in block.text], ids=str)
def test_a_contract_loads(block, tmp_path):
    names = re.findall(r"^class (\w+)\(pa.DataFrameModel\)", block.text, re.MULTILINE)
    sources = [f'{name.lower()} = Source(contract={name}, files="{name}/{{date}}.csv")' for name in names]
    text = block.text if "Source(" in block.text else "\n".join([block.text, *sources])
    (tmp_path / "block.py").write_text(PRELUDE + text + "\n")
    catalog = load_catalog(tmp_path)
    assert len(catalog.sources) >= len(names)


#: The tables that the blocks of SQL read, beside those that their columns are of.
GIVEN = {
    "raw.sales": "sale_date DATE, price_eur DOUBLE",
    "raw.orders": (
        "order_id BIGINT, customer VARCHAR, title VARCHAR, quantity BIGINT, price_eur DOUBLE, _file VARCHAR, "
        "_position VARCHAR, _deleted BOOLEAN"
    ),
    "raw.customer_changes": "delivery_date DATE, customer_id BIGINT, sequence_nb BIGINT, city VARCHAR, op VARCHAR",
    "staging.flights": (
        "flight_date DATE, origin VARCHAR, dest VARCHAR, carrier VARCHAR, flight BIGINT, tailnum VARCHAR, "
        "sched_dep_hour TIMESTAMPTZ, sched_dep_hhmm BIGINT, dep_delay_minutes DOUBLE, arr_delay_minutes DOUBLE"
    ),
    "staging.orders": (
        "order_nb BIGINT, order_date DATE, item_key BIGINT, item VARCHAR, site_key BIGINT, site VARCHAR, "
        "delivery_date DATE"
    ),
}


@pytest.mark.parametrize("block", of("sql"), ids=str)
def test_sql_is_what_it_seems(block, tmp_path):
    if block.text.startswith("-- test:"):
        assert read_cases(block.page.name, block.text)
        return
    if "select" not in block.text and "create macro" not in block.text:
        assert read_audits("marts.block", block.page.name, block.text)
        return
    folder = "macros" if "create macro" in block.text else "marts"
    folder = "audits" if re.match("-- (fail|warn):", block.text) else folder
    (tmp_path / "sql" / folder).mkdir(parents=True)
    (tmp_path / "sql" / folder / "block.sql").write_text(block.text)
    if "-- features:" in block.text:
        (tmp_path / "sql" / "features").mkdir()
        feature = next(other for other in of("sql") if other.page == block.page and "-- entity:" in other.text)
        (tmp_path / "sql" / "features" / "plane_last.sql").write_text(feature.text)
    given = [
        Given(name, tuple(tuple(column.split()) for column in columns.split(", ")))
        for name, columns in GIVEN.items()
    ]
    found = read_models(tmp_path / "sql", [*given, *LOG], Context(variables={"late_minutes": "15"}))
    assert len(found.models) + len(found.audits) + len(found.macros) >= 1


def commands(program: str) -> Iterator[tuple[str, list[str]]]:
    """Yield place and arguments of each command line of a program: after `$` in any block, and in blocks of sh."""
    for block in blocks():
        for offset, line in enumerate(block.text.splitlines()):
            line, is_typed = line.removeprefix("$ "), line.startswith("$ ")
            if not is_typed and block.language not in ("sh", "cron"):
                continue
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            part: list[str] = []
            for token in [*lexer, ";"]:
                if not set(token) <= set("();<>|&"):
                    part.append(token)
                    continue
                while part and re.fullmatch(r"[A-Z_]+=\S*", part[0]):
                    part.pop(0)
                if part and part[0].split("/")[-1] == program:
                    yield f"{block.page.name}:{block.line + offset}", part[1:]
                part = []


def refusal(args: list[str]) -> str:
    """Return why the command line does not know an argument; nothing if it does."""
    command: click.Command = cli
    context = None
    try:
        while True:
            context = command.make_context(command.name, list(args), parent=context)
            if not isinstance(command, click.Group):
                return ""
            _, found, args = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found
            command = found
    except click.BadParameter:  # a file that is not there, a name that stands for others
        return ""
    except click.UsageError as error:
        return error.format_message()


@pytest.mark.parametrize("args", given("etl"))
def test_every_command_line_of_etl_is_one(args):
    assert not refusal(args)


def test_a_command_line_that_is_none_is_found():
    assert refusal(["plan", "--dat", "2024-03-01"]).startswith("No such option '--dat'")
    assert refusal(["plam"]).startswith("No such command 'plam'")
    assert not refusal(["quarantine", "sales", "--json"])


@pytest.mark.parametrize("args", given("luigi"))
def test_every_command_line_of_luigi_is_one(args):
    task = next(luigi.task_register.Register.get_task_cls(arg) for arg in args if re.fullmatch(r"[A-Z]\w+", arg))
    known = {f"--{name.replace('_', '-')}" for name, _ in task.get_params()} | {"--module", "--workers"}
    known |= {"--scheduler-host"}
    assert {arg for arg in args if arg.startswith("--")} <= known
