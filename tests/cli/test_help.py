"""What every command says of itself: whole sentences, short enough for a list, and every option explained."""

import re

import click
import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.cli.options import Day
from etl.cli.registry import PURPOSES, all_commands, summary, under

#: Written otherwise on purpose: click's own words.
OWN = {"help", "version"}
ODD = re.compile(r"\banew\b|\bmend|\b(is|are) no [a-z]|; (default|nothing)")


def commands(group=cli, before=("etl",)):
    """Return every command and group below `etl`, by what is typed."""
    found = {}
    for name, command in group.commands.items():
        found[" ".join((*before, name))] = command
        if isinstance(command, click.Group):
            found |= commands(command, (*before, name))
    return found


def said(*arguments, width=80):
    result = CliRunner().invoke(cli, arguments, terminal_width=width, max_content_width=width)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("typed", commands())
def test_a_command_says_what_it_does_in_one_short_sentence(typed):
    text = summary(commands()[typed])
    assert len(text) <= 60, text
    assert re.fullmatch(r"[A-Z][^.;:]+\.", text), text


@pytest.mark.parametrize("typed", commands())
def test_every_sentence_of_a_help_is_whole_and_plain(typed):
    command = commands()[typed]
    for paragraph in command.help.split("\n\n"):
        assert paragraph.strip().endswith("."), paragraph
        assert not ODD.search(" ".join(paragraph.split()))


def options():
    return {
        f"{typed} {option.opts[0]}": option
        for typed, command in commands().items()
        for option in command.params
        if isinstance(option, click.Option) and option.name not in OWN
    }


@pytest.mark.parametrize("typed", options())
def test_every_option_is_explained_in_plain_sentences(typed):
    text = options()[typed].help or ""
    assert re.fullmatch(r"([A-Z`].+\.)( [A-Z`].+\.)*", text), text
    assert not ODD.search(text)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("typed", ["etl", *(name for name, one in commands().items() if hasattr(one, "commands"))])
def test_a_list_of_commands_cuts_no_sentence_on_any_width(typed, width):
    text = " ".join(said(*typed.split()[1:], "--help", width=width).split())
    assert "..." not in text.replace("[ARGS]...", "")
    for name, command in {"etl": cli, **commands()}[typed].commands.items():
        assert f"{name} {summary(command)}" in text


def test_the_commands_are_listed_by_what_they_are_for():
    heads = [line[:-1] for line in said("--help").splitlines() if re.fullmatch(r"[A-Z]\w+:", line)]
    assert heads == ["Options", *PURPOSES]
    assert all(cli.of(purpose) for purpose in PURPOSES)
    assert sorted(name for purpose in PURPOSES for name in cli.of(purpose)) == sorted(cli.commands)


def test_a_command_needs_no_line_but_its_own():
    @under(PURPOSES[1])
    @click.command()
    def weather() -> None:
        """Say how the weather is."""

    try:
        assert "weather      Say how the weather is." in said("--help")
        assert all_commands() is cli
    finally:
        del cli.commands["weather"], cli.purposes["weather"]


@pytest.mark.parametrize("typed", [typed for typed, option in options().items() if isinstance(option.type, Day)])
def test_dates_are_asked_for_as_they_are_written(typed):
    *command, option = typed.split()[1:]
    assert f"{option} YYYY-MM-DD" in said(*command, "--help")
    refused = CliRunner().invoke(cli, [*command, option, "03/31/2024"])
    assert refused.exit_code == 2
    assert "is not a date such as 2024-03-31." in refused.output


#: Commands that change something or write a file say what they did, and have nothing to ask for as data.
DOING = {
    "approve", "audit", "clear", "completion", "debug", "drop", "env create", "env drop", "init", "mirror",
    "purge", "quarantine discard", "quarantine export", "quarantine replay", "reproduce", "retry", "rollback",
    "run", "schedule install", "schedule remove", "serve", "sniff", "watch",
}  # fmt: skip


def test_every_command_that_shows_something_also_prints_json():
    showing = {
        typed.removeprefix("etl ")
        for typed, command in commands().items()
        if not isinstance(command, click.Group) and not any("--json" in one.opts for one in command.params)
    }
    assert [f"etl {name} has no --json: add it, or name it in DOING." for name in showing - DOING] == []
