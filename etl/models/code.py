"""The Python of a model: the text of its file and of those that it imports relatively, read without being run."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ModelError


@dataclass(frozen=True)
class Code:
    """Modules below sql/ by dotted name, in the order in which they can be run: the model itself is the last."""

    folder: Path
    texts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A text that changes when one of the modules does."""
        return hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()

    def path(self, module: str) -> Path:
        """Return the file of a module."""
        return self.folder / f"{module.replace('.', '/')}.py"

    def place(self, module: str, line: int) -> str:
        """Return what messages call a line of a module."""
        return _place(self.folder, module, line)


def assigned(node: ast.stmt) -> str:
    """Return the one name that a statement gives a value; empty if it is another statement, or has several."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return ""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return getattr(targets[0], "id", "") if len(targets) == 1 else ""


def read_code(folder: Path, module: str) -> Code:
    """Return the code of a module below the folder of the models.

    Raises ModelError naming file and line for what is not Python, or imports a file that is not there.
    """
    texts: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        file = folder / f"{name.replace('.', '/')}.py"
        tree = parse_code(file, _place(folder, name))
        for line, other in _imports(folder, name, tree):
            if other in (*path, name):
                raise ModelError(f"{_place(folder, name, line)}: modules import each other in a circle.")
            if not (folder / f"{other.replace('.', '/')}.py").is_file():
                raise ModelError(f"{_place(folder, name, line)}: there is no {_place(folder, other)} to import.")
            if other not in texts:
                visit(other, (*path, name))
        texts[name] = file.read_text(encoding="utf-8-sig")

    visit(module, ())
    return Code(folder, texts)


def parse_code(path: Path, file: str) -> ast.Module:
    """Return a Python file, parsed. Raises ModelError naming `file` and line if it is not Python."""
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ModelError(f"{file}:{error.lineno or 1}: the file is not Python: {error.msg}.") from error


def _place(folder: Path, module: str, line: int = 0) -> str:
    return f"{folder.name}/{module.replace('.', '/')}.py{f':{line}' if line else ''}"


def _imports(folder: Path, module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the modules that one imports relatively, with the line."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        parts = module.split(".")
        if node.level > len(parts):
            raise ModelError(
                f"{_place(folder, module, node.lineno)}: the import leads out of {folder.name}/. Move the module "
                "into it."
            )
        base = [*parts[: -node.level], *(node.module.split(".") if node.module else [])]
        if folder.joinpath(*base).is_dir():
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])
        else:
            yield node.lineno, ".".join(base)
