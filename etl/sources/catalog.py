"""All sources and contracts of a project: read from its contracts folder, or from the compiled text of it."""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from etl.contract.contract import Contract
from etl.contract.folder import check_python, check_table, modules_of, package_of
from etl.contract.unused import Unused, unused_models
from etl.errors import ContractError, sentence
from etl.project.files import project_files
from etl.sources.source import Source

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Catalog:
    """The sources by name, the contracts of published tables by `schema.table`, and the models of neither."""

    sources: dict[str, Source]
    tables: dict[str, Contract]
    unused: tuple[Unused, ...] = ()

    def to_json(self) -> str:
        """Return the catalog as text that from_json() reads without importing pandera."""
        sources = [source.to_dict() for source in self.sources.values()]
        tables = [contract.to_dict() for contract in self.tables.values()]
        return json.dumps({"sources": sources, "tables": tables, "unused": list(map(asdict, self.unused))})

    @classmethod
    def from_json(cls, text: str) -> Catalog:
        """Return the catalog that to_json() wrote."""
        data = json.loads(text)
        sources = [Source.from_dict(source) for source in data["sources"]]
        tables = [Contract.from_dict(table) for table in data["tables"]]
        unused = [Unused(**{**item, "derived": tuple(item["derived"])}) for item in data["unused"]]
        return cls({s.name: s for s in sources}, {t.name: t for t in tables}, tuple(unused))


def load_catalog(folder: Path) -> Catalog:
    """Import every .py file of `folder` and compile what it declares.

    A module-level Source is named by its variable; a DataFrameModel whose Config.name is `schema.table` is
    the contract of that table. Raises ContractError naming the file.
    """
    from etl.contract.compiler import compile_contract

    if not folder.is_dir():
        raise ContractError(f"The contracts folder {folder} does not exist. Set [etl] contracts in luigi.cfg.")
    for path in (path for path in project_files(folder, ".py") if path.suffix != ".py"):
        raise ContractError(f"{path}: nothing reads a file with the suffix {path.suffix}. Rename it to .py.")
    sources: dict[str, Source] = {}
    tables: dict[str, Contract] = {}
    used: list[Any] = []
    for path, module in modules_of(folder):
        try:
            for name, value in vars(module).items():
                if isinstance(value, Source):
                    _add_source(sources, name, value, path)
                    used += value.models
                elif _is_table_contract(value, module):
                    contract = compile_contract(value)
                    check_table(contract)
                    _add_once(tables, contract.name, contract, path)
                    used.append(value)
        except ContractError as error:
            raise ContractError(f"{path}: {sentence(str(error))}") from error
    raw = [variant.contract for source in sources.values() for variant in source.variants]
    for contract in [*raw, *tables.values()]:
        check_python(folder, contract)
    package = f"{package_of(folder)}."
    modules = [module for name, module in sys.modules.items() if name.startswith(package)]
    return Catalog(sources, tables, tuple(unused_models(modules, used)))


def _add_source(sources: dict[str, Source], name: str, source: Source, path: Path) -> None:
    if source.name and source.name in sources:
        return  # imported into a second file
    if not _NAME.fullmatch(name):
        raise ContractError(f"The source '{name}' needs a lower-case name, since it becomes the table raw.{name}.")
    source.call(name)
    source.declared = f"{path}:{_line(path, name)}" if source.task or source.fetch else str(path)
    _add_once(sources, name, source, path)


def _line(path: Path, name: str) -> int:
    """Return the line of a file that gives a variable its value."""
    for node in ast.parse(path.read_bytes()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.lineno
    return 1


def _add_once(items: dict[str, Any], name: str, value: Any, path: Path) -> None:
    if name in items:
        raise ContractError(f"'{name}' is declared twice. Rename one of them.")
    items[name] = value


def _is_table_contract(value: object, module: ModuleType) -> bool:
    if not isinstance(value, type) or value.__module__ != module.__name__:
        return False
    name = getattr(getattr(value, "Config", None), "name", None)
    return isinstance(name, str) and "." in name
