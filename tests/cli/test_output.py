"""Where commands print to: old encodings, pipes that nobody reads, full disks, terminals of all kinds."""

import io
import logging
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.cli.main import main
from etl.cli.screen import echo, show_table
from etl.reports.stderr import Painting
from etl.reports.terminal import painted
from tests.support import calls, tiny
from tests.support.calls import CALLS, IN_A_PROCESS
from tests.support.projects import environment

pytestmark = pytest.mark.sampled

ESCAPE = re.compile(r"\x1b\[[\d;]*m")


@contextmanager
def stream(kind, monkeypatch):
    """Have both standard streams be of a kind: an encoding, or `gone`, a pipe whose reader went away."""
    reading, writing = os.pipe()
    drain = os.fdopen(os.dup(writing), "wb")
    # a pipe holds 64 KiB, and no call here prints as much
    os.set_blocking(writing, False)
    if kind == "gone":
        os.close(reading)
    text = io.TextIOWrapper(open(writing, "wb"), encoding="utf-8" if kind == "gone" else kind)  # noqa: SIM115
    with monkeypatch.context() as patch:
        for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
            patch.setattr(sys, name, text)
        yield reading
    drain.close()
    text.close()


def exit_codes(command, root, kind, monkeypatch):
    """Return the exit codes of all calls of a command in a new copy of the project."""
    project = calls.project(root)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    monkeypatch.chdir(project.root)
    codes = []
    for arguments in CALLS[command]:
        monkeypatch.setattr(sys, "argv", ["etl", *command.split(), *arguments])
        with stream(kind, monkeypatch) as reading:
            with pytest.raises(SystemExit) as ended:
                main()
            if kind != "gone":
                said = os.read(reading, 1 << 20)
                os.close(reading)
                assert said and b"Traceback" not in said
                said.decode(kind)
        codes.append(ended.value.code)
    return codes


@pytest.mark.parametrize("command", [command for command in CALLS if command not in IN_A_PROCESS])
def test_what_a_command_does_is_the_same_whatever_reads_it(command, tmp_path, monkeypatch):
    asked = [exit_codes(command, tmp_path / kind, kind, monkeypatch) for kind in ("utf-8", "ascii", "gone")]
    assert asked[0] == asked[1] == asked[2]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    project = tiny.once(tmp_path / "shop", lambda root: tiny.night(tiny.project(root, raw=RAW)))
    monkeypatch.chdir(project.root)
    return project


RAW = {"sales/2024-03-01.csv": "id,item\n1,bøk\n2,bøk\n3,№\n4,№\nx,№\n"}


ETL, LUIGI = "-m etl run", "-m luigi --module etl Nightly"


@pytest.mark.parametrize(
    ("program", "redirected", "is_heard"),
    [(ETL, "2>&1 | head -c 1", True), (LUIGI, "2>&1 | head -c 1", True), (LUIGI, ">&- 2>&- <&-", False)],
)
def test_a_night_that_nobody_hears_is_a_whole_night(shop, program, redirected, is_heard):
    tiny.deliver(shop, {"sales/2024-03-02.csv": "id,item\n5,book\n"})
    command = f"({sys.executable} {program} --date 2024-03-31; echo $? >&3) {redirected}"
    done = subprocess.run(
        ["bash", "-c", f"{{ {command}; }} 3>code"],
        cwd=shop.root, env=environment(PYTHONIOENCODING="ascii"), capture_output=True, check=False,
    )  # fmt: skip
    assert (shop.root / "code").read_text() == "0\n"
    assert bool(done.stdout) == is_heard
    assert tiny.published(shop, "select sales from marts.items where item = 'book'") == [(1,)]


def test_what_is_decided_is_done_when_nobody_reads_of_it(shop):
    discarding = f"{sys.executable} -m etl quarantine discard sales --reason x"
    command = f"{discarding} | (exec <&-; sleep 0); echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done
    assert "Traceback" not in done.stderr and "Broken" not in done.stderr
    assert tiny.published(shop, "select count(*) from etl.rejects where discarded is not null") == [(1,)]


