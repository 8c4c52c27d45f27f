"""Lineage across projects: what one has published is what the next one reads, and so on, in either direction.

Other projects are known by what their ledgers and fetched files hold. Their code is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.errors import EtlError
from etl.ledger import Ledger
from etl.models.lineage import Lineage, Made, Origin, Traced, read_lineage
from etl.plan.definitions import definitions, is_known
from etl.project import Project, load_project
from etl.project.others import folder_of, published_by, usual_environment
from etl.sources import Catalog
from etl.sources.fetches.project import Project as Fetch
from etl.stages.fetched import read_manifest


@dataclass(frozen=True, kw_only=True)
class Link:
    """One source that reads another project; `generation` is the one whose rows it has, `current` that of now."""

    source: str
    root: Path
    environment: str
    table: str
    generation: str = ""
    current: str = ""

    @property
    def told(self) -> str:
        """What there is of it here, as a message has it."""
        if not self.generation:
            return "nothing was fetched yet"
        if self.generation == self.current:
            return f"generation {self.generation}, which is current there"
        there = f"{self.current} is current there" if self.current else "nothing is published there now"
        return f"generation {self.generation}; {there}"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One project of a chain, by the label that its tables have before their names; none for the first."""

    label: str
    root: Path
    links: tuple[Link, ...]
    #: Why its code is not known; empty if it is.
    unknown: str = ""
    lineage: Lineage = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """All projects that one reads, directly or through others; the first is that one."""

    members: Mapping[tuple[Path, str], Member]
    #: Projects that read each other, each with the first again at its end.
    cycles: Sequence[Sequence[Path]]

    @property
    def lineage(self) -> Lineage:
        """The lineage of all of them: a table of another project is `label:schema.table`."""
        return Lineage({name: table for one in self.members.values() for name, table in self._of(one)})

    def lines(self) -> Iterator[str]:
        """Yield the chain as a tree of projects, and what is to be said of it."""
        first = next(iter(self.members))
        yield str(first[0])
        yield from self._lines(first, "", {first})
        for member in self.members.values():
            if member.unknown:
                yield f"{member.root}: {member.unknown}"
        for cycle in self.cycles:
            yield f"These projects read each other, so that none is ever done: {' <- '.join(map(str, cycle))}"

    def as_data(self) -> dict[str, Any]:
        """Return the chain as plain data."""
        return {
            "projects": [
                {
                    "project": str(one.root),
                    "label": one.label,
                    "unknown": one.unknown,
                    "reads": [
                        {
                            "source": link.source,
                            "project": str(link.root),
                            "environment": link.environment,
                            "table": link.table,
                            "generation": link.generation,
                            "current": link.current,
                        }
                        for link in one.links
                    ],
                }
                for one in self.members.values()
            ],
            "cycles": [list(map(str, cycle)) for cycle in self.cycles],
        }

    def _lines(self, key: tuple[Path, str], indent: str, seen: set[tuple[Path, str]]) -> Iterator[str]:
        links = self.members[key].links
        for number, link in enumerate(links, 1):
            corner, more = ("└─ ", "   ") if number == len(links) else ("├─ ", "│  ")
            below = (link.root, link.environment)
            again = "   (see above)" if below in seen else ""
            yield f"{indent}{corner}raw.{link.source} from {link.table} of {link.root}: {link.told}{again}"
            if below in self.members and below not in seen:
                seen.add(below)
                yield from self._lines(below, indent + more, seen)

    def _of(self, member: Member) -> Iterator[tuple[str, Traced]]:
        """Yield the tables of a project under the names that they have in the chain."""
        label, tables = member.label, member.lineage.tables
        links = {f"raw.{link.source}": link for link in member.links}

        def name(table: str) -> str:
            return f"{label}:{table}" if label and table in tables else table

        def named(origin: Origin) -> Origin:
            return Origin(name(origin.table), origin.name)

        def made(table: str, one: Made) -> Made:
            values = tuple(map(named, one.values))
            if table in links:
                values = tuple(self._across(links[table], origin) for origin in one.values)
            return replace(one, values=values, same=tuple(map(named, one.same)))

        for table, found in tables.items():
            yield (
                name(table),
                replace(
                    found,
                    columns={column: made(table, one) for column, one in found.columns.items()},
                    rows=tuple(map(named, found.rows)),
                    reads=self._reads(links[table]) if table in links else tuple(map(name, found.reads)),
                    file=f"{member.root}/{found.file}" if label and found.file else found.file,
                ),
            )

    def _across(self, link: Link, origin: Origin) -> Origin:
        """Return the column of the other project that one of the fetched file is; of the path, itself."""
        if not origin.name:
            return origin
        there = self.members[link.root, link.environment]
        table = link.table.lower()
        names = origin.name.split(" or ")
        known = there.lineage.tables.get(table)
        column = next((one for one in names if known and one in known.columns), names[0])
        return Origin(f"{there.label}:{table}" if there.label else table, column)

    def _reads(self, link: Link) -> tuple[str, ...]:
        there, table = self.members[link.root, link.environment], link.table.lower()
        if table not in there.lineage.tables:
            return ()
        return (f"{there.label}:{table}" if there.label else table,)


