"""Models bound to other tables than those that they were read with."""

from pathlib import Path

import duckdb

from etl.models import Given, models_over, read_models

RAW = [Given("raw.sales", (("a", "BIGINT"),))]
SQL = {
    "staging/sales.sql": "-- materialized: view\nselect a from raw.sales",
    "marts/other.sql": "select date '2024-03-01' as day, a from staging.sales",
    "marts/daily.sql": "-- materialized: incremental\n-- partition: day\nselect day from marts.other",
}


def test_what_a_model_is_built_from_is_what_it_is_given(tmp_path: Path) -> None:
    for name, text in SQL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    models = read_models(tmp_path, RAW)

    with duckdb.connect() as con:
        daily = models_over(con, models, [Given("marts.other", (("day", "DATE"),), "day")], ["marts.daily"])
        assert con.execute("select current_database()").fetchall() == [("memory",)]

    assert (models.models["marts.daily"].by_date, models.models["marts.daily"].whole) == ((), ("marts.other",))
    assert {name: (model.by_date, model.whole) for name, model in daily.models.items()} == {
        "marts.daily": (("marts.other",), ())
    }
