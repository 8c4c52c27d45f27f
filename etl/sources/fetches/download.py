"""Download: whole files from the web, as they are."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from etl.errors import ContractError
from etl.sources.fetches.fetch import Fetching
from etl.sources.fetches.paging import AUTHS, chosen
from etl.sources.fetches.rest import DATE, check_address, plain_address, size_of


@dataclass(frozen=True)
class Download(Fetching):
    """A file at an address; it is fetched again when it has changed.

        Source(Rates, fetch=Download("https://bank.example/rates.csv"))
        Source(Rates, fetch=Download("https://bank.example/rates-{date}.csv"))      one file for each date
        Source(Rates, files="rates.csv", fetch=Download("https://bank.example/export?id=7"))

    Its name is that of the address, unless the source has `files`. A download that breaks goes on where it was.
    """

    # Address of the file. With `{date}` in it each date is asked for, written as 2024-03-31.
    url: str
    _: KW_ONLY
    # Who asks; see Rest. It is shown to the host of the address only.
    auth: Any = None
    # A file that is larger is refused.
    largest: str = "10 GB"
    # How long to wait for an answer.
    answer_within: str = "1 minute"
    # If the server asks for a longer wait, the fetch is given up.
    longest_wait: str = "10 minutes"

    def __post_init__(self) -> None:
        check_address(self.named, self.url)
        if self.auth is not None:
            object.__setattr__(self, "auth", chosen("auth", self.auth, AUTHS))
        size_of(self.named, "largest", self.largest)
        for option in ("answer_within", "longest_wait"):
            self.seconds(option, getattr(self, option))
        super().__post_init__()

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch=Download({plain_address(self.url)!r})"

    @property
    def mode(self) -> str:
        """How deliveries come."""
        return "copies"

    @property
    def files(self) -> str:
        """The name of the file, as the address has it."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    def check_files(self, files: str) -> None:
        """Raise ContractError for the name of files that all dates would share."""
        if not files:
            raise ContractError(f'{self.named}: the address has no name of a file. Add files="rates.csv".')
        if (DATE in self.url) != ("{date" in files):
            where = "address, but not in the name of the file" if DATE in self.url else "name of the file only"
            raise ContractError(
                f'{self.named}: the date is in the {where}. Add files="rates-{{date}}.csv", or leave it out.'
            )

    @property
    def format(self) -> None:
        """Files keep their own."""
        return None
