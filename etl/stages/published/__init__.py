"""published: copies of audited candidates, of which a symlink names the current one; never written again.

A generation is a folder: the warehouse file, the Parquet files of the models that are exported, and the record of
what it was made from. Everything that is published is reached through one link to that folder, so that one rename
switches all of it. What only asks which there are imports nothing of what makes them.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily
from etl.stages.published.find import CANDIDATE, CURRENT, PREVIOUS, find, find_at
from etl.stages.published.hold import Hold, read_hold
from etl.stages.published.promote import promote
from etl.stages.published.record import Contents, Generation, Input, read_record, write_record
from etl.stages.published.retention import delete_generation, generations, sweep
from etl.stages.published.rollback import rollback
from etl.stages.published.set_aside import candidate, remove_candidate, set_aside
from etl.stages.published.switches import note_missed
from etl.stages.published.switching import FILE, are_files_whole, current, export_links, switch

if TYPE_CHECKING:
    from etl.stages.published.contents import contents_of, is_content
    from etl.stages.published.export import EXPORT_VERSION
    from etl.stages.published.generation import publish
    from etl.stages.published.publication import Publication

__all__ = [
    "CANDIDATE",
    "CURRENT",
    "EXPORT_VERSION",
    "FILE",
    "PREVIOUS",
    "Contents",
    "Generation",
    "Hold",
    "Input",
    "Publication",
    "are_files_whole",
    "candidate",
    "contents_of",
    "current",
    "delete_generation",
    "export_links",
    "find",
    "find_at",
    "generations",
    "is_content",
    "note_missed",
    "promote",
    "publish",
    "read_hold",
    "read_record",
    "remove_candidate",
    "rollback",
    "set_aside",
    "sweep",
    "switch",
    "write_record",
]

#: What is imported when it is asked for.
_MODULES = {
    **{"contents_of": "contents", "is_content": "contents", "EXPORT_VERSION": "export"},
    **{"publish": "generation", "Publication": "publication"},
}

__getattr__ = lazily(__name__, _MODULES)
