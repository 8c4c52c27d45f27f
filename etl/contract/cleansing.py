"""Cleansing at the door: what is done to a cell's text before it is parsed, and to its number after.

The steps always come in this order, whatever the order of the declaration: trim, excel_text, empty_to_null, case,
map, then the text is parsed, then scale. Rules, `unique` and masks see what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any

from etl.contract.scale import factor_text, read_type, scaled_sql
from etl.engine import bare_cursor
from etl.engine.quoting import literal
from etl.errors import unknown

# Unicode's white space, which is what Python's str.strip() takes off; escaped, so that the SQL can be read.
# By regular expression: DuckDB's trim() with a set of characters is five times slower.
_SPACE = r"[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
_CASES = ("upper", "lower")
_EXCEL_TEXT = r'(?s)^="((?:[^"]|"")*)"$'
_SPELLINGS_SHOWN = 5


@dataclass(frozen=True)
class Clean:
    """The steps of one column, in the order in which they are applied; an empty one does nothing.

    It survives JSON: `Clean(**json.loads(json.dumps(asdict(clean)))) == clean`.
    """

    #: Take white space off both ends, as Python's str.strip() does: no-break spaces and line ends too.
    trim: bool = False
    #: An empty text is null.
    empty_to_null: bool = False
    #: "upper" or "lower", or empty for neither.
    case: str = ""
    #: Spellings, as they are after the steps above, and what stands for them; None is null.
    map: tuple[tuple[str, str | None], ...] = ()
    _: KW_ONLY
    #: What the value is multiplied by, as a plain decimal number; empty for nothing.
    scale: str = ""
    #: A text in ="...", as spreadsheets are told that it is none of theirs, is what stands in the quotes.
    excel_text: bool = False

    def __post_init__(self) -> None:
        # lists come back from JSON
        object.__setattr__(self, "map", tuple((spelling, value) for spelling, value in self.map))

    def __bool__(self) -> bool:
        return self != NOTHING


#: Steps that did not always exist: while they are not set, a column is what it was without them.
LATER_STEPS = ("excel_text",)
#: A column that is taken as it comes.
NOTHING = Clean()
_STEPS = [field.name for field in fields(Clean)]


def clean_of(metadata: Mapping[str, Any] | None, type: str) -> Clean:
    """Return what a column of DuckDB `type` declares as metadata={"clean": {...}}; ValueError if it is wrong.

    The spellings of `map` are brought through the steps before it, as the cells are: with case="upper" the
    spelling "jfk airport" stands for "JFK AIRPORT" and "Jfk Airport" too.
    """
    given = (metadata or {}).get("clean")
    if given is None:
        return NOTHING
    if not isinstance(given, Mapping):
        raise ValueError(f'metadata "clean" is {given!r}. Write {{"clean": {{"trim": True}}}}')
    for step in given:
        if step not in _STEPS:
            raise ValueError(unknown(f'metadata "clean" has no step {step!r}', str(step), _STEPS))
    clean = Clean(
        trim=_switch(given, "trim"),
        empty_to_null=_switch(given, "empty_to_null"),
        case=_case(given.get("case")),
        excel_text=_switch(given, "excel_text"),
    )
    factor = factor_text(given["scale"], type) if "scale" in given else ""
    return replace(clean, map=tuple(_spellings(given.get("map", {}), clean)), scale=factor)


def cleaned(text_sql: str, clean: Clean) -> str:
    """Return the varchar expression of a cell after its text's steps; null stays null.

    Case is DuckDB's: one character becomes one character, so that "ß" becomes "ẞ" and "ﬁ" stays as it is,
    where Python makes "SS" and "FI" of them.
    """
    texts = [text_sql, *(after for _, after in _text_steps(text_sql, clean))]
    return texts[-1]


def parsed_type(clean: Clean, type: str) -> str:
    """Return the DuckDB type that the cleaned text is to be parsed as, before scaled() makes it `type`.

    It has room for what the sender writes: 123456789 grams become the DECIMAL(9,3) 123456.789 kilograms.
    """
    return read_type(clean.scale, type) if clean.scale else type


def scaled(value_sql: str, clean: Clean, type: str) -> str:
    """Return the value, an expression of parsed_type(), times `scale`; null where that is no value of `type`.

    Integers and decimals are exact: 1500 times 0.001 is no BIGINT, and breaks the rule column.dtype.
    """
    return scaled_sql(value_sql, clean.scale, type) if clean.scale else value_sql


def described(cleans: Mapping[str, Clean]) -> dict[str, list[str]]:
    """Return the steps of each column that has any, in words and in order, for the receipt."""
    return {name: list(_words(clean)) for name, clean in cleans.items() if clean}


def _text_steps(text_sql: str, clean: Clean) -> Iterator[tuple[str, str]]:
    """Yield each step that is set, and the expression of the text after it."""
    if clean.trim:
        text_sql = f"regexp_replace({text_sql}, {literal(f'^{_SPACE}+|{_SPACE}+$')}, '', 'g')"
        yield "trim", text_sql
    if clean.excel_text:
        inner = f"replace(regexp_extract({text_sql}, {literal(_EXCEL_TEXT)}, 1), '\"\"', '\"')"
        is_wrapped = f"regexp_full_match({text_sql}, {literal(_EXCEL_TEXT)})"
        text_sql = f"case when {is_wrapped} then {inner} else {text_sql} end"
        yield "excel_text", text_sql
    if clean.empty_to_null:
        text_sql = f"nullif({text_sql}, '')"
        yield "empty_to_null", text_sql
    if clean.case:
        text_sql = f"{clean.case}({text_sql})"
        yield "case", text_sql
    if clean.map:
        cases = " ".join(f"when {literal(spelling)} then {literal(value)}" for spelling, value in clean.map)
        text_sql = f"case {text_sql} {cases} else {text_sql} end"
        yield "map", text_sql


def _words(clean: Clean) -> Iterator[str]:
    if clean.trim:
        yield "white space is taken off both ends"
    if clean.excel_text:
        yield 'what stands in ="..."'
    if clean.empty_to_null:
        yield "an empty text is null"
    if clean.case:
        yield f"in {clean.case} case"
    if clean.map:
        shown = [f"{spelling!r} is {'null' if value is None else repr(value)}" for spelling, value in clean.map]
        more = f" and {len(shown) - _SPELLINGS_SHOWN} more" if len(shown) > _SPELLINGS_SHOWN else ""
        yield "spellings: " + ", ".join(shown[:_SPELLINGS_SHOWN]) + more
    if clean.scale:
        yield f"times {clean.scale}"


def _switch(given: Mapping[str, Any], step: str) -> bool:
    value = given.get(step, False)
    if not isinstance(value, bool):
        raise ValueError(f'metadata "clean": {step} is {value!r}. Write True or False')
    return value


def _case(value: object) -> str:
    if value is None:
        return ""
    if value not in _CASES:
        raise ValueError(f'metadata "clean": case is {value!r}. Write "upper" or "lower"')
    return str(value)


def _spellings(given: object, clean: Clean) -> Iterator[tuple[str, str | None]]:
    if not isinstance(given, Mapping):
        raise ValueError(f'metadata "clean": map is {given!r}. Write {{"map": {{"spelling": "value"}}}}')
    for spelling, value in given.items():
        if not isinstance(spelling, str) or not isinstance(value, str | None):
            raise ValueError(
                f'metadata "clean": map has {spelling!r}: {value!r}. A text can become a text or None'
            )
    found: dict[str, str | None] = {}
    for spelling, after in zip(given, _after_steps(list(given), clean), strict=True):
        if after is None:
            raise ValueError(
                f'metadata "clean": map has {spelling!r}, but empty_to_null has made that null before'
            )
        if found.setdefault(after, given[spelling]) != given[spelling]:
            raise ValueError(
                f'metadata "clean": map gives two values for {after!r} ({spelling!r} becomes {after!r} after the '
                "earlier steps)"
            )
    yield from found.items()


def _after_steps(spellings: Sequence[str], clean: Clean) -> Sequence[str | None]:
    """Ask DuckDB, whose upper() and lower() are not Python's."""
    if not spellings or not clean:
        return spellings
    query = f"select list_transform($1::varchar[], lambda spelling: {cleaned('spelling', clean)})"
    with bare_cursor() as con:
        found: Sequence[str | None] = con.execute(query, [spellings]).fetchall()[0][0]
    return found
