"""Raw files to a published, audited DuckDB warehouse: the Luigi tasks, and what a contract file needs."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from etl import tasks
from etl.errors import EtlError
from etl.project.unreadable import is_etl
from etl.sources import known

if TYPE_CHECKING:
    from etl.contract import sql_check
    from etl.sources import Files, Source
    from etl.sources.fetches.bucket import Bucket
    from etl.sources.fetches.changes import Changes
    from etl.sources.fetches.database import Query, Table
    from etl.sources.fetches.download import Download
    from etl.sources.fetches.function import Fetch
    from etl.sources.fetches.paging import *  # noqa: F403
    from etl.sources.fetches.project import Project
    from etl.sources.fetches.rest import Rest
    from etl.sources.fetches.sftp import Sftp
    from etl.sources.known import *  # noqa: F403
    from etl.tasks import *  # noqa: F403

__all__ = ["EtlError", "Files", "Source", "sql_check"]
__all__ += tasks.__all__
__all__ += known.__all__
__all__ += ["Bucket", "Changes", "Download", "Fetch", "Project", "Query", "Rest", "Sftp", "Table"]
__all__ += known.PARTS


#: What a contract file needs, and its room.
_ROOMS = {"Files": "sources", "Source": "sources", "sql_check": "contract"}


def __getattr__(name: str) -> object:
    """Import what a contract file needs, or the tasks, when it is asked for: most of what runs needs neither."""
    if name in ("contract", "sources"):
        return import_module(f"etl.{name}")
    if name in _ROOMS:
        return getattr(import_module(f"etl.{_ROOMS[name]}"), name)
    if name in tasks.__all__:
        return getattr(tasks, name)
    return known.fetch_class(name) if name in {**known.FETCHES, **known.PARTS} else known.format_class(name)


class _Former(ModuleType):
    """The formats, where contracts that `etl sniff` once proposed import them from."""

    def __getattr__(self, name: str) -> object:
        return getattr(import_module("etl.sources.formats"), name)


sys.modules.setdefault("etl.formats", _Former("etl.formats"))

if not is_etl():
    # whoever names a task by its name has not imported it
    tasks.register()
