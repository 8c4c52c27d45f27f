"""A value, a name or a type that changes reaches all who look at content: models below, exports, generations."""

from pathlib import Path

import duckdb
import pytest

from etl.ledger import Ledger
from etl.ledger.keys import PUBLISH
from etl.project import Project
from etl.stages import published
from tests.support import tiny

FIRST = "select 1::integer as id, 0::hugeint as x, 2::integer as y"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.once(tmp_path, published_once)


def published_once(root: Path) -> None:
    below = "select typeof(x) || ' ' || x::varchar || ' ' || y::varchar as text from marts.t"
    tiny.night(tiny.project(root, sql={"marts/t.sql": f"-- export: parquet\n{FIRST}", "marts/below.sql": below}))


@pytest.mark.parametrize(
    "before, after",
    [
        (FIRST, "select 1::integer as id, (-1)::hugeint as x, 2::integer as y"),
        ("select 1 as id, 3 as x, 2 as y", "select 1 as id, 3 as y, 2 as x"),
        ("select 1 as id, 5::bigint as x, 2 as y", "select 1 as id, 5::decimal(18, 2) as x, 2 as y"),
        (
            "select 1 as id, timestamp '2024-01-01' as x, 2 as y",
            "select 1 as id, timestamptz '2024-01-01' as x, 2 as y",
        ),
        ("select 1 as id, [1]::integer[] as x, 2 as y", "select 1 as id, []::integer[] as x, 2 as y"),
        ("select 1 as id, [null]::integer[] as x, 2 as y", "select 1 as id, []::integer[] as x, 2 as y"),
        ("select 1 as id, interval '1 month' as x, 2 as y", "select 1 as id, interval '30 days' as x, 2 as y"),
        ("select 1 as id, 12345678901::double as x, 2 as y", "select 1 as id, 12345678902::double as x, 2 as y"),
    ],
)
def test_a_change_reaches_the_models_below_the_export_and_the_generation(
    project: Project, before: str, after: str
) -> None:
    path = project.sql / "marts/t.sql"
    seen = []
    for select in (before, after):
        path.write_text(f"-- export: parquet\n{select}")
        tiny.night(project)
        seen.append((published.current(project), exported(project), tiny.published(project, "from marts.below")))

    expected = duckdb.sql(f"select typeof(x) || ' ' || x::varchar || ' ' || y::varchar from ({after})").fetchall()
    assert seen[1][2] == expected
    assert all(one != other for one, other in zip(*seen, strict=True))


def exported(project: Project) -> str:
    """Return what the exported file holds, as text."""
    file = project.data / "lake/marts/t/data.parquet"
    rows = duckdb.sql(f"select typeof(x), x::varchar, y from read_parquet('{file}', hive_partitioning = false)")
    return str(rows.fetchall())


def test_the_last_bits_of_floats_are_no_change_if_code_and_inputs_are_the_same(project: Project) -> None:
    (project.sql / "marts/t.sql").write_text("select 1 as id, 0.3::double as x, 2 as y")
    tiny.night(project)
    before = published.generations(project)
    # as if the sum had come out otherwise in a build of the same
    with duckdb.connect(str(project.build)) as con:
        con.execute("update marts.t set x = 0.1::double + 0.2::double; delete from etl._hashes")
        con.execute("update etl._builds set version = 'of it'")
    Ledger(project.ledger).forget([PUBLISH])

    assert "publish" in tiny.stale(tiny.night(project))

    assert published.generations(project) == before
