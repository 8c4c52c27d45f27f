"""Small deliveries from one reading: what is proven of them and what is parsed are the same bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from etl.project.files import open_inside
from etl.sources import Source
from etl.sources.formats import csv_small
from etl.sources.formats.csv_small import SmallText
from etl.stages.lake import in_blocks
from etl.stages.lake.clean import Opening
from etl.stages.lake.inputs import Input, names_of
from etl.stages.raw import Delivery, File, state_of

if TYPE_CHECKING:
    from etl.sources.formats import Opened


class Smalls:
    """Takes the deliveries of a source that are one small file and sound."""

    def __init__(self, source: Source) -> None:
        self._source = source
        maker = getattr(source.format, "small_texts", None)
        self._texts = maker() if maker else None
        #: The names of columns by those of a file; None if something is wrong with them.
        self._names: dict[tuple[str, ...], tuple[str, ...] | None] = {}

    def taken(self, delivery: Delivery) -> Opening | None:
        """Return a delivery that can be taken with others; None if it is to be opened, which says why."""
        most = min(csv_small.MOST_BYTES, in_blocks.LARGE_BYTES)
        is_plain = len(delivery.files) == 1 and not delivery.problem and not delivery.corrections
        if self._texts is None or not is_plain or not 0 < delivery.size <= most:
            return None
        (file,) = delivery.files
        data = _read(file)
        text = None if data is None else self._texts.taken(file.path, data)
        if text is None:
            return None
        if text.columns not in self._names:
            self._names[text.columns] = self._known(file, text)
        names = self._names[text.columns]
        if names is None:
            return None
        return Opening(delivery, [self._input(file, text, names)])

    def _known(self, file: File, text: SmallText) -> tuple[str, ...] | None:
        names = names_of(self._source, text.columns)
        found = self._input(file, text, names)
        return None if found.problem(text.columns) or not found.cells else names

    def _input(self, file: File, text: SmallText, names: tuple[str, ...]) -> Input:
        # what is asked of deliveries that are taken together, it has; for all else they are opened
        return Input(file=file, opened=cast("Opened", text), names=names, source=self._source)


def is_small(opening: Opening) -> bool:
    """Return whether a delivery is in memory alone, and must be opened to be taken by itself."""
    return any(isinstance(file.opened, SmallText) for file in opening.inputs)


def _read(file: File) -> bytes | None:
    """Return the content of a file; None if it is not the one that the run was planned with."""
    try:
        descriptor = open_inside(file.path, file.raw)
    except OSError:
        return None
    try:
        if state_of(os.fstat(descriptor)) != file.stat_key[1:]:
            return None
        data = os.read(descriptor, file.size)
        return data if len(data) == file.size else None
    finally:
        os.close(descriptor)
