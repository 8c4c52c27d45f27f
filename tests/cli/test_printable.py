"""Foreign texts in what is shown: no command and no message may hand them to a terminal as they are."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.cli.main import main
from etl.errors import closest, cut, printable, printable_lines
from tests.support import calls, warm
from tests.support.calls import CALLS, FORGED, IN_A_PROCESS, commands
from tests.support.projects import environment


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    project = calls.project(tmp_path / "hostile")
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    monkeypatch.chdir(project.root)
    return project


def test_every_command_is_called():
    unsaid = set(commands()) ^ set(CALLS)
    assert not unsaid, f"say in tests/support/calls.py how these are called, or take them out: {unsaid}"


@pytest.mark.parametrize("command", CALLS)
def test_no_command_hands_a_foreign_text_to_the_terminal(hostile, command, monkeypatch, capsys):
    for arguments in CALLS[command]:
        call = [*command.split(), *arguments]
        if command in IN_A_PROCESS:
            said = warm.run(["-m", "etl", *call], hostile.root, environment()).stdout
        else:
            monkeypatch.setattr(sys, "argv", ["etl", *call])
            with pytest.raises(SystemExit):
                main()
            said = "".join(capsys.readouterr())
        assert said
        assert_printable(said)


def test_the_log_of_a_night_is_printable_and_its_lines_are_etls_own(hostile):
    for path in hostile.root.glob("data/le*"):
        path.unlink()
    night = warm.run(
        ["-m", "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31"], hostile.root, environment()
    )
    assert "is refused and left out" in night.stdout
    assert_printable(night.stdout)


def assert_printable(said):
    # tabs part the cells of a table
    for line in said.replace("\t", "").split("\n"):
        assert line.isprintable(), line
        assert not line.startswith(FORGED), said


@given(st.text())
def test_what_is_printable_is_one_line_that_no_terminal_takes_for_more(text):
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    assert all(line.isprintable() for line in printable_lines(text).split("\n"))
    assert not text.isprintable() or printable(text) == text


def test_a_long_text_is_cut_with_its_length():
    assert cut("x" * 2_000_000) == "x" * 1000 + "... (2,000,000 characters)"
    assert cut("short") == "short"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ko\u0308ln", "Köln (it is K<U+00F6>ln, not Ko<U+0308>ln)"),
        ("Köln\u200b", "Köln (it is K<U+00F6>ln, not K<U+00F6>ln<U+200B>)"),
        ("amout", "amount"),
        ("am\u043eunt", "amount (it is amount, not am<U+043E>unt)"),
        ("\u0456d", "id (it is id, not <U+0456>d)"),
    ],
)
def test_a_name_that_only_looks_equal_is_shown_with_its_code_points(name, shown):
    assert closest(name, ["amount", "Köln", "id"]) == [shown]
