"""A small shop: 100,000 rows in six raw files, six staging views and seven marts, as a first project has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from models_domain import Change, Domain, Raw, write

SEED = 7
#: The rows of each raw file; 100,000 in all.
ROWS = {"customers": 1_000, "stores": 40, "products": 60, "supplies": 500, "orders": 30_000, "items": 68_400}
COLUMNS = {
    "customers": {"id": "bigint", "name": "varchar"},
    "stores": {"id": "bigint", "name": "varchar", "opened": "date", "tax_percent": "bigint"},
    "products": {"sku": "bigint", "name": "varchar", "kind": "varchar", "price_cents": "bigint"},
    "supplies": {
        "id": "bigint",
        "sku": "bigint",
        "name": "varchar",
        "cost_cents": "bigint",
        "fresh": "boolean",
    },
    "orders": {"id": "bigint", "customer": "bigint", "store": "bigint", "ordered": "date"},
    "items": {"id": "bigint", "order_id": "bigint", "sku": "bigint"},
}
_KINDS = {"bigint": "int", "varchar": "str", "boolean": "bool", "date": "datetime.date"}

_Values = Callable[[Random, int], list[object]]
_VALUES: dict[str, _Values] = {
    "customers": lambda random, n: [n, f"Customer {random.randint(1, 400)}"],
    "stores": lambda random, n: [n, f"Store {n}", _day(random), random.randint(4, 9)],
    "products": lambda random, n: [n, f"Product {n}", random.choice(["food", "drink"]), random.randint(300, 2000)],
    "supplies": lambda random, n: [
        *(n, _any(random, "products"), f"Supply {n}"),
        *(random.randint(1, 99), random.choice(["true", "false"])),
    ],
    "orders": lambda random, n: [n, _any(random, "customers"), _any(random, "stores"), _day(random)],
    "items": lambda random, n: [n, _any(random, "orders"), _any(random, "products")],
}

MODELS = {
    "staging.customers": "select id as customer_id, trim(name) as customer_name from raw.customers",
    "staging.stores": "select id as store_id, name as store_name, tax_percent / 100 as tax from raw.stores",
    "staging.products": (
        "select sku, name as product_name, kind = 'food' as is_food, price_cents / 100 as price from raw.products"
    ),
    "staging.supplies": "select id as supply_id, sku, cost_cents / 100 as cost, fresh from raw.supplies",
    "staging.orders": "select id as order_id, customer as customer_id, store as store_id, ordered from raw.orders",
    "staging.items": "select id as item_id, order_id, sku from raw.items",
    "marts.costs": (
        "select sku, sum(cost) as cost, count(*) as supplies, bool_or(fresh) as is_fresh\n"
        "from staging.supplies group by sku"
    ),
    "marts.order_items": (
        "select item_id, order_id, sku, ordered, product_name, is_food, price, coalesce(cost, 0) as cost\n"
        "from staging.items join staging.orders using (order_id) join staging.products using (sku)\n"
        "left join marts.costs using (sku)"
    ),
    "marts.orders": (
        "select order_id, customer_id, store_id, orders.ordered, count(item_id) as items,\n"
        "  count(item_id) filter (is_food) as food_items, coalesce(sum(price), 0) as subtotal,\n"
        "  coalesce(sum(cost), 0) as cost, any_value(tax) as tax,\n"
        "  row_number() over (partition by customer_id order by orders.ordered, order_id) as number\n"
        "from staging.orders as orders join staging.stores using (store_id)\n"
        "left join marts.order_items using (order_id)\n"
        "group by order_id, customer_id, store_id, orders.ordered"
    ),
    "marts.customers": (
        "select customer_id, any_value(customer_name) as customer_name, count(order_id) as orders,\n"
        "  min(ordered) as first_ordered, max(ordered) as last_ordered, sum(subtotal) as spent,\n"
        "  if(count(order_id) > 1, 'returning', 'new') as kind\n"
        "from staging.customers left join marts.orders using (customer_id) group by customer_id"
    ),
    "marts.stores": (
        "select store_id, any_value(store_name) as store_name, count(order_id) as orders,\n"
        "  sum(subtotal * (1 + orders.tax)) as revenue\n"
        "from staging.stores as stores left join marts.orders as orders using (store_id) group by store_id"
    ),
    "marts.products": (
        "select sku, any_value(product_name) as product_name, count(*) as sold, sum(price - cost) as margin\n"
        "from marts.order_items group by sku"
    ),
    "marts.daily": (
        "select ordered, count(*) as orders, sum(subtotal) as revenue, sum(items) as items\n"
        "from marts.orders group by ordered"
    ),
}
_PROOF = (
    "select 'customers', count(*), sum(orders)::bigint, round(sum(spent))::bigint from marts.customers "
    "union all select 'daily', count(*), sum(items)::bigint, round(sum(revenue))::bigint from marts.daily "
    "union all select 'products', count(*), sum(sold)::bigint, round(sum(margin))::bigint from marts.products "
    "union all select 'stores', count(*), sum(orders)::bigint, round(sum(revenue))::bigint from marts.stores "
    "order by 1"
)


def shop(folder: Path) -> Domain:
    """Return the models; their raw files are written to `folder`."""
    random, raw = Random(SEED), []
    for name, rows in ROWS.items():
        cells = (_VALUES[name](random, number) for number in range(1, rows + 1))
        lines = [",".join(COLUMNS[name]), *(",".join(map(str, row)) for row in cells), ""]
        write(folder / f"{name}.csv", "\n".join(lines))
        raw.append(Raw(name, folder / f"{name}.csv", COLUMNS[name], "header = true, delim = ','"))
    models = {
        name: f"-- {name.partition('.')[2].capitalize()} of the shop.\n{sql}\n" for name, sql in MODELS.items()
    }
    # orders, and the marts of customers, stores and days below it
    change = Change("marts.orders", "coalesce(sum(price), 0)", "coalesce(sum(price + 1), 0)", 4)
    return Domain("shop", raw, {"shop.py": _contracts()}, models, change, _PROOF)


def _contracts() -> str:
    """Return the module of the contracts: each first column names a row."""
    lines = ['"""What the shop delivers."""', "", "import datetime", "", "import pandera.pandas as pa", ""]
    lines += ["from etl import Source", ""]
    for name, columns in COLUMNS.items():
        fields = [f"    {column}: {_KINDS[type]}" for column, type in columns.items()]
        fields[0] += " = pa.Field(unique=True)"
        title = name.capitalize()
        lines += [
            "",
            f"class {title}(pa.DataFrameModel):",
            f'    """One row per line of {name}."""',
            "",
            *fields,
            "",
        ]
        lines += ["", f'{name} = Source(contract={title}, files="{name}.csv")', ""]
    return "\n".join(lines)


def _any(random: Random, name: str) -> int:
    """Return the number of one row of a raw file."""
    return random.randint(1, ROWS[name])


def _day(random: Random) -> str:
    return f"20{random.randint(22, 23)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
