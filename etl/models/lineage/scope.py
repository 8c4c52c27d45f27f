"""What a name means at a place of a SELECT, by DuckDB's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etl.models.lineage.columns import Made, Origin, Origins, Untraceable, unique

#: Columns by the names that they have here, with what each is made of; a name may come twice.
Named = list[tuple[str, Origins]]


@dataclass(frozen=True)
class FromItem:
    """One table, SELECT or function in a FROM clause; `schema` is empty if it has another name there."""

    name: str
    columns: Named
    schema: str = ""
    # It may have columns that no text names, such as the fields of an unnested struct.
    is_open: bool = False

    def find(self, name: str) -> Origins | None:
        """Return what its column of this name is made of, if it has one."""
        return next((made_of for column, made_of in self.columns if column.lower() == name), None)

    def everything(self) -> Origins:
        """Return what all of its columns are made of."""
        return unique(column for _, made_of in self.columns for column in made_of)


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A FROM clause, or a side of a join in it."""

    sources: tuple[FromItem, ...] = ()
    #: What `*` stands for.
    star: Named = field(default_factory=list)
    #: The columns of `using`, which need no table's name.
    merged: Mapping[str, Origins] = field(default_factory=dict)
    rows: Origins = ()
    reads: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Scope:
    """The names that an expression can use: those of its FROM clause, aliases, and those of the SELECT around."""

    relation: Relation = Relation()
    outer: Scope | None = None
    #: What the aliases of the select list so far are made of.
    aliases: dict[str, Made] = field(default_factory=dict)
    #: The parameters of a lambda; they hold what its other arguments hold.
    parameters: frozenset[str] = frozenset()
    #: What the subqueries in its expressions read.
    reads: list[str] = field(default_factory=list)

    def find(self, name: Sequence[str]) -> Origins:
        """Return the columns that a dotted name is made of; Untraceable if there is none."""
        parts = [part.lower() for part in name]
        open_sources: list[FromItem] = []
        scope: Scope | None = self
        while scope:
            found = scope._find(parts)
            if found is not None:
                return unique([*found, *(column for source in open_sources for column in source.everything())])
            open_sources += [source for source in scope.relation.sources if source.is_open]
            scope = scope.outer
        if not open_sources:
            raise Untraceable(f"{'.'.join(name)} is not understood")
        return unique(column for source in open_sources for column in source.everything())

    def same(self, name: Sequence[str]) -> Origins:
        """Return the columns whose values a dotted name stands for as they are; none if it is not sure to."""
        parts = [part.lower() for part in name]
        scope: Scope | None = self
        while scope:
            if len(parts) == 1 and scope._is_parameter(parts[0]):
                return ()
            if scope._find(parts) is not None:
                return scope._whole(parts)
            if any(source.is_open for source in scope.relation.sources):
                return ()
            scope = scope.outer
        return ()

    def _is_parameter(self, name: str) -> bool:
        return name in self.parameters or bool(self.outer and self.outer._is_parameter(name))

    def _whole(self, parts: list[str]) -> Origins:
        """Return what a name stands for in this scope alone, unless it is a part of a column, or a row."""
        *owner, last = parts
        if owner:
            found = [source.find(last) for source in self.relation.sources if _is_called(source, owner)]
        elif last in self.relation.merged:
            return self.relation.merged[last]
        else:
            found = [made_of for source in self.relation.sources if (made_of := source.find(last)) is not None]
            if not found and last in self.aliases:
                return self.aliases[last].same
        return (found[0] or ()) if len(found) == 1 else ()

    def of(self, source: str) -> Named:
        """Return the columns that `source.*` stands for."""
        scope: Scope | None = self
        while scope:
            for found in scope.relation.sources:
                if found.name == source.lower():
                    return found.columns
            scope = scope.outer
        raise Untraceable(f"{source}.* is not understood")

    def _find(self, parts: list[str]) -> Origins | None:
        first = parts[0]
        if first in self.parameters:
            return ()
        for source in self.relation.sources:
            if parts[:2] == [source.schema, source.name]:
                found = source.find(parts[2]) if len(parts) > 2 else source.everything()
            else:
                found = source.find(parts[1]) if len(parts) > 1 and first == source.name else None
            if found is not None:
                return found
        if first in self.relation.merged:
            return self.relation.merged[first]
        plain = [found for source in self.relation.sources if (found := source.find(first)) is not None]
        if plain:
            return unique(column for found in plain for column in found)
        if first in self.aliases:
            return self.aliases[first].values
        # a table's name alone is its row
        rows = [source for source in self.relation.sources if source.name == first]
        return rows[0].everything() if rows else None


def _is_called(source: FromItem, owner: Sequence[str]) -> bool:
    """Return whether `owner.column` names a column of a source."""
    return list(owner) in ([source.name], [source.schema, source.name])


def source_of(
    table: str, alias: str, columns: Sequence[str], schema: str = "", renamed: Sequence[str] = ()
) -> FromItem:
    """Return a table or SELECT as a source; the first of its columns may be `renamed` here."""
    names = [*renamed, *columns[len(renamed) :]]
    return FromItem(alias.lower(), [(n, (Origin(table, c),)) for n, c in zip(names, columns, strict=True)], schema)


def names_apart(names: Sequence[str]) -> list[str]:
    """Return names as DuckDB does for a subquery: the second `id` is `id_1`."""
    taken: dict[str, int] = {}
    found = []
    for name in names:
        number = taken.get(name.lower(), 0)
        taken[name.lower()] = number + 1
        found.append(f"{name}_{number}" if number else name)
    return found
