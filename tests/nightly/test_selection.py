"""Building a selection of models: it and what it needs; nothing is published, since nothing is audited."""

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "+marts.orders"),
        ("--name", "tag:mart"),
        ("--name", "staging.* marts.orders", "--date", "2018-05-26"),
    ],
)
def test_a_selection_is_built_with_what_it_needs(project, arguments) -> None:
    project.edit("sql/marts/orders.sql", "-- Of an order", "-- tags: mart\n-- Of an order")

    night = project.run("BuiltModel", *arguments)

    assert night.exit_code == 0, str(night)
    assert "only what was asked for is done; it is not audited, so nothing is published" in night.output
    assert "marts.orders" in project.receipts("transform")
    assert project.generation == ""
    days = sorted(project.receipts("extract"))
    assert ("orders 2018-05-27" in days) == ("--date" not in arguments)


def test_what_is_selected_and_is_nobodys_name_stops_the_run(project) -> None:
    night = project.run("BuiltModel", "--name", "marts.oders")

    assert night.exit_code == 35
    assert "There is no model marts.oders. Did you mean marts.orders?" in night.output
