"""The generations on disk, as rows to show."""

from __future__ import annotations

from typing import Any

from etl.project import Project
from etl.stages import published


def known_generations(project: Project) -> list[dict[str, Any]]:
    """Return the generations on disk, the newest first; what those without a record do not say is None."""
    return [_generation(project, name) for name in reversed(published.generations(project))]


def _generation(project: Project, name: str) -> dict[str, Any]:
    folder, hold = project.generations / name, published.read_hold(project)
    record = published.read_record(folder)
    tables = record.tables.values() if record else ()
    notes = ["current"] if name == published.current(project) else []
    notes += ["held"] if hold and hold.held == name else []
    notes += [f"of {record.origin['environment']}"] if record and record.origin else []
    return {
        "generation": name,
        "published_at": record.published_at[:19] + "Z" if record else None,
        "batch_date": record.batch_date if record else None,
        "tables": len(tables) or None,
        "rows": sum(item.rows or 0 for item in tables) if record else None,
        "bytes": (folder / published.FILE).stat().st_size,
        "git_commit": record.git_commit if record else "",
        "note": ", ".join(notes),
    }
