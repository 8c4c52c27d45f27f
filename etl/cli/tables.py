"""`etl tables`: what the published tables are, for those who query them."""

from __future__ import annotations

from typing import Any

import click

from etl.cli.options import json_option, named
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show, show_table, shown
from etl.errors import counted


@under(LOOK)
@click.command()
@click.argument("table", default="", shell_complete=named("table"))
@json_option
def tables(table: str, as_json: bool) -> None:
    """Show the published tables, with rows, freshness and meaning.

    Of one TABLE its columns are shown, with types, units and descriptions, and what the last audit found. `up_to`
    is the date up to which all of its dated sources have come. JSON has all of it for every table.
    """
    from etl.project import load_project
    from etl.reports.query import file_of
    from etl.reports.tables import known_tables

    found = known_tables(load_project(), file_of("current"), table)
    show(found, as_json, _show_one if table else _show_all)


def _show_all(found: list[dict[str, Any]]) -> None:
    names = ("table", "kind", "rows", "up_to", "built_at", "description")
    rows = [[_cell(name, item[name]) for name in names] for item in found]
    show_table(names, rows, may_go=("built_at", "kind", "up_to", "rows"), prose="description")


def _show_one(found: list[dict[str, Any]]) -> None:
    (item,) = found
    echo(f"{item['table']}   {item['description']}".rstrip())
    rows = "" if item["rows"] is None else f", {counted(item['rows'], 'row')}"
    echo(f"{item['kind']}{rows}")
    for name in ("key", "up_to", "built_at", "owner"):
        if value := item[name]:
            echo(f"{name:<9} {', '.join(value) if isinstance(value, list) else _cell(name, value)}")
    names = ["column", "type", *(["unit"] if any(one["unit"] for one in item["columns"]) else [])]
    names += ["pii"] if any(one["pii"] for one in item["columns"]) else []
    names.append("description")
    echo()
    cells = [[one[name] for name in names] for one in item["columns"]]
    show_table(names, cells, is_data=True, may_go=("type", "pii", "unit"), prose="description")
    if item["checks"]:
        failing = [check for check in item["checks"] if not check["passed"]]
        passed = len(item["checks"]) - len(failing)
        echo(f"\n{counted(passed, 'check')} passed: etl audits {item['table']}")
        for check in failing:
            word = "failed" if check["severity"] == "error" else "warned"
            echo(f"{check['name']} {word}: {counted(check['failing'], 'row')}")


def _cell(name: str, value: Any) -> str:
    return f"{value[:19]}Z" if name == "built_at" and value else shown(value) if value is not None else ""
