"""A night on which something is wrong: it says what, where and what to do; what was published stays."""


def refused(project, **options) -> str:
    """Run a night that must fail in a step, and return what it said."""
    generation = project.generation
    night = project.nightly(**options)
    assert night.exit_code == 30, str(night)
    assert project.generation == generation
    assert "Traceback" not in night.output, str(night)
    return night.output


def test_a_header_that_lacks_a_column_is_refused_by_name(shop) -> None:
    items = (shop.raw / "items.csv").read_text()
    shop.deliver("items.csv", "item,number\nbook,42\naudio,15\n")

    said = refused(shop)

    assert "items 2018-05-27: items.csv is refused: column 'item_nb' of the contract is missing" in said
    assert "the header found is item, number" in said
    assert "etl quarantine items" in said
    shop.deliver("items.csv", items)
    shop.published()
    assert shop.sql("select count(*) from raw.items") == [(2,)]


def test_a_bad_dated_file_is_refused_and_its_absence_heals_the_night(airport, tools) -> None:
    header = tools.FLIGHTS_HEADER.replace("arr_delay,", "")
    airport.deliver("flights/2013-01-04.csv", header + "2013,1,4\n")

    said = refused(airport)

    assert "flights 2013-01-04: flights/2013-01-04.csv is refused: column 'arr_delay'" in said
    assert "stays published" in said
    (airport.raw / "flights" / "2013-01-04.csv").unlink()
    night = airport.published()
    assert "withdrawn" not in night.output
    assert airport.sql("select count(distinct flight_date) from marts.flights") == [(3,)]


def test_what_was_refused_is_not_taken_again_unless_it_changed(flights_project, tools) -> None:
    flights_project.deliver("flights/2013-01-02.csv", "no,header\n1,2\n")
    refused(flights_project)
    kept = flights_project.receipts("extract")
    flights_project.deliver("flights/2013-01-02.csv", tools.flights_of(2))

    flights_project.published()

    now = flights_project.receipts("extract")
    assert {name for name in now if now[name] != kept.get(name)} == {"flights 2013-01-02"}


def test_a_delivery_that_breaks_an_error_severity_audit_is_named_with_examples(airport, tools) -> None:
    wrong_day = tools.flights_of(4).replace("2013,1,4,", "2013,1,5,")
    airport.deliver("flights/2013-01-04.csv", wrong_day)

    said = refused(airport)

    assert "audits.flights_on_their_day found 30 offending rows in raw.flights" in said
    assert "a flight that came in another day's file is counted on the wrong day" in said
    assert said.count("flight_date = 2013-01-04, origin = ") == 3
    assert "flights 2013-01-04 (flights/2013-01-04.csv)" in said
    (airport.raw / "flights" / "2013-01-04.csv").unlink()
    airport.published()
    assert airport.sql("select count(distinct flight_date) from marts.flights") == [(3,)]


def test_the_same_bad_delivery_fails_the_next_night_too_and_names_it_again(airport, tools) -> None:
    airport.deliver("flights/2013-01-04.csv", tools.flights_of(4).replace("2013,1,4,", "2013,1,5,"))
    refused(airport)

    said = refused(airport)

    assert "audits.flights_on_their_day found 30 offending rows" in said
    assert "flights 2013-01-04 (flights/2013-01-04.csv)" in said


def test_a_contract_of_a_mart_that_is_broken_names_the_rule(shop) -> None:
    shop.edit("sql/marts/orders.sql", "newest.order_nb,", "-newest.order_nb as order_nb,")

    said = refused(shop)

    assert "marts.orders.order_nb.greater_than found" in said
    assert "order_nb = -1" in said


def test_ten_wrong_lines_of_a_thousand_go_to_quarantine_and_the_night_is_green(project) -> None:
    project.edit("contracts/orders.py", "    max_reject_ratio=1.0,\n", "")
    project.deliver("orders/2018-05-28.psv", orders_of_may_28(sound=990, wrong=10))

    project.published(date="2018-05-28")

    query = "select rows, rejected from etl.partitions where date = '2018-05-28' and source = 'orders'"
    assert project.sql(query) == [(990, 10)]


def test_eleven_wrong_lines_of_a_thousand_refuse_the_file_and_name_the_rule(project) -> None:
    project.edit("contracts/orders.py", "    max_reject_ratio=1.0,\n", "")
    project.published()
    project.deliver("orders/2018-05-28.psv", orders_of_may_28(sound=989, wrong=11))

    said = refused(project, date="2018-05-28")

    assert "orders 2018-05-28: orders/2018-05-28.psv is refused: 11 of 1,000 records break the contract" in said
    assert "max_reject_ratio = 0.01" in said
    assert "order_date.dtype 11" in said
    assert said.count("2018-05-32|book|Doha, Qatar") == 3
    (project.raw / "orders" / "2018-05-28.psv").unlink()
    assert "nothing new" in project.published(date="2018-05-28").output


