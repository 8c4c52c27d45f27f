"""Tests of models in SQL: what is given, the real step, and what is expected of the table after it."""

from etl.operations.model_tests.cases import Case, read_cases
from etl.operations.model_tests.scene import Definitions, read_definitions
from etl.operations.model_tests.workbench import Workbench

__all__ = ["Case", "Definitions", "Workbench", "read_cases", "read_definitions"]
