"""Table and Query: asks a database, in one snapshot for all that is fetched of it in a night."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from etl.errors import FetchError, few
from etl.sources.fetches import Fetching
from etl.sources.fetches.database import KEYS, Database, Query, Table, parts_of
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.kinds.database.catalogue import Chosen, Held, check_drift, choose, drifted
from etl.stages.fetched.kinds.database.session import Limits, OddValues, Session, Statement
from etl.stages.fetched.kinds.database.window import Window, measure_of, window
from etl.stages.fetched.landing import Landing

__all__ = ["Sessions", "fetch", "opened", "together"]

#: The class of each kind of database, and what is to be installed if its library is not.
_SESSIONS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite", "odbc": "Odbc"}
_LIBRARIES = {"postgresql": "adbc-driver-postgresql", "mysql": "PyMySQL", "odbc": "pyodbc, with unixODBC,"}


class Sessions:
    """The sessions of one night, one for each variable that holds an address, however many sources there are."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def of(self, variable: str, root: Path = Path()) -> Session:
        """Return the session of a database; a new one if the last one broke."""
        found = self._open.get(variable)
        if found is None or found.is_broken:
            if found is not None:
                found.close()
            found = self._open[variable] = opened(variable, root)
        return found

    def close(self) -> None:
        """Close all connections."""
        for session in self._open.values():
            session.close()
        self._open.clear()


@contextmanager
def together(fetches: Sequence[Fetching] = ()) -> Iterator[Sessions]:
    """Hold what sources that are fetched one after another share: the snapshots of their databases."""
    sessions = Sessions()
    try:
        yield sessions
    finally:
        sessions.close()


def opened(variable: str, root: Path = Path()) -> Session:
    """Return a session for the database in a variable, not yet connected; files are looked for below `root`.

    Raises FetchError without its library.
    """
    address = Address.read(variable)
    try:
        module = import_module(f"etl.stages.fetched.kinds.database.{address.kind}")
    except ImportError as error:
        if address.kind not in _LIBRARIES:
            raise
        raise FetchError(
            f"{variable} is an address of {address.scheme}, and {_LIBRARIES[address.kind]} is not installed "
            f"({error}). Install it: pip install 'etl[{address.kind}]'"
        ) from error
    made: Session = getattr(module, _SESSIONS[address.kind])(address)
    made.root = root
    return made


def fetch(asked: Asked, landing: Landing) -> Told:
    """Fetch a table or the rows of a query, and land them."""
    assert isinstance(asked.fetch, Database)
    if not _is_due(asked):
        return Told(to=None, is_new=False)
    if asked.shared is not None:
        return _Fetch(asked, landing, asked.shared.of(asked.fetch.dsn, asked.root)).told()
    with together() as sessions:
        return _Fetch(asked, landing, sessions.of(asked.fetch.dsn, asked.root)).told()


def _is_due(asked: Asked) -> bool:
    """Return whether keys, which are fetched now and then, are to be fetched this day."""
    keys = asked.fetch.keys if isinstance(asked.fetch, Table) else ""
    if not keys or asked.full or asked.newest is None:
        return True
    return asked.day >= date.fromisoformat(asked.newest.started_at[:10]) + timedelta(days=KEYS[keys])


