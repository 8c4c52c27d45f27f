"""Sending what is published to the mirror, so that a reader there sees one whole generation at any moment."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from etl.errors import EtlError, StepError, counted, few
from etl.ledger import Ledger, now
from etl.project import Project
from etl.stages.mirrored.contents import GENERATIONS, OBJECTS, Contents, Hashes, contents, manifest_name
from etl.stages.mirrored.known import is_behind, known, note, sender, sent
from etl.stages.mirrored.places import Place, open_place, prepare_place
from etl.stages.published import current, generations

log = logging.getLogger("etl")

#: What readers read first: it names the current generation.
POINTER = "current.json"
#: So often it is begun again, when what is published changes meanwhile.
_TRIES = 5
#: What a push makes, and so may delete: nothing else there is touched.
_MANIFEST, _OBJECT = (
    re.compile(rf"{GENERATIONS}/([^/]+)/generation\.json"),
    re.compile(rf"{OBJECTS}/[0-9a-f]{{64}}\.\w+"),
)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was sent to the mirror, and what was deleted there."""

    generation: str
    #: How many files were sent, with how many bytes in all; those that were there already are not counted.
    files: int = 0
    bytes: int = 0
    #: How many files were deleted that no generation has any more.
    deleted: int = 0
    is_switched: bool = False

    @property
    def told(self) -> str:
        """What was done, for people."""
        sent = f"{counted(self.files, 'file')} with {self.bytes / 1e6:,.1f} MB sent"
        return f"{sent}, {self.deleted:,} deleted" if self.deleted else sent


@dataclass
class Amount:
    """How much was sent so far."""

    files: int = 0
    bytes: int = 0


def push(project: Project, ledger: Ledger, *, take_over: bool = False) -> Pushed:
    """Send the current generation to the mirror, switch readers there to it, and delete what no generation has.

    What is there is not sent again. `take_over` says that the mirror may be another project's until now. Raises
    StepError, which is noted in the ledger too, if it cannot be done; the next push does the rest.
    """
    with _one_at_a_time(project):
        try:
            pushed = _push(project, ledger, take_over)
        except (StepError, OSError) as error:
            note(ledger, replace(known(project, ledger), problem=str(error)))
            raise
        note(ledger, sent(project, pushed.generation))
        return pushed


def prepare(project: Project) -> None:
    """Import what a push needs: while an interpreter ends, not everything can be imported."""
    prepare_place(project.settings.mirror)


def keep_up(project: Project, ledger: Ledger) -> None:
    """Send what the mirror lacks, if there is one; what cannot be sent is said in the log, and fails nothing."""
    if not is_behind(project, ledger):
        return
    try:
        pushed = push(project, ledger)
    except (EtlError, OSError) as error:
        log.warning("warning: the mirror was not brought up to date, and the next run tries again: %s", error)
        return
    log.info("  mirror: %s; %s", pushed.generation, pushed.told)


def differences(project: Project, ledger: Ledger) -> list[str]:
    """Return, in sentences, where the mirror differs from what is published here; nothing is changed."""
    place, there = open_place(project.settings.mirror), current(project)
    pointer = place.read(POINTER)
    found = str(_read(pointer[0]).get("generation", "")) if pointer else ""
    if not there:
        return ["Nothing is published yet. Run `luigi --module etl Nightly` first."]
    if found != there:
        named = f"generation {found}" if found else "no generation"
        return [f"The mirror's readers find {named}, and {there} is the current one here. To send it: etl mirror"]
    manifest = place.read(manifest_name(there))
    if manifest is None:
        return [f"The mirror has no {manifest_name(there)}. To send it: etl mirror"]
    held = place.names(OBJECTS)
    wanted = {one["object"]: one["bytes"] for one in _objects(_read(manifest[0]))}
    if lost := sorted(name for name, size in wanted.items() if held.get(name) != size):
        return [
            f"The mirror lacks {len(lost):,} files of generation {there}: {few(lost)}. To send them: etl mirror"
        ]
    return []


