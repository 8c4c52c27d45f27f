"""trained: a model learns from the rows of a table, up to a day, and is judged by rows that it has not seen."""

from etl.stages.trained.judges import is_negative, judged, losses
from etl.stages.trained.training import Pruned, Rows, Scored, Trainer, Window, windows

__all__ = ["Pruned", "Rows", "Scored", "Trainer", "Window", "is_negative", "judged", "losses", "windows"]
