"""What began a run, and its command line without secrets."""

import pytest

from etl.run.origin import command_of, origin_of, trigger_of
from tests.support import tiny

ENVIRONMENT = {"DATABASE_PASSWORD": "canary-91bc", "HOME": "/home/ann", "API_TOKEN": "x"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/usr/bin/etl", "run", "--date", "2024-03-01"], "etl run --date 2024-03-01"),
        (["/lib/python3/luigi/__main__.py", "--module", "etl"], "luigi --module etl"),
        (["etl", "run", "--token", "abc", "--workers", "2"], "etl run --token *** --workers 2"),
        (["etl", "run", "--db-password=abc"], "etl run --db-password=***"),
        (["etl", "sql", "from 'https://ann:abc@host/x'"], "etl sql from 'https://ann:***@host/x'"),
        (["etl", "sql", "canary-91bc"], "etl sql ***"),
        (["etl", "sql", "select 'x'"], "etl sql 'select '\"'\"'x'\"'\"''"),
        (["etl", "sql", "a\x1b[2J"], "etl sql 'a\\x1b[2J'"),
        ([], "python"),
    ],
)
def test_a_command_line_is_as_it_was_typed_without_secrets(arguments: list[str], shown: str) -> None:
    assert command_of(arguments, ENVIRONMENT) == shown


@pytest.mark.parametrize(
    ("environment", "above", "trigger"),
    [
        ({"ETL_TRIGGER": "webhook"}, ["cron"], "webhook"),
        ({}, ["sh", "cron", "systemd"], "cron"),
        ({}, ["sh", "crond"], "cron"),
        ({"INVOCATION_ID": "1"}, ["systemd"], "systemd"),
        ({}, ["bash", "sshd", "systemd"], "program"),
        ({"CI": "true"}, ["node"], "ci"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, [], "kubernetes"),
        ({}, [], "program"),
    ],
)
def test_what_began_a_run_is_told_by_what_is_around_it(monkeypatch, environment, above, trigger) -> None:
    monkeypatch.setattr("etl.run.origin._is_terminal", lambda descriptor: False)
    monkeypatch.setattr("etl.run.origin._names_above", lambda: iter(above))
    assert trigger_of(environment) == trigger


def test_somebody_at_a_terminal_began_it(monkeypatch) -> None:
    monkeypatch.setattr("etl.run.origin._is_terminal", lambda descriptor: descriptor == 0)
    assert trigger_of({}) == "person"


def test_the_origin_of_this_process_is_known(tmp_path) -> None:
    facts = origin_of(tiny.project(tmp_path), "run-1")
    assert facts.user and facts.host and facts.command and facts.trigger
    assert facts.environment == "prod"
