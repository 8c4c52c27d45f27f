"""A person at work in quarantine: each command ends in a run of its own, published."""

import subprocess
import sys

from tests.projects import environment


def quarantine(project, *arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `etl quarantine`, which must succeed, or end with another exit code."""
    command = [sys.executable, "-m", "etl", "quarantine", *arguments]
    done = subprocess.run(
        command, cwd=project.root, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stderr
    return done


def test_records_are_edited_replayed_and_discarded(project) -> None:
    project.published()
    quarantine(project, "export", "orders", "orders.csv")
    project.edit("orders.csv", "124118427|2018-05-32", "124118427|2018-05-25")
    project.edit("orders.csv", "Tallinn, Estonia|gift", "Tallinn, Estonia|")

    replayed = quarantine(project, "replay", "orders", "--from", "orders.csv")

    assert replayed.stdout == "orders: 1 record moved to the lake, 1 stays in quarantine\n"
    assert project.sql("select item from raw.orders where order_nb = 124118427") == [("book",)]
    stays = "select message from etl.rejects where line = 6 and date = '2018-05-27'"
    assert project.sql(stays)[0][0].endswith("but 5 cells where the contract has 4")

    discarded = quarantine(
        project, "discard", "orders", "--reason", "a test of the shop's", "--date", "2018-05-27"
    )

    assert discarded.stdout == "orders: 2 records discarded, 0 stay in quarantine\n"
    counts = "select rows, rejected, discarded from etl.partitions where source = 'orders' and date = '2018-05-27'"
    assert project.sql(counts) == [(5, 0, 2)]
    before = project.content()
    again = quarantine(project, "replay", "orders", "--date", "2018-05-26")
    assert again.stdout == "orders: 0 records moved to the lake, 1 stays in quarantine\n"
    project.forget("ledger.sqlite*", "lake", "quarantine", "warehouse")
    project.published()
    assert project.content() == before


def test_what_was_decided_is_kept_when_the_run_fails(project) -> None:
    project.published()
    model = "sql/staging/orders.sql"
    sound = (project.root / model).read_text()
    (project.root / model).write_text(f"{sound}\nwhere error('no ' || item) is null")

    failed = quarantine(project, "discard", "orders", "--reason", "x", "--date", "2018-05-26", exit_code=30)

    assert "The run failed: what was decided is kept, and the next run applies it." in failed.stderr
    (project.root / model).write_text(sound)
    project.published()
    assert project.sql("select discarded from etl.rejects where date = '2018-05-26'") == [("x",)]
