"""Project: reads a table of what another project has published, and lands it unless it is what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

from etl import engine
from etl.contract.contract import Column, Contract
from etl.engine.parquet_types import may_be_wide, refused, stored_as
from etl.engine.quoting import identifier, qualified
from etl.errors import FetchError, few, sentence, unknown
from etl.project import Project as Own
from etl.project.others import Publication, folder_of, published_by
from etl.sources.fetches import Fetching
from etl.sources.fetches.project import Project
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.database.catalogue import Held, choose, drifted
from etl.stages.fetched.landing import Landing

if TYPE_CHECKING:
    import duckdb

#: What a type of DuckDB is to the contract, by what it begins with, the first that does. Within one of these the
#: contract judges each value; a text takes what only a text can hold.
_FAMILIES = (
    *(("VARCHAR", "text"), ("ENUM", "text"), ("UUID", "text"), ("JSON", "text"), ("BIT", "text")),
    *(("TIMESTAMP WITH TIME ZONE", "moment"), ("TIMESTAMP", "timestamp"), ("DATE", "date")),
    *(("INTERVAL", "interval"), ("TIME WITH TIME ZONE", "text"), ("TIME", "time")),
    *(("BOOLEAN", "boolean"), ("BLOB", "bytes"), ("STRUCT", "struct"), ("MAP", "map")),
    *((name, "number") for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM")),
    *((name, "number") for name in ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")),
    *((name, "number") for name in ("DECIMAL", "FLOAT", "DOUBLE")),
)
#: Types that the contract reads from their text: no type of Parquet, or of Arrow, stands for them as it does.
_AS_TEXT = ("BLOB", "ENUM", "UUID", "JSON", "BIT", "BIGNUM")
_BATCH = 100_000


class Publications:
    """What was published when the first of the sources that are fetched together asked; all of them see that."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Publication] = {}
        self._open: dict[tuple[str, str], duckdb.DuckDBPyConnection] = {}
        self._stack = ExitStack()

    def of(self, asked: Asked) -> Publication:
        """Return the generation. Raises FetchError if there is none."""
        of = cast("Project", asked.fetch)
        key = (of.place, of.environment)
        if key not in self._found:
            self._found[key] = published_by(folder_of(asked.root, of.place), of.environment)
        return self._found[key]

    def opened(self, asked: Asked, own: Own) -> duckdb.DuckDBPyConnection:
        """Return its file, opened once: whatever becomes of the generation, that is read to the end."""
        of = cast("Project", asked.fetch)
        key = (of.place, of.environment)
        if key not in self._open:
            self._open[key] = self._stack.enter_context(engine.reading(own, self.of(asked).file))
        return self._open[key]

    def close(self) -> None:
        """Close all files."""
        self._open.clear()
        self._stack.close()


@contextmanager
def together(fetches: Sequence[Fetching] = ()) -> Iterator[Publications]:
    """Hold what sources that are fetched one after another share: one generation of each project."""
    publications = Publications()
    try:
        yield publications
    finally:
        publications.close()


def fetch(asked: Asked, landing: Landing) -> Told:
    """Land the rows of a table of another project, unless it is known that they are those of the newest file."""
    if asked.shared is not None:
        return _fetch(asked, landing, asked.shared)
    with together() as publications:
        return _fetch(asked, landing, publications)


def _fetch(asked: Asked, landing: Landing, publications: Publications) -> Told:
    of = cast("Project", asked.fetch)
    there = publications.of(asked)
    if there.data.resolve() == landing.project.data.resolve():
        raise FetchError(
            f"{of.named} is what this project itself publishes. Read the table {of.table} in a model."
        )
    name = next((name for name in there.tables if name.lower() == of.table.lower()), None)
    if name is None:
        said = f"{there.root} publishes no table {of.table} (generation {there.generation})"
        raise FetchError(unknown(said, of.table, there.tables))
    known = _known(there, name)
    # a content is only that of what was asked for
    known["asked"] = [name, sorted(_wanted(asked.contract)), asked.extra]
    if _is_known(asked, known):
        return Told(is_new=False)
    return _landed(asked, landing, publications, there, name, known)


