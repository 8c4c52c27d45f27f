"""A project whose jobs are done with objects alone, in every kind of place, by workers that are this process."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from etl.ledger import Ledger, Receipt, fingerprint
from etl.project import Project
from etl.project.files import sha256
from etl.run import jobs
from etl.run.jobs import hosts
from etl.run.jobs.shared.objects import Shared
from etl.sources import Source
from etl.stages.raw import Delivery
from tests.stages.mirrored.conftest import PLACES, url_of
from tests.support import far, tiny

URL = "processes://1"
RAW = {
    "sales/2024-03-01.csv": "id,item,price\n1,book,2\nx,pen,3\n",
    "sales/2024-03-02.csv": "id,item,price\n3,book,2\n4,pen,3\n",
}


@dataclass
class Shop:
    """A project of two days of sales, one of which has a broken record."""

    project: Project
    monkeypatch: pytest.MonkeyPatch

    @property
    def shared(self) -> Shared:
        """Its objects."""
        return Shared.of(self.project, Ledger(self.project.ledger))

    def extract(self, source: Source | None = None, **options: Any) -> list[Receipt]:
        """Take all deliveries, as a run does; `before` and `after` are called around each job."""
        host = far.Near(**options)
        self.monkeypatch.setitem(hosts._open, (os.getpid(), URL), host)
        source = source or tiny.sales(max_reject_ratio=1.0)
        deliveries = hashed(self.project, source)
        content = {
            delivery.date: fingerprint([file.sha256 for file in delivery.files], "") for delivery in deliveries
        }
        ledger = Ledger(self.project.ledger)
        try:
            return jobs.extract(self.project, source, deliveries, content, ledger, "run-1")
        finally:
            ledger.close()
            self.texts = host.texts

    def files(self) -> Mapping[str, bytes]:
        """Return all that is in lake and quarantine."""
        bases = (self.project.lake, self.project.quarantine)
        found = [path for base in bases for path in base.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.project.data)): path.read_bytes() for path in found}


def hashed(project: Project, source: Source) -> list[Delivery]:
    """Return the deliveries of a source, as a plan has them."""
    return [
        replace(one, files=tuple(replace(file, sha256=sha256(file.path)) for file in one.files))
        for one in tiny.found(project, source)
    ]


@pytest.fixture(params=PLACES)
def shop(request, tmp_path: Path, monkeypatch) -> Iterator[Shop]:
    url = url_of(request.param, tmp_path, request, monkeypatch)
    # what workers keep is theirs alone
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    settings = f"threads = 1\nexecutor = {URL}\nshared_lake = {url}\n"
    yield Shop(tiny.project(tmp_path / "shop", raw=RAW, settings=settings), monkeypatch)
