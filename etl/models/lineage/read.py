"""Reading the lineage of a project from its sources, models and audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etl.engine.blank import blank_database
from etl.models import LOG, Audit, Model, Models
from etl.models.kinds import Derived
from etl.models.lineage.columns import Expression, Made, Origin, Origins, Traced, Untraceable, unique
from etl.models.lineage.graph import Lineage
from etl.models.lineage.macros import read_macros
from etl.models.lineage.parser import Parser
from etl.models.lineage.select import trace
from etl.sources import Catalog, Source


def read_lineage(
    catalog: Catalog, models: Models, raw: str = "data/raw", fetched: str = "data/fetched"
) -> Lineage:
    """Return the lineage of all columns of a project; `raw` and `fetched` are how their folders are shown."""
    tables = {
        source.table: _source(source, raw if source.fetch is None else fetched)
        for source in catalog.sources.values()
    }
    tables |= {log.name: Traced({name: Made((Origin(log.name, name),)) for name, _ in log.columns}) for log in LOG}
    columns = {name: list(table.columns) for name, table in tables.items()}
    items: list[Model | Audit] = [*models.models.values(), *models.audits.values()]
    with blank_database() as con:
        reader = _Reader(Parser(con), catalog, items)
        for item in items:
            tables |= reader.read(item, columns)
            columns[item.name] = list(tables[item.name].columns)
    return Lineage(tables)


def _source(source: Source, raw: str) -> Traced:
    """Return raw.<source>; a column that the files do not have is made of their path."""
    path = f"{raw}/{source.connector.place}"
    names = {column.name: " or ".join([column.name, *column.aliases]) for column in source.contract.columns}
    return Traced({name: Made((Origin(path, names.get(name, "")),)) for name in source.columns})


class _Reader:
    """The SQL of a project, parsed."""

    def __init__(self, parser: Parser, catalog: Catalog, items: Sequence[Model | Audit]) -> None:
        self.parser = parser
        self.trees = parser.trees({item.name: item.sql for item in items if _is_select(item)})
        readable = {source.table: source.columns for source in catalog.sources.values()}
        readable |= {log.name: dict(log.columns) for log in LOG}
        readable |= {item.name: dict(item.stored) for item in items if isinstance(item, Model)}
        statements = [statement for item in items for _, statement in item.macros]
        self.macros = read_macros(parser, statements, readable)

    def read(self, item: Model | Audit, known: Mapping[str, list[str]]) -> dict[str, Traced]:
        """Return the table of a model or audit, and those of the SELECTs within it."""
        if isinstance(item, Audit) and item.table:
            return {item.name: _built_in(item, known)}
        if isinstance(item, Model) and item.role:
            from etl.models.lineage.learned import trace_learned

            return {item.name: trace_learned(item, known)}
        try:
            if (tree := self.trees.get(item.name)) is None:
                raise Untraceable("it is not made by a SELECT")
            tables = trace(self.parser, item.name, item.sql, tree, known, self.macros)
            _check_reads(item, tables)
            made = _audit(tables[item.name]) if isinstance(item, Audit) else _model(item, tables[item.name])
        except Untraceable as reason:
            tables, made = {}, _opaque(item, known, str(reason))
        return {**tables, item.name: Traced(made.columns, made.rows, made.reads, item.file, opaque=made.opaque)}


def _is_select(item: Model | Audit) -> bool:
    """Return whether somebody wrote a SELECT for it: not for a seed, a Python model or a built-in audit."""
    return not item.table if isinstance(item, Audit) else item.file.endswith(".sql")


def _check_reads(item: Model | Audit, tables: Mapping[str, Traced]) -> None:
    """Raise Untraceable if the item reads more than was found."""
    seen = {read for table in tables.values() for read in table.reads}
    if hidden := set(item.reads) - seen:
        raise Untraceable(f"its SELECT does not show how it reads {', '.join(sorted(hidden))}")


def _audit(found: Traced) -> Traced:
    """Return an audit, which is a matter of rows only."""
    values = [value for made in found.columns.values() for value in made.values]
    return Traced({}, unique([*found.rows, *values]), found.reads)


def _built_in(audit: Audit, known: Mapping[str, list[str]]) -> Traced:
    """Return an audit of a built-in kind: it is a matter of the columns that it judges, whatever it shows."""
    judged = {(table, name.lower()) for table, name in audit.judged}
    columns = [Origin(table, name) for table in audit.reads for name in known.get(table, ())]
    own = unique(column for column in columns if (column.table, column.name.lower()) in judged)
    return Traced({}, own, audit.reads, audit.file)


def _model(model: Model, found: Traced) -> Traced:
    """Return the table of a model, with what its way of building adds to its SELECT."""
    names = [name for name, _ in model.columns]
    if [name.lower() for name in names] != [name.lower() for name in found.columns]:
        raise Untraceable("DuckDB finds other columns in it")
    columns = dict(zip(names, found.columns.values(), strict=True))
    kind = model.kind
    deciding, derived = kind.deciding(model), kind.derived(model)
    rows = [*found.rows, *(value for name in columns if name in deciding for value in columns[name].values)]
    stored = {name: columns.get(name) or _derived(derived[name], columns) for name, _ in model.stored}
    return Traced(stored, unique(rows), found.reads)


def _derived(derived: Derived, columns: Mapping[str, Made]) -> Made:
    """Return what a column is made of that is not the SELECT's, but of the model's kind."""
    values = unique(value for name in derived.of for value in columns[name].values)
    return Made(values, (Expression(derived.how, 1),))


def _opaque(item: Model | Audit, known: Mapping[str, list[str]], reason: str) -> Traced:
    """Return a table of which each column may be made of everything that it reads."""
    everything: Origins = tuple(
        Origin(table, name) for table in item.reads if table in known for name in known[table]
    )
    columns = {} if isinstance(item, Audit) else {name: Made(everything) for name, _ in item.stored}
    return Traced(columns, everything, item.reads, "", opaque=reason)
