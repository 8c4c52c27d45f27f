"""A source: how one kind of delivery comes, beside the contract that its records must keep."""

from __future__ import annotations

import re
from typing import Any

from etl.contract.compiler import compile_contract
from etl.contract.contract import Column, Contract
from etl.errors import ContractError
from etl.formats import Csv, Format, format_from, format_to

DATE = "{date}"
#: What extraction and loading call their own columns, in lower case.
_OWN_COLUMN = re.compile(r"_file|_loaded_at|file_index|_record|_keeps|_broken|_text_\d+")


class Source:
    """Deliveries of one kind, each file a partition: of its date, or of the batch date for a snapshot.

    `contract` is a pandera DataFrameModel (or a compiled Contract). `files` is a path below data/raw; with
    `{date}` (YYYY-MM-DD) in it the source is dated, without it a snapshot. `partition` names the column that
    holds the partition's date. `required`: without its newest expected day, `lag_days` before the batch
    date, nothing is published. `optional`: a refused partition is left out instead of stopping the publish.
    `max_reject_ratio`: from 1,000 records up, a partition with more rejected records than this is refused.
    `max_withdrawn`: how many published partitions may vanish from raw/ at once.
    Raises ContractError if an option or the contract is wrong.
    """

    def __init__(
        self,
        contract: Any,
        files: str,
        partition: str = "",
        format: Format | None = None,
        *,
        required: bool = False,
        optional: bool = False,
        lag_days: int = 0,
        max_reject_ratio: float = 0.01,
        max_withdrawn: int = 3,
        name: str = "",
    ) -> None:
        self.contract = contract if isinstance(contract, Contract) else compile_contract(contract)
        self.files = files
        self.is_dated = DATE in files
        self.partition = partition or ("delivery_date" if self.is_dated else "snapshot_date")
        self.format: Format = format or Csv()
        self.required = required
        self.optional = optional
        self.lag_days = lag_days
        self.max_reject_ratio = max_reject_ratio
        self.max_withdrawn = max_withdrawn
        self.name = name
        self._check()

    def to_dict(self) -> dict[str, Any]:
        """Return the source as plain data, for the cache and for fingerprints."""
        options = {key: value for key, value in vars(self).items() if key != "is_dated"}
        return {**options, "contract": self.contract.to_dict(), "format": format_to(self.format)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Source:
        """Return the source that to_dict() made `data` from."""
        contract, fmt = Contract.from_dict(data["contract"]), format_from(data["format"])
        return cls(**{**data, "contract": contract, "format": fmt})

    @property
    def table(self) -> str:
        """The table that the source's partitions are loaded into."""
        return f"raw.{self.name}"

    def _check(self) -> None:
        parts = self.files.split("/")
        if self.files.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise ContractError(f"Source(files={self.files!r}) is not a relative path below data/raw.")
        if self.files.count(DATE) > 1 or re.search(r"[*?\[\]\0]", self.files):
            raise ContractError(f"Source(files={self.files!r}) may hold {{date}} once, and no wildcards.")
        if self.required and self.optional:
            raise ContractError(f"Source(files={self.files!r}) cannot be both required and optional.")
        if not 0 <= self.max_reject_ratio <= 1:
            raise ContractError(f"Source(files={self.files!r}): max_reject_ratio is a share from 0 to 1.")
        if self.lag_days < 0 or self.max_withdrawn < 0:
            raise ContractError(f"Source(files={self.files!r}): lag_days and max_withdrawn are 0 or more.")
        if not re.fullmatch(r"[A-Za-z_]\w*", self.partition) or _OWN_COLUMN.fullmatch(self.partition.lower()):
            raise ContractError(
                f"Source(files={self.files!r}): partition={self.partition!r} cannot name a column."
            )
        for column in self.contract.columns:
            self._check_column(column)

    def _check_column(self, column: Column) -> None:
        where = f"Source(files={self.files!r}): column {column.name!r} of contract {self.contract.name}"
        if _OWN_COLUMN.fullmatch(column.name.lower()):
            raise ContractError(f"{where} has a name that etl needs for itself; rename the column.")
        is_partition = column.name.lower() == self.partition.lower()
        if is_partition and (column.name, column.type) != (self.partition, "DATE"):
            raise ContractError(
                f"{where} is {column.type}, but the partition column {self.partition!r} is a DATE; "
                "give the source another partition=, or the column another type or spelling."
            )
