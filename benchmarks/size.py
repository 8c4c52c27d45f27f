"""Commands and nights at size: many rejected records, many sources, many columns, many models.

    python benchmarks/size.py rejects=1000000 sources=200 columns=5000 models=500

Each kind is a project of its own in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from figures import PRODUCT, report
from processes import TOLD, measure, tell

IMPORTS = "import pandera.pandas as pa\nfrom etl import Source\n\n"
SALES = (
    f"{IMPORTS}class Sales(pa.DataFrameModel):\n    id: int = pa.Field(unique=True)\n"
    "    item: str = pa.Field(nullable=True)\n\n"
)


def main() -> None:
    """Make the projects, and measure their commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", help=f"a kind and how many, of {', '.join(MEASURES)}")
    for kind, number in (text.split("=") for text in parser.parse_args().kinds):
        with tempfile.TemporaryDirectory() as folder:
            MEASURES[kind](Path(folder), int(number))
    print(report(TOLD, [f"Whole commands, each run once; {os.cpu_count()} cores."]))


def rejects(root: Path, number: int) -> None:
    """Have that many rejected records shown, exported and discarded."""
    source = 'sales = Source(contract=Sales, files="sales/{date}.csv", max_reject_ratio=1)\n'
    rows = "".join(f"x{n},item number {n} of the shop\n" for n in range(number))
    write(root, SALES + source, {"sales/2024-03-01.csv": f"id,item\n{rows}"})
    what = f"{number:,} rejects"
    night(root, f"{what}: a night")
    command(root, f"{what}: quarantine", ["etl", "quarantine", "sales"])
    command(root, f"{what}: quarantine export", ["etl", "quarantine", "export", "sales", str(root / "sales.csv")])
    command(root, f"{what}: quarantine discard", ["etl", "quarantine", "discard", "sales", "--reason", "a test"])


def sources(root: Path, number: int) -> None:
    """Take one small delivery of each of that many sources."""
    lines = "".join(f's{n} = Source(contract=Sales, files="s{n}/{{date}}.csv")\n' for n in range(number))
    write(root, SALES + lines, {f"s{n}/2024-03-01.csv": "id,item\n1,a\n" for n in range(number)})
    night(root, f"{number:,} sources: a night")


def columns(root: Path, number: int) -> None:
    """Take a thousand rows of that many columns."""
    fields = "".join(f"    c{n}: {'int' if n % 2 else 'str'}\n" for n in range(number))
    contract = f"{IMPORTS}class Wide(pa.DataFrameModel):\n{fields}\n"
    rows = [",".join(f"{row}" if n % 2 else f"t{row}" for n in range(number)) for row in range(1000)]
    text = "\n".join([",".join(f"c{n}" for n in range(number)), *rows, ""])
    write(root, f'{contract}wide = Source(contract=Wide, files="{{date}}.csv")\n', {"2024-03-01.csv": text})
    night(root, f"{number:,} columns: a night")


def models(root: Path, number: int) -> None:
    """Compare two nights of that many models, between which one small day came."""
    sql = {
        f"marts/m{n}.sql": f"-- unique: item\nselect item, count(*) as n{n} from raw.sales group by item"
        for n in range(number)
    }
    rows = "".join(f"{n},item{n % 20}\n" for n in range(1000))
    source = 'sales = Source(contract=Sales, files="sales/{date}.csv")\n'
    write(root, SALES + source, {"sales/2024-03-01.csv": f"id,item\n{rows}"}, sql)
    night(root, f"{number:,} models: first night")
    (root / "data/raw/sales/2024-03-02.csv").write_text("id,item\n5000,item1\n5001,new\n")
    what = f"one new day of {number:,} models"
    night(root, f"{what}: a night")
    command(root, f"{what}: diff", ["etl", "diff"])


def write(root: Path, contracts: str, raw: Mapping[str, str], sql: Mapping[str, str] | None = None) -> None:
    """Write the files of a project."""
    files = {"luigi.cfg": "[etl]\n", "contracts/all.py": contracts}
    files |= {f"data/raw/{path}": text for path, text in raw.items()}
    files |= {f"sql/{path}": text for path, text in (sql or {}).items()}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "sql").mkdir(exist_ok=True)


def night(root: Path, workload: str, name: str = PRODUCT) -> None:
    """Measure a night of the project."""
    command(root, workload, ["luigi", "--module", "etl", "Nightly"], name)


def command(root: Path, workload: str, words: list[str], name: str = PRODUCT) -> None:
    """Measure a command in the project."""
    program = Path(sys.executable).with_name(words[0])
    # two files that differ end `etl diff` with 1
    allowed = (0, 1) if words[1] == "diff" else (0,)
    measurement = measure(name, [str(program), *words[1:]], {"ETL_PROJECT": str(root)}, allowed)
    tell("once", workload, name, measurement)


MEASURES: Mapping[str, Callable[[Path, int], None]] = {
    "rejects": rejects,
    "sources": sources,
    "columns": columns,
    "models": models,
}


if __name__ == "__main__":
    main()
