"""Project: reads a table of what another project has published, and lands it unless it is what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

from etl import engine
from etl.contract.contract import Contract
from etl.errors import FetchError, sentence, unknown
from etl.project import Project as Own
from etl.project.others import Publication, folder_of, published_by
from etl.sources.fetches import Fetching
from etl.sources.fetches.project import Project
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.database.catalogue import drifted
from etl.stages.fetched.kinds.project.dates import land_dates
from etl.stages.fetched.kinds.project.reading import BATCH, Reading
from etl.stages.fetched.landing import Landing

if TYPE_CHECKING:
    import duckdb


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
    if not of.partition and _is_known(asked, known):
        return Told(is_new=False)
    import duckdb

    try:
        con = publications.opened(asked, landing.project)
        found = Reading.of(asked, there, name, con)
        if of.partition:
            return land_dates(asked, landing, con, found, known["asked"])
        return _landed(asked, landing, con, found, known)
    except duckdb.Error as error:
        raise _broken(there, error) from error


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
    asked: Asked, landing: Landing, con: duckdb.DuckDBPyConnection, found: Reading, known: Mapping[str, Any]
) -> Told:
    # the rows of one statement, in the batches in which they are computed
    reader = con.sql(found.query).to_arrow_reader(BATCH)
    writer = landing.table(reader.schema)
    for batch in reader:
        writer.write(batch)
    before = asked.newest.columns if asked.newest else ()
    drift = drifted(before, found.held, {}) if before else None
    return Told(
        rows=writer.rows,
        notes=[f"columns: {line}" for line in drift.lines] if drift else (),
        more={**known, **found.more},
        **found.told,
    )


def _broken(there: Publication, error: Exception) -> FetchError:
    """Return what is said of a file that cannot be read; if it was deleted meanwhile, that passes."""
    found = FetchError(f"{there.file} cannot be read: {sentence(str(error))}")
    found.is_transient = not there.file.is_file()
    return found
