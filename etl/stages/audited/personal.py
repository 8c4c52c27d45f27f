"""What may be shown of offending rows: never a value that a contract tags as personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etl.contract import Column, Contract
from etl.engine.memory import is_out_of_memory
from etl.errors import StepError, plain
from etl.stages.audited.candidate import Candidate

#: What stands in place of a value.
HIDDEN = "***"
#: What a built-in kind counts; all else that it says can be a value.
_COUNTS = ("rows", "expected_rows", "filled_rows")


@dataclass(frozen=True)
class Personal:
    """Personal data of the project's tables, by their contracts."""

    candidate: Candidate

    def hides(self, names: Iterable[str], tables: Iterable[str], judged: Iterable[str] = ()) -> list[str]:
        """Return which columns of an audit's rows are not to be shown.

        They are those called like a tagged column of the `tables` that it reads; of a table without a contract
        none is known, so there like one of any contract. If a built-in kind has `judged` a tagged column, all
        but its counts are hidden.
        """
        tagged = list(self._tagged(tables))
        if any(_is_like(column, name) for column in tagged for name in judged):
            return [name for name in names if name not in _COUNTS]
        return [name for name in names if any(_is_like(column, name) for column in tagged)]

    def said(self, error: Exception, tables: Iterable[str]) -> str:
        """Return an error's text; of DuckDB's, which can quote a value, only its kind if there is a tagged one."""
        columns = sorted({column.name for column in self._tagged(tables)})
        if not columns or isinstance(error, StepError) or is_out_of_memory(error):
            return plain(str(error))
        return f"{type(error).__name__}. Its text is withheld, since it may quote {', '.join(columns)}"

    def _tagged(self, tables: Iterable[str]) -> Iterator[Column]:
        for table in tables:
            contract = self.candidate.contract_of(table)
            for known in self._every() if contract is None else [contract]:
                yield from (column for column in known.columns if column.pii)

    def _every(self) -> list[Contract]:
        return [*(source.contract for source in self.candidate.sources), *self.candidate.contracts.values()]


def _is_like(column: Column, name: str) -> bool:
    if column.regex:
        return re.match(column.name, name, re.IGNORECASE) is not None
    return column.name.lower() == name.lower()
