"""The pages of the documentation: their blocks of code, and the names in their tables."""

import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

import etl
from etl.cli.main import cli

ROOT = Path(etl.__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


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


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def rows(text: str, column: int = 0) -> set[str]:
    """Return the names in code of one column of all tables in a text, such as `key` and `order`."""
    cells = [line.strip("|").split(" | ")[column] for line in text.splitlines() if line.startswith("| ")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def section(text: str, heading: str) -> str:
    """Return the part of a page below a heading."""
    return re.split(r"^## ", text.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def parse(arguments: list[str]) -> None:
    """Read a command of `etl` with its options as click does, and do nothing."""
    command: click.Command = cli
    context = click.Context(cli, info_name="etl")
    while isinstance(command, click.Group):
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found, f"etl has no command {name}"
        command = found
    command.make_context(command.name, arguments)
