"""The flights as a dbt-duckdb project, made from the same SELECTs: what `etl` is measured against.

Deliveries are read by incremental models that take only the files whose day is not there yet; staging is
views, marts are tables; the audits are singular tests, the keys of the marts generic ones.
"""

import json
import re
from pathlib import Path

from flights_script import COLUMNS, DATED

from etl.models import is_test

KEYS = {
    "flights": ("flight_date", "origin", "carrier", "flight"),
    "airline_daily": ("flight_date", "carrier"),
    "route_daily": ("flight_date", "origin", "dest"),
    "weather_delay": ("origin", "wind_band", "precip_band", "visibility_band"),
    "plane_use": ("tailnum",),
    "airport_monthly": ("flight_month", "origin"),
}

_PROJECT = """
name: flights
version: "1.0"
profile: flights
flags: {send_anonymous_usage_stats: false, partial_parse: true}
models:
  flights:
    raw: {+schema: raw, +materialized: table}
    staging: {+schema: staging, +materialized: view}
    marts: {+schema: marts, +materialized: table}
"""

_SCHEMA_NAME = """
{% macro generate_schema_name(custom_schema_name, node) %}
  {{ return(custom_schema_name or target.schema) }}
{% endmacro %}
"""

_NEW_FILES = """
{% macro new_files(pattern) %}
  {% set query %}
    select file from glob('{{ pattern }}')
    {% if is_incremental() %} where file > (select max(_file) from {{ this }}) {% endif %}
    order by file
  {% endset %}
  {{ return(run_query(query).columns[0].values() if execute else []) }}
{% endmacro %}
"""

_DATED = """
{{ config(alias='%(source)s', materialized='incremental', incremental_strategy='append') }}
{%% set files = new_files('%(pattern)s') %%}
{%% if files %%}
select
    * exclude (filename),
    cast(parse_filename(filename, true) as date) as %(column)s,
    filename as _file
from read_csv(
    {{ files | list }}, columns = %(types)s, auto_detect = false, header = true, nullstr = 'NA', delim = ',',
    filename = true
)
{%% else %%}
select * from {{ this }} limit 0
{%% endif %%}
"""

_SNAPSHOT = """
{{ config(alias='%(source)s') }}
select * from read_csv(
    '%(pattern)s', columns = %(types)s, auto_detect = false, header = true, nullstr = 'NA', delim = ','
)
"""


def write_project(folder: Path, raw: Path, sql: Path, database: Path, threads: int) -> int:
    """Write the project and its profile into `folder`; return how many tests it has."""
    _write(folder / "dbt_project.yml", _PROJECT)
    _write(folder / "profiles.yml", _profile(database, threads))
    _write(folder / "macros" / "generate_schema_name.sql", _SCHEMA_NAME)
    _write(folder / "macros" / "new_files.sql", _NEW_FILES)
    for source in COLUMNS:
        _write(folder / "models" / "raw" / f"raw_{source}.sql", _raw_model(source, raw))
    for schema in ("staging", "marts"):
        for path in sorted(path for path in (sql / schema).glob("*.sql") if not is_test(path)):
            text = f"{{{{ config(alias='{path.stem}') }}}}\n{_with_refs(path)}"
            _write(folder / "models" / schema / f"{schema}_{path.name}", text)
    audits = sorted((sql / "audits").glob("*.sql"))
    for path in audits:
        _write(folder / "tests" / path.name, _test(path))
    _write(folder / "models" / "marts" / "keys.yml", json.dumps({"models": [_keys(mart) for mart in KEYS]}))
    return len(audits) + 2 * len(KEYS)


def _profile(database: Path, threads: int) -> str:
    output = {
        "type": "duckdb",
        "path": str(database),
        "schema": "main",
        "threads": threads,
        "settings": {"TimeZone": "UTC"},
    }
    # JSON is YAML, and quotes what a path may hold
    return json.dumps({"flights": {"target": "benchmark", "outputs": {"benchmark": output}}})


def _raw_model(source: str, raw: Path) -> str:
    dated = source in DATED
    values = {
        "source": source,
        "pattern": str(raw / source / "*.csv") if dated else str(raw / f"{source}.csv"),
        "types": dict(column.split() for column in COLUMNS[source].split(", ")),
        "column": DATED.get(source),
    }
    return (_DATED if dated else _SNAPSHOT) % values


def _with_refs(path: Path) -> str:
    """Return a SELECT with ref() for the tables it names; without comments, which dbt would read for refs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    select = "\n".join(line for line in lines if not line.startswith("--"))
    return re.sub(r"\b(raw|staging|marts)\.(\w+)", r"{{ ref('\1_\2') }}", select)


def _test(path: Path) -> str:
    severity = "warn" if path.read_text(encoding="utf-8").startswith("-- warn") else "error"
    return f"{{{{ config(severity='{severity}') }}}}\n{_with_refs(path)}"


def _keys(mart: str) -> dict[str, object]:
    """Return the tests of a mart's key: it is unique, and its first column is never null."""
    unique = {"unique": {"arguments": {"column_name": f"({', '.join(KEYS[mart])})"}}}
    return {
        "name": f"marts_{mart}",
        "data_tests": [unique],
        "columns": [{"name": KEYS[mart][0], "data_tests": ["not_null"]}],
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.lstrip("\n"), encoding="utf-8")
