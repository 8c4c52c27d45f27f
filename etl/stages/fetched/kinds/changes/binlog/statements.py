"""Statements in the log: which leave the rows of a table as they are, and which do not tell what they do."""

from __future__ import annotations

import re

_ASIDE = re.compile(
    r"\s*(?:/\*.*?\*/|--\s[^\n]*\n|#[^\n]*\n|set\s+statement\s.*?\sfor\s)", re.DOTALL | re.IGNORECASE
)
#: A comment that the server reads, such as `/*!40000 alter table orders disable keys */`.
_READ = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)
#: First words of what changes how things are made, not rows.
_MAKES = frozenset(
    "create alter drop rename truncate grant revoke analyze optimize repair check flush reset set install "  # noqa: SIM905
    "uninstall lock unlock purge begin savepoint release xa".split()
)
#: Beginnings of statements that may name a table, and leave its rows and its columns as they are.
_HARMLESS = re.compile(
    r"(?:analyze|optimize|check|flush|grant|revoke|set|"
    r"create\s+(?:or\s+replace\s+)?(?:(?:unique|fulltext|spatial)\s+)?index|drop\s+index|"
    r"(?:create|drop|alter)\s+(?:or\s+replace\s+)?(?:definer\s*=\s*\S+\s+|sql\s+security\s+\w+\s+|algorithm\s*=\s*\w+\s+)*"
    r"(?:aggregate\s+)?(?:view|trigger|procedure|function|event|user|role))\b",
    re.IGNORECASE,
)
_DATABASE = re.compile(r"drop\s+(?:database|schema)\b", re.IGNORECASE)


def told(statement: str) -> str:
    """Return a statement without comments and settings before it."""
    statement = _READ.sub(r" \1 ", statement)
    while found := _ASIDE.match(statement):
        statement = statement[found.end() :]
    return statement.strip()


def words(statement: str, count: int = 2) -> str:
    """Return the first words of a statement: what may be said of it, since the rest may hold secrets."""
    return " ".join(re.findall(r"[a-zA-Z_]+", statement)[:count]).lower()


def makes_rows(statement: str) -> bool:
    """Return whether a statement may change rows itself: the log has it instead of the rows."""
    return words(statement, 1) not in _MAKES


def concerns(statement: str, default: str, schema: str, table: str) -> bool:
    """Return whether a statement may change a table, or its rows: it names it, or drops its database."""
    if _HARMLESS.match(statement):
        return False
    if _DATABASE.match(statement):
        return _names(schema, statement)
    own = re.escape(table.replace("`", "``"))
    before = r"(?:(?:`((?:[^`]|``)+)`|([\w$]+))\s*\.\s*)?"
    for found in re.finditer(rf"{before}(?<![\w$])`?{own}(?![\w$])", statement, re.IGNORECASE):
        of = (found[1] or found[2] or default).replace("``", "`")
        if of.lower() == schema.lower():
            return True
    return False


def _names(name: str, statement: str) -> bool:
    own = re.escape(name.replace("`", "``"))
    return re.search(rf"(?<![\w$]){own}(?![\w$])", statement, re.IGNORECASE) is not None
