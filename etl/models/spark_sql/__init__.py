"""spark_sql: a SELECT of DuckDB as one of Spark, if all of it is on a list whose every entry was compared on both.

The list is data: functions.py, casts.py, and the clauses in clauses.py. What is not on it is refused, with its
line. The types of all expressions are DuckDB's own, and each result is cast to them.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.models.spark_sql.marked import on_spark
    from etl.models.spark_sql.translate import translated
    from etl.models.spark_sql.types import SESSION, handed_over, spark_type, table_name

__all__ = ["SESSION", "handed_over", "on_spark", "spark_type", "table_name", "translated"]

#: What is imported when it is asked for: only the translation needs sqlglot.
_MODULES = {
    "translated": "translate",
    "on_spark": "marked",
    **dict.fromkeys(("SESSION", "handed_over", "spark_type", "table_name"), "types"),
}

__getattr__ = lazily(__name__, _MODULES)
