"""One event, as CloudEvents 1.0 has it in JSON: which generation is current now, and which tables have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from etl.ledger import Switch
from etl.project import Project
from etl.stages.published import Contents, read_record

#: The type of an event, by the kind of the switch.
TYPES = {
    "publish": "etl.generation.published",
    "rollback": "etl.generation.rolled_back",
    "promote": "etl.generation.promoted",
}
#: So many tables are named, those first that have changed: a message that is too large is refused.
_MOST_TABLES = 200
CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"


def event_of(project: Project, switch: Switch, number: int) -> dict[str, Any]:
    """Return the event of a switch. No value of a table is in it, and nothing of who did it or why."""
    record = read_record(project.generations / switch.generation)
    tables = record.tables if record else {}
    earlier = read_record(project.generations / switch.before) if switch.before else None
    before = earlier.tables if earlier else {}
    said = [
        {
            "table": name,
            "rows": item.rows,
            "content": item.hash,
            "changed": _is_changed(name, item, tables, before),
        }
        for name, item in sorted(tables.items())
    ]
    gone = sorted(before.keys() - tables.keys())
    return {
        "specversion": "1.0",
        # a generation may become current more than once
        "id": f"{switch.generation}-{number:09}",
        "source": f"urn:etl:{quote(project.root.name, safe='')}:{project.environment_name}",
        "type": TYPES[switch.kind],
        "subject": switch.generation,
        "time": switch.at,
        "datacontenttype": "application/json",
        "sequence": f"{number:09}",
        "data": {
            "generation": switch.generation,
            "before": switch.before,
            "batch_date": record.batch_date if record else "",
            "tables": sorted(said, key=lambda one: not one["changed"])[:_MOST_TABLES],
            "left_out": max(0, len(said) - _MOST_TABLES),
            "gone": gone[:_MOST_TABLES],
        },
    }


def _is_changed(name: str, item: Contents, tables: Mapping[str, Contents], before: Mapping[str, Contents]) -> bool:
    """Return whether a table holds other rows than before; of a view, if any table does."""
    if name not in before:
        return True
    if item.kind == "table" or item.hash != before[name].hash:
        return item.hash != before[name].hash
    return any(one.kind == "table" and one != before.get(other) for other, one in tables.items())


def text_of(event: Mapping[str, Any]) -> str:
    """Return an event as JSON on one line."""
    return json.dumps(event, ensure_ascii=False)
