"""Tables, the lake and deliveries as datasets of OpenLineage: their columns, and what each one is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    column_lineage_dataset,
    documentation_dataset,
    ownership_dataset,
    schema_dataset,
)

from etl.ledger import Ledger
from etl.models import Models
from etl.models.lineage import Lineage, Origin, read_lineage
from etl.plan.definitions import definitions
from etl.project import Project
from etl.sources import Catalog
from etl.stages.published.notes import Notes, notes_on

_FILE = "file"
#: Which columns are values, and which decide on rows.
_DIRECT, _INDIRECT = "DIRECT", "INDIRECT"
_SAME, _COMPUTED = "IDENTITY", "TRANSFORMATION"


@dataclass(frozen=True, kw_only=True)
class Known:
    """The code of a project: its sources and models, the columns of each table with types, notes and lineage."""

    project: Project
    catalog: Catalog
    models: Models
    columns: Mapping[str, Sequence[tuple[str, str]]]
    notes: Mapping[str, Notes]
    lineage: Lineage


@dataclass(frozen=True)
class Place:
    """What names a dataset."""

    namespace: str
    name: str


def known(project: Project, ledger: Ledger) -> Known:
    """Return what is known of a project's code now."""
    catalog, models = definitions(project, ledger)
    columns: dict[str, Sequence[tuple[str, str]]] = {
        source.table: list(source.columns.items()) for source in catalog.sources.values()
    }
    columns |= {model.name: list(model.stored) for model in models.models.values()}
    names = {table: [name for name, _ in found] for table, found in columns.items()}
    notes = notes_on(names, list(catalog.sources.values()), list(models.models.values()), catalog.tables)
    return Known(
        project=project,
        catalog=catalog,
        models=models,
        columns=columns,
        notes=notes,
        lineage=read_lineage(catalog, models, str(project.raw), str(project.fetched)),
    )


def table(project: Project, name: str) -> Place:
    """Return what names a table of the warehouse."""
    return Place(f"duckdb://{project.warehouse}", name)


def lake(project: Project, source: str) -> Place:
    """Return what names the rows of a source in the lake."""
    return Place(_FILE, str(project.lake / source))


def place_of(code: Known, name: str) -> Place:
    """Return what names a table of lineage, or else the files that it begins with."""
    if name in code.lineage.tables:
        return table(code.project, name)
    return Place(_FILE, str(code.project.root / name))


def read(place: Place, **facets: InputDatasetFacet) -> InputDataset:
    """Return a dataset that a step reads."""
    return InputDataset(place.namespace, place.name, inputFacets=facets)


def written(
    place: Place, facets: Mapping[str, DatasetFacet] | None = None, **output: OutputDatasetFacet
) -> OutputDataset:
    """Return a dataset that a step writes, with what is known of the dataset, and of this output."""
    return OutputDataset(place.namespace, place.name, facets=dict(facets or {}), outputFacets=output)


def described(code: Known, name: str) -> dict[str, DatasetFacet]:
    """Return the schema of a table, what it means, and who owns it."""
    notes = code.notes.get(name)
    said = notes.columns if notes else {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=column,
            type=type,
            description=said.get(column, {}).get("description") or None,
            ordinal_position=number,
        )
        for number, (column, type) in enumerate(code.columns.get(name, ()), 1)
    ]
    found: dict[str, DatasetFacet] = {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)}
    if notes and notes.description:
        found["documentation"] = documentation_dataset.DocumentationDatasetFacet(description=notes.description)
    if notes and notes.owner:
        owners = [ownership_dataset.Owner(name=notes.owner)]
        found["ownership"] = ownership_dataset.OwnershipDatasetFacet(owners=owners)
    return found


def made_of(code: Known, name: str) -> dict[str, DatasetFacet]:
    """Return what each column of a table is made of, and the columns that decide which rows it has."""
    lineage = code.lineage
    fields = {}
    for column, _ in code.columns.get(name, ()):
        origin = Origin(name, column)
        same = set(lineage.same(origin)) if origin in lineage.values else set()
        is_masked = _is_masked(code, name, column)
        inputs = [
            _input(code, one, _DIRECT, _SAME if one in same else _COMPUTED, is_masked=is_masked)
            for one in lineage.values.get(origin, ())
            if one.name
        ]
        if inputs:
            fields[column] = column_lineage_dataset.Fields(inputFields=inputs)
    rows = [_input(code, one, _INDIRECT) for one in lineage.rows.get(name, ()) if one.name]
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields, dataset=rows)}


def copied(code: Known, name: str, source: Place) -> dict[str, DatasetFacet]:
    """Return that each column of a table is that of the same name in another dataset."""
    fields = {
        column: column_lineage_dataset.Fields(
            inputFields=[_field(source, column, _DIRECT, _SAME, is_masked=False)]
        )
        for column, _ in code.columns.get(name, ())
    }
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields)}


def inputs_of(code: Known, name: str) -> list[Place]:
    """Return what a table reads: other tables, and files."""
    lineage = code.lineage
    columns = (Origin(name, column) for column, _ in code.columns.get(name, ()))
    origins: Iterable[Origin] = (one for column in columns for one in lineage.values.get(column, ()))
    names = [*lineage.reads.get(name, ()), *(one.table for one in origins)]
    return [place_of(code, one) for one in dict.fromkeys(names) if one != name]


def _is_masked(code: Known, name: str, column: str) -> bool:
    notes = code.notes.get(name)
    return name.startswith("raw.") and bool(notes and notes.columns.get(column, {}).get("pii"))


def _input(
    code: Known, origin: Origin, type: str, subtype: str | None = None, *, is_masked: bool = False
) -> column_lineage_dataset.InputField:
    return _field(place_of(code, origin.table), origin.name, type, subtype, is_masked=is_masked)


def _field(
    place: Place, column: str, type: str, subtype: str | None, *, is_masked: bool
) -> column_lineage_dataset.InputField:
    how = column_lineage_dataset.Transformation(type=type, subtype=subtype, masking=is_masked or None)
    return column_lineage_dataset.InputField(place.namespace, place.name, column, [how])
