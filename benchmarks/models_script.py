"""Statements in a JSON file, executed one after another into a DuckDB file: what `models.py` measures against.

Usage: python models_script.py STATEMENTS.json TARGET.duckdb
"""

import json
import sys
from pathlib import Path

import duckdb


def main(statements: Path, target: Path) -> None:
    """Make everything from nothing."""
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target)) as con:
        for statement in json.loads(statements.read_text(encoding="utf-8")):
            con.execute(statement)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
