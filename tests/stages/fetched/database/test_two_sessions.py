"""Whatever two sessions do while a table is fetched by its cursor, no row is lost and none is stale."""

from contextlib import closing

import psycopg
import pytest

from etl.sources.fetches.database import Table
from etl.stages.fetched.kinds import database
from tests.support.cursors import Reader
from tests.support.interleavings import CREATE, Program, Step, lost

#: `python benchmarks/cursors.py` tries 10,000.
TRIED = 12


@pytest.fixture
def sessions(postgresql):
    connections = [psycopg.connect(postgresql.dsn, autocommit=True) for _ in range(2)]
    connections[0].execute(CREATE)
    with closing(connections[0]), closing(connections[1]):
        yield connections


@pytest.fixture
def kept():
    with database.together() as opened:
        yield opened


@pytest.mark.parametrize("cursor", ["updated_at", "id"])
def test_no_row_is_lost_and_none_is_stale(sessions, kept, cursor):
    table = Table("SHOP_DSN", "items", cursor=cursor)
    for seed in range(TRIED):
        steps = Program(seed).steps
        if cursor == "id":
            # a number tells of new rows only
            steps = [_without_updates(step) for step in steps if step.kind != "update"]
        assert lost(steps, sessions, Reader(table, kept)) == set(), seed


def test_without_an_overlap_the_same_lose_rows(sessions, kept):
    table = Table("SHOP_DSN", "items", cursor="updated_at", overlap=0, late_commits="never")
    assert any(lost(Program(seed).steps, sessions, Reader(table, kept)) for seed in range(TRIED))


def _without_updates(step):
    return Step("fetch", during=tuple(s for s in step.during if s.kind != "update")) if step.during else step
