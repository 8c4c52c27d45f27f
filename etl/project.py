"""Where a project is and how it is set: its root, its folders, the settings of [etl] in its luigi.cfg."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from configparser import ConfigParser, Error
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.errors import ConfigError

CONFIG = "luigi.cfg"
#: What names the environment to work in; unset, it is the one that [etl] describes.
ENVIRONMENT = "ETL_ENV"
_VARIABLES = "etl.vars"
_SECTION = "etl.env."
_BATCH_DATE = "batch_date"
_NAME = re.compile("[A-Za-z0-9_-]+")
#: Where the data of environments lies that do not say otherwise, below that of [etl].
_ENVIRONMENTS = "environments"
#: Separates the root from the environment in the text that names a project.
_MARK = " env="


@dataclass(frozen=True)
class Settings:
    """The keys of [etl]; a comment above each says what it does and when to change it."""

    # Folder of the contracts (.py files), relative to the root.
    contracts: str = "contracts"
    # Folder of the models and audits, relative to the root.
    sql: str = "sql"
    # Folder of raw/, lake/, quarantine/, warehouse/; absolute, or relative to the root.
    data: str = "data"
    # Folder of the deliveries; empty: raw/ in that folder, and of another environment that of [etl].
    raw: str = ""
    # What the environment is called that [etl] itself describes.
    environment: str = "prod"
    # How many people must approve a generation before it is promoted to this environment.
    approvals: int = 0
    # Time zone of every DuckDB connection and of the default batch date; an IANA name.
    timezone: str = "UTC"
    # How many published generations stay on disk, the current one included.
    keep_generations: int = 5
    # Generations younger than so many days stay beyond that; 0: none.
    keep_days: int = 0
    # How much of build.duckdb may be dead space, in percent, before it is written anew; 100: any.
    compact_percent: int = 50
    # What is taken from the permissions of files that etl makes: 027 lets the group read, and others nothing.
    umask: str = "022"
    # Oldest DuckDB whose clients can open the published file.
    storage_version: str = "v1.2.0"
    # Tables of up to so many rows are compared with what they were, to spare what depends on them; 0: none.
    cutoff_rows: int = 5_000_000
    # DuckDB's memory limit per process, such as 4GB; empty: DuckDB's own default.
    memory_limit: str = ""
    # DuckDB's threads per process; 0: one per core.
    threads: int = 0

    @property
    def mask(self) -> int:
        """The umask as a number."""
        return int(self.umask, 8)


@dataclass(frozen=True)
class Project:
    """One folder with a luigi.cfg that has [etl]; every path of the package comes from here."""

    root: Path
    settings: Settings
    #: What [etl.vars] sets: SQL reads it by getvariable('name').
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The environment, if it is not the one that [etl] describes.
    environment: str = ""

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
    def data(self) -> Path:
        return self.root / self.settings.data

    @property
    def raw(self) -> Path:
        return self.root / self.settings.raw if self.settings.raw else self.data / "raw"

    @property
    def lake(self) -> Path:
        return self.data / "lake"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine"

    @property
    def corrections(self) -> Path:
        """What people decided about records in quarantine; kept like raw/."""
        return self.data / "corrections"

    @property
    def build(self) -> Path:
        return self.data / "warehouse" / "build.duckdb"

    @property
    def generations(self) -> Path:
        return self.data / "warehouse" / "generations"

    @property
    def current(self) -> Path:
        """The link that names the current generation: whatever is published is reached through it."""
        return self.data / "warehouse" / "current"

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"

    @property
    def ledger(self) -> Path:
        return self.data / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        return self.data / ".lock"

    @property
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
        f"no project found: neither {here} nor a folder above it has a {CONFIG} with an [etl] section. "
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
    place, _, known = str(root or find_root()).partition(_MARK)
    folder = Path(place).resolve()
    parser = _parse(folder / CONFIG)
    base = _settings(folder / CONFIG, parser, ["etl"])
    name = environment or known or os.environ.get(ENVIRONMENT, "")
    if name in ("", base.environment):
        project = Project(folder, base, _variables(folder / CONFIG, parser, [_VARIABLES]))
    else:
        project = _other(folder, parser, base, name, must_exist)
    if project.data.exists() and not project.data.is_dir():
        raise ConfigError(f"{project.data} is a file; it must be the folder of the data, or set [etl] data.")
    return project


def environments(project: Project) -> list[str]:
    """Return the names of all environments, the usual one first: those of luigi.cfg, and those that were made."""
    parser = _parse(project.root / CONFIG)
    base = _settings(project.root / CONFIG, parser, ["etl"])
    sections = [name.removeprefix(_SECTION) for name in parser.sections() if name.startswith(_SECTION)]
    found = {name.removesuffix(".vars") for name in sections}
    made = project.root / base.data / _ENVIRONMENTS
    found |= {path.name for path in made.iterdir() if path.is_dir()} if made.is_dir() else set()
    return [base.environment, *sorted(name for name in found - {base.environment} if _NAME.fullmatch(name))]


def has_option(path: Path, section: str, option: str) -> bool:
    """Return whether a luigi.cfg sets an option of any section."""
    return _parse(path).has_option(section, option)


def _root_with_config(folder: Path, variable: str) -> Path:
    folder = folder.resolve()
    if not _has_section(folder / CONFIG):
        raise ConfigError(f"{variable} points to {folder}, which has no {CONFIG} with an [etl] section.")
    return folder


def _has_section(path: Path) -> bool:
    return path.is_file() and _parse(path).has_section("etl")


def _parse(path: Path) -> ConfigParser:
    # no interpolation: other sections are Luigi's own and may use its ${ENV} syntax
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return parser


def _other(folder: Path, parser: ConfigParser, base: Settings, name: str, must_exist: bool) -> Project:
    """Return the project in an environment that is not the usual one: its settings go before those of [etl]."""
    path, section = folder / CONFIG, f"{_SECTION}{name}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be an environment: use letters, digits, - and _.")
    settings = _settings(path, parser, ["etl", section])
    own = dict(parser.items(section)) if parser.has_section(section) else {}
    raw = own.get("raw") or base.raw or str(Path(base.data) / "raw")
    data = own.get("data") or str(Path(base.data) / _ENVIRONMENTS / name)
    settings = replace(settings, data=data, raw=raw, environment=base.environment)
    project = Project(folder, settings, _variables(path, parser, [_VARIABLES, f"{section}.vars"]), name)
    if must_exist and not own and not project.data.is_dir():
        there = environments(project)
        close = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(there)}."
        raise ConfigError(f"there is no environment {name}; {hint} To make it: etl env create {name}")
    return project


def _settings(path: Path, parser: ConfigParser, sections: Sequence[str]) -> Settings:
    """Return the settings of some sections, each of which goes before those before it."""
    texts = {(section, key): text for section in sections for key, text in _items(parser, section).items()}
    known = {item.name: item for item in fields(Settings)}
    values: dict[str, str | int] = {}
    for (section, key), text in texts.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(known)}."
            raise ConfigError(f"{path}: [{section}] has no key '{key}'. {hint}")
        values[key] = _whole_number(path, key, text) if known[key].type == "int" else text
    settings = Settings(**values)  # type: ignore[arg-type]
    _check(path, settings)
    return settings


def _items(parser: ConfigParser, section: str) -> dict[str, str]:
    return dict(parser.items(section)) if parser.has_section(section) else {}


def _variables(path: Path, parser: ConfigParser, sections: Sequence[str]) -> dict[str, str]:
    found = {name: text for section in sections for name, text in _items(parser, section).items()}
    for name in found:
        if not name.isidentifier():
            raise ConfigError(f"{path}: [{_VARIABLES}] {name} is no name; use letters, digits and underscores.")
        if name == _BATCH_DATE:
            raise ConfigError(f"{path}: [{_VARIABLES}] {name} is set by etl for audits; give yours another name.")
    return found


def _whole_number(path: Path, key: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{path}: [etl] {key} = {text} is not a whole number.")
    return int(text)


def _check(path: Path, settings: Settings) -> None:
    if settings.keep_generations < 1:
        raise ConfigError(f"{path}: [etl] keep_generations must be 1 or more.")
    if not re.fullmatch("0?[0-7]{3}", settings.umask) or settings.mask & 0o700:
        raise ConfigError(f"{path}: [etl] umask = {settings.umask} is no mask such as 022 or 027.")
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"{path}: [etl] timezone = {settings.timezone} is not an IANA time zone.") from error
