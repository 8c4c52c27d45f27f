"""What the SQL under sql/ depends on, and how a file that is no model or audit is refused."""

from pathlib import Path

import duckdb
import pytest

from etl.errors import ModelError
from etl.models import Given, Models, models_key, read_models

RAW = [
    Given(
        "raw.sales",
        (("id", "BIGINT"), ("a", "BIGINT"), ("b", "BIGINT"), ("site", "VARCHAR"), ("sold_at", "TIMESTAMP")),
    ),
    Given("raw.sites", (("site", "VARCHAR"), ("a", "BIGINT"))),
]
#: Functions that are not consistent to DuckDB, but the same each night.
HARMLESS = [
    *("error", "stats", "vector_type", "write_log", "sleep_ms", "current_setting", "getvariable"),
    *("current_database", "current_schema", "current_schemas", "in_search_path"),
]


def read(root: Path, **files: str) -> Models:
    """Read models; `marts__items` stands for sql/marts/items.sql."""
    for name, text in files.items():
        path = root / "sql" / f"{name.replace('__', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_models(root / "sql", RAW)


def refusal(root: Path, **files: str) -> str:
    with pytest.raises(ModelError) as error:
        read(root, **files)
    return str(error.value)


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("select * from raw.sales", ["raw.sales"]),
        ("from Raw.SALES", ["raw.sales"]),
        ('select * from "raw"."sales" as x join raw.sites using (site)', ["raw.sales", "raw.sites"]),
        ("select * from raw.sales, lateral (select * from raw.sites)", ["raw.sales", "raw.sites"]),
        ("select (select max(a) from raw.sites) as x from raw.sales", ["raw.sales", "raw.sites"]),
        ("select * from raw.sales where a in (select a from raw.sites)", ["raw.sales", "raw.sites"]),
        ("select * from raw.sales where exists (from raw.sites)", ["raw.sales", "raw.sites"]),
        ("select * from raw.sales union all by name from raw.sites", ["raw.sales", "raw.sites"]),
        ("with sales as (from raw.sites) from sales", ["raw.sites"]),
        ("with a as (from raw.sites), b as (from a) from b, raw.sales", ["raw.sales", "raw.sites"]),
        ("with a as (with b as (from raw.sales) from b) from a", ["raw.sales"]),
        ("with recursive n as (select 1 as x union all select x + 1 from n where x < 3) from n", []),
        ("select * from (values (1), (2)) as t(x)", []),
        ("select x from generate_series(1, 3) as t(x), raw.sales", ["raw.sales"]),
        ("from raw.sales order by (select max(a) from raw.sites)", ["raw.sales", "raw.sites"]),
        ("from (pivot raw.sales on a in ('x', 'y') using sum(b))", ["raw.sales"]),
        ("select unnest([1, 2]) as x from raw.sales", ["raw.sales"]),
    ],
)
def test_a_model_depends_on_the_tables_that_it_reads(tmp_path: Path, sql: str, reads: list[str]) -> None:
    assert list(read(tmp_path, marts__items=sql).models["marts.items"].reads) == reads


def test_models_come_after_those_that_they_read(tmp_path: Path) -> None:
    models = read(
        tmp_path,
        marts__a="from marts.b join staging.z using (id)",
        marts__b="from staging.z",
        staging__z="from raw.sales",
        audits__x="-- fail: because\nfrom marts.a",
    )

    assert list(models.models) == ["staging.z", "marts.b", "marts.a"]
    assert list(models.audits) == ["audits.x"]


