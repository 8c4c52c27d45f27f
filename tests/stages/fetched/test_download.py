"""Whole files from the web: what broke off goes on, and what has not changed is not sent again."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import FetchError
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from etl.stages import fetched
from etl.stages.fetched import web
from tests.support import tiny
from tests.support.api import Api, api

CONTRACTS = """
import pandera.pandas as pa
from etl import *

class Rates(pa.DataFrameModel):
    rate: int

rates = Source(contract=Rates, fetch=Download('{url}/files/rates{name}.csv', {options}), {source})
"""
DAY = date(2024, 3, 3)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(web.time, "sleep", lambda _: None)
    with api() as held:
        held.file = b"rate\n" + b"1234567\n" * 1000
        yield held


def project(root: Path, server: Api, name: str = "", options: str = "", source: str = "") -> Project:
    text = CONTRACTS
    for key, value in {"url": server.url, "name": name, "options": options, "source": source}.items():
        text = text.replace(f"{{{key}}}", value)
    return tiny.project(root / "project", text, {}, {}, "retries = 0\n")


def fetch(made: Project, day: date = DAY, **how: Any) -> list[str]:
    source = definitions(made, Ledger(made.ledger))[0].sources["rates"]
    return [file.rpartition("/")[2] for file in fetched.fetch(made, source, day, **how).files]


def content(made: Project, name: str = "rates.csv") -> bytes:
    (path,) = made.fetched.rglob(name)
    return path.read_bytes()


@pytest.mark.parametrize("has_tag", [True, False])
def test_what_breaks_off_comes_whole(tmp_path: Path, server: Api, has_tag: bool) -> None:
    server.etag = has_tag
    server.faults = ["cut", "cut"]
    made = project(tmp_path, server)

    assert fetch(made) == ["rates.csv"]
    assert content(made) == server.file
    ranges = [headers.get("Range") for _, headers in server.asked]
    assert ranges == ([None, "bytes=4002-", "bytes=6003-"] if has_tag else [None, None, None])


def test_a_file_that_changes_while_it_is_sent_begins_again(tmp_path: Path, server: Api) -> None:
    server.faults = ["cut"] * 5
    made = project(tmp_path, server)
    with pytest.raises(FetchError, match=r"broke off 5 times, at [\d,]+ bytes. It goes on there"):
        fetch(made)
    server.file = b"rate\n7\n"

    assert fetch(made) == ["rates.csv"]
    assert content(made) == b"rate\n7\n"


def test_a_file_that_has_not_changed_is_not_sent_again(tmp_path: Path, server: Api) -> None:
    made = project(tmp_path, server)
    fetch(made)

    assert fetch(made) == []
    assert server.asked[-1][1]["If-None-Match"].startswith('"')


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, server: Api) -> None:
    with pytest.raises(FetchError, match=r"The file has more than 1,024 bytes. Allow it with the option largest"):
        fetch(project(tmp_path, server, options="largest='1 KB'"))


def test_each_date_since_the_newest_is_asked_for_and_one_may_lack(tmp_path: Path, server: Api) -> None:
    made = project(tmp_path, server, "-{date}")

    assert fetch(made, since="2024-03-01") == [
        "rates-2024-03-01.csv",
        "rates-2024-03-02.csv",
        "rates-2024-03-03.csv",
    ]
    server.faults = [(304, {}), (404, {})]
    assert fetch(made, date(2024, 3, 5)) == ["rates-2024-03-05.csv"]


def test_a_file_that_is_not_there_is_said(tmp_path: Path, server: Api) -> None:
    server.faults = [(404, {})]

    with pytest.raises(FetchError, match=r"There is no .*/files/rates.csv. See whether the address is right"):
        fetch(project(tmp_path, server))


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("-{date}", "files='rates.csv'", "the date is in the address, but not in the name of the file"),
        ("", "files='rates-{date}.csv'", "the date is in the name of the file only"),
    ],
)
def test_a_date_stands_in_address_and_name(tmp_path: Path, server: Api, name: str, source: str, said: str) -> None:
    with pytest.raises(Exception, match=said):
        fetch(project(tmp_path, server, name, "", source))


def test_a_redirection_to_another_host_does_not_show_who_asks(
    tmp_path: Path, server: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "canary-5512")
    with api() as other:
        other.file = server.file
        server.faults = [(302, {"Location": f"{other.url}/files/elsewhere.csv"})]
        made = project(tmp_path, server, options="auth=Bearer('SHOP_TOKEN')")

        assert fetch(made) == ["rates.csv"]
        assert server.asked[0][1]["Authorization"] == "Bearer canary-5512"
        assert "Authorization" not in other.asked[0][1]
