"""What is installed for a project: the block in a crontab, or the units of systemd."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl.operations.schedule import crontab
from etl.operations.schedule.entry import Entry


def installed_for(entry: Entry, into: Path) -> tuple[str, str, str]:
    """Return where a schedule is installed, and its times and days; empty if it is not."""
    text = crontab.read(entry.user) if shutil.which("crontab", path="/usr/bin:/bin:/usr/local/bin") else None
    if text and (span := crontab.find_block(text, entry.id)):
        lines = text[slice(*span)].decode().splitlines()
        line = next(line for line in lines if not line.startswith(("#", "MAILTO")))
        return f"the crontab of {entry.user}", " ".join(line.split()[:5]), _days_in(line.replace("\\%", "%"))
    service = into / f"etl-{entry.id}.service"
    if service.is_file():
        lines = service.read_text(encoding="utf-8").splitlines()
        command = next((line for line in lines if line.startswith("ExecStart=")), "")
        at = next((line.partition("at: ")[2] for line in lines if line.startswith("# at: ")), "")
        return str(service.with_suffix(".timer")), at, _days_in(command)
    return "", "", ""


def _days_in(command: str) -> str:
    import shlex

    words = shlex.split(command)
    return words[words.index("--days") + 1] if "--days" in words else ""
