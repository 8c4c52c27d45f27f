"""Foreign texts in what is shown: no command and no message may hand them to a terminal as they are."""

import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.cli.main import cli, main
from etl.errors import closest, cut, printable, printable_lines
from tests.support import tiny, warm
from tests.support.projects import environment

#: A line that only etl may begin.
FORGED = "02:15:04 published"
#: Escape sequences, a bell, another direction, ends of lines of all kinds, and a control character of 8 bits.
HOSTILE = f"\x1b]0;x\x07\x1b[2J\x1b[31mred\u202e\u200b\x9b1m\r\n{FORGED}\u2028\x85\x0b{FORGED}"
#: What somebody types, or pastes, in the place of a name.
WORD = HOSTILE.replace("\r\n", "")
#: What a file's name may hold.
NAME = "a\u202e\u200fb"
CONTRACTS = f"""
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    item: str = pa.Field(nullable=True, alias={NAME!r})
    price: int = pa.Field(ge=0, nullable=True)

sales = Source(contract=Sales, files="sales/{{date}}/*.csv", optional=True)
other = Source(contract=Sales, files="other/{{date}}.csv", optional=True)
"""
QUOTED = '"' + HOSTILE.replace("\r\n", "\n") + '"'
RAW = {
    f"sales/2024-03-01/{NAME}.csv": f"id,{NAME},price\n1,{QUOTED},1\n2,x,-1\n{QUOTED},y,1\n".encode(),
    f"sales/2024-03-02/{NAME}.csv": f"id,{QUOTED},price\n1,x,1\n".encode(),
    f"sales/2024-03-03/{NAME}\x1b.csv": b"id\n",
    "other/2024-03-01.csv": f"id,{NAME},price\n3,{QUOTED},1\n4,{QUOTED},1,{QUOTED}\n".encode(),
}
COMMENT = HOSTILE.split("\r")[0] + "\u2028"
SQL = {
    "marts/items.sql": f'-- {COMMENT}\nselect "{NAME}" as "{NAME} 2", id from raw.sales union all '
    f'select "{NAME}", id from raw.other',
    "audits/none.sql": f'-- warn: {NAME}\nselect "{NAME} 2" from marts.items',
}
#: How each command is called; those that run a night, or another program, are called in a process of their own.
CALLS = {
    "status": [[]],
    "audits": [[], ["none"], [NAME]],
    "plan": [["--all", "--date", "2024-03-31"], ["--select", WORD]],
    "generations": [[]],
    "diff": [[], [WORD], ["current", "current", WORD]],
    "env list": [[]],
    "env create": [[WORD]],
    "env drop": [[WORD, "--yes"]],
    "approve": [[WORD, "--by", "x", "--reason", "y"]],
    "lineage": [["marts.items"], [f"marts.items.{NAME} 2"], [WORD], ["raw.sales", "--downstream"]],
    "sql": [["from marts.items"], ["from raw.sales"], ["from etl.rejects"], ["from etl.partitions"], [WORD]],
    "sniff": [[f"data/raw/sales/2024-03-01/{NAME}.csv"], [f"data/raw/sales/2024-03-02/{NAME}.csv"], [WORD]],
    "init": [[WORD], ["."]],
    "quarantine list": [[], ["sales"], [WORD]],
    "quarantine show": [["sales"], ["other"], [WORD]],
    "quarantine export": [["sales", "out.csv"], [WORD, "o.csv"]],
    "quarantine replay": [["sales", "--from", WORD], ["other", "--rule", "record"]],
    "quarantine discard": [["sales", "--reason", "x"], ["other", "--rule", "record", "--reason", WORD]],
    "run": [["--date", "2024-03-31"]],
    "reproduce": [[WORD]],
    "rollback": [[WORD], []],
    "purge": [["sales", "--date", "2024-03-01", "--yes"], [WORD, "--yes"]],
    "clear": [["gone", "--yes"], [WORD, "--yes"]],
}
IN_A_PROCESS = {"run", "quarantine replay", "quarantine discard"}


def commands(group=cli, before=()):
    """Return the name of every command that does something."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name))


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    project = tiny.once(tmp_path / "hostile", published)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    monkeypatch.chdir(project.root)
    return project


def published(root):
    tiny.night(tiny.project(root, CONTRACTS, SQL, RAW))


def test_every_command_is_called():
    assert set(commands()) == set(CALLS)


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
    for line in said.split("\n"):
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
