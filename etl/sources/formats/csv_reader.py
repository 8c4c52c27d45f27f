"""DuckDB's CSV reader with every option given: nothing is sniffed, ignored or padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.engine import quoting
from etl.engine.quoting import literal

_BUFFER_BYTES = 64_000_000


@dataclass(frozen=True, kw_only=True)
class CsvReader:
    """Reads files of one dialect that hold nothing but sound records below their first `skip` lines.

    An empty `line_end` takes the one that the file has; a given one is a line feed, which makes carriage
    returns within quoted cells harmless. (DuckDB merges rows if it is told to expect `\\r\\n`.)
    """

    delimiter: str
    quote: str
    escape: str
    nulls: tuple[str, ...]
    trailing: bool = False
    skip: int = 0
    line_end: str = ""
    #: What a line may have, if that is more than DuckDB would take.
    max_line_bytes: int = 0

    def relation(self, paths: Sequence[Path], names: Sequence[str]) -> str:
        """Return the SQL of the cells of all files, and `file_index`."""
        return f"(select {_list(names)}, file_index from {self._read(paths, names)})"

    def numbered(self, path: Path, names: Sequence[str]) -> str:
        """Return the SQL of the cells of one file, and `_record`."""
        return f"(select {_list(names)}, row_number() over () - 1 as _record from {self._read([path], names)})"

    def _read(self, paths: Sequence[Path], names: Sequence[str]) -> str:
        columns = [*names, "_behind"] if self.trailing else names
        types = ", ".join(f"{literal(name)}: 'varchar'" for name in columns)
        options = {
            "columns": f"{{{types}}}",
            "auto_detect": "false",
            "delim": literal(self.delimiter),
            "quote": literal(self.quote),
            "escape": literal(self.escape),
            "header": "false",
            "skip": str(self.skip),
            "nullstr": literal(self.nulls),
            "allow_quoted_nulls": "false",
            "strict_mode": "true",
            **({"new_line": literal(self.line_end)} if self.line_end else {}),
        }
        if self.max_line_bytes:
            # by itself a buffer would have 32 times as many
            buffer = max(_BUFFER_BYTES, 2 * self.max_line_bytes)
            options |= {"max_line_size": str(self.max_line_bytes), "buffer_size": str(buffer)}
        files = quoting.paths(paths)
        return f"read_csv({files}, {', '.join(f'{name} = {value}' for name, value in options.items())})"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quoting.identifier, names))
