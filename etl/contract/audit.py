"""Audits as plain data, and where their SELECTs find the batch date and the counts of earlier nights."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

#: Where a SELECT finds the counts of earlier nights.
ROW_COUNTS = "etl.row_counts"
COUNT_COLUMNS = (
    *(("table_name", "VARCHAR"), ("batch_date", "DATE"), ("run_id", "VARCHAR")),
    *(("rows", "BIGINT"), ("fingerprint", "VARCHAR")),
)
#: Where a SELECT finds profiles.
PROFILES = "etl.profiles"
PROFILE_COLUMNS = (
    *(("table_name", "VARCHAR"), ("partition", "VARCHAR"), ("column_name", "VARCHAR"), ("batch_date", "DATE")),
    *(("run_id", "VARCHAR"), ("rows", "BIGINT"), ("nulls", "BIGINT"), ("approx_distinct", "BIGINT")),
    *(("not_finite", "BIGINT"), ("min", "VARCHAR"), ("max", "VARCHAR"), ("mean", "DOUBLE"), ("std", "DOUBLE")),
    *(("quantiles", "VARCHAR[]"), ("top", "MAP(VARCHAR, DOUBLE)"), ("lengths", "DOUBLE[]")),
    *(("sampled", "BIGINT"), ("measures", "MAP(VARCHAR, DOUBLE)")),
)
#: The variable that holds the batch date.
BATCH_DATE = "batch_date"
#: The most earlier counts that a mean can be of.
MOST_COUNTS = 366


@dataclass(frozen=True)
class HeaderAudit:
    """A line that asks for a built-in kind; `severity` is error or warn, `line` its place, 0 if it has none."""

    kind: str
    text: str
    severity: str = "error"
    line: int = 0


@dataclass(frozen=True)
class Audit:
    """One SELECT of offending rows; `why` says why they matter, or for a built-in kind what was promised."""

    name: str
    file: str
    sql: str
    normal: str
    _: KW_ONLY
    reads: tuple[str, ...]
    severity: str
    why: str
    line: int = 0
    #: The table that is judged, if it is one of a built-in kind.
    table: str = ""
    #: Those of its columns that are judged.
    columns: tuple[str, ...] = ()
    #: What its columns must be, as kind, table and column, and what the kind needs more; see audit_types.
    typed: tuple[tuple[str, ...], ...] = ()
    #: A condition on each row of the table that says the same as `sql`, so that many take one scan.
    rule: str = ""
    #: Each way to take its tables apart, as the column of every table: what is found of the rows with one value in
    #: it depends on those rows alone, and has that value in a column of the same name.
    apart: tuple[tuple[tuple[str, str], ...], ...] = ()
    #: Whether the same tables can pass one night and fail the next.
    is_dated: bool = False
    #: How many earlier counts of the table's rows it compares with.
    earlier: int = 0
    #: How many earlier profiles of the table it compares with, and aggregates over its rows that they are to hold.
    past: int = 0
    measures: tuple[tuple[str, str], ...] = ()
    #: Whether it reads more of a profile than counts, which is all that there is of personal data.
    of_values: bool = False
    #: Whether what is published goes back to an earlier generation if it breaks this afterwards.
    rolls_back: bool = False
    #: The macros which it uses, as names and the statements that make them, in order.
    macros: tuple[tuple[str, str], ...] = ()

    @property
    def judged(self) -> list[tuple[str, str]]:
        """The columns that one of a built-in kind judges, each with its table."""
        places = [part[1:5] if part[0] == "alike" else part[1:3] for part in self.typed]
        return [(part[n], part[n + 1]) for part in places for n in range(0, len(part), 2)]

    @property
    def place(self) -> str:
        """Where it is written: `sql/marts/flights.sql:3`."""
        return f"{self.file}:{self.line}" if self.line else self.file
