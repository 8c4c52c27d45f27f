"""The SQL that brings numbers as senders spell them to plain decimal text.

A text is a number in the declared spelling, or none at all: what could be read as two values is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from etl.contract.numerals import SIGNS, WHOLE_TYPES, Number
from etl.contract.values import Values
from etl.engine.quoting import literal
from etl.errors import ContractError

_BLANKS = (" ", "\u00a0", "\u202f")
_NO_NUMBER = r"[+-]?([nN][aA][nN]|[iI]nf(inity)?)"
#: Stands for the digits among what stands around them: a character that no one types.
_CORE = "\ue001"
_ZEROS = r"\.0*$"


def spelled(text: str, number: Number, type: str, values: Values) -> str:
    """Return the SQL of a text's number in plain decimal notation; null for what is no number so spelled.

    `values` has the marks of the column. Raises ContractError for marks that do not go together.
    """
    if number.overpunch:
        return _overpunched(text, number, type)
    grammar = _Grammar(number, values, type)
    digits = grammar.plain(_part(text, grammar, "core"))
    around = grammar.around(text)
    signed = f"case when regexp_full_match({around}, {literal(grammar.negative)}) then '-' else '' end || {digits}"
    fits = f"regexp_full_match({text}, {literal(grammar.shape)})"
    sure = f"{fits} and regexp_full_match({around}, {literal(grammar.valid)})"
    other = f"when regexp_full_match({text}, {literal(_NO_NUMBER)}) then {text} " if grammar.has_infinity else ""
    return f"case when {sure} then {signed} {other}end"


def flag_of(text: str, number: Number, type: str, values: Values) -> str:
    """Return the SQL of the flag behind a text's number; null if there is none."""
    grammar = _Grammar(number, values, type)
    flag = f"nullif({_part(text, grammar, 'flag')}, '')"
    return f"case when {spelled(text, number, type, values)} is not null then {flag} end"


def _part(text: str, grammar: _Grammar, name: str) -> str:
    return f"regexp_extract({text}, {literal(grammar.shape)}, ['before', 'core', 'behind', 'flag']).{name}"


class _Grammar:
    """The regular expressions of a spelling: all of a text, and what may stand around its digits."""

    def __init__(self, number: Number, values: Values, type: str) -> None:
        self.number = number
        self.marks = _group_marks(number, values)
        self.decimal = values.decimal
        if not number.either_mark and values.decimal in self.marks:
            raise ContractError(
                f"A number would be ambiguous: {values.decimal!r} is its decimal mark, and parts groups."
            )
        is_float = type in ("DOUBLE", "FLOAT")
        self.has_infinity = is_float and not (number.percent or number.places)
        self.strips = type in WHOLE_TYPES and (number.zero_decimals or number.percent or number.places)
        self.core = self._core(has_exponent=self.has_infinity and not number.either_mark)
        units = ("%",) if number.percent else number.units
        self._units, self._words = _any(units), dict(number.signs)
        before = _any([*_leading(units), *_leading(self._words), *SIGNS, "("])
        behind = _any([*units, *self._words, *SIGNS, ")"])
        blank = _blank()
        flag = f"(?:{blank}(?P<flag>{_any(number.flags)}))?" if number.flags else "(?P<flag>)"
        self.shape = (
            f"^(?P<before>(?:(?:{before}){blank})*)(?P<core>{self.core})"
            f"(?P<behind>(?:{blank}(?:{behind}))*){flag}$"
        )
        self.valid = self._forms(is_negative=False)
        self.negative = self._forms(is_negative=True)

    def around(self, text: str) -> str:
        """Return the SQL of what stands around the digits, with one character for these."""
        before, behind = _part(text, self, "before"), _part(text, self, "behind")
        return f"{before} || {literal(_CORE)} || {behind}"

    def plain(self, core: str) -> str:
        """Return the SQL of the digits in plain notation, without a sign."""
        if self.number.either_mark:
            comma = literal(_decimals(",", "."))
            found = (
                f"case when regexp_full_match({core}, {comma}) "
                f"then replace(replace({core}, '.', ''), ',', '.') "
                f"when regexp_full_match({core}, {literal(_decimals('.', ','))}) then replace({core}, ',', '') "
                f"else translate({core}, '.,', '') end"
            )
        else:
            found = f"translate({core}, {literal(''.join(self.marks))}, '')" if self.marks else core
            found = found if self.decimal == "." else f"replace({found}, {literal(self.decimal)}, '.')"
        places = 2 if self.number.percent else self.number.places
        found = _shifted(found, places) if places else found
        return f"regexp_replace({found}, {literal(_ZEROS)}, '')" if self.strips else found

    def _core(self, has_exponent: bool) -> str:
        if self.number.places:
            return r"\d+"
        if self.number.either_mark:
            groups = "|".join(rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}}){{2,}}" for mark in (",", r"\."))
            return rf"{_decimals(',', '.')}|{_decimals('.', ',')}|{groups}|\d+"
        whole = "|".join([*(_grouped(self.number.groups, re.escape(mark)) for mark in self.marks), r"\d+"])
        decimal = re.escape(self.decimal)
        # after a unit such as `Rs.` a point that begins a number could be the unit's
        ends = {text[-1] for text in (*self.number.units, *dict(self.number.signs))}
        bare = "" if self.decimal in ends else rf"|{decimal}\d+"
        return rf"(?:(?:{whole})(?:{decimal}\d*)?{bare})" + (r"(?:[eE][+-]?\d+)?" if has_exponent else "")

    def _forms(self, is_negative: bool) -> str:
        minus = [word for word, sign in self.number.signs if sign == "-"]
        signs = {"s": r"[\-\x{2212}]" if is_negative else rf"[{re.escape('+-')}\x{{2212}}]"}
        signs["w"] = _any(minus if is_negative else list(self._words))
        blank, forms = _blank(), []
        for form in self._shapes(is_negative):
            parts = [
                f"(?:{self._units})" if char == "U" else f"(?:{signs[char]})" if char in signs else re.escape(char)
                for char in form.replace("#", _CORE)
            ]
            if all(part != "(?:)" for part in parts):
                forms.append(blank.join(parts))
        return "|".join(forms)

    def _shapes(self, is_negative: bool) -> Iterator[str]:
        """Yield what may stand around the digits (#): a unit (U), a sign (s) or its word (w), brackets."""
        bare = [] if is_negative else ["#", "U#", "#U"]
        shapes = [*bare, "s#", "sU#", "Us#", "s#U", "w#", "wU#", "Uw#", "w#U", "#w", "#wU", "#Uw", "U#w"]
        if "after" in self.number.negative:
            shapes += ["#s", "#sU", "#Us", "U#s"]
        if "brackets" in self.number.negative:
            shapes += ["(#)", "(U#)", "(#U)", "U(#)", "(#)U"]
        return (shape for shape in shapes if "U" in shape or not self.number.percent)