def test_a_cte_hides_a_table_only_where_it_is_seen(tmp_path: Path) -> None:
    sql = "select * from (with sales as (from raw.sites) from sales), sales"

    assert refusal(tmp_path, marts__items=sql).startswith("sql/marts/items.sql:1: there is no table sales")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", ":1: the file has 0 statements. A model or audit is exactly one SELECT."),
        ("-- only a comment", ":1: the file has 0 statements. A model or audit is exactly one SELECT."),
        ("select 1; select 2", ":1: the file has 2 statements. A model or audit is exactly one SELECT."),
        ("create table x as select 1", ":1: the text is not a SELECT. A model or audit is exactly one SELECT."),
        ("delete from raw.sales", ":1: the text is not a SELECT. A model or audit is exactly one SELECT."),
        ("-- é\nselect 1\nfrom raw.sales\nwhere and", ':4: syntax error at or near "and".'),
        ("select 1\nfrom raw.sale", ":2: there is no table raw.sale. Did you mean raw.sales?"),
        ("from nothing.like", ":1: there is no table nothing.like. Tables are raw.<source> or <schema>.<model>."),
        ("from sales", ":1: there is no table sales. Did you mean raw.sales?"),
        ("from 'sales.csv'", ":1: there is no table sales.csv. "),
        ("from warehouse.raw.sales", ":1: there is no table warehouse.raw.sales. Did you mean raw.sales?"),
        ("select *\nfrom read_csv('x.csv')", ":2: read_csv() hides what a model depends on"),
        ("from query('from raw.sales')", ":1: query() hides what a model depends on"),
        ("from query_table('raw.sales')", ":1: query_table() hides what a model depends on"),
        ("from duckdb_tables()", ":1: duckdb_tables() hides what a model depends on"),
        ("from (describe raw.sales)", ":1: "),
        ("select now() as t", ":1: now() gives another result each night"),
        ("select age(sold_at) as a from raw.sales", ":1: age() gives another result each night"),
        ("select 1 as x,\n  random() as r", ":2: random() gives another result each night"),
        ("select current_date as d", ":1: current_date"),
        ("select current_timestamp as d", ":1: current_timestamp"),
        ("from raw.sales using sample 10%", ":1: a sample gives another result each night"),
        ("from raw.sales tablesample 10%", ":1: a sample gives another result each night"),
        ("-- materialized: vue\nselect 1 as x", ":1: materialized: vue is not one of view, table, incremental, "),
        ("-- Items.\n-- materialised: view\nselect 1 as x", ":2: there is no header key 'materialised'. Did you"),
        ("from marts.items", ":1: models read each other in a circle: marts.items -> marts.items."),
    ],
)  # fmt: skip
def test_a_file_that_is_no_model_is_refused_with_its_line(tmp_path: Path, sql: str, message: str) -> None:
    assert refusal(tmp_path, marts__items=sql).startswith(f"sql/marts/items.sql{message}")


def test_no_function_that_duckdb_calls_volatile_can_be_in_a_model(tmp_path: Path) -> None:
    query = (
        "select distinct function_name from duckdb_functions() "
        "where stability <> 'CONSISTENT' and function_type = 'scalar' and not list_contains($1, function_name)"
    )
    with duckdb.connect() as con:
        names = [row[0] for row in con.execute(query, [HARMLESS]).fetchall()]

    taken = []
    for name in names:
        try:
            read(tmp_path, marts__items=f"select {name}() as x")
            taken.append(name)
        except ModelError:
            continue

    assert taken == []


def test_a_circle_is_named_from_start_to_end(tmp_path: Path) -> None:
    message = refusal(tmp_path, marts__a="from marts.b", marts__b="from marts.c", marts__c="from marts.a")

    assert message.endswith("models read each other in a circle: marts.a -> marts.b -> marts.c -> marts.a.")


@pytest.mark.parametrize("name", ["raw__x", "etl__x", "main__x", "x", "marts__deep__x", "Marts__x", "marts__a-b"])
def test_a_file_in_the_wrong_place_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, **{name: "select 1 as x"}).startswith(f"sql/{name.replace('__', '/')}.sql: ")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sql" / "marts").mkdir(parents=True)
    (tmp_path / "sql" / "marts" / "items.sql").write_bytes(b"select '\xff' as x")

    assert refusal(tmp_path).startswith("sql/marts/items.sql")


def test_an_audit_says_in_its_first_line_how_grave_it_is_and_why(tmp_path: Path) -> None:
    audits = read(
        tmp_path, audits__a="-- fail: no id twice \nfrom raw.sales", audits__b="-- warn: late\nfrom raw.sales;"
    ).audits

    assert {name: (audit.severity, audit.why, audit.reads) for name, audit in audits.items()} == {
        "audits.a": ("error", "no id twice", ("raw.sales",)),
        "audits.b": ("warn", "late", ("raw.sales",)),
    }


@pytest.mark.parametrize("text", ["from raw.sales", "-- error: x\nfrom raw.sales", "-- fail:\nfrom raw.sales"])
def test_an_audit_without_its_first_line_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, audits__a=text).startswith(
        "sql/audits/a.sql:1: the first line of an audit must be `-- fail: "
    )


def test_an_audit_that_reads_no_table_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, audits__a="-- fail: x\nselect 1 as x")

    assert message.startswith("sql/audits/a.sql:1: the audit reads no table")


def test_an_audit_cannot_be_read(tmp_path: Path) -> None:
    message = refusal(tmp_path, audits__a="-- fail: x\nfrom raw.sales", marts__x="from audits.a")

    assert message.startswith("sql/marts/x.sql:1: there is no table audits.a")


