"""Tests of models, run: what stands in for what, and what is said of a test that cannot be run."""

from pathlib import Path

import pytest

from etl.errors import ModelError
from etl.operations.model_tests import read_cases
from etl.operations.model_tests.scene import set_scene
from tests.operations.model_tests.bench import FILE, SQL, bench, run


def test_a_table_is_compared_in_the_columns_that_are_expected(tmp_path: Path) -> None:
    test = """-- test: quantities are added up
-- given: staging.sales (item, quantity)
values ('pen', 1), ('pen', 2), ('ink', null);
-- expect: (item, quantity)
values ('pen', 3), ('ink', null);
"""
    assert run(tmp_path, test) == ""
    assert run(tmp_path, test.replace("'pen', 3", "'pen', 4")).splitlines() == [
        f"{FILE}:4: marts.items is not as expected: 2 rows expected, 2 got; 1 different",
        "",
        "              item  quantity",
        "  expected    pen   4",
        "  but got           3",
    ]


def test_rows_may_be_a_select_that_names_its_columns(tmp_path: Path) -> None:
    test = """-- test: a select
-- given: staging.sales
select 'pen' as item, unnest([1, 2]) as quantity
-- expect:
select 3 as quantity, 'pen' as "ITEM" -- without a semicolon
"""
    assert run(tmp_path, test) == ""


def test_views_are_real_if_what_is_under_them_is_given(tmp_path: Path) -> None:
    test = """-- test: items are found whatever their case
-- given: staging.sales (item, quantity)
values ('pen', 1);
-- given: raw.items (item, weight)
values ('PEN', 0.5);
-- expect: (item, weight)
values ('pen', 0.5);
"""
    assert run(tmp_path, test) == ""


def test_what_is_not_given_is_empty(tmp_path: Path) -> None:
    assert run(tmp_path, "-- test: nothing\n-- expect: no rows") == ""


def test_tables_between_are_built_too(tmp_path: Path) -> None:
    sql = SQL | {"marts.heaviest": "select item from marts.items qualify weight = max(weight) over ()"}
    test = """-- test: from raw to mart
-- given: raw.sales (item)
values ('pen'), ('ink');
-- given: raw.items (item, weight)
values ('Pen', 1), ('Ink', 2);
-- expect: (item)
values ('ink');
"""
    assert run(tmp_path, test, "marts.heaviest", sql) == ""


def test_every_test_has_the_database_to_itself(tmp_path: Path) -> None:
    text = """-- test: one
-- given: staging.sales (item)
values ('pen');
-- expect: (item)
values ('pen');
-- test: two
-- given: raw.sales (item)
values ('pen');
-- expect: (item)
values ('pen');
-- test: three
-- expect: no rows
"""
    working = bench(tmp_path)

    assert [working.run(case, "marts.items") for case in read_cases(FILE, text)] == ["", "", ""]


def test_nothing_is_written_to_the_project(tmp_path: Path) -> None:
    run(tmp_path, "-- test: nothing\n-- expect: no rows")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["luigi.cfg", "sql"]


def test_a_variable_of_the_project_can_be_set(tmp_path: Path) -> None:
    sql = {"marts.items": "select item, price >= getvariable('dear_from')::int as is_dear from raw.sales"}
    test = """-- test: dear
-- given: raw.sales (item, price)
values ('pen', 7), ('ink', 12);
-- expect: (item, is_dear)
values ('pen', false), ('ink', true);
"""
    assert run(tmp_path, test, sql=sql) == ""
    assert "1 different" in run(tmp_path, test.replace("dear\n", "dear\n-- set: dear_from = 5\n", 1), sql=sql)


def test_seeds_and_macros_are_the_real_ones(tmp_path: Path) -> None:
    sql = {
        "seeds/codes.csv": "item,code\npen,7\n",
        "macros/spelling.sql": "create macro spelled(text) as lower(trim(text))",
        "marts.items": "select item, code from raw.sales join seeds.codes using (item) where item = spelled(item)",
    }
    test = """-- test: codes
-- given: raw.sales (item)
values ('pen'), ('PEN');
-- expect: (item, code)
values ('pen', 7);
"""
    given = test.replace("-- expect", "-- given: seeds.codes (item, code)\nvalues ('pen', 8);\n-- expect")

    assert run(tmp_path, test, sql=sql) == ""
    assert run(tmp_path, given.replace("'pen', 7", "'pen', 8"), sql=sql) == ""


