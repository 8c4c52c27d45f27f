"""The events of one run: how it began and ended, and so each of its steps, with what it read and wrote.

No value of a table is in them, and no message, which may quote one: an error says where to read it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, RunEvent, RunState, set_producer
from openlineage.client.event_v2 import Run as EventRun
from openlineage.client.facet_v2 import (
    RunFacet,
    data_quality_assertions_dataset,
    dataset_version_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
)

from etl.ledger import Ledger, Run
from etl.ledger.history import DONE, FAILED, KILLED, CheckRow, History, StepRow
from etl.project import Project
from etl.reports.openlineage import datasets
from etl.reports.openlineage.datasets import Known
from etl.stages.published import read_record

#: What made the events, as a URI.
_PRODUCER = "urn:etl"
#: What the job of a run is called.
_NIGHT = "night"
#: How the steps that were begun ended; of the others there is nothing to tell.
_STATES = {DONE: RunState.COMPLETE, FAILED: RunState.FAIL, KILLED: RunState.ABORT}
_GOOD = ("published", "unchanged", "partial")


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What events of a run are made of."""

    project: Project
    run: Run
    code: Known | None
    checks: Sequence[CheckRow]
    generation: str
    namespace: str

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.run.run_id))


def events(project: Project, ledger: Ledger, run: Run, code: Known | None) -> Iterator[RunEvent]:
    """Yield the events of a run that has ended, in the order of time; without its code, no schemas and lineage."""
    set_producer(_PRODUCER)
    history = History(ledger)
    generation = history.generations_made().get(run.run_id, "")
    told = _Told(
        project=project,
        run=run,
        code=code,
        checks=history.checks([run.run_id]),
        generation=generation,
        namespace=f"{project.root.name}.{project.environment_name}",
    )
    yield _of_run(told, RunState.START, run.started_at)
    found = []
    for step in history.steps([run.run_id]):
        if step.outcome in _STATES:
            found += [_of_step(told, step, RunState.START), _of_step(told, step, _STATES[step.outcome])]
    # the end of one step may be after the start of another
    yield from sorted(found, key=lambda event: datetime.fromisoformat(event.eventTime))
    good = RunState.COMPLETE if run.outcome in _GOOD else RunState.FAIL
    state = RunState.ABORT if run.outcome == "killed" else good
    yield _of_run(told, state, run.finished_at or run.started_at)


def _of_run(told: _Told, state: RunState, at: str) -> RunEvent:
    run = told.run
    midnight = datetime.fromisoformat(run.batch_date).replace(tzinfo=ZoneInfo(told.project.settings.timezone))
    facets: dict[str, RunFacet] = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime=midnight.isoformat()),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            name="etl", version=run.versions.get("etl", "")
        ),
    }
    if state in (RunState.FAIL, RunState.ABORT):
        facets["errorMessage"] = _error(f"The run ended: {run.outcome}. To see why: etl show {run.run_id}")
    return _event(told, state, at, told.id, _NIGHT, facets)


def _of_step(told: _Told, step: StepRow, state: RunState) -> RunEvent:
    began = datetime.fromisoformat(step.started_at or told.run.started_at)
    name = ".".join(step.id).rstrip(".")
    at = began if state == RunState.START else began + timedelta(seconds=step.seconds or 0)
    facets: dict[str, RunFacet] = {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=told.id),
            job=parent_run.Job(namespace=told.namespace, name=_NIGHT),
        )
    }
    if state in (RunState.FAIL, RunState.ABORT):
        facets["errorMessage"] = _error(f"{step.id} {step.outcome}. To see why: etl show {told.run.run_id}")
    id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{told.run.run_id} {step.id}"))
    return _event(
        told,
        *(state, at.astimezone(UTC).isoformat(), id, name, facets),
        data=([], []) if state == RunState.START else _data(told, step),
    )


