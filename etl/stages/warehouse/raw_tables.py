"""What a raw table should hold: its partitions, by what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import date

from etl.sources import Source


@dataclass(frozen=True)
class Partition:
    """A partition as raw.<source> should hold it; `fingerprint` is that of its extract receipt.

    `records` are those of its files: `rows` in the lake, and in quarantine the `rejected` and the `discarded`.
    """

    date: date
    fingerprint: str
    file: str
    sha256: str
    _: KW_ONLY
    records: int
    rows: int
    rejected: int
    discarded: int
    #: Those of its files: of records, each counted as one, and the `skipped` ones.
    lines: int
    skipped: int
    is_refused: bool = False
    #: Earlier fingerprints of the same rows and rejects, but for what was discarded of these.
    alike: Sequence[str] = ()

    @property
    def is_taken(self) -> bool:
        """Whether it says what there was on its date: all of a refused or wholly rejected one is unknown."""
        return not self.is_refused and (self.rows > 0 or self.rejected == 0)


class Partitions(Mapping[date, Partition]):
    """Partitions by date, each made when it is asked for; of all the fingerprints are known."""

    def __init__(self, contents: Mapping[date, str], rows: int, make: Callable[[date], Partition]) -> None:
        self.contents, self.rows, self._make = contents, rows, make
        self._made: dict[date, Partition] = {}

    def __getitem__(self, day: date) -> Partition:
        if day in self.contents and day not in self._made:
            self._made[day] = self._make(day)
        return self._made[day]

    def __iter__(self) -> Iterator[date]:
        return iter(self.contents)

    def __len__(self) -> int:
        return len(self.contents)

    def __contains__(self, day: object) -> bool:
        return day in self.contents


@dataclass(frozen=True, kw_only=True)
class Table:
    """raw.<source> as it should be, for the fingerprint `content`.

    The partitions in `anew` are loaded even if they are there; those in `withdrawn` have lost their files. `lost`
    are snapshots of a history that the lake does not hold any more, and of them `given_up` those whose loss an
    earlier run has let pass. Those in `kept` were accepted before, perhaps by another contract, and what came in
    their place is refused.
    """

    source: Source
    content: str
    partitions: Mapping[date, Partition]
    anew: frozenset[date] = frozenset()
    kept: frozenset[date] = frozenset()
    withdrawn: Sequence[date] = ()
    lost: Sequence[date] = ()
    given_up: frozenset[date] = frozenset()
    allow_withdrawn: bool = False
    #: Whether it was a view over the lake, and so stays one by `load="auto"`; None: as build.duckdb has it.
    was_view: bool | None = None

    @property
    def rows(self) -> int:
        """How many rows its partitions have."""
        if isinstance(self.partitions, Partitions):
            return self.partitions.rows
        return sum(partition.rows for partition in self.partitions.values())

    @property
    def contents(self) -> Mapping[date, str]:
        """The fingerprint of each partition."""
        if isinstance(self.partitions, Partitions):
            return self.partitions.contents
        return {day: partition.fingerprint for day, partition in self.partitions.items()}
