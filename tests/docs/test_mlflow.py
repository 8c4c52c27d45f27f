"""The page for those who come from MLflow names what MLflow has, and commands that can be typed as they stand."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.pages import page, parse

ROWS = [line.strip("| ").split(" | ") for line in page("from-mlflow.md").splitlines() if line.startswith("| ")]
WORDS = [row for row in ROWS[2:] if len(row) == 2]


@pytest.mark.parametrize(
    "command", re.findall(r"`(etl [^`]+)`", "\n".join(row[1] for row in WORDS)), ids=lambda command: command
)
def test_a_command_of_the_table_can_be_typed(command):
    parse(shlex.split(command)[1:])


@pytest.mark.parametrize("name", re.findall(r"`mlflow\.(\w+)`", "\n".join(row[0] for row in WORDS)))
def test_what_it_says_of_mlflow_is_a_name_of_mlflow(name):
    # it is read, not imported: what it does to a process stays there
    found = find_spec("mlflow")
    if not found or not found.origin:
        pytest.skip("mlflow is not installed: pip install 'etl[mlflow]'")
    assert re.search(rf"\b{name}\b", Path(found.origin).read_text("utf-8"))


def test_every_row_says_something_of_both():
    assert len(WORDS) > 10 and all(all(cell.strip() for cell in row) for row in WORDS)
