"""Extract the files of the Pollock benchmark of polluted CSV files (VLDB 2023), for its scorer to judge.

    python benchmarks/pollock.py DATA OUT

DATA holds csv/ and parameters/ as the benchmark is published; the declared dialect is all that extraction is told.
OUT gets NAME_converted.csv of what came into the lake, and quarantine/NAME.quarantine.csv of what did not.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
from datetime import date
from pathlib import Path

import duckdb

from etl.contract import Column, Contract
from etl.errors import ContractError, DeliveryError
from etl.ledger import Ledger
from etl.project import Project
from etl.project.settings import Settings
from etl.sources import Source
from etl.sources.formats import Csv
from etl.stages import lake, raw

_DAY = date(2024, 1, 1)


def dialect(parameters: dict) -> Csv:
    """Return the declared dialect; its names count, whatever the header line says."""
    quote = _mark(parameters, "quotechar")
    escape = _mark(parameters, "escapechar")
    return Csv(
        delimiter=_mark(parameters, "delimiter") or ",",
        quote=quote,
        escape="" if escape == quote or not quote else escape,
        header=int(parameters["header_lines"]),
        names=[f"column{n}" for n in range(len(names(parameters)))],
        preamble=int(parameters["preamble_lines"]),
        footer=int(parameters["footnote_lines"]),
        encoding=parameters["encoding"].lower().replace("ascii", "utf-8"),
    )


def names(parameters: dict) -> list[str]:
    """Return the columns' names, which may be there twice; numbered where the file has none."""
    return parameters["column_names"] or [f"column{n}" for n in range(int(parameters["n_columns"] or 0))]


def _mark(parameters: dict, name: str) -> str:
    # none at all is written as nothing, as null or as a NUL character
    return (parameters[name] or "").strip("\0")


def extract(project: Project, file: Path, parameters: dict) -> None:
    """Take one file into the lake of an empty project."""
    project.raw.mkdir(parents=True)
    shutil.copy(file, project.raw / f"{_DAY}.csv")
    fmt = dialect(parameters)
    contract = Contract("Pollock", tuple(Column(name, "VARCHAR", True) for name in fmt.names))
    source = Source(
        contract,
        "{date}.csv",
        format=fmt,
        max_reject_ratio=1.0,
        optional=True,
        empty="partition",
        skipped="allow",
        name="pollock",
    )
    found = raw.find(source, project.raw, _DAY)
    try:
        lake.extract(project, source, list(found.values()), {_DAY: "pollock"}, Ledger(project.ledger), "pollock")
    except DeliveryError as error:
        print(f"{file.name}: {error}")


def write(project: Project, name: str, parameters: dict, out: Path) -> None:
    """Write what is in the lake and in quarantine as CSV; a file without a header stays without one."""
    with duckdb.connect() as con:
        header = names(parameters)
        rows = _rows(con, project.lake, "* exclude (delivery_date, _file)")
        with (out / f"{name}_converted.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([header] if int(parameters["header_lines"]) else [])
            writer.writerows(rows)
        rejects = _rows(con, project.quarantine, "line, rule || ': ' || message, text")
        with (out / "quarantine" / f"{name}.quarantine.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("line", "reason", "text"), *rejects])


def _rows(con: duckdb.DuckDBPyConnection, folder: Path, columns: str) -> list[tuple]:
    files = [str(path) for path in folder.glob("pollock/*/data.parquet")]
    if not files:
        return []
    return con.execute(f"select {columns} from read_parquet(?, hive_partitioning = false)", [files]).fetchall()


def main() -> None:
    """Extract every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    (options.out / "quarantine").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), Settings())
        for file in sorted((options.data / "csv").iterdir()):
            parameters = json.loads((options.data / "parameters" / f"{file.name}_parameters.json").read_text())
            for place in (project.lake, project.quarantine, project.raw):
                shutil.rmtree(place, ignore_errors=True)
            try:
                if names(parameters):
                    extract(project, file, parameters)
                write(project, file.name, parameters, options.out)
            except ContractError as error:
                print(f"{file.name}: {error}")


if __name__ == "__main__":
    main()