def chain(project: Project, ledger: Ledger) -> Chain:
    """Return what a project reads of others, and these of others, through any number of them."""
    catalog, models = definitions(project, ledger)
    first = Member(
        label="",
        root=project.root,
        links=tuple(_links(project, catalog)),
        lineage=read_lineage(catalog, models, *_folders(project, project.root)),
    )
    members = {(project.root, project.environment_name): first}
    left = [*first.links]
    while left:
        link = left.pop(0)
        if (link.root, link.environment) not in members:
            found = _member(link, {one.label for one in members.values()}, project.root)
            members[link.root, link.environment] = found
            left += found.links
    return Chain(members=members, cycles=_cycles(members))


def _member(link: Link, labels: set[str], near: Path) -> Member:
    """Return another project, known by what its ledger and its files hold."""
    base = re.sub(r"\W+", "_", link.root.name.lower()) or "project"
    label = next(name for n in range(1, 10**6) if (name := base if n == 1 else f"{base}_{n}") not in labels)
    empty = Lineage({})
    try:
        there = load_project(link.root, link.environment)
        with closing(Ledger(there.ledger, is_reading=True)) as ledger:
            if not there.ledger.is_file() or not is_known(there, ledger):
                why = "its code has changed since its last run, so only what was fetched is known of it"
                links = tuple(_fetched_links(there.root, there.fetched))
                return Member(label=label, root=link.root, links=links, unknown=why, lineage=empty)
            catalog, models = definitions(there, ledger)
            lineage = read_lineage(catalog, models, *_folders(there, near))
        return Member(label=label, root=link.root, links=tuple(_links(there, catalog)), lineage=lineage)
    except EtlError as error:
        return Member(label=label, root=link.root, links=(), unknown=str(error), lineage=empty)


def _folders(project: Project, near: Path) -> tuple[str, str]:
    raw, fetched = (
        str(path.relative_to(near) if path.is_relative_to(near) else path)
        for path in (project.raw, project.fetched)
    )
    return raw, fetched


def _links(project: Project, catalog: Catalog) -> Iterator[Link]:
    """Yield what the sources of a project read of others, with what was fetched last."""
    for source in catalog.sources.values():
        if isinstance(source.fetch, Fetch):
            root = folder_of(project.root, source.fetch.place)
            environment = source.fetch.environment or _usual(root)
            yield _link(source.name, root, environment, source.fetch.table, _newest(project.fetched / source.name))


def _fetched_links(root: Path, fetched: Path) -> Iterator[Link]:
    """Yield what was fetched of others, as its files say."""
    for folder in sorted(fetched.iterdir()) if fetched.is_dir() else ():
        more = _newest(folder)
        if more.get("project"):
            there = Path(more["project"])
            yield _link(folder.name, there, more.get("environment") or _usual(there), more["table"], more)


def _link(source: str, root: Path, environment: str, table: str, more: Mapping[str, Any]) -> Link:
    try:
        current = published_by(root, environment).generation
    except EtlError:
        current = ""
    generation = str(more.get("generation", ""))
    return Link(
        source=source, root=root, environment=environment, table=table, generation=generation, current=current
    )


def _usual(root: Path) -> str:
    try:
        return usual_environment(root)
    except EtlError:
        return ""


def _newest(folder: Path) -> Mapping[str, Any]:
    """Return what the newest fetched file of a source says of another project; nothing if it says nothing."""
    files = sorted(folder.glob("????-??-??/**/*.parquet"))
    try:
        return read_manifest(files[-1]).more if files else {}
    except EtlError:
        return {}


def _cycles(members: Mapping[tuple[Path, str], Member]) -> list[list[Path]]:
    """Return each way that leads from a project back to itself, once, however often it can be begun."""
    found: dict[frozenset[tuple[Path, str]], list[Path]] = {}

    def follow(way: list[tuple[Path, str]]) -> None:
        for link in members[way[-1]].links:
            there = (link.root, link.environment)
            if there in way:
                round_ = way[way.index(there) :]
                found.setdefault(frozenset(round_), [key[0] for key in [*round_, there]])
            elif there in members:
                follow([*way, there])

    follow([next(iter(members))])
    return list(found.values())
