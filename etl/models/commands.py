"""Commands as models: a file sql/<schema>/<table>.py that says what program makes the table, and is never run.

The program is given its inputs as Parquet files, and leaves one. Whatever decides on what it makes is part of what
the model is: the words of the command, the files of sql/ among them, and the version that the project states.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from etl.errors import ModelError, unknown
from etl.models.code import assigned
from etl.models.libraries import NAME as LIBRARIES
from etl.models.libraries import stated

COMMAND, VERSION, FILES, ENVIRONMENT = "COMMAND", "VERSION", "FILES", "ENVIRONMENT"
#: What the file of a command can say, and nothing else.
WORDS = ("READS", COMMAND, VERSION, FILES, ENVIRONMENT, "VARIABLES", LIBRARIES)
#: What stands for something in a word of a command, beside the variables that it declares.
PLACES: Mapping[str, str] = {
    "inputs": "the folder with a Parquet file for each table that `READS` names, `<schema>.<table>.parquet`",
    "output": "the Parquet file that it is to write",
    "folder": "the folder that both are in, as `inputs` and `output.parquet`: what a container is given",
    "sql": "the folder of the models, for the files of the project that it runs",
    "python": "the Python that etl runs in",
}
#: Programs that run a container, and with what word.
_RUNTIMES, _RUNS = ("docker", "nerdctl", "podman"), ("create", "exec", "run")
_DIGEST = re.compile(r"(.+@)?sha256:[0-9a-f]{64}")
_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")
_OWN_FILE = re.compile(r"\{sql\}/([^:,;=]+)")
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program that makes a table: its words, in which PLACES and variables stand for what they are in a run.

    `facts` is what decides on its result beside its file; `environment` are the variables of it that the program
    is given.
    """

    words: tuple[str, ...]
    environment: tuple[str, ...]
    version: str
    facts: str

    def filled(self, values: Mapping[str, str]) -> list[str]:
        """Return its words with the values in their places."""
        return [_PLACE.sub(lambda found: values[found[1]], word) for word in self.words]


def read_command(tree: ast.Module, file: str, folder: Path, variables: Sequence[str]) -> Command | None:
    """Return the command of a file below `folder`, or None if it has none and is a Python model.

    Raises ModelError naming file and line for what is not a command, cannot be found, or has no version.
    """
    nodes = {assigned(node): node for node in tree.body}
    if COMMAND not in nodes:
        return None
    _check_nothing_else(tree, file)
    words, place = _list(nodes, COMMAND, file), f"{file}:{nodes[COMMAND].lineno}: {COMMAND}"
    if not words or not words[0]:
        raise ModelError(f'{place} names no program. Write it as a list, such as ["{{python}}", "{{output}}"].')
    _check_places(words, variables, place)
    version = _text(nodes, VERSION, file)
    more = _list(nodes, FILES, file)
    for name in (name for name in more if PurePosixPath(name).is_absolute() or ".." in name.split("/")):
        raise ModelError(f"{file}:{nodes[FILES].lineno}: {FILES}: {name} does not stand in {folder.name}/.")
    facts = [*_versions(words, version, place), *_hashes(folder, [*_own_files(words), *more], place)]
    environment = _list(nodes, ENVIRONMENT, file)
    for name in (name for name in environment if not _NAME.fullmatch(name)):
        where = f"{file}:{nodes[ENVIRONMENT].lineno}: {ENVIRONMENT}"
        raise ModelError(f"{where}: {name!r} is not the name of a variable. Name it without its value.")
    return Command(words=tuple(words), environment=tuple(environment), version=version, facts=str(facts))


def beside(folder: Path, code: bytes) -> str:
    """Return a text that changes with what a Python file below `folder` depends on beside itself.

    These are the libraries that it says it uses and, of a command, its files and the Python that it runs in.
    """
    used = stated(code)
    text = str(used) if used else ""
    if COMMAND.encode() not in code:
        return text
    try:
        nodes = {assigned(node): node for node in ast.parse(code).body}
    except SyntaxError:
        return text
    words, more = (_strings(nodes[name]) if name in nodes else [] for name in (COMMAND, FILES))
    found = [(name, _hash(folder / name)) for name in [*_own_files(words), *more]]
    return f"{text} {found} {platform.python_version()}"


