"""published: copies of audited candidates, of which a symlink names the current one; never written again.

A generation is a folder: the warehouse file, and the Parquet files of the models that are exported. Everything
that is published is reached through one link to that folder, so that one rename switches all of it.
"""

from etl.stages.published.export import VERSION as EXPORT_VERSION
from etl.stages.published.generation import current, generations, publish, rollback
from etl.stages.published.switching import FILE, are_exports_whole

__all__ = ["EXPORT_VERSION", "FILE", "are_exports_whole", "current", "generations", "publish", "rollback"]
