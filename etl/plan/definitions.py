"""What a project declares: its sources, contracts, models and audits, from the ledger's cache if unchanged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from etl import engine
from etl.contract import Contract, parse
from etl.contract.folder import catalog_key
from etl.contract.unused import check_used
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.models import (
    DELIVERED,
    LOG,
    Context,
    Given,
    Models,
    Promised,
    models_key,
    read_models,
)
from etl.plan.headers import check_exports, with_named_contracts
from etl.plan.overlaps import check_overlaps
from etl.plan.promises import check_promises
from etl.plan.unpublished import check_views
from etl.project import Project
from etl.project.installed import version_of
from etl.sources import Catalog, Source, load_catalog

if TYPE_CHECKING:
    from etl.models.trained import Learned

log = logging.getLogger("etl")


_Definitions = TypeVar("_Definitions", Catalog, Models)


def definitions(project: Project, ledger: Ledger) -> tuple[Catalog, Models]:
    """Return the project's sources, contracts, models and audits, from the ledger's cache if unchanged."""
    _check_storage_version(project, ledger)
    contracts_key = catalog_key(project.contracts)
    catalog = _known(Catalog.from_json, ledger.cached("catalog", contracts_key))
    if catalog is None:
        catalog = load_catalog(project.contracts)
        ledger.cache("catalog", contracts_key, catalog.to_json())
    given = raw_tables(catalog)
    context = _context(project, catalog)
    key = models_key(project.sql, given, context)
    models = _known(Models.from_json, ledger.cached("models", key))
    if models is None:
        if not project.sql.is_dir() and any(receipt.step == "transform" for receipt in ledger.receipts()):
            raise ConfigError(
                f"The folder of the models, {project.sql}, is gone, but its tables were built. Restore it, or set "
                f"[etl] sql in luigi.cfg. To drop the tables instead: mkdir {project.sql}"
            )
        from etl.models.lineage.passed import with_passed

        models = with_passed(catalog, read_models(project.sql, given, context))
        ledger.cache("models", key, models.to_json())
    for name in catalog.tables:
        if name not in models.models:
            file = project.sql / f"{name.replace('.', '/')}.{'csv' if name.startswith('seeds.') else 'sql'}"
            raise ConfigError(
                f"A contract is for the table {name}, but there is no {file} to make it. Add the file or remove "
                "the contract."
            )
    check_exports(project, catalog, models)
    check_used(catalog.unused, {model.header.contract for model in models.models.values()})
    catalog = with_named_contracts(project, ledger, catalog, contracts_key, models)
    check_promises(project, catalog, models)
    check_overlaps(catalog, models)
    if project.settings.publish_raw == "no":
        check_views(catalog, models)
    return catalog, models


def is_known(project: Project, ledger: Ledger) -> bool:
    """Return whether definitions() are in the ledger's cache, so that no code of the project is run for them."""
    catalog = _known(Catalog.from_json, ledger.cached("catalog", catalog_key(project.contracts)))
    if catalog is None:
        return False
    key = models_key(project.sql, raw_tables(catalog), _context(project, catalog))
    return ledger.cached("models", key) is not None


def _context(project: Project, catalog: Catalog) -> Context:
    promised = {name: _promised(contract) for name, contract in catalog.tables.items()}
    training, learned = _learning(project)
    return Context(project.variables, promised, training, learned)


def _learning(project: Project) -> tuple[dict[str, str], dict[str, Learned]]:
    """Return the models of ml/ by name, and what training is for them by the table that they learn from."""
    if not project.ml.is_dir():
        return {}, {}
    from etl.models.trained import read_learned, training_of

    learned = read_learned(project.root)
    return training_of(learned), learned


def _check_storage_version(project: Project, ledger: Ledger) -> None:
    """Have DuckDB check the setting once, and not only when something is to be built."""
    key = f"{version_of('duckdb')} {project.settings.storage_version}"
    if ledger.cached("storage_version", key) is None:
        engine.check_storage_version(project)
        ledger.cache("storage_version", key, "known")


def raw_tables(catalog: Catalog) -> list[Given]:
    """Return the tables that are there without a model: those that sources are loaded into, and the log."""
    return [*(_raw_table(source) for source in catalog.sources.values()), *LOG]


def _raw_table(source: Source) -> Given:
    delivered = {column.name.lower() for column in source.contract.columns}
    added = (*(() if source.partition.lower() in delivered else (source.partition,)), *DELIVERED)
    return Given(source.table, tuple(source.columns.items()), source.partition if source.has_dates else "", added)


def _known(read: Callable[[str], _Definitions], text: str | None) -> _Definitions | None:
    """Return what was cached, if it can be read: a run may have written it while etl was being replaced."""
    try:
        return None if text is None else read(text)
    except (KeyError, TypeError, ValueError):
        return None


def _promised(contract: Contract) -> Promised:
    columns = [column for column in contract.columns if not column.regex]
    parsed = tuple((column.name, parse.value(column.sql, column)) for column in columns)
    return Promised(tuple((column.name, column.type) for column in columns), parsed)
