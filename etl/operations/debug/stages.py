"""The SQL of a failed step, stage by stage: a database with its inputs as tables, and a view for each CTE."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.engine.quoting import identifier, literal, qualified, set_variable
from etl.errors import printable
from etl.operations.debug.replay import Replayed
from etl.project.files import copy_file
from etl.stages.warehouse import define_macros, define_own

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

FILE, SCRIPT = "debug.duckdb", "stages.sql"
#: What the whole SELECT is called beside its CTEs.
_WHOLE = "result"


def write_stages(replayed: Replayed) -> Path | None:
    """Write the database beside the copies, and a script that sets the variables; None without SQL of its own.

    What DuckDB cannot make a view of is in the script, with what it says.
    """
    bundle, project = replayed.bundle, replayed.project
    queries = {name: sql for name, sql in _queries(replayed) if sql}
    if not queries or not project.build.exists():
        return None
    target = bundle.work / FILE
    copy_file(project.build, target)
    variables = [set_variable(name, value) for name, value in project.variables.items()]
    lines = [f"{text};" for text in [*variables, f"set TimeZone = {literal(project.settings.timezone)}"]]
    with engine.in_memory(project) as con:
        con.execute(f"attach {literal(str(target))} as debug")
        con.execute("use debug")
        define_own(con)
        macros = [(macro.name, macro.sql) for macro in replayed.plan.models.macros.values()]
        for schema, sql in queries.items():
            lines += _views(con, schema, sql, macros, project.variables)
        con.execute("use memory")
        con.execute("detach debug")
    (bundle.work / SCRIPT).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def _queries(replayed: Replayed) -> Iterator[tuple[str, str]]:
    """Yield the SELECTs of the step, each with the schema for its stages."""
    bundle, models = replayed.bundle, replayed.plan.models
    if bundle.step == "transform":
        model = models.models[bundle.name]
        yield "stages", model.sql if model.kind.is_select else ""
    elif bundle.step == "audit":
        failed = [check.name for check in replayed.checks if not check.passed]
        yield from ((f"stages {name}", models.audits[name].sql) for name in failed if name in models.audits)


def _views(
    con: duckdb.DuckDBPyConnection, schema: str, sql: str, macros: list[tuple[str, str]], variables: Any
) -> Iterator[str]:
    """Make the views of one SELECT; yield a line of the script about each."""
    import duckdb

    con.execute(f"create schema if not exists {identifier(schema)}")
    try:
        define_macros(con, macros, variables)
    except duckdb.Error as error:
        yield f"-- macros: {printable(str(error))}"
    for name, text in stages_of(con, sql):
        view = f"{identifier(schema)}.{identifier(name)}"
        try:
            con.execute(f"create or replace view {view} as\n{text}")
        except duckdb.Error as error:
            yield f"-- {view} cannot be made: {printable(str(error))}"
        else:
            yield f"-- from {view};"


def stages_of(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]]:
    """Return each CTE of a SELECT by name, as a SELECT of its own with those before it; and at last the whole."""
    tree = json.loads(con.execute("select json_serialize_sql($1::varchar)", [sql]).fetchall()[0][0])
    if tree["error"]:
        return [(_WHOLE, sql)]
    node = tree["statements"][0]["node"]
    entries = (node.get("cte_map") or {}).get("map", [])
    found = []
    for number, entry in enumerate(entries):
        # what a CTE reads stands before it, itself too if it is recursive
        part = json.loads(con.execute("select json_serialize_sql($1)", [_from(entry["key"])]).fetchall()[0][0])
        part["statements"][0]["node"]["cte_map"] = {"map": entries[: number + 1]}
        text = con.execute("select json_deserialize_sql($1::json)", [json.dumps(part)]).fetchall()[0][0]
        found.append((str(entry["key"]), str(text)))
    taken = {name.lower() for name, _ in found}
    whole = _WHOLE
    while whole in taken:
        whole += "_"
    return [*found, (whole, sql)]


def _from(name: str) -> str:
    return f"select * from {qualified(name)}"
