"""What is published opens in the oldest DuckDB client that the README names, and in none older than asked for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from etl.errors import ConfigError
from etl.project import Project
from etl.project.settings import Settings
from tests.support import tiny

#: Installed by `make test`: a real older release, in a folder of its own.
OLDEST = Path(sys.prefix) / "oldest-client"
needs_oldest = pytest.mark.skipif(not OLDEST.is_dir(), reason="`make test` found no such release for this Python")
TYPES = """
select
    1::utinyint as a, 2::hugeint as b, 3.25::decimal(30, 2) as c, 0.1::float as d, 'x'::blob as e,
    date '2024-03-01' as f, time '01:02:03' as g, timestamptz '2024-03-01 01:02:03+00' as h,
    interval 3 days as i, uuid '00000000-0000-0000-0000-000000000001' as j, [1, null] as k,
    {'p': 1, 'q': ['r']} as l, map {'s': 2} as m, 'on'::enum('on', 'off') as n, '101'::bit as o,
    timestamp '2024-03-01 01:02:03.000001' as p, [1, 2]::integer[2] as q, '{"t": 1}'::json as r
"""
READ = """
import duckdb, json, sys
con = duckdb.connect(sys.argv[1], read_only=True)
tables = con.execute(
    "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'etl' union all "
    "select schema_name || '.' || view_name from duckdb_views() where not internal order by all"
).fetchall()
found = {name: [list(map(str, row)) for row in con.execute(f"select columns(*)::varchar from {name}").fetchall()]
         for (name,) in tables}
found["twice"] = con.execute("select twice(21)").fetchall()
found["comment"] = con.execute("select comment from duckdb_tables() where table_name = 'items'").fetchall()
print(json.dumps([duckdb.__version__, found]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    sql = {
        "marts/types.sql": TYPES,
        "marts/items.sql": f"-- owner: ann\n{tiny.SQL['marts/items.sql']}",
        "marts/recent.sql": "-- materialized: view\nselect twice(sales) as n from marts.items where sales > 1",
        "macros/twice.sql": "create macro twice(x) as 2 * x;",
    }
    project = tiny.project(tmp_path, sql=sql)
    tiny.night(project)
    return project


def read(file: Path, client: Path | None = None) -> tuple[str, dict[str, object]]:
    """Return the version of a client, and what it reads; without `client` it is the newest."""
    env = {**os.environ, **({"PYTHONPATH": str(client)} if client else {})}
    command = [sys.executable, "-c", READ, str(file.resolve())]
    done = subprocess.run(command, env=env, cwd=file.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, found = json.loads(done.stdout)
    return version, found


@needs_oldest
def test_the_oldest_client_reads_all_that_the_newest_reads(project: Project) -> None:
    oldest, found = read(project.warehouse, OLDEST)

    assert f"v{oldest}" == Settings().storage_version
    assert found == read(project.warehouse)[1]
    assert found["marts.recent"] == [["4"]]


@needs_oldest
def test_the_newest_storage_is_there_for_the_asking(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="threads = 1\nstorage_version = latest\n")
    tiny.night(project)

    assert tiny.published(project, "select count(*) from marts.items") == [(2,)]
    with pytest.raises(AssertionError, match=r"(?i)version|serial"):
        read(project.warehouse, OLDEST)


def test_a_newer_storage_is_taken_up_by_the_next_generation(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    (project.root / "luigi.cfg").write_text("[etl]\nthreads = 1\nstorage_version = latest\n")
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(tiny.load_project(project.root))

    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        tags = con.execute("select tags['storage_version'] from duckdb_databases() where not internal").fetchall()
    assert not tags[0][0].startswith("v1.2.0")


def test_an_older_storage_needs_a_new_build_and_the_message_says_so(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="threads = 1\nstorage_version = latest\n")
    tiny.night(project)
    (project.root / "luigi.cfg").write_text("[etl]\nthreads = 1\n")
    project = tiny.load_project(project.root)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    with pytest.raises(ConfigError, match=r"build\.duckdb has a newer storage version.*Delete the file"):
        tiny.night(project)

    project.build.unlink()
    tiny.night(project)

    assert tiny.published(project, "select count(*) from raw.sales") == [(4,)]
