"""The command: where it listens, what it says, what it needs, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.operations.serve.access import Access, check_token, is_own_origin
from etl.operations.serve.limits import Limit
from etl.operations.serve.server import Serving
from etl.reports.history import known_runs
from tests.support import tiny
from tests.support.serving import BEARER, TOKEN, Client


def begun(project, *options: str, token: str = TOKEN):
    """Begin `etl serve` in a process of its own; return it and a client."""
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ETL_PROJECT": str(project.root), "ETL_SERVE_TOKEN": token},
        start_new_session=True,
    )
    assert process.stdout
    first = process.stdout.readline()
    assert first.startswith(f"Serving {project.root} at http://127.0.0.1:"), process.communicate()
    return process, Client(int(first.rstrip("/\n").rpartition(":")[2]), BEARER)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_asked_to_end(project, number):
    process, client = begun(project)
    slow = socket.create_connection(("127.0.0.1", client.port))
    slow.sendall(b"GET / HT")
    assert client.get("/runs").status == 200
    assert client.get("/runs?token=a-secret-of-nobody", Cookie="x=another-secret").status == 200
    process.send_signal(number)
    _, log = process.communicate(timeout=60)
    slow.close()
    assert process.returncode == 0
    assert "127.0.0.1 token GET /runs 200" in log
    assert TOKEN not in log and "secret" not in log


def test_a_change_goes_on_when_the_server_and_its_terminal_end(project):
    tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\n11,cup\n"})
    process, client = begun(project)
    assert client.post("/runs", {}).status == 202
    # as Ctrl-C does, which all processes of a terminal get
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    for _ in range(600):
        last = known_runs(project, Ledger(project.ledger, is_reading=True), 1)[0]
        if last["trigger"] == "serve" and last["state"] != "under way":
            break
        time.sleep(0.1)
    assert (last["trigger"], last["state"], last["rows"]) == ("serve", "published", 1)


@pytest.mark.parametrize(
    ("host", "token", "said"),
    [
        ("0.0.0.0", "", "can be reached from other machines"),
        ("::", "", "can be reached from other machines"),
        ("", "", "is not known"),
        ("no.such.host.invalid", "", "is not known"),
        ("127.0.0.1", "short", "can be guessed"),
        ("127.0.0.1", f"{TOKEN}\n", "may hold letters"),
    ],
)
def test_beyond_this_machine_a_token_is_needed_that_cannot_be_guessed(project, host, token, said):
    with pytest.raises(ConfigError, match=said):
        Serving(project, host=host, token=token)
    for fine in ("127.0.0.1", "localhost", "127.0.0.2"):
        check_token("", fine)
    check_token(TOKEN, "0.0.0.0")


def test_a_port_that_is_taken_is_said(project):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be listened on"):
            Serving(project, port=port)


def test_a_session_ends_and_there_are_only_so_many():
    now = [0.0]
    access = Access(TOKEN, clock=lambda: now[0])
    first = access.open_session()
    assert access.is_session(first) and not access.is_session(first + "x") and not access.is_session("")
    assert access.is_form_key(first, access.form_key(first))
    now[0] = 13 * 3600.0
    assert not access.is_session(first)
    one = access.open_session()
    for _ in range(100):
        access.open_session()
    assert not access.is_session(one)


@pytest.mark.parametrize("given", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\udcff", "é"])
def test_nothing_but_the_token_is_the_token(given):
    assert not Access(TOKEN).is_token(given) and not Access("").is_token(given)
    assert Access(TOKEN).is_token(TOKEN)


def test_own_hosts_are_addresses_localhost_and_the_names_that_were_given():
    access = Access(TOKEN, names=("etl.example.org",))
    for host in ("localhost", "localhost:8400", "127.0.0.1:1", "[::1]:8400", "10.1.2.3", "ETL.example.org:443"):
        assert access.is_own_host(host)
    for host in ("", "evil.example", "etl.example.org.evil", "localhost.evil", "[::1", "a b", "x@y"):
        assert not access.is_own_host(host)


def test_an_origin_is_own_if_it_is_the_host_that_was_asked():
    assert is_own_origin("http://localhost:8400", "localhost:8400")
    assert is_own_origin("https://etl.example.org", "etl.example.org")
    assert is_own_origin("http://[::1]:8400", "[::1]:8400")
    for origin in (
        "null",
        "",
        "http://localhost",
        "http://localhost:8401",
        "file://localhost:8400",
        "http://localhost:x",
    ):
        assert not is_own_origin(origin, "localhost:8400")


def test_a_limit_fills_up_again_and_counts_each_one_apart():
    now = [0.0]
    limit = Limit(2, 1, clock=lambda: now[0])
    assert [limit.take("a"), limit.take("a"), limit.take("a"), limit.take("b")] == [0, 0, 1, 0]
    now[0] = 1.5
    assert [limit.take("a"), limit.take("a")] == [0, 0.5]


def test_nothing_of_it_is_imported_by_other_commands():
    code = "import sys, etl.cli.main; print({'tornado.web', 'etl.operations.serve'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
