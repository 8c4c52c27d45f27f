"""Commands and nights at size: many rejected records, many sources, many columns, many models.

    python benchmarks/size.py rejects 1000000
    python benchmarks/size.py sources 200
    python benchmarks/size.py columns 5000
    python benchmarks/size.py models 500

CPU seconds and peak memory of each command, in a project of its own in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

IMPORTS = "import pandera.pandas as pa\nfrom etl import Source\n\n"
SALES = (
    f"{IMPORTS}class Sales(pa.DataFrameModel):\n    id: int = pa.Field(unique=True)\n"
    "    item: str = pa.Field(nullable=True)\n\n"
)
NIGHT = ["luigi", "--module", "etl", "Nightly"]


def main() -> None:
    """Make one of the projects, and print what its commands cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(MEASURES))
    parser.add_argument("number", type=int)
    options = parser.parse_args()
    print("| command | CPU s | peak MB |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        MEASURES[options.what](Path(folder), options.number)


def rejects(root: Path, number: int) -> None:
    """Have that many rejected records shown, exported and discarded."""
    source = 'sales = Source(contract=Sales, files="sales/{date}.csv", max_reject_ratio=1)\n'
    rows = "".join(f"x{n},item number {n} of the shop\n" for n in range(number))
    write(root, SALES + source, {"sales/2024-03-01.csv": f"id,item\n{rows}"})
    measure(root, NIGHT)
    measure(root, ["etl", "quarantine", "sales"])
    measure(root, ["etl", "quarantine", "export", "sales", str(root / "sales.csv")])
    measure(root, ["etl", "quarantine", "discard", "sales", "--reason", "a benchmark"])


def sources(root: Path, number: int) -> None:
    """Take one small delivery of each of that many sources."""
    lines = "".join(f's{n} = Source(contract=Sales, files="s{n}/{{date}}.csv")\n' for n in range(number))
    write(root, SALES + lines, {f"s{n}/2024-03-01.csv": "id,item\n1,a\n" for n in range(number)})
    measure(root, NIGHT)


def columns(root: Path, number: int) -> None:
    """Take a thousand rows of that many columns."""
    fields = "".join(f"    c{n}: {'int' if n % 2 else 'str'}\n" for n in range(number))
    contract = f"{IMPORTS}class Wide(pa.DataFrameModel):\n{fields}\n"
    rows = [",".join(f"{row}" if n % 2 else f"t{row}" for n in range(number)) for row in range(1000)]
    text = "\n".join([",".join(f"c{n}" for n in range(number)), *rows, ""])
    write(root, f'{contract}wide = Source(contract=Wide, files="{{date}}.csv")\n', {"2024-03-01.csv": text})
    measure(root, NIGHT)


def models(root: Path, number: int) -> None:
    """Compare two nights of that many models, between which one small day came."""
    sql = {
        f"marts/m{n}.sql": f"-- unique: item\nselect item, count(*) as n{n} from raw.sales group by item"
        for n in range(number)
    }
    rows = "".join(f"{n},item{n % 20}\n" for n in range(1000))
    source = 'sales = Source(contract=Sales, files="sales/{date}.csv")\n'
    write(root, SALES + source, {"sales/2024-03-01.csv": f"id,item\n{rows}"}, sql)
    measure(root, NIGHT)
    (root / "data/raw/sales/2024-03-02.csv").write_text("id,item\n5000,item1\n5001,new\n")
    measure(root, NIGHT)
    measure(root, ["etl", "diff"])


def write(root: Path, contracts: str, raw: Mapping[str, str], sql: Mapping[str, str] | None = None) -> None:
    """Write the files of a project."""
    files = {"luigi.cfg": "[etl]\n", "contracts/all.py": contracts}
    files |= {f"data/raw/{path}": text for path, text in raw.items()}
    files |= {f"sql/{path}": text for path, text in (sql or {}).items()}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "sql").mkdir(exist_ok=True)


def measure(root: Path, command: list[str]) -> None:
    """Run a command in the project, and print what it cost with all of its children."""
    program = Path(sys.executable).with_name(command[0])
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(root)
        os.execv(program, [str(program), *command[1:]])
    _, _, used = os.wait4(child, 0)
    said = " ".join(command[:3]) if command[0] == "etl" else "a night"
    print(f"| {said} | {used.ru_utime + used.ru_stime:.1f} | {used.ru_maxrss / 1024:,.0f} |", flush=True)


MEASURES: Mapping[str, Callable[[Path, int], None]] = {
    "rejects": rejects,
    "sources": sources,
    "columns": columns,
    "models": models,
}


if __name__ == "__main__":
    main()
