"""An audit of what is published that rolls back may end at any of its side effects: one generation is whole.

In the suite one kill is tried, another one each time; with ETL_TEST_EVERY=1 one at every side effect.
"""

from typing import Any

from tests.faults.faults import disturbed
from tests.faults.test_environments import kills
from tests.faults.test_every_side_effect import copied

COMMAND = ("etl", "audit", "--published")


def test_a_rollback_by_an_audit_that_is_killed_is_done_by_the_next_one(shop: Any, tools: Any) -> None:
    shop.published()
    old, good = shop.content(), shop.generation
    shop.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\n")
    shop.published()
    new = shop.content()
    audits = shop.root / "sql/audits"
    audits.mkdir(exist_ok=True)
    (audits / "few.sql").write_text(
        "-- fail: too few\n-- rollback\n"
        "select count(*) as orders from raw.orders where delivery_date = '2018-05-25' having count(*) = 1"
    )
    assert old != new
    for number, when in kills(shop, tools, *COMMAND):
        project = copied(shop, tools, "disturbed")

        done, seen = disturbed(project, tools, (), COMMAND, at=number, when=when, do="kill")

        what = f"kill {when} effect {number}: {seen[-1:]}"
        assert done.returncode == -9, what
        assert project.content() in (old, new), what
        disturbed(project, tools, (), COMMAND)
        done, _ = disturbed(project, tools, (), COMMAND)
        assert done.returncode == 0, done.stdout
        assert project.generation == good and project.content() == old, what
        assert project.leftovers() == [], what
        rolled_back = project.ledger("select count(*) from switches where kind = 'rollback'")
        assert rolled_back == [(1,)], what
