"""Each command that a table names for what a scheduler such as Airflow has can be typed as it stands there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.support.pages import parse

PAGE = Path(__file__).parents[2] / "docs/from-luigi.md"
SECTION = PAGE.read_text("utf-8").partition("## What a scheduler such as Airflow has")[2].partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][2:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_command_of_the_table_can_be_typed(row):
    commands = re.findall(r"`(etl [^`]+)`", row[-1])
    assert commands, "nothing to try"
    for text in commands:
        parse(shlex.split(text)[1:])


def test_a_command_that_is_not_there_or_has_no_such_option_is_seen():
    with pytest.raises(AssertionError, match="no command"):
        parse(["fly"])
    with pytest.raises(click.UsageError):
        parse(["retry", "--high"])
