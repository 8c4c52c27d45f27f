"""mirrored: copies of what is published, in a bucket or a folder elsewhere; a reader sees whole generations.

Every file is an object that is named by its hash and never changes. A manifest names the objects of a generation,
and one small file, written last, names the current manifest. Who reads that file first reads one generation,
whatever is sent meanwhile.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily
from etl.stages.mirrored.known import Known, known, told

if TYPE_CHECKING:
    from etl.stages.mirrored.places import prepare_place
    from etl.stages.mirrored.sending import differences, keep_up, prepare, push

__all__ = ["Known", "differences", "keep_up", "known", "prepare", "prepare_place", "push", "told"]

#: What is imported when it is asked for.
_MODULES = dict.fromkeys(("differences", "keep_up", "prepare", "push"), "sending") | {"prepare_place": "places"}

__getattr__ = lazily(__name__, _MODULES)
