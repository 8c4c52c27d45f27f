"""Reading ml/<name>.py: what a model learns from, how it is judged, and the space of its parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.contract.drift_training import as_text
from etl.errors import ModelError, sentence, unknown
from etl.models.code import Code, assigned, parse_code, read_code
from etl.models.libraries import NAME as LIBRARIES
from etl.models.libraries import versions
from etl.models.trained.retrain import MONTHLY, SAID, is_retrain
from etl.models.trained.words import Word, read_words
from etl.project.files import project_files

#: Where they stand, below the project's root; and what their tables are called.
FOLDER = "ml"
#: How predictions are judged on rows that training has not seen.
JUDGES = ("log_loss", "brier", "auc", "rmse", "mae")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_DAYS = re.compile(r"([1-9]\d{0,3}) days?")
#: What a proposal changes, and what decides on no training.
_UNTRAINED = ("PARAMS", "SPACE", "SEARCH", "GATE", "HELD_OUT", "RETRAIN")


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A model that learns: `features` is the table of its rows, `key` gives these their order.

    `held_out` are the days before the cut-off by which `gate` judges it. `libraries` are versions by name.
    """

    name: str
    file: str
    features: str
    label: str
    key: tuple[str, ...]
    time: str
    code: Code
    params: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    libraries: Mapping[str, str] = field(default_factory=dict)
    held_out: int = 30
    gate: str = "log_loss"
    #: When it learns again; see retrain.py.
    retrain: str = MONTHLY
    #: What people decided about it.
    words: tuple[Word, ...] = ()
    description: str = ""
    #: Whether it says how complex the model of some parameters is.
    has_complexity: bool = False

    @property
    def normal(self) -> str:
        """A text that changes when what trains does: not with its parameters, its space, comments and spacing."""
        own = list(self.code.texts)[-1]
        others = {name: text for name, text in self.code.texts.items() if name != own}
        tree = ast.parse(self.code.texts[own])
        tree.body = [node for node in tree.body if assigned(node) not in _UNTRAINED]
        return f"{ast.dump(tree)} {others} {dict(self.libraries)}"

    def place(self, name: str) -> str:
        """Return file and line of what it declares by a name, for messages."""
        node = _declared(ast.parse(list(self.code.texts.values())[-1])).get(name)
        return f"{self.file}:{node.lineno if node else 1}"


def read_learned(root: Path) -> dict[str, Learned]:
    """Return the models that learn of a project by name, in order.

    Files whose names begin with an underscore are for models to import. Raises ModelError naming file and line
    for one that lacks a name or a function, or gives one a value that is not of its kind.
    """
    paths = [path for path in project_files(root / FOLDER, ".py") if not path.name.startswith("_")]
    return {path.stem: read_one(root, path) for path in paths}


def training_of(learned: Mapping[str, Learned]) -> dict[str, str]:
    """Return by table what training is for the first model that learns from it, as an audit of drift has it."""
    found: dict[str, str] = {}
    for one in learned.values():
        found.setdefault(one.features, as_text(one.time, f"{FOLDER}.{one.name}"))
    return found


def read_one(root: Path, path: Path) -> Learned:
    """Return what one file declares. Raises ModelError as read_learned() does."""
    file = path.relative_to(root).as_posix()
    if path.parent != root / FOLDER or not _NAME.fullmatch(path.stem):
        raise ModelError(
            f"{file}: the path of a model that learns is ml/<name>.py, with the name in lower case and "
            "underscores."
        )
    tree = parse_code(path, file)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, takes in (("train", ("rows", "params", "report")), ("predict", ("model", "rows"))):
        _check_function(file, functions.get(name), name, takes)
    values = _Values(file, tree)
    libraries = values.get(LIBRARIES, _is_names, 'a list of names in quotes, such as ["lightgbm"]', ())
    line = values.line(LIBRARIES)
    held_out = values.get("HELD_OUT", _is_days, 'a number of days such as "30 days"', "30 days")
    return Learned(
        name=path.stem,
        file=file,
        features=values.get("FEATURES", _is_table, 'a table in quotes, such as "ml.training"'),
        label=values.get("LABEL", _is_text, "the name of a column in quotes"),
        key=tuple(values.get("KEY", _is_names, 'a list of columns that name a row, such as ["id"]')),
        time=values.get("TIME", _is_text, "the name of a column in quotes"),
        code=read_code(root, f"{FOLDER}.{path.stem}"),
        params=values.get("PARAMS", _is_named, 'a dict by name, such as {"depth": 6}', {}),
        space=values.get("SPACE", _is_named, 'a dict by name, such as {"depth": ("int", 2, 9)}', {}),
        search=values.get("SEARCH", _is_named, 'a dict by name, such as {"strategy": "random"}', {}),
        seed=values.get("SEED", _is_whole, "a whole number", 0),
        libraries=versions(libraries, f"{file}:{line}: {LIBRARIES}"),
        held_out=int(held_out.split()[0]),
        gate=values.get("GATE", JUDGES.__contains__, f"one of {', '.join(JUDGES)}, in quotes", "log_loss"),
        retrain=values.get("RETRAIN", is_retrain, f"one of {SAID}", MONTHLY),
        words=read_words(root, f"{FOLDER}/{path.stem}.jsonl"),
        description=(ast.get_docstring(tree) or "").partition("\n\n")[0],
        has_complexity="complexity" in functions,
    )


def _check_function(file: str, node: ast.FunctionDef | None, name: str, takes: tuple[str, ...]) -> None:
    declared = f"def {name}({', '.join(takes)})"
    if node is None:
        raise ModelError(f"{file}: the file has no function `{declared}`. Add it.")
    given = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    if len(given) != len(takes):
        raise ModelError(f"{file}:{node.lineno}: {name} takes ({', '.join(given)}). Write it as `{declared}`.")


class _Values:
    """What a module gives names at its top, as literals."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self._file, self._nodes = file, _declared(tree)
        for name in self._nodes.keys() - _KNOWN:
            if name.isupper() and (close := _close(name)):
                raise ModelError(f"{file}:{self.line(name)}: nothing reads {name}. Did you mean {close}?")

    def line(self, name: str) -> int:
        return self._nodes[name].lineno if name in self._nodes else 1

    def get(self, name: str, is_one: Callable[[Any], object], what: str, default: Any = None) -> Any:
        if name not in self._nodes:
            if default is None:
                raise ModelError(f"{self._file}: the model does not say its {name}. Add {name} = {what}.")
            return default
        place = f"{self._file}:{self.line(name)}"
        try:
            value = ast.literal_eval(self._nodes[name].value or ast.Constant(None))
        except ValueError:
            raise ModelError(f"{place}: {name} is not a literal. Write it as {what}.") from None
        if not is_one(value):
            raise ModelError(sentence(f"{place}: {name} is {value!r}. Write it as {what}"))
        return value


_KNOWN = {"FEATURES", "LABEL", "KEY", "TIME", "SEED", LIBRARIES, *_UNTRAINED}


def _close(name: str) -> str:
    said = unknown("", name, _KNOWN, "nothing")
    return said.partition("Did you mean ")[2].rstrip("?")


def _declared(tree: ast.Module) -> dict[str, ast.Assign | ast.AnnAssign]:
    return {assigned(node): node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_table(value: Any) -> bool:
    return isinstance(value, str) and len(value.split(".")) == 2 and all(value.split("."))


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_text, value))


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_days(value: Any) -> bool:
    return isinstance(value, str) and bool(_DAYS.fullmatch(value))
