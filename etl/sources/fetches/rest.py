"""Rest: records of an API, page by page, as it says them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from etl.errors import ContractError
from etl.sources.fetches.fetch import Fetching
from etl.sources.fetches.paging import AUTHS, PAGES, OnePage, chosen
from etl.sources.formats import Format

DATE = "{date}"
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(KB|MB|GB)")
_BYTES = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Rest(Fetching):
    """Records of an API that answers in JSON; each is a line of JSON, as it was said.

        Rest("https://shop.example/orders", records="items", pages=NextLink("next"), auth=Bearer("SHOP_TOKEN"))
        Rest("https://shop.example/orders", since="updated_since", cursor="updated_at", pages=PageNumber())
        Rest("https://shop.example/rates?day={date}")                      one answer for each date

    With `since` a fetch asks for what is newer than the greatest `cursor` that came before.
    """

    # Address of the first page. With `{date}` in it each date is asked for, written as 2024-03-31.
    url: str
    _: KW_ONLY
    # Where the records stand in an answer, such as `items` or `data.orders`. Empty: the answer is a list of them,
    # or one record.
    records: str = ""
    # How pages follow each other: `OnePage()`, `NextLink(path)`, `HeaderLink()`, `NextCursor(path, parameter)`,
    # `HeaderCursor(header, parameter)`, `Offset(...)`, `PageNumber(...)` or `Range(...)`.
    pages: Any = field(default_factory=OnePage)
    # Who asks: `Bearer("TOKEN")`, `ApiKey("KEY")`, `Basic("USER", "PASSWORD")`, `OAuth2(...)` or `Jwt(...)`, by
    # the names of environment variables.
    auth: Any = None
    # More parameters of the address.
    parameters: Mapping[str, str] = field(default_factory=dict)
    # More headers; none that says who asks.
    headers: Mapping[str, str] = field(default_factory=dict)
    # What is sent as JSON. Then it is a POST.
    body: Any = None
    # Parameter that takes the cursor: only what is newer is asked for.
    since: str = ""
    # Where the cursor stands in a record, such as `updated_at` or `meta.sequence`.
    cursor: str = ""
    # So much before the greatest cursor is asked for again, such as `1 hour`; of numbers, so many, such as `1000`.
    # What an API shows late is found then. `none`: nothing.
    overlap: str = "1 hour"
    # Where an answer says how many records there are in all. If fewer come, the fetch fails; if the number changes
    # meanwhile, it is said.
    total: str = ""
    # At most so many requests, such as `5/s` or `100/min`.
    rate: str = ""
    # A page that is larger is refused.
    largest_page: str = "64 MB"
    # How long to wait for an answer.
    answer_within: str = "1 minute"
    # If the API asks for a longer wait, the fetch is given up.
    longest_wait: str = "10 minutes"

    def __post_init__(self) -> None:
        check_address(self.named, self.url)
        object.__setattr__(self, "pages", chosen("pages", self.pages, PAGES))
        if self.auth is not None:
            object.__setattr__(self, "auth", chosen("auth", self.auth, AUTHS))
        if bool(self.since) != bool(self.cursor):
            raise ContractError(
                f"{self.named}: since and cursor go together: the parameter, and where it comes from."
            )
        if self.since and self.is_by_date:
            raise ContractError(f"{self.named} asks for dates, so it has no cursor. Take since and cursor out.")
        if secret := next((name for name in self.headers if name.lower() in ("authorization", "cookie")), ""):
            raise ContractError(f"{self.named}: the header {secret} would hold a secret. Write auth=... instead.")
        self.steps()
        self.most_bytes()
        self.pause()
        for option in ("answer_within", "longest_wait"):
            self.seconds(option, getattr(self, option))
        super().__post_init__()

    @property
    def is_by_date(self) -> bool:
        """Whether each date is asked for by itself."""
        return DATE in self.url or any(DATE in str(value) for value in (*self.parameters.values(), self.body))

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch=Rest({plain_address(self.url)!r})"

    @property
    def mode(self) -> str:
        """How deliveries come."""
        return "cursor" if self.since else "date" if self.is_by_date else "full"

    @property
    def cursor_column(self) -> str:
        """Where the cursor stands in a record."""
        return self.cursor

    @property
    def format(self) -> Format:
        """The format of what is landed."""
        from etl.sources.formats.json import JsonLines

        return JsonLines()

    def steps(self) -> float:
        """Return the overlap: seconds for times, a number for numbers; 0 for none."""
        if self.overlap == "none":
            return 0
        return float(self.overlap) if self.overlap.isdecimal() else self.seconds("overlap", self.overlap)

    def most_bytes(self) -> int:
        """Return how many bytes a page may have."""
        return size_of(self.named, "largest_page", self.largest_page)

    def pause(self) -> float:
        """Return how many seconds lie between two requests, at least."""
        if not self.rate:
            return 0
        found = _RATE.fullmatch(self.rate)
        if not found or float(found[1]) == 0:
            raise ContractError(
                f"{self.named}: rate={self.rate!r} is not a number of requests such as 5/s or 100/min."
            )
        return _SECONDS[found[2]] / float(found[1])


def plain_address(url: str) -> str:
    """Return an address as messages say it: without its parameters, and without a user and a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def check_address(named: str, url: str) -> None:
    """Raise ContractError for an address that is not one of the web, or that holds a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ContractError(f"{named}: the address begins with https:// and the name of a host.")
    if parts.username or parts.password:
        raise ContractError(
            f"{named}: the address holds a user or a password. Take them out, and write "
            "auth=Basic(...) with the names of environment variables."
        )


def size_of(named: str, option: str, text: str) -> int:
    """Return a size in bytes. Raises ContractError for a text that is none."""
    found = _SIZE.fullmatch(text)
    if not found or float(found[1]) == 0:
        raise ContractError(f"{named}: {option}={text!r} is not a size such as '64 MB'.")
    return int(float(found[1]) * _BYTES[found[2]])
