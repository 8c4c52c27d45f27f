"""A data folder that an earlier version of etl left, in one small file; see tests/nightly/test_earlier.py.

Make it again only if the new version is meant to do all work again, which every project then pays for once:

    python tests/support/earlier.py tests/nightly/earlier.zip
"""

import hashlib
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path

#: The dates of the nights, with what was delivered before each.
NIGHTS = {
    "2024-03-01": {
        "data/raw/sales/2024-03-01.csv": "id,item,price\n1,book,9.50\n2,pen,1.25\n,cup,\n",
        "data/raw/customers.csv": "key;name\n1;Ann\n2;Bob\n",
        "data/raw/clicks/20240301/a.jsonl": '{"page": "home", "at": "2024-03-01T10:00:00Z"}\n',
        "data/raw/clicks/20240301/_OK": "",
        "data/raw/rates.csv": "currency,rate\nEUR,1.0\nUSD,1.1\n",
    },
    "2024-03-02": {
        "data/raw/sales/2024-03-02.csv": "id,item,price\n3,book,9.50\n4,pen,\n",
        "data/raw/customers.csv": "key;name\n1;Ann\n2;Bert\n3;Cleo\n",
    },
    "2024-03-03": {
        "data/raw/sales/2024-03-03.csv": "id,item,price\n5,pen,1.30\n",
        "data/raw/clicks/20240303/a.jsonl": '{"page": "cart", "at": "2024-03-03T10:00:00Z"}\n{"page": 1}\n',
        "data/raw/clicks/20240303/b.jsonl": '{"page": "home", "at": "2024-03-03T11:00:00Z"}\n',
        "data/raw/clicks/20240303/_OK": "",
    },
}
FILES = {
    "luigi.cfg": "[etl]\nthreads = 1\nkeep_generations = 1\n",
    "contracts/all.py": '''
import pandas as pd
import pandera.pandas as pa
from datetime import datetime
from etl import Csv, JsonLines, Source


class Sales(pa.DataFrameModel):
    """One row per sale."""

    id: int = pa.Field(unique=True, gt=0)
    item: str = pa.Field(isin=["book", "pen", "cup"], metadata={"clean": {"trim": True}})
    price: float = pa.Field(nullable=True, ge=0)


class Customers(pa.DataFrameModel):
    key: int = pa.Field(unique=True)
    name: str = pa.Field(str_length={"min_value": 2})


class Clicks(pa.DataFrameModel):
    page: str
    at: pd.DatetimeTZDtype = pa.Field(nullable=True, dtype_kwargs={"unit": "us", "tz": "UTC"})


class Rates(pa.DataFrameModel):
    currency: str
    rate: float = pa.Field(nullable=True)


class Colours(pa.DataFrameModel):
    item: str
    colour: str

    class Config:
        name = "seeds.colours"


class Items(pa.DataFrameModel):
    item: str = pa.Field(unique=True)
    sales: int

    class Config:
        name = "marts.items"


sales = Source(contract=Sales, files="sales/{date}.csv", partition="sale_date", lag_days=1, max_withdrawn=2)
customers = Source(contract=Customers, files="customers.csv", format=Csv(delimiter=";"), history=True)
clicks = Source(
    contract=Clicks,
    files="clicks/{date:%Y%m%d}/*.jsonl",
    format=JsonLines(),
    marker="clicks/{date:%Y%m%d}/_OK",
    settle_seconds=0.001,
    same_content="allow",
    optional=True,
    empty="skip",
    max_rejects=5,
)
rates = Source(Rates, "rates.csv", "day", Csv(decimal="."), extra="ignore", duplicates="last", skipped="allow")
''',
    "sql/seeds/colours.csv": "item,colour\nbook,red\npen,blue\n",
    "sql/staging/sold.sql": "select id, item, price, sale_date from raw.sales",
    "sql/marts/items.sql": (
        "-- Sales of each item.\n-- unique: item\n-- not_null: item\n-- owner: ann\n-- export: parquet\n"
        "select item, count(*) as sales from staging.sold group by item"
    ),
    "sql/marts/daily.sql": (
        "-- materialized: incremental\n-- partition: sale_date\n"
        "select sale_date, item, count(*) as sales, sum(price) as revenue from raw.sales group by all"
    ),
    "sql/marts/customers.sql": (
        "-- materialized: scd2\n-- key: key\n-- partition: snapshot_date\n-- deletes: absent\n"
        "select key, name, snapshot_date from raw.customers"
    ),
    "sql/marts/coloured.sql": "select item, colour, price from raw.sales join seeds.colours using (item)",
    "sql/marts/pages.sql": "-- materialized: table\nselect page, count(*) as clicks from raw.clicks group by page",
    "sql/audits/prices.sql": "-- warn: a price is missing\nselect * from raw.sales where price is null",
}
_STAMPS = "stamps.json"


def make(target: Path) -> None:
    """Pack the folder that the nights of the installed etl leave."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root, FILES)
        for day, files in NIGHTS.items():
            _write(root, files)
            command = [sys.executable, "-m", "luigi", "--module", "etl", "Nightly", "--date", day]
            subprocess.run(command, cwd=root, env={**os.environ, "ETL_PROJECT": folder}, check=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            _pack(root, packed)


def unpack(source: Path, root: Path) -> None:
    """Lay the folder out as it was; its ledger is told the inodes that its files have now."""
    inodes: dict[str, int] = {}
    with zipfile.ZipFile(source) as packed:
        stamps = json.loads(packed.read(_STAMPS))
        for name, (mode, inode, mtime_ns, link, content) in stamps.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if link:
                path.symlink_to(link)
                continue
            path.write_bytes(packed.read(content))
            path.chmod(stat.S_IMODE(mode))
            os.utime(path, ns=(mtime_ns, mtime_ns))
            inodes[str(inode)] = path.stat().st_ino
    # a stamp is [size, mtime, inode]
    pattern = re.compile(r"(\[\d+, ?\d{19}, ?)(\d+)(?=\])")
    with closing(sqlite3.connect(root / "data/ledger.sqlite")) as con:
        con.create_function("renewed", 1, lambda text: pattern.sub(lambda m: f"{m[1]}{inodes.get(m[2], 0)}", text))
        con.execute("update receipts set details = renewed(details)")
        con.commit()


def _pack(root: Path, packed: zipfile.ZipFile) -> None:
    stamps = {}
    for path in sorted(path for path in root.rglob("*") if path.is_symlink() or path.is_file()):
        name, status = str(path.relative_to(root)), path.lstat()
        link = os.readlink(path) if path.is_symlink() else ""
        content = "" if link else hashlib.sha256(path.read_bytes()).hexdigest()
        stamps[name] = (status.st_mode, status.st_ino, status.st_mtime_ns, link, content)
        # the built and the published file are often the same
        if content and content not in packed.namelist():
            packed.write(path, content)
    packed.writestr(_STAMPS, json.dumps(stamps))


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
