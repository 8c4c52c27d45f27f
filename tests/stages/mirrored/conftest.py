"""A project whose mirror is a folder, or a bucket of each kind; and what a reader of it finds."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from etl.ledger import Ledger
from etl.project import Project
from etl.project.addresses import SCHEMES
from etl.stages import mirrored
from etl.stages.mirrored.places import Place, open_place
from tests.support import azure, google, stores, tiny

PLACES = tuple(SCHEMES)


@dataclass
class Mirrored:
    """A project with a mirror; `place` is where a reader looks."""

    project: Project
    place: Place

    def push(self, **options: Any) -> mirrored.push.__class__:
        """Send what is published."""
        return mirrored.push(self.project, Ledger(self.project.ledger), **options)

    def night(self) -> None:
        """Publish what is in raw/, and send it."""
        tiny.night(self.project)
        self.push()

    def pointer(self) -> dict[str, Any]:
        """Return what a reader reads first; nothing before the first push."""
        found = self.place.read("current.json")
        return json.loads(found[0]) if found else {}

    def manifest(self) -> dict[str, Any]:
        """Return the manifest that a reader finds, of which everything is there, and is what it says."""
        found = self.place.read(self.pointer()["manifest"])
        assert found
        manifest: dict[str, Any] = json.loads(found[0])
        for one in [
            *manifest["files"].values(),
            *(f for days in manifest["lake"].values() for f in days.values()),
        ]:
            content = self.place.read(one["object"])
            assert content, one
            assert (len(content[0]), hashlib.sha256(content[0]).hexdigest()) == (one["bytes"], one["sha256"])
        return manifest

    def items(self, tmp_path: Path) -> list[str]:
        """Return the items that a reader of the warehouse finds; none before the first push."""
        if not self.pointer():
            return []
        found = self.place.read(self.manifest()["warehouse"])
        assert found
        file = tmp_path / "read.duckdb"
        file.write_bytes(found[0])
        return [item for (item,) in tiny.ask(file, "select item from marts.items order by item")]


def with_mirror(project: Project, url: str, **settings: str) -> Project:
    """Return a project that has a mirror."""
    return replace(project, settings=replace(project.settings, mirror=url, **settings))


def url_of(kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a place that is empty; those who ask there find what they need in the environment."""
    if kind == "file":
        (tmp_path / "mirror").mkdir()
        return f"file://{tmp_path}/mirror"
    opened = {"s3": stores.bucket, "gs": google.bucket, "az": partial(azure.bucket, tmp_path)}[kind]()
    server = opened.__enter__()
    request.addfinalizer(lambda: opened.__exit__(None, None, None))
    for name, value in server.for_writers.items():
        monkeypatch.setenv(name, value)
    return f"{kind}://{server.name}/{tmp_path.name}"


@pytest.fixture(params=PLACES)
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirrored:
    """A project that has published once, with a mirror that nothing was sent to yet, in every kind of place."""
    url = url_of(request.param, tmp_path, request, monkeypatch)
    project = with_mirror(tiny.once(tmp_path / "shop", _published), url)
    return Mirrored(project, open_place(url))


def _published(root: Path) -> None:
    sql = {"marts/items.sql": "-- export: parquet\n" + tiny.SQL["marts/items.sql"]}
    tiny.night(tiny.project(root, sql=sql))
