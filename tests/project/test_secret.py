"""Secrets are read from a file that nobody else may open, and taken out of whatever is said."""

import os

import pytest

from etl.errors import ConfigError
from etl.project.channels import channels, variable_of
from etl.project.secret import read_environment, scrubbed, use_environment


def env_file(folder, text, mode=0o600):
    (folder / "etl.env").write_text(text)
    (folder / "etl.env").chmod(mode)
    return folder


def test_values_are_taken_as_they_are(tmp_path):
    text = "# secrets\nETL_NOTIFY=mailto://u:p$a%s`s@host json://x/\nexport A = 'two words'\n\nB=\"x=y\"\nC=\n"

    assert read_environment(env_file(tmp_path, text)) == {
        "ETL_NOTIFY": "mailto://u:p$a%s`s@host json://x/",
        "A": "two words",
        "B": "x=y",
        "C": "",
    }


def test_no_file_says_nothing(tmp_path):
    assert read_environment(tmp_path) == {}


def test_what_is_set_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_NOTIFY", "json://mine/")
    monkeypatch.delenv("ETL_PING_URL", raising=False)

    use_environment(env_file(tmp_path, "ETL_NOTIFY=json://other/\nETL_PING_STYLE=get\n"))

    assert os.environ["ETL_NOTIFY"] == "json://mine/" and os.environ.pop("ETL_PING_STYLE") == "get"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660])
def test_a_file_that_others_may_open_is_refused(tmp_path, mode):
    with pytest.raises(ConfigError, match=r"others may open it .*chmod 600 etl\.env"):
        read_environment(env_file(tmp_path, "A=1\n", mode))


def test_a_line_that_is_not_an_assignment_is_named_and_not_shown(tmp_path):
    with pytest.raises(ConfigError, match=r"etl\.env:2: the line is not NAME=value") as refused:
        read_environment(env_file(tmp_path, "A=1\ncanary here\n"))
    assert "canary" not in str(refused.value)


ENVIRONMENT = {
    "ETL_NOTIFY": "mailtos://user77:hunter2!@smtp.example.org?to=ops@example.org slack://TOKENA1/TOKENB2/",
    "ETL_NOTIFY_OPS": "json://u:sec%40ret1@host/PATHTOKEN9",
    "ETL_PING_URL": "https://hc.example.org/0b5ba1f1-canary",
    "DB_PASSWORD": "correct horse",
    "PLAIN": "harmless text",
}


@pytest.mark.parametrize(
    "secret",
    ["hunter2!", "TOKENA1", "TOKENB2", "sec%40ret1", "sec@ret1", "PATHTOKEN9", "0b5ba1f1-canary", "correct horse"],
)
def test_every_part_of_an_address_that_may_be_a_token_is_taken_out(secret):
    assert scrubbed(f"it said {secret}.", ENVIRONMENT) == "it said ***."


@pytest.mark.parametrize("text", ["harmless text", "smtp.example.org", "mailtos", "ops@example.org has left"])
def test_what_is_not_secret_stays(text):
    assert scrubbed(text, ENVIRONMENT) == text


def test_channels_are_named_by_variable_place_and_scheme():
    assert [channel.name for channel in channels(ENVIRONMENT)] == [
        "ETL_NOTIFY 1 (mailtos)",
        "ETL_NOTIFY 2 (slack)",
        "ETL_NOTIFY_OPS 1 (json)",
    ]
    assert "hunter2" not in repr(channels(ENVIRONMENT))


@pytest.mark.parametrize(
    ("owner", "variable"),
    [
        ("finance", "ETL_NOTIFY_FINANCE"),
        ("Sales & Co", "ETL_NOTIFY_SALES_CO"),
        ("ops@example.org", "ETL_NOTIFY_OPS_EXAMPLE_ORG"),
        ("Zürich", "ETL_NOTIFY_ZURICH"),
        ("東京", "ETL_NOTIFY"),
    ],
)
def test_an_owner_has_a_variable(owner, variable):
    assert variable_of(owner) == variable
