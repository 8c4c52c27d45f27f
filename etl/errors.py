"""Every way a command or a step of `etl` can fail on purpose.

    EtlError
    ├── ConfigError        luigi.cfg, the command line or the project folder is wrong
    ├── ContractError      a contract or a source cannot be compiled
    ├── ModelError         a file under sql/ is not a model, an audit or a test of a model
    │   └── UnsupportedOnSpark  a model's SELECT has what Spark is not known to compute as DuckDB does
    ├── QueryError         the query of `etl sql` is wrong
    ├── AlreadyRunning     another run holds the project
    ├── NoRoom             the disk cannot hold what the run would write
    ├── Crash              etl itself failed, in a way that nobody foresaw
    └── StepError          a step of the run failed; what was published stays
        ├── DeliveryError      a raw file was refused, or changed while it was read
        │   └── UnreadableError    a raw file has no records that its format can find
        ├── RecordsLost        records of a raw file are unaccounted for (law 1)
        ├── WithdrawnError     too many published partitions of a source vanished at once
        ├── TransformError     a model's SELECT failed in DuckDB
        ├── LedgerError        the ledger cannot be read or written
        ├── AuditError         an error-severity check found offending rows
        ├── NotReproduced      a generation or a failure does not come out as it was
        ├── PromotionRefused   a generation may not be promoted to another environment
        ├── PublishError       a generation could not be written, found or switched to
        ├── TimedOut           a step took longer than its source or model allows, and was ended
        ├── DeadlinePassed     a step could not be finished by the deadline, and was not begun
        └── PublishHeld        the project is rolled back, and what was wrong has not changed

A message says what happened, where, why, and what to do next. It is the whole text that a user sees: short
sentences, the subject first, and at the end what to type. The functions below are its phrasebook.
"""

from __future__ import annotations

import errno
import json
import re
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

#: A longer text is cut where a table or a message shows it.
LONGEST = 1_000
#: So is a longer line of a message.
_LONGEST_LINE = 10_000
#: So many known names are listed beside one that is not known.
_MOST_NAMES = 20

#: What a message about a full disk says.
FULL = "No space left on device"
#: What DuckDB writes before the cause of an error, which is JSON then.
_WRAPPING = re.compile(r"(?:\b(?:\w+ )*Error: )?[^:{\n]*:? ?(?=\{\"exception_type\")")
#: What it writes when there is no room for what does not fit in memory; advice about its settings follows.
_NOT_SPILLED = re.compile(
    r"(?:Out of Memory Error: )?failed to offload data block[^(\n]*(\([^)\n]*\))?.*", re.DOTALL
)
#: Its advice where memory is short, in words of its own settings.
_ADVICE = re.compile(r"\s*Possible solutions:\n(?:\* [^\n]*\n?)+(?:\s*See also https:\S+)?")


def few(texts: Iterable[object], limit: int = 5, separator: str = ", ") -> str:
    """Return texts as a message lists them, each printable: all, or the first ones and how many more there are."""
    listed = list(texts)
    more = f" and {len(listed) - limit:,} more" if len(listed) > limit else ""
    return separator.join(printable(str(text)) for text in listed[:limit]) + more


