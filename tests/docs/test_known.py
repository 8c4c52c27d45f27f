"""What can be written and met is in the pages: commands, options, keys, tasks, errors, codes, columns."""

import ast
import inspect
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from datetime import date
from decimal import Decimal
from itertools import chain

import click
import duckdb
import luigi
import pytest

import etl
from etl import Source, errors
from etl.cli.main import cli
from etl.contract import Column, metadata
from etl.contract.audit import COUNT_COLUMNS, PROFILE_COLUMNS, PROFILES, ROW_COUNTS
from etl.contract.audit_kinds import AUDIT_KEYS
from etl.contract.cleansing import Clean
from etl.contract.clocks import AMBIGUOUS, NONEXISTENT
from etl.contract.masking import MASKS
from etl.contract.metadata import column_facts
from etl.contract.moments import MONTHS, WORDS
from etl.contract.numerals import Number
from etl.contract.parse import value
from etl.contract.values import Values
from etl.models import header
from etl.models.header import read_audits
from etl.models.kinds import KINDS, MATERIALIZED, kinds_with
from etl.project.settings import Settings
from etl.sources.connectors.files import SAME
from etl.sources.formats import FORMATS, format_class
from etl.sources.words import CHOICES
from etl.stages.published.own import OWN
from etl.stages.published.readers import CONTENTS
from etl.stages.warehouse import define_own
from etl.tasks import setup as luigi_setup
from tests.support.pages import PAGES, ROOT, TEXT, of, page, rows, section

TASKS = [
    getattr(etl, name) for name in etl.__all__ if isinstance(getattr(etl, name), luigi.task_register.Register)
]


def unsaid(names: Iterable[str], said: Collection[str], where: str) -> list[str]:
    """Return a sentence for each name that a page does not explain."""
    return [f"{where} does not explain {name}." for name in sorted(names) if name not in said]


def test_every_setting_is_explained():
    assert unsaid({field.name for field in fields(Settings)}, rows(page("settings.md")), "docs/settings.md") == []


def commands(group: click.Group, before: str = "etl") -> Iterator[tuple[str, click.Command]]:
    """Yield every command and those within it, by what is typed."""
    for name, command in group.commands.items():
        yield f"{before} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")


def test_every_command_is_in_the_list_of_the_front_door():
    assert unsaid({f"etl {name}" for name in cli.commands}, rows(PAGES[0].read_text()), "README.md") == []


@pytest.mark.parametrize(("typed", "command"), list(commands(cli)))
def test_every_command_and_its_options_are_explained(typed, command):
    """An option is on a page that shows its command."""
    shown = "\n".join(page.read_text() for page in PAGES if typed in page.read_text())
    assert shown, f"no page shows {typed}"
    options = {
        option
        for parameter in command.params
        if parameter.param_type_name == "option"
        for option in parameter.opts
    }
    assert unsaid(options, shown, f"a page with {typed}") == []


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_every_task_and_its_parameters_are_explained(task):
    assert f"`{task.__name__}" in TEXT
    for name, parameter in task.get_params():
        if parameter.visibility == luigi.parameter.ParameterVisibility.PUBLIC:
            assert f"--{name.replace('_', '-')}" in TEXT or f"`{name}`" in TEXT or f"({name}" in TEXT


@pytest.mark.parametrize(
    "error",
    [
        v
        for v in vars(errors).values()
        if isinstance(v, type) and v is not errors.EtlError and issubclass(v, Exception)
    ],
)
def test_every_error_is_explained_with_its_exit_code(error):
    found = re.findall(rf"^\| `{error.__name__}` \|.*\| (.*) \|$", page("nightly.md"), re.MULTILINE)
    assert len(found) == 1, f"docs/nightly.md has {len(found)} rows for {error.__name__} below Errors."
    assert str(error.exit_code) in found[0]


@pytest.mark.parametrize("code", [0, 1, 2, *luigi_setup.EXIT_CODES.values()])
def test_every_exit_code_is_explained(code):
    assert re.search(rf"^\| {code} \|", page("nightly.md"), re.MULTILINE)


