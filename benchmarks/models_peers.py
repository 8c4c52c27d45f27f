"""The same SELECTs as a dbt-duckdb project and as an SQLMesh project: what `models.py` measures against.

Both read the raw files with the types that the script uses; the schema `staging` is views, the rest is tables.
"""

from __future__ import annotations

import json
from pathlib import Path

from models_domain import Domain, kind, schema_of, select_of, tables_in, write

_DBT_PROJECT = """name: models
version: "1.0"
profile: models
flags: {send_anonymous_usage_stats: false, partial_parse: true}
"""

_DBT_SCHEMA_NAME = """{% macro generate_schema_name(custom_schema_name, node) %}
  {{ return(custom_schema_name or target.schema) }}
{% endmacro %}
"""


def write_dbt(folder: Path, domain: Domain, database: Path, threads: int) -> None:
    """Write the project and its profile into `folder`, without its models but for those of the raw files."""
    output = {"type": "duckdb", "path": str(database), "schema": "main", "threads": threads}
    write(folder / "dbt_project.yml", _DBT_PROJECT)
    # JSON is YAML, and quotes what a path may hold
    write(
        folder / "profiles.yml", json.dumps({"models": {"target": "benchmark", "outputs": {"benchmark": output}}})
    )
    write(folder / "macros" / "generate_schema_name.sql", _DBT_SCHEMA_NAME)
    for raw in domain.raw:
        # braces in a row would be Jinja's
        text = raw.select.replace("{", "{ ").replace("}", " }")
        _write_dbt_model(folder, f"raw.{raw.name}", text)


def write_dbt_models(folder: Path, domain: Domain, changed: bool) -> None:
    """Write the models, with ref() for the tables that they name."""
    tables = tables_in(["raw", *{schema_of(name) for name in domain.models}])
    for name, text in domain.sql(changed).items():
        _write_dbt_model(folder, name, tables.sub(r"{{ ref('\1__\2') }}", select_of(text)))


def _write_dbt_model(folder: Path, name: str, select: str) -> None:
    schema, table = name.split(".")
    config = f"{{{{ config(materialized='{kind(name)}', schema='{schema}', alias='{table}') }}}}"
    write(folder / "models" / schema / f"{schema}__{table}.sql", f"{config}\n{select}\n")


def write_sqlmesh(folder: Path, domain: Domain, database: Path, threads: int) -> None:
    """Write the project into `folder`, without its models but for those of the raw files."""
    connection = {"type": "duckdb", "database": str(database), "concurrent_tasks": threads}
    config = {
        "gateways": {"benchmark": {"connection": connection}},
        "default_gateway": "benchmark",
        "model_defaults": {"dialect": "duckdb", "start": "2020-01-01"},
        "disable_anonymized_analytics": True,
    }
    write(folder / "config.yaml", json.dumps(config))
    for raw in domain.raw:
        # without types: from those it would infer DECIMAL(15,2) for a sum of products, and round it
        _write_sqlmesh_model(folder, f"raw.{raw.name}", raw.select)


def write_sqlmesh_models(folder: Path, domain: Domain, changed: bool) -> None:
    """Write the models, each as the SELECT that it is."""
    for name, text in domain.sql(changed).items():
        _write_sqlmesh_model(folder, name, select_of(text))


def _write_sqlmesh_model(folder: Path, name: str, select: str) -> None:
    schema, table = name.split(".")
    header = f"model (name {name}, kind {'view' if kind(name) == 'view' else 'full'});"
    write(folder / "models" / schema / f"{table}.sql", f"{header}\n{select}\n")
