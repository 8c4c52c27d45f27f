"""A project full of hostile texts, and how each command of `etl` is called in it."""

import click

from etl.cli.main import cli
from tests.support import tiny

#: A line that only etl may begin.
FORGED = "02:15:04 published"
#: Escape sequences, a bell, another direction, ends of lines of all kinds, and a control character of 8 bits.
HOSTILE = f"\x1b]0;x\x07\x1b[2J\x1b[31mred\u202e\u200b\x9b1m\r\n{FORGED}\u2028\x85\x0b{FORGED}"
#: What somebody types, or pastes, in the place of a name.
WORD = HOSTILE.replace("\r\n", "")
#: What a file's name may hold.
NAME = "a\u202e\u200fb"
CONTRACTS = f"""
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    item: str = pa.Field(nullable=True, alias={NAME!r})
    price: int = pa.Field(ge=0, nullable=True)

sales = Source(contract=Sales, files="sales/{{date}}/*.csv", optional=True)
other = Source(contract=Sales, files="other/{{date}}.csv", optional=True, expected_by="00:00", owner={NAME!r})
"""
QUOTED = '"' + HOSTILE.replace("\r\n", "\n") + '"'
RAW = {
    f"sales/2024-03-01/{NAME}.csv": f"id,{NAME},price\n1,{QUOTED},1\n2,x,-1\n{QUOTED},y,1\n".encode(),
    f"sales/2024-03-02/{NAME}.csv": f"id,{QUOTED},price\n1,x,1\n".encode(),
    f"sales/2024-03-03/{NAME}\x1b.csv": b"id\n",
    "other/2024-03-01.csv": f"id,{NAME},price\n3,{QUOTED},1\n4,{QUOTED},1,{QUOTED}\n".encode(),
}
COMMENT = HOSTILE.split("\r")[0] + "\u2028"
SQL = {
    "marts/items.sql": f'-- {COMMENT}\nselect "{NAME}" as "{NAME} 2", id from raw.sales union all '
    f'select "{NAME}", id from raw.other',
    "audits/none.sql": f'-- warn: {NAME}\nselect "{NAME} 2" from marts.items',
}
#: How each command is called; those that run a night, or another program, are called in a process of their own.
CALLS = {
    "status": [[], ["sales"], [WORD]],
    "audits": [[], ["--failed"], ["none"], [NAME]],
    "runs": [[], ["--failed", "--last", "3"]],
    "show": [[], [WORD]],
    "logs": [[], ["last", WORD], [WORD]],
    "fetch": [[], [WORD], ["--since", WORD]],
    "plan": [["--all", "--date", "2024-03-31"], ["--select", WORD]],
    "generations": [[]],
    "deployed": [[], ["--json"]],
    "tables": [[], ["marts.items"], ["raw.sales"], [WORD]],
    "profile": [
        ["marts.items"],
        ["raw.sales"],
        ["raw.sales", NAME],
        ["raw.other", NAME],
        [WORD],
        ["raw.sales", WORD],
    ],
    "report": [[], ["--json"], ["--out", WORD]],
    "serve": [["--host", WORD]],
    "diff": [[], [WORD], ["current", "current", WORD]],
    "env list": [[]],
    "env create": [[WORD]],
    "env drop": [[WORD, "--yes"]],
    "approve": [[WORD, "--by", "x", "--reason", "y"]],
    "lineage": [["marts.items"], [f"marts.items.{NAME} 2"], [WORD], ["raw.sales", "--downstream"], ["--across"]],
    "sql": [["from marts.items"], ["from raw.sales"], ["from etl.rejects"], ["from etl.partitions"], [WORD]],
    "sniff": [[f"data/raw/sales/2024-03-01/{NAME}.csv"], [f"data/raw/sales/2024-03-02/{NAME}.csv"], [WORD]],
    "init": [[WORD], ["."], ["new", "--empty"]],
    "check": [[], ["--json"]],
    "audit": [["--published"], []],
    "check-late": [[], ["--json"]],
    "backfill": [
        ["--start", "2024-03-01", "--stop", "2024-03-03", "--dry-run"],
        ["--start", "2024-03-01", "--stop", "2024-03-03", "--source", WORD, "--dry-run"],
        ["--start", "2024-03-01", "--stop", "2024-03-03", "--force", "--resume", WORD],
        ["--start", WORD, "--stop", "2024-03-03"],
    ],
    "describe": [
        ["sales"],
        ["raw.other", "--json"],
        ["marts.items"],
        ["audits.none"],
        [WORD],
        ["other", "--date", WORD],
    ],
    "wait": [
        ["sales", "2024-03-02", "--within", "0s"],
        ["other", "2024-03-09", "--within", "0s", "--json"],
        [WORD, "2024-03-01", "--within", "0s"],
        ["sales", WORD],
        ["sales", "2024-03-01", "--poll", WORD],
    ],
    "watch": [["--help"]],
    "tune": [[WORD], [WORD, "--show"]],
    "ml runs": [[WORD], [NAME, "--sort", WORD]],
    "ml compare": [[WORD, NAME]],
    "ml curves": [[WORD]],
    "ml card": [[WORD], [NAME, "--json"]],
    "ml export": [[WORD, "--to", "tensorboard", "--out", "boards"], [NAME, "--to", "mlflow", "--out", WORD]],
    "check-leaks": [[], [WORD], ["--at", WORD]],
    "events": [[], ["--send"]],
    "notify": [[], ["--json"], ["--test"]],
    "mirror": [[], ["--check"], ["--take-over"]],
    "schedule install": [["--at", WORD, "--into", "units"], ["--days", WORD, "--into", "units"]],
    "schedule show": [["--into", "units"], ["--into", "units", "--json"]],
    "schedule remove": [["--into", "units"]],
    "completion": [["bash"], [WORD]],
    "quarantine list": [[], ["sales"], [WORD]],
    "quarantine show": [["sales"], ["other"], [WORD]],
    "quarantine export": [["sales", "out.csv"], [WORD, "o.csv"]],
    "quarantine replay": [["sales", "--from", WORD], ["other", "--rule", "record"]],
    "quarantine discard": [["sales", "--reason", "x"], ["other", "--rule", "record", "--reason", WORD]],
    "run": [["--date", "2024-03-31"]],
    "reproduce": [[WORD]],
    "debug": [[], [WORD]],
    "retry": [[], [WORD]],
    "rollback": [[WORD], []],
    "purge": [["sales", "--date", "2024-03-01", "--yes"], [WORD, "--yes"]],
    "clear": [["sales"], ["gone", "--yes"], [WORD, "--yes"], ["sales", "--dates", WORD]],
    "drop": [["gone", "--yes"], [WORD, "--yes"]],
}
IN_A_PROCESS = {"run", "retry", "quarantine replay", "quarantine discard"}


def commands(group=cli, before=()):
    """Return the name of every command that does something."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name))


def project(root):
    """Return the project, after a night; it is made once, and copied to `root`."""
    return tiny.once(root, _published)


def _published(root):
    tiny.night(tiny.project(root, CONTRACTS, SQL, RAW))
