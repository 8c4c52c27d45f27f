"""A sample of every kind of model over the same feed, so that laws take each kind through the same nights."""

from collections.abc import Mapping

from etl.models import Context, Given, Promised
from etl.models.kinds import KINDS
from etl.stages.warehouse.makers import MAKERS

#: The feed: `seq` orders what is said of an id, `note` is a remark that no sample but the view shows as a value.
FEED = Given(
    "raw.feed",
    (
        *(("day", "DATE"), ("id", "BIGINT"), ("seq", "BIGINT"), ("city", "VARCHAR"), ("gone", "BOOLEAN")),
        ("note", "VARCHAR"),
    ),
    "day",
    added=(),
)

_PYTHON = '''# not_null: id
READS = ["raw.feed"]


def model(inputs, ctx):
    """How often each id was delivered."""
    return inputs["raw.feed"].aggregate("id, count(*) as times")
'''

_COMMAND = """# not_null: id
READS = ["raw.feed"]
COMMAND = ["cp", "{inputs}/raw.feed.parquet", "{output}"]
VERSION = "of the system"
"""

#: By kind, the file of its sample below sql/, and the text of it. Each promises that its id is not null.
SAMPLES: Mapping[str, tuple[str, str]] = {
    "view": (
        "marts/view.sql",
        "-- materialized: view\n-- not_null: id\nselect id, note from raw.feed where not coalesce(gone, false)",
    ),
    "table": (
        "marts/table.sql",
        "-- materialized: table\n-- not_null: id\nselect id, max(city) as city from raw.feed group by id",
    ),
    "incremental": (
        "marts/incremental.sql",
        "-- materialized: incremental\n-- partition: day\n-- not_null: id\n"
        "select day, id, count(*) as times from raw.feed group by all",
    ),
    "merge": (
        "marts/merge.sql",
        "-- materialized: merge\n-- key: id\n-- order: seq\n-- partition: day\n-- deletes: gone\n-- not_null: id\n"
        "select day, id, seq, city, gone, note from raw.feed",
    ),
    "scd2": (
        "marts/scd2.sql",
        "-- materialized: scd2\n-- key: id\n-- partition: day\n-- order: seq\n-- deletes: gone\n-- ignores: note\n"
        "-- not_null: id\nselect day, id, seq, city, gone, note from raw.feed",
    ),
    "python": ("marts/python.py", _PYTHON),
    "command": ("marts/command.py", _COMMAND),
}

#: What contracts promise of the samples that need it.
CONTEXT = Context(
    promised={
        "marts.python": Promised((("id", "BIGINT"), ("times", "BIGINT"))),
        "marts.command": Promised(FEED.columns),
    }
)


#: The kinds that can be taken through the laws; tests/models/test_kinds.py names those that lack what it takes.
TRIED = [kind for kind in KINDS if kind in SAMPLES and kind in MAKERS]

#: The kinds whose partitions can be files, and the samples of all that can, with those that can as files.
FILED = [kind for kind in TRIED if "storage" in KINDS[kind].keys]
IN_FILES: Mapping[str, tuple[str, str]] = {
    kind: (file, f"-- storage: lake\n{text}" if kind in FILED else text) for kind, (file, text) in SAMPLES.items()
}
