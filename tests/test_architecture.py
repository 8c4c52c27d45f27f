"""The house: a ladder of rooms, how large things get, and what every public name says."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from statistics import median

import pytest

import etl

ROOT = Path(etl.__file__).parent
#: The rooms from the ground up. A room imports lower ones only, whether at once, lazily or for types.
FLOORS = [
    "errors",
    "project",
    "ledger",
    "engine",
    "contract",
    "sources",
    "models",
    "stages",
    "plan",
    "reports",
    "run",
    "operations",
    "tasks",
    "cli",
]
#: The stages from the ground up; each imports those below it.
STAGES = ["fetched", "raw", "lake", "trained", "warehouse", "audited", "published", "mirrored"]
#: The libraries that a room may import, beside the standard one.
LIBRARIES = {
    "errors": set(),
    "project": set(),
    "ledger": set(),
    "engine": {"duckdb", "tenacity"},
    "contract": {"pandera", "pandas", "numpy", "pyarrow", "duckdb"},
    "sources": {"duckdb", "numpy", "pyarrow", "python_calamine", "pandera", "pandas"},
    "models": {"duckdb", "sqlglot"},
    "stages": {
        "duckdb",
        "numpy",
        "pyarrow",
        "tenacity",
        "adbc_driver_postgresql",
        "psycopg",
        "pymysql",
        "pymysqlreplication",
        "pyodbc",
        "httpx2",
        "jwt",
        "obstore",
    }
    | {"asyncssh"},
    "plan": {"duckdb"},
    "reports": {"duckdb", "apprise", "prometheus_client", "openlineage", "opentelemetry"},
    "run": {"duckdb", "rich", "pyarrow", "distributed", "pyspark"},
    "operations": {"duckdb", "pyarrow", "cronsim", "xlsxwriter", "tornado", "optuna", "watchfiles", "psycopg"}
    | {"mlflow", "tensorboard"},
    "tasks": {"luigi"},
    "cli": {"click", "rich", "duckdb"},
}
#: What stands at the top of the package beside the rooms.
BESIDE = {"__init__.py", "__main__.py", "errors.py", "py.typed"}


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if "template" not in path.parts]


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def climbing(path: Path) -> Iterator[str]:
    """Yield a sentence for each import that stands above the module's own room or stage."""
    own, where = room(path), path.relative_to(ROOT)
    for line, name in imported(path):
        parts = name.split(".")
        if parts[0] != "etl" or parts[1] not in FLOORS:
            continue
        if FLOORS.index(parts[1]) > FLOORS.index(own):
            yield f"etl/{where}:{line} imports {name}, and {parts[1]} stands above {own}. Move one of the two."
        if own == parts[1] == "stages" and len(where.parts) > 2 and parts[2] in STAGES:
            stage = where.parts[1]
            if STAGES.index(parts[2]) > STAGES.index(stage):
                yield f"etl/{where}:{line} imports {name}, and the stage {parts[2]} comes after {stage}."


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_rooms_below_it(path):
    if room(path) not in ("__init__", "__main__"):
        assert list(climbing(path)) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_its_libraries(path):
    if room(path) in ("__init__", "__main__"):
        return
    heads = {name.split(".")[0] for _, name in imported(path)} - {"etl", "__future__"} - sys.stdlib_module_names
    foreign = sorted(heads - LIBRARIES[room(path)])
    assert not foreign, f"{path.relative_to(ROOT)} imports {', '.join(foreign)}, which {room(path)} may not."


def test_only_the_tasks_import_luigi():
    found = {room(path) for path in modules() for _, name in imported(path) if name.split(".")[0] == "luigi"}
    assert found == {"tasks"}


def test_files_are_put_in_place_one_way():
    found = {str(path.relative_to(ROOT)) for path in modules() for _, name in called(path) if name == "os.replace"}
    # links have nothing to flush but their names
    assert found == {"project/files.py", "stages/published/switching.py"}, "Write it with files.written_aside()."


def called(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a module calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_no_dataclass_takes_more_than_four_values_by_place():
    long = []
    for path in modules():
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        for kind in vars(import_module(name)).values():
            if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == name:
                places = [one for one in signature(kind).parameters.values() if one.kind is not one.KEYWORD_ONLY]
                if len(places) > 4:
                    long.append(f"{name}.{kind.__name__}: say kw_only=True, or KW_ONLY below the fourth field")
    assert long == []


def test_every_entry_of_the_package_is_a_room():
    there = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert there == BESIDE | {floor for floor in FLOORS if floor != "errors"}
    assert len(there) <= 17


@pytest.mark.parametrize("floor", [floor for floor in FLOORS if floor != "errors"])
def test_a_room_says_what_lives_there(floor):
    text = ast.get_docstring(ast.parse((ROOT / floor / "__init__.py").read_text()))
    assert text and text.split("\n")[0].endswith("."), f"etl/{floor}/__init__.py does not say what lives there."


def test_modules_import_each_other_in_no_circle():
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules()
    }
    graph = {name: set(_modules_of(path, names)) - {name} for name, path in names.items()}
    assert _circles(graph) == []


def _modules_of(path: Path, names: dict[str, Path]) -> Iterator[str]:
    for _, name in imported(path):
        parts = name.split(".")
        if parts[0] == "etl":
            found = (".".join(parts[1:n]) for n in range(len(parts), 1, -1))
            yield from [module for module in found if module in names][:1]


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return groups of modules that reach each other, the face of a package left out."""
    graph = {name: {other for other in others if not _is_face(other)} for name, others in graph.items()}
    reach = {name: _reached(graph, name) for name in graph}
    found = {tuple(sorted(o for o in reach[n] if n in reach[o])) for n in graph if n in reach[n]}
    return sorted(map(list, found))


def _is_face(name: str) -> bool:
    return (ROOT / name.replace(".", "/")).is_dir()


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        if (name := todo.pop()) not in seen:
            seen.add(name)
            todo += graph.get(name, ())
    return seen


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


def test_the_public_names_are_there_once():
    assert sorted(etl.__all__) == sorted(set(etl.__all__))
    assert [name for name in etl.__all__ if not hasattr(etl, name)] == []