def counted(number: int, noun: str) -> str:
    """Return a number and its noun as a message says them: `1 record`, `1,204 records`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def lasting(seconds: float | None) -> str:
    """Return a duration as hours, minutes and seconds with one digit: `0:00:02.6`; empty if nobody knows it."""
    if seconds is None:
        return ""
    tenths = round(seconds * 10)
    return f"{tenths // 36_000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def plain(text: str) -> str:
    """Return what DuckDB says of an error, without JSON around a cause and advice about its own settings."""
    if wrapping := _WRAPPING.search(text):
        try:
            cause, end = json.JSONDecoder().raw_decode(text, wrapping.end())
            text = f"{text[: wrapping.start()]}{cause['exception_message']}{text[end:]}"
        except (ValueError, KeyError):
            pass
    text = text.replace("IO Error: Could not write", "Could not write")
    return _ADVICE.sub("", _NOT_SPILLED.sub(rf"{FULL} for what does not fit in memory \1", text))


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error of the system, of DuckDB or of SQLite says that a disk is full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    text = str(error)
    kinds = {"IOException": FULL, "OutOfMemoryException": "failed to offload", "OperationalError": "disk is full"}
    return any(kind.__name__ in kinds and kinds[kind.__name__] in text for kind in type(error).__mro__)


def sentence(text: str) -> str:
    """Return a text as a sentence, whoever wrote it: its first line ends in one full stop or question mark."""
    first, *rest = plain(text).rstrip().split("\n")
    first = first.rstrip(" !,;:")
    return "\n".join([first if first.endswith((".", "?")) else f"{first}.", *rest])


def printable(text: str) -> str:
    """Return a text on one line, with control, format and bidirectional characters and line ends escaped.

    What is escaped is all that Python does not call printable: `\\x1b`, `\\n`, `\\u202e`, and half a character.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def printable_lines(text: str) -> str:
    """Return a message with each of its lines printable, and cut if it is endless."""
    if text.isprintable() and len(text) <= _LONGEST_LINE:
        return text
    return "\n".join(cut(printable(line), _LONGEST_LINE) for line in text.split("\n"))


def indented(text: str) -> str:
    """Return a message whose further lines are indented, so that nobody's text can begin one of ours."""
    return text.replace("\n", "\n    ")


def cut(text: str, longest: int = LONGEST, length: int | None = None) -> str:
    """Return a text, or its beginning and its length; the `length` if `text` is itself a beginning only.

    What is cut already stays as it is.
    """
    length = len(text) if length is None else length
    is_cut = len(text) < longest + 50 and text.startswith("... (", longest) and text.endswith(" characters)")
    return text if length <= longest or is_cut else f"{text[:longest]}... ({length:,} characters)"


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that is most like another one, ready to be shown; empty if none is.

    Where the two only look equal, or differ in letters beyond ASCII, their code points are shown beside.
    """
    near = nearest(name, known)
    return [] if near is None else [f"{printable(near)}{_codes(name, near)}"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one; None if none is."""
    looks = {_look(other): other for other in known}
    own = _look(name)
    found = [look for look in looks if look == own] or [look for look in looks if _may_look(own, look)]
    found = found or get_close_matches(own, looks, n=1)
    return looks[found[0]] if found else None


def unknown(said: str, name: str, known: Iterable[str], instead: str = "") -> str:
    """Return what is said of a name that is not known, and then the name that was probably meant.

    `There is no table x. Did you mean y?`; or, where no known name is close, `instead` or all of them.
    """
    names = sorted(known)
    close = closest(name, names)
    if close:
        return f"{said}. Did you mean {close[0]}?"
    there = f"There are: {few(names, _MOST_NAMES)}." if names else "There are none yet."
    return f"{said}. {sentence(instead) if instead else there}"


def _codes(name: str, other: str) -> str:
    different = {char for char in set(name) ^ set(other) if not (char.isascii() and char.isprintable())}
    if different or (name != other and _look(name) == _look(other) and name.casefold() != other.casefold()):
        return f" (it is {_spelt(other)}, not {_spelt(name)})"
    return ""


