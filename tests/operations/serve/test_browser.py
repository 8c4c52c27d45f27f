"""The pages in a browser: a session, a run that is followed, a record that is discarded; all can use them."""

from datetime import date

import pytest

from etl.operations.serve.routes import ROUTES
from etl.operations.serve.shell import PAGES
from etl.project import Project
from etl.run.active import active_run, finish_runs, new_run_id
from etl.stages import published
from tests.support import tiny
from tests.support.serving import TOKEN, served, unlimited


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


#: A page of each address that is shown to people, with names of the project for each `*`; those that say no too.
NAMES = {
    "/runs/*": "/runs/last",
    "/runs/*/log": "/runs/last/log",
    "/quarantine/*": "/quarantine/sales",
    "/generations/*/rollback": "/generations/OLDER/rollback",
    "/profiles/*": "/profiles/raw.sales",
    "/profiles/*/*": "/profiles/raw.sales/item",
}


def places(project: Project) -> list[str]:
    older = published.generations(project)[0]
    found = [NAMES.get(route.address, route.address) for route in ROUTES if route.tell]
    assert not [place for place in found if "*" in place] and PAGES.keys() <= {*found}
    return [
        place.replace("OLDER", older)
        for place in [*found, "/login", "/nothing-is-here", "/generations/x/rollback"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_axe_finds_no_issue_on_any_live_page(watched, browser, axe, scheme, width):
    with served(watched, limits=unlimited()) as stranger:
        page = browser.new_page(
            base_url=f"http://127.0.0.1:{stranger.port}",
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
        )
        page.goto("/login")
        found = issues_of(page, axe, "/login as a stranger")
        page.fill("input[name=token]", TOKEN)
        page.click("button[type=submit]")
        for place in places(watched):
            page.goto(place)
            found += issues_of(page, axe, place)
        page.close()
    assert found == []


def issues_of(page, axe: str, place: str) -> list[str]:
    """Return what axe finds on the page that is open: where, which rule, and on what."""
    page.evaluate(axe)
    run = "axe.run(document, {resultTypes: ['violations']})"
    return [
        f"{place}: {issue['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for issue in page.evaluate(run)["violations"]
        for node in issue["nodes"][:2]
    ]
