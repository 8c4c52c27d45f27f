"""mirrored: copies of what is published, in a bucket or a folder elsewhere; a reader sees whole generations.

Every file is an object that is named by its hash and never changes. A manifest names the objects of a generation,
and one small file, written last, names the current manifest. Who reads that file first reads one generation,
whatever is sent meanwhile.
"""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily
from etl.stages.mirrored.known import Known, known, told

if TYPE_CHECKING:
    from etl.stages.mirrored.sending import differences, keep_up, prepare, push

__all__ = ["Known", "differences", "keep_up", "known", "prepare", "push", "told"]

#: What is imported when it is asked for.
_MODULES = {name: "sending" for name in ("differences", "keep_up", "prepare", "push")}

__getattr__ = lazily(__name__, _MODULES)
