"""A job whose files are objects, and its answer, as texts that any host can carry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: What stands in an order for the stamp of a file that is what its receipt says.
SAME = "same"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A job, and the objects that it is done with. It holds no secret, and no path but that of the project."""

    url: str
    #: Where the objects are, below the address.
    folder: str
    #: The hash of each file that it reads, by its name in the folder of the data.
    files: Mapping[str, str]
    #: The text of the job itself.
    job: str
    number: int = 0

    @property
    def text(self) -> str:
        """The order as text."""
        return json.dumps({"shared": asdict(self)})

    @classmethod
    def of(cls, text: str) -> Order | None:
        """Return the order that a text is of; None if it is the text of a job alone."""
        facts: dict[str, Any] | None = json.loads(text).get("shared")
        return cls(**facts) if facts else None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a worker says of an order: the answer of the job, and the objects of what it made."""

    number: int
    answer: str
    #: The hash of each file that the job made, by its name in the folder of the data; none of one that it deleted.
    made: Mapping[str, str | None] = field(default_factory=dict)
    #: Where the worker did it: messages name that folder.
    folder: str = ""
    #: The hashes of objects that are not what they are called.
    spoiled: Sequence[str] = ()

    @property
    def text(self) -> str:
        """The reply as text."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Reply:
        """Return the reply that a text is of."""
        return cls(**json.loads(text))