def _check_nothing_else(tree: ast.Module, file: str) -> None:
    """Raise for what is not a docstring or the value of one of WORDS: nobody would run it."""
    for number, node in enumerate(tree.body):
        name = assigned(node)
        is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.FunctionDef) and node.name == "model":
            what = f"the file has a function `model` and a {COMMAND}"
            raise ModelError(f"{file}:{node.lineno}: {what}. Remove one of the two.")
        if not name and not is_docstring:
            what = f"the file of a command is not run, so it can only say {', '.join(WORDS)}"
            raise ModelError(f"{file}:{node.lineno}: {what}. Move the rest to the program.")
        if name and name not in WORDS:
            raise ModelError(unknown(f"{file}:{node.lineno}: a command says no {name}", name, WORDS))


def _check_places(words: Sequence[str], variables: Sequence[str], place: str) -> None:
    used = {name for word in words for name in _PLACE.findall(word)}
    for name in sorted(used - {*PLACES, *variables}):
        instead = f"There are {', '.join(PLACES)}, and the variables that VARIABLES names"
        raise ModelError(unknown(f"{place}: nothing stands for {{{name}}}", name, PLACES, instead))
    if both := sorted({*PLACES} & {*variables}):
        raise ModelError(f"{place}: {{{both[0]}}} is not the variable {both[0]}. Give the variable another name.")
    if not used & {"output", "folder"}:
        raise ModelError(
            f"{place} does not say {{output}}, the Parquet file that the program is to write. Add it."
        )


def _versions(words: Sequence[str], version: str, place: str) -> Iterator[str]:
    """Yield what stands for the program itself. Raises ModelError if another one could take its place unseen."""
    program = words[0]
    if any("{python}" in word for word in words):
        yield f"python {platform.python_version()}"
    if version:
        yield f"version {version}"
    runtimes = [number for number, word in enumerate(words) if PurePosixPath(word).name in _RUNTIMES]
    if runtimes and set(_RUNS).intersection(words[runtimes[0] :]):
        if not any(_DIGEST.fullmatch(word) for word in words):
            raise ModelError(
                f"{place}: the image has no digest, and another one of its name would go unnoticed. Name it as "
                f"image@sha256:..., with the digest that `{program} images --digests` says."
            )
    elif not version and not program.startswith(("{sql}/", "{python}")):
        raise ModelError(
            f"{place}: {program} is not a file of the project, and another version of it would go unnoticed. Say "
            f'which one it is, by {VERSION} = "4.3.1" for instance.'
        )


def _own_files(words: Iterable[str]) -> list[str]:
    return [name.rstrip("/") for word in words for name in _OWN_FILE.findall(word)]


def _hashes(folder: Path, names: Iterable[str], place: str) -> Iterator[tuple[str, str]]:
    for name in sorted({*names}):
        path = folder / name
        if ".." in PurePosixPath(name).parts or not path.exists():
            raise ModelError(f"{place}: there is no {folder.name}/{name}. Add it, or name another file.")
        yield name, _hash(path)


def _hash(path: Path) -> str:
    """Return what stands for a file, or for all that a folder holds; empty if neither is there."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    inside = (one for one in sorted(path.rglob("*")) if one.is_file() and "__pycache__" not in one.parts)
    found = [(one.relative_to(path).as_posix(), hashlib.sha256(one.read_bytes()).hexdigest()) for one in inside]
    return hashlib.sha256(repr(found).encode()).hexdigest() if path.is_dir() else ""


def _list(nodes: Mapping[str, ast.stmt], name: str, file: str) -> list[str]:
    """Return the texts that a file gives a name; none if it does not. A text alone would be a shell's line."""
    value = _value(nodes, name)
    if name in nodes and not (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)):
        raise ModelError(f"{file}:{nodes[name].lineno}: {name} is not a list of texts in quotes, word by word.")
    return list(value) if isinstance(value, list | tuple) else []


def _text(nodes: Mapping[str, ast.stmt], name: str, file: str) -> str:
    value = _value(nodes, name)
    if name in nodes and not (isinstance(value, str) and value):
        raise ModelError(f'{file}:{nodes[name].lineno}: {name} is not a text in quotes, such as "4.3.1".')
    return str(value or "")


def _value(nodes: Mapping[str, ast.stmt], name: str) -> object:
    try:
        return ast.literal_eval(getattr(nodes.get(name), "value", None) or ast.Constant(None))
    except ValueError:
        return None


def _strings(node: ast.stmt) -> list[str]:
    constants = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]
