"""APIs: every kind of page and of showing who asks, and what a server can do wrong."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ContractError, FetchError
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from etl.sources.fetches.paging import AUTHS, PAGES
from etl.sources.fetches.rest import Rest
from etl.stages import fetched
from etl.stages.fetched import web
from etl.stages.fetched.json_text import records_of
from etl.stages.fetched.kinds.rest import _order
from tests.support import tiny
from tests.support.api import SIZE, TOKEN, Api, api, basic

DAY = date(2024, 3, 1)
CONTRACTS = """
import pandera.pandas as pa
from etl import *

class Orders(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    updated_at: str

orders = Source(contract=Orders, extra="ignore", fetch={fetch})
"""
#: How each kind of page is asked for, and where the API gives it.
WAYS = {
    "OnePage": ("one", "records='data.items'"),
    "NextLink": ("links", "records='items', pages=NextLink()"),
    "HeaderLink": ("header", "pages=HeaderLink()"),
    "NextCursor": ("cursor", "records='items', pages=NextCursor('meta.next')"),
    "HeaderCursor": ("cursor", "records='items', pages=HeaderCursor()"),
    "Offset": ("offset", "pages=Offset(limit=3)"),
    "PageNumber": ("page", "pages=PageNumber()"),
    "Range": ("range", "pages=Range()"),
}


@pytest.fixture
def shop() -> Iterator[Api]:
    with api() as held:
        hold(held, 5)
        yield held


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(web.time, "sleep", slept.append)
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    return slept


@pytest.fixture
def ask(tmp_path: Path, shop: Api) -> Callable[..., Any]:
    """Fetch from the API, and return the ids that were landed."""

    def asked(path: str, options: str = "", **how: Any) -> list[Any]:
        project = tiny.project(
            tmp_path / "project",
            CONTRACTS.replace("{fetch}", f"Rest('{shop.url}/{path}', {options})"),
            {},
            {},
            "retries = 0\n",
        )
        return ids(project, **how)

    return asked


def hold(shop: Api, number: int) -> None:
    shop.orders = [{"id": n, "item": "ü", "updated_at": f"2024-02-{n + 1:02d}T00:00:00Z"} for n in range(number)]


def ids(project: Project, **how: Any) -> list[Any]:
    source = definitions(project, Ledger(project.ledger))[0].sources["orders"]
    found = fetched.fetch(project, source, DAY, **how)
    return [json.loads(line)["id"] for file in found.files for line in lines(project.fetched / file)]


def lines(path: Path) -> list[str]:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd") as file:
        return [line for line in file.read().decode().split("\n") if line]


def test_every_way_is_tried() -> None:
    assert set(WAYS) == set(PAGES)
    assert set(SHOWN) == set(AUTHS)


@pytest.mark.parametrize("number", [0, 1, SIZE, SIZE + 1, 2 * SIZE, 7])
@pytest.mark.parametrize("way", WAYS)
def test_all_records_come_once(shop: Api, ask: Callable[..., Any], way: str, number: int) -> None:
    hold(shop, number)

    assert ask(*WAYS[way]) == list(range(number))


@pytest.mark.parametrize("behind", [404, "last", None])
@pytest.mark.parametrize("number", [1, 2 * SIZE])
def test_whatever_is_behind_the_last_page_brings_nothing(
    shop: Api, ask: Callable[..., Any], behind: Any, number: int
) -> None:
    hold(shop, number)
    shop.behind = behind

    assert ask(*WAYS["PageNumber"]) == list(range(number))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "OnePage"])
@pytest.mark.parametrize("fault", [(429, {"Retry-After": "3"}), (503, {}), "cut"], ids=str)
def test_what_passes_by_itself_is_asked_for_again(
    shop: Api, ask: Callable[..., Any], way: str, fault: Any, no_waits: list[float]
) -> None:
    shop.faults = [fault]

    assert ask(*WAYS[way]) == list(range(5))
    assert no_waits == [3.0 if fault == (429, {"Retry-After": "3"}) else 1.0]


@pytest.mark.parametrize("path", ["nothing", "one"])
def test_a_server_that_always_breaks_off_is_waited_for_once(
    shop: Api, ask: Callable[..., Any], path: str, no_waits: list[float]
) -> None:
    shop.faults = [] if path == "nothing" else ["cut"] * 20

    with pytest.raises(FetchError, match=r"does not answer|broke off"):
        ask(path, "records='data.items'")
    assert no_waits == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "OnePage"])
@pytest.mark.parametrize("fault", [b"", b"\r\n", b'[{"id": 3'], ids=str)
def test_a_page_that_is_empty_or_half_does_not_pass_for_the_last(
    shop: Api, ask: Callable[..., Any], way: str, fault: bytes
) -> None:
    shop.between = lambda held, number: held.faults.append(fault) if number == 1 else None

    with pytest.raises(FetchError, match=r"Page 2 of .* is not JSON"):
        ask(*WAYS[way])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_times_without_a_zone_have_the_order_that_they_are_written_in(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    # in spring an hour is left out, and in autumn one comes twice
    days = [(3, 10), (3, 31), (10, 27), (11, 3)]
    written = [f"2024-{m:02}-{d:02}T{h:02}:{half}:00" for m, d in days for h in range(4) for half in (15, 45)]
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        found = [_order(text) for text in written]
    time.tzset()
    assert found == sorted(found)
    assert len(set(found)) == len(written)
    assert _order("2024-03-31T02:30:00Z") == _order("2024-03-31T04:30:00+02:00")


@pytest.mark.parametrize("path", ["", "items"])
def test_an_answer_that_is_nested_without_end_is_said_to_be(path: str) -> None:
    data = b'{"items": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    with pytest.raises(FetchError, match=r"^the answer is nested too deeply to be read\. Ask for records"):
        records_of(data, path, "the answer")


def test_a_record_without_a_cursor_is_told_of_without_its_values(shop: Api, ask: Callable[..., Any]) -> None:
    shop.orders[0]["item"] = "Ann Example"

    with pytest.raises(FetchError, match="it has id, item, updated_at") as raised:
        ask("one", "records='data.items', since='since', cursor='changed'")
    assert "Ann" not in str(raised.value)


@pytest.mark.parametrize("after", ["nan", "-inf", "1e999", "soon", "²", ""])
def test_a_wait_that_is_no_time_is_as_long_as_if_none_was_named(
    shop: Api, ask: Callable[..., Any], after: str, no_waits: list[float]
) -> None:
    shop.faults = [(429, {"Retry-After": after})]

    assert ask(*WAYS["OnePage"]) == list(range(5))
    assert no_waits == [1.0]


def test_a_wait_that_is_too_long_is_not_waited_for(shop: Api, ask: Callable[..., Any]) -> None:
    shop.faults = [(429, {"Retry-After": "7200"})]

    with pytest.raises(FetchError, match="a wait of 7,200 s, which is longer than it may take"):
        ask("one", "records='data.items'")


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("nothing", "", "is not JSON|closed|broke off|does not answer"),
        (
            "one",
            "records='data.orders'",
            "Page 1 of .*/one has no 'orders' on .* 'data.orders'; it has data",
        ),
        ("header", "records='items'", "has no 'items' on the way to 'items'; it is a list: if its elements are"),
        ("one", "records='data.items', largest_page='0.05 KB'", "The answer of .*/one has more than 51 bytes"),
        (
            "links",
            "records='items', pages=NextCursor('total', 'at')",
            "The API leads to a page that was read before",
        ),
        ("one", "records='data.items', since='since', cursor='changed'", "A record has no changed"),
    ],
)
def test_what_is_wrong_is_said(shop: Api, ask: Callable[..., Any], path: str, options: str, said: str) -> None:
    with pytest.raises(FetchError, match=f"orders: .*({said})"):
        ask(path, options)


def test_a_refusal_says_which_variable_holds_who_asks(shop: Api, ask: Callable[..., Any]) -> None:
    shop.faults = [(403, {})]

    with pytest.raises(FetchError, match=r"answered 403 Forbidden: .*not now.*See whether SHOP_TOKEN may read it"):
        ask("one", "auth=Bearer('SHOP_TOKEN')")


@pytest.mark.parametrize("where", ["http://127.0.0.1:1/", "https://127.0.0.1/", "http://other.example/"])
@pytest.mark.parametrize("by", ["page", "redirection"])
def test_another_host_is_never_asked(shop: Api, ask: Callable[..., Any], where: str, by: str) -> None:
    shop.next = where if by == "page" else ""
    shop.faults = [(302, {"Location": where})] if by == "redirection" else []

    with pytest.raises(FetchError, match=r"leads to .*, another place"):
        ask("links", "records='items', pages=NextLink(), auth=Bearer('SHOP_TOKEN')")


#: What the API sees of each way to show who asks.
SHOWN = {
    "Bearer": ("Bearer('SHOP_TOKEN')", "Authorization", f"Bearer {TOKEN}"),
    "ApiKey": ("ApiKey('SHOP_TOKEN', header='X-Key')", "X-Key", TOKEN),
    "Basic": ("Basic('SHOP_USER', 'SHOP_TOKEN')", "Authorization", basic("ann", TOKEN)),
    "OAuth2": ("OAuth2('{url}/token', 'SHOP_USER', 'SHOP_TOKEN')", "Authorization", f"Bearer {TOKEN}-1"),
    "Jwt": ("Jwt('SHOP_KEY', claims={{'iss': 'etl'}})", "Authorization", "Bearer ey"),
}


@pytest.mark.parametrize("way", AUTHS)
def test_who_asks_is_shown(shop: Api, ask: Callable[..., Any], way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_USER", "ann")
    monkeypatch.setenv("SHOP_KEY", TOKEN * 3)
    written, header, value = SHOWN[way]

    ask("links", f"records='items', pages=NextLink(), auth={written.format(url=shop.url)}")

    shown = [headers.get(header, "") for path, headers in shop.asked if path.startswith("/links")]
    assert len(shown) == 3 and all(one.startswith(value) for one in shown)


def test_a_key_as_a_parameter_is_in_no_message(shop: Api, ask: Callable[..., Any]) -> None:
    shop.faults = [(404, {})]

    with pytest.raises(FetchError) as error:
        ask("one", "auth=ApiKey('SHOP_TOKEN', parameter='key')")

    assert f"key={TOKEN}" in shop.asked[0][0] and TOKEN not in str(error.value)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "OnePage"])
def test_a_fetch_that_ends_midway_goes_on_where_it_was(shop: Api, ask: Callable[..., Any], way: str) -> None:
    shop.faults = []
    shop.between = lambda held, number: held.faults.append((403, {})) if number == 2 else None
    with pytest.raises(FetchError):
        ask(*WAYS[way])
    before = len(shop.asked)
    assert before == 3

    assert ask(*WAYS[way]) == list(range(5))
    again = {path for path, _ in shop.asked[:before]} & {path for path, _ in shop.asked[before:]}
    assert way == "Range" or len(again) <= 1


@pytest.mark.parametrize("stamp", ["2024-02-01 {}:00:00", "2024-02-01T{}:00:00.000Z", "2024-02-01T{}:00:00+00:00"])
def test_an_api_that_compares_stamps_as_texts_gives_all_that_is_newer(
    shop: Api, ask: Callable[..., Any], stamp: str
) -> None:
    options = "records='items', pages=NextLink(), since='since', cursor='updated_at', overlap='1 hour'"
    shop.orders = [{"id": n, "updated_at": stamp.format(10 + n)} for n in range(2)]
    assert ask("links", options) == [0, 1]
    shop.orders += [{"id": 2, "updated_at": stamp.format(12)}]
    assert ask("links", options) == [0, 1, 2]


def test_only_what_is_newer_is_asked_for(shop: Api, ask: Callable[..., Any], tmp_path: Path) -> None:
    options = "records='items', pages=NextLink(), since='since', cursor='updated_at', overlap='1 day'"
    assert ask("links", options) == [0, 1, 2, 3, 4]
    hold(shop, 7)
    shop.asked.clear()

    assert ask("links", options) == [3, 4, 5, 6]
    assert shop.asked[0][0] == "/links?since=2024-02-04T00%3A00%3A00Z"
    # these came before
    assert ask("links", options, since="2024-02-06") == []
    assert ask("links", options, full=True) == list(range(7))


@pytest.mark.parametrize(("before", "is_lost"), [(-1, True), (1, False)])
def test_a_list_that_moves_while_it_is_read_loses_nothing(
    shop: Api, ask: Callable[..., Any], before: int, is_lost: bool
) -> None:
    def move(held: Api, number: int) -> None:
        if number == 2 and is_lost:
            del held.orders[:2]
        elif number == 2:
            held.orders.insert(0, {"id": 99, "item": None, "updated_at": "2024-02-01T00:00:00Z"})

    shop.between = move
    if is_lost:
        with pytest.raises(FetchError, match="The records have moved while page 2 was read"):
            ask(*WAYS["Offset"])
    else:
        assert ask(*WAYS["Offset"]) == [0, 1, 2, 3, 4]


def test_fewer_records_than_the_api_says_it_has_are_refused(shop: Api, ask: Callable[..., Any]) -> None:
    with pytest.raises(FetchError, match=r"The API has 5 records and gave 2. Nothing was landed"):
        ask("links", "records='items', total='total'")


@pytest.mark.parametrize("total", ["5", 5], ids=repr)
def test_a_total_counts_as_a_text_and_with_the_first_page_alone(
    shop: Api, ask: Callable[..., Any], total: Any
) -> None:
    shop.faults = [
        json.dumps({"items": [{"id": 0}], "next": "/links?at=4", "total": total}).encode(),
        b'{"items": [{"id": 4}]}',
    ]

    with pytest.raises(FetchError, match=r"The API has 5 records and gave 2"):
        ask("links", "records='items', pages=NextLink(), total='total'")


def test_a_total_that_no_answer_has_is_refused(shop: Api, ask: Callable[..., Any]) -> None:
    with pytest.raises(FetchError, match=r"No answer says at total='meta.total' how many"):
        ask("links", "records='items', pages=NextLink(), total='meta.total'")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "ftp://shop.example/orders"}, "the address begins with https://"),
        ({"url": "https://ann:secret@shop.example/"}, "the address holds a user or a password"),
        ({"pages": "next"}, "pages='next'.*is not a way. Did you mean NextLink"),
        ({"auth": "token"}, "auth='token'.*is not a way"),
        ({"since": "since"}, "since and cursor go together"),
        ({"rate": "fast"}, "rate='fast' is not a number of requests such as 5/s"),
        ({"largest_page": "big"}, "largest_page='big' is not a size such as '64 MB'"),
        ({"overlap": "a bit"}, "overlap='a bit' is not a time"),
        ({"headers": {"Authorization": "Bearer x"}}, "the header Authorization would hold a secret"),
    ],
)
def test_a_wrong_option_is_told_when_it_is_written(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError, match=said.replace("()", r"\(\)")) as error:
        Rest(**{"url": "https://shop.example/orders", **options})

    assert "secret@" not in str(error.value)


def test_the_texts_of_records_are_those_that_came(shop: Api, ask: Callable[..., Any], tmp_path: Path) -> None:
    shop.orders = [
        {"id": 1, "item": "a\nb", "updated_at": "x", "more": {"price": 1.10, "n": 12345678901234567890}}
    ]
    ask("one", "records='data.items'")

    (path,) = (tmp_path / "project/data/fetched").rglob("*.zst")
    (line,) = lines(path)
    assert json.loads(line) == shop.orders[0]
    assert "1.1" in line and "12345678901234567890" in line


def test_lines_that_a_loss_of_power_has_taken_are_asked_for_again(
    shop: Api, ask: Callable[..., Any], tmp_path: Path
) -> None:
    shop.between = lambda held, number: held.faults.append((403, {})) if number == 2 else None
    with pytest.raises(FetchError):
        ask(*WAYS["NextLink"])
    (half,) = (tmp_path / "project/data/work").rglob("*.zst")
    half.write_bytes(bytes(half.stat().st_size))

    assert ask(*WAYS["NextLink"]) == list(range(5))
    assert shop.asked[-3][0] == "/links"
