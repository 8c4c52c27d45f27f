"""A block of lines in a user's crontab: what it did not write, it leaves as it is, byte for byte."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess

from etl.errors import ConfigError, sentence
from etl.operations.schedule.entry import Entry

_SECONDS = 30
#: What the first line of a block says if the user had no crontab before.
_NONE_BEFORE = "none before"


def read(user: str) -> bytes | None:
    """Return a user's crontab; None if there is none. Raises ConfigError if cron is not there or refuses."""
    done = _crontab(user, "-l")
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if "no crontab for" in said:
        return None
    raise ConfigError(f"The crontab cannot be read. {sentence(said or 'crontab -l failed')}")


def write(user: str, text: bytes | None) -> None:
    """Replace a user's crontab; None removes it. Raises ConfigError if cron refuses it."""
    done = _crontab(user, "-r") if text is None else _crontab(user, "-", text)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ConfigError(f"The crontab was not changed. {sentence(said or 'crontab failed')}")


def install(entry: Entry) -> None:
    """Put the block of a schedule into the crontab of its user, in the place of the one that is there."""
    before = read(entry.user)
    write(entry.user, with_block(before, entry))


def remove(entry: Entry) -> bool:
    """Take the block of a schedule out of the crontab of its user; return whether there was one."""
    before = read(entry.user)
    if before is None or find_block(before, entry.id) is None:
        return False
    write(entry.user, without_block(before, entry.id))
    return True


def with_block(text: bytes | None, entry: Entry) -> bytes:
    """Return a crontab with the block of a schedule at its end, or where its block was."""
    if text is not None and (found := find_block(text, entry.id)):
        start, stop = found
        is_none_before = _NONE_BEFORE.encode() in text[start:stop].splitlines()[0]
        return text[:start] + _block(entry, text[:start], is_none_before) + text[stop:]
    before = text or b""
    if before and not before.endswith(b"\n"):
        raise ConfigError(
            "The last line of the crontab has no end, and so cron does not run it. Correct it with crontab -e."
        )
    return before + _block(entry, before, text is None)


def without_block(text: bytes, id: str) -> bytes | None:
    """Return a crontab as it was before its block; None if there was none."""
    found = find_block(text, id)
    if found is None:
        return text
    start, stop = found
    rest = text[:start] + text[stop:]
    return None if not rest and _NONE_BEFORE.encode() in text[start:stop].splitlines()[0] else rest


def find_block(text: bytes, id: str) -> tuple[int, int] | None:
    """Return where the block of a schedule begins and ends. Raises ConfigError if somebody has changed it."""
    pattern = rb"^# BEGIN etl %b (?P<hash>\w+)[^\n]*\n(?P<lines>(?:(?!# END etl )[^\n]*\n)*)# END etl %b\n"
    found = re.search(pattern % (id.encode(), id.encode()), text, re.MULTILINE)
    if found is None:
        if f"# BEGIN etl {id}".encode() in text:
            raise ConfigError(
                f"The block of etl in the crontab has no end. Put the line '# END etl {id}' behind its lines with "
                "crontab -e."
            )
        return None
    if found["hash"].decode() != _hash(found["lines"]):
        raise ConfigError(
            f"Somebody has changed the lines between '# BEGIN etl {id}' and its END in the crontab. Take them out "
            "with crontab -e, and run this again."
        )
    return found.span()


def _block(entry: Entry, before: bytes, is_none_before: bool) -> bytes:
    lines = f"{entry.crontab_line()}\n".encode()
    if entry.mailto:
        # a variable holds for all lines below it, and those are somebody else's
        lines = f"MAILTO={entry.mailto}\n".encode() + lines + _mailto_before(before, entry.user)
    none = f", {_NONE_BEFORE}" if is_none_before else ""
    told = f"by etl schedule install; etl schedule remove takes it out{none}"
    head = f"# BEGIN etl {entry.id} {_hash(lines)} ({told})\n"
    return head.encode() + lines + f"# END etl {entry.id}\n".encode()


def _mailto_before(before: bytes, user: str) -> bytes:
    """Return the line that makes mail go where it went before: to the crontab's owner, if nothing else says so."""
    found = re.findall(rb"^\s*MAILTO\s*=[^\n]*\n", before, re.MULTILINE)
    return bytes(found[-1]) if found else f"MAILTO={user}\n".encode()


def _hash(lines: bytes) -> str:
    return hashlib.sha256(lines).hexdigest()[:12]


def _crontab(user: str, what: str, text: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("crontab", path="/usr/bin:/bin:/usr/local/bin")
    if program is None:
        raise ConfigError(
            "There is no cron on this machine. Install it, such as by apt install cron, or use --systemd."
        )
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    command = [program, "-u", user, what]
    return subprocess.run(
        command, input=text or b"", capture_output=True, timeout=_SECONDS, env=environment, check=False
    )
