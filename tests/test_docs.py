"""README.md is the front door and docs/ the rooms: every command, option, key, task, error and code is in them."""

import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import click
import luigi
import pytest

import etl
from etl import errors
from etl.cli.main import cli
from etl.project.settings import Settings
from etl.tasks import setup as luigi_setup
from tests.support import warm
from tests.support.projects import environment

ROOT = Path(etl.__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
TASKS = [
    getattr(etl, name) for name in etl.__all__ if isinstance(getattr(etl, name), luigi.task_register.Register)
]


@dataclass(frozen=True)
class Block:
    """A block of code in a page: what its fence says, where it begins, its lines."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@cache
def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        begun, language, lines = 0, "", []
        for number, line in enumerate(page.read_text().splitlines(), 1):
            fence = re.fullmatch(r"\s*```(\w*)\s*", line)
            if fence and begun:
                found.append(Block(page, begun, language, textwrap.dedent("\n".join(lines))))
                begun = 0
            elif fence:
                begun, language, lines = number + 1, fence[1], []
            else:
                lines.append(line)
        assert not begun, f"{page.name}:{begun}: the block is not closed"
    return found


def of(*languages: str) -> list[Block]:
    return [block for block in blocks() if block.language in languages]


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^\s*```.*?^\s*```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


# --- the front door, and the ways from page to page


def test_the_front_door_is_short():
    assert len(PAGES[0].read_text().splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_page_has_a_title_and_the_front_door_leads_to_it(page):
    assert page.read_text().startswith("# ")
    assert f"](docs/{page.name}" in PAGES[0].read_text()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path} does not exist"
        assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor} has no such heading"


# --- blocks of code


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles(block):
    compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")


def given(program: str) -> list:
    """Return the arguments of each command line of a program, as parameters of a test."""
    return [pytest.param(args, id=place) for place, args in commands(program)]


def commands(program: str) -> Iterator[tuple[str, list[str]]]:
    """Yield place and arguments of each command line of a program: after `$` in any block, and in blocks of sh."""
    for block in blocks():
        for offset, line in enumerate(block.text.splitlines()):
            line, is_typed = line.removeprefix("$ "), line.startswith("$ ")
            if not is_typed and block.language not in ("sh", "cron"):
                continue
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            part: list[str] = []
            for token in [*lexer, ";"]:
                if not set(token) <= set("();<>|&"):
                    part.append(token)
                    continue
                while part and re.fullmatch(r"[A-Z_]+=\S*", part[0]):
                    part.pop(0)
                if part and part[0].split("/")[-1] == program:
                    yield f"{block.page.name}:{block.line + offset}", part[1:]
                part = []


def refusal(args: list[str]) -> str:
    """Return why the command line does not know an argument; nothing if it does."""
    command: click.Command = cli
    context = None
    try:
        while True:
            context = command.make_context(command.name, list(args), parent=context)
            if not isinstance(command, click.Group):
                return ""
            _, found, args = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found
            command = found
    except click.BadParameter:  # a file that is not there, a name that stands for others
        return ""
    except click.UsageError as error:
        return error.format_message()


@pytest.mark.parametrize("args", given("etl"))
def test_every_command_line_of_etl_is_one(args):
    assert not refusal(args)


def test_a_command_line_that_is_none_is_found():
    assert refusal(["plan", "--dat", "2024-03-01"]).startswith("No such option '--dat'")
    assert refusal(["plam"]).startswith("No such command 'plam'")
    assert not refusal(["quarantine", "sales", "--json"])


@pytest.mark.parametrize("args", given("luigi"))
def test_every_command_line_of_luigi_is_one(args):
    task = next(luigi.task_register.Register.get_task_cls(arg) for arg in args if re.fullmatch(r"[A-Z]\w+", arg))
    known = {f"--{name.replace('_', '-')}" for name, _ in task.get_params()} | {"--module", "--workers"}
    known |= {"--scheduler-host"}
    assert {arg for arg in args if arg.startswith("--")} <= known


# --- the first ten minutes, played


class Reader:
    """Somebody who does what a page says, from top to bottom: saves its files, types its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def reads(self, block: Block) -> None:
        """Do what one block says; the text above it names the file that it is."""
        if block.language in ("csv", "python", "sql"):
            above = block.page.read_text().splitlines()[: block.line - 2]
            (self.folder / re.findall(r"`([^`]+)`", " ".join(above[-4:]))[-1]).write_text(block.text + "\n")
        elif block.language == "sh":
            for line in block.text.splitlines():
                self.types(line)
        else:
            for typed in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                line, _, expected = typed.partition("\n")
                assert steady(self.types(line)) == steady(expected), line

    def types(self, line: str) -> str:
        """Type a command line, which must succeed, and return what it says."""
        said = ""
        for part in line.split(" && "):
            command, _, target = part.partition(" > ")
            program, *arguments = shlex.split(command)
            if program == "cd":
                self.folder /= arguments[0]
            elif program in ("etl", "pytest"):
                plugin = ["-p", "pytest_etl"] if program == "pytest" else []
                done = warm.run(["-m", program, *plugin, *arguments], self.folder, environment())
                assert done.returncode == 0, f"{line}\n{done.stdout}"
                said += "" if target else done.stdout
                if target:
                    (self.folder / target).write_text(done.stdout)
            elif program not in ("python3", ".", "pip"):  # the test has an environment
                subprocess.run(part, shell=True, cwd=self.folder, check=True)
        return said


def steady(said: str) -> list[str]:
    """Return the lines of what is said without what differs from run to run: times, sizes, names, order."""
    for pattern in (
        r"\b\d{8}T\d{6}\.\d{3}Z-\w{4}",
        r"\S*/shop/",
        r"^\d\d:\d\d:\d\d",
        r"[\d.]+(?= M?[Bs]\b)",
        r"\d+\.\d\d\b",
    ):
        said = re.sub(pattern, "...", said, flags=re.MULTILINE)
    # what is done side by side comes in any order
    lines = [" ".join(sorted(line.replace(",", "").split())) for line in said.strip().splitlines()]
    return sorted(lines)


def test_the_first_ten_minutes_are_as_the_page_says(tmp_path):
    reader = Reader(tmp_path)
    for block in blocks():
        if block.page.name == "start.md":
            reader.reads(block)
    assert not (reader.folder / "contracts/sales.py").exists()


# --- all that there is to be known


@pytest.mark.parametrize("key", [field.name for field in fields(Settings)])
def test_every_setting_is_explained(key):
    assert re.search(rf"^\| `{key}` \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_and_its_options_are_explained(command):
    assert f"`etl {command}`" in PAGES[0].read_text(), f"etl {command} is missing from the list in README.md"
    for parameter in cli.commands[command].params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert option in TEXT, f"{option} of etl {command}"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_every_task_and_its_parameters_are_explained(task):
    assert f"`{task.__name__}" in TEXT
    for name, parameter in task.get_params():
        if parameter.visibility == luigi.parameter.ParameterVisibility.PUBLIC:
            assert f"--{name.replace('_', '-')}" in TEXT or f"`{name}`" in TEXT or f"({name}" in TEXT


@pytest.mark.parametrize(
    "error", [n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, Exception)]
)
def test_every_error_is_explained(error):
    assert f"`{error}`" in TEXT


@pytest.mark.parametrize("code", [0, 1, 2, *luigi_setup.EXIT_CODES.values()])
def test_every_exit_code_is_explained(code):
    assert re.search(rf"^\| {code} \|", TEXT, re.MULTILINE)


def test_every_make_target_that_the_pages_name_exists():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {line for block in of("sh") for line in re.findall(r"^make ([a-z]+)", block.text, re.MULTILINE)}
    assert "test" in named and named <= set(targets)
