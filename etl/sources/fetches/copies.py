"""What kinds have in common that copy the files of a folder elsewhere: which are complete, and where they lie."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from etl.errors import ContractError
from etl.sources.connectors.files import Files
from etl.sources.connectors.pattern import VERSION, is_unfinished
from etl.sources.fetches.fetch import Fetching

_VARIABLE = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Copies(Fetching):
    """Files in a folder elsewhere: what is new or changed is copied, and nothing is ever changed there."""

    # The folder there.
    url: str
    _: KW_ONLY
    # File that says a delivery is complete: a path with the same `{date}`, or `{file}.done` beside each file.
    marker: str = ""
    # A file that changed there less than so many seconds ago does not count yet.
    settle_seconds: float = 0
    # How long to wait for an answer.
    answer_within: str = "1 minute"

    #: What an address begins with, and an example of one.
    schemes: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[str] = ""

    def __post_init__(self) -> None:
        self._check_url()
        for option in ("user", *self.secrets):
            given = getattr(self, option, "")
            if not isinstance(given, str) or (given and not _VARIABLE.fullmatch(given)):
                # it may be the secret itself: it must not be said
                example = f"'SHOP_{option.upper()}'"
                raise ContractError(
                    f"{self.named}: {option} is the name of an environment variable, such as {example}."
                )
        self.seconds("answer_within", self.answer_within)
        super().__post_init__()

    def _check_url(self) -> None:
        shown = type(self).__name__
        if not isinstance(self.url, str):
            raise ContractError(f"Source(fetch={shown}(...)): the first argument is an address: {self.example}.")
        try:
            parts = urlsplit(self.url)
            is_whole = parts.scheme in self.schemes and bool(parts.hostname)
            has_more = bool(parts.query or parts.fragment) or "@" in parts.netloc
            _ = parts.port
        except ValueError:
            is_whole, has_more = False, False
        if has_more:
            # it may hold a password
            raise ContractError(
                f"Source(fetch={shown}(...)): the address has more than a host and a folder. Write one such as "
                f"{self.example}; who asks is said by options that name environment variables."
            )
        if not is_whole or {".", ".."} & set(self.folder.split("/")) or "//" in parts.path:
            raise ContractError(f"Source(fetch={shown}({self.url!r})) needs an address such as {self.example}.")

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch={type(self).__name__}({self.url!r})"

    @property
    def host(self) -> str:
        """The host or bucket of the address."""
        return urlsplit(self.url).netloc

    @property
    def folder(self) -> str:
        """The folder of the address, without slashes around it."""
        return unquote(urlsplit(self.url).path).strip("/")

    @property
    def mode(self) -> str:
        """How deliveries come."""
        return "copies"

    @property
    def format(self) -> None:
        """Files keep their own."""
        return None

    def check_files(self, files: str) -> None:
        """Raise ContractError for files that cannot be copied, or a marker that does not go with them."""
        if not files:
            return
        Files(files, marker=self.marker, settle_seconds=self.settle_seconds)
        if VERSION in files or VERSION in self.marker:
            raise ContractError(f"{self.named}: {VERSION} is for files that others bring. Write * in its place.")
        if is_unfinished(files.rpartition("/")[2]):
            raise ContractError(
                f"{self.named}: files={files!r} is a name of files that are not complete. Have them renamed."
            )
