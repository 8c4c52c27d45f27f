"""Where a project is: its root, its folders, and the environment to work in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from etl.errors import ConfigError, unknown
from etl.project.settings import VARIABLES, Settings, items, parse, read_settings, read_variables

CONFIG = "luigi.cfg"
#: What names the environment to work in; unset, it is the one that [etl] describes.
ENVIRONMENT = "ETL_ENV"
#: The folder of models that are too large for a row, beside build.duckdb and in each generation.
ARTEFACTS = "artefacts"
#: The file that the steps of a night write to.
BUILD_FILE = "build.duckdb"
#: The folder of the partitions of models that are files, beside build.duckdb.
PARTS = "parts"
_SECTION = "etl.env."
_NAME = re.compile("[A-Za-z0-9_-]+")
#: Where the data of environments lies that do not say otherwise, below that of [etl].
ENVIRONMENTS = "environments"
#: Separates the root from the environment in the text that names a project.
_MARK = " env="


@dataclass(frozen=True)
class Project:
    """One folder with a luigi.cfg that has [etl]; every path of the package comes from here."""

    root: Path
    settings: Settings
    #: What [etl.vars] sets: SQL reads it by getvariable('name').
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The environment, if it is not the one that [etl] describes.
    environment: str = ""
    _: KW_ONLY
    #: Where the environment that fetches has its data, if it is another one.
    fetching: str = ""

    @property
    def identity(self) -> str:
        """The text that load_project() makes the same project of, in another process too."""
        return f"{self.root}{_MARK}{self.environment}" if self.environment else str(self.root)

    @property
    def place(self) -> str:
        """What messages call it: its root, and its environment if that is not the usual one."""
        return f"{self.root} ({self.environment})" if self.environment else str(self.root)

    @property
    def environment_name(self) -> str:
        """The name of its environment."""
        return self.environment or self.settings.environment

    @property
    def contracts(self) -> Path:
        return self.root / self.settings.contracts

    @property
    def sql(self) -> Path:
        return self.root / self.settings.sql

    @property
    def ml(self) -> Path:
        """The folder of the models that learn; most projects have none."""
        return self.root / "ml"

    @cached_property
    def data(self) -> Path:
        return self.root / self.settings.data

    @property
    def raw(self) -> Path:
        return self.root / self.settings.raw if self.settings.raw else self.data / "raw"

    @property
    def fetched(self) -> Path:
        """What sources beyond files said: a second root of deliveries, kept like raw/."""
        return (self.root / self.fetching if self.fetching else self.data) / "fetched"

    @property
    def fetches(self) -> bool:
        """Whether it fetches; an environment without a raw/ of its own reads what the usual one has fetched."""
        return not self.fetching

    @cached_property
    def lake(self) -> Path:
        return self.data / "lake"

    @cached_property
    def quarantine(self) -> Path:
        return self.data / "quarantine"

    @property
    def corrections(self) -> Path:
        """What people decided about records in quarantine; kept like raw/."""
        return self.data / "corrections"

    @property
    def build(self) -> Path:
        return self.data / "warehouse" / BUILD_FILE

    @property
    def generations(self) -> Path:
        return self.data / "warehouse" / "generations"

    @property
    def artefacts(self) -> Path:
        """The models of build.duckdb that are too large for a row."""
        return self.data / "warehouse" / ARTEFACTS

    @property
    def parts(self) -> Path:
        """The partitions of models that are files, and that build.duckdb has views of."""
        return self.data / "warehouse" / PARTS

    @property
    def current(self) -> Path:
        """The link that names the current generation: whatever is published is reached through it."""
        return self.data / "warehouse" / "current"

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"

    @property
    def report(self) -> Path:
        """Where the report is opened: a link to that of the current generation, once there is one."""
        return self.data / "warehouse" / "report.html"

    @property
    def ledger(self) -> Path:
        return self.data / "ledger.sqlite"

    @property
    def logs(self) -> Path:
        """What each run said, as JSON lines."""
        return self.data / "logs"

    @property
    def failures(self) -> Path:
        """What failed steps have left, by run."""
        return self.data / "failures"

    @property
    def fetching_aside(self) -> Path:
        """Half-fetched files, which the next fetch goes on with or removes."""
        return self.data / "work" / "fetch"

    @property
    def lock(self) -> Path:
        return self.data / ".lock"

    @cached_property
    def scratch(self) -> Path:
        """Half-written files; beside their final places, so that a rename moves them there."""
        return self.data / ".scratch"

    def today(self) -> date:
        """Return the batch date of a run that starts now, in the project's time zone."""
        return datetime.now(ZoneInfo(self.settings.timezone)).date()


