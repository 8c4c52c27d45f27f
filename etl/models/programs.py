"""Python models: a file sql/<schema>/<table>.py whose function `model(inputs, ctx)` makes the table, or a command.

It is read here without being run: what it reads is declared, and its contract says what columns it makes.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ModelError, unknown
from etl.models.asked import Columns, Header
from etl.models.code import assigned, parse_code, read_code
from etl.models.commands import Command, read_command
from etl.models.context import Context, Promised
from etl.models.header import as_sql, read_header
from etl.models.kinds import COMMAND, PYTHON, Kind
from etl.models.libraries import NAME as LIBRARIES
from etl.models.libraries import versions
from etl.models.names import table_name
from etl.project.files import project_files

# where files make no tables of their own, or are not Python
_NO_SCHEMAS = ("audits", "macros", "seeds")


@dataclass(frozen=True, kw_only=True)
class Program:
    """A model that is code: `reads` are what it declares, `columns` those of its contract."""

    name: str
    file: str
    normal: str
    reads: tuple[str, ...]
    header: Header
    columns: Columns
    # Its text with comments as SQL has them, for what reads a header.
    header_text: str = ""
    reads_line: int = 1
    docstring: str = ""
    reads_name: str = "READS"
    #: What it is of a model that learns; see trained/tables.py. Nothing for one in sql/.
    role: str = ""
    label: str = ""
    time: str = ""
    #: The tables whose changes alone do not build it again.
    tolerates: tuple[str, ...] = ()
    #: The program that makes it, if that is not its own function.
    command: Command | None = None

    @property
    def kind(self) -> Kind:
        """The kind of model that it is."""
        return COMMAND if self.command else PYTHON

    def check_tables(self, known: set[str]) -> None:
        """Raise ModelError for a table that is neither raw nor made by a model."""
        place = f"{self.file}:{self.reads_line}: {self.reads_name}"
        _check("table", self.reads, known, place, "Tables are raw.<source> or <schema>.<model>.")


def read_programs(folder: Path, context: Context) -> dict[str, Program]:
    """Return the Python models of a project by name.

    Files whose names begin with an underscore are for models to import. Raises ModelError naming file and line
    for one without `model`, READS or a contract, or that reads a variable which is not set.
    """
    found = {}
    for path in project_files(folder, ".py"):
        if not path.name.startswith("_"):
            program = _program(path, folder, context)
            found[program.name] = program
    return found


def read_program(folder: Path, name: str, columns: Columns, variables: Mapping[str, str]) -> Program:
    """Return one Python model or command, whose contract promises these columns.

    Raises ModelError as read_programs() does, and OSError if its file is gone.
    """
    context = Context(variables=variables, promised={name: Promised(columns)})
    return _program(folder / f"{name.replace('.', '/')}.py", folder, context)


def _program(path: Path, folder: Path, context: Context) -> Program:
    file = f"{folder.name}/{path.relative_to(folder).as_posix()}"
    name = table_name(path.relative_to(folder), file)
    if path.parent.name in _NO_SCHEMAS:
        raise ModelError(f"{file}: a Python model cannot stand in {path.parent.name}/. Move it to another folder.")
    tree = parse_code(path, file)
    code = read_code(folder, name)
    text = code.texts[name]
    variables, line = _names(tree, "VARIABLES", file, default=())
    command = read_command(tree, file, folder, variables)
    if not command and not any(isinstance(node, ast.FunctionDef) and node.name == "model" for node in tree.body):
        raise ModelError(f"{file}: the file has no function `def model(inputs, ctx)`, and no COMMAND. Add one.")
    what = "command" if command else "Python model"
    if name not in context.promised:
        raise ModelError(
            f"{file}: a {what} needs a contract with its columns. Write a pandera model in the "
            f'contracts folder with `class Config: name = "{name}"`.'
        )
    place = f"{file}:{line}: VARIABLES"
    _check("variable", variables, context.variables, place, "Set it in [etl.vars] of luigi.cfg.")
    values = {variable: context.variables[variable] for variable in variables}
    libraries, line = _names(tree, LIBRARIES, file, default=())
    used = versions(libraries, f"{file}:{line}: {LIBRARIES}")
    normal = f"{code.digest} {values}{f' {used}' if used else ''}{f' {command.facts}' if command else ''}"
    header_text = as_sql(text)
    header, _ = read_header(file, header_text)
    if header.building() != Header().building():
        raise ModelError(
            f"{file}: a {what} always makes a whole table. Its header can say owner, tags, unit, column, "
            "export, optional, timeout_minutes and audits only. Remove the other keys."
        )
    reads, line = _names(tree, "READS", file)
    reads = tuple(sorted(set(reads)))
    return Program(
        name=name,
        file=file,
        normal=normal,
        reads=reads,
        header=header,
        columns=context.promised[name].columns,
        header_text=header_text,
        reads_line=line,
        docstring=(ast.get_docstring(tree) or "").partition("\n\n")[0],
        command=command,
    )


def _names(
    tree: ast.Module, name: str, file: str, default: Sequence[str] | None = None
) -> tuple[tuple[str, ...], int]:
    """Return the list of texts that a module gives a name, and its line."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and assigned(node) == name:
            try:
                value = ast.literal_eval(node.value) if node.value else None
            except ValueError:
                value = None
            if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
                return tuple(value), node.lineno
            raise ModelError(f"{file}:{node.lineno}: {name} is not a list of names in quotes.")
    if default is None:
        raise ModelError(
            f"{file}: the model does not say what it reads. "
            f'Add a line such as {name} = ["raw.orders", "staging.items"].'
        )
    return tuple(default), 1


def _check(kind: str, names: Sequence[str], known: Collection[str], place: str, otherwise: str) -> None:
    for name in names:
        if name not in known:
            raise ModelError(unknown(f"{place}: there is no {kind} {name}", name, known, otherwise))
