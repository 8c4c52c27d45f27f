"""Models that learn, as a project declares them in ml/<name>.py; nothing is run here."""

from etl.models.trained.declared import FOLDER, Learned, read_learned, training_of

__all__ = ["FOLDER", "Learned", "read_learned", "training_of"]
