"""Tables and queries of each kind of database, fetched night after night."""

from datetime import date, timedelta

import pytest

from etl.errors import FetchError
from tests.support import databases as db
from tests.support import tiny

pytestmark = pytest.mark.sampled

CREATE = "create table orders (id int primary key, item varchar(20), updated_at timestamp null)"
ORDERS = """
class Order(pa.DataFrameModel):
    id: int
    item: str
    updated_at: pd.Timestamp = pa.Field(nullable=True)

"""
NEXT = db.DAY + timedelta(days=1)


def row(id, item, at="2024-03-01 10:00:00"):
    word = item.replace("'", "''")
    return f"insert into orders values ({id}, '{word}', {(at and repr(at)) or 'null'})"


def project(tmp_path, fetch, options=""):
    return db.project(tmp_path / "project", f"{ORDERS}orders = Source(contract=Order, {options}fetch={fetch})\n")


def ids(project, day=db.DAY):
    """Return what the warehouse holds after a night without Luigi."""
    tiny.night(project, day)
    return [tuple(row) for row in tiny.published(project, "select id, item from raw.orders order by all")]


def landed(found):
    return found["orders"].rows if found["orders"].files else None


def test_a_table_is_fetched_in_full_and_only_when_it_has_changed(tmp_path, run):
    run(CREATE, row(1, "pen"), row(2, "50% 'off'"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders")')
    assert landed(db.fetched(shop)) == 2
    assert landed(db.fetched(shop, NEXT)) is None
    run("delete from orders where id = 1", row(3, "cup"))
    assert landed(db.fetched(shop, NEXT)) == 2
    assert ids(shop, NEXT) == [(2, "50% 'off'"), (3, "cup")]


def test_a_cursor_brings_what_is_new_or_changed_and_a_full_fetch_everything(tmp_path, run):
    run(CREATE, row(1, "pen", "2024-03-01 08:00:00"), row(2, "cup", "2024-03-01 10:00:00"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders", cursor="updated_at")')
    assert landed(db.fetched(shop)) == 2
    assert landed(db.fetched(shop, NEXT)) is None
    # one that was changed, and one whose transaction has committed late
    run("update orders set item = 'ink', updated_at = '2024-03-02 09:00:00' where id = 1")
    run(row(3, "hat", "2024-03-01 09:15:00"), row(4, "bag", "2024-03-01 08:30:00"))
    found = db.fetched(shop, NEXT)
    assert landed(found) == 3
    assert found["orders"].newest.to.startswith("2024-03-02 09:00:00")
    assert landed(db.fetched(shop, NEXT, since="2024-03-01 08:30:00")) == 4
    assert landed(db.fetched(shop, NEXT, full=True)) == 4


def test_rows_without_a_cursor_come_each_time_and_one_of_the_future_does_not_hide_others(tmp_path, run):
    run(CREATE, row(1, "pen", None), row(2, "cup", "2037-01-01 00:00:00"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders", cursor="updated_at")')
    assert landed(db.fetched(shop)) == 2
    run(row(3, "hat", None), row(4, "bag", "2036-01-01 00:00:00"))
    assert landed(db.fetched(shop, NEXT)) == 4


def test_an_empty_table_is_a_delivery_and_its_first_row_comes_later(tmp_path, run):
    run(CREATE)
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders", cursor="updated_at")')
    db.fetched(shop)
    run(row(1, "pen", "2020-01-01 00:00:00"))
    assert landed(db.fetched(shop, NEXT)) == 1


@pytest.mark.parametrize("type", ["int", "decimal(20, 4)", "double precision"])
def test_a_number_is_a_cursor_too(tmp_path, run, type):
    run(CREATE.replace("id int", f"id {type}"), row(1, "pen"), row(30_000, "cup"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders", cursor="id")')
    assert landed(db.fetched(shop)) == 2
    run(row(20_000, "late"), row(19_999, "too late"), row(30_001, "new"))
    assert landed(db.fetched(shop, NEXT)) == 3


def test_a_soft_delete_counts_as_a_change(tmp_path, run):
    run(
        "create table orders (id int primary key, item varchar(20), updated_at timestamp null, "
        "gone timestamp null)"
    )
    run(
        "insert into orders values (1, 'pen', '2024-03-01 08:00:00', null), "
        "(2, 'cup', '2024-03-01 12:00:00', null)"
    )
    fetch = 'Table("SHOP_DSN", "orders", cursor="updated_at", deletes="gone")'
    shop = project(tmp_path, fetch, options='extra="keep", ')
    assert landed(db.fetched(shop)) == 2
    run("update orders set gone = '2024-03-02 08:00:00' where id = 1")
    assert landed(db.fetched(shop, NEXT)) == 2


def test_keys_are_fetched_once_a_week(tmp_path, run):
    run(CREATE, row(1, "pen"), row(2, "cup"))
    contract = "class Key(pa.DataFrameModel):\n    id: int\n\n"
    fetch = 'Table("SHOP_DSN", "orders", keys="weekly")'
    made = f'{contract}orders = Source(contract=Key, extra="ignore", fetch={fetch})\n'
    shop = db.project(tmp_path / "project", made)
    today = date.today()
    assert landed(db.fetched(shop, today)) == 2
    run("delete from orders where id = 1")
    assert landed(db.fetched(shop, today + timedelta(days=6))) is None
    assert landed(db.fetched(shop, today + timedelta(days=7))) == 1
    # the same keys are a delivery, too: they are due again a week later only
    assert landed(db.fetched(shop, today + timedelta(days=15))) == 1


def test_a_query_is_fetched_by_date(tmp_path, run):
    run(CREATE, row(1, "pen", "2024-03-01 08:00:00"), row(2, "50% off", "2024-03-02 08:00:00"))
    query = "select id, item, updated_at from orders where item like '%' and date(updated_at) = :date; -- :date"
    shop = project(tmp_path, f'Query("SHOP_DSN", "{query}")')
    assert landed(db.fetched(shop)) == 1
    assert landed(db.fetched(shop)) is None
    assert landed(db.fetched(shop, NEXT)) == 1
    assert ids(shop, NEXT) == [(1, "pen"), (2, "50% off")]


def test_of_a_query_too_only_the_columns_of_the_contract_are_landed(tmp_path, run):
    run(CREATE, row(1, "pen"))
    query = "with all_of_them as (select 7 as more, id, item, updated_at from orders) select * from all_of_them"
    shop = project(tmp_path, f'Query("SHOP_DSN", "{query}")', options='extra="ignore", ')
    assert landed(db.fetched(shop)) == 1
    assert ids(shop) == [(1, "pen")]
    with pytest.raises(FetchError, match="'more'"):
        db.fetched(project(tmp_path / "other", f'Query("SHOP_DSN", "{query}")'))


def test_names_are_quoted(tmp_path, run, request):
    mark = "`" if "mariadb" in request.node.name.lower() else '"'
    table, column = f"{mark}odd % 'name'{mark}", f"{mark}an id; %s{mark}"
    run(f"create table {table} ({column} int primary key, {mark}select{mark} varchar(9))")
    run(f"insert into {table} values (1, 'x'), (20000, 'y')")
    contract = (
        "class Odd(pa.DataFrameModel):\n    id: int = pa.Field(alias='an id; %s')\n"
        "    word: str = pa.Field(alias='select')\n\n"
    )
    fetch = """Table("SHOP_DSN", "odd % 'name'", cursor="an id; %s")"""
    shop = db.project(tmp_path / "project", f"{contract}orders = Source(contract=Odd, fetch={fetch})\n")
    assert landed(db.fetched(shop)) == 2
    run(f"insert into {table} values (20001, 'z')")
    assert landed(db.fetched(shop, NEXT)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("alter table orders add column note text", "has columns that the contract Order does not have: 'note'"),
        ("alter table orders drop column item", "does not have 'item', which the contract Order requires"),
        ("alter table orders rename column item to items", "Did you mean items?"),
    ],
)
def test_columns_that_come_or_go_are_refused(tmp_path, run, change, said):
    run(CREATE, row(1, "pen"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders")')
    db.fetched(shop)
    run(change)
    with pytest.raises(FetchError, match=said):
        db.fetched(shop, NEXT)


def test_another_type_is_refused_with_a_diff_until_all_is_fetched_again(tmp_path, run, request):
    if "sqlite" in request.node.name:
        pytest.skip("a column of SQLite takes any type")
    run(CREATE, row(1, "1"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders")')
    db.fetched(shop)
    changed = (
        "alter column item type int using item::int"
        if "postgresql" in request.node.name.lower()
        else "modify item int"
    )
    run(f"alter table orders {changed}")
    with pytest.raises(FetchError, match=r"(?i)~ item .*varchar|~ item character varying\(20\) -> integer"):
        db.fetched(shop, NEXT)
    assert any("~ item" in note for note in db.fetched(shop, NEXT, full=True)["orders"].notes)
    assert landed(db.fetched(shop, NEXT)) is None


def test_a_column_that_is_left_alone_may_come_and_go(tmp_path, run):
    run(CREATE, row(1, "pen"))
    shop = project(tmp_path, 'Table("SHOP_DSN", "orders")', options='extra="ignore", ')
    db.fetched(shop)
    run("alter table orders add column note int")
    found = db.fetched(shop, NEXT)["orders"]
    assert found.files == () and any("+ note" in note for note in found.notes)


def test_all_tables_of_a_night_are_those_of_one_moment(tmp_path, run, request):
    from etl.stages.fetched import fetch
    from etl.stages.fetched.kinds import database

    # SQLite lets nobody write while another one reads, but for this mode
    run("pragma journal_mode = wal") if "sqlite" in request.node.name else None
    run(CREATE, row(1, "pen"), "create table parts (id int primary key, part_of int)")
    contract = "class Part(pa.DataFrameModel):\n    id: int\n    part_of: int\n\n"
    made = f'{ORDERS}orders = Source(contract=Order, fetch=Table("SHOP_DSN", "orders"))\n\n'
    made += f'{contract}parts = Source(contract=Part, fetch=Table("SHOP_DSN", "parts"))\n'
    shop = db.project(tmp_path / "project", made)
    known = db.sources(shop)
    with database.together([known["orders"].fetch, known["parts"].fetch]) as shared:
        fetch(shop, known["orders"], db.DAY, shared=shared)
        run(row(2, "cup"), "insert into parts values (1, 2)")
        assert fetch(shop, known["parts"], db.DAY, shared=shared).rows == 0
    assert fetch(shop, known["parts"], db.DAY).rows == 1


@pytest.mark.parametrize(
    ("fetch", "said"),
    [
        ('Table("SHOP_DSN", "nowhere")', "There is no nowhere of"),
        ('Table("SHOP_DSN", "orders", cursor="at")', "cursor 'at' is not a column of orders"),
        ('Table("SHOP_DSN", "orders", cursor="id", overlap="1 hour")', "Write its overlap as overlap=10_000"),
        ('Query("SHOP_DSN", "select id, item, nothing from orders")', "nothing"),
        ('Query("SHOP_DSN", "select id, id, item, updated_at from orders")', "id"),
        ('Query("OTHER_DSN", "select 1")', "OTHER_DSN is not set"),
    ],
)
def test_what_cannot_be_fetched_is_said_without_the_password(tmp_path, run, fetch, said):
    run(CREATE)
    with pytest.raises(FetchError, match=said) as raised:
        db.fetched(project(tmp_path, fetch))
    assert "ocelot" not in str(raised.value)
