"""What Table and Query take, and what they refuse."""

import subprocess
import sys

import pytest

from etl.errors import ContractError
from etl.sources.fetches.database import Query, Table, parts_of, with_date


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dsn": "postgresql://ann:geheim@host/shop"}, "name of an environment variable"),
        ({"table": ""}, "does not name a table"),
        ({"table": "a..b"}, "does not name a table"),
        ({"overlap": "1 hour"}, "overlap needs a cursor"),
        ({"deletes": "gone_at"}, "deletes needs a cursor"),
        ({"horizon": True}, "horizon needs a cursor"),
        ({"late_commits": "never"}, "late_commits needs a cursor"),
        ({"cursor": "at", "overlap": 0}, "late_commits='never'"),
        ({"cursor": "at", "overlap": "0 hours"}, "late_commits='never'"),
        ({"cursor": "at", "overlap": 0, "horizon": True}, "late_commits='never'"),
        ({"cursor": "at", "overlap": -1}, "overlap is a time"),
        ({"cursor": "at", "overlap": True}, "overlap is a time"),
        ({"cursor": "at", "overlap": "an hour"}, "overlap='an hour'"),
        ({"cursor": "at", "late_commits": "seldom"}, "late_commits is one of"),
        ({"keys": "yearly"}, "keys is one of"),
        ({"keys": "weekly", "cursor": "at"}, "source of its own"),
        ({"time_limit": "soon"}, "time_limit='soon'"),
        ({"connect_limit": "0 seconds"}, "connect_limit"),
        ({"cursor": "at", "keep_days": 3}, "keep_days would lose rows"),
    ],
)
def test_a_wrong_option_is_refused_when_the_table_is_declared(options, said):
    given = {"dsn": "SHOP_DSN", "table": "public.orders", **options}
    with pytest.raises(ContractError, match=said) as raised:
        Table(given.pop("dsn"), given.pop("table"), **given)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "moment", "day", "number"),
    [
        ({}, 3600, 1, 10_000),
        ({"late_commits": "never"}, 0, 0, 0),
        ({"late_commits": "never", "overlap": 0}, 0, 0, 0),
        ({"overlap": "2 hours"}, 7200, 1, None),
        ({"overlap": "36 hours"}, 129_600, 2, None),
        ({"overlap": 500}, None, None, 500),
    ],
)
def test_the_overlap_is_a_time_or_a_number(options, moment, day, number):
    table = Table("SHOP_DSN", "orders", cursor="at", **options)
    assert [table.overlap_of(measure) for measure in ("moment", "day", "number")] == [moment, day, number]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("orders", ("orders",)),
        ("public.orders", ("public", "orders")),
        ('public."odd.na""me"', ("public", 'odd.na"me')),
        ("Größe.x y", ("Größe", "x y")),
        ('a"b', ()),
        ("a.", ()),
        ("a\0b", ()),
    ],
)
def test_a_table_has_parts(name, parts):
    assert parts_of(name) == parts


@pytest.mark.parametrize(
    ("query", "bound"),
    [
        ("select * from r where day = :date", "select * from r where day = ?"),
        ("select :date, d::date, ':date', \":date\" -- :date", "select ?, d::date, ':date', \":date\" -- :date"),
        ("select $a$ :date $a$, /* :date */ :date", "select $a$ :date $a$, /* :date */ ?"),
        ("select :dates, a:date", "select :dates, a:date"),
        ("select 'it''s :date', :date", "select 'it''s :date', ?"),
    ],
)
def test_the_date_is_a_parameter_where_it_is_not_a_text(query, bound):
    assert with_date(query, "?") == bound
    assert Query("SHOP_DSN", query).mode == ("full" if query == bound else "date")


def test_no_driver_is_imported_by_what_only_declares_a_table():
    code = (
        "import sys; from etl import Query, Source, Table; Table('X_DSN', 'orders'); Query('X_DSN', 'select 1')\n"
        "print([name for name in sys.modules if name.startswith(('adbc', 'pymysql', 'etl.stages.fetched.kinds'))])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    )
