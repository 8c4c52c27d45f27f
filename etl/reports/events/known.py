"""What is known of events, as plain data: the last ones, and how far each receiver has come."""

from __future__ import annotations

import json
from typing import Any

from etl.project import Project
from etl.reports.events.outbox import known_receivers, numbers, read, waiting


def known(project: Project, last: int) -> dict[str, Any]:
    """Return the last events, the newest last, and the receivers with how many events wait for each."""
    found = [json.loads(read(project, number)) for number in numbers(project)[-last:]]
    return {
        "events": [
            {
                "number": int(event["sequence"]),
                "time": event["time"],
                "type": event["type"],
                "generation": event["data"]["generation"],
                "changed": ", ".join(one["table"] for one in event["data"]["tables"] if one["changed"]),
            }
            for event in found
        ],
        "receivers": [
            {
                "name": one.name,
                "waiting": len(waiting(project, one)),
                "problem": one.problem,
                "tried_at": one.tried_at or None,
            }
            for one in known_receivers(project)
        ],
    }
