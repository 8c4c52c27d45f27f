"""Every message is plain English: it is read at seven in the morning, by somebody who did not write it."""

import re
from pathlib import Path

import pytest

from tests.support.messages import HOLE, Message, Package, of_package

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
    r"\b(?:says?|knows?) not\b|\b(?:has|have) not(?=[.,:;]|$)": "does not say, has not ...",
    r"\bcall it another\b|\bis another one\b": "name the thing",
    r"\bWho knows\b": "If you ...",
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
    wrong = [f"{message} {fault}" for message in of_package().messages() for fault in faults(message)]
    assert not wrong, "\n".join(wrong)


def test_no_text_reads_like_a_translation() -> None:
    wrong = [f"{message} {fault}" for message in of_package().texts() for fault in odd(message.text)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ('raise StepError("the file is gone")', "begins"),
        ('raise StepError(f"{file} is gone")', "ends in no full stop"),
        ('raise StepError(f"{file}: is not a file.")', "no subject"),
        ('said = f"{file} cannot be read: {error}"\nraise StepError(said)', "ends in no full stop"),
        ('def error(what):\n    return StepError(f"{what}: {what}")', "ends in no full stop"),
        ('class Own(StepError): ...\nfound = Own("a fault" if x else f"A fault of {x}.")', "begins"),
        ('raise StepError("\\n".join(f"{a}: {b}" for a in c))', "ends in no full stop"),
    ],
)
def test_a_new_message_is_judged_wherever_it_is_made(tmp_path: Path, code: str, fault: str) -> None:
    (tmp_path / "etl").mkdir()
    (tmp_path / "etl" / "new.py").write_text(code)
    found = [fault for message in Package(tmp_path / "etl").messages() for fault in faults(message)]
    assert any(text.startswith(fault) or fault in text for text in found), found


@pytest.mark.parametrize(
    "code",
    [
        'raise StepError(f"{file} is gone. Run again.")',
        'raise StepError(f"{file} cannot be read: {sentence(error)}")',
        'raise StepError(f"There is nothing yet. To make it: etl init {folder}")',
        'raise StepError("Is the disk full?")',
        'raise ValueError("is no number")',
    ],
)
def test_a_plain_message_passes(tmp_path: Path, code: str) -> None:
    (tmp_path / "etl").mkdir()
    (tmp_path / "etl" / "new.py").write_text(code)
    assert not [fault for message in Package(tmp_path / "etl").messages() for fault in faults(message)]


def test_odd_texts_are_found() -> None:
    assert [bool(odd(text)) for text in ("a is no b", "built anew", "there is no b", "it is no longer there")] == [
        *(True, True, False, False)
    ]
