"""The objects that a run and its workers share, each named by the hash of what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from etl.ledger import Ledger, fingerprint
from etl.project import Project
from etl.project.files import sha256
from etl.stages.mirrored.known import sender
from etl.stages.mirrored.places import Place, open_place

#: The folder of all that jobs share; a mirror in the same place has others.
_JOBS = "jobs"


@dataclass(frozen=True)
class Shared:
    """The objects of one project at an address; all that fails there is a StepError."""

    url: str
    #: Where they are, below the address.
    folder: str

    @classmethod
    def of(cls, project: Project, ledger: Ledger) -> Shared:
        """Return the objects of a project, not asked for yet: those of others are in other folders."""
        me = fingerprint(sender(project, ledger), str(project.root))
        return cls(project.settings.shared_lake, f"{_JOBS}/{me}")

    @cached_property
    def place(self) -> Place:
        """Where they are; who asks there is in the environment."""
        return open_place(self.url)

    def there(self) -> Mapping[str, int]:
        """Return the hashes of all objects, with their sizes."""
        found = self.place.names(self.folder)
        return {name.removeprefix(f"{self.folder}/"): size for name, size in found.items()}

    def named(self, hashed: str) -> str:
        """Return what messages call an object."""
        return f"{self.url}/{self.folder}/{hashed}"

    def send(self, hashed: str, file: Path) -> None:
        """Make an object of a file with this hash; one that is there is replaced by the same."""
        self.place.send(f"{self.folder}/{hashed}", file)

    def receive(self, hashed: str, target: Path) -> str:
        """Write what an object holds to a file; return what is wrong with it, as a sentence, and leave no file.

        It is empty if the object holds what its name says.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.place.receive(f"{self.folder}/{hashed}", target):
            target.unlink(missing_ok=True)
            return f"{self.named(hashed)} is not there any more."
        if sha256(target) != hashed:
            target.unlink()
            return f"{self.named(hashed)} holds something else than its name says."
        return ""

    def delete(self, hashes: Iterable[str]) -> None:
        """Delete objects; those that are not there are passed over."""
        self.place.delete([f"{self.folder}/{hashed}" for hashed in hashes])
