"""Choosing models: by name, by pattern or by tag, with what they read and with what reads them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NoReturn

from etl.errors import ConfigError, unknown
from etl.models.model import Models

_TAG = "tag:"
_WILD = set("*?[")


def select(models: Models, text: str) -> list[str]:
    """Return the models that `text` names, in the order in which they are built.

    Between spaces or commas stand names (`marts.flights`), patterns (`marts.*`) and tags (`tag:nightly`). A `+`
    before one adds all that it is built from, a `+` behind it all that is built from it: `+marts.flights`,
    `raw.weather+`. Raises ConfigError for an unknown name, with the closest known one.
    """
    chosen: set[str] = set()
    for word in text.replace(",", " ").split():
        named = _named(models, word.strip("+"))
        above = _upstream(models, named) if word.startswith("+") else set()
        below = _downstream(models, named) if word.endswith("+") else set()
        found = (named | above | below) & models.models.keys()
        if not found:
            raise ConfigError(f"{word} is not a model. Write {word}+ to select the models that are built from it.")
        chosen |= found
    if not chosen:
        raise ConfigError("No model is selected. Give a name, a pattern such as 'marts.*', or tag:<tag>.")
    return [name for name in models.models if name in chosen]


def _named(models: Models, word: str) -> set[str]:
    if word in models.models or word in models.read:
        return {word}
    if word.startswith(_TAG):
        tags = {tag for model in models.models.values() for tag in model.header.tags}
        tag = word.removeprefix(_TAG)
        found = {name for name, model in models.models.items() if tag in model.header.tags}
        return found or _unknown(f"No model has the tag {tag}", tag, tags)
    found = {name for name in models.models if fnmatchcase(name, word)} if set(word) & _WILD else set()
    return found or _unknown(f"There is no model {word}", word, models.models.keys() | models.read)


def _unknown(what: str, word: str, known: Iterable[str]) -> NoReturn:
    raise ConfigError(unknown(what, word, known))


def _upstream(models: Models, names: set[str]) -> set[str]:
    found = set(names)
    for model in reversed(models.models.values()):
        found |= set(model.reads) if model.name in found else set()
    return found


def _downstream(models: Models, names: set[str]) -> set[str]:
    found = set(names)
    for model in models.models.values():
        found |= {model.name} if found & set(model.reads) else set()
    return found
