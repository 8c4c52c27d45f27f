"""XML taken apart, in records a second of CPU time: a file, and one of four times as many records.

python -m benchmarks.xml_records [RECORDS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from etl.sources.formats import Xml

#: What a record holds beside its number, and what a source takes from it.
KINDS = {
    "3 cells": ("<item>book {n}</item><price>1.50</price>", {}, ["id", "item", "price"]),
    "10 cells": (
        "<name><first>Ann</first><last>Lee {n}</last></name><address><city>Bern</city><zip>3000</zip></address>"
        + "".join(f"<c{k}>text {k}</c{k}>" for k in range(5)),
        {"first": "name/first", "last": "name/last", "city": "address/city", "zip": "address/zip"},
        ["id", "first", "last", "city", "zip", *(f"c{k}" for k in range(5))],
    ),
}


def seconds(folder: Path, kind: str, records: int) -> float:
    """Return the CPU seconds that it takes to take a file apart."""
    inner, fields, columns = KINDS[kind]
    path = folder / "records.xml"
    with path.open("w") as file:
        file.write("<orders>\n")
        file.writelines(f'<order id="{n}">{inner.replace("{n}", str(n))}</order>\n' for n in range(records))
        file.write("</orders>\n")
    fmt = Xml(record="orders/order", fields={"id": "@id", **fields})
    start = time.process_time()
    opened = fmt.open(path, columns, folder / "scratch")
    taken = time.process_time() - start
    assert (opened.sound, opened.broken, opened.extras) == (records, 0, {})
    opened.close()
    return taken


def main(records: int) -> None:
    """Print one line for each kind of record."""
    with tempfile.TemporaryDirectory() as folder:
        seconds(Path(folder), "3 cells", 1)  # imports
        for kind in KINDS:
            few, many = (seconds(Path(folder), kind, records * times) for times in (1, 4))
            print(f"{kind}: {4 * records / many:,.0f} records/s; 4 x as many take {many / few:.1f} times as long")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
