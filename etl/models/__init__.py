"""The project's SQL as data: models and audits, their dependencies from DuckDB's own parser, their order."""

from etl.contract.audit import Audit
from etl.models.asked import ABSENT, ALWAYS, Columns, Header
from etl.models.code import Code, read_code
from etl.models.commands import Command
from etl.models.context import Context, Promised
from etl.models.header import place_of
from etl.models.kinds import HISTORY, KINDS, Kind
from etl.models.log import CLOCKS, LOG, LOG_NAMES, PARTITIONS
from etl.models.model import DELIVERED, Given, Macro, Model, Models
from etl.models.over import models_over
from etl.models.programs import read_program
from etl.models.read import is_test, models_key, read_models
from etl.models.select import select
from etl.models.trees import meanings_of_views, tables_of_views
from etl.models.variables import with_values

__all__ = [
    "ABSENT",
    "ALWAYS",
    "CLOCKS",
    "DELIVERED",
    "HISTORY",
    "KINDS",
    "LOG",
    "LOG_NAMES",
    "PARTITIONS",
    "Audit",
    "Code",
    "Columns",
    "Command",
    "Context",
    "Given",
    "Header",
    "Kind",
    "Macro",
    "Model",
    "Models",
    "Promised",
    "is_test",
    "meanings_of_views",
    "models_key",
    "models_over",
    "place_of",
    "read_code",
    "read_models",
    "read_program",
    "select",
    "tables_of_views",
    "with_values",
]
