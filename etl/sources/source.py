"""A source: how one kind of delivery comes, beside the contract that its records must keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl import contract as contracts_room
from etl.contract.contract import Contract
from etl.errors import ContractError, sentence
from etl.project import Project
from etl.sources.columns import check_column, is_own_column
from etl.sources.coming import connected, landed, named
from etl.sources.connectors import Connector, connector_from, connector_to
from etl.sources.fetches import Fetching, fetch_from, fetch_to
from etl.sources.formats import Format, Values, format_from, format_to
from etl.sources.formats.csv import Csv
from etl.sources.maker import Maker, read_maker
from etl.sources.times import check_expected, check_wait
from etl.sources.variants import Variant, by_day, check_same_table, of_day
from etl.sources.words import CHOICES, EVERY, PERIODS


@dataclass(eq=False, repr=False)
class Source:
    """Deliveries of one kind, each a partition: of its date, or of the batch date for a snapshot.

        Source(Sales, Files("sales/{date}.csv", marker="{file}.done"), required=True)
        Source(contract=Sales, files="sales/{date}.csv", marker="{file}.done", required=True)     the same, short
        Source(Customers, Files("customers.csv"), format=Csv(delimiter=";"), history=True)

    A comment above each option says what it does; a wrong one is a ContractError.
    """

    # The pandera model of the records; or several, by the day since when they hold.
    contract: Contract | Any
    # How deliveries come, such as `Files(...)`.
    connector: Connector | Any = None
    # Column that holds the partition's date. Empty: `delivery_date`, or `snapshot_date` of snapshots.
    partition: str = ""
    # How files are written, such as `Csv()`, which is the default; or several, by the day since when they hold.
    format: Format | Any = None
    _: KW_ONLY
    # What the night fetches first, such as `Fetch(orders)`: how deliveries come, and their format, follow from it.
    fetch: Fetching | Any = None
    # Short: `files="..."` is `Files("...")`.
    files: InitVar[str | None] = None
    # Short for the option of `Files`.
    marker: InitVar[str | None] = None
    # Short for the option of `Files`.
    settle_seconds: InitVar[float | None] = None
    # Short for the option of `Files`.
    same_content: InitVar[str | None] = None
    # Luigi task that makes the delivery, such as `crm.Export` or `crm.Export(region="eu")`. It runs in the night,
    # with the delivery's date if it has a parameter `date`.
    task: str = ""
    # Without its newest expected day nothing is published, and the night ends with 20.
    required: bool = False
    # A refused partition is left out, and does not stop the publish.
    optional: bool = False
    # The newest expected day is so many days before the batch date.
    lag_days: int = 0
    # How often a dated source delivers: `day`, `weekday`, `week` or `month`; `irregular`: it is never late. Empty:
    # the dates of its deliveries tell.
    every: str = ""
    # From 1,000 records up, a partition with a larger share of rejected records is refused.
    max_reject_ratio: float = 0.01
    # A partition with more rejected records is refused, at any size.
    max_rejects: int | None = None
    # Columns that the contract does not have. `refuse`: the file is refused. `ignore`: they are left out. `keep`:
    # they are JSON text in the column `_extra`.
    extra: str = "refuse"
    # Records with the same `unique` key in a partition. `quarantine`: all of them are rejected. `first`, `last`:
    # all but that one.
    duplicates: str = "quarantine"
    # A line that is skipped by its number, and keeps the contract all the same, is a record nearly lost. `refuse`:
    # its file is refused. `quarantine`: it is rejected. `allow`: it is skipped.
    skipped: str = "refuse"
    # A file without records. `partition`: an empty partition. `error`: it is refused. `skip`: as if it were not
    # there. `auto`: an empty partition, but zero bytes are an error where a header belongs.
    empty: str = "auto"
    # So many published partitions may vanish at once; more fail the night.
    max_withdrawn: int = 3
    # A delivery with a smaller share of the rows that it replaces is refused. None: less than half is a warning.
    min_rows_ratio: float | None = None
    # Of a snapshot: its table holds every one that came, not only the newest.
    history: bool = False
    # `table`: rows are loaded into `raw.<name>`. `view`: it reads them where they lie in the lake. `auto`: a
    # table, and with more than `[etl] view_rows` rows a view, which it stays.
    load: str = "auto"
    # Who is told of what is wrong with it: messages go to the addresses in `ETL_NOTIFY_<OWNER>`.
    owner: str = ""
    # The time of day by which the delivery of a day is there, such as `06:00`, in the project's time zone.
    # `etl check-late` tells of one that is not.
    expected_by: str = ""
    # The days on which it is expected by then, such as `mon-fri`, `business days` or `last day of month`. Empty:
    # every day.
    expected_days: str = ""
    # The times of day within which a night waits for its required delivery, such as `02:00-06:00`, in the
    # project's time zone. Only a night that begins within them waits. Empty: none does.
    wait: str = ""
    # A night that waits looks so often, such as `30 seconds` or `5 min`.
    poll: str = "5 min"
    # A step of it that takes more minutes is ended and fails: fetching, each task that makes its deliveries,
    # taking what is new of them, and loading that. What is done is kept. 0: it may take its time.
    timeout_minutes: float = 0
    # What the source is called: `raw.<name>` is its table. The default is the variable's name.
    name: str = ""
    #: File and line of the declaration, for messages.
    declared: str = field(init=False)
    #: The pandera models of the contracts that did not come compiled.
    models: list[Any] = field(init=False)
    #: What holds since when, if that is not always the same.
    variants: list[Variant] = field(init=False)

    def __post_init__(
        self,
        files: str | None,
        marker: str | None,
        settle_seconds: float | None,
        same_content: str | None,
    ) -> None:
        short = {"marker": marker, "settle_seconds": settle_seconds, "same_content": same_content}
        self.declared = ""
        short = {name: value for name, value in short.items() if value is not None}
        if self.fetch is None:
            self.connector = connected(self.connector, files, short)
        else:
            self.fetch = fetch_from(self.fetch)
            self.connector = landed(self.fetch, self.connector, files, [*short, *(["task"] if self.task else [])])
            self.connector = named(self.connector, self.name)
            self.format = self.fetch.format if self.format is None else self.format
            # a day on which nothing has changed brings nothing
            self.every = self.every or ("irregular" if self.fetch.mode == "cursor" else "")
        self.every = EVERY.get(self.every, self.every)
        if not self.every and self.connector.period in PERIODS:
            self.every, lag_days = PERIODS[self.connector.period]
            self.lag_days += lag_days
        self.partition = self.partition or ("delivery_date" if self.is_dated else "snapshot_date")
        contracts, formats = by_day("contract", self.contract), by_day("format", self.format)
        self.models = [model for model in contracts.values() if not isinstance(model, Contract)]
        contracts = {d: c if isinstance(c, Contract) else _compiled(c) for d, c in contracts.items()}
        days = sorted({*contracts, *formats})
        self.variants = [self._variant(day, contracts, formats) for day in days]
        self.contract, self.format = self.variants[-1].contract, self.variants[-1].format
        self._check()
        for variant in self.variants[:-1]:
            check_same_table(variant.contract, self.contract, days[-1])
            self.at(variant.since)._check()

    def call(self, name: str) -> None:
        """Give the source the name of its variable: that of its table, and of the folder of what it fetches."""
        self.name = name
        if self.fetch is not None:
            self.connector = named(self.connector, name)

    def at(self, day: date | str) -> Source:
        """Return the source as it is for the deliveries of a day."""
        if len(self.variants) == 1:
            return self
        variant = next(v for v in reversed(self.variants) if v.since <= str(day))
        source = copy(self)
        source.contract, source.format, source.variants = variant.contract, variant.format, [variant]
        return source

    def since(self, day: date) -> str:
        """Return the day since when what holds on a day does; empty for the first deliveries."""
        return next(variant.since for variant in reversed(self.variants) if variant.since <= str(day))

    def to_dict(self) -> dict[str, Any]:
        """Return the source as plain data, for the cache and for fingerprints."""
        options = {name: value for name, value in vars(self).items() if name not in ("models", "variants")}
        if len(self.variants) > 1:
            options["variants"] = [(v.since, v.contract.to_dict(), format_to(v.format)) for v in self.variants]
        made = {"connector": connector_to(self.connector), "format": format_to(self.format)}
        del options["fetch"]
        if self.fetch is not None:
            made["fetch"] = fetch_to(self.fetch)
        return {**options, **made, "contract": self.contract.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Source:
        """Return the source that to_dict() made `data` from."""
        variants = data.get("variants", [("", data["contract"], data["format"])])
        contracts = {since or None: Contract.from_dict(contract) for since, contract, _ in variants}
        formats = {since or None: format_from(fmt) for since, _, fmt in variants}
        options = {name: value for name, value in data.items() if name not in ("variants", "declared")}
        made = {"connector": connector_from(data["connector"]), "contract": contracts, "format": formats}
        source = cls(**{**options, **made})
        source.declared = data["declared"]
        return source

    @property
    def is_dated(self) -> bool:
        """Whether each delivery is that of a date."""
        return bool(self.connector.is_dated)

    def root(self, project: Project) -> Path:
        """Return the folder below which its deliveries lie: that of raw files, or of what was fetched."""
        return project.raw if self.fetch is None else project.fetched

    @property
    def home(self) -> str:
        """What messages call the folder in which its deliveries lie."""
        return "raw" if self.fetch is None else "fetched"

    def where(self, project: Project, day: date) -> Path:
        """Return the path at which the delivery of a date would be looked for."""
        return self.root(project) / self.connector.where(day)

    @property
    def must_be_new(self) -> bool:
        """Whether, if it is required, a delivery of before is not enough when the new one was not made."""
        return not self.is_dated or self.is_asked_each_night

    @property
    def is_asked_each_night(self) -> bool:
        """Whether only the other side knows if anything is new; what is fetched by date is there, or is not."""
        return self.fetch is not None and self.fetch.mode != "date"

    @property
    def has_days(self) -> bool:
        """Whether a delivery of a given day is there or not: files have it in their names, or it is asked for."""
        return self.is_dated and not (self.is_asked_each_night and self.fetch.mode != "copies")

    @property
    def maker(self) -> Maker | None:
        """The Luigi task that makes its deliveries, if it names one."""
        return read_maker(self.task) if self.task else None

    @property
    def table(self) -> str:
        """The table that the source's partitions are loaded into."""
        return f"raw.{self.name}"

    @property
    def is_view(self) -> bool:
        """Whether that table is a view over the lake."""
        return self.load == "view"

    @property
    def has_dates(self) -> bool:
        """Whether that table holds partitions of several dates."""
        return self.is_dated or self.history

    @property
    def columns(self) -> dict[str, str]:
        """The columns of that table with their types: the contract's, the partition, and etl's own."""
        columns = {column.name: column.type for column in self.contract.columns}
        columns |= {self.partition: columns.get(self.partition, "DATE")}
        columns |= {"_extra": "VARCHAR"} if self.extra == "keep" else {}
        return columns | {"_file": "VARCHAR", "_loaded_at": "TIMESTAMP WITH TIME ZONE"}

    @property
    def masks(self) -> dict[str, str]:
        """How the columns with personal data are masked."""
        return {column.name: column.pii for column in self.contract.columns if column.pii}

    def _check(self) -> None:
        where = f"Source({self.connector.named})"
        if self.required and self.optional:
            raise ContractError(f"{where} cannot be both required and optional.")
        self._check_task(where)
        check_expected(where, self.expected_by, self.expected_days)
        check_wait(where, self.wait, self.poll, is_required=self.required, task=self.task)
        if self.history and self.is_dated:
            raise ContractError(
                f"{where}: history is of snapshots, and this source is dated: its table "
                "holds every date anyway. Take history out."
            )
        if self.history and self.is_view:
            raise ContractError(
                f"{where}: the snapshots of a history stay as they were taken, so they are loaded. Take load out."
            )
        if self.every not in EVERY:
            raise ContractError(
                f"{where}: every={self.every!r} is not supported. Use day, weekday, week, "
                "month or irregular, or leave it out: then the dates that came tell."
            )
        if self.every and not self.is_dated:
            raise ContractError(
                f"{where}: every is for dated sources, and this one is a snapshot. "
                "Take every out, or add {date} to files."
            )
        if not 0 <= self.max_reject_ratio <= 1:
            raise ContractError(f"{where}: max_reject_ratio is a share from 0 to 1.")
        if self.max_rejects is not None and self.max_rejects < 0:
            raise ContractError(f"{where}: max_rejects is 0 or more.")
        if self.min_rows_ratio is not None and not 0 <= self.min_rows_ratio <= 1:
            raise ContractError(f"{where}: min_rows_ratio is a share from 0 to 1.")
        if type(self.timeout_minutes) not in (int, float) or not 0 <= self.timeout_minutes < 100_000:
            raise ContractError(
                f"{where}: timeout_minutes={self.timeout_minutes!r} is not a number of minutes such as 30."
            )
        for option, choices in CHOICES.items():
            if getattr(self, option) not in choices:
                raise ContractError(f"{where}: {option} is one of {', '.join(choices)}.")
        if self.lag_days < 0 or self.max_withdrawn < 0:
            raise ContractError(f"{where}: lag_days and max_withdrawn are 0 or more.")
        if not re.fullmatch(r"[A-Za-z_]\w*", self.partition) or is_own_column(self.partition):
            raise ContractError(f"{where}: partition={self.partition!r} cannot name a column.")
        for column in self.contract.columns:
            of = f"{where}: column {column.name!r} of contract {self.contract.name}"
            check_column(of, column, self.partition, self.format.values)

    def _check_task(self, where: str) -> None:
        try:
            is_made = self.maker is not None
        except ValueError as error:
            raise ContractError(f"{where}: task={self.task!r} {sentence(str(error))}") from None
        if is_made and self.connector.at_once() != self.connector:
            raise ContractError(
                f"{where}: a delivery that a task makes is complete when the task is. Take its marker and "
                "settle_seconds out."
            )

    @staticmethod
    def _variant(since: str, contracts: Mapping[str, Contract], formats: Mapping[str, Format | None]) -> Variant:
        """Return what holds since a day, the format with the decimal marks of the columns that have their own."""
        contract, options = of_day(contracts, since), of_day(formats, since) or Csv()
        if not isinstance(getattr(options, "values", None), Values):
            raise ContractError(
                f"format={options!r} is not a format. Write one such as Csv(), or several by the day since when "
                'they hold: format={None: Csv(), "2024-03-31": Csv(delimiter=";")}.'
            )
        own = [column for column in contract.columns if column.decimal]
        marks = {name: column.decimal for column in own for name in (column.name, *column.aliases)}
        return Variant(since, contract, replace(options, decimals=marks) if marks else options)


def _compiled(model: Any) -> Contract:
    from etl.contract.compiler import compile_contract

    return compile_contract(model)


# contracts that `etl sniff` once proposed import it from there
contracts_room.__dict__.setdefault("Source", Source)
