"""Project: what another project has published, of which neither knows the code of the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from etl.errors import ConfigError, ContractError
from etl.project import Project as Own
from etl.project.others import folder_of, pointer_of
from etl.project.settings import Settings
from etl.sources.fetches.fetch import Fetching

_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Project(Fetching):
    """A table or view that another project has published.

        Project("../shop", "marts.customers")                               what is published now
        Project("/srv/shop", "marts.customers", environment="staging")      that of another environment
        Project("../shop", "marts.orders", partition="order_date")          each date that has changed

    What is published there is a delivery here, and so is what a rollback brings back. If it holds what it held,
    there is no delivery. The other project is never waited for, and none of its code is run.
    """

    # The folder of the other project, absolute or relative to this one.
    place: str
    # The table or view, such as `marts.customers`.
    table: str
    _: KW_ONLY
    # The environment of the other project. Empty: the one that its `[etl]` describes.
    environment: str = ""
    # The column of dates by which the other project builds the table: that of an `incremental` model, or of `raw`.
    # Each date is a delivery of its own, and only those that have changed are read. Empty: all of it is one.
    partition: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.place, str) or not self.place.strip() or "\0" in self.place:
            raise ContractError(f"{self.named}: the first argument is the folder of a project, such as '../shop'.")
        if not isinstance(self.table, str) or not re.fullmatch(r"[^.\0]+\.[^.\0]+", self.table):
            raise ContractError(f"{self.named}: the second argument is a table such as 'marts.customers'.")
        if not isinstance(self.environment, str) or not _ENVIRONMENT.fullmatch(self.environment):
            raise ContractError(f"{self.named}: environment={self.environment!r} cannot be the name of one.")
        if not isinstance(self.partition, str) or "\0" in self.partition:
            raise ContractError(f"{self.named}: partition is the name of a column.")

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch=Project({self.place!r}, {self.table!r})"

    @property
    def mode(self) -> str:
        """How deliveries come."""
        return "copies" if self.partition else "full"

    @property
    def files(self) -> str:
        """The name of each date's file."""
        return "{date}.parquet" if self.partition else ""

    def check_files(self, files: str) -> None:
        """Raise ContractError for names of files: they are its own."""
        if files != self.files:
            raise ContractError(f"{self.named}: files is for copies of files. Take it out.")

    @property
    def tells_gone(self) -> bool:
        """Whether a delivery without records says that there are none: of a date that is gone there."""
        return bool(self.partition)

    @property
    def keeps_each(self) -> bool:
        """Whether the newest file of each name stays, however old: it is what the other side has now."""
        return True

    @property
    def together(self) -> str:
        """All tables of one project are those of one generation."""
        return f"project {self.place} {self.environment}"

    def pointers(self, own: Own) -> Sequence[Path]:
        """Return the link that is switched when there may be something new, also of a project yet to come."""
        folder = folder_of(own.root, self.place)
        try:
            return (pointer_of(folder, self.environment),)
        except ConfigError:
            # it is not mounted, or not made yet: a fetch says so
            return (folder / Settings.data / "warehouse" / "current",)
