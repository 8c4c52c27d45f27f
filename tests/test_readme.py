"""The README is the front door: every command, option, key, task, error and exit code is in it."""

import re
from dataclasses import fields
from pathlib import Path

import luigi
import pytest

import etl
from etl import errors
from etl.cli.main import cli
from etl.project.settings import Settings
from etl.tasks import setup as luigi_setup

ROOT = Path(etl.__file__).parent.parent
README = (ROOT / "README.md").read_text()
TASKS = [
    getattr(etl, name) for name in etl.__all__ if isinstance(getattr(etl, name), luigi.task_register.Register)
]


@pytest.mark.parametrize("key", [field.name for field in fields(Settings)])
def test_every_setting_is_explained(key):
    assert re.search(rf"^\| `{key}` \|", README, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_and_its_options_are_explained(command):
    assert f"`etl {command}" in README or f"etl {command}" in README
    for parameter in cli.commands[command].params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert option in README, f"{option} of etl {command}"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_every_task_and_its_parameters_are_explained(task):
    assert f"`{task.__name__}" in README
    for name, parameter in task.get_params():
        if parameter.visibility == luigi.parameter.ParameterVisibility.PUBLIC:
            assert f"--{name.replace('_', '-')}" in README or f"`{name}`" in README or f"({name}" in README


@pytest.mark.parametrize(
    "error", [n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, Exception)]
)
def test_every_error_is_explained(error):
    assert f"`{error}`" in README


@pytest.mark.parametrize("code", [0, 1, 2, *luigi_setup.EXIT_CODES.values()])
def test_every_exit_code_is_explained(code):
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)


def test_every_make_target_and_file_that_it_names_exists():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) <= set(targets)
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path
