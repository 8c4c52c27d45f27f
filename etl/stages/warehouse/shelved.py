"""The files of models that are too large for a row: which of them tables name, and bringing them to the build."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.quoting import qualified
from etl.project import Project
from etl.project.files import flush, link_file
from etl.project.project import ARTEFACTS
from etl.stages.trained.artefact import IN_FILE, Artefacts, file_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

_MEGABYTE = 1_000_000
#: What lies in their folder by etl's hand; half-written ones too.
_OWN = re.compile(r"\.?[0-9a-f]{64}\.model(\.new)?")
#: The tables that have models in their rows: those of models that learn, and what a project copies from them.
_TABLES = (
    "select schema_name || '.' || table_name from duckdb_columns() where database_name = current_database() "
    "and (column_name, data_type) in (('format', 'VARCHAR'), ('artefact', 'BLOB')) "
    "group by all having count(*) = 2"
)


def artefacts_of(project: Project) -> Artefacts:
    """Return where the build has its models that are too large for a row."""
    return Artefacts(folder=project.artefacts, limit=project.settings.artefact_megabytes * _MEGABYTE)


def named_files(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the names of the files that rows of an open database name."""
    found: set[str] = set()
    for (table,) in con.execute(_TABLES).fetchall():
        query = f"select distinct format, artefact from {qualified(table)} where ends_with(format, $1)"
        found |= {file_of(*row) for row in con.execute(query, [IN_FILE]).fetchall()}
    return found


def bring(names: Iterable[str], target: Path, sources: Iterable[Path]) -> list[str]:
    """Have files in a folder, as the same files, from those of folders that have them; return what none has."""
    lacking, folders = [], list(sources)
    for name in sorted(names):
        if (target / name).exists():
            continue
        there = next((folder / name for folder in folders if (folder / name).exists()), None)
        if there is None:
            lacking.append(name)
        else:
            link_file(there, target / name)
            flush(target)
    return lacking


def tidy(project: Project, con: duckdb.DuckDBPyConnection) -> None:
    """Have the files beside the build that its rows name, from generations if need be, and no others."""
    folder, names = project.artefacts, named_files(con)
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in names and _OWN.fullmatch(path.name):
                path.unlink()
        with suppress(OSError):
            folder.rmdir()
    bring(names, folder, sorted(project.generations.glob(f"[!.]*/{ARTEFACTS}"), reverse=True))
