"""What every kind of fetch has in common: how its deliveries come, and how long one may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etl.errors import ContractError
from etl.project.durations import seconds_in
from etl.sources.formats import Format

#: How deliveries come. `full`: each is all there is, and the newest counts. `cursor`: each is what is new or
#: changed, dated by the day of the fetch, and all of them count. `date`: each is that of a date, and the newest of
#: a date counts. `copies`: each is a file under its own name, and the newest of a name counts.
MODES = ("full", "cursor", "date", "copies")


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """The base of a kind of fetch: a frozen dataclass whose fields are the options that people write.

    Each has a comment above it; a wrong one is a ContractError when it is made. The class is in FETCHES. It holds
    no secret: what is one is the name of an environment variable.
    """

    # A fetch that takes longer is ended, and is missing data; such as `30 minutes` or `2 hours`.
    time_limit: str = "2 hours"
    # Fetched files of dates further back are deleted, but for the newest file. None: nothing is ever deleted.
    keep_days: int | None = None

    #: The fields that are names of environment variables: what these hold is never written or said.
    secrets: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        self.seconds("time_limit", self.time_limit)
        if self.keep_days is None:
            return
        if self.keep_days < 1:
            raise ContractError(f"{self.named}: keep_days is 1 or more.")
        if self.mode == "cursor":
            raise ContractError(
                f"{self.named}: keep_days would lose rows: what a cursor has brought once does not come again. "
                "Take it out, or fetch in full."
            )

    @property
    def named(self) -> str:
        """What messages call it, such as `fetch=Table('SHOP_DSN', 'public.orders')`."""
        raise NotImplementedError

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold its secrets."""
        return tuple(filter(None, (getattr(self, name) for name in self.secrets)))

    @property
    def mode(self) -> str:
        """How deliveries come; one of MODES."""
        raise NotImplementedError

    @property
    def files(self) -> str:
        """Which copies of files it brings, if its source does not say so; empty if only the source can."""
        return ""

    def check_files(self, files: str) -> None:
        """Raise ContractError for copies that it cannot bring under such names."""

    @property
    def keeps_each(self) -> bool:
        """Whether keep_days leaves the newest file of each name, and not only the newest of all."""
        return False

    @property
    def tells_gone(self) -> bool:
        """Whether a delivery without records says that there are none any more: it is no accident of a sender."""
        return False

    @property
    def cursor_column(self) -> str:
        """The column whose greatest value is the cursor; empty if there is none, or a kind has its own."""
        return ""

    @property
    def repeats_rows(self) -> bool:
        """Whether a later delivery may hold rows of an earlier one again, so that only a merge holds each once."""
        return self.mode == "cursor"

    @property
    def format(self) -> Format | None:
        """The format of what is landed; None for files that keep their own."""
        from etl.sources.formats.parquet import Parquet

        return Parquet()

    @property
    def together(self) -> str:
        """Sources of the same text are fetched by one process, one after another, and can share a snapshot.

        Empty: by itself.
        """
        return ""

    def seconds(self, option: str, text: str) -> float:
        """Return a length of time in seconds. Raises ContractError if the text of the option is none."""
        found = seconds_in(text)
        if found is None:
            raise ContractError(
                f"{self.named}: {option}={text!r} is not a time such as '30 minutes' or '2 hours'."
            )
        return found
