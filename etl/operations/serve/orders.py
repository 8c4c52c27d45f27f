"""What a form asks for, as the arguments of the command that does it; judged before anything begins."""

from __future__ import annotations

from collections.abc import Sequence

from etl.operations import quarantine as rejected
from etl.operations.serve.asked import Asked, Refusal, fields_of, plain
from etl.stages import published

_LONGEST_REASON = 500


def begin_run(asked: Asked) -> Sequence[str]:
    """Return the command of a run of everything that is new or waits."""
    return ["run"]


def discard(asked: Asked) -> Sequence[str]:
    """Return the command that discards the selected records, for a reason."""
    if not (reason := asked.text("reason")):
        raise Refusal(400, "Give a reason. It is all that will be known of these records later.")
    _check_records(asked)
    return ["quarantine", "discard", f"--reason={_reason(reason)}", *_selected(asked), "--", asked.names[0]]


def replay(asked: Asked) -> Sequence[str]:
    """Return the command that judges the selected records again."""
    if asked.text("line") or asked.text("file"):
        raise Refusal(400, "Records are judged again by date and rule, not line by line.")
    _check_records(asked)
    return ["quarantine", "replay", *_selected(asked), "--", asked.names[0]]


def rollback(asked: Asked) -> Sequence[str]:
    """Return the command that makes an earlier generation the current one."""
    name = plain(asked.names[0])
    if name not in published.generations(asked.project):
        raise Refusal(404, "There is no such generation.")
    current = published.current(asked.project) or ""
    if asked.text("current") not in ("", current):
        raise Refusal(409, f"The current generation is {current} by now. Look again, and then decide.")
    return ["rollback", f"--reason={_reason(asked.text('reason'))}", "--", name]


def _check_records(asked: Asked) -> None:
    """Raise Refusal if there are none of the records, or not as many as were shown."""
    page = rejected.first_records(asked.project, asked.names[0], asked.selection(), 1)
    number = page.total - page.discarded
    if not number:
        raise Refusal(404, "No such record is in quarantine.")
    if asked.text("records") not in ("", str(number)):
        raise Refusal(409, f"There are {number:,} such records by now. Look again, and then decide.")


def _selected(asked: Asked) -> list[str]:
    found = []
    for name, value in fields_of(asked.selection()).items():
        values = value if isinstance(value, list) else [value] if value else []
        found += [f"--{name}={item}" for item in values]
    return found


def _reason(text: str) -> str:
    if len(text) > _LONGEST_REASON:
        raise Refusal(400, f"The reason has more than {_LONGEST_REASON} characters. Say it shorter.")
    return text
