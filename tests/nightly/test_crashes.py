"""A fault of etl itself in one source: the others go on, and the exit code is that of a crash."""

import pytest

#: Placing partitions of some dates of the orders fails, in a way that nobody foresaw.
FAULT = """
import etl.stages.lake.extraction as _lake

_place = _lake.place


def _placed(extraction, extracted, **how):
    if extraction.source.name == "orders" and extracted.delivery.date.day in DAYS:
        raise AttributeError("'ParquetFile' object has no attribute 'verify'")
    return _place(extraction, extracted, **how)


_lake.place = _placed
"""


def break_orders(project, *days: int) -> None:
    """Let etl have a fault that shows with the orders of these days."""
    path = project.root / "contracts" / "orders.py"
    path.write_text(path.read_text() + FAULT.replace("DAYS", repr(days)))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_crash_in_one_source_stops_no_other_and_ends_with_40(project, undisturbed, workers) -> None:
    sound = (project.root / "contracts" / "orders.py").read_text()
    break_orders(project, 25, 26)

    night = project.nightly("--workers", workers)

    assert night.exit_code == 40, str(night)
    where = "orders 2018-05-25: orders/2018-05-25.psv could not be extracted: AttributeError: 'ParquetFile' object"
    assert where in night.output
    assert "This is a fault of etl. Please report it" in night.output
    assert "in _placed" in night.output
    others = {"items 2018-05-27", "sites 2018-05-27", "orders 2018-05-24", "orders 2018-05-27"}
    assert set(project.receipts("extract")) == others
    assert set(project.receipts("load")) == {"items", "sites"}
    (project.root / "contracts" / "orders.py").write_text(sound)
    project.published()
    assert project.content() == undisturbed.orders


def test_a_crash_leaves_what_is_published(shop) -> None:
    generation = shop.generation
    break_orders(shop, 28)
    shop.deliver("orders/2018-05-28.psv", "1|2018-05-28|book|Doha, Qatar\n")

    night = shop.nightly(date="2018-05-28")

    assert (night.exit_code, shop.generation) == (40, generation), str(night)
    assert f"generation {generation} stays published" in night.output
    assert "nothing new" in shop.published().output
