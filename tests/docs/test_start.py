"""docs/start.md is played from top to bottom, and says what comes out."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.support import warm
from tests.support.pages import Block, blocks
from tests.support.projects import environment


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
