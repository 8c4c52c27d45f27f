"""The report in a browser: nothing is asked of anybody, everything is reached, and nobody is left out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.ledger import Ledger
from etl.reports.page import write_report
from tests.reports.test_report import HOSTILE, hostile
from tests.support import reports, tiny

PAGES = ["night", "history", "tables", "graph", "quality", "changes", "learned"]
PLACES = [*PAGES, "marts.items", "marts.items.turnover", "learned.guess", "no.such"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report after a bad night, with trainings of a model."""
    project = tiny.once(tmp_path_factory.mktemp("bad"), reports.bad)
    reports.train(project)
    return write_report(project, Ledger(project.ledger)).resolve()


@pytest.fixture
def opened(browser: Any, bad: Path) -> Iterator[Open]:
    """Open a place of the report; all that a page complains of, or asks for, fails the test in the end."""
    complaints: list[str] = []
    contexts = []

    def open_at(place: str, file: Path = bad, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": DESK, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.append(asked.url) if not is_own(asked.url, file) else None)
        page.goto(f"{file.as_uri()}#{place}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


def is_own(url: str, file: Path) -> bool:
    return url.startswith(("blob:", "data:")) or url.split("#")[0] == file.as_uri()


def test_no_page_complains_or_asks_for_anything(opened: Open) -> None:
    page = opened("night")
    for place in PLACES:
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_timeout(50)
        assert page.inner_text("main h1 >> visible=true")
    for place in ("graph/all", "graph/folders"):
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_selector(".graph[data-milliseconds]")


def test_the_search_finds_a_column_by_a_word_of_its_description(opened: Open) -> None:
    page = opened("night")
    page.keyboard.press("/")
    page.keyboard.type("taxes")
    assert "raw.sales.price" in page.inner_text("#found a[aria-selected=true]")

    page.keyboard.press("Enter")

    page.wait_for_selector("tr[aria-current] >> text=price")
    assert page.url.endswith("#raw.sales.price")
    assert "what was paid, taxes included" in page.inner_text("main")


def test_the_search_forgives_a_typo_and_says_when_nothing_is_found(opened: Open) -> None:
    page = opened("night")
    page.fill("#query", "turnovr")
    assert "marts.items.turnover" in page.inner_text("#found")
    page.fill("#query", "zzzzzz")
    assert "Nothing is called zzzzzz" in page.inner_text("#found")


def test_the_graph_shows_every_table_and_marks_the_one_that_failed(opened: Open) -> None:
    page = opened("graph/all")
    page.wait_for_selector(".graph[data-milliseconds]")

    shown = set(page.eval_on_selector_all(".node title", "found => found.map(one => one.textContent)"))
    tables = {"raw.sales", "raw.stock", "staging.sales", "marts.items", "marts.stock", "marts.overview"}
    assert tables <= shown
    assert {"sales/{date}.csv", "stock/{date}.csv"} <= shown
    failed = page.eval_on_selector_all(".node.failed title", "found => found.map(one => one.textContent)")
    assert failed == ["marts.items"]


def test_the_graph_opens_at_the_table_that_failed_and_leads_to_it(opened: Open) -> None:
    page = opened("graph")
    page.wait_for_selector(".node.here.failed")
    page.focus(".node.here a")
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#marts.items'")
    assert page.inner_text("h1 >> visible=true") == "marts.items"


def test_a_deep_link_opens_its_column_with_what_it_is_made_of(opened: Open) -> None:
    page = opened("marts.items.turnover")

    assert page.inner_text("h1 >> visible=true") == "marts.items.turnover"
    assert "turnover" in page.inner_text("tr[aria-current]")
    values = page.inner_text("section:has-text('Where turnover comes from') .card >> nth=0")
    assert "sum(price)" in values
    assert "staging.sales.price" in values
    # what only filters is apart
    assert "Which rows there are is decided by" in page.inner_text("main")


def test_trainings_are_sorted_by_a_heading_the_best_first_and_those_without_a_value_last(opened: Open) -> None:
    page = opened("learned")
    rows = "[...document.querySelectorAll('[aria-label=Trainings] tbody th')].map((one) => one.innerText[7])"
    assert page.evaluate(rows) == ["2", "1", "0"]

    for heading, orders in (("log_loss", ["201", "021"]), ("auc", ["021", "201"])):
        for expected in orders:
            page.click(f"[aria-label=Trainings] thead th:has-text('{heading}') >> nth=0 >> button")
            assert page.evaluate(rows) == [*expected], heading
    assert page.get_attribute("[aria-label=Trainings] thead th[aria-sort]", "aria-sort") == "ascending"
    assert page.locator("svg.curves polyline").count() == 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_no_serious_issue_on_any_page(opened: Open, axe: str, scheme: str, size: dict[str, int]) -> None:
    page = opened("night", color_scheme=scheme, viewport=size)
    # the policy keeps scripts out; a debugger's are let in
    page.evaluate(axe)
    found = []
    for place in [*PLACES, "graph/all"]:
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_timeout(150)
        for issue in page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]:
            if issue["impact"] in ("serious", "critical"):
                found.append(f"{place}: {issue['id']}: {issue['nodes'][0]['html'][:200]}")
    assert found == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_is_wider_than_the_screen(opened: Open, size: dict[str, int]) -> None:
    page = opened("night", viewport=size)
    for place in [*PLACES, "graph/all"]:
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, place


def test_the_keyboard_reaches_everything_that_can_be_clicked(opened: Open) -> None:
    page = opened("night")
    for place in ("night", "tables", "graph", "quality", "marts.items", "learned"):
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_timeout(150)
        page.evaluate("document.activeElement.blur()")
        wanted = page.evaluate(
            "[...document.querySelectorAll('a[href], button, input, select, summary')]"
            ".filter(one => one.checkVisibility() && !one.closest('[hidden]')).length"
        )
        page.evaluate("window.reached = new Set()")
        for _ in range(wanted + 60):
            page.keyboard.press("Tab")
            if page.evaluate("reached.has(document.activeElement) || !reached.add(document.activeElement)"):
                break
        seen = page.evaluate(
            "[...reached].filter(one => one.matches('a[href], button, input, select, summary')).length"
        )
        assert seen == wanted, place


def test_the_skip_link_comes_first_and_leads_to_the_content(opened: Open) -> None:
    page = opened("quality")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.inner_text("h1 >> visible=true") == "Quality"


def test_without_scripts_the_first_page_is_whole(browser: Any, bad: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(bad.as_uri())
    assert "The night failed: audits.no_pens" in page.inner_text("main")
    assert page.locator("nav").is_hidden()
    context.close()


def test_nothing_hostile_runs(opened: Open, tmp_path: Path) -> None:
    project = tiny.once(tmp_path, hostile)
    reports.train(project, HOSTILE)
    file = write_report(project, Ledger(project.ledger)).resolve()
    page = opened("night", file)
    for place in [*PAGES, "graph/all", "marts.hostile", "raw.sales.id"]:
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_timeout(100)
        assert page.evaluate("window.hacked") is None
    page.evaluate("location.hash = 'learned'")
    for number in range(page.locator("button.sorts").count()):
        page.locator("button.sorts").nth(number).click()
    assert page.evaluate("window.hacked") is None
    page.fill("#query", "<script>window.hacked = 1</script>")
    page.evaluate("location.hash = '<img src=x onerror=window.hacked=1>'")
    page.wait_for_timeout(100)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, iframe, object, embed, [onerror], [onmouseover]").count() == 0


def test_the_page_itself_lets_no_other_script_in(opened: Open, browser: Any, bad: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(bad.as_uri())
    page.evaluate(
        "const own = document.createElement('script'); own.textContent = 'window.hacked = 1'; "
        "document.body.append(own); document.body.insertAdjacentHTML('beforeend', "
        "'<img src=x onerror=\"window.hacked = 1\">')"
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.hacked") is None
    context.close()


def test_on_paper_nothing_is_cut_and_no_heading_stands_alone(opened: Open) -> None:
    # what A4 leaves between margins of a centimetre
    page = opened("night", viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")
    for place in PLACES:
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_timeout(50)
        cut = "[...document.querySelectorAll('table, pre, h1, dl')]"
        cut += ".filter((one) => one.getBoundingClientRect().right > 719)"
        assert page.evaluate(f"{cut}.map((one) => one.textContent.slice(0, 40))") == [], place
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        breaks = (
            "[...document.querySelectorAll('h1, h2, h3, thead')].map((one) => getComputedStyle(one).breakAfter)"
        )
        assert set(page.evaluate(breaks)) == {"avoid"}