def _look(text: str) -> str:
    """Return a text without what nobody sees: how letters are composed, case, and blanks of any width."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in plain if unicodedata.category(char) not in ("Cf", "Cc", "Zs", "Zl", "Zp"))


def _may_look(name: str, other: str) -> bool:
    """Return whether two names differ only by letters of which one is beyond ASCII, such as a Cyrillic a."""
    pairs = [(a, b) for a, b in zip(name, other, strict=False) if a != b]
    return len(name) == len(other) and all(a.isascii() != b.isascii() for a, b in pairs)


def _spelt(text: str) -> str:
    """Return a text with the code point of each letter beyond ASCII."""
    return "".join(char if "!" <= char <= "~" else f"<U+{ord(char):04X}>" for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


#: Called with an error where it becomes a text, while a debugger waits for one.
watchers: list[Callable[[BaseException], object]] = []


def traced(error: BaseException) -> str:
    """Return where an error was raised, and those that led to it; without their texts, which can quote anybody.

    The error itself would keep alive whatever was open there.
    """
    for watch in watchers:
        watch(error)
    found: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        found.append(f"{type(cause).__name__}\n{''.join(traceback.format_tb(cause.__traceback__))}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(found)


class EtlError(Exception):
    """The root: catch it to handle everything that `etl` reports without a traceback."""

    #: What the `etl` command exits with; Luigi's own runs use the same numbers.
    exit_code = 30
    #: Of several things that were done in one go, what is to be said of each that failed; empty if it only waited.
    each: Mapping[str, str] = MappingProxyType({})
    #: What is said of several things in one text, each by itself; empty if it is about one.
    parts: Sequence[str] = ()
    #: Whether it says of something that passes by itself; see engine/retries.py.
    is_transient = False
    #: Of these, where some were raised: see traced().
    traces: Mapping[str, str] = MappingProxyType({})


class ConfigError(EtlError):
    """Raised when the project cannot be found, or a key of `[etl]` is wrong (30 if only DuckDB can tell)."""

    exit_code = 35


class ContractError(EtlError):
    """Raised when a contract or a source cannot be compiled."""

    exit_code = 35


class ModelError(EtlError):
    """Raised when a file under sql/ is not exactly one SELECT, or reads a table that nobody makes; or when a test
    of a model cannot be run.
    """

    exit_code = 35


class UnsupportedOnSpark(ModelError):
    """Raised when a model with `engine: spark` has what Spark is not known to compute as DuckDB does."""


class QueryError(EtlError):
    """Raised when the query of `etl sql` is wrong."""

    exit_code = 2


class AlreadyRunning(EtlError):
    """Raised when another run holds the project."""

    exit_code = 10


class NoRoom(EtlError):
    """Raised when the disk cannot hold what the run would write; nothing was begun."""

    exit_code = 35


class Crash(EtlError):
    """Raised when etl itself failed in a way that nobody foresaw; the traceback is in the log."""

    exit_code = 40

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}\nThis is a fault of etl. Please report it with the traceback above.")


class StepError(EtlError):
    """Raised when a step of the run failed: one of the following."""


class DeliveryError(StepError):
    """Raised when a raw file is refused, or changed while it was read."""


class UnreadableError(DeliveryError):
    """Raised when a raw file is not of its format at all: a damaged archive, a bomb, no such sheet."""


class FetchError(DeliveryError):
    """Raised when a source cannot be fetched, or does not say what its declaration expects: it is missing data."""

    exit_code = 20


class RecordsLost(StepError):
    """Raised when records of a file are unaccounted for; nothing of it is taken."""


class WithdrawnError(StepError):
    """Raised when more published partitions vanished than `max_withdrawn` allows: an unmounted folder?"""


class TransformError(StepError):
    """Raised when DuckDB cannot build a model."""


class LedgerError(StepError):
    """Raised when the ledger cannot be read or written, or a newer etl wrote it (35 at the start of a run). A
    damaged one is set aside, and made again from the lake.
    """


class AuditError(StepError):
    """Raised when the candidate breaks an error-severity check; nothing is published."""


class NotReproduced(StepError):
    """Raised when a generation cannot be rebuilt from what there is, or comes out different; or when a failed step
    does not fail again.
    """


class PromotionRefused(StepError):
    """Raised when a generation may not be promoted; the message says why, and what to do."""


class PublishError(StepError):
    """Raised when a generation cannot be written, found or switched to."""


class PublishHeld(StepError):
    """Raised when the project is rolled back, and nothing of what was wrong has changed."""


class DeadlinePassed(StepError):
    """Raised when a step cannot be finished by `[etl] deadline`; it is not begun, and what is done is kept."""


class TimedOut(StepError):
    """Raised when a model, or a step of a source, takes longer than its `timeout_minutes`; it is ended. What is
    done is kept, and what was published stays.
    """
