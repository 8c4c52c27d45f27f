"""Raw files to a published, audited DuckDB warehouse: the Luigi tasks, and what a contract file needs."""

import sys
from configparser import Error as ConfigFileError
from typing import TYPE_CHECKING

from etl import contract, sources
from etl.contract import sql_check
from etl.errors import EtlError
from etl.project.unreadable import stopped
from etl.sources import Files, Source
from etl.sources.formats import known

try:
    from etl import tasks
    from etl.tasks import *  # noqa: F403
except (ConfigFileError, UnicodeDecodeError) as error:
    # Luigi reads its configuration when it is imported
    raise stopped(error) from None

# contracts that `etl sniff` once proposed import these from where they were
contract.__dict__.setdefault("Source", Source)
sys.modules.setdefault("etl.formats", sources.formats)

if TYPE_CHECKING:
    from etl.sources.formats.known import *  # noqa: F403

__all__ = ["EtlError", "Files", "Source", "sql_check"]
__all__ += tasks.__all__
__all__ += known.__all__


def __getattr__(name: str) -> object:
    """Import a format when it is asked for: a night with nothing new needs few of them."""
    from etl.sources.formats import format_class

    return format_class(name)