#: The part of the page that has a format's own options.
SECTIONS = {
    "Csv": "Delimited text",
    "Debezium": "Changes of Debezium",
    "FixedWidth": "Fixed width",
    "Json": "JSON",
    "JsonLines": "JSON",
    "Parquet": "Parquet",
    "Excel": "Excel and OpenDocument",
    "Xml": "XML",
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_option_of_a_format_is_explained(name):
    assert name in SECTIONS, f"say in SECTIONS which part of docs/formats.md explains {name}"
    own, common = (
        section(page("formats.md"), SECTIONS[name]),
        section(page("formats.md"), "Options of all formats"),
    )
    assert f"{name}(...)`" in own
    options = {field.name for field in fields(format_class(name))}
    assert unsaid(options, rows(own) | rows(common), f"docs/formats.md, of {name},") == []


def test_every_option_of_a_source_is_explained():
    options = set(inspect.signature(Source).parameters)
    assert unsaid(options, rows(page("sources.md")), "docs/sources.md") == []
    choices = {*SAME, *chain(*CHOICES.values())} - {"auto"}
    assert {choice for choice in choices if f"`{choice}`" not in page("sources.md")} == set()


def test_every_key_of_a_header_is_explained():
    assert unsaid(header._PARSERS, rows(page("models.md")), "docs/models.md") == []


def test_every_kind_of_model_is_explained():
    (row,) = [line for line in page("models.md").splitlines() if line.startswith("| `materialized` |")]
    headings = re.findall(r"^### (\w+)$", page("models.md"), re.MULTILINE)
    assert unsaid(MATERIALIZED, headings, "docs/models.md") == []
    assert unsaid(MATERIALIZED, re.findall(r"`(\w+)`", row), "docs/models.md, at `materialized`,") == []


@pytest.mark.parametrize("key", sorted({key for kind in KINDS.values() for key in kind.keys}))
def test_every_key_of_a_kind_is_explained_with_the_kinds_that_it_goes_with(key):
    (cell,) = [line.split(" | ")[2] for line in page("models.md").splitlines() if key in rows(line)]
    named = set(re.findall(r"`(\w+)`", cell))
    shown = set(MATERIALIZED) - named if cell.startswith("all but") else named
    assert shown == set(kinds_with(key)), f"docs/models.md says of {key}: {cell}"


def test_every_kind_of_audit_is_explained():
    said = {name.partition(":")[0] for name in rows(page("audits.md"))}
    assert unsaid(AUDIT_KEYS, said, "docs/audits.md") == []


GROWS = "-- materialized: incremental\n-- partition: sale_date\n"


def test_every_audit_that_the_page_shows_is_one():
    shown = [name for name in rows(page("audits.md")) if name.partition(":")[0] in AUDIT_KEYS]
    assert len(shown) >= len(AUDIT_KEYS)
    assert all(read_audits("marts.block", "audits.md", f"{GROWS}-- {line}\nselect 1") for line in shown)


def test_every_key_of_metadata_is_explained():
    keys = rows(page("contracts.md").split("## Cleanse")[0])
    assert unsaid({*metadata.COLUMN_KEYS, *metadata.MODEL_KEYS}, keys, "docs/contracts.md") == []


def test_every_way_to_clean_and_to_mask_is_explained():
    assert {field.name for field in fields(Clean)} - rows(
        section(page("contracts.md"), "Cleanse at the door")
    ) == set()
    assert set(MASKS) - {name.strip('"') for name in rows(section(page("security.md"), "Masks"))} == set()
    times = {f'"{word}"' for word in (*AMBIGUOUS, *NONEXISTENT)}
    assert {word for word in times if word not in page("contracts.md")} == set()


NUMBERS = section(page("contracts.md"), "Numbers as senders spell them")
DATES = section(page("contracts.md"), "Dates as senders spell them")


def cells(table: str, width: int) -> Iterator[list[str]]:
    """Yield the cells of a table's lines that have an example, without their backticks."""
    for line in table.splitlines():
        found = [cell.strip().strip("`") for cell in line.removeprefix("| ").removesuffix(" |").split(" | ")]
        if line.startswith("| `") and len(found) == width:
            yield found


def shown(text, type, metadata, sender):
    column = Column("x", type, True, **column_facts(metadata, "x", type))
    query = f"select {value('x', column, sender)} from (select ? as x)"
    return duckdb.execute(query, [text]).fetchall()[0][0]


def test_every_spelling_of_numbers_is_explained_by_an_example_that_holds():
    table = list(cells(NUMBERS, 5))
    assert {key for key, *_ in table} | {"flag_column"} == {field.name for field in fields(Number)}
    for key, said, text, number, _ in table:
        type = "BIGINT" if number.lstrip("-").isdecimal() else "DECIMAL(9,3)"
        sender = Values(thousands="," if key == "groups" else "")
        assert shown(text, type, {"number": {key: ast.literal_eval(said)}}, sender) == Decimal(number), key


def test_every_spelling_of_dates_is_explained_by_an_example_that_holds():
    assert {word for word in WORDS if f'"{word}"' not in DATES} == set()
    assert {language for language in MONTHS if f'`"{language}"`' not in DATES} == set()
    for said, text, day, _ in cells(DATES, 4):
        format = ast.literal_eval(said.split("`, ")[0])
        assert shown(text, "DATE", {"format": format}, Values()) == date.fromisoformat(day)


def test_every_column_of_the_schema_etl_is_explained():
    shown = dict(re.findall(r"^\| `(etl\.\w+)` \(([^)]*)\)", page("query.md"), re.MULTILINE))
    con = duckdb.connect()
    con.execute("create schema etl")
    define_own(con)
    found = con.execute(
        "select 'etl.' || table_name, string_agg(column_name, ', ' order by column_index) from duckdb_columns() "
        "where schema_name = 'etl' and not starts_with(table_name, '_') group by all"
    ).fetchall()
    counts = {ROW_COUNTS: ", ".join(name for name, _ in COUNT_COLUMNS)}
    profiles = {PROFILES: ", ".join(name for name, _ in PROFILE_COLUMNS)}
    contents = {CONTENTS: ", ".join(name for name in OWN[CONTENTS] if name)}
    assert shown == dict(found) | counts | profiles | contents


def test_every_make_target_that_the_pages_name_exists():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {line for block in of("sh") for line in re.findall(r"^make ([a-z]+)", block.text, re.MULTILINE)}
    assert "test" in named and named <= set(targets)