def test_comments_spacing_and_case_of_words_do_not_change_a_model(tmp_path: Path) -> None:
    plain = "select id, count(*) as n from raw.sales group by id"
    same = "-- Grain: id.\nSELECT\n  id, COUNT(*) AS n -- all\nFROM raw.sales\nGROUP BY id;\n-- end"
    other = "select id, sum(1) as n from raw.sales group by id"

    normal = [read(tmp_path, marts__items=sql).models["marts.items"].normal for sql in (plain, same, other)]

    assert normal[0] == normal[1]
    assert normal[0] != normal[2]


def test_models_survive_json(tmp_path: Path) -> None:
    models = read(tmp_path, marts__a="-- materialized: view\nfrom raw.sales", audits__x="-- warn: y\nfrom marts.a")

    assert Models.from_json(models.to_json()) == models


def test_the_key_changes_with_the_files_and_the_raw_tables(tmp_path: Path) -> None:
    read(tmp_path, marts__a="from raw.sales")
    before = models_key(tmp_path / "sql", RAW)

    assert models_key(tmp_path / "sql", RAW[::-1]) == before
    assert models_key(tmp_path / "sql", RAW[:1]) != before
    read(tmp_path, marts__b="from raw.sales")
    assert models_key(tmp_path / "sql", RAW) != before


def test_tests_of_models_are_no_models(tmp_path: Path) -> None:
    test = "-- test: nothing comes of nothing\n-- expect: no rows\n"
    models = read(tmp_path, marts__items="select id from raw.sales", marts__test_items=test)
    before = models_key(tmp_path / "sql", RAW)

    (tmp_path / "sql/marts/test_items.sql").write_text(test * 2)
    assert list(models.models) == ["marts.items"]
    assert models_key(tmp_path / "sql", RAW) == before


def test_a_model_that_is_called_like_a_test_is_not_left_out_without_a_word(tmp_path: Path) -> None:
    assert refusal(tmp_path, marts__test_results="select id from raw.sales").startswith(
        "sql/marts/test_results.sql:1: a file called test_*.sql holds tests of models"
    )


HISTORY = "-- materialized: scd2\n-- key: {key}\n-- partition: {partition}\n{more}select {columns} from raw.sales"


def history(root: Path, columns: str = "*", key: str = "id", partition: str = "day", more: str = "") -> Models:
    columns = f"sold_at::date as day, {columns}"
    return read(root, marts__items=HISTORY.format(key=key, partition=partition, more=more, columns=columns))


def test_a_header_may_spell_columns_in_any_case(tmp_path: Path) -> None:
    more = "-- order: Sold_At\n-- ignores: B\n-- unit: A = euros\n"
    header = history(tmp_path, key="ID", partition="DAY", more=more).models["marts.items"].header

    assert (header.key, header.partition, header.order, header.ignores) == (("id",), "day", ("sold_at",), ("b",))
    assert header.unit == (("a", "euros"),)


def test_a_column_that_is_not_there_is_told_whatever_its_case(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"key: the SELECT has no column ITE. Did you mean site"):
        history(tmp_path, key="ITE")


@pytest.mark.parametrize("name", ["valid_from", "VALID_FROM", "Valid_To", "is_Current", "VERSION_number"])
def test_a_column_that_history_adds_is_refused_in_any_case(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError) as error:
        history(tmp_path, columns=f"id, site as {name}")

    assert str(error.value) == (
        f"sql/marts/items.sql:1: scd2 adds a column named {name.lower()}. Rename {name} in the SELECT."
    )


def test_a_name_that_the_sql_of_a_history_needs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"begin with _etl_ for itself\. Rename _ETL_Gone in"):
        history(tmp_path, columns="id, site as _ETL_Gone")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("-- versions: id, a\n", ":4: versions: id names the row or its time"),
        ("-- ignores: Day\n", ":4: ignores: day names the row or its time"),
        ("-- versions: a\n-- ignores: b\n", ":5: ignores: versions already says which columns count"),
        ("-- versions: a, A\n", ":4: versions: a, A is not a list of different names"),
        ("-- ignores: c\n", ":4: ignores: the SELECT has no column c"),
    ],
)
def test_what_makes_a_version_is_said_once_and_of_columns_that_can(
    tmp_path: Path, more: str, message: str
) -> None:
    with pytest.raises(ModelError) as error:
        history(tmp_path, more=more)

    assert str(error.value).startswith(f"sql/marts/items.sql{message}")
