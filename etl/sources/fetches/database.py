"""Table and Query: what a database says."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from etl.errors import ContractError
from etl.sources.fetches.fetch import Fetching

#: How often the keys of a table can be fetched, and after how many days the next fetch is due.
KEYS = {"daily": 1, "weekly": 7, "monthly": 28}
#: What can be said of transactions that commit later than their stamps say.
LATE_COMMITS = ("possible", "never")
#: What is read again before the cursor, unless a table says otherwise: seconds, days, or a number.
OVERLAPS = {"moment": 3600, "day": 1, "number": 10_000}
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_DATE = re.compile(r"(?<![:\w]):date\b")


@dataclass(frozen=True)
class Database(Fetching):
    """What Table and Query have in common: the database, and how long it may take to answer."""

    # Name of the environment variable with the address of the database: `postgresql://user:password@host/database`,
    # `mysql://...`, `sqlite:///path/to/file.db`, or `odbc:` and what a driver is told.
    dsn: str
    _: KW_ONLY
    # How long the database may take to accept the connection.
    connect_limit: str = "10 seconds"

    secrets: ClassVar[tuple[str, ...]] = ("dsn",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seconds("connect_limit", self.connect_limit)
        if not isinstance(self.dsn, str) or not _VARIABLE.fullmatch(self.dsn):
            # it may be an address with a password: it must not be said
            raise ContractError(
                f"Source(fetch={type(self).__name__}(...)): the first argument is the name of an environment "
                "variable that holds the address of the database, such as 'SHOP_DSN'; not the address itself."
            )

    @property
    def together(self) -> str:
        """All of one database are fetched in one snapshot."""
        return f"database {self.dsn}"


@dataclass(frozen=True)
class Table(Database):
    """A table or view of a database: all of it, or what is new or changed by a cursor.

        Table("SHOP_DSN", "public.customers")                                  all of it, each night
        Table("SHOP_DSN", "public.orders", cursor="updated_at")                what is new or changed
        Table("SHOP_DSN", "public.orders", cursor="id", overlap=50_000)        the same, by a growing number
        Table("SHOP_DSN", "public.orders", keys="weekly")                      which keys there are, once a week

    A cursor never sees a deleted row: say `deletes`, or fetch the keys beside.
    """

    # The table, with its schema: `public.orders`. Quote a part with a dot in it: `public."odd.name"`.
    table: str
    _: KW_ONLY
    # The column that grows with each change: the moment of the last change, or a number. Only what is new by it is
    # fetched; a merge or scd2 model takes the rows in. Empty: all rows, each night.
    cursor: str = ""
    # How far before the cursor rows are read again, since a transaction may commit after a later one was read: a
    # time such as `2 hours`, or a number. Empty: an hour, a day of dates, or 10,000 of numbers.
    overlap: str | int = ""
    # `never`: no transaction commits later than its stamp or number says, so that the overlap may be 0.
    late_commits: str = "possible"
    # The cursor is the server's own `now()`: what is younger than the oldest open transaction is read again, in
    # place of the overlap. PostgreSQL, if the role may see the transactions of others (`pg_read_all_stats`); else
    # the overlap holds.
    horizon: bool = False
    # The column with the moment of a soft delete: rows deleted since the last fetch count as changed, too. Needs
    # `cursor`.
    deletes: str = ""
    # The contract has the key columns alone, and they are all fetched `daily`, `weekly` or `monthly`: which rows
    # were deleted is told by comparison. Without `cursor`.
    keys: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.table, str) or not parts_of(self.table):
            raise ContractError(f"{self.named} does not name a table such as 'public.orders'.")
        if self.late_commits not in LATE_COMMITS:
            raise ContractError(f"{self.named}: late_commits is one of {', '.join(LATE_COMMITS)}.")
        if self.keys and self.keys not in KEYS:
            raise ContractError(f"{self.named}: keys is one of {', '.join(KEYS)}.")
        if self.keys and self.cursor:
            raise ContractError(
                f"{self.named}: keys is for a source of its own, beside the one with the cursor. Its contract has "
                "the key columns alone. Take one of the two out."
            )
        self._check_cursor()

    def _check_cursor(self) -> None:
        said = {"overlap": self.overlap != "", "deletes": self.deletes, "horizon": self.horizon}
        said["late_commits"] = self.late_commits != "possible"
        if not self.cursor:
            for option, is_said in said.items():
                if is_said:
                    raise ContractError(f"{self.named}: {option} needs a cursor, such as cursor='updated_at'.")
            return
        if isinstance(self.overlap, bool) or not isinstance(self.overlap, str | int) or self._number() < 0:
            raise ContractError(f"{self.named}: overlap is a time such as '2 hours', or a number of 0 or more.")
        if self._number() > 0 and isinstance(self.overlap, str) and self.overlap:
            self.seconds("overlap", self.overlap)
        if self._number() == 0 and self.late_commits != "never":
            raise ContractError(
                f"{self.named}: without an overlap, rows of a transaction that commits after a later one was read "
                "are lost. If that never happens, say late_commits='never'."
            )

    def overlap_of(self, measure: str) -> float | None:
        """Return how much before the cursor is read again: seconds of a `moment`, days of a `day`, or a `number`.

        None if the option says the other of the two.
        """
        if self.overlap == "":
            return 0 if self.late_commits == "never" else OVERLAPS[measure]
        if self._number() == 0:
            return 0
        if isinstance(self.overlap, int):
            return self.overlap if measure == "number" else None
        seconds = self.seconds("overlap", self.overlap)
        return None if measure == "number" else seconds if measure == "moment" else -(-seconds // 86400)

    def _number(self) -> float:
        """Return the number in the option; 1 if there is none in it."""
        if not isinstance(self.overlap, str):
            return self.overlap
        found = re.match(r"-?\d+(\.\d+)?", self.overlap)
        return float(found[0]) if found else 1

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch=Table({self.dsn!r}, {self.table!r})"

    @property
    def mode(self) -> str:
        """How deliveries come."""
        return "cursor" if self.cursor else "full"

    @property
    def cursor_column(self) -> str:
        """The column whose greatest value is the cursor."""
        return self.cursor


@dataclass(frozen=True)
class Query(Database):
    """A SELECT of one's own.

        Query("SHOP_DSN", "select * from refunds where day = :date")        one date, for each date that is missing
        Query("SHOP_DSN", "select region, sum(price) as price from orders group by region")        all, each night

    It runs as it is, in a transaction that only reads.
    """

    # The SELECT, as the database writes it; `:date` is the day of the delivery.
    query: str
    _: KW_ONLY

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.query, str) or not self.statement:
            raise ContractError(f"{self.named}: the second argument is a SELECT.")

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch=Query({self.dsn!r}, ...)"

    @property
    def statement(self) -> str:
        """The SELECT without what follows it: semicolons, blanks and comments."""
        text = self.query.rstrip(" \r\n\t;")
        while last := next((one for one in _APART.finditer(text) if one.end() == len(text)), None):
            if not last[0].startswith(("--", "/*")):
                break
            text = text[: last.start()].rstrip(" \r\n\t;")
        return text

    @property
    def mode(self) -> str:
        """How deliveries come: by date if the SELECT names it."""
        return "date" if has_date(self.query) else "full"


def parts_of(table: str) -> tuple[str, ...]:
    """Return the parts of a table's name, without their quotes; nothing if it is not a name."""
    part = r'"((?:[^"\0]|"")+)"|([^".\0]+)'
    if not re.fullmatch(rf"(?:{part})(?:\.(?:{part}))*", table):
        return ()
    return tuple(quoted.replace('""', '"') or plain for quoted, plain in re.findall(part, table))


#: What in a SELECT is no place for a parameter: texts, quoted names, bodies in dollars, comments.
_APART = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)


def has_date(query: str) -> bool:
    """Return whether a SELECT has the parameter `:date`."""
    return with_date(query, "") != query


def with_date(query: str, instead: str) -> str:
    """Return a SELECT with other text where it has the parameter `:date`; not in texts, names and comments."""
    found, at = [], 0
    for apart in _APART.finditer(query):
        found += [_DATE.sub(lambda _: instead, query[at : apart.start()]), apart[0]]
        at = apart.end()
    return "".join([*found, _DATE.sub(lambda _: instead, query[at:])])
