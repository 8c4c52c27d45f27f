"""Fetch: what a function in Python yields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from etl.contract.functions import in_folder
from etl.errors import ContractError
from etl.sources.fetches.fetch import MODES, Fetching


@dataclass(frozen=True)
class Fetch(Fetching):
    """What a generator in Python yields: Arrow tables, batches, or records as dicts.

        Fetch(customers)                                  all there is: def customers(): yield {"id": 1}
        Fetch(orders, column="updated_at")                what is new: def orders(cursor): ...
        Fetch(orders)                                     the same, with a cursor of its own: return "page 7"
        Fetch("crm.orders", mode="cursor")                a function of a module in the project's folder

    A function with a parameter `cursor` gets what the last fetch has left, None at first. One with a parameter
    `date` is asked for each missing date.
    """

    # The function, or its module and name as text.
    function: str | Callable[..., Any]
    _: KW_ONLY
    # The column whose greatest value is the next cursor. Empty: the cursor is what the generator returns; None
    # leaves it as it was.
    column: str = ""
    # `full`: all there is. `cursor`: what is new. `date`: one date. Empty: as the parameters of the function say.
    mode: str = ""
    # Names of environment variables with secrets that the function uses: what these hold is never written or said.
    environment: Sequence[str] = ()
    # Whether a function with a cursor may yield rows again that it has yielded before; then only models that are
    # `merge` or `scd2` may read them.
    repeats: bool = True

    def __post_init__(self) -> None:
        if callable(self.function):
            parameters = inspect.signature(self.function).parameters
            found = "cursor" if "cursor" in parameters else "date" if "date" in parameters else "full"
            object.__setattr__(self, "mode", self.mode or found)
            object.__setattr__(self, "function", _name_of(self.function))
        object.__setattr__(self, "mode", self.mode or "full")
        if not isinstance(self.function, str) or "." not in self.function.strip("."):
            raise ContractError(f"{self.named} is neither a function nor the name of one, such as 'crm.orders'.")
        if self.mode not in MODES[:3]:
            raise ContractError(f"{self.named}: mode is one of {', '.join(MODES[:3])}.")
        if self.column and self.mode != "cursor":
            raise ContractError(
                f"{self.named}: column names a cursor, and the function takes none. Give it a parameter `cursor`."
            )
        object.__setattr__(self, "environment", tuple(self.environment))
        super().__post_init__()

    @property
    def named(self) -> str:
        """What messages call it."""
        name = self.function if isinstance(self.function, str) else repr(self.function)
        return f"fetch=Fetch({name.lstrip('.')!r})"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold its secrets."""
        return tuple(self.environment)

    @property
    def repeats_rows(self) -> bool:
        """Whether rows may come again."""
        return self.mode == "cursor" and self.repeats

    @property
    def cursor_column(self) -> str:
        """The column whose greatest value is the cursor."""
        return self.column


def _name_of(function: Callable[..., Any]) -> str:
    name = f"{in_folder(function.__module__)}.{getattr(function, '__qualname__', '<object>')}"
    if "<" in name:
        raise ContractError(
            f"Source(fetch=Fetch(...)): {name} cannot be found by name. Write it at the top of a file."
        )
    return name
