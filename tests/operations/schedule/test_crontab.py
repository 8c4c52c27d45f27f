"""A crontab keeps every byte that was in it, whatever that is and however often a schedule is installed."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from etl.operations.schedule.crontab import find_block, with_block, without_block
from etl.operations.schedule.entry import Entry
from etl.project import Project
from etl.project.settings import Settings

#: A schedule of a project that need not exist.
ENTRY = Entry(project=Project(Path("/srv/shop"), Settings()), at="10 4 * * *", user="ann")
lines = st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n")
crontabs = st.none() | st.lists(lines, max_size=6).map(b"".join)


def at(root: str, **options: str) -> Entry:
    return replace(ENTRY, project=Project(Path(root), Settings()), **options)


@given(crontabs, st.sampled_from(["", "ops@example.org"]))
def test_what_was_there_is_there_again_when_a_schedule_is_removed(before, mailto):
    entry = replace(ENTRY, mailto=mailto)

    once = with_block(before, entry)
    again = with_block(once, replace(entry, at="15 5 * * 1"))

    assert once.startswith(before or b"") and again.startswith(before or b"")
    assert without_block(once, entry.id) == without_block(again, entry.id) == before


@given(crontabs, lines)
def test_what_is_added_behind_a_schedule_stays(before, later):
    assert without_block(with_block(before, ENTRY) + later, ENTRY.id) == (before or b"") + later


def test_two_projects_do_not_touch_each_other():
    one, two = at("/srv/one"), at("/srv/two")

    both = with_block(with_block(b"# mine\n", one), two)

    assert without_block(without_block(both, one.id), two.id) == b"# mine\n"
    assert find_block(without_block(both, one.id), two.id)


def test_mail_goes_where_it_went_behind_the_schedule():
    entry = replace(ENTRY, mailto="ops@example.org")

    assert with_block(b"MAILTO=me\n", entry).splitlines()[2:5:2] == [b"MAILTO=ops@example.org", b"MAILTO=me"]
    assert b"MAILTO=ann\n# END" in with_block(None, entry)


def test_lines_that_somebody_changed_are_left_alone():
    text = with_block(None, ENTRY).replace(b"10 4", b"11 5")

    with pytest.raises(ConfigError, match="Somebody has changed the lines"):
        with_block(text, ENTRY)
    with pytest.raises(ConfigError, match="Somebody has changed the lines"):
        without_block(text, ENTRY.id)


def test_a_block_without_an_end_is_left_alone():
    text = with_block(None, ENTRY).partition(b"# END")[0]

    with pytest.raises(ConfigError, match="has no end"):
        without_block(text, ENTRY.id)


paths = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1, max_size=20
)


@given(paths)
def test_a_shell_gets_the_words_that_were_meant(name):
    entry = at(f"/srv/{name}", days="last business day of month")

    line = entry.crontab_line()
    assert "\n" not in line and "%" not in line.replace("\\%", "")
    # what cron hands to the shell
    command = line.split(" ", 5)[5].replace("\\%", "%")

    words = shlex.split(command)
    assert f"ETL_PROJECT=/srv/{name}" in words
    assert words[-3:] == ["--unattended", "--days", "last business day of month"]


@pytest.mark.parametrize("name", ['it\'s 50% "off" é', "a\\b$HOME`x`", "-x *"])
def test_sh_runs_it_with_the_environment_that_was_meant(name):
    command = at(f"/srv/{name}").crontab_line().split(" ", 5)[5].replace("\\%", "%")
    words = shlex.split(command)
    shown = command[: command.index(shlex.quote(words[3]))] + "/usr/bin/env"

    said = subprocess.run(["/bin/sh", "-c", shown], capture_output=True, env={}, text=True, check=True).stdout

    assert f"ETL_PROJECT=/srv/{name}" in said.splitlines()


@pytest.mark.parametrize("root", ["/srv/a\nb", "/srv/\udcff", "/srv/\x7f"])
def test_a_path_that_no_line_can_hold_is_refused(root):
    with pytest.raises(ConfigError, match="Rename the folder"):
        at(root).check()


def test_names_are_numbers_in_a_crontab():
    assert at("/srv", at="0 4 * jan-MAR mon-fri").crontab_line().startswith("0 4 * 1-3 1-5 ")
