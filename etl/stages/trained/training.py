"""Training once: the rows up to a day in the order of their key, and a score by rows that came later."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal, qualified
from etl.errors import ConfigError, StepError, sentence
from etl.models.trained import Learned
from etl.models.trained.retrain import cut_off
from etl.stages.modules import run_modules
from etl.stages.trained.days import day_of, on_days
from etl.stages.trained.judges import judged, losses

if TYPE_CHECKING:
    import duckdb

#: What hears of a training: step, name and value of a curve. It may raise Pruned, which ends the training.
Report = Callable[[int, str, float], None]
#: What part of the rows a training of low fidelity sees is told to so many parts.
_PARTS = 1_000_000


class Pruned(Exception):
    """Raised by report() to end a training early: others are better by then, or it has seen enough."""


@dataclass(frozen=True)
class Window:
    """The days of a training, up to `until`, and of its judgement, from there to `end`; both ends are left out."""

    until: date
    end: date


def windows(learned: Learned, newest: date) -> Window:
    """Return the window of a search: judged by days that are before the held out ones.

    The cut-off is that of the night's next training, which is the same all month long if RETRAIN says no more. The
    days before it are held out, and those before these judge the search.
    """
    held_out = timedelta(learned.held_out)
    end = cut_off(learned.retrain, newest) - held_out
    return Window(end - held_out, end)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A score, of which less is better; the rows of the training; by day that judged, its losses and rows."""

    score: float
    rows: int
    days: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Rows:
    """The rows of a model's table in an open database."""

    con: duckdb.DuckDBPyConnection
    learned: Learned
    _: KW_ONLY
    #: The generation that they are of, which the DataFrames name too.
    generation: str = ""
    _frames: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def newest(self) -> date | None:
        """Return the day of the newest row with a label. Raises ConfigError for columns that are not there."""
        self._check()
        (found,) = self.con.execute(
            f"select max({self._day}) from {self._table} where {self._labelled}"
        ).fetchone() or (None,)
        return found if isinstance(found, date) else None

    def before(self, day: date, share: float = 1.0) -> Any:
        """Return the rows before a day as a DataFrame in the order of their key; with `share`, that part of them.

        Which rows are of the part depends on their keys alone.
        """
        where = f"{self._day} < {literal(day)}"
        if share < 1:
            key = ", ".join(map(identifier, self.learned.key))
            where += f" and hash({key}) % {_PARTS} < {round(share * _PARTS)}"
        return self._frame(where)

    def between(self, first: date, end: date) -> Any:
        """Return the rows from a day on up to another one, which is left out."""
        return self._frame(f"{self._day} >= {literal(first)} and {self._day} < {literal(end)}")

    def of_days(self, days: Sequence[date | None] | None) -> Any:
        """Return all rows of some days (None: of all) in the order of their key, be they labelled or not."""
        order = ", ".join(map(identifier, self.learned.key))
        query = f"select * from {self._table} where {on_days(self._day, days)} order by {order}"
        return self._told(self.con.execute(query).df())

    def keys(self, days: Sequence[date | None] | None) -> Any:
        """Return KEY and TIME of the rows of of_days(), in the same order, as an Arrow table."""
        names = dict.fromkeys((*self.learned.key, self.learned.time))
        order = ", ".join(map(identifier, self.learned.key))
        columns = ", ".join(map(identifier, names))
        query = f"select {columns} from {self._table} where {on_days(self._day, days)} order by {order}"
        return self.con.sql(query).to_arrow_table()

    def labelled_before(self, day: date) -> tuple[str, str]:
        """Return the SQL of the table, and of the condition that a row has a label and is of before a day."""
        return self._table, f"{self._labelled} and {self._day} < {literal(day)}"

    def double(self) -> str:
        """Return a key that several rows have, in words; nothing if there is none."""
        names = ", ".join(map(identifier, self.learned.key))
        query = f"select {names} from {self._table} group by all having count(*) > 1 order by all limit 1"
        found = self.con.execute(query).fetchone() or ()
        return ", ".join(f"{name} {value}" for name, value in zip(self.learned.key, found, strict=bool(found)))

    def days_between(self, first: date, end: date) -> Any:
        """Return for each row of between() the day that it is of, as a number."""
        order = ", ".join(map(identifier, self.learned.key))
        query = (
            f"select {self._day} - date '1970-01-01' as day from {self._table} where {self._labelled} "
            f"and {self._day} >= {literal(first)} and {self._day} < {literal(end)} order by {order}"
        )
        return self.con.execute(query).fetchnumpy()["day"]

    def _frame(self, where: str) -> Any:
        if (where,) not in self._frames:
            order = ", ".join(map(identifier, self.learned.key))
            query = f"select * from {self._table} where {self._labelled} and {where} order by {order}"
            self._frames[where,] = self.con.execute(query).df()
        return self._told(self._frames[where,].copy(deep=False))

    def _told(self, frame: Any) -> Any:
        frame.attrs = {"generation": self.generation, "table": self.learned.features}
        return frame

    @property
    def _table(self) -> str:
        return qualified(self.learned.features)

    @property
    def _day(self) -> str:
        return day_of(self.learned.time)

    @property
    def _labelled(self) -> str:
        return f"{identifier(self.learned.label)} is not null"

    def _check(self) -> None:
        import duckdb

        learned = self.learned
        try:
            columns = {row[0].lower() for row in self.con.execute(f"describe {self._table}").fetchall()}
        except duckdb.CatalogException:
            raise ConfigError(
                f"{learned.place('FEATURES')}: FEATURES: what is published has no table {learned.features}. "
                "Run a night first: etl run"
            ) from None
        for name, given in (("LABEL", [learned.label]), ("KEY", learned.key), ("TIME", [learned.time])):
            for column in given:
                if column.lower() not in columns:
                    raise ConfigError(
                        f"{learned.place(name)}: {name}: {learned.features} has no column {column}. Name another."
                    )


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """The code of a model, loaded: it trains and predicts."""

    learned: Learned
    module: Any

    @classmethod
    @contextmanager
    def of(cls, learned: Learned) -> Iterator[Trainer]:
        """Run a model's module and lend what trains with it. Raises StepError for a module that fails."""
        with _explained(learned), cls.plainly(learned) as trainer:
            yield trainer

    @classmethod
    @contextmanager
    def plainly(cls, learned: Learned) -> Iterator[Trainer]:
        """Do what of() does, for one who explains by himself what the model's code raises."""
        with run_modules(learned.code) as module:
            yield cls(learned=learned, module=module)

    def score(
        self,
        rows: Rows,
        window: Window,
        params: Mapping[str, Any],
        report: Report,
        *,
        share: float = 1.0,
        seed: int = 0,
    ) -> Scored:
        """Train with some parameters on the rows before the window; return the score by those in it.

        Raises StepError naming file and line if the model's code fails, and what report() does.
        """
        seen = rows.before(window.until, share)
        judging = rows.between(window.until, window.end)
        if not len(seen) or not len(judging):
            raise StepError(
                f"{self.learned.file}: {self.learned.features} has {len(seen):,} rows before {window.until} to "
                f"train by and {len(judging):,} from then to {window.end} to judge by. Give it more days, or a "
                "shorter HELD_OUT."
            )
        with _explained(self.learned):
            predictions = self.predict(self.train(seen, params, report, seed), judging)
            truth = judging[self.learned.label]
            score = judged(self.learned.gate, truth, predictions)
            days = _by_day(
                rows.days_between(window.until, window.end), losses(self.learned.gate, truth, predictions)
            )
            return Scored(score=score, rows=len(seen), days=days)

    def train(self, seen: Any, params: Mapping[str, Any], report: Report, seed: int) -> Any:
        """Return what the model's code makes of some rows; what it raises is not explained."""
        self.module.SEED = seed
        return self.module.train(seen, {**self.learned.params, **params}, report)

    def predict(self, model: Any, rows: Any) -> Any:
        """Return what the model's code says of some rows, without their label; what it raises is not explained."""
        return self.module.predict(model, rows.drop(columns=[self.learned.label], errors="ignore"))

    def complexity(self, params: Mapping[str, Any]) -> float | None:
        """Return how complex the model of some parameters is, if the project says so."""
        if not self.learned.has_complexity:
            return None
        with _explained(self.learned):
            return float(self.module.complexity({**self.learned.params, **params}))


def _by_day(days: Any, lost: Any) -> tuple[tuple[float, int], ...]:
    """Return the sum of losses of each day and its rows, in order; nothing if rows have no loss of their own."""
    import numpy as np

    if lost is None:
        return ()
    _, place = np.unique(days, return_inverse=True)
    sums, rows = np.bincount(place, weights=lost), np.bincount(place)
    return tuple((float(one), int(many)) for one, many in zip(sums, rows, strict=True))


@contextmanager
def _explained(learned: Learned) -> Iterator[None]:
    """Turn what happens in a model's code into a StepError with the line of it that came last."""
    try:
        yield
    except (StepError, ConfigError, Pruned):
        raise
    except (Exception, SystemExit) as error:
        files = {str(learned.code.path(module)): module for module in learned.code.texts}
        lines = [
            learned.code.place(files[frame.filename], frame.lineno or 0).partition("/")[2]
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename in files
        ]
        place = f"ml/{lines[-1].removeprefix('ml/')}" if lines else learned.file
        what = sentence(f"{type(error).__name__}: {error}")
        raise StepError(f"The model {learned.name} failed: {place}: {what}") from error