def test_a_python_model_is_tested_the_same(tmp_path: Path) -> None:
    sql = {
        "marts/coded.py": "READS = ['raw.sales']\n\n\ndef model(inputs, ctx):\n"
        "    return inputs['raw.sales'].project('item, 1 as code')\n"
    }
    test = """-- test: coded
-- given: raw.sales (item)
values ('pen');
-- expect: (item, code)
values ('pen', 1);
"""
    assert run(tmp_path, test, "marts.coded", sql) == ""


NIGHTS = """-- test: a day is delivered again
-- night: 2024-03-01
-- given: staging.sales (item, quantity)
values ('pen', 1), ('ink', 1);
-- expect: (sale_date, item, quantity)
values ('2024-03-01', 'pen', 1), ('2024-03-01', 'ink', 1);
-- night: 2024-03-02
-- given: staging.sales (item, quantity)
values ('pen', 2);
-- night: 2024-03-03
-- given: staging.sales (sale_date, item, quantity)
values ('2024-03-01', 'pen', 7);
-- expect: (sale_date, item, quantity)
values ('2024-03-01', 'pen', 7), ('2024-03-02', 'pen', 2);
-- night: 2024-03-02
-- given: staging.sales no rows
-- expect: (sale_date, item, quantity)
values ('2024-03-01', 'pen', 7);
"""


@pytest.mark.parametrize("given", ["staging.sales", "raw.sales"])
def test_an_incremental_table_is_what_it_should_be_after_each_night(tmp_path: Path, given: str) -> None:
    sql = SQL | {
        "marts.items": "-- materialized: incremental\n-- partition: sale_date\n"
        "select sale_date, item, sum(quantity) as quantity from staging.sales group by all"
    }
    test = NIGHTS.replace("staging.sales", given)

    assert run(tmp_path, test, sql=sql) == ""
    assert "1 different" in run(
        tmp_path, test.replace("'pen', 2);\n-- night: 2024-03-02", "'pen', 3);\n-- night: 2024-03-02"), sql=sql
    )


def test_a_view_that_is_given_is_dated_as_what_it_reads(tmp_path: Path) -> None:
    sql = SQL | {"staging.by_item": "-- materialized: view\nselect item, sale_date::varchar as day from raw.sales"}
    (case,) = read_cases(FILE, NIGHTS)
    working = bench(tmp_path, sql)
    (sales,) = [table for table in set_scene(working.definitions, case, "marts.items").tables if table.partition]

    assert (sales.name, sales.partition) == ("staging.sales", "sale_date")
    assert working.definitions.partition("staging.by_item") == ""


def test_of_a_merged_table_the_newest_rows_are_left(tmp_path: Path) -> None:
    sql = {
        "marts.items": "-- materialized: merge\n-- key: item\n-- order: sale_date\n-- partition: sale_date\n"
        "-- deletes: is_gone\nselect sale_date, item, quantity, quantity = 0 as is_gone from raw.sales"
    }
    test = """-- test: upsert, delete and a late row
-- night: 2024-03-02
-- given: raw.sales (item, quantity)
values ('pen', 1), ('ink', 1);
-- night: 2024-03-03
-- given: raw.sales (item, quantity)
values ('pen', 2), ('ink', 0);
-- night: 2024-03-04
-- given: raw.sales (sale_date, item, quantity)
values ('2024-03-01', 'ink', 9);
-- expect: (item, quantity)
values ('pen', 2);
"""
    assert run(tmp_path, test, sql=sql) == ""


