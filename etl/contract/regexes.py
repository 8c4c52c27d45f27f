"""Python regular expressions as RE2, DuckDB's dialect, matching the same strings or refused.

The pattern is parsed by Python's own parser and written anew, so that nothing depends on how the two dialects
read the same text. `\\w` and `\\d` follow RE2's Unicode tables, which may be newer than Python's.
"""

import re
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_SPACE = [(9, 13), (28, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)]
_SPACE += [(0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)]
# What `re.IGNORECASE` takes for the same letter beyond upper and lower case, when one of them is ASCII.
_CASES = {"i": "iI\u0130\u0131", "s": "sS\u017f", "k": "kK\u212a"}


def re2(pattern: "str | re.Pattern[str]", anchored: bool) -> str:
    """The RE2 text that matches what the pattern does; anchored at the start for `str_matches`.

    ValueError for what RE2 cannot do: look-around, back references, possessive repeats, conditions.
    """
    if isinstance(pattern, re.Pattern):
        text, flags = pattern.pattern, pattern.flags
    else:
        text, flags = pattern, 0
    if not isinstance(text, str):
        raise ValueError(f"pattern {text!r} is not text")
    try:
        tree = parser.parse(text, flags)
    except re.error as error:
        raise ValueError(f"pattern {text!r} is not a regular expression: {error}") from error
    try:
        body = _sequence(tree, tree.state.flags, tail=True)
    except ValueError as error:
        raise ValueError(f"pattern {text!r} cannot run in DuckDB: {error}") from error
    return rf"\A(?:{body})" if anchored else body


def _sequence(items: Any, flags: int, tail: bool) -> str:
    nodes = list(items)
    return "".join(_node(op, arg, flags, tail and i == len(nodes) - 1) for i, (op, arg) in enumerate(nodes))


def _node(op: Any, arg: Any, flags: int, tail: bool) -> str:
    """One node of Python's parse tree; `tail` when nothing can come after it."""
    if op is ops.LITERAL:
        return _set([(op, arg)], flags) if flags & re.I else _char(arg)
    if op is ops.NOT_LITERAL:
        return _set([(ops.NEGATE, None), (ops.LITERAL, arg)], flags)
    if op is ops.ANY:
        return "(?s:.)" if flags & re.S else r"[^\n]"
    if op is ops.IN:
        return _set(arg, flags)
    if op is ops.AT:
        return _position(arg, flags, tail)
    if op is ops.BRANCH:
        return "(?:" + "|".join(_sequence(branch, flags, tail) for branch in arg[1]) + ")"
    if op is ops.SUBPATTERN:
        _, add, remove, inner = arg
        return "(?:" + _sequence(inner, (flags | add) & ~remove, tail) + ")"
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
        return _repeat(arg, flags, "?" if op is ops.MIN_REPEAT else "")
    raise ValueError(f"RE2 has no {str(op).lower()} (look-around, back reference, possessive, condition)")


def _repeat(arg: Any, flags: int, lazy: str) -> str:
    least, most, inner = arg
    if least > 1000 or 1000 < most < ops.MAXREPEAT:
        raise ValueError("a repeat of more than 1000 is not in RE2")
    times = f"{{{least},{'' if most == ops.MAXREPEAT else most}}}"
    return f"(?:{_sequence(inner, flags, tail=False)}){times}{lazy}"


def _position(at: Any, flags: int, tail: bool) -> str:
    multiline = bool(flags & re.M)
    if at is ops.AT_BEGINNING_STRING or (at is ops.AT_BEGINNING and not multiline):
        return r"\A"
    if at is ops.AT_END_STRING:
        return r"\z"
    if at in (ops.AT_BEGINNING, ops.AT_END) and multiline:
        return "(?m:^)" if at is ops.AT_BEGINNING else "(?m:$)"
    if at is ops.AT_END and tail:
        return r"\n?\z"  # Python's `$` also matches before a newline that ends the text
    if at is ops.AT_END:
        raise ValueError(r"`$` before the pattern's end differs in RE2. Write \Z, or (?m)$ for a line")
    if flags & re.A:
        return r"\b" if at is ops.AT_BOUNDARY else r"\B"
    raise ValueError(r"\b and \B know only ASCII letters in RE2. Begin with (?a) if that is meant")


def _set(items: list[tuple[Any, Any]], flags: int) -> str:
    """A character class; case-insensitive ones list every letter, since the two dialects fold differently."""
    negate = items[0][0] is ops.NEGATE
    parts = [_member(op, arg, flags) for op, arg in items[negate:]]
    return "[" + "^" * negate + "".join(parts) + "]"


def _member(op: Any, arg: Any, flags: int) -> str:
    if op is ops.CATEGORY:
        return _category(arg, bool(flags & re.A))
    low, high = arg if op is ops.RANGE else (arg, arg)
    if not flags & re.I:
        return _span(low, high)
    if high > 127:
        raise ValueError("RE2 folds the case of non-ASCII letters differently. List both cases, without (?i)")
    cases = {case for code in range(low, high + 1) for case in _cases(code, flags)}
    return "".join(_char(ord(case)) for case in sorted(cases))


def _cases(code: int, flags: int) -> str:
    char = chr(code)
    more = "" if flags & re.A else _CASES.get(char.lower(), "")
    return char.lower() + char.upper() + more


def _category(category: Any, ascii_only: bool) -> str:
    """The inside of a character class that stands for \\d, \\s, \\w or its opposite."""
    name = str(category).removeprefix("CATEGORY_")
    if name.endswith("DIGIT"):
        digit, other = ("0-9", r"\D") if ascii_only else (r"\p{Nd}", r"\P{Nd}")
        return digit if name == "DIGIT" else other
    if name.endswith("SPACE"):
        spans = _SPACE if not ascii_only else [(9, 13), (32, 32)]
        return "".join(_span(*span) for span in (spans if name == "SPACE" else _complement(spans)))
    if name == "WORD":
        return "0-9A-Za-z_" if ascii_only else r"\p{L}\p{N}_"
    if ascii_only:
        return r"\W"
    raise ValueError(r"\W knows only ASCII letters in RE2. Write [^\w], or begin the pattern with (?a)")


def _complement(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    starts = [0] + [high + 1 for _, high in spans]
    ends = [low - 1 for low, _ in spans] + [0x10FFFF]
    return [(low, high) for low, high in zip(starts, ends, strict=True) if low <= high]


def _span(low: int, high: int) -> str:
    return _char(low) if low == high else f"{_char(low)}-{_char(high)}"


def _char(code: int) -> str:
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return "\\" + char if 32 < code < 127 and char != "_" else f"\\x{{{code:x}}}"
