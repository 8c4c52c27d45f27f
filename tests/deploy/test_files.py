"""The files of deploy/: what linters and schemas say of them, and that they agree with one another."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from etl import errors
from etl.operations.schedule import systemd
from etl.operations.schedule.entry import Entry
from tests.support import tiny
from tests.support.containers import DEPLOY, stages
from tests.support.projects import REPOSITORY

UID = 10001


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def job() -> dict:
    (found,) = (one for one in documents("cronjob.yaml") if one["kind"] == "CronJob")
    return found["spec"]


def pod() -> dict:
    return job()["jobTemplate"]["spec"]["template"]["spec"]


def linted(program: str, *arguments: str) -> None:
    """Run a linter of the extra `linters`; what it says is the failure."""
    module = program.replace("-", "_")
    path = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    command = [path] if path else [sys.executable, "-m", module]
    if not path and importlib.util.find_spec(module) is None:
        pytest.skip(f"{program} is not installed: make linters")
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=DEPLOY)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_linted():
    linted("hadolint", "Containerfile")


def test_the_manifests_are_what_kubernetes_takes():
    linted("kubernetes-validate", "--strict", "cronjob.yaml")


@pytest.mark.parametrize(("schema", "file"), [("github-workflows", "ci.yml"), ("compose-spec", "compose.yaml")])
def test_a_file_has_its_schema(schema, file):
    linted("check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)


def test_the_last_stage_has_nothing_to_build_with():
    first, last = stages()
    assert "pip install" in str(first) and not re.search(r"pip install|apt-get|gcc|curl", str(last))
    assert {base for stage in (first, last) for name, base in stage if name == "FROM"} == {
        "${PYTHON}@${DIGEST} AS build",
        "${PYTHON}@${DIGEST}",
    }


def test_all_run_as_the_same_user_who_is_a_number_and_not_root():
    last = dict(stages()[-1])
    compose = documents("compose.yaml")[0]["services"]["night"]
    context = pod()["securityContext"]

    assert last["USER"] == compose["user"] == f"{UID}:{UID}"
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == UID and context["runAsNonRoot"]
    (container,) = pod()["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] and compose["read_only"]


def test_all_begin_the_same_run_and_write_to_the_same_folder():
    last = dict(stages()[-1])
    compose = documents("compose.yaml")[0]["services"]["night"]
    (container,) = pod()["containers"]

    assert compose["command"] == container["args"] == yaml.safe_load(last["CMD"]) == ["run", "--unattended"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    (volume,) = yaml.safe_load(last["VOLUME"])
    assert volume in mounts and compose["volumes"] == [f"data:{volume}"] and "/tmp" in mounts
    assert {one["name"] for one in pod()["volumes"]} == set(mounts.values())


def test_a_try_again_helps_only_where_the_same_would_not_come_again():
    codes = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(getattr(found, "exit_code", 0), int)
        and isinstance(found, type)
        and issubclass(found, errors.EtlError)
    }
    rules = job()["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    (values,) = (rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "FailJob")

    assert codes - set(values) == {errors.AlreadyRunning.exit_code, errors.Crash.exit_code}
    assert job()["concurrencyPolicy"] == "Forbid" and job()["jobTemplate"]["spec"]["backoffLimit"] > 0
    assert pod()["restartPolicy"] == "Never"


def test_the_units_are_those_that_a_schedule_installs(tmp_path, monkeypatch):
    project = replace(tiny.project(tmp_path), root=Path("/srv/project"))
    monkeypatch.setattr(sys, "executable", "/opt/etl/bin/python")
    monkeypatch.setattr(sys, "prefix", "/opt/etl")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    made = systemd.units(Entry(project=project, at="10 4 * * *", user="etl"), ZoneInfo("Europe/Berlin"))

    for name, text in made.items():
        assert (DEPLOY / f"etl{Path(name).suffix}").read_text() == text


def test_every_folder_of_the_image_is_there_and_none_holds_data():
    allowed = re.findall(r"^!(.*)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.MULTILINE)
    copied = [
        path
        for stage in stages()
        for name, text in stage
        if name == "COPY" and "--from" not in text
        for path in text.split()[:-1]
    ]

    assert set(copied) == set(allowed) and "data" not in allowed
    assert all((REPOSITORY / path).exists() for path in copied)


def test_the_pipeline_uses_commands_that_there_are():
    from etl.cli.main import cli

    text = (DEPLOY / "ci.yml").read_text()
    typed = set(re.findall(r'"\$IMAGE" ([a-z]\w*)', text)) | set(re.findall(r"bin/etl (\w+)", text))
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

    assert typed >= {"plan", "run", "diff", "deployed", "check"} and typed <= set(cli.commands)
    assert set(re.findall(r"run: make (\w+)", text)) <= targets
