"""Macros and variables in what is published: an analyst's session knows of neither."""

from pathlib import Path

import duckdb

from tests.support import tiny

SQL = {
    "macros/items.sql": (
        "create macro is_wanted(item) as item = getvariable('wanted');\n"
        "create macro sold(least) as table select * from marts.sales where id >= least;\n"
    ),
    "marts/sales.sql": "select id, item from raw.sales",
    "marts/wanted.sql": (
        "-- materialized: view\nselect id, getvariable('wanted') as wanted from sold(2) where is_wanted(item)"
    ),
    "audits/few.sql": "-- fail: many items\nfrom marts.wanted where id > most()",
    "macros/most.sql": "create macro most() as 1000",
}
SETTINGS = "threads = 1\n[etl.vars]\nwanted = book\n"


def macros(path: Path) -> list[str]:
    query = "select distinct function_name from duckdb_functions() where not internal order by all"
    return [name for (name,) in tiny.ask(path, query)]


def test_a_view_over_macros_and_variables_answers_in_any_session(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL, settings=SETTINGS)
    tiny.night(project)

    assert tiny.published(project, "from marts.wanted") == [(3, "book")]
    with duckdb.connect() as con:
        con.execute(f"attach '{project.warehouse}' as w (read_only)")
        assert con.execute("from w.marts.wanted").fetchall() == [(3, "book")]
    assert tiny.published(project, "select item, is_wanted(item) from sold(3)") == [("book", True)]
    assert macros(project.warehouse) == ["is_wanted", "most", "sold"]
    assert tiny.stale(tiny.plan(project)) == []


def test_what_is_published_has_the_macros_of_the_project_and_no_others(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL, settings=SETTINGS)
    tiny.night(project)

    (project.sql / "macros" / "most.sql").write_text("create macro fewest() as getvariable('wanted')")
    (project.sql / "audits" / "few.sql").unlink()
    assert tiny.stale(tiny.night(project)) == ["audit", "publish"]
    assert macros(project.warehouse) == ["fewest", "is_wanted", "sold"]
    assert tiny.published(project, "select fewest()") == [("book",)]
