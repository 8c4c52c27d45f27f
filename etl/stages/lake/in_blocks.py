"""Text taken in blocks by threads, each parsed, proven, judged and written: memory does not grow.

Any doubt about a block gives the whole delivery back, and then DuckDB reads it as it reads everything else.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from etl.contract import Rule
from etl.engine.quoting import literal
from etl.sources import Source
from etl.sources.formats.blocks import Block, Cuts, InBlocks, Marks, Unproven, in_blocks
from etl.stages.lake import typing_sql
from etl.stages.lake.asking import Asker
from etl.stages.lake.inputs import Input
from etl.stages.lake.place import Extraction
from etl.stages.lake.sound import Broken

if TYPE_CHECKING:
    from etl.stages.lake.breaking import Breaking
    from etl.stages.lake.judge import Judge, Judged

#: With less to read in a run, Arrow is not worth its import.
LEAST_BYTES = 2 << 20
#: A delivery of more than this is taken alone.
LARGE_BYTES = 8 << 20
#: So much of rows that break rules waits to be explained.
_BROKEN_BYTES = 4 << 20

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Taken(NamedTuple):
    """What was written of a delivery, and what was found in it."""

    rows: int
    broken: Mapping[int, Broken]
    rules: Mapping[str, Rule]
    warnings: Mapping[str, int]


def is_for(source: Source) -> bool:
    """Return whether a source's files may be taken in blocks; what is special is left to SQL over the whole."""
    contract = source.contract
    masked = source.masks
    if contract.python or typing_sql.is_in_order(source) or typing_sql.mark_columns(source):
        return False
    if any(name in masked for unique in contract.uniques for name in unique.columns):
        return False
    return _is_written_alike(source)


def can_take(inputs: Sequence[Input]) -> bool:
    """Return whether the files of a delivery of such a source can be taken in blocks."""
    opened = [in_blocks(file.opened) for file in inputs if file.cells]
    return len(opened) == len(inputs) and None not in opened


def layout(file: Input) -> tuple[object, ...]:
    """Return what files have in common whose blocks can be joined."""
    return (marks_of(file), file.names)


def marks_of(file: Input) -> Marks | Cuts:
    """Return the dialect of a file's blocks."""
    return _opened(file).marks


def blocks_of(file: Input) -> Iterator[Block]:
    """Yield the sound records of a file."""
    return _opened(file).blocks()


def take(
    extraction: Extraction,
    day: Any,
    inputs: Sequence[Input],
    target: Path,
    describe: Callable[[Mapping[str, int]], Mapping[str, str]],
) -> Taken | None:
    """Write the rows of a delivery that keep the contract to `target`; None if that is not sure to be right.

    `describe` gives the file's metadata, of the warnings that were found.
    """
    try:
        return _Taking(extraction, day, inputs, target).run(describe)
    except Exception as error:
        given_back(error)
    return None


def given_back(error: Exception) -> None:
    """Leave a delivery to DuckDB, but for an error that it would only meet again."""
    if isinstance(error, OSError):
        raise error