def _event(
    told: _Told,
    state: RunState,
    at: str,
    id: str,
    name: str,
    facets: dict[str, RunFacet],
    *,
    data: tuple[list[InputDataset], list[OutputDataset]] | None = None,
) -> RunEvent:
    kind = "DAG" if name == _NIGHT else "TASK"
    type = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="ETL", jobType=kind)
    inputs, outputs = data or ([], [])
    return RunEvent(
        eventTime=at,
        eventType=state,
        run=EventRun(runId=id, facets=facets),
        job=Job(namespace=told.namespace, name=name, facets={"jobType": type}),
        inputs=inputs,
        outputs=outputs,
    )


def _error(text: str) -> RunFacet:
    return error_message_run.ErrorMessageRunFacet(message=text, programmingLanguage="SQL")


def _data(told: _Told, step: StepRow) -> tuple[list[InputDataset], list[OutputDataset]]:
    """Return what a step read and wrote, as far as the code is known that it ran."""
    of: Mapping[str, Callable[[_Told, Known, StepRow], tuple[list[InputDataset], list[OutputDataset]]]] = {
        "extract": _of_extract,
        "load": _of_load,
        "transform": _of_transform,
        "audit": _of_audit,
        "publish": _of_publish,
    }
    if told.code is None or step.step not in of:
        return [], []
    return of[step.step](told, told.code, step)


def _rows(step: StepRow) -> output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet:
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=step.rows_out, size=step.bytes_written
    )


def _of_extract(told: _Told, code: Known, step: StepRow) -> tuple[list[InputDataset], list[OutputDataset]]:
    name = f"raw.{step.name}"
    counted = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=step.rows_in, size=step.bytes_read
    )
    inputs = [datasets.read(place, inputStatistics=counted) for place in datasets.inputs_of(code, name)]
    facets = {**datasets.described(code, name), **datasets.made_of(code, name)}
    return inputs, [datasets.written(datasets.lake(told.project, step.name), facets, outputStatistics=_rows(step))]


def _of_load(told: _Told, code: Known, step: StepRow) -> tuple[list[InputDataset], list[OutputDataset]]:
    name, lake = f"raw.{step.name}", datasets.lake(told.project, step.name)
    facets = {**datasets.described(code, name), **datasets.copied(code, name, lake)}
    output = datasets.written(datasets.table(told.project, name), facets, outputStatistics=_rows(step))
    return [datasets.read(lake)], [output]


def _of_transform(told: _Told, code: Known, step: StepRow) -> tuple[list[InputDataset], list[OutputDataset]]:
    facets = {**datasets.described(code, step.name), **datasets.made_of(code, step.name)}
    output = datasets.written(datasets.table(told.project, step.name), facets, outputStatistics=_rows(step))
    return [datasets.read(place) for place in datasets.inputs_of(code, step.name)], [output]


def _of_audit(told: _Told, code: Known, step: StepRow) -> tuple[list[InputDataset], list[OutputDataset]]:
    """Return the tables with what their checks found; a check of several tables stands at each of them."""
    found: dict[str, list[data_quality_assertions_dataset.Assertion]] = {}
    for check in told.checks:
        audit = code.models.audits.get(check.name)
        tables = [check.table_name] if check.table_name else audit.reads if audit else ()
        for table in tables:
            found.setdefault(table, []).append(_assertion(check))
    return [
        datasets.read(
            datasets.table(told.project, table),
            dataQualityAssertions=data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions),
        )
        for table, assertions in found.items()
    ], []


def _assertion(check: CheckRow) -> data_quality_assertions_dataset.Assertion:
    return data_quality_assertions_dataset.Assertion(
        assertion=check.name,
        name=check.name,
        success=check.passed,
        severity=check.severity,
        expected="0",
        actual=str(check.failing),
    )


def _of_publish(told: _Told, code: Known, step: StepRow) -> tuple[list[InputDataset], list[OutputDataset]]:
    """Return the published tables, with the generation as their version."""
    record = read_record(told.project.generations / told.generation) if told.generation else None
    if record is None:
        return [], []
    version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=record.generation)
    return [], [
        datasets.written(
            datasets.table(told.project, name),
            {"version": version},
            outputStatistics=output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=contents.rows
            ),
        )
        for name, contents in record.tables.items()
    ]
