"""The job of building partitions of one model, and what comes of it, as texts that any host can carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Input(NamedTuple):
    """A file below the folder of the data, as the run found it.

    One of the lake has its partition, and when its rows were loaded, in microseconds since 1970.
    """

    path: str
    day: str
    loaded_at: int
    size: int
    sha256: str


class Read(NamedTuple):
    """A table as a job reads it: its columns with their types, that of a raw table's partition, and the files."""

    name: str
    columns: Mapping[str, str]
    partition: str
    files: Sequence[Input]
    is_model: bool = False


@dataclass(frozen=True, kw_only=True)
class PartJob:
    """Partitions of one model that are to be built from files of the lake. It holds no secret and no data."""

    #: What names the project; its folders are at the same place for every worker.
    project: str
    model: str
    #: The SELECT, and the names of its columns with the types as which they go to Parquet.
    sql: str
    columns: Sequence[tuple[str, str]]
    partition: str
    days: Sequence[str]
    #: The statements that make the macros and views which it uses, in order, each with its name.
    uses: Sequence[tuple[str, str]]
    tables: Sequence[Read]
    #: What DuckDB may have of a worker's memory; empty: DuckDB's own limit.
    memory_limit: str = ""
    #: What a worker must be like; see alike.py.
    worker: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The job as text: equal for the same partitions of the same files, whatever the run."""
        return json.dumps({"partitions": asdict(self)})

    @property
    def target(self) -> str:
        """The name of the file that it makes."""
        return f"{hashlib.sha256(self.text.encode()).hexdigest()}.parquet"

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> PartJob:
        """Return the job of which the text holds these facts."""
        tables = [
            Read(name, columns, partition, [Input(*file) for file in files], is_model)
            for name, columns, partition, files, is_model in facts["tables"]
        ]
        pairs = {name: [tuple(pair) for pair in facts[name]] for name in ("columns", "uses")}
        return cls(**{**facts, **pairs, "tables": tables})


@dataclass(frozen=True, kw_only=True)
class PartAnswer:
    """What a worker says of a job: the receipt of the file that is in place, or what is wrong."""

    target: str = ""
    rows: int = 0
    size: int = 0
    sha256: str = ""
    problem: str = ""
    #: Why the worker did nothing: it is not like the process that holds the run, or does not see the same files.
    refused: str = ""

    @property
    def text(self) -> str:
        """The answer as text."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> PartAnswer:
        """Return the answer that a text is of."""
        return cls(**json.loads(text))


def facts_of(text: str) -> Mapping[str, Any] | None:
    """Return what the text of a job of partitions holds; None if it is of another kind."""
    found: Mapping[str, Any] | None = json.loads(text).get("partitions")
    return found
