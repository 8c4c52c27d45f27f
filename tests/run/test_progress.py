"""The progress of a run on a terminal of any size, and how long it will still take."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.ledger import Key, Ledger, Receipt
from etl.ledger.history import History, StepId, StepRow
from etl.run import display
from etl.run.display import told, tree
from etl.run.progress import Group, Look, Part, Watch, seconds_left
from tests.support import tiny

OUTCOMES = ["", "running", "done", "kept", "skipped", "failed"]


@st.composite
def looks(draw: st.DrawFn) -> Look:
    groups = []
    for kind in draw(st.lists(st.sampled_from(["extract", "load", "transform", "audit"]), unique=True)):
        parts = [
            Part(
                name=draw(st.text(max_size=60)),
                done=draw(st.integers(0, 10**7)),
                total=draw(st.integers(0, 10**7)),
                rows=draw(st.integers(0, 10**12)),
                seconds=draw(st.none() | st.floats(0, 10**6)),
                outcome=draw(st.sampled_from(OUTCOMES)),
            )
            for _ in range(draw(st.integers(1, 7)))
        ]
        groups.append(Group(Part(name=kind, done=1, total=2, seconds=3.0, outcome="running"), parts))
    return Look(groups, draw(st.floats(0, 10**6)), draw(st.none() | st.floats(0, 10**6)))


@given(look=looks(), width=st.integers(12, 200), height=st.integers(2, 50), is_plain=st.booleans())
def test_the_tree_fits_every_terminal(look: Look, width: int, height: int, is_plain: bool) -> None:
    lines = [line for line, _ in tree(look, width, height, is_plain)]

    assert len(lines) <= height
    assert all(len(line) <= width and line.isprintable() for line in lines)
    assert all(len(line) <= width for line in told(look, width))
    if is_plain:
        names = "".join(part.name for group in look.groups for part in group.parts)
        assert set("".join(lines)) - set(names) <= set(map(chr, range(128)))


def part(done: int, total: int, seconds: float | None = None, name: str = "a") -> Part:
    return Part(name=name, done=done, total=total, seconds=seconds)


@pytest.mark.parametrize(
    ("kind", "parts", "usual", "workers", "left"),
    [
        # what has begun goes on at its own pace, by so many workers
        ("extract", [part(10, 40, 5.0)], {}, 1, 15.0),
        ("extract", [part(10, 40, 5.0)], {}, 2, 7.5),
        # what has not begun takes what it usually takes, and nobody knows of a first time
        ("transform", [part(0, 1), part(0, 1, name="b")], {"a": 3.0, "b": 4.0}, 2, 7.0),
        ("transform", [part(0, 1, 2.0)], {"a": 3.0}, 1, 1.0),
        ("transform", [part(0, 1, 9.0)], {"a": 3.0}, 1, 0.0),
        ("transform", [part(0, 1), part(0, 1, name="b")], {"a": 3.0}, 1, None),
        ("transform", [part(1, 1, 9.0)], {}, 1, 0.0),
    ],
)
def test_the_time_left_is_told_by_history_and_by_what_is_done(kind, parts, usual, workers, left) -> None:
    groups = [Group(Part(name=kind, done=0, total=1), parts)]

    assert seconds_left(groups, {StepId(kind, name): took for name, took in usual.items()}, workers) == left


def test_a_look_counts_what_the_ledger_has_of_the_run(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    history, now = History(ledger), datetime.now(UTC)
    ago = [(now - timedelta(seconds=seconds)).isoformat() for seconds in (20, 5)]
    history.plan([StepRow("r", "extract", "a", parts=4), StepRow("r", "load", "a"), StepRow("r", "audit")])
    history.begin("r", [StepId("extract", "a")], ago[0])
    details = {"rows": 7, "rejected": 1}
    ledger.write(*(Receipt(Key("extract", "a", f"2024-03-0{day}"), "", "r", details=details) for day in (1, 2, 3)))
    ledger.write(Receipt(Key("extract", "a", "2024-03-09"), "", "earlier", details=details))

    extract, load, audit = Watch(ledger, "r", 1).look().groups

    assert (extract.whole.done, extract.whole.total, extract.whole.rows) == (3, 4, 21)
    assert extract.whole.seconds == pytest.approx(20, abs=15)
    assert (load.whole.done, load.whole.seconds) == (0, None)
    assert (audit.whole.done, audit.whole.total) == (0, 1)


@pytest.mark.parametrize(("term", "shows"), [("xterm", True), ("dumb", False), ("unknown", False)])
def test_a_terminal_that_cannot_move_its_cursor_shows_plain_lines(monkeypatch, term: str, shows: bool) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    assert display._can_show() == shows


def test_each_look_is_drawn_for_the_size_that_the_terminal_has_then(tmp_path: Path, monkeypatch) -> None:
    project = tiny.project(tmp_path / "shop")
    History(Ledger(project.ledger)).plan([StepRow("r", "audit")])
    sizes, drawn, is_done = [(100, 30), (40, 12), (72, 24)], [], threading.Event()

    def draw(look: Look, width: int, height: int, is_plain: bool) -> list[tuple[str, str]]:
        drawn.append((width, height))
        sizes.pop(0) if len(sizes) > 1 else is_done.set()
        return tree(look, width, height, is_plain)

    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size(sizes[0]))
    monkeypatch.setattr(display, "tree", draw)
    shown = display.Display(project, "r", 1)
    shown.start()
    assert is_done.wait(60)
    shown.stop()

    assert drawn[:3] == [(100, 30), (40, 12), (72, 24)]


LUIGI = [sys.executable, "-m", "luigi", "--module", "etl", "Nightly"]
ETL = [sys.executable, "-m", "etl", "run"]
#: A model that goes on until its part of the tree was seen, or a minute is over.
PATIENT = """# Grain: one sale.
import pathlib
import time

