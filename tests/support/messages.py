"""The texts that etl shows, found in its source: every message of an EtlError, and every other text in quotes.

A message is read as the variants that its expression can have. `HOLE` stands for what only a run knows.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path

from etl import errors

HOLE = "\0"
#: Ends a text that `sentence()` made, whoever wrote it.
FULL_STOP = "."
_MOST_VARIANTS = 64
_DEEPEST = 6
_KINDS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.EtlError)
}


@dataclass(frozen=True)
class Message:
    """One text of one place; `place` is `etl/run/steps.py:12`."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text.replace(HOLE, '{}')!r}"


class Package:
    """All modules of a package, with what their functions return."""

    def __init__(self, root: Path) -> None:
        self.modules = [Module(path, root, self) for path in sorted(root.rglob("*.py"))]

    @cached_property
    def kinds(self) -> set[str]:
        """The names of all classes that are an EtlError, wherever they stand."""
        found = set(_KINDS)
        for _ in range(_DEEPEST):
            for module in self.modules:
                found.update(module.heirs(found))
        return found

    @cached_property
    def functions(self) -> dict[str, list[tuple["Module", ast.FunctionDef]]]:
        found: dict[str, list[tuple[Module, ast.FunctionDef]]] = {}
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef):
                    found.setdefault(node.name, []).append((module, node))
        return found

    def constant(self, name: str, depth: int) -> list[str]:
        """Return what a constant reads in the modules that set it."""
        values = (
            (module, value) for module in self.modules for value in _assigned(module.tree, name, is_module=True)
        )
        return [text for module, value in values for text in module.variants(value, depth + 1)] or [HOLE]

    def messages(self) -> list[Message]:
        """Return all that an EtlError can say, whether it is raised where it is made or later."""
        return [message for module in self.modules for message in module.messages()]

    def texts(self) -> list[Message]:
        """Return all texts in quotes, but for docstrings."""
        return [message for module in self.modules for message in module.texts()]


