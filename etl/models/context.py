"""What SQL and Python models are read with: the project's variables, and the columns that contracts promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.models.asked import Columns

if TYPE_CHECKING:
    from etl.models.trained.declared import Learned


@dataclass(frozen=True)
class Promised:
    """A table as its contract says it is: columns with types, and the SQL that reads each from text, strictly."""

    columns: Columns
    parsed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Context:
    """The variables of [etl.vars], and by table what its contract promises and how models learn from it."""

    variables: Mapping[str, str] = field(default_factory=dict)
    promised: Mapping[str, Promised] = field(default_factory=dict)
    #: Of the tables that models in ml/ learn from: what training is, as an audit of drift has it.
    training: Mapping[str, str] = field(default_factory=dict)
    #: The models that learn, by name.
    learned: Mapping[str, Learned] = field(default_factory=dict)


NOTHING = Context()