def find_root() -> Path:
    """Return the project's root: ETL_PROJECT, else LUIGI_CONFIG_PATH's folder, else upwards from the cwd.

    Raises ConfigError when none of the three is a folder whose luigi.cfg has an [etl] section.
    """
    if given := os.environ.get("ETL_PROJECT"):
        return _root_with_config(Path(given), "ETL_PROJECT")
    if given := os.environ.get("LUIGI_CONFIG_PATH"):
        return _root_with_config(Path(given).parent, "LUIGI_CONFIG_PATH")
    here = Path.cwd()
    if found := enclosing_root(here):
        return found
    raise ConfigError(
        f"No project was found: neither {here} nor a folder above it has a {CONFIG} with an [etl] section. "
        "Go to the project's folder, set ETL_PROJECT to it, or make one with `etl init DIR`."
    )


def enclosing_root(folder: Path) -> Path | None:
    """Return the nearest folder, from `folder` upwards, whose luigi.cfg has an [etl] section."""
    return next((path for path in (folder, *folder.parents) if _has_section(path / CONFIG)), None)


def load_project(root: Path | str | None = None, environment: str = "", must_exist: bool = True) -> Project:
    """Return the project at `root` (or of that identity), by default at find_root().

    `environment` is by default that of ETL_ENV. Raises ConfigError for a wrong setting, and for an environment
    that luigi.cfg does not have and `etl env create` has not made, unless it need not exist.
    """
    place, known = place_and_name(str(root or find_root()))
    folder = Path(place).resolve()
    parser = parse(folder / CONFIG)
    base = read_settings(folder / CONFIG, parser, ["etl"])
    name = environment or known or os.environ.get(ENVIRONMENT, "") or base.environment
    if must_exist and name != base.environment:
        _check_known(name, _names(folder, parser, base))
    project = _project(folder, parser, base, name)
    if project.data.exists() and not project.data.is_dir():
        raise ConfigError(f"{project.data} is a file, not a folder. Move it, or set [etl] data to a folder.")
    return project


def environments(project: Project) -> list[str]:
    """Return the names of all environments, the usual one first: those of luigi.cfg, and those that were made."""
    parser = parse(project.root / CONFIG)
    return _names(project.root, parser, read_settings(project.root / CONFIG, parser, ["etl"]))


def has_option(path: Path, section: str, option: str) -> bool:
    """Return whether a luigi.cfg sets an option of any section."""
    return parse(path).has_option(section, option)


def _root_with_config(folder: Path, variable: str) -> Path:
    folder = folder.resolve()
    if not _has_section(folder / CONFIG):
        raise ConfigError(
            f"{variable} points to {folder}, which has no {CONFIG} with an [etl] section. Set it to a project's "
            "folder."
        )
    return folder


def _has_section(path: Path) -> bool:
    return path.is_file() and parse(path).has_section("etl")


def place_and_name(identity: str) -> tuple[str, str]:
    """Return the root, and the environment if there is one in it, of Project.identity; or of a root alone."""
    place, mark, name = identity.rpartition(_MARK)
    return (place, name) if mark and not Path(identity).is_dir() else (identity, "")


def _names(folder: Path, parser: ConfigParser, base: Settings) -> list[str]:
    sections = [name.removeprefix(_SECTION) for name in parser.sections() if name.startswith(_SECTION)]
    found = {name.removesuffix(".vars") for name in sections}
    made = folder / base.data / ENVIRONMENTS
    found |= {path.name for path in made.iterdir() if path.is_dir()} if made.is_dir() else set()
    return [base.environment, *sorted(name for name in found - {base.environment} if _NAME.fullmatch(name))]