class Module:
    """One module's tree, and how its expressions read."""

    def __init__(self, path: Path, root: Path, package: Package) -> None:
        self.name = path.relative_to(root.parent).as_posix()
        self.package = package
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def heirs(self, kinds: set[str]) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and kinds & {_last_name(base) for base in node.bases}:
                yield node.name

    def messages(self) -> Iterator[Message]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and node.args and self._is_error(node):
                for text in self.variants(node.args[0]):
                    yield Message(f"{self.name}:{node.lineno}", text)

    def texts(self) -> Iterator[Message]:
        for node in ast.walk(self.tree):
            parent = self.parents.get(node)
            if isinstance(node, ast.JoinedStr):
                yield Message(f"{self.name}:{node.lineno}", HOLE.join(_pieces(node)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if isinstance(parent, ast.Expr | ast.JoinedStr):
                    continue
                yield Message(f"{self.name}:{node.lineno}", node.value)

    def _is_error(self, node: ast.Call) -> bool:
        name = _last_name(node.func)
        if name == "__init__":
            cls = self._around(node, ast.ClassDef)
            return isinstance(cls, ast.ClassDef) and cls.name in self.package.kinds
        return name in self.package.kinds

    def _around(self, node: ast.AST, kind: type[ast.AST]) -> ast.AST | None:
        above = self.parents.get(node)
        while above is not None and not isinstance(above, kind):
            above = self.parents.get(above)
        return above

    def variants(self, node: ast.expr, depth: int = 0) -> list[str]:
        """Return what an expression can read, each HOLE in it being what the source does not say."""
        found = self._read(node, depth) if depth < _DEEPEST else [HOLE]
        return list(dict.fromkeys(found))[:_MOST_VARIANTS]

    def _read(self, node: ast.expr, depth: int) -> list[str]:
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=values):
                return self._joined([self.variants(value, depth) for value in values])
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.variants(value, depth + 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([self.variants(left, depth), self.variants(right, depth)])
            case ast.IfExp(body=body, orelse=orelse):
                return [*self.variants(body, depth), *self.variants(orelse, depth)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self.variants(value, depth)]
            case ast.NamedExpr(value=value):
                return self.variants(value, depth)
            case ast.Name():
                return self._named(node, depth)
            case ast.Call():
                return self._called(node, depth)
            case ast.Attribute(attr=name) if name.isupper():
                return self.package.constant(name, depth)
            case ast.Subscript(value=ast.Name() as name):
                return self._values_of(name, depth)
        return [HOLE]

    def _joined(self, parts: list[list[str]]) -> list[str]:
        size = 1
        for number, part in enumerate(parts):
            size *= len(part)
            if size > _MOST_VARIANTS:  # the last part decides how it ends
                parts[number] = part[:1] if number + 1 < len(parts) else part
        return ["".join(texts) for texts in product(*parts)]

    def _called(self, node: ast.Call, depth: int) -> list[str]:
        name = _last_name(node.func)
        if name == "sentence" and node.args:
            return [text.rstrip(".?") + FULL_STOP for text in self.variants(node.args[0], depth + 1)]
        if name in ("printable", "printable_lines", "indented", "str") and node.args:
            return self.variants(node.args[0], depth + 1)
        if name in ("dedent", "strip", "rstrip", "format") and isinstance(node.func, ast.Attribute):
            return self.variants(node.func.value, depth + 1)
        if name == "join" and isinstance(node.func, ast.Attribute) and node.args:
            return self._listed(node.args[0], depth)
        made = [
            text
            for module, function in self.package.functions.get(name, [])
            if module is self or self._imports(name)
            for value in _returned(function)
            for text in module.variants(value, depth + 1)
        ]
        return made or [HOLE]

    def _listed(self, node: ast.expr, depth: int) -> list[str]:
        """Return how a joined list ends: as its last element does, if it is written out."""
        if isinstance(node, ast.List | ast.Tuple) and node.elts and not isinstance(node.elts[-1], ast.Starred):
            return [HOLE + text for text in self.variants(node.elts[-1], depth + 1)]
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return self.variants(node.elt, depth + 1)
        return [HOLE]

    def _imports(self, name: str) -> bool:
        aliases = (alias for node in ast.walk(self.tree) for alias in getattr(node, "names", ()))
        return any(getattr(alias, "name", "") == name for alias in aliases) or name.startswith("_") is False

    def _named(self, node: ast.Name, depth: int) -> list[str]:
        """Return what a name stands for: all that its function, or else its module, assigns to it."""
        scope = self._around(node, ast.FunctionDef)
        for place in (scope, self.tree):
            if place is None:
                continue
            values = [value for value in _assigned(place, node.id, is_module=place is self.tree)]
            if values:
                return [text for value in values for text in self.variants(value, depth + 1)]
        return [HOLE]

    def _values_of(self, node: ast.Name, depth: int) -> list[str]:
        """Return what a table of texts holds: the values of a dict that the module writes out."""
        for value in _assigned(self.tree, node.id, is_module=True):
            if isinstance(value, ast.Dict):
                return [text for item in value.values for text in self.variants(item, depth + 1)]
        return [HOLE]


def _assigned(place: ast.AST, name: str, is_module: bool) -> Iterator[ast.expr]:
    nodes = ast.iter_child_nodes(place) if is_module else ast.walk(place)
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    yield value
            case ast.AnnAssign(target=ast.Name(id=own), value=ast.expr() as value) if own == name:
                yield value
            case ast.NamedExpr(target=ast.Name(id=own), value=value) if own == name:
                yield value


def _returned(function: ast.FunctionDef) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            yield node.value


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _pieces(node: ast.JoinedStr) -> list[str]:
    pieces = [""]
    for value in node.values:
        if isinstance(value, ast.Constant):
            pieces[-1] += str(value.value)
        else:
            pieces.append("")
    return pieces


@cache
def of_package() -> Package:
    """Return the package `etl` as it stands on the disk."""
    return Package(Path(errors.__file__).parent)
