"""The settings of a project: the keys of [etl], and the variables for SQL, as luigi.cfg has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from configparser import ConfigParser, DuplicateOptionError, DuplicateSectionError, Error, ParsingError
from dataclasses import dataclass, fields
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.errors import ConfigError, unknown
from etl.project.addresses import check_executor, check_url
from etl.project.durations import seconds_in

#: The section of variables for SQL.
VARIABLES = "etl.vars"
#: The one that etl itself sets.
_BATCH_DATE = "batch_date"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of [etl]; the comment above each is its line in docs/settings.md."""

    # Folder of the contracts, relative to the project.
    contracts: str = "contracts"
    # Folder of the models and audits, relative to the project; a project need not have one. What editors leave
    # there (`.#a.sql`, `a.sql~`, `.ipynb_checkpoints/`) is passed over, `check.SQL` is an error.
    sql: str = "sql"
    # Folder of the data, absolute or relative to the project.
    data: str = "data"
    # Folder of the deliveries, absolute or relative to the project. Empty: `raw` in the folder of the data, and in
    # another environment that of `[etl]`.
    raw: str = ""
    # What the environment is called that `[etl]` describes.
    environment: str = "prod"
    # How many different people must approve what is promoted to this environment.
    approvals: int = 0
    # Zone of timestamps without an offset, and of the default batch date, such as `Europe/Oslo`.
    timezone: str = "UTC"
    # How many published files stay on disk, the current one included.
    keep_generations: int = 5
    # Published files younger than so many days stay beyond that. The current one always does, and so do those that
    # a rollback names.
    keep_days: int = 0
    # The history keeps the last so many runs that did something, and as many that found nothing new. Those of
    # published files on disk always stay.
    keep_runs: int = 400
    # What a failed step was given is kept in `failures/` in the folder of the data, up to so many megabytes.
    # `etl debug` runs it again from there. 0: it leaves nothing.
    failure_megabytes: int = 200
    # Of the last so many runs with a failed step that is kept. Beyond that, the oldest are deleted.
    keep_failures: int = 30
    # What was kept longer ago than so many days is deleted. 0: it stays as long as `keep_failures` says.
    keep_failure_days: int = 60
    # `yes`: `luigi --module etl` shows the progress of a run on a terminal, as `etl run` does.
    progress: str = "no"
    # It keeps no run that began more days ago. 0: as long as `keep_runs` says.
    keep_run_days: int = 400
    # `build.duckdb` is rewritten, and so published without it, when more percent of it are dead space. 100: never.
    compact_percent: int = 50
    # What is taken from the permissions of files that etl makes, beside its own umask: `027` lets the group read
    # and others nothing. Who can write to the folder `data` can replace the link in it: mind its permissions.
    umask: str = "022"
    # The oldest DuckDB whose clients can open the published file, such as `v1.4.0`; or `latest`.
    storage_version: str = "v1.2.0"
    # A built table of up to so many rows is compared with what it was: if it is the same, nothing that reads it is
    # built. 0: never.
    cutoff_rows: int = 5_000_000
    # So many of a table's newest partitions keep a profile, of a table without any so many nights. 0: no profiles.
    profiled_parts: int = 100
    # A raw table that is a view over the lake is published with hard links of the files that it reads: `links`.
    # `no`: it is left out, and only `load="view"` makes one.
    publish_raw: str = "links"
    # A raw table with more rows than that becomes a view over the lake, and stays one, unless its source says
    # `load`. 0, or `publish_raw = no`: none does.
    view_rows: int = 20_000_000
    # A model that learns, and is used, lies in a file in `artefacts/`, beside the published one, if it has more
    # megabytes. Its row has the name of the file. 0: always.
    artefact_megabytes: int = 50
    # DuckDB's memory limit per process, such as `4GB`. Empty: DuckDB's own, which workers that extract share.
    memory_limit: str = ""
    # Where deliveries are taken into the lake, and partitions of models built: `processes://4` of this machine,
    # `dask://host:8786`, a master of Spark, `spark://host:7077`, or Spark Connect, `sc://host:15002`. Empty: in
    # the run itself.
    executor: str = ""
    # Bucket by which workers of the executor get the files of their jobs, and send back what they made, such as
    # `s3://shop/work`, `gs://…` or `az://…`; or `file:///mnt/share/work`. They share no disk with the run then.
    # Empty: they see the folders of the project.
    shared_lake: str = ""
    # DuckDB's threads per process. 0: one per core.
    threads: int = 0
    # So often a step is tried again that failed for a reason that passes by itself: a lock, an input/output error,
    # a connection that was refused or lost. The first wait is about 1 second, each further one twice as long.
    retries: int = 3
    # A delivery that fails is tried again on so many further nights, and then parked: it is left out, what was
    # taken before stays, and the rest is published. A changed one is tried at once, and `etl retry` tries all that
    # is parked. One of a required source never is. 0: it fails each night, and what was published stays.
    retry_failed: int = 0
    # The time of day by which a night is over, such as `06:00`, in the project's time zone: the next one. What
    # usually takes longer than is left is not begun. Empty: none.
    deadline: str = ""
    # `etl watch` has a run ask databases, APIs and other sides so often, such as `15 minutes`. Empty: it does not
    # do so by itself.
    watch_every: str = ""
    # Between the beginnings of two runs of `etl watch` lie at least so many seconds.
    watch_cool_down: int = 10
    # So often, in seconds, `etl watch` looks into the folder of the deliveries where nothing tells it of changes.
    watch_poll_seconds: int = 5
    # Channels of PostgreSQL whose messages wake `etl watch`, separated by commas: each a variable with the address
    # and a name, such as `SHOP_DSN:orders`.
    watch_listen: str = ""
    # Folders of projects whose publications wake `etl watch`, separated by commas, absolute or relative to
    # this one.
    watch_projects: str = ""
    # Programs that wake `etl watch` by printing a line, one a line: such as a consumer of a broker of messages.
    watch_bridges: str = ""

    # `yes`: every run ends by writing the report, `warehouse/report.html` in the folder of the data.
    report: str = "no"
    # File for the figures of the last run, such as `/var/lib/node_exporter/etl.prom`, absolute or relative to the
    # project: a collector of Prometheus reads it. Empty: none.
    metrics: str = ""
    # `yes`: every run that did something ends by writing its events of OpenLineage, `lineage/<run>.jsonl` in the
    # folder of the data; with the variable `ETL_LINEAGE_URL` it posts them.
    lineage: str = "no"
    # `yes`: every publication, promotion and rollback writes an event to `events/` in the folder of the data; with
    # the variable `ETL_EVENTS_URL` it is posted there.
    events: str = "no"
    # Bucket or folder elsewhere that every run sends what is published to, such as `s3://shop/warehouse`,
    # `gs://…`, `az://…` or `file:///mnt/share/shop`. Another environment has none but its own. Empty: none.
    mirror: str = ""
    # `yes`: the partitions of the lake that the published file was made of are sent there too.
    mirror_lake: str = "no"

    @property
    def writes_report(self) -> bool:
        """Whether runs write the report."""
        return self.report == "yes"

    @property
    def mask(self) -> int:
        """The umask as a number."""
        return int(self.umask, 8)


