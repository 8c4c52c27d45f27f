"""What a training has made, as bytes in a row, and back: of the project's own generations only."""

from __future__ import annotations

import pickle
from typing import Any

from etl.ledger import digest

#: How the bytes of a row are read: as they are, or as what Python wrote.
BYTES, PICKLE = "bytes", "pickle"
_PROTOCOL = 5


def packed(model: Any) -> tuple[str, bytes]:
    """Return how the bytes of a model are read, and the bytes: the same for the same model.

    Raises TypeError for what cannot be written, such as a function that is made inside another one.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return BYTES, bytes(model)
    try:
        # once there and back: what two places of a model share depends on how it was made, not on what it is
        return PICKLE, pickle.dumps(pickle.loads(pickle.dumps(model, _PROTOCOL)), _PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(f"train() returned what cannot be kept: {error}. Return bytes, or an object") from None


def unpacked(format: str, artefact: bytes) -> Any:
    """Return a model from the bytes of a row."""
    return pickle.loads(artefact) if format == PICKLE else artefact


def version_of(*facts: object) -> str:
    """Return what a model is called by: 12 letters and digits that stand for all that makes its predictions."""
    return digest(*facts)[:12]
