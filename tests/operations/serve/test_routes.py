"""Every address of the server, whoever adds one: what strangers, other sites and wrong methods are told."""

import re

import pytest

from etl.operations import quarantine
from etl.operations.serve.routes import ROUTES, Route
from tests.support.serving import BEARER, HTML, TOKEN, Client, files_of, served

#: What stands for `*` in the addresses, so that there is something to see.
NAMES = {"runs": "last", "quarantine": "sales", "profiles": "raw.sales", "generations": "GENERATION"}
HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "server": "etl",
}
METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
every = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.address)
closed = pytest.mark.parametrize(
    "route", [route for route in ROUTES if not route.is_open], ids=lambda route: route.address
)


def path_of(route: Route) -> str:
    """Return an address of a route; a column of a profile is its second name."""
    first = route.address.split("/")[1]
    return route.address.replace("*", NAMES.get(first, "x"), 1).replace("*", "item")


def is_safe(answer) -> None:
    """Assert that an answer's headers close what a browser could do with it."""
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    policy = dict(
        part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"] and "*" not in policy["script-src"]
    assert "access-control-allow-origin" not in answer.headers


@closed
@pytest.mark.parametrize("method", METHODS)
def test_nobody_is_answered_without_the_token(stranger, watched, route, method):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}, {"Cookie": "etl=x"}):
        answer = Client(stranger.port, headers).ask(method, path_of(route))
        assert answer.status in (401, 405)
        assert "sales" not in answer.text and watched.root.name not in answer.text
        is_safe(answer)


@closed
def test_a_browser_is_led_to_the_page_that_takes_the_token_and_back(stranger, route):
    answer = stranger.get(path_of(route), **HTML)
    assert answer.status == 303 and answer.headers["location"].startswith("/login")
    is_safe(answer)


@every
@pytest.mark.parametrize("method", METHODS)
def test_only_its_own_methods_are_answered(stranger, route, method):
    # what it would begin lacks the key of the form
    answer = stranger.log_in().ask(method, path_of(route))
    assert (answer.status == 405) == (method not in route.methods), answer
    assert answer.status < 500
    assert (
        answer.status != 405 or method in ("HEAD", "TRACE") or answer.headers["allow"] == ", ".join(route.methods)
    )
    is_safe(answer)


@every
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "", "evil:80"]
)
def test_a_name_that_was_made_to_lead_here_is_not_answered(stranger, route, host):
    for method in route.methods:
        answer = Client(stranger.port, {**BEARER, **HTML}).ask(method, path_of(route), Host=host)
        assert answer.status in (400, 421)
        assert "sales" not in answer.text


@every
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", "x"])
def test_what_another_site_asks_is_not_answered(stranger, route, origin):
    for method in route.methods:
        answer = Client(stranger.port, BEARER).ask(method, path_of(route), Origin=origin)
        assert answer.status == 403
        is_safe(answer)
    told_by_browser = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert Client(stranger.port, BEARER | told_by_browser).ask(route.methods[0], path_of(route)).status == 403


@pytest.mark.parametrize("route", [route for route in ROUTES if "POST" in route.methods], ids=lambda r: r.address)
def test_a_form_without_the_key_of_its_session_is_not_taken(stranger, watched, route):
    if route.is_open:
        return
    before, browser = files_of(watched), stranger.log_in()
    other = stranger.log_in().form_key()
    for form in ({}, {"key": ""}, {"key": other}, {"key": TOKEN}):
        answer = browser.post(path_of(route), {**form, "reason": "x"})
        assert answer.status == 403
    assert files_of(watched) == before


def test_looking_at_everything_changes_nothing(stranger, watched):
    before = files_of(watched)
    for client in (Client(stranger.port, BEARER), Client(stranger.port, {**BEARER, **HTML})):
        name = client.get("/generations", Accept="*/*").data["generations"][0]["generation"]
        for route in ROUTES:
            if "GET" in route.methods and route.kind != "change":
                answer = client.get(path_of(route).replace("GENERATION", name))
                assert answer.status == 200, (route.address, answer)
                is_safe(answer)
    assert files_of(watched) == before


def test_a_value_of_the_data_is_text_wherever_it_is_shown(stranger):
    pages = ("/quarantine/sales", "/quarantine", "/runs/last", "/runs/last/log", "/")
    for page in pages:
        text = Client(stranger.port, {**BEARER, **HTML}).get(page).text
        assert "<script>alert" not in text
        # of ours there are those whose hashes the policy names
        assert not re.search(r"<[^>]+ on\w+=", text)
    assert "&lt;script&gt;alert(1)" in Client(stranger.port, {**BEARER, **HTML}).get("/quarantine/sales").text


def test_looking_writes_nothing_down_that_can_be_computed_again(project):
    contracts = project.contracts / "all.py"
    contracts.write_text(contracts.read_text() + "\n# read again by whoever looks\n")
    before = files_of(project)
    with served(project) as stranger:
        for path in ("/", "/quarantine/sales", "/quarantine"):
            assert Client(stranger.port, BEARER).get(path).status == 200
    assert files_of(project) == before
    # a command keeps it for the next one
    quarantine.counts(project, "sales")
    assert files_of(project) != before