READS = ["raw.sales"]


def model(inputs, ctx):
    for _ in range(600):
        if pathlib.Path("seen").exists():
            break
        time.sleep(0.1)
    return inputs["raw.sales"].project("id, item")
"""
ITEMS = """
class Items(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)

    class Config:
        name = "marts.items"
"""
TRANSFORM = re.compile(r"transform +(\S+ )?\d+/\d+")
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(command: list[str], root: Path, columns: int, **environment: str) -> str:
    """Return what a command writes to a terminal of so many columns; it exits with 0.

    The file `seen` is made in its folder when the tree shows what is built.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "ETL_PROJECT": str(root), "TERM": "xterm", **environment}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=root, env=env)
    os.close(theirs)
    found = b""
    while True:
        try:
            found += (data := os.read(ours, 65_536))
        except OSError:
            break
        if not data:
            break
        if TRANSFORM.search(CODES.sub("", found.decode(errors="replace"))):
            (root / "seen").touch()
    os.close(ours)
    assert process.wait() == 0, found.decode(errors="replace")
    return found.decode()


@pytest.mark.parametrize(
    ("command", "settings", "environment"),
    [
        (ETL, "", {}),
        (LUIGI, "progress = yes\n", {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}),
    ],
)
def test_a_terminal_shows_the_tree_and_then_a_table(tmp_path: Path, command, settings, environment) -> None:
    project = tiny.project(tmp_path / "shop", tiny.CONTRACTS + ITEMS, {"marts/items.py": PATIENT})
    config = project.root / "luigi.cfg"
    config.write_text(config.read_text().replace("[etl]\n", f"[etl]\n{settings}"))

    text = on_terminal(command, project.root, 60, **environment)

    lines = [line for line in re.split(r"[\r\n]+", CODES.sub("", text)) if line]
    assert any(TRANSFORM.match(line) for line in lines)
    assert [line.split()[0] for line in lines[-6:]] == ["step", "extract", "load", "transform", "audit", "publish"]
    if environment:
        assert text.isascii() and "\x1b[3" not in text
