"""The contracts folder as Python modules: imported once per state of its files, and asked for models by name."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from etl.contract.cleansing import NOTHING
from etl.contract.contract import Contract, PythonRule
from etl.contract.functions import FOLDERS, code_digest
from etl.contract.metadata import RAW_KEYS
from etl.contract.numerals import PLAIN
from etl.errors import ContractError, EtlError, sentence, unknown
from etl.project.files import project_files
from etl.project.installed import digest_of_code, version_of

#: What is imported, by contracts folder: its catalog_key().
_imported: dict[Path, str] = {}


#: The custom checks that contract files registered with pandera, which takes each name once.
_registered: set[str] = set()


def catalog_key(folder: Path) -> str:
    """Return a text that changes when a contract file, pandera or the compiler changes."""
    compiler = Path(__file__).parent
    code = [digest_of_code(folder) for folder in (compiler, compiler.parent / "sources")]
    digest = hashlib.sha256(f"{version_of('pandera')} {sys.version_info[:2]} {code}".encode())
    for path in project_files(folder, ".py"):
        digest.update(f"\0{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def load_named(folder: Path, wanted: Mapping[str, tuple[str, str]]) -> dict[str, Contract]:
    """Return the contracts of tables whose models name a class of the contracts folder: by table.

    `wanted` is the name of the class, and the place that names it, for the ContractError about a class that is
    not there, or there twice, or cannot be compiled.
    """
    classes: dict[str, list[tuple[Path, Any]]] = {}
    for path, module in _imported_modules(folder):
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "to_schema"):
                classes.setdefault(name, []).append((path, value))
    return {
        table: _named(folder, table, name, place, classes.get(name, []), classes)
        for table, (name, place) in wanted.items()
    }


def _named(
    folder: Path, table: str, name: str, place: str, found: Sequence[tuple[Path, Any]], known: Iterable[str]
) -> Contract:
    from etl.contract.compiler import compile_contract

    if not found:
        said = f"{place}: contract: {folder} has no pandera model {name}"
        raise ContractError(unknown(said, name, known))
    if len(found) > 1:
        files = " and ".join(path.name for path, _ in found)
        raise ContractError(f"{place}: contract: {name} is in {files} of {folder}. Rename one of them.")
    path, model = found[0]
    try:
        contract = compile_contract(model, table)
        check_table(contract)
        check_python(folder, contract)
    except ContractError as error:
        raise ContractError(f"{place}: contract: {name} ({path}): {sentence(str(error))}") from error
    return contract


def load_model(folder: Path, rule: PythonRule) -> Any:
    """Return the pandera model that a Python rule belongs to, importing the contracts folder if need be.

    Raises ContractError if it is not there by that name, or its file is another one by now.
    """
    _imported_modules(folder)
    module = package_of(folder) + rule.module if rule.module.startswith(".") else rule.module
    try:
        found: Any = importlib.import_module(module) if module else None
        for name in rule.model.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise ContractError(
            "It is Python, and its model cannot be found by name. Write the model as a class at the top of a file "
            "in the contracts folder."
        ) from error
    if code_digest(module) != rule.code:
        raise ContractError("Its file changed since the contract was read. Run again.")
    return found


def check_python(folder: Path, contract: Contract) -> None:
    """Raise ContractError for a check in Python that could not be found again when it is to run."""
    for rule in contract.python:
        try:
            load_model(folder, rule)
        except ContractError as error:
            raise ContractError(f"Contract {contract.name}, check {rule.name}: {sentence(str(error))}") from error


def package_of(folder: Path) -> str:
    """Return the name of the package that the modules of a contracts folder are imported in."""
    return FOLDERS + hashlib.sha256(str(folder).encode()).hexdigest()[:12]


def check_table(contract: Contract) -> None:
    """Raise ContractError for what has a meaning in a raw file only."""
    where = f"Contract {contract.name}"
    if contract.drops_extra:
        raise ContractError(
            f"{where}: strict='filter' is for raw files: here it would drop columns of a table. Use strict=True."
        )
    for column in contract.columns:
        if column.default is not None:
            raise ContractError(
                f"{where}, column {column.name!r}: default= is for raw files. Use coalesce() in the table's "
                "SELECT."
            )
        said = {key: getattr(column, key) for key in RAW_KEYS} | {"format": column.format or column.formats}
        if given := [key for key, value in said.items() if value not in ("", (), None, NOTHING, PLAIN)]:
            raise ContractError(
                f"{where}, column {column.name!r}: metadata {given[0]!r} is for raw files, and this is the "
                "contract of a published table. Do it in the table's SELECT."
            )


def _imported_modules(folder: Path) -> list[tuple[Path, ModuleType]]:
    """Return the modules of a folder, imported anew only if a file is another one by now."""
    if _imported.get(folder) != catalog_key(folder):
        return modules_of(folder)
    package = package_of(folder)
    return [(path, sys.modules[f"{package}.{path.stem}"]) for path in project_files(folder, ".py", below=False)]


def modules_of(folder: Path) -> list[tuple[Path, ModuleType]]:
    """Import every file of a contracts folder again, and return file and module."""
    # a package of its own per folder: contract files can import each other, projects cannot mix
    package = package_of(folder)
    key, known = catalog_key(folder), _forget_checks()
    files = project_files(folder, ".py", below=False)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]  # read before; the files may be others now
    parent = sys.modules[package] = ModuleType(package)
    parent.__path__ = [str(folder)]
    importlib.invalidate_caches()
    # Python takes its cached bytecode for a file of the same size and second to be that of the file
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        modules = [(path, _import(path, f"{package}.{path.stem}")) for path in files]
    finally:
        sys.dont_write_bytecode = before
        _registered.update(_custom_checks().keys() - known)
    _imported[folder] = key
    return modules


def _custom_checks() -> dict[str, Any]:
    pandera = sys.modules.get("pandera.api.checks")
    return pandera.Check.REGISTERED_CUSTOM_CHECKS if pandera else {}


def _forget_checks() -> set[str]:
    """Take back what contract files registered, so that they can be read again; return the names left."""
    checks = _custom_checks()
    for name in _registered:
        checks.pop(name, None)
    _registered.clear()
    return set(checks)


def _import(path: Path, name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ContractError(f"{path} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except EtlError as error:
        del sys.modules[name]
        raise ContractError(f"{path}: {sentence(str(error))}") from error
    except Exception as error:
        del sys.modules[name]
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = lines[-1] if lines else getattr(error, "lineno", "?")
        raise ContractError(f"{path}:{line}: {type(error).__name__}: {sentence(str(error))}") from error
    return module
