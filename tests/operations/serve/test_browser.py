"""The pages in a browser: a session, a run that is followed, and a record that is discarded by clicks."""

from datetime import date

from etl.run.active import active_run, finish_runs, new_run_id
from tests.support import tiny
from tests.support.serving import TOKEN, served


def test_a_person_logs_in_follows_a_run_and_discards_a_record(project, browser):
    with served(project) as stranger:
        page, said = browser.new_page(base_url=f"http://127.0.0.1:{stranger.port}"), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto("/runs/last")
        page.fill("input[name=token]", TOKEN)
        page.click("button[type=submit]")
        page.wait_for_url("**/runs/last")

        tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\n11,cup\n"})
        run = active_run(project.identity, new_run_id(), is_whole=True)
        page.reload()
        page.wait_for_selector("#state:text('connected')")
        tiny.work(run)
        page.wait_for_selector("#log :text('audited')")
        finish_runs()
        # the page loads itself again when the run is over
        page.wait_for_selector(".tag.green:text('published')")

        page.goto("/quarantine/sales")
        page.click("th a:text-is('4')")
        page.fill("input[name=reason]", "a cell too many")
        page.click("button:text('Discard this record')")
        page.wait_for_selector("p:text('It is done.')", timeout=60_000)
        page.goto("/")
        page.wait_for_selector("h1")
        assert said == []
    # they are in no order
    assert sorted(tiny.rejects_of(project, date(2024, 3, 4), "line, discarded")) == [
        (3, None),
        (4, "a cell too many"),
    ]
