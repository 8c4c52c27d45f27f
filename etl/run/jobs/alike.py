"""What a worker must have in common with the process that holds the run, or it would make other bytes."""

from __future__ import annotations

import locale
import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from etl.ledger import fingerprint
from etl.project import Project
from etl.sources import Source
from etl.stages import lake
from etl.stages.raw import Delivery

_PACKAGES = ("etl", "duckdb", "pyarrow", "pandas", "pandera", "numpy")


def facts(project: Project, source: Source, deliveries: Sequence[Delivery]) -> dict[str, str]:
    """Return what this process is like, and how it understands the source."""
    days = {source.since(delivery.date): delivery.date for delivery in deliveries}
    definitions = (lake.definition(source.at(day), project.settings.timezone) for _, day in sorted(days.items()))
    return {**machine(project), "the definition of the source": " ".join(definitions)}


def machine(project: Project) -> dict[str, str]:
    """Return what this process is like: versions, time zone, locale, and the variables of the project."""
    zone = project.settings.timezone
    return {
        "Python": ".".join(map(str, sys.version_info[:3])),
        **{name: _version(name) for name in _PACKAGES},
        "the time zone": f"{zone} in luigi.cfg, {time.tzname[0]} of the machine, TZ={os.environ.get('TZ', '')}",
        "the locale": ".".join(map(str, locale.getlocale())),
        "the byte order": sys.byteorder,
        # they may be what nobody else is to see
        "the hash of [etl.vars]": fingerprint(sorted(project.variables.items())),
    }


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return, as parts of a sentence, in what a worker differs; nothing that is compared is secret."""
    return [
        f"{name} is {found.get(name) or 'not there'} and not {value or 'not there'}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