def _decimals(decimal: str, group: str) -> str:
    """Return the pattern of a number whose decimal mark no one can take for a mark of groups."""
    mark, group = re.escape(decimal), re.escape(group)
    return (
        rf"(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})+{mark}\d+"
        rf"|\d*{mark}(?:\d{{1,2}}|\d{{4,}})|(?:0\d*|\d{{4,}}|){mark}\d{{3}})"
    )


def _grouped(groups: str, mark: str) -> str:
    """Return the pattern of a whole number in groups; one that begins with 0 is not grouped."""
    if groups == "indian":
        return rf"[1-9]\d?(?:{mark}\d{{2}})*{mark}\d{{3}}"
    if groups == "any":
        return rf"[1-9]\d*(?:{mark}\d+)+"
    digits = int(groups) if groups.isdecimal() else 3
    return rf"[1-9]\d{{0,{digits - 1}}}(?:{mark}\d{{{digits}}})+"


def _shifted(digits: str, places: int) -> str:
    """Return the SQL of a plain number with its point so many places further left, exactly."""
    whole, decimals = f"split_part({digits}, '.', 1)", f"split_part({digits}, '.', 2)"
    # zeros before it, so that there is a digit before the point
    padded = f"{literal('0' * (places + 1))} || {whole}"
    return f"({padded})[:-{places + 1}] || '.' || ({padded})[-{places}:] || {decimals}"


def _overpunched(text: str, number: Number, type: str) -> str:
    """Return the SQL of a number whose last digit carries the sign."""
    positive, negative = ("{ABCDEFGHI", "}JKLMNOPQR") if number.overpunch == "ebcdic" else ("", "pqrstuvwxy")
    shape = literal(rf"\d*[\d{re.escape(positive + negative)}]")
    minus = f"regexp_matches({text}, {literal(f'[{re.escape(negative)}]$')})"
    digits = literal("0123456789" * (2 if positive else 1))
    digits = f"translate({text}, {literal(positive + negative)}, {digits})"
    found = _shifted(digits, number.places) if number.places else digits
    if number.places and type in WHOLE_TYPES:
        found = f"regexp_replace({found}, {literal(_ZEROS)}, '')"
    return f"case when regexp_full_match({text}, {shape}) then if({minus}, '-', '') || {found} end"


def _group_marks(number: Number, values: Values) -> tuple[str, ...]:
    marks = number.group_marks or ((values.thousands,) if values.thousands else ())
    return tuple(dict.fromkeys(one for mark in marks for one in (_BLANKS if mark == " " else (mark,))))


def _blank() -> str:
    return f"[{''.join(_BLANKS)}]*"


def _any(texts: Sequence[str] | Mapping[str, str]) -> str:
    """Return the pattern of one of some texts, the longest first."""
    return "|".join(re.escape(text) for text in sorted(texts, key=lambda text: (-len(text), text)))


def _leading(texts: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Return those texts that can stand before digits: `m2` cannot."""
    return [text for text in texts if not re.search(r"\d", text)]
