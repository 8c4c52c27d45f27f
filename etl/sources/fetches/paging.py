"""The ways in which an API gives its pages, and how a request shows who asks; plain options, as Rest has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar

from etl.errors import ContractError, sentence, unknown

__all__ = [
    *("OnePage", "NextLink", "HeaderLink", "NextCursor", "HeaderCursor", "Offset", "PageNumber", "Range"),
    *("Bearer", "ApiKey", "Basic", "OAuth2", "Jwt"),
]


@dataclass(frozen=True)
class _Choice:
    """One of several ways, as plain data that its name is part of."""

    _: KW_ONLY
    way: str = field(default="", init=False)

    #: Names of fields that hold the name of an environment variable.
    secrets: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "way", type(self).__name__)
        for name in self.secrets:
            value = getattr(self, name)
            if value and not (value.isidentifier() and value.isascii()):
                raise ContractError(
                    f"{self.way}({name}=...) takes the name of an environment variable, such as API_TOKEN, and "
                    "never the secret itself."
                )


@dataclass(frozen=True)
class OnePage(_Choice):
    """All records are in one answer."""


@dataclass(frozen=True)
class NextLink(_Choice):
    """The answer holds the address of the next page."""

    # Where it stands in the answer, such as `links.next`. Without it, or null, the page was the last.
    path: str = "next"


@dataclass(frozen=True)
class HeaderLink(_Choice):
    """The header `Link` holds the address of the next page."""

    # The relation that names it there.
    rel: str = "next"


@dataclass(frozen=True)
class NextCursor(_Choice):
    """The answer holds a text that asks for the next page."""

    # Where it stands in the answer, such as `meta.next_cursor`. Without it, null or empty, the page was the last.
    path: str = "next_cursor"
    # The parameter that takes it.
    parameter: str = "cursor"


@dataclass(frozen=True)
class HeaderCursor(_Choice):
    """A header of the answer holds a text that asks for the next page."""

    # The name of the header.
    header: str = "X-Next-Cursor"
    # The parameter that takes it.
    parameter: str = "cursor"


@dataclass(frozen=True)
class Offset(_Choice):
    """A parameter says how many records to skip; the page without records is the last."""

    # The parameter that takes the number of records to skip.
    parameter: str = "offset"
    # The parameter that takes the size of a page. Empty: the API decides.
    limit_parameter: str = "limit"
    # The size that is asked for.
    limit: int = 100
    # So many records are asked for again with each page, to see whether the list has moved: rows that are deleted
    # meanwhile move others to pages that were read. It must be less than the API gives in a page.
    overlap: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.overlap < self.limit:
            raise ContractError("Offset(overlap=...) is 0 or more, and less than limit.")


@dataclass(frozen=True)
class PageNumber(_Choice):
    """A parameter holds the number of the page; the page without records is the last."""

    # The parameter that takes the number.
    parameter: str = "page"
    # The number of the first page.
    first: int = 1


@dataclass(frozen=True)
class Range(_Choice):
    """The header `Range` says which records to give; an answer without records, or 416, is the last."""

    # What is counted, as in `items=0-99`.
    unit: str = "items"
    # The size that is asked for.
    limit: int = 100


@dataclass(frozen=True)
class Bearer(_Choice):
    """A token in the header `Authorization`."""

    # The environment variable that holds the token.
    token: str
    secrets: ClassVar[tuple[str, ...]] = ("token",)


@dataclass(frozen=True)
class ApiKey(_Choice):
    """A key in a header, or as a parameter."""

    # The environment variable that holds the key.
    key: str
    # The header that takes it.
    header: str = "X-API-Key"
    # The parameter that takes it, instead of a header.
    parameter: str = ""
    secrets: ClassVar[tuple[str, ...]] = ("key",)


@dataclass(frozen=True)
class Basic(_Choice):
    """A user and a password."""

    # The environment variables that hold them.
    user: str
    password: str
    secrets: ClassVar[tuple[str, ...]] = ("user", "password")


@dataclass(frozen=True)
class OAuth2(_Choice):
    """A token that is fetched with the credentials of a client, and again when it is over."""

    # The address that gives tokens.
    token_url: str
    # The environment variables that hold the name of the client and its secret.
    client_id: str
    client_secret: str
    # What the token is for, as the API calls it.
    scope: str = ""
    secrets: ClassVar[tuple[str, ...]] = ("client_id", "client_secret")


@dataclass(frozen=True)
class Jwt(_Choice):
    """A token that is signed here, with a key of one's own."""

    # The environment variable that holds the key: a secret for HS256, a private key in PEM for RS256 or ES256.
    key: str
    # How it is signed.
    algorithm: str = "HS256"
    # What the token says beside its times, such as {"iss": "etl"}.
    claims: Mapping[str, Any] = field(default_factory=dict)
    # How long one holds.
    seconds: int = 600
    secrets: ClassVar[tuple[str, ...]] = ("key",)


#: The ways to follow pages, and those to show who asks, by name.
PAGES: Mapping[str, type[_Choice]] = {
    kind.__name__: kind
    for kind in (OnePage, NextLink, HeaderLink, NextCursor, HeaderCursor, Offset, PageNumber, Range)
}
AUTHS: Mapping[str, type[_Choice]] = {kind.__name__: kind for kind in (Bearer, ApiKey, Basic, OAuth2, Jwt)}


def chosen(option: str, given: Any, ways: Mapping[str, type[_Choice]]) -> Any:
    """Return one of several ways, from what people write or from its plain data; else ContractError."""
    if isinstance(given, Mapping) and given.get("way") in ways:
        way = ways[given["way"]]
        return way(**{one.name: given[one.name] for one in fields(way) if one.init and one.name in given})
    if type(given) in ways.values():
        return given
    names = ", ".join(f"{name}()" for name in ways)
    what = unknown(f"Rest({option}={given!r}) is not a way", str(given), ways, f"Write one of {names}")
    raise ContractError(sentence(what))
