"""What is wrong after a run, by cause: what, why and what next; a cause that many things share is named once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from etl.errors import counted, few, sentence
from etl.ledger import Check, fingerprint

#: The kinds: what keeps a night from being published; what is late by the clock; all else is a warning.
FAILURE, OVERDUE = "failure", "overdue"
#: What an audit of what is published found: an error, one after which it was rolled back, and a warning.
AUDITED, ROLLED_BACK, DOUBTED = "audited", "rolled back", "doubted"
#: What a leak check found.
LEAKING = "leaking"
#: The kinds that are told every night, and whose end is told.
FAILURES = (FAILURE, OVERDUE, AUDITED, ROLLED_BACK, LEAKING)
LATE, CHECK, NOTE, REFUSED, REJECTED, OPTIONAL, DISK, SLOW = (
    *("late", "check", "note", "refused"),
    *("rejected", "optional", "disk", "slow"),
)

#: What failed, by what a problem is noted for: the task of Luigi, or the part of the run.
_FAILED = {
    "LakePartition": "A delivery was not taken",
    "LoadedTable": "A table was not loaded",
    "BuiltModel": "A model was not built",
    "AuditedWarehouse": "An audit failed",
    "PublishedWarehouse": "Nothing could be published",
    "RawFile": "A delivery was not made",
    "workers": "The run ended early",
    "interrupted": "The run was stopped",
    "hung": "A step hung, and the run was ended",
    "plan": "The run could not begin",
    "deadline": "The night was not over in time",
    "ledger": "The end of the run could not be noted",
}
#: What to type, beside what the message itself says.
_NEXT = {
    "LakePartition": "To see what was refused: etl quarantine",
    "BuiltModel": "To build it again: etl run",
    "AuditedWarehouse": "To see the rows: etl audits NAME, or etl sql --candidate",
    "plan": "To look for more of the kind: etl check",
}
_SENTENCE = re.compile(r"(?<=[.?]) (?=[A-Z`'\"(])")
#: What differs from night to night, though the cause is the same.
_CHANGING = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}|\b(?=[a-f]*\d)[0-9a-f]{4,}\b|\d+")
#: How a message about a table begins that could not be made.
_MADE = re.compile(r"([\w.]+)(?: \([^)\n]*\))? could not be (?:built|loaded)\b")
_WORD = re.compile(r"[^\W\d][\w.]*")
_NAMED, _LONG, _EXAMPLES = 5, 700, 3


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that is wrong; `key` is the same on another night, `subject` is what it is about."""

    key: str
    kind: str
    what: str
    subject: str = ""
    why: str = ""
    next: str = ""
    step: str = ""
    examples: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        """Whether it keeps somebody from having data, so that it is said every night, and its end too."""
        return self.kind in FAILURES


def failures(problems: Iterable[tuple[str, str]], checks: Mapping[str, Check]) -> list[Cause]:
    """Return the causes of what failed in a run: `problems` are step and message, `checks` those of this run."""
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for step, message in problems:
        grouped[step, _alike(message)].append(message)
    return [_failure(step, alike, messages, checks) for (step, alike), messages in grouped.items()]


def _failure(step: str, alike: str, messages: Sequence[str], checks: Mapping[str, Check]) -> Cause:
    first, subject = messages[0], _subject(messages[0])
    what, why, following = parts(first)
    failed = _FAILED.get(step, "A step failed")
    if len(messages) > 1:
        names = few(dict.fromkeys(filter(None, map(_subject, messages))), _NAMED)
        what, why = f"{counted(len(messages), 'time')} for one cause ({names})", f"{what}: {why}" if why else what
        subject = ""
    key = fingerprint(FAILURE, step, alike, _CHANGING.sub("#", subject))
    commands = _NEXT.get(step, "")
    if step == "LakePartition" and len(messages) == 1 and subject:
        commands = f"{commands} {subject.split()[0]}"
    examples: tuple[str, ...] = ()
    if step == "AuditedWarehouse":
        broken = [c for c in checks.values() if not c.passed and c.severity == "error"]
        examples = tuple(text for check in broken for text in check.examples)[:_EXAMPLES]
        commands = commands.replace("NAME", broken[0].name) if broken else commands
        if len(broken) > 1:
            what = f"{counted(len(broken), 'check')} failed, the first: {what}"
    return Cause(
        key=key,
        kind=FAILURE,
        subject=subject,
        what=f"{failed}: {what}",
        why=why,
        next=" ".join(filter(None, [following, sentence(commands) if commands else ""])),
        step=step,
        examples=examples,
    )