def _push(project: Project, ledger: Ledger, take_over: bool) -> Pushed:
    place, me, amount = open_place(project.settings.mirror), sender(project, ledger), Amount()
    for _ in range(_TRIES):
        pointer = place.read(POINTER)
        _check_mine(project, _read(pointer[0]) if pointer else {}, me, take_over)
        there = current(project)
        if there is None:
            raise StepError("Nothing is published yet. Run `luigi --module etl Nightly` first.")
        try:
            made = _send(project, ledger, place, there, amount)
        except FileNotFoundError:
            if there == current(project):
                raise
            # a rollback, and then a night that deleted it
            continue
        content = json.dumps(_pointer(project, made, me), indent=1).encode()
        is_as_it_was = bool(pointer) and _without_time(pointer[0] if pointer else b"") == _without_time(content)
        if is_as_it_was or place.switch(POINTER, content, pointer[1] if pointer else ""):
            deleted = _prune(project, place, there)
            return Pushed(
                generation=there,
                files=amount.files,
                bytes=amount.bytes,
                deleted=deleted,
                is_switched=not is_as_it_was,
            )
    raise StepError(
        f"{project.settings.mirror} is written to by others meanwhile, so that readers there were not switched. "
        "Give each project a mirror of its own."
    )


def _send(project: Project, ledger: Ledger, place: Place, generation: str, amount: Amount) -> Contents:
    """Send what the mirror lacks of a generation, and its manifest last."""
    hashes = Hashes(project, ledger)
    made = contents(project, ledger, generation, hashes)
    held = dict(place.names(OBJECTS))
    for file in made.all:
        if held.get(file.object) != file.bytes:
            place.send(file.object, file.path)
            held[file.object] = file.bytes
            amount.files, amount.bytes = amount.files + 1, amount.bytes + file.bytes
    hashes.keep()
    name, content = manifest_name(generation), json.dumps(made.manifest).encode()
    there = place.read(name)
    # that of an earlier generation, which a rollback leads to, names partitions that the lake has changed since
    if there is None or not _is_whole(there[0], held):
        place.write(name, content)
    return made


def _is_whole(manifest: bytes, held: Mapping[str, int]) -> bool:
    """Return whether the mirror has all that a manifest names."""
    facts = _read(manifest)
    return bool(facts["files"]) and all(held.get(one["object"]) == one["bytes"] for one in _objects(facts))


def _read(content: bytes) -> dict[str, Any]:
    """Return a pointer or a manifest; of one that cannot be read, that it names no files."""
    nothing: dict[str, Any] = {"files": {}, "lake": {}, "project": "its current.json cannot be read"}
    try:
        found: dict[str, Any] = nothing | json.loads(content)
    except (ValueError, TypeError):
        return nothing
    return found


def _objects(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from manifest["files"].values()
    for days in manifest["lake"].values():
        yield from days.values()


def _pointer(project: Project, made: Contents, me: str) -> dict[str, Any]:
    return {
        "format": made.manifest["format"],
        "generation": made.generation,
        "manifest": manifest_name(made.generation),
        "warehouse": made.manifest["warehouse"],
        "project": project.root.name,
        "sender": me,
        "switched_at": now(),
    }


def _without_time(pointer: bytes) -> dict[str, Any]:
    return {name: value for name, value in _read(pointer).items() if name != "switched_at"}


def _check_mine(project: Project, pointer: Mapping[str, Any], me: str, take_over: bool) -> None:
    if pointer and pointer.get("sender") != me and not take_over:
        raise StepError(
            f"{project.settings.mirror} is the mirror of another project, environment or ledger "
            f"({pointer.get('project')}). Nothing was sent. Set [etl] mirror to a place of its own. If it is to "
            "be that of this one from now on: etl mirror --take-over"
        )


def _prune(project: Project, place: Place, there: str) -> int:
    """Delete the manifests of generations that the project deleted, and then what no manifest names any more."""
    kept, manifests = {there, *generations(project)}, place.names(GENERATIONS)
    old = [name for name in manifests if (found := _MANIFEST.fullmatch(name)) and found[1] not in kept]
    place.delete(old)
    named: set[str] = set()
    for name in filter(_MANIFEST.fullmatch, manifests.keys() - set(old)):
        content = place.read(name)
        facts = _read(content[0]) if content else None
        if facts is not None and not facts["files"]:
            log.warning("warning: %s in the mirror cannot be read, so no file was deleted there.", name)
            return len(old)
        named |= {one["object"] for one in _objects(facts or _read(b""))}
    unnamed = [name for name in place.names(OBJECTS) if name not in named and _OBJECT.fullmatch(name)]
    place.delete(unnamed)
    return len(old) + len(unnamed)


@contextmanager
def _one_at_a_time(project: Project) -> Iterator[None]:
    """Wait for another push of this project; a night and a rollback may both be at its end."""
    descriptor = os.open(project.data / ".mirror.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
