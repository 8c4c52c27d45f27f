"""The project's SQL as data: models and audits, their dependencies from DuckDB's own parser, their order."""

from etl.audit_kinds import Audit
from etl.models.model import ABSENT, BY_PARTITION, HISTORY, Columns, Given, Header, Model, Models
from etl.models.read import models_key, read_models

__all__ = [
    "ABSENT",
    "BY_PARTITION",
    "HISTORY",
    "Audit",
    "Columns",
    "Given",
    "Header",
    "Model",
    "Models",
    "models_key",
    "read_models",
]
