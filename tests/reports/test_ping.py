"""The server that watches nights is told of their start and end; it may be down, slow or wrong."""

import pytest

from etl.errors import ConfigError
from etl.reports.notices import ping
from tests.support.receivers import free_port, http


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(ping, "_SECONDS", 1.0)
    monkeypatch.setattr(ping, "_TRY_SECONDS", 0.5)


def test_start_and_end_of_a_run_are_paired_by_an_id(monkeypatch):
    with http() as server:
        monkeypatch.setenv("ETL_PING_URL", f"http://127.0.0.1:{server.port}/a-secret?create=1")
        assert ping.ping(ping.START, "run-1") == ""
        assert ping.ping(ping.FAIL, "run-1", "sales is \x1b[31m\u202erefused\nas it is") == ""
        assert ping.ping(ping.SUCCESS, "run-2") == ""

    (start, _), (fail, text), (success, _) = server.got
    assert start.startswith("/a-secret/start?create=1&rid=") and fail.startswith("/a-secret/fail?create=1&rid=")
    assert start.rpartition("=")[2] == fail.rpartition("=")[2] != success.rpartition("=")[2]
    assert text == "sales is \\x1b[31m\\u202erefused\nas it is" and success.startswith("/a-secret?create=1&rid=")


def test_a_plain_server_hears_of_good_nights_only(monkeypatch):
    with http() as server:
        monkeypatch.setenv("ETL_PING_URL", f"http://127.0.0.1:{server.port}/beat")
        monkeypatch.setenv("ETL_PING_STYLE", "get")
        for what in (ping.START, ping.FAIL, ping.SUCCESS):
            assert ping.ping(what, "run-1", "text") == ""

    assert server.got == [("/beat", "")]


@pytest.mark.parametrize(
    ("status", "hangs", "said"),
    [(500, 0.0, "it answered with the error 500"), (200, 5.0, "it did not answer in time")],
)
def test_a_server_that_breaks_or_hangs_is_said_without_its_address(monkeypatch, caplog, status, hangs, said):
    with http(status, hangs) as server:
        monkeypatch.setenv("ETL_PING_URL", f"http://127.0.0.1:{server.port}/canary")

        assert ping.ping(ping.SUCCESS, "run-1") == said

    assert "canary" not in caplog.text and said in caplog.text


def test_a_server_that_is_down_is_tried_three_times(monkeypatch):
    tries = []
    request = ping._request
    monkeypatch.setattr(ping, "_request", lambda *given: (tries.append(given), request(*given)))
    monkeypatch.setattr(ping, "_SECONDS", 20.0)
    monkeypatch.setenv("ETL_PING_URL", f"http://127.0.0.1:{free_port()}/canary")

    assert ping.ping(ping.SUCCESS, "run-1") == "ConnectionRefusedError"
    assert len(tries) == 3


@pytest.mark.parametrize("address", ["file:///etc/passwd", "canary", "http:///x", "http://a b"])
def test_what_is_not_an_address_is_refused_and_not_shown(monkeypatch, address):
    monkeypatch.setenv("ETL_PING_URL", address)

    with pytest.raises(ConfigError, match="is not an address such as") as refused:
        ping.check_ping()

    assert "canary" not in str(refused.value)
    assert ping.ping(ping.SUCCESS, "run-1")


def test_a_style_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("ETL_PING_URL", "https://example.org/x")
    monkeypatch.setenv("ETL_PING_STYLE", "morse")

    with pytest.raises(ConfigError, match="Use healthchecks or get"):
        ping.check_ping()
