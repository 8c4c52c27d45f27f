"""SQLite, where any cell can hold any type: what is published is the value, or it is in quarantine."""

import json
import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from tests.support import databases as db
from tests.support import tiny

DECLARED = ("integer", "real", "text", "blob", "numeric", "datetime", "any_name", "")
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.binary(max_size=4),
)


def text_of(value):
    """Return a value as text that is that value and no other."""
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, str) else repr(value)


@given(rows=st.lists(st.tuples(*[VALUES] * len(DECLARED)), max_size=6))
def test_every_value_is_landed_as_its_exact_text(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("held")
    landed = db.landed_of_sqlite(folder / "shop.db", DECLARED, rows)
    with closing(sqlite3.connect(folder / "shop.db")) as con:
        stored = con.execute("select * from held order by rowid").fetchall()
    assert landed == [tuple(map(text_of, row)) for row in stored]


def test_typed_columns_publish_the_value_or_quarantine_it(tmp_path, monkeypatch):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as con:
        con.execute("create table held (id integer primary key, amount real, seen datetime, photo blob)")
        rows = [(1, 0.1, "2024-02-29 12:00:00", b"\xff"), (2, "dear", None, None), (3, 3, "yesterday", b"a")]
        con.executemany("insert into held values (?, ?, ?, ?)", rows)
        con.commit()
    monkeypatch.setenv("SHOP_DSN", f"sqlite:///{tmp_path}/shop.db")
    project = db.project(
        tmp_path,
        "class Held(pa.DataFrameModel):\n    id: int\n    amount: float = pa.Field(nullable=True)\n"
        "    seen: pd.Timestamp = pa.Field(nullable=True)\n"
        "    photo: Annotated[pd.ArrowDtype, pyarrow.binary()] = pa.Field(nullable=True)\n\n"
        'held = Source(contract=Held, max_rejects=9, fetch=Table("SHOP_DSN", "held"))\n',
    )
    db.fetched(project)
    tiny.night(project, db.DAY)
    assert tiny.published(project, "select id, amount, seen::varchar, photo from raw.held") == [
        (1, 0.1, "2024-02-29 12:00:00", b"\xff")
    ]
    texts = [json.loads(text) for _, text in db.rejected(project, "held")]
    assert [(one["amount"], one["seen"]) for one in texts] == [("dear", None), ("3.0", "yesterday")]