def test_a_history_is_told_from_night_to_night(tmp_path: Path) -> None:
    sql = {
        "marts.items": "-- materialized: scd2\n-- key: item\n-- partition: sale_date\n-- deletes: absent\n"
        "select sale_date, item, price from raw.sales"
    }
    test = """-- test: a price changes, and an item is gone
-- night: 2024-03-01
-- given: raw.sales (item, price)
values ('pen', 1.50), ('ink', 3);
-- night: 2024-03-02
-- given: raw.sales (item, price)
values ('pen', 1.75);
-- expect: (item, price, valid_from, valid_to, is_current)
values
    ('pen', 1.50, '2024-03-01', '2024-03-02', false),
    ('pen', 1.75, '2024-03-02', '9999-12-31', true),
    ('ink', 3.00, '2024-03-01', '2024-03-02', false);
"""
    assert run(tmp_path, test, sql=sql) == ""
    assert "1 different" in run(tmp_path, test.replace("1.50, '2024", "1.60, '2024"), sql=sql)


GIVEN = "-- test: a\n-- given: {}\n-- expect: no rows"
EXPECT = "-- test: a\n-- given: raw.sales (item, quantity)\nvalues ('pen', 1);\n-- expect: {}"


@pytest.mark.parametrize(
    ("test", "line", "message"),
    [
        (f"-- set: dear_form = 1\n{GIVEN.format('raw.sales no rows')}", 1, "Did you mean dear_from?"),
        (GIVEN.format("raw.sale no rows"), 2, "there is no table raw.sale. Did you mean raw.sales?"),
        (
            GIVEN.format("marts.items no rows"),
            2,
            "is the model under test. Give what it reads: staging.items, staging.s",
        ),
        (GIVEN.format("marts.other no rows"), 2, "marts.items does not depend on marts.other"),
        (GIVEN.format("staging.sales no rows\n-- given: raw.sales no rows"), 3, "raw.sales is never read"),
        (GIVEN.format("raw.sales (itm)\nvalues ('pen');"), 2, "raw.sales has no column itm. Did you mean item?"),
        (
            GIVEN.format("raw.sales (item, price)\nvalues ('pen');"),
            2,
            "2 columns are named, and the rows below it",
        ),
        (GIVEN.format("raw.sales\nvalues ('pen');"), 2, "need names: `-- given: raw.sales (column, column)`"),
        (GIVEN.format("raw.sales (item)\nvalues\n('pen'),,;"), 4, "syntax error"),
        (GIVEN.format("raw.sales (item)\nvalues\n(pen);"), 4, 'Referenced column "pen" was not found'),
        (
            GIVEN.format("raw.sales (item)\nvalues (1); values (2);"),
            2,
            "the file has 2 statements. Rows are exactly one SELECT",
        ),
        (GIVEN.format("raw.sales (sale_date)\nvalues (current_date);"), 3, "another result each night"),
        (GIVEN.format("raw.sales (sale_date)\nvalues ('March');"), 2, "column sale_date: March is not a DATE"),
        (GIVEN.format("raw.sales (quantity)\nvalues (2.5);"), 2, "column quantity: 2.5 is not a BIGINT"),
        (EXPECT.format("(itm)\nvalues ('pen');"), 4, "marts.items has no column itm. Did you mean item?"),
        (EXPECT.format("(quantity)\nvalues (1), (2.5);"), 4, "column quantity: 2.5 is not a HUGEINT"),
    ],
)
def test_what_is_wrong_with_a_test_is_said_with_its_line(
    tmp_path: Path, test: str, line: int, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        run(tmp_path, test, sql=SQL | {"marts.other": "select 1 as one"})

    assert str(caught.value).startswith(f"{FILE}:{line}: ")
    assert message in str(caught.value)


def test_a_model_that_fails_on_what_is_given_says_so(tmp_path: Path) -> None:
    sql = {"marts.items": "select item::bigint as item from raw.sales"}

    with pytest.raises(ModelError, match=r"marts\.items \(sql/marts/items\.sql\) could not be built: Conversion"):
        run(tmp_path, EXPECT.format("(item)\nvalues (1);"), sql=sql)


def test_a_test_of_no_model_says_which_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"it tests marts\.item, but there is no such model. Did you mean marts\.it"
    ):
        run(tmp_path, "-- test: a\n-- expect: no rows", "marts.item")