def _known(there: Publication, name: str) -> dict[str, Any]:
    """Return what stands for the rows of a table; of a view, whose hash is that of its SQL, the generation."""
    item = there.tables[name]
    is_table = item.get("kind") == "table" and item.get("hash")
    return {"content": item["hash"] if is_table else there.generation}


def _is_known(asked: Asked, known: Mapping[str, Any]) -> bool:
    """Return whether the newest file holds these rows, so that nobody needs to read them."""
    if asked.full or asked.newest is None:
        return False
    more = asked.newest.more
    return all(more.get(name) == value for name, value in known.items())


def _wanted(contract: Contract) -> list[str]:
    return [name for column in contract.columns for name in (column.name, *column.aliases)]


def _landed(
    asked: Asked,
    landing: Landing,
    publications: Publications,
    there: Publication,
    name: str,
    known: Mapping[str, Any],
) -> Told:
    import duckdb

    where = f"{name} of {there.root}"
    try:
        con = publications.opened(asked, landing.project)
        types = con.execute(f"describe {qualified(name)}").fetchall()
        held = [Held(name=column, type=str(type), family=_family(str(type))) for column, type, *_ in types]
        chosen = [one.held for one in choose(held, asked.contract, asked.extra, (), where)]
        _check_types(chosen, asked.contract, where)
        query = f"select {', '.join(_columns(con, name, chosen))} from {qualified(name)}"
        # the rows of one statement, in the batches in which they are computed
        reader = con.sql(query).to_arrow_reader(_BATCH)
        writer = landing.table(reader.schema)
        for batch in reader:
            writer.write(batch)
    except (duckdb.Error, OSError) as error:
        raise _broken(there, error) from error
    before = asked.newest.columns if asked.newest else ()
    drift = drifted(before, held, {}) if before else None
    return Told(
        rows=writer.rows,
        snapshot=there.generation,
        columns=[(one.name, one.type) for one in held],
        query=query,
        versions={"duckdb": duckdb.__version__},
        notes=[f"columns: {line}" for line in drift.lines] if drift else (),
        more={
            **known,
            "project": str(there.root),
            "environment": cast("Project", asked.fetch).environment,
            "table": name,
            "generation": there.generation,
            "published_at": there.published_at,
        },
    )


def _broken(there: Publication, error: Exception) -> FetchError:
    """Return what is said of a file that cannot be read; if it was deleted meanwhile, that passes."""
    found = FetchError(f"{there.file} cannot be read: {sentence(str(error))}")
    found.is_transient = not there.file.is_file()
    return found


def _family(type: str) -> str:
    if type.endswith("]"):
        return "list"
    # GEOMETRY, UNION and what is yet to come
    return next((family for sign, family in _FAMILIES if type.upper().startswith(sign)), "other")


def _check_types(chosen: Sequence[Held], contract: Contract, where: str) -> None:
    """Raise FetchError if a column is of another type there than the contract says."""
    taken: dict[str, Column] = {}
    for column in contract.columns:
        taken |= {name: column for name in (column.name, *column.aliases)}
    wrong = []
    for one in chosen:
        if one.name not in taken:
            continue
        column = taken[one.name]
        if what := refused(one.type):
            wrong.append(f"{one.name} is {one.type} there, and no file can hold a {what}")
        elif _family(column.type) != one.family:
            wrong.append(f"{one.name} is {one.type} there, and {column.type} in the contract")
    if wrong:
        raise FetchError(
            f"{where} has other types than the contract {contract.name}: {few(wrong, 20)}. Change the contract, "
            "or cast the column there."
        )


def _columns(con: duckdb.DuckDBPyConnection, name: str, chosen: Sequence[Held]) -> Iterator[str]:
    """Yield each column for a SELECT: what Parquet cannot hold exactly, as the text that the contract reads."""
    for one in chosen:
        column = identifier(one.name)
        if one.type.upper().startswith(_AS_TEXT) and one.family != "list":
            yield f"{column}::varchar as {column}"
            continue
        stored = stored_as(one.type)
        if may_be_wide(one.type):
            is_wide = f"try_cast({column} as {stored})::{one.type} is distinct from {column}"
            (wide,) = con.execute(f"select exists(from {qualified(name)} where {is_wide})").fetchall()[0]
            stored = stored_as(one.type, bool(wide))
        yield f"cast({column} as {stored}) as {column}" if stored != one.type else column
