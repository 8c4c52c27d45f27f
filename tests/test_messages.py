"""Every message is plain English: it is read at seven in the morning, by somebody who did not write it."""

import re
from collections.abc import Iterable, Iterator

from tests.support.messages import HOLE, Message, of_package

#: What reads like a translation, and what to write instead.
ODD = {
    r"\b(?<!here )(?:is|are|was) no (?!longer|more|room)": "is not a ...",
    r"\bis none (?:of|that|such|is)\b|\bis none$": "is not one of ...",
    r"\banew\b": "again, or rebuild",
    r"\bmend(?:s|ed)?\b": "fix",
    r"\bthere twice\b": "appears twice",
    r"\bcame of\b|\b(?:what|which) came\b": "name the thing",
    r"\bof which\b|\bas which\b|\bof whom\b": "a sentence of its own",
    r"\bto be had\b": "name the thing",
    r"\bwhich stays? until\b": "a sentence of its own",
    r"\bnone that\b": "not one that ...",
    r"\b(?:says?|said|has|have|knows?) not\b(?! (?:been|to))": "does not say, has not ...",
    r"\bcall it another\b|\bis another one\b": "name the thing",
    r"(?:^|[.] )Who\b": "If you ...",
    r"\bhas none\b|\bhave none\b": "has no ...",
    r"\bgives?\b[^.]{1,40}\bup\b": "discard",
    r"\botherwise than\b|\bcomes? out otherwise\b": "differs from",
    r"\bone may\b|\bone can\b": "you can",
    r"\bwhether or not it be\b|\bbe it\b": "name the cases",
    r"\bno work of\b|\bin the way of\b": "say what to move",
    r"\btwo things of\b": "two values for",
}
_COMMAND = re.compile(r"(?:[:] |\n *|`)(?:[A-Z_]+=\S+ )?(?:etl|luigi|pip|fuser|mkdir)\b[^.]*`?$")
_START = re.compile(rf"[A-Z{HOLE}'\"`(0-9]|[\w./-]*[.=_(]|\n")
_VERBS = "is|are|has|have|says|needs|does|names|may|must|matches|imports|holds|cannot|can|gives|makes|wants"
_NO_SUBJECT = re.compile(rf"{HOLE}(?::{HOLE})?: (?:{_VERBS})\b")


#: The rooms that are judged.
ROOMS = (
    "errors",
    "project",
    "ledger",
    "engine",
    "contract",
    "models",
    "stages",
    "plan",
    "reports",
    "run",
    "operations",
    "tasks",
)


def judged(messages: Iterable[Message]) -> Iterator[Message]:
    """Leave out what stands in other rooms."""
    return (message for message in messages if re.match(rf"etl/(?:{'|'.join(ROOMS)})\b", message.place))


def faults(message: Message) -> list[str]:
    """Return what is not plain in one message of an error."""
    text = message.text.rstrip(" ")
    if text == HOLE:  # passed on: it is judged where it is made
        return []
    found = []
    if not _START.match(text):
        found.append("begins with neither a capital nor a name")
    if not text.endswith((".", "?")) and not _COMMAND.search(text):
        found.append("ends in no full stop, no question mark and no command")
    if text.endswith(("..", "?.", ":.")):
        found.append("ends in two marks")
    if _NO_SUBJECT.search(text):
        found.append("has no subject after the colon")
    return found


def odd(text: str) -> list[str]:
    """Return what reads like a translation in a text, with the advice."""
    flat = " ".join(text.split())
    return [f"{found[0].strip()!r} -> {advice}" for p, advice in ODD.items() if (found := re.search(p, flat))]


def test_every_message_of_an_error_is_a_sentence() -> None:
    wrong = [f"{message} {fault}" for message in judged(of_package().messages()) for fault in faults(message)]
    assert not wrong, "\n".join(wrong)


def test_no_text_reads_like_a_translation() -> None:
    wrong = [f"{message} {fault}" for message in judged(of_package().texts()) for fault in odd(message.text)]
    assert not wrong, "\n".join(wrong)
