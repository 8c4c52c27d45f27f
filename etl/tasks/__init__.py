"""The Luigi graph: the only room that imports Luigi. A task says when a step runs, never how.

To import Luigi takes longer than most commands, so the tasks are there when one is asked for.
"""

from configparser import Error as ConfigFileError
from importlib import import_module
from typing import TYPE_CHECKING

from etl.project.unreadable import explained, is_run, stopped

if TYPE_CHECKING:
    from etl.tasks.fetched import Fetched
    from etl.tasks.graph import (
        AuditedWarehouse,
        Backfill,
        BuiltModel,
        LakePartition,
        LoadedTable,
        Nightly,
        PublishedWarehouse,
        RawFile,
        Retried,
        run_luigi,
    )
    from etl.tasks.promoted import Promoted
    from etl.tasks.sample import DeliveredSample
    from etl.tasks.tuned import Tuned

__all__ = [
    "AuditedWarehouse",
    "Backfill",
    "BuiltModel",
    "DeliveredSample",
    "Fetched",
    "LakePartition",
    "LoadedTable",
    "Nightly",
    "Promoted",
    "PublishedWarehouse",
    "RawFile",
    "Retried",
    "Tuned",
    "run_luigi",
]

#: The modules that Luigi finds tasks in by their names.
_MODULES = ("graph", "fetched", "promoted", "sample", "tuned")


def register() -> None:
    """Let Luigi know every task by its name. Raises ConfigError, or SystemExit, for a bad luigi.cfg."""
    try:
        modules = [import_module(f"etl.tasks.{name}") for name in _MODULES]
    except (ConfigFileError, UnicodeDecodeError) as error:
        # Luigi reads its configuration when it is imported
        told = explained(error)
        if is_run():
            from etl.run import telling

            telling.not_begun("", "", told, None, is_whole=True)
        raise stopped(told) from None
    found = {name: value for module in modules for name, value in vars(module).items()}
    globals().update({name: found[name] for name in __all__})


def __getattr__(name: str) -> object:
    """Import the tasks when one of them is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    register()
    return globals()[name]
