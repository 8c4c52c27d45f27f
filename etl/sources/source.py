"""A source: how one kind of delivery comes, beside the contract that its records must keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import date
from typing import Any

from etl.contract.clocks import ZONED
from etl.contract.contract import Column, Contract
from etl.contract.masking import mask_problem
from etl.contract.spelling import column_values, format_problem, has_two_digit_years
from etl.errors import ContractError
from etl.sources.files import FILE, FilePattern, file_pattern
from etl.sources.formats import Format, Values, format_from, format_to
from etl.sources.formats.csv import Csv
from etl.sources.variants import Variant, by_day, check_same_table, of_day

#: What a file without records can be.
EMPTY = ("auto", "partition", "error", "skip")
#: What a file with the content of another one can be.
SAME = ("warn", "refuse", "allow")
#: What extraction and loading call their own columns, in lower case.
_OWN_COLUMN = re.compile(
    r"_file|_loaded_at|_extra|_behind|_delivery|_first|_file_number|file_index|_record|_keeps|_broken|_(text|key|mark|local|turn)_\d+"
)
#: How often a dated source delivers, by the words for it.
EVERY = {
    "": "",
    **dict.fromkeys(("day", "daily"), "daily"),
    **dict.fromkeys(("weekday", "weekdays"), "weekdays"),
    **dict.fromkeys(("week", "weekly"), "weekly"),
    **dict.fromkeys(("month", "monthly"), "monthly"),
    "irregular": "irregular",
}
#: What is known of a source beside what its options say, or is said in another form.
_NOT_SAID = ("is_dated", "models", "variants")
EXTRAS = ("refuse", "ignore", "keep")
DUPLICATES = ("quarantine", "first", "last")
#: What becomes of a line that is skipped by its number, and keeps the contract all the same.
SKIPPED = ("refuse", "quarantine", "allow")


def is_own_column(name: str) -> bool:
    """Return whether etl itself has columns of that name, in whatever case."""
    return _OWN_COLUMN.fullmatch(name.lower()) is not None


class Source:
    """Deliveries of one kind, each a partition: of its date, or of the batch date for a snapshot.

    `contract` is a pandera DataFrameModel (or a compiled Contract). It and `format` may be several, by the day
    since when they hold: {None: Csv(), "2024-03-31": Csv(delimiter=";")}; what was delivered before is not taken
    again. `files` is a path below data/raw; with
    `{date}` (YYYY-MM-DD; or another spelling, `{date:%Y%m%d}`) in it the source is dated, without it a
    snapshot. With the wildcards `*` and `?` all files of a date are one partition. `partition` names the
    column that holds the partition's date. `required`: without its newest expected day, `lag_days` before
    the batch date, nothing is published. `every` declares how often a dated source delivers (`day`, `weekday`,
    `week`, `month`; `irregular`: nobody knows); by default the dates that came tell. `optional`: a refused
    partition is left out instead of stopping the publish. `max_reject_ratio`: from 1,000 records up, a
    partition with more rejected records than this is refused; `max_rejects` is the same as a number, at any
    size. `extra`: what becomes of columns that the contract does not have: `refuse` the file, `ignore` them, or
    `keep` them as JSON text in `_extra`.
    `duplicates`: of records with the same unique key, `quarantine` all, or all but the `first` or `last` one.
    `skipped`: a line that is skipped by its number (a footer, preamble or header) and keeps the contract all the
    same is a record that was nearly lost: it makes its file a refused one (`refuse`), goes to `quarantine` alone,
    or is skipped by your word (`allow`).
    `max_withdrawn`: how many published partitions may vanish from raw/ at once.
    `marker` names the file that says a delivery is complete: a path with the same `{date}`, or `{file}.done`
    beside each file. `settle_seconds`: how long a file must not have changed to be complete. All files of a
    delivery must be, else it does not count yet. `empty` says what a file without records is: an empty
    "partition", an "error", or nothing at all ("skip"); with "auto" the header alone makes an empty
    partition, and zero bytes are an error where a header belongs. `same_content` says what becomes of a file
    with the content of an earlier date's, or of another file of its own date: it is taken with a warning, or
    of its own date left out with one ("warn"); an error ("refuse"); or taken like any other ("allow").
    `min_rows_ratio`: a delivery with a smaller share than this of the rows that it replaces is refused; without
    it, less than half of them is a warning. One of which no row is left replaces nothing, unless this is 0.
    `history`: of a snapshot source, the table holds every snapshot that came, and not only the newest.
    Raises ContractError if an option or the contract is wrong.
    """

    def __init__(
        self,
        contract: Any,
        files: str,
        partition: str = "",
        format: Format | Mapping[Any, Format] | None = None,
        *,
        required: bool = False,
        optional: bool = False,
        lag_days: int = 0,
        every: str = "",
        max_reject_ratio: float = 0.01,
        max_rejects: int | None = None,
        extra: str = "refuse",
        duplicates: str = "quarantine",
        skipped: str = "refuse",
        max_withdrawn: int = 3,
        marker: str = "",
        settle_seconds: float = 0,
        empty: str = "auto",
        same_content: str = "warn",
        history: bool = False,
        min_rows_ratio: float | None = None,
        name: str = "",
    ) -> None:
        contracts, formats = by_day("contract", contract), by_day("format", format)
        #: The pandera models of the contracts that did not come compiled.
        self.models = [model for model in contracts.values() if not isinstance(model, Contract)]
        contracts = {d: c if isinstance(c, Contract) else _compiled(c) for d, c in contracts.items()}
        days = sorted({*contracts, *formats})
        #: What holds since when, if that is not always the same.
        self.variants = [self._variant(day, contracts, formats) for day in days]
        self.contract, self.format = self.variants[-1].contract, self.variants[-1].format
        self.files = files
        self.is_dated = self._pattern("files", files).date_format != ""
        self.partition = partition or ("delivery_date" if self.is_dated else "snapshot_date")
        self.required = required
        self.optional = optional
        self.lag_days = lag_days
        self.every = EVERY.get(every, every)
        self.max_reject_ratio = max_reject_ratio
        self.max_rejects = max_rejects
        self.extra = extra
        self.duplicates = duplicates
        self.skipped = skipped
        self.max_withdrawn = max_withdrawn
        self.marker = marker
        self.settle_seconds = settle_seconds
        self.empty = empty
        self.same_content = same_content
        self.history = history
        self.min_rows_ratio = min_rows_ratio
        self.name = name
        self._check()
        for variant in self.variants[:-1]:
            check_same_table(variant.contract, self.contract, days[-1])
            self.at(variant.since)._check()

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
        options = {
            key: value for key, value in vars(self).items() if key not in ("is_dated", "models", "variants")
        }
        if len(self.variants) > 1:
            options["variants"] = [(v.since, v.contract.to_dict(), format_to(v.format)) for v in self.variants]
        return {**options, "contract": self.contract.to_dict(), "format": format_to(self.format)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Source:
        """Return the source that to_dict() made `data` from."""
        variants = data.get("variants", [("", data["contract"], data["format"])])
        contracts = {since or None: Contract.from_dict(contract) for since, contract, _ in variants}
        formats = {since or None: format_from(fmt) for since, _, fmt in variants}
        options = {name: value for name, value in data.items() if name != "variants"}
        return cls(**{**options, "contract": contracts, "format": formats})

    @property
    def table(self) -> str:
        """The table that the source's partitions are loaded into."""
        return f"raw.{self.name}"

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
        if self.required and self.optional:
            raise ContractError(f"Source(files={self.files!r}) cannot be both required and optional.")
        if self.history and self.is_dated:
            raise ContractError(
                f"Source(files={self.files!r}): history is of snapshots, and this source is dated: its table "
                "holds every date anyway; take history out."
            )
        if self.every not in EVERY:
            raise ContractError(
                f"Source(files={self.files!r}): every={self.every!r} is not supported. Use day, weekday, week, "
                "month or irregular, or leave it out: then the dates that came tell."
            )
        if self.every and not self.is_dated:
            raise ContractError(
                f"Source(files={self.files!r}): every is for dated sources, and this one is a snapshot. "
                "Take every out, or add {date} to files."
            )
        if not 0 <= self.max_reject_ratio <= 1:
            raise ContractError(f"Source(files={self.files!r}): max_reject_ratio is a share from 0 to 1.")
        if self.max_rejects is not None and self.max_rejects < 0:
            raise ContractError(f"Source(files={self.files!r}): max_rejects is 0 or more.")
        if self.min_rows_ratio is not None and not 0 <= self.min_rows_ratio <= 1:
            raise ContractError(f"Source(files={self.files!r}): min_rows_ratio is a share from 0 to 1.")
        for option, choices in (("extra", EXTRAS), ("duplicates", DUPLICATES), ("skipped", SKIPPED)):
            if getattr(self, option) not in choices:
                raise ContractError(f"Source(files={self.files!r}): {option} is one of {', '.join(choices)}.")
        if self.lag_days < 0 or self.max_withdrawn < 0:
            raise ContractError(f"Source(files={self.files!r}): lag_days and max_withdrawn are 0 or more.")
        if not re.fullmatch(r"[A-Za-z_]\w*", self.partition) or is_own_column(self.partition):
            raise ContractError(
                f"Source(files={self.files!r}): partition={self.partition!r} cannot name a column."
            )
        self._check_delivered()
        for column in self.contract.columns:
            self._check_column(column)

    def _check_delivered(self) -> None:
        """Check the options that say when files count, and which of them."""
        if self.marker:
            marker = self._pattern("marker", self.marker.replace(FILE, "file"))
            is_beside = self.marker.startswith(FILE) and len(marker.segments) == 1 and not marker.date_format
            if marker.is_wild or self.marker == FILE or (FILE in self.marker and not is_beside):
                raise ContractError(
                    f"Source(marker={self.marker!r}) is neither a path without wildcards, such as "
                    "orders/{date}/_SUCCESS, nor an ending of each file's own name, such as {file}.done."
                )
            if not is_beside and (marker.date_format != "") != self.is_dated:
                raise ContractError(
                    f"Source(marker={self.marker!r}) needs {{date}} if, and only if, files={self.files!r} has it."
                )
        if not 0 <= self.settle_seconds < float("inf"):
            raise ContractError(f"Source(files={self.files!r}): settle_seconds is a number of seconds, 0 or more.")
        for option, value, known in (("empty", self.empty, EMPTY), ("same_content", self.same_content, SAME)):
            if value not in known:
                raise ContractError(
                    f"Source(files={self.files!r}): {option}={value!r} is none of {', '.join(known)}."
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

    @staticmethod
    def _pattern(option: str, path: str) -> FilePattern:
        try:
            return file_pattern(path)
        except ValueError as error:
            raise ContractError(f"Source({option}={path!r}) {error}.") from None

    def _check_column(self, column: Column) -> None:
        where = f"Source(files={self.files!r}): column {column.name!r} of contract {self.contract.name}"
        if is_own_column(column.name):
            raise ContractError(f"{where} has a name that etl needs for itself; rename the column.")
        if column.regex:
            raise ContractError(
                f"{where} is a pattern (regex=True): the columns of a raw file are to be known; name each of them."
            )
        is_partition = column.name.lower() == self.partition.lower()
        if is_partition and (column.name, column.type) != (self.partition, "DATE"):
            raise ContractError(
                f"{where} is {column.type}, but the partition column {self.partition!r} is a DATE; "
                "give the source another partition=, or the column another type or spelling."
            )
        sender = self.format.values.timestamp_format
        if sender and not column.format and (problem := format_problem(sender, column.type)):
            raise ContractError(f"{where}: timestamp_format={problem}.")
        own = column.format or (self.format.values.date_format if column.type == "DATE" else sender)
        is_moment = column.type in ("DATE", "TIMESTAMP", ZONED)
        until = column.two_digit_years_until or self.format.values.two_digit_years_until
        if is_moment and own and has_two_digit_years(own) and not until:
            raise ContractError(
                f"{where}: the format {own!r} has %y, years of two digits, and nothing says of which century. Say "
                "until which year they go: with two_digit_years_until=2049 beside it 49 is 2049, and 50 is 1950."
            )
        try:
            column_values(column, self.format.values)
        except ContractError as error:
            raise ContractError(f"{where}: {error} Give the column's metadata both marks.") from None
        if problem := mask_problem(column, is_partition):
            raise ContractError(f"{where} {problem}.")


def _compiled(model: Any) -> Contract:
    from etl.contract.compiler import compile_contract

    return compile_contract(model)
