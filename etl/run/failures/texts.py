"""The texts of a bundle, for people and their editors: what failed, how to run it again, the SQL, the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from etl.contract import Contract
from etl.models import with_values
from etl.models.seeds import FOLDER
from etl.plan import Plan
from etl.project.secret import scrubbed
from etl.run.failures.inputs import LACKING, REDUCED
from etl.run.origin import versions

_README = """\
{title} failed in run {run_id} of {batch_date}.

{message}

This folder holds what the step was given: the files in project/data, and the contracts and SQL of that night in
project/. It can be moved to any machine that has etl {etl}.

    etl debug .            runs the step again, on copies of these files
    etl debug . --pdb      stops where it fails, in Python's debugger
    etl retry {run_id}     in the project, once the cause is removed: does what failed, and what waited for it

traceback.txt says where it failed, bundle.json all versions, and each file with its hash. resolved.sql is the SQL
of the step, contract.json the contracts that it keeps. To set breakpoints, open this folder in VS Code or PyCharm,
and start "etl debug".
{lacking}"""

#: What is said of inputs that are not there as they were, by what was kept of them.
_TITLES = {
    LACKING: "Not in this folder, but named by hash in bundle.json:",
    REDUCED: (
        "Not as they were. Personal data is replaced by other letters and digits; of a large input there are the\n"
        "rows that broke the step, and a sample. A raw file of that kind has its records alone, one below the\n"
        "other; its lines, header and columns are in bundle.json. What failed for a value that is masked, or for\n"
        "rows that were left out, may not fail again:"
    ),
}
_UNSURE = "Tried with what is in this folder, these did not fail as they had. Debug them where the data is:"

_LAUNCH = {
    "version": "0.2.0",
    "configurations": [
        {
            "name": "etl debug",
            "type": "debugpy",
            "request": "launch",
            "module": "etl",
            "args": ["debug", "${workspaceFolder}"],
            "cwd": "${workspaceFolder}",
            "justMyCode": False,
        }
    ],
}

_PYCHARM = """\
<component name="ProjectRunConfigurationManager">
  <configuration name="etl debug" type="PythonConfigurationType" factoryName="Python">
    <option name="MODULE_MODE" value="true" />
    <option name="SCRIPT_NAME" value="etl" />
    <option name="PARAMETERS" value={parameters} />
    <option name="WORKING_DIRECTORY" value="$PROJECT_DIR$" />
    <method v="2" />
  </configuration>
</component>
"""


def write_texts(
    folder: Path, facts: Mapping[str, Any], plan: Plan, trace: str, personal: Mapping[str, object]
) -> None:
    """Write everything in a bundle that is to be read by people, or by their editors.

    `personal` are the tables with personal data that is not masked there.
    """
    step, name = facts["step"], facts["name"]
    readme = _README.format(
        title=f"{step} {name}".strip(),
        run_id=facts["run_id"],
        batch_date=facts["batch_date"],
        message=facts["error"]["message"],
        etl=facts["versions"].get("etl", ""),
        lacking="".join(_notes(facts["inputs"])),
    )
    contracts = {table: contract.to_dict() for table, contract in _contracts(plan, step, name)}
    found = {
        "README.txt": readme,
        "traceback.txt": trace,
        "resolved.sql": "" if _quotes(plan, name, personal) else resolved_sql(plan, step, name),
        "contract.json": json.dumps(contracts, ensure_ascii=False, indent=1, default=str) if contracts else "",
        ".vscode/launch.json": json.dumps(_LAUNCH, indent=4),
        ".idea/runConfigurations/etl_debug.xml": _PYCHARM.format(parameters=quoteattr("debug .")),
    }
    for path, text in found.items():
        if text:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(scrubbed(text), encoding="utf-8", errors="backslashreplace")


def _notes(inputs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is to be known of inputs that are not there as they were."""
    inputs = list(inputs)
    for kinds, title in _TITLES.items():
        if found := [f"\n    {item['path']} ({item['kept']})" for item in inputs if item["kept"] in kinds]:
            yield f"\n{title}{''.join(found)}\n"
    if unsure := [f"\n    {item['path']}" for item in inputs if not item["is_sure"]]:
        yield f"\n{_UNSURE}{''.join(unsure)}\n"


def _quotes(plan: Plan, name: str, personal: Mapping[str, object]) -> bool:
    """Return whether the SQL of a model is its rows: that of a seed is."""
    return name in personal and name.startswith(f"{FOLDER}.") and name in plan.models.models


def versions_here() -> dict[str, str]:
    """Return the versions of what runs here."""
    return versions()


def resolved_sql(plan: Plan, step: str, name: str) -> str:
    """Return the SQL of a step, with the values of variables in it; empty for one that has none of its own."""
    variables = plan.project.variables
    if step == "transform":
        model = plan.models.models[name]
        return f"{with_values(model.sql, variables)}\n" if model.kind.is_select else ""
    if step == "audit":
        audits = plan.models.audits.values()
        return "\n\n".join(f"-- {audit.name}\n{with_values(audit.sql, variables)};" for audit in audits)
    return ""


def _contracts(plan: Plan, step: str, name: str) -> Iterator[tuple[str, Contract]]:
    """Yield the contracts that decide in a step."""
    if step in ("extract", "load"):
        yield f"raw.{name}", plan.catalog.sources[name].contract
    elif step == "transform":
        yield from ((table, item) for table, item in plan.catalog.tables.items() if table == name)
    else:
        yield from plan.catalog.tables.items()