def test_an_answer_that_cannot_be_written_is_an_error(shop):
    for command in (["audits"], ["quarantine", "sales", "--json"], ["--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "etl", *command], env=environment(), stdout=full, stderr=subprocess.PIPE,
                text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 30
        assert done.stderr.endswith("Error: the output could not be written: No space left on device.\n")


def test_what_an_encoding_lacks_is_drawn_with_what_it_has(shop):
    drawn = subprocess.run(
        [sys.executable, "-m", "etl", "lineage", "marts.items.item"], env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert b"`- raw.sales.item" in drawn


def test_python_is_utf_8_in_a_file_whatever_the_terminal_has(shop):
    (shop.root / "bøk.csv").write_text("id,bøk №\n1,x\n")
    proposed = subprocess.run(
        [sys.executable, "-m", "etl", "sniff", "bøk.csv"],
        env=environment(PYTHONIOENCODING="latin-1"), capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert "bøk №" in proposed.decode()
    compile(proposed, "sales.py", "exec")


class Terminal(io.StringIO):
    """A terminal that remembers what it was told."""

    def isatty(self):
        return True


@contextmanager
def terminal(**env):
    """Have a terminal in the place of standard output; yield what it was told."""
    told = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", told)
        for name, value in {"NO_COLOR": "", "TERM": "xterm", **env}.items():
            patch.setenv(name, value)
        yield told


NAMES = ["source", "rejected", "result"]
ROWS = [["sales", "2", "failed"], ["orders", "0", "passed"], ["late", "", "warned"]]


def test_a_terminal_shows_in_red_and_amber_what_is_wrong():
    with terminal() as told:
        echo("last run    failed, batch date 2024-03-01; 0 rejected, 2 rejected")
        show_table(NAMES, ROWS)
    line, table = told.getvalue().split("\n", 1)
    assert (
        line == "last run    \x1b[31mfailed\x1b[0m, batch date 2024-03-01; 0 rejected, \x1b[33m2 rejected\x1b[0m"
    )
    assert {text.strip() for text in re.findall(r"\x1b\[31m([^\x1b]*)", table)} == {"failed"}
    assert {text.strip() for text in re.findall(r"\x1b\[33m([^\x1b]*)", table)} == {"2", "late", "warned"}


RUNS = ["run", "begun", "result", "took", "rows"]
RUN = ["20230909T000000.000Z-1387", "2023-09-09 00:00:00Z", "published", "0:00:02.6", "1,204"]


@given(st.integers(30, 120), st.lists(st.sampled_from(RUN), min_size=5, max_size=5))
def test_a_narrow_terminal_breaks_no_word_and_shows_what_counts(width, other):
    with terminal(NO_COLOR="1", COLUMNS=str(width)) as told:
        show_table(RUNS, [RUN, other], may_go=("rows", "took", "begun", "result"))
    lines = told.getvalue().splitlines()
    names = lines[0].split()
    assert names in [RUNS, RUNS[:4], RUNS[:3], ["run", "result"], ["run"]]
    assert max(map(len, lines)) <= width
    kept = {word for name, cell in zip(RUNS, RUN, strict=True) if name in names for word in cell.split()}
    assert kept <= set(told.getvalue().split())
    assert len(names) > 1 or width < 25 + 2 + 25


TABLES = ["table", "kind", "rows", "description"]
MEANING = "How many pieces of each item were sold on each day, in all shops that were open then, without returns."


@given(st.integers(40, 200), st.lists(st.sampled_from([MEANING, "Short.", ""]), min_size=1, max_size=4))
def test_a_narrow_terminal_squeezes_no_sentence(width, meanings):
    rows = [[f"marts.items_by_day_{at}", "table", "1,204", text] for at, text in enumerate(meanings)]
    with terminal(NO_COLOR="1", COLUMNS=str(width)) as told:
        show_table(TABLES, rows, may_go=("kind",), prose="description")
    lines = told.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].split()[0] == "table" and sum("marts.items_by_day" in line for line in lines) == len(rows)
    assert [line.split()[0] for line in lines if "marts" in line] == [row[0] for row in rows]
    if MEANING in meanings and width <= 70:
        # beside the others it would have less than half of the screen
        assert "description" not in lines[0] and all(
            text in " ".join(told.getvalue().split()) for text in meanings
        )


def test_data_has_no_colours_of_ours():
    with terminal() as told:
        show_table(NAMES, ROWS, is_data=True)
    assert not {"\x1b[31m", "\x1b[33m"} & set(ESCAPE.findall(told.getvalue()))


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(env):
    with terminal(**env) as told:
        echo("failed")
        show_table(NAMES, ROWS)
    assert "failed" in told.getvalue() and "\x1b" not in told.getvalue()


def test_the_log_of_a_night_has_colours_on_a_terminal_only():
    log = logging.LogRecord("etl", logging.ERROR, "", 0, "failed: %s", ("sales",), None)
    for stream, expected in ((Terminal(), "\x1b[31mfailed\x1b[0m: sales\n"), (io.StringIO(), "failed: sales\n")):
        with terminal():
            Painting(stream).emit(log)
        assert stream.getvalue() == expected


@given(st.text())
def test_colours_change_no_text(text):
    text = text.replace("\x1b", "")
    assert ESCAPE.sub("", painted(f"{text} failed")) == f"{text} failed"


CELLS = st.lists(st.text(max_size=5) | st.sampled_from(["a\tb", "a\nb", "failed", " x "]), min_size=2, max_size=2)


@given(st.lists(CELLS, max_size=4))
def test_a_table_in_a_pipe_is_one_line_a_row_with_tabs_between_its_cells(rows):
    written = io.StringIO()
    before, sys.stdout = sys.stdout, written
    try:
        show_table(["name", "value"], rows)
    finally:
        sys.stdout = before
    lines = written.getvalue().removesuffix("\n").split("\n")
    assert lines[0] == "name\tvalue"
    assert [line.count("\t") for line in lines] == [1] * (len(rows) + 1)
    plain = [row for row in rows if all(cell.isprintable() for cell in row)]
    assert {"\t".join(row) for row in plain} <= set(lines)
    assert "\x1b" not in written.getvalue()