def parts(message: str) -> tuple[str, str, str]:
    """Return what happened, why, and what to do next, as a message of etl says it, each on one line."""
    first, *further = [line.strip() for line in message.strip().splitlines()] or [""]
    sentences = _SENTENCE.split(first)
    heads = sentences[0].split(": ")
    what, why = ": ".join(heads[:2]), ": ".join(heads[2:])
    if len(heads) == 2 and len(heads[0].split()) > 4:
        what, why = heads
    following = sentences.pop() if len(sentences) > 1 else ""
    # of an audit that failed, the rows below are its examples
    more = [] if "offending row" in first else [line for line in further if line.strip("^") and line != "LINE 1:"]
    why = " ".join(filter(None, [why, *sentences[1:], *more]))
    return what.rstrip("."), why[:_LONG], following


def missing(lacking: Iterable[tuple[str, str]], notes: Mapping[str, Sequence[str]]) -> list[Cause]:
    """Return the causes of required deliveries that are not there, by source and day; `notes` are of sources."""
    found = []
    for source, day in lacking:
        said = "; ".join(notes.get(source, ()))
        found.append(
            Cause(
                key=fingerprint(FAILURE, "missing", source),
                kind=FAILURE,
                subject=source,
                what=f"A required delivery is missing: {source} {day}",
                why=f"Nothing is published without it. {said}".strip(),
                next="Have it delivered, and run again: etl run",
                step="RawFile",
            )
        )
    return found


def warnings_of(checks: Mapping[str, Check]) -> list[Cause]:
    """Return a warning for each check that found rows, and does not stop the night."""
    return [
        Cause(
            key=fingerprint(CHECK, check.name),
            kind=CHECK,
            subject=check.table_name,
            what=f"{check.name} found {counted(check.failing, 'row')} in {check.table_name}",
            next=f"To see them: etl audits {check.name}",
            examples=tuple(check.examples[:_EXAMPLES]),
        )
        for check in checks.values()
        if not check.passed and check.severity != "error"
    ]


def grouped(kind: str, texts: Iterable[tuple[str, str]], following: str = "") -> list[Cause]:
    """Return warnings about subjects, of which those that say the same of several name it once."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for subject, text in texts:
        found[_alike(text, subject)].append((subject, text))
    causes = []
    for alike, members in found.items():
        subjects = list(dict.fromkeys(subject for subject, _ in members))
        what = f"{few(subjects, _NAMED)}: {members[0][1].splitlines()[0]}"
        causes.append(
            Cause(
                key=fingerprint(kind, alike, subjects if len(subjects) == 1 else ""),
                kind=kind,
                subject=", ".join(subjects),
                what=what[:_LONG],
                next=following,
            )
        )
    return causes


def owned(causes: Iterable[Cause], owners: Mapping[str, str]) -> list[Cause]:
    """Return causes with the owners of the sources and tables that they name."""
    found = []
    for cause in causes:
        words = _WORD.findall(f"{cause.subject} {cause.what} {cause.why}")
        names = [name for word in words for name in (word.rstrip("."), word.split(".")[0]) if name in owners]
        found.append(replace(cause, owners=tuple(dict.fromkeys(owners[name] for name in names))))
    return found


def _subject(message: str) -> str:
    """Return what a message is about: what could not be made, or the words before its first colon, if few."""
    if found := _MADE.match(message):
        return found[1]
    head, mark, _ = message.splitlines()[0].partition(": ") if message else ("", "", "")
    return head if mark and len(head.split()) <= 4 else ""


def _alike(message: str, subject: str = "") -> str:
    """Return what is left of a message when its dates, numbers, examples and its subject are taken out."""
    lines = [line for line in message.splitlines() if not line.startswith("    ")]
    text = "\n".join(lines)
    words = {part for word in _WORD.findall(subject or _subject(message)) for part in (word, word.split(".")[-1])}
    for word in sorted(filter(None, words), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "*", text)
    return _CHANGING.sub("#", text)
