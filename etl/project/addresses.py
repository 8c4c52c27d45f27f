"""Addresses of places elsewhere: to which a project sends what it publishes, and where its jobs are done."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from etl.errors import ConfigError

#: What an address begins with, and what one is.
SCHEMES = {"file": "file:///mnt/share/shop", **{name: f"{name}://shop/warehouse" for name in ("s3", "gs", "az")}}


def check_url(url: str, where: str) -> None:
    """Raise ConfigError unless `url`, which is set at `where`, is the address of a place for a mirror."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in SCHEMES and bool(parts.path if parts.scheme == "file" else parts.hostname)
        has_more = bool(parts.query or parts.fragment) or "@" in parts.netloc
        has_host = parts.scheme == "file" and bool(parts.netloc)
    except ValueError:
        is_whole = has_more = has_host = False
    if has_more:
        # it may be a secret
        raise ConfigError(
            f"{where} is an address alone, without a user, a password, ? or #. What it is asked with is in the "
            "environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if not is_whole or has_host:
        raise ConfigError(f"{where} = {url} is not an address such as {', '.join(SCHEMES.values())}.")


def check_executor(url: str, where: str) -> None:
    """Raise ConfigError unless `url`, which is set at `where`, is the address of something that does jobs."""
    if "@" in url or "?" in url:
        # it may be a secret
        raise ConfigError(f"{where} is an address alone, without a user, a password or a query.")
    if not re.fullmatch(r"processes://[1-9]\d{0,2}|spark://local-cluster|(dask|spark|sc)://[^\s/]+:\d+", url):
        raise ConfigError(
            f"{where} = {url} is not an address such as processes://4, dask://host:8786, spark://host:7077 or "
            "sc://host:15002."
        )
