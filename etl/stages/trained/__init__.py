"""trained: a model learns from the rows of a table, up to a day, and is judged by rows that it has not seen."""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.stages.trained.judges import is_negative, judged, losses
    from etl.stages.trained.training import Pruned, Rows, Scored, Trainer, Window, windows

__all__ = ["Pruned", "Rows", "Scored", "Trainer", "Window", "is_negative", "judged", "losses", "windows"]

#: What is imported when it is asked for: each night looks for the files of models, and few nights train.
_MODULES = dict.fromkeys(("is_negative", "judged", "losses"), "judges") | dict.fromkeys(
    ("Pruned", "Rows", "Scored", "Trainer", "Window", "windows"), "training"
)

__getattr__ = lazily(__name__, _MODULES)
