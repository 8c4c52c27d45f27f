"""Python models: a file sql/<schema>/<table>.py whose function `model(inputs, ctx)` makes the table.

It is read here without being run: what it reads is declared, and its contract says what columns it makes.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ModelError
from etl.models.context import Context
from etl.models.header import read_header
from etl.models.model import Columns, Header

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Program:
    """A Python model: `reads` and `variables` are what it declares, `columns` those of its contract."""

    name: str
    file: str
    normal: str
    reads: tuple[str, ...]
    header: Header
    columns: Columns
    # Its text with comments as SQL has them, for what reads a header.
    header_text: str = ""

    def check_tables(self, known: set[str]) -> None:
        """Raise ModelError for a table that is neither raw nor made by a model."""
        for read in self.reads:
            if read not in known:
                close = difflib.get_close_matches(read, known, n=1)
                hint = f"did you mean {close[0]}?" if close else "tables are raw.<source> or <schema>.<model>."
                raise ModelError(f"{self.file}: READS: there is no table {read}; {hint}")


def read_programs(folder: Path, context: Context) -> dict[str, Program]:
    """Return the Python models of a project by name.

    Raises ModelError naming file and line for one without `model`, READS or a contract, or that reads a variable
    which is not set.
    """
    found = {}
    for path in sorted(folder.glob("*/*.py")):
        program = _program(path, f"{folder.name}/{path.parent.name}/{path.name}", context)
        found[program.name] = program
    return found


def _program(path: Path, file: str, context: Context) -> Program:
    name = f"{path.parent.name}.{path.stem}"
    if not all(_NAME.fullmatch(part) for part in name.split(".")):
        raise ModelError(f"{file}: a model is sql/<schema>/<table>.py, both names lower case with underscores.")
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ModelError(f"{file}:{error.lineno}: is not Python: {error.msg}.") from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == "model" for node in tree.body):
        raise ModelError(f"{file}: has no function `def model(inputs, ctx)`.")
    if name not in context.promised:
        raise ModelError(
            f"{file}: a Python model needs a contract, which says what columns it makes: a pandera model in the "
            f'contracts folder with `class Config: name = "{name}"`.'
        )
    variables = _names(tree, "VARIABLES", file, default=())
    if unknown := [variable for variable in variables if variable not in context.variables]:
        raise ModelError(
            f"{file}: VARIABLES: there is no variable {unknown[0]}; set it in [etl.vars] of luigi.cfg."
        )
    values = {variable: context.variables[variable] for variable in variables}
    normal = f"{hashlib.sha256(text.encode()).hexdigest()} {values}"
    header_text = re.sub(r"^# ", "-- ", text, flags=re.MULTILINE)
    header, _ = read_header(file, header_text)
    if header.building() != Header().building():
        raise ModelError(
            f"{file}: a Python model makes a table, all of it; its header may say who owns it, its tags, units, "
            "export and audits."
        )
    reads = tuple(sorted(_names(tree, "READS", file)))
    return Program(name, file, normal, reads, header, context.promised[name].columns, header_text)


def _names(tree: ast.Module, name: str, file: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [name]:
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                value = None
            if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
                return tuple(value)
            raise ModelError(f"{file}:{node.lineno}: {name} is no list of names in quotes.")
    if default is None:
        raise ModelError(f'{file}: says not what it reads: {name} = ["raw.orders", "staging.items"].')
    return tuple(default)
