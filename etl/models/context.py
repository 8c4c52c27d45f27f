"""What SQL and Python models are read with: the project's variables, and the columns that contracts promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.models.asked import Columns


@dataclass(frozen=True)
class Promised:
    """A table as its contract says it is: columns with types, and the SQL that reads each from text, strictly."""

    columns: Columns
    parsed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Context:
    """The variables of [etl.vars], and by table what its contract promises."""

    variables: Mapping[str, str] = field(default_factory=dict)
    promised: Mapping[str, Promised] = field(default_factory=dict)


NOTHING = Context()
