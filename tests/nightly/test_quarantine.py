"""A person at work in quarantine: each command ends in a run of its own, published."""

import subprocess
import sys

from tests.support.projects import environment


def quarantine(project, *arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `etl quarantine`, which must succeed, or end with another exit code."""
    command = [sys.executable, "-m", "etl", "quarantine", *arguments]
    done = subprocess.run(
        command, cwd=project.root, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stderr
    return done


def test_records_are_edited_replayed_and_discarded(shop) -> None:
    quarantine(shop, "export", "orders", "orders.csv")
    shop.edit("orders.csv", "124118427|2018-05-32", "124118427|2018-05-25")
    shop.edit("orders.csv", "Tallinn, Estonia|gift", "Tallinn, Estonia|")

    replayed = quarantine(shop, "replay", "orders", "--from", "orders.csv")

    assert replayed.stdout == "orders: 1 record moved to the lake, 4 stay in quarantine\n"
    assert shop.sql("select item from raw.orders where order_nb = 124118427") == [("book",)]
    stays = "select message from etl.rejects where line = 6 and date = '2018-05-27'"
    assert shop.sql(stays)[0][0].endswith("but 5 cells where the contract has 4")

    discarded = quarantine(shop, "discard", "orders", "--reason", "a test of the shop's", "--date", "2018-05-27")

    assert discarded.stdout == "orders: 2 records discarded, 2 stay in quarantine\n"
    counts = "select rows, rejected, discarded from etl.partitions where source = 'orders' and date = '2018-05-27'"
    assert shop.sql(counts) == [(5, 0, 2)]
    before = shop.content()
    again = quarantine(shop, "replay", "orders", "--date", "2018-05-26")
    assert again.stdout == "orders: 0 records moved to the lake, 2 stay in quarantine\n"
    shop.forget("ledger.sqlite*", "lake", "quarantine", "warehouse")
    shop.published()
    assert shop.content() == before


def test_what_was_decided_is_kept_when_the_run_fails(shop) -> None:
    model = "sql/staging/orders.sql"
    sound = (shop.root / model).read_text()
    (shop.root / model).write_text(f"{sound}\nwhere error('no ' || item) is null")

    failed = quarantine(shop, "discard", "orders", "--reason", "x", "--date", "2018-05-26", exit_code=30)

    assert "The run failed: what was decided is kept, and the next run applies it." in failed.stderr
    (shop.root / model).write_text(sound)
    shop.published()
    assert shop.sql("select discarded from etl.rejects where date = '2018-05-26'") == [("x",)]