def _check_known(name: str, there: Sequence[str]) -> None:
    if name in there or not _NAME.fullmatch(name):
        return
    said = unknown(f"There is no environment {name}", name, there)
    raise ConfigError(f"{said} To make it: etl env create {name}")


def _project(folder: Path, parser: ConfigParser, base: Settings, name: str) -> Project:
    """Return the project in an environment, whose own section goes before [etl]."""
    path, section = folder / CONFIG, f"{_SECTION}{name}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not a name for an environment. Use letters, digits, - and _.")
    if "environment" in items(parser, section):
        raise ConfigError(f"{path}: [{section}] environment: this key belongs in [etl] only. Remove it.")
    data = data_setting(parser, base, name)
    settings = read_settings(path, parser, ["etl", section])
    # etl never writes there, so that all may read the same deliveries
    raw = settings.raw or base.raw or ("" if data == base.data else str(Path(base.data) / "raw"))
    has_own_raw = data == base.data or raw not in (base.raw, str(Path(base.data) / "raw"))
    # two that send to one place would each take it from the other
    mirror = settings.mirror if name == base.environment else items(parser, section).get("mirror", "")
    settings = replace(settings, data=data, raw=raw, mirror=mirror)
    if name != base.environment:
        _check_own_data(folder, parser, base, name)
    for key, url in {"mirror": mirror, "shared_lake": settings.shared_lake}.items():
        _check_elsewhere(path, key, url, (folder / data).resolve())
    variables = read_variables(path, parser, [VARIABLES, f"{section}.vars"])
    environment = "" if name == base.environment else name
    return Project(folder, settings, variables, environment, fetching="" if has_own_raw else base.data)


def data_setting(parser: ConfigParser, base: Settings, name: str) -> str:
    """Return the folder of an environment's data, as a setting."""
    usual = base.data if name == base.environment else str(Path(base.data) / ENVIRONMENTS / name)
    return items(parser, f"{_SECTION}{name}").get("data") or usual


def _check_elsewhere(path: Path, key: str, url: str, data: Path) -> None:
    place = Path(url.removeprefix("file://")).resolve()
    if url.startswith("file:") and place.is_relative_to(data):
        raise ConfigError(
            f"{path}: [etl] {key} = {url} is inside the folder of the data. Give it a place elsewhere."
        )


def _check_own_data(folder: Path, parser: ConfigParser, base: Settings, name: str) -> None:
    """Raise ConfigError if this environment's data holds another's, or the project, or lies in one of them."""
    data = data_setting(parser, base, name)
    mine, where = (folder / data).resolve(), f"{folder / CONFIG}: [{_SECTION}{name}] data = {data}"
    others = [other for other in _names(folder, parser, base) if other != name]
    found = {f"that of {other}": (folder / data_setting(parser, base, other)).resolve() for other in others}
    for what, place in {**found, "the project itself": folder}.items():
        if place.is_relative_to(mine):
            raise ConfigError(f"{where}: {what} is in there. Give the environment a folder of its own.")
    # those that were given no place are below the usual data, one folder each
    made = (folder / base.data / ENVIRONMENTS).resolve()
    if mine.parent == made:
        found.pop(f"that of {base.environment}", None)
    taken = {f"the data of {what.removeprefix('that of ')}": place for what, place in found.items()}
    for what, place in {**taken, **_written_by_people(folder, base)}.items():
        if mine.is_relative_to(place):
            raise ConfigError(f"{where} is inside {what}. Give the environment a folder of its own.")


def _written_by_people(folder: Path, base: Settings) -> dict[str, Path]:
    """Return the folders in which nothing of etl's may lie, by what messages call them."""
    raw = base.raw or str(Path(base.data) / "raw")
    places = {"contracts": base.contracts, "SQL": base.sql, "raw files": raw, "git": ".git"}
    return {f"the folder of the {what}": (folder / place).resolve() for what, place in places.items()}
