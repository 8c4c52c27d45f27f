"""Try the newest release of everything that is depended on, past the bounds of setup.cfg too, and say what breaks.

    make newest

Makes .venv-newest, runs the tests, lint and types in it, and ends with what is newer than in constraints.txt and
what failed. Exit code 0 if nothing did. Arguments go to pytest.
"""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / ".venv-newest"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
LINT = (("-m", "ruff", "check", "."), ("-m", "ruff", "format", "--check", "."), ("-m", "mypy"))


def main() -> None:
    """Install, compare, run; exit 1 if anything breaks."""
    install()
    moved = newer(pinned((REPOSITORY / "constraints.txt").read_text()), pinned(python(*PIP, "freeze", "--all")[1]))
    print("\n".join(["newer than in constraints.txt:", *(moved or ["  nothing"])]), flush=True)
    code, said = python("-m", "pytest", "-n", "auto", "--tb=short", *sys.argv[1:], is_shown=True)
    failed = re.findall(r"^(?:FAILED|ERROR) .*", said, flags=re.MULTILINE) or (["pytest"] if code else [])
    failed += [" ".join(command) for command in LINT if python(*command, is_shown=True)[0]]
    print("\n".join(["", "newer than in constraints.txt:", *(moved or ["  nothing"])]))
    print("\n".join([f"{len(failed)} broke:", *(f"  {line}" for line in failed)] if failed else ["nothing broke"]))
    sys.exit(1 if failed else 0)


def install() -> None:
    """Make the environment: all requirements without their upper bounds, then the package itself."""
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = {line.strip() for text in texts for line in text.splitlines()}
    wanted = sorted(re.sub(r",?\s*<=?[^,]*", "", line) for line in lines if line and not line.startswith("#"))
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    for what in (["--upgrade", *wanted], ["--no-deps", "--editable", str(REPOSITORY)]):
        code, said = python(*PIP, "install", *what)
        if code:
            sys.exit(f"{said}\nThe newest releases cannot be installed together.")


def python(*arguments: str, is_shown: bool = False) -> tuple[int, str]:
    """Run the environment's Python in the repository; return its exit code and what it says."""
    command = [str(FOLDER / "bin" / "python"), *arguments]
    said = []
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if is_shown:
                print(line, end="", flush=True)
    return process.returncode, "".join(said)


def pinned(text: str) -> dict[str, str]:
    """Return the version of each package in the lines of `pip freeze`."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.MULTILINE))


def newer(known: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return a line for each package whose version is another than the known one."""
    others = sorted(name for name in found if name != "pip" and found[name] != known.get(name))
    return [f"  {name} {known.get(name, '(not there)')} -> {found[name]}" for name in others]


if __name__ == "__main__":
    main()
