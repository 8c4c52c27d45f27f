"""Workers and a central scheduler change how long a night takes, never what it publishes."""

import pytest


def test_four_workers_give_the_same_content(flights_project, undisturbed) -> None:
    flights_project.published("--workers", "4")

    assert flights_project.content() == undisturbed.flights


@pytest.mark.parametrize("workers", ["1", "3"])
def test_two_projects_at_once_share_a_central_scheduler(
    make_project, undisturbed, scheduler, tools, workers
) -> None:
    projects = [make_project("one", flights=True), make_project("two")]
    nights = [
        each.start("Nightly", "--date", tools.DATE, "--workers", workers, *scheduler.arguments)
        for each in projects
    ]

    outputs = [night.communicate()[0] for night in nights]

    assert [night.returncode for night in nights] == [0, 0], "\n".join(outputs)
    assert [each.content() for each in projects] == [undisturbed.flights, undisturbed.orders]
    for each in projects:
        assert "nothing new" in each.published(*scheduler.arguments).output


def test_after_a_kill_on_a_central_scheduler_the_next_run_need_not_wait(
    project, undisturbed, scheduler, tools
) -> None:
    slow = project.root / "sql" / "marts" / "slow.sql"
    slow.write_text("-- One row.\nselect sum(hash(n)) as n from range(2000000000000) as t(n)\n")
    night = project.start("Nightly", "--date", tools.DATE, *scheduler.arguments)
    tools.wait_for(lambda: "orders" in project.receipts("load"))
    # into the model that never ends, which holds the scheduler's resource
    tools.wait_until_busy(lambda: [night.pid])
    tools.kill(night)
    slow.unlink()

    # a night that had to wait for the dead one would hang, as the scheduler does not give it up
    project.published(*scheduler.arguments)

    assert project.content() == undisturbed.orders


def test_a_scheduler_that_was_restarted_knows_nothing_and_need_not(project, undisturbed, scheduler) -> None:
    project.published(*scheduler.arguments)
    scheduler.kill()
    scheduler.state.unlink(missing_ok=True)
    scheduler.start()
    project.forget("lake", "warehouse*")

    project.published(*scheduler.arguments)

    assert project.content() == undisturbed.orders


def test_failures_have_their_exit_codes_on_a_central_scheduler_too(project, scheduler) -> None:
    sound = (project.raw / "items.csv").read_text()
    project.deliver("items.csv", "nothing,known\n1,2\n")

    failed = project.nightly(*scheduler.arguments)

    assert failed.exit_code == 30, str(failed)
    project.deliver("items.csv", sound)
    project.published(*scheduler.arguments)