def test_every_record_of_a_refused_file_is_in_quarantine(project) -> None:
    project.edit("contracts/orders.py", "    max_reject_ratio=1.0,\n", "    optional=True,\n")
    project.deliver("orders/2018-05-28.psv", orders_of_may_28(sound=500, wrong=500))

    project.published(date="2018-05-28")

    assert project.sql("select rule, count(*) from etl.rejects where date = '2018-05-28' group by all") == [
        ("partition.refused", 1000)
    ]
    own_fault = "select count(*) from etl.rejects where message like '%; this record: order_date.dtype%'"
    assert project.sql(own_fault) == [(500,)]


def test_a_refused_file_of_an_optional_source_is_named_and_left_out(project) -> None:
    project.edit("contracts/orders.py", 'files="sites.csv"', 'files="sites.csv", optional=True')
    project.deliver("sites.csv", "place,site_nb\nHere,1\nThere,2\n")

    night, again = project.published(), project.published()

    assert "sites: sites.csv is refused and left out: column 'site' of the contract is missing" in night.output
    assert project.sql("select count(*) from raw.sites") == [(0,)]
    assert project.sql("select rows, rejected from etl.partitions where source = 'sites'") == [(0, 2)]
    assert "nothing new" in again.output


def test_one_refused_file_keeps_the_work_on_the_others(project, undisturbed) -> None:
    sound = (project.raw / "sites.csv").read_text()
    project.deliver("sites.csv", "place,site_nb\nHere,1\n")
    refused(project)
    kept = project.receipts("extract")
    assert set(kept) == {"items 2018-05-27", *(f"orders 2018-05-{day}" for day in (24, 25, 26, 27))}

    project.deliver("sites.csv", sound)
    project.published()

    assert {name: project.receipts("extract")[name] for name in kept} == kept
    assert project.content() == undisturbed.orders


def test_all_that_is_refused_is_said_in_one_night(flights_project) -> None:
    for file in ("items.csv", "flights/2013-01-01.csv", "flights/2013-01-03.csv"):
        flights_project.deliver(file, "nothing,known\n1,2\n")

    said = refused(flights_project)

    for what in ("items 2018-05-27: items.csv", "flights 2013-01-01: ", "flights 2013-01-03: "):
        assert what in said
    assert "nothing is published yet" in said


def test_an_empty_file_is_a_partition_without_rows_where_a_header_is_not_needed(project) -> None:
    project.deliver("orders/2018-05-26.psv", "")

    project.published()

    query = "select rows, rejected from etl.partitions where source = 'orders' and date = '2018-05-26'"
    assert project.sql(query) == [(0, 0)]


def test_an_empty_file_that_needs_a_header_is_refused(project) -> None:
    project.deliver("items.csv", "")

    assert (
        "items.csv is refused: columns 'item', 'item_nb' of the contract are missing: the file has no header"
        in (refused(project))
    )


def test_a_folder_where_a_file_is_expected_is_no_delivery(project) -> None:
    (project.raw / "orders" / "2018-05-28.psv").mkdir()

    project.published(date="2018-05-28")

    assert project.sql("select count(*) from etl.partitions where source = 'orders'") == [(4,)]


def test_bytes_that_are_no_text_are_rejected_not_fatal(project) -> None:
    path = project.raw / "orders" / "2018-05-28.psv"
    path.write_bytes(b"1|2018-05-28|book|Doha, Qatar\n2|2018-05-28|b\xff\xfeok|Doha, Qatar\n\x00\x00\n")

    project.published(date="2018-05-28")

    query = "select rows, rejected from etl.partitions where source = 'orders' and date = '2018-05-28'"
    assert project.sql(query) == [(1, 2)]


def test_a_mart_that_cannot_be_built_names_the_model_and_the_reason(shop) -> None:
    shop.edit("sql/marts/orders.sql", "newest.order_date,", "cast(newest.item as date) as order_date,")

    said = refused(shop)

    assert "marts.orders (sql/marts/orders.sql) could not be built" in said
    assert "invalid date field format" in said


def test_a_column_that_does_not_exist_stops_the_run_before_it_begins(shop) -> None:
    shop.edit("sql/marts/orders.sql", "newest.order_date,", "newest.order_day as order_date,")

    night = shop.nightly()

    assert night.exit_code == 35
    assert (
        'orders.sql:6: Table "newest" does not have a column named "order_day". Did you mean order_date?'
        in night.output
    )


def orders_of_may_28(sound: int, wrong: int) -> str:
    """Return so many orders of that day, and so many of a day that does not exist."""
    lines = [f"{n}|2018-05-28|book|Doha, Qatar\n" for n in range(1, sound + 1)]
    return "".join([*lines, *(f"{n}|2018-05-32|book|Doha, Qatar\n" for n in range(10_001, 10_001 + wrong))])


def test_a_refused_snapshot_that_goes_leaves_the_last_good_one(shop, undisturbed) -> None:
    shop.deliver("items.csv", "item,number\nbook,42\n")
    refused(shop)
    (shop.raw / "items.csv").unlink()

    shop.published()

    assert shop.content() == undisturbed.orders
