"""Messages are sent by a process of its own: a receiver that refuses, hangs or breaks costs its time alone."""

import ast
import importlib.util
import subprocess
import sys

import pytest

from etl.errors import ConfigError
from etl.ledger.notices import Notice
from etl.project.channels import channels
from etl.reports.notices import message, sending
from tests.support.crowded import crowded
from tests.support.receivers import free_port, http, smtp

if importlib.util.find_spec("apprise") is None:
    pytest.skip("Apprise is not installed", allow_module_level=True)


def notice(text: str = "What: a night failed.") -> Notice:
    return Notice(channel="", title="etl shop: a night failed", body=text)


def delivered(monkeypatch, *addresses: str, seconds: float = 60.0) -> list[str]:
    """Send a message to each address, and return why it could not be sent, by place."""
    monkeypatch.setenv("ETL_NOTIFY", " ".join(addresses))
    items = [(number, channel, notice()) for number, channel in enumerate(channels())]
    return [said for _, said in sorted(sending.deliver(items, seconds))]


def test_each_channel_says_what_became_of_its_message(monkeypatch):
    with http() as takes, http(500) as breaks, http(hangs=30) as hangs, smtp() as mail:
        said = delivered(
            monkeypatch,
            f"json://127.0.0.1:{takes.port}/",
            f"mailto://127.0.0.1:{mail.port}?mode=insecure&from=etl@example.org&to=you@example.org",
            f"json://127.0.0.1:{breaks.port}/",
            f"json://user:canary@127.0.0.1:{free_port()}/",
            f"json://127.0.0.1:{hangs.port}/?rto=1",
            "nonsense://canary",
        )

    assert said == [
        "",
        "",
        "it answered with the error 500",
        "it refused, or did not answer",
        "it refused, or did not answer",
        "its address is not one that Apprise knows",
    ]
    assert [found["title"] for _, found in takes.got] == ["etl shop: a night failed"]
    ((to, text),) = mail.got
    assert (
        to == "you@example.org" and "Subject: etl shop: a night failed" in text and "What: a night failed." in text
    )


def test_a_receiver_that_hangs_is_given_up_in_time(monkeypatch):
    # another test of this process may have imported it
    monkeypatch.delitem(sys.modules, "apprise", raising=False)
    with http(hangs=30) as hangs:
        said = delivered(monkeypatch, f"json://127.0.0.1:{hangs.port}/?rto=30", seconds=1.0)

    assert said == ["it did not answer in time"]
    assert "apprise" not in sys.modules


def test_a_process_with_many_open_files_sends_too(monkeypatch):
    with crowded(), http() as takes:
        said = delivered(monkeypatch, f"json://127.0.0.1:{takes.port}/")

    assert said == [""]
    assert len(takes.got) == 1


def test_without_apprise_it_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "apprise.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert delivered(monkeypatch, "json://127.0.0.1/") == [sending.INSTALL]


def test_an_address_that_is_not_one_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("ETL_NOTIFY", "json://127.0.0.1/ nonsense://canary/secret")

    (said,) = sending.check_channels()

    assert said.startswith("ETL_NOTIFY 2 (nonsense): its address is not one that Apprise knows.")
    assert "canary" not in said


def test_a_check_without_apprise_is_refused(monkeypatch, tmp_path):
    (tmp_path / "apprise.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("ETL_NOTIFY", "json://127.0.0.1/")

    with pytest.raises(ConfigError, match=r"pip install 'etl\[notify\]'"):
        sending.check_channels()


def test_nothing_to_send_starts_no_process(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)

    assert list(sending.deliver([])) == []


@pytest.mark.parametrize("longest", [200, 1_000, 3_900])
def test_a_long_text_is_cut_at_a_line_with_a_word(longest):
    text = "\n".join(f"line {number} ä" for number in range(1_000))

    cut = message.shortened(text, longest)

    assert len(cut.encode()) <= longest
    assert cut.endswith("etl status") and all(line.startswith(("line", "...")) for line in cut.splitlines())


def test_the_process_that_sends_imports_nothing_of_etl():
    """It starts in the time that Python does."""
    nodes = ast.walk(ast.parse(sending._SENDER.read_text()))
    names = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]

    assert not [name for name in names if name and name.startswith("etl")]
