"""What must not be said: the values of environment variables that hold secrets, and the file that a schedule has
them from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from etl.errors import ConfigError
from etl.project.channels import EVENTS, EVENTS_SECRET, HOOK_SECRET, HOOK_TOKENS, NOTIFY, OTLP, OTLP_HEADERS, PING

#: The file with the secrets of what runs by a schedule, in the project's folder.
FILE = "etl.env"
_SECRET = re.compile(r"PASSW|SECRET|TOKEN|KEY|CREDENTIAL|DSN|PRIVATE|_URL$|_URI$|DATABASE", re.IGNORECASE)
#: Variables that hold several addresses or secrets.
_SEVERAL = (EVENTS, EVENTS_SECRET, HOOK_SECRET, HOOK_TOKENS, OTLP, OTLP_HEADERS)
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*")
#: A shorter value may be a word of any text.
_LEAST = 6
_HIDDEN = "***"
#: An address with a password, up to it; the password may hold an @ itself.
_LOGIN = re.compile(r"([A-Za-z][\w+.-]*://[^\s:/?#@]*:)(?!\*\*\*@)[^\s/?#]*@")
#: What an address consists of; of its parts, none that may be a token is said. Names of hosts, and plain words
#: such as those of its options, may be.
_PARTS = re.compile(r"[:/@?&=;,\s]+")
_HARMLESS = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z]{1,15}|\d{1,5}")


def scrubbed(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a text in which every value of a secret variable, and every longer part of an address, is `***`."""
    for value in _values(environment):
        text = text.replace(value, _HIDDEN)
    return text


def without_secrets(text: str, names: Iterable[str] = (), environment: Mapping[str, str] = os.environ) -> str:
    """Return a text without secrets: those of scrubbed(), of these variables, and of any address with a password.

    Of an address such as postgresql://ann:word@host/shop all but the password stays: postgresql://ann:***@host/shop.
    """
    for value in sorted(filter(None, (environment.get(name) for name in names)), key=len, reverse=True):
        if "://" not in value:
            # not an address, and to look for one in a long key takes longer than all the rest
            text = text.replace(value, _HIDDEN)
            continue
        address = _LOGIN.sub(rf"\1{_HIDDEN}@", value)
        text = text.replace(value, address)
        for login in _LOGIN.finditer(value):
            word = login[0].removeprefix(login[1]).removesuffix("@")
            for spelled in {word, unquote(word)}:
                text = text.replace(spelled, _HIDDEN) if len(spelled) >= 3 else text
    return scrubbed(_LOGIN.sub(rf"\1{_HIDDEN}@", text), environment)


def read_environment(root: Path) -> dict[str, str]:
    """Return the variables of a project's etl.env: `NAME=value` lines, taken as they are; none without the file.

    Quotes around a whole value are left out, and nothing else is expanded. Raises ConfigError for another line,
    and for a file that others may read.
    """
    path = root / FILE
    if not path.is_file():
        return {}
    if mode := path.stat().st_mode & 0o077:
        raise ConfigError(
            f"{path} holds secrets, and others may open it ({mode:03o}). Close it: `chmod 600 {FILE}`."
        )
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8. Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}. Give it to the user of the schedule."
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigError(f"{path}:{number}: the line is not NAME=value. Correct it, or begin it with #.")
        value = match[2]
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[match[1]] = value[1:-1] if is_quoted else value
    return found


def use_environment(root: Path) -> None:
    """Set the variables of a project's etl.env that are not set. Raises ConfigError as read_environment() does."""
    for name, value in read_environment(root).items():
        os.environ.setdefault(name, value)


def _values(environment: Mapping[str, str]) -> list[str]:
    """Return what must not be said, the longest first."""
    found: set[str] = set()
    for name, value in environment.items():
        if name == NOTIFY or name.startswith((f"{NOTIFY}_", PING)) or name in _SEVERAL:
            found |= {part for address in value.split() for part in _parts(address)}
        elif _SECRET.search(name):
            found.add(value)
            # of an address, who logs in is no secret, and may be any word
            login = re.split("[/?#]", value.partition("://")[2])[0].rpartition("@")[0]
            password = login.partition(":")[2]
            found |= {password, unquote(password)}
    return sorted((value for value in found if len(value) >= _LEAST), key=len, reverse=True)


def _parts(address: str) -> set[str]:
    """Return what is secret of an address: all of it, who logs in and with what, and what may be a token."""
    _, _, rest = address.partition("://")
    login = re.split("[/?#]", rest)[0].rpartition("@")[0]
    own = set(_PARTS.split(login))
    own |= {part for part in _PARTS.split(rest) if not _HARMLESS.fullmatch(part)}
    return {address, rest, *own, *map(unquote, own)}
