"""What Luigi must be told before it runs anything of ours, whatever luigi.cfg says or whether there is one."""

from __future__ import annotations

import logging
import sys

from luigi.configuration import LuigiConfigParser, add_config_path, get_config

from etl.errors import EtlError
from etl.project import CONFIG, find_root

#: Luigi's own are 0 for everything but a crash.
EXIT_CODES = {
    "already_running": 10,
    "missing_data": 20,
    "not_run": 25,
    "task_failed": 30,
    "scheduling_error": 35,
    "unhandled_exception": 40,
}


def configure() -> None:
    """Set exit codes, completeness checks and logging; read the project's luigi.cfg from any cwd."""
    config = get_config()
    if not isinstance(config, LuigiConfigParser):
        raise EtlError("etl reads luigi.cfg; unset LUIGI_CONFIG_PARSER.")
    config_of_project(config)
    for name, code in EXIT_CODES.items():
        config.set("retcode", name, str(code))
    config.set("worker", "check_complete_on_run", "true")
    # our lock is per project; Luigi's is per command line, and would stop another project
    config.set("core", "no_lock", "true")
    wants_server = any(argument.startswith("--scheduler-") for argument in sys.argv)
    if not config.has_option("core", "local_scheduler") and not wants_server:
        config.set("core", "local_scheduler", "true")
    if not config.has_option("core", "log_level"):
        config.set("core", "log_level", "ERROR")
    logging.getLogger("luigi-interface").addFilter(_is_news)
    _log_to_stderr()


def config_of_project(config: LuigiConfigParser) -> None:
    """Read the project's luigi.cfg last, so that no other folder's settings override it."""
    try:
        path = find_root() / CONFIG
    except EtlError:
        return  # said when a task needs the project
    if str(path) not in config._config_paths:
        add_config_path(str(path))


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for what the step that failed has said already, without a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], EtlError))


def _log_to_stderr() -> None:
    log = logging.getLogger("etl")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