class _Taking:
    """One delivery on its way."""

    def __init__(self, extraction: Extraction, day: Any, inputs: Sequence[Input], target: Path) -> None:
        self._extraction, self._day, self._inputs, self._target = extraction, day, inputs, target
        self._rows = 0
        self._broken: list[Breaking] = []
        self._rules: dict[str, Rule] = {}
        self._warnings: dict[str, int] = {}

    def run(self, describe: Callable[[Mapping[str, int]], Mapping[str, str]]) -> Taken | None:
        """Take all files; None if rows break rules that only warn and are not to be kept after all."""
        from etl.stages.lake.doubles import Doubles
        from etl.stages.lake.judge import Judge
        from etl.stages.lake.lake_file import LakeFile, without

        judges = [Judge(file, literal(self._day), explain=True) for file in self._inputs]
        self._make_tables(judges[0])
        with Workers(self._extraction) as workers, LakeFile(self._target) as written:
            for number, (file, judge) in enumerate(zip(self._inputs, judges, strict=True)):
                self._broken.append(judge.found(self._extraction.project.scratch))
                self._rules |= judge.rules
                written.write(self._with_place(judge.nothing(), file))
                for rows in self._kept(workers, number, file, judge):
                    written.write(self._with_place(rows, file))
            written.finish(describe(self._warnings))
        for found in self._broken:
            found.finish()
        doubles = Doubles(self._extraction, judges[0].uniques, self._target)
        self._rules |= doubles.rules
        dropped = doubles.tell([file.opened.sound for file in self._inputs], self._broken)
        if len(dropped) and self._warnings:
            self._target.unlink()
            return None
        if len(dropped):
            without(self._target, dropped, describe(self._warnings))
        return Taken(self._rows - len(dropped), dict(enumerate(self._broken)), self._rules, self._warnings)

    def _kept(self, workers: Workers, number: int, file: Input, judge: Judge) -> Iterator[Any]:
        """Yield the rows of a file that break no rule, block by block, and note the others."""
        from etl.stages.lake.judge import numbered

        read, first = judge.reader(marks_of(file)), 0
        results = workers.map(lambda asker, block: judge.judged(asker, read.texts(block)), blocks_of(file))
        waiting: list[Any] = []
        for judged in results:
            self._note(judged)
            if judged.broken is not None:
                waiting.append(numbered(judged.broken, first))
                if sum(broken.nbytes for broken in waiting) > _BROKEN_BYTES:
                    self._explain(judge, number, waiting)
            first += judged.rows.num_rows
            rows = judged.kept()
            self._rows += rows.num_rows
            yield rows
        if first != file.opened.sound:
            raise Unproven(f"{first} rows of {file.opened.sound} records")
        self._explain(judge, number, waiting)

    def _explain(self, judge: Judge, number: int, waiting: list[Any]) -> None:
        """Note the breaches of rows that wait for it: many at once, since to ask costs more than the rows do."""
        import pyarrow as pa

        if waiting:
            with Asker(self._extraction.con) as asker:
                judge.explain(asker, pa.concat_tables(waiting), number, self._broken[number])
            waiting.clear()

    def _note(self, judged: Judged) -> None:
        for counts in judged.warnings.values():
            for rule, count in counts.items():
                self._warnings[rule] = self._warnings.get(rule, 0) + count

    def _with_place(self, rows: Any, file: Input) -> Any:
        from etl.stages.lake.judge import placed

        return placed(rows, self._extraction.source, self._day, file.file.name, len(self._inputs) > 1)

    def _make_tables(self, judge: Judge) -> None:
        for statement in judge.key_tables():
            self._extraction.con.execute(statement)


class Workers:
    """Threads, each with a connection of its own; so many items are at work as there are threads, and one more."""

    def __init__(self, extraction: Extraction) -> None:
        self._extraction = extraction
        self._threads = extraction.project.settings.threads or os.cpu_count() or 1
        self._stack, self._own, self._lock = ExitStack(), threading.local(), threading.Lock()

    def __enter__(self) -> Workers:
        self._pool = ThreadPoolExecutor(self._threads)
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._stack.close()

    def map(self, function: Callable[[Asker, _Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield function(asker, item) of each item, in order."""
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(self._call, function, item))
            if len(waiting) > self._threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _call(self, function: Callable[[Asker, _Item], _Result], item: _Item) -> _Result:
        if not hasattr(self._own, "asker"):
            with self._lock:
                self._own.asker = Asker(self._stack.enter_context(self._extraction.cursor()))
        return function(self._own.asker, item)


def _opened(file: Input) -> InBlocks:
    opened = in_blocks(file.opened)
    assert opened is not None
    return opened


def _is_written_alike(source: Source) -> bool:
    from etl.stages.lake.judge import lake_schema

    return lake_schema(source) is not None
