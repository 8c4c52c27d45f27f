"""What the headers of models ask of the rest of the project: contracts by name, and a place in the lake."""

from __future__ import annotations

import json
from dataclasses import replace

from etl.contract import Contract
from etl.contract.folder import load_named
from etl.engine.parquet_types import refused
from etl.errors import ConfigError, ModelError
from etl.ledger import Ledger, fingerprint
from etl.models import Models, place_of
from etl.project import Project
from etl.sources import Catalog


def with_named_contracts(project: Project, ledger: Ledger, catalog: Catalog, key: str, models: Models) -> Catalog:
    """Return the catalog with the contracts that headers name; compiled, if they were not for this `key`.

    Raises ModelError for a table that has a contract already, and ContractError for a class that is no contract.
    """
    names = {name: model.header.contract for name, model in models.models.items() if model.header.contract}
    if not names:
        return catalog
    for name in names.keys() & catalog.tables.keys():
        place = place_of(project.sql, models.models[name], "contract")
        raise ModelError(
            f"{place}: contract: {name} has a contract already, whose Config.name names the table. Remove one."
        )
    key = fingerprint(key, names)
    if text := ledger.cached("contracts", key):
        found = {name: Contract.from_dict(data) for name, data in json.loads(text).items()}
    else:
        places = {name: place_of(project.sql, models.models[name], "contract") for name in names}
        found = load_named(project.contracts, {name: (names[name], places[name]) for name in names})
        text = json.dumps({name: contract.to_dict() for name, contract in found.items()})
        ledger.cache("contracts", key, text)
    return replace(catalog, tables={**catalog.tables, **found})


def check_exports(project: Project, catalog: Catalog, models: Models) -> None:
    """Raise ConfigError for an export into the folder of a source, or with a type that Parquet cannot hold."""
    for model in models.models.values():
        schema = model.name.split(".")[0]
        if model.header.export and schema in catalog.sources:
            raise ConfigError(
                f"{place_of(project.sql, model, 'export')}: export: {model.name} would go to lake/{schema}, where "
                f"the partitions of the source {schema} are. Give the source or the schema another name."
            )
        for name, type in model.stored if model.header.export else ():
            if what := refused(type):
                raise ConfigError(
                    f"{place_of(project.sql, model, 'export')}: export: Parquet cannot hold column {name!r} of "
                    f"{model.name} exactly: it is {type}, with a {what}. Cast it in the SELECT, such as "
                    f"{name}::varchar as {name}, or leave the export out."
                )
