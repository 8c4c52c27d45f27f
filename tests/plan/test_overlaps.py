"""What a fetch by a cursor brings twice is held once, or the project is refused before anything runs."""

import pytest

from etl.errors import ContractError, ModelError
from tests.support import databases as db

CONTRACT = """
class Order(pa.DataFrameModel):
    id: int{unique}
    item: str
    updated_at: pd.Timestamp

orders = Source(contract=Order, fetch=Table("SHOP_DSN", "orders", cursor="updated_at"))
"""
MERGE = "-- materialized: merge\n-- key: id\n-- order: updated_at\nselect id, item, updated_at from {}"
SCD2 = """-- materialized: scd2
-- key: id
-- partition: delivery_date
-- order: updated_at
select delivery_date, id, item, updated_at from {}"""
VIEW = "-- materialized: view\nselect id, item, updated_at from raw.orders"


def project(tmp_path, sql, unique=""):
    return db.project(tmp_path, CONTRACT.format(unique=unique), sql)


@pytest.mark.parametrize(
    "sql",
    [
        {},
        {"marts/orders.sql": MERGE.format("raw.orders")},
        {"marts/orders.sql": SCD2.format("raw.orders")},
        {"staging/orders.sql": VIEW, "marts/orders.sql": MERGE.format("staging.orders")},
    ],
)
def test_a_model_that_holds_each_row_once_may_read_it(tmp_path, sql):
    assert "orders" in db.sources(project(tmp_path, sql))


CHANGES = """
from etl import Debezium

class Order(pa.DataFrameModel):
    id: int{unique}
    updated_at: str = pa.Field(alias="_position")
    deleted: bool = pa.Field(alias="_deleted")

orders = Source(contract=Order, files="orders/{{date}}.jsonl", format={{None: Csv(), "2024-03-01": Debezium()}})
"""
CHANGED = "-- materialized: merge\n-- key: id\n-- order: _position\n-- deletes: _deleted\nselect * from raw.orders"


def test_changes_are_rows_for_a_merge_alone(tmp_path):
    def shop(name, sql, unique=""):
        return db.project(tmp_path / name, "from etl import Csv\n" + CHANGES.format(unique=unique), sql)

    assert "orders" in db.sources(shop("a", {"marts/orders.sql": CHANGED}))
    with pytest.raises(ModelError, match=r"sums\.sql: it reads raw\.orders, .*: orders tells each change of it"):
        db.sources(shop("b", {"marts/sums.sql": "select count(*) as orders from raw.orders"}))
    with pytest.raises(ContractError, match="says that id is unique, and orders tells each change"):
        db.sources(shop("c", {}, " = pa.Field(unique=True)"))


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ({"marts/sums.sql": "select count(*) as orders from raw.orders"}, "sql/marts/sums.sql"),
        ({"marts/orders.sql": "-- materialized: table\nselect id from raw.orders"}, "sql/marts/orders.sql"),
        (
            {
                "staging/orders.sql": VIEW,
                "marts/orders.sql": MERGE.format("staging.orders"),
                "marts/sums.sql": "select count(*) as orders from staging.orders",
            },
            "sql/marts/sums.sql",
        ),
        ({"staging/orders.sql": VIEW}, "sql/staging/orders.sql"),
    ],
)
def test_another_one_is_refused_and_named(tmp_path, sql, named):
    with pytest.raises(ModelError, match=f"{named}: it reads .* several times"):
        db.sources(project(tmp_path, sql))


def test_a_contract_that_says_unique_is_refused_since_it_would_reject_what_comes_again(tmp_path):
    with pytest.raises(ContractError, match="orders: its contract says that id is unique"):
        db.sources(project(tmp_path, {}, unique=" = pa.Field(unique=True)"))