def parse(path: Path) -> ConfigParser:
    """Return a luigi.cfg. Raises ConfigError if it cannot be read."""
    # no interpolation: other sections are Luigi's own and may use its ${ENV} syntax
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (Error, UnicodeDecodeError) as error:
        raise ConfigError(_unreadable(path, error)) from error
    return parser


def _unreadable(path: Path, error: Error | UnicodeDecodeError) -> str:
    """Return what is wrong with a luigi.cfg, and in which line."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object[: error.start].count(b"\n") + 1
        return f"{path}:{line}: a byte there is not UTF-8. Save the file as UTF-8, without a byte order mark."
    if isinstance(error, ParsingError) and (errors := getattr(error, "errors", None)):
        number, quoted = errors[0]
        text = quoted.strip("'").removesuffix("\\n")
        return f"{path}:{number}: {text} is neither a [section] nor a key = value."
    line = getattr(error, "lineno", None) or 1
    text = getattr(error, "line", "")
    if isinstance(text, str) and text.startswith("\ufeff"):
        return f"{path}:{line}: the file begins with a byte order mark. Save it as UTF-8 without one."
    if isinstance(error, DuplicateOptionError):
        return f"{path}:{line}: the key {error.option} appears twice in [{error.section}]. Remove one of them."
    if isinstance(error, DuplicateSectionError):
        return f"{path}:{line}: the section [{error.section}] appears twice. Merge the two."
    return f"{path}:{line}: the file does not begin with a [section], such as [etl]."


def read_settings(path: Path, parser: ConfigParser, sections: Sequence[str]) -> Settings:
    """Return the settings of some sections, each of which goes before those before it."""
    texts = {(section, key): text for section in sections for key, text in items(parser, section).items()}
    known = {item.name: item for item in fields(Settings)}
    values: dict[str, str | int] = {}
    for (section, key), text in texts.items():
        if key not in known:
            instead = f"Known keys: {', '.join(known)}."
            raise ConfigError(unknown(f"{path}: [{section}] has no key {key}", key, known, instead))
        values[key] = _whole_number(path, key, text) if known[key].type == "int" else text
    settings = Settings(**values)  # type: ignore[arg-type]
    _check(path, settings)
    return settings


def items(parser: ConfigParser, section: str) -> dict[str, str]:
    """Return the keys of a section; none if it is not there."""
    return dict(parser.items(section)) if parser.has_section(section) else {}


def read_variables(path: Path, parser: ConfigParser, sections: Sequence[str]) -> dict[str, str]:
    """Return the variables of some sections, each of which goes before those before it."""
    found = {name: text for section in sections for name, text in items(parser, section).items()}
    for name in found:
        if not name.isidentifier():
            raise ConfigError(
                f"{path}: [{VARIABLES}] {name} is not a name for a variable. Use letters, digits and underscores."
            )
        if name == _BATCH_DATE:
            raise ConfigError(
                f"{path}: [{VARIABLES}] {name} is set by etl for audits. Give your variable another name."
            )
    return found


def _whole_number(path: Path, key: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{path}: [etl] {key} = {text} is not a whole number.")
    return int(text)


def _check(path: Path, settings: Settings) -> None:
    if settings.metrics and not settings.metrics.endswith(".prom"):
        raise ConfigError(
            f"{path}: [etl] metrics = {settings.metrics}: the collector reads files that end in .prom."
        )
    if settings.keep_generations < 1:
        raise ConfigError(f"{path}: [etl] keep_generations must be at least 1.")
    if settings.keep_runs < 1:
        raise ConfigError(f"{path}: [etl] keep_runs must be at least 1.")
    if settings.keep_failures < 1:
        raise ConfigError(f"{path}: [etl] keep_failures must be at least 1.")
    if settings.progress not in ("yes", "no"):
        raise ConfigError(f"{path}: [etl] progress = {settings.progress} is neither yes nor no.")
    if not re.fullmatch(r"v\d+\.\d+\.\d+|latest", settings.storage_version):
        raise ConfigError(
            f"{path}: [etl] storage_version = {settings.storage_version} is not a version of DuckDB. Write one "
            "such as v1.2.0, or latest."
        )
    if not re.fullmatch("0?[0-7]{3}", settings.umask) or settings.mask & 0o700:
        raise ConfigError(f"{path}: [etl] umask = {settings.umask} is not a mask such as 022 or 027.")
    for key in ("report", "lineage", "events", "mirror_lake"):
        if (said := getattr(settings, key)) not in ("yes", "no"):
            raise ConfigError(f"{path}: [etl] {key} = {said} is neither yes nor no.")
    if settings.publish_raw not in ("links", "no"):
        raise ConfigError(f"{path}: [etl] publish_raw = {settings.publish_raw} is neither links nor no.")
    if settings.executor:
        check_executor(settings.executor, f"{path}: [etl] executor")
    for key in ("mirror", "shared_lake"):
        if url := getattr(settings, key):
            check_url(url, f"{path}: [etl] {key}")
    if settings.watch_poll_seconds < 1:
        raise ConfigError(f"{path}: [etl] watch_poll_seconds must be at least 1.")
    if settings.watch_every and seconds_in(settings.watch_every) is None:
        raise ConfigError(
            f"{path}: [etl] watch_every = {settings.watch_every} is not a length of time such as 15 minutes."
        )
    if settings.deadline and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", settings.deadline):
        raise ConfigError(f"{path}: [etl] deadline = {settings.deadline} is not a time of day such as 06:00.")
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"{path}: [etl] timezone = {settings.timezone} is not an IANA time zone, such as Europe/Berlin."
        ) from error
