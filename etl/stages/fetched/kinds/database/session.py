"""A session: one connection to one database, and one snapshot of it for all that is fetched in a night."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier
from etl.errors import EtlError, FetchError, sentence
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A SELECT, and the values bound to its parameters."""

    text: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Who asks, and how long the database may take: to connect, and to answer, in seconds."""

    source: str
    connect: float
    answer: float


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a cursor has reached: the greatest value that is not in the future, and where all commits are over."""

    greatest: str | None
    horizon: str | None = None


class OddValues(Exception):
    """Raised when columns hold values that their type in Parquet does not: they are to be fetched as text."""

    def __init__(self, columns: set[str]) -> None:
        super().__init__(", ".join(sorted(columns)))
        self.columns = columns


class Session(ABC):
    """One connection; a subclass for each kind of database."""

    #: What stands around a name.
    mark = '"'
    #: The library that speaks to it, for what is said of one that fails.
    errors: tuple[type[Exception], ...] = ()

    def __init__(self, address: Address) -> None:
        self.address = address
        #: What names the snapshot that is read, if the server tells.
        self.snapshot = ""
        #: Versions of the server and the driver.
        self.versions: Mapping[str, str] = {}
        self.is_broken = False
        #: The project's folder, below which files are.
        self.root = Path()

    @contextmanager
    def asking(self, limits: Limits) -> Iterator[None]:
        """Ask for one source: what fails is said without secrets, and leaves the snapshot to the others."""
        try:
            with self.telling():
                self.begin(limits)
            yield
            with self.telling():
                self.end()
        except BaseException:
            self.undo()
            raise

    def guarded(self, batches: Generator[pa.RecordBatch, None, None]) -> Generator[pa.RecordBatch, None, None]:
        """Yield batches; what fails while they come is said as telling() does."""
        with closing(batches):
            while True:
                with self.telling():
                    batch = next(batches, None)
                if batch is None:
                    return
                yield batch

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Say what the database says of an error, without secrets; errors of others are let through."""
        try:
            yield
        except self.errors as error:
            raise self.told(error) from None

    def told(self, error: Exception) -> EtlError:
        """Return what is said of an error of the library."""
        text = self.address.without_secrets(" ".join(str(error).split()))
        found = FetchError(f"{self.address.shown} says: {sentence(text)}")
        found.is_transient = self.passes(error)
        return found

    def relation(self, parts: Sequence[str]) -> str:
        """Return the SQL of a table's name."""
        return ".".join(self.name(part) for part in parts)

    def name(self, name: str) -> str:
        """Return the SQL of a column's name."""
        return identifier(name, self.mark)

    def select(self, parts: Sequence[str], chosen: Sequence[Chosen]) -> str:
        """Return the SELECT of the columns of a table."""
        return f"select {self.columns(chosen)} from {self.relation(parts)}"

    def columns(self, chosen: Sequence[Chosen]) -> str:
        """Return the SQL of columns, each under its own name."""
        return ", ".join(f"{self.expression(one)} as {self.name(one.held.name)}" for one in chosen)

    def since(self, parts: Sequence[str], chosen: Sequence[Chosen], lower: Mapping[Held, Any]) -> Statement:
        """Return the SELECT of the rows where a column is its value or greater; or null, if it can be null."""
        places = enumerate(lower)
        conditions = [f"{self.name(held.name)} >= {self.parameter(held, number)}" for number, held in places]
        conditions += [f"{self.name(held.name)} is null" for held in [*lower][:1] if held.nullable]
        text = f"{self.select(parts, chosen)} where {' or '.join(conditions)}"
        return Statement(text=text, parameters=tuple(lower.values()))

    @abstractmethod
    def begin(self, limits: Limits) -> None:
        """Begin to ask for one source; the first time, the snapshot begins."""

    def end(self) -> None:  # noqa: B027
        """End what begin() began."""

    @abstractmethod
    def undo(self) -> None:
        """Leave the connection so that others can ask, or set `is_broken`."""

    @abstractmethod
    def passes(self, error: Exception) -> bool:
        """Return whether an error passes by itself."""

    @abstractmethod
    def held(self, parts: Sequence[str]) -> list[Held]:
        """Return the columns of a table; none if there is no such table."""

    @abstractmethod
    def described(self, query: str) -> list[Held]:
        """Return the columns of a SELECT."""

    @abstractmethod
    def bounds(self, parts: Sequence[str], cursor: Held, measure: str) -> Bounds:
        """Return what a cursor has reached."""

    @abstractmethod
    def expression(self, chosen: Chosen) -> str:
        """Return the SQL of a column as it is landed."""

    @abstractmethod
    def parameter(self, held: Held, number: int) -> str:
        """Return the SQL of the bound value with this number, which is compared with a column."""

    @abstractmethod
    def dated(self, query: str, day: date, chosen: Sequence[Chosen]) -> Statement:
        """Return a SELECT of one's own as it is run, with `:date` bound."""

    @abstractmethod
    def read(self, statement: Statement, chosen: Sequence[Chosen]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the schema of what a SELECT yields, and the rows. Raises OddValues, then or later."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""
