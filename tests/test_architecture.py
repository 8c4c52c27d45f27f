"""The layout shows the flow: who may import whom, how large things get, and what every public name says."""

import ast
from pathlib import Path
from statistics import median

import pytest

import etl

ROOT = Path(etl.__file__).parent
STAGES = ("raw", "lake", "warehouse", "audited", "published")
SUPPORT = {
    "errors",
    "printable",
    "quoting",
    "exact",
    "audit_kinds",
    "audit_types",
    "project",
    "engine",
    "contract",
    "formats",
    "models",
    "files",
    "ledger",
    "keys",
    "corrections",
}
# part of the package -> the parts, and the libraries outside the standard one, that it may import
ALLOWED = {
    "printable": set(),
    "errors": {"printable"},
    "quoting": set(),
    "exact": {"quoting", "duckdb"},
    "audit_kinds": {"errors", "printable", "quoting"},
    "audit_types": {"audit_kinds"},
    "settings": {"errors", "printable"},
    "project": {"errors", "printable", "settings"},
    "engine": {"errors", "quoting", "project", "duckdb"},
    "contract": {
        "errors",
        "files",
        "printable",
        "audit_kinds",
        "quoting",
        "formats",
        "pandera",
        "pandas",
        "numpy",
        "pyarrow",
        "duckdb",
    },
    "formats": {"errors", "quoting", "duckdb", "numpy", "pyarrow", "python_calamine"},
    "models": {"printable", "errors", "files", "audit_kinds", "audit_types", "quoting", "duckdb"},
    "files": set(),
    "workers": set(),
    "git": {"errors", "project"},
    "ledger": {"errors"},
    "keys": {"ledger"},
    "diff": {"engine", "exact", "files", "models", "errors", "project", "quoting", "spreadsheet", "duckdb"},
    "lineage": {"printable", "errors", "quoting", "contract", "models", "duckdb"},
    "corrections": {"errors", "project", "contract", "formats"},
    "screen": {"errors", "printable", "rich", "click"},
    "sample": {"errors"},
    "stages.raw": {"contract", "errors"},
    "stages.lake": {*SUPPORT, "stages.raw", "duckdb", "pyarrow", "tenacity"},
    "sniff": {"contract", "errors", "formats", "pandera", "pyarrow"},
    "stages.warehouse": {*SUPPORT, "stages.lake", "duckdb", "pyarrow"},
    "stages.audited": {*SUPPORT, "stages.warehouse", "duckdb", "pyarrow"},
    "stages.published": {*SUPPORT, "stages.audited", "stages.warehouse", "duckdb", "pyarrow"},
    "plan": {*SUPPORT, "stages.raw", "stages.lake", "stages.warehouse", "stages.published"},
    "summary": {"keys", "errors", "plan", "project", "ledger", "stages.lake", "stages.published"},
    "losses": {"errors", "project", "stages.published"},
    "own": {"errors", "files", "project"},
    "spreadsheet": {"quoting"},
    "lock": {"errors", "files", "ledger", "own", "project"},
    "run": {
        "lock",
        "keys",
        "workers",
        "git",
        "stages.lake",
        "stages.published",
        "stages.warehouse",
        "errors",
        "ledger",
        "plan",
        "project",
        "summary",
    },
    "steps": {
        "contract",
        "engine",
        "git",
        "keys",
        "errors",
        "ledger",
        "plan",
        "run",
        "stages.lake",
        "stages.warehouse",
        "stages.audited",
        "stages.published",
    },
    "unit_tests": {*SUPPORT, "plan", "stages.warehouse", "duckdb"},
    "luigi_options": {"luigi"},
    "luigi_setup": {"errors", "printable", "project", "settings"},
    "tasks": {
        "promotion",
        "keys",
        "luigi",
        "errors",
        "ledger",
        "luigi_options",
        "luigi_setup",
        "plan",
        "project",
        "run",
        "sample",
        "steps",
    },
    "progress": {"run", "rich"},
}
ANYTHING = {
    "audits_cli",
    "quarantine",
    "decisions",
    "quarantine_cli",
    "lineage_cli",
    "plan_cli",
    "diff_cli",
    "generations_cli",
    "reproduce",
    "environments",
    "promotion",
    "purge",
    "purge_cli",
    "env_cli",
    "__init__",
    "__main__",
    "cli",
    "contracts",
    "status",
}


def part(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:2]) if names[0] == "stages" and len(names) > 1 else names[0]


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if "template" not in path.parts]


def imported(path: Path) -> set[str]:
    """Return the parts and libraries that a module imports anywhere, the standard library left out."""
    import sys

    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            head, *rest = name.split(".")
            if head == "etl" and rest:
                found.add(".".join(rest[:2]) if rest[0] == "stages" else rest[0])
            elif head not in sys.stdlib_module_names:
                found.add(head)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_place_in_the_flow_allows(path):
    own = part(path)
    if own in ANYTHING or path == ROOT / "stages" / "__init__.py":
        return
    assert imported(path) - {own} <= ALLOWED[own]


def test_only_the_tasks_and_their_options_import_luigi():
    assert [part(path) for path in modules() if "luigi" in imported(path)] == ["luigi_options", "tasks"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_stays_small(path):
    assert len(path.read_text().splitlines()) <= 350


def functions() -> list[tuple[str, int]]:
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                name = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                found.append((name, (node.end_lineno or 0) - node.lineno + 1))
    return found


def test_functions_are_short():
    lengths = sorted(length for _, length in functions())
    assert [name for name, length in functions() if length > 60] == []
    assert median(lengths) <= 12
    assert lengths[int(len(lengths) * 0.9)] <= 30


def test_every_public_class_and_function_says_what_it_does():
    silent = []
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if named and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)} {node.name}")
    assert silent == []


def test_the_public_names_are_there_and_sorted():
    assert etl.__all__ == sorted(etl.__all__)
    assert [name for name in etl.__all__ if not hasattr(etl, name)] == []
