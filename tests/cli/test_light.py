"""What a command imports: none that needs no task waits for Luigi."""

import json
import subprocess
import sys

import pytest

import etl
from tests.support import calls
from tests.support.projects import environment

#: What runs a night. `etl plan` looks for the tasks that sources name, if one does.
NEED_TASKS = {*calls.IN_A_PROCESS, "purge"}
ASK = """
import json, sys
wanted = json.loads(sys.argv[1])
sys.argv = ["etl"]
from etl.cli.main import main

found = ["the start"] if "luigi" in sys.modules else []
for command in wanted:
    sys.argv = ["etl", *command]
    try:
        main()
    except SystemExit:
        pass
    if "luigi" in sys.modules and not found:
        found = command
print(json.dumps(found))
"""


def test_a_command_that_needs_no_task_does_not_import_luigi(tmp_path):
    project = calls.project(tmp_path)
    wanted = [
        [*command.split(), *arguments]
        for command in calls.commands()
        if command not in NEED_TASKS
        for arguments in calls.CALLS[command]
    ]

    command = [sys.executable, "-c", ASK, json.dumps(wanted)]
    done = subprocess.run(
        command, cwd=project.root, env=environment(), capture_output=True, text=True, check=False
    )

    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr


@pytest.mark.parametrize("program", [["-m", "luigi", "--module", "etl"], ["own.py"], ["-m", "own"]])
def test_whatever_else_imports_etl_finds_all_tasks_by_their_names(program, tmp_path):
    # `etl` is imported before Luigi, as sorted imports are
    (tmp_path / "own.py").write_text("import etl\nimport luigi\nluigi.run()\n")
    names = [name for name in etl.tasks.__all__ if name != "run_luigi"]

    for name in names[:: len(names) - 1]:
        command = [sys.executable, *program, name, "--help"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and "--project" in done.stdout, done.stdout + done.stderr


def test_every_task_is_there_when_it_is_asked_for():
    code = "import sys; sys.argv = ['etl']; import etl; print('luigi' in sys.modules, etl.Nightly.task_family, "
    code += "all(hasattr(etl, name) for name in etl.__all__))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "Nightly", "True"], done.stderr