class _Fetch:
    """One fetch: what is known of the columns, which rows are asked for, and what came."""

    def __init__(self, asked: Asked, landing: Landing, session: Session) -> None:
        assert isinstance(asked.fetch, Database)
        self.asked, self.landing, self.session, self.of = asked, landing, session, asked.fetch
        self.notes: list[str] = []
        before: Mapping[str, Any] = asked.newest.more if asked.newest else {}
        self.as_text = set() if asked.full else set(before.get("as_text", ()))
        self.families: Mapping[str, str] = before.get("families", {})
        self.rows = 0
        # keys are due again so long after the last ones, even if those are the same
        self.is_new = True if isinstance(self.of, Table) and self.of.keys else None

    def told(self) -> Told:
        """Fetch, and tell what came."""
        limits = Limits(
            source=self.asked.source,
            connect=self.of.seconds("connect_limit", self.of.connect_limit),
            answer=max(1.0, self.asked.deadline - time.monotonic()) if self.asked.deadline < 1e12 else 1e6,
        )
        with self.session.asking(limits):
            with self.session.telling():
                held = self._held()
                found = self._window(held)
            query = self._land(held, found)
        session = self.session
        return Told(
            start=found.lower,
            to=found.to,
            horizon=getattr(session, "horizon", None) if self._uses_horizon else None,
            snapshot=session.snapshot or None,
            rows=self.rows,
            columns=[(one.name, one.type) for one in held],
            query=query,
            versions=session.versions,
            notes=self.notes,
            is_new=self.is_new,
            more={"families": {one.name: one.family for one in held}, "as_text": sorted(self.as_text)},
        )

    @property
    def where(self) -> str:
        """What messages call what is fetched."""
        asked = self.of.table if isinstance(self.of, Table) else "the query"
        return f"{asked} of {self.session.address.shown}"

    @property
    def _uses_horizon(self) -> bool:
        return isinstance(self.of, Table) and self.of.horizon

    def _held(self) -> list[Held]:
        """Return the columns of the database; FetchError if they are not those that they were."""
        if isinstance(self.of, Table):
            held = self.session.held(parts_of(self.of.table))
            if not held:
                raise FetchError(f"There is no {self.where}; or its user may not see it.")
        else:
            assert isinstance(self.of, Query)
            held = self.session.described(self.of.statement)
        names = [one.name for one in held]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise FetchError(f"{self.where} has two columns named {few(map(repr, twice))}. Rename one of the two.")
        if self.asked.newest is not None and self.asked.newest.columns:
            drift = drifted(self.asked.newest.columns, held, self.families)
            if not self.asked.full:
                check_drift(drift, self.where, self.asked.source)
            # what is accepted has to be known at the next fetch, even if the rows are the same
            self.is_new = True if drift.grave else self.is_new
            self.notes += [f"columns: {line}" for line in drift.lines]
        return held

    def _window(self, held: Sequence[Held]) -> Window:
        if not isinstance(self.of, Table) or not self.of.cursor:
            return Window(lower=None, to=None)
        cursor = self._column(held, "cursor", self.of.cursor)
        measure = measure_of(self.of, cursor)
        bounds = self.session.bounds(parts_of(self.of.table), cursor, measure)
        horizon = bounds.horizon if self.of.horizon else None
        if self.of.horizon and horizon is None:
            self.notes.append("the horizon cannot be seen by this role, so the overlap holds")
        before = None if self.asked.full or not self.asked.newest else self.asked.newest.to
        return window(
            self.of,
            measure,
            before,
            since=None if self.asked.full else self.asked.since,
            greatest=bounds.greatest,
            horizon=horizon,
            is_sure=bool(self.asked.newest and self.asked.newest.horizon),
        )

    def _column(self, held: Sequence[Held], option: str, name: str) -> Held:
        found = next((one for one in held if one.name == name), None)
        if found is None:
            raise FetchError(f"{self.of.named}: {option} {name!r} is not a column of {self.where}.")
        return found

    def _statement(self, held: Sequence[Held], chosen: Sequence[Chosen], found: Window) -> Statement:
        if isinstance(self.of, Query):
            return self.session.dated(self.of.statement, self.asked.day, chosen)
        assert isinstance(self.of, Table)
        parts = parts_of(self.of.table)
        if found.lower is None:
            return Statement(text=self.session.select(parts, chosen))
        cursor = self._column(held, "cursor", self.of.cursor)
        lower = {cursor: found.lower}
        if self.of.deletes:
            deletes = self._column(held, "deletes", self.of.deletes)
            if measure_of(self.of, deletes) != measure_of(self.of, cursor):
                raise FetchError(f"{self.of.named}: deletes is a {deletes.type}, and cursor a {cursor.type}.")
            lower[deletes] = found.lower
        return self.session.since(parts, chosen, lower)

    def _land(self, held: Sequence[Held], found: Window) -> str:
        """Write the rows; once more for each time that values come which are to be fetched as text."""
        while True:
            contract, extra = self.asked.contract, self.asked.extra
            chosen = choose(held, contract, extra, self.as_text, self.where)
            statement = self._statement(held, chosen, found)
            try:
                with self.session.telling():
                    schema, batches = self.session.read(statement, chosen)
                writer = self.landing.table(schema)
                for batch in batches:
                    writer.write(batch)
                self.rows = writer.rows
                return statement.text
            except OddValues as odd:
                self.as_text |= odd.columns
                self.notes.append(f"fetched as text, for values that no type holds: {few(sorted(odd.columns))}")
