"""Figures and a trace of a run for a collector of OpenTelemetry: posted when it has ended, as OTLP over HTTP."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from etl.errors import ConfigError
from etl.ledger import Ledger, Run
from etl.ledger.history import DONE, FAILED, KILLED, History, StepRow
from etl.project import Project
from etl.project.channels import OTLP as URL
from etl.project.channels import OTLP_HEADERS as HEADERS
from etl.project.channels import otlp_is_on
from etl.project.secret import scrubbed
from etl.reports.figures import figures
from etl.reports.http import post, why_not

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

log = logging.getLogger("etl")

INSTALL = "opentelemetry-proto is not installed. Type: pip install 'etl[otlp]'"
#: So many seconds may both posts take, and so many one of them; a dead collector keeps nobody longer.
_SECONDS, _ONE = 10.0, 5.0
#: The steps of these outcomes have begun.
_BEGUN = (DONE, FAILED, KILLED)
#: The figures of a step that its span has.
_COUNTS = ("rows_in", "rows_out", "rejected", "bytes_read", "bytes_written", "peak_memory_bytes", "cpu_seconds")


def check_otlp() -> None:
    """Raise ConfigError if the address or the headers are not such; nothing of them is said."""
    if not otlp_is_on():
        return
    address = os.environ[URL].strip()
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or set(address) & set(" \t\n"):
        raise ConfigError(f"{URL} is not an address such as http://127.0.0.1:4318.")
    _headers()
    try:
        import opentelemetry.proto.collector.trace.v1.trace_service_pb2  # noqa: F401
    except ImportError:
        raise ConfigError(f"{URL} has an address, and {INSTALL}") from None


def send_otlp(project: Project, ledger: Ledger, row: Run) -> None:
    """Post the figures of a run that has ended, and its spans if it did something.

    The log says what could not be done. It takes ten seconds at the most, and raises nothing that a collector can
    cause. What was not taken is not sent again: the next run has figures of its own.
    """
    try:
        check_otlp()
        parts = list(_requests(project, ledger, row))
    except (ConfigError, OSError) as error:
        log.warning("warning: nothing is sent to the collector: %s", error)
        return
    said: list[str] = []
    thread = threading.Thread(target=_posted, args=(parts, said), daemon=True)
    try:
        thread.start()
        thread.join(_SECONDS)
        is_late = thread.is_alive()
    except RuntimeError:
        # an interpreter that ends starts no thread any more
        _posted(parts, said)
        is_late = False
    if is_late:
        said.append("it did not answer in time")
    for problem in said[:1]:
        log.warning("warning: the collector of %s did not take what was sent: %s", URL, problem)


def _posted(parts: list[tuple[str, bytes]], said: list[str]) -> None:
    end = time.monotonic() + _SECONDS
    address, headers = os.environ[URL].strip().rstrip("/"), _headers()
    for path, body in parts:
        try:
            post(f"{address}/v1/{path}", body, headers, max(0.1, min(_ONE, end - time.monotonic())))
        except OSError as error:
            said.append(why_not(error))
            return
        except Exception as error:
            said.append(type(error).__name__)
            return


def _headers() -> dict[str, str]:
    """Return the headers: `name=value`, separated by commas, as OTEL_EXPORTER_OTLP_HEADERS has them."""
    found = {"Content-Type": "application/x-protobuf"}
    for pair in filter(None, map(str.strip, os.environ.get(HEADERS, "").split(","))):
        name, mark, value = pair.partition("=")
        if not mark or not name.strip():
            raise ConfigError(f"{HEADERS} is not name=value, several separated by commas.")
        found[name.strip()] = unquote(value.strip())
    return found


def _requests(project: Project, ledger: Ledger, row: Run) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the body of each request."""
    yield "metrics", _metrics(project, ledger, row)
    steps = [step for step in History(ledger).steps([row.run_id]) if step.outcome in _BEGUN]
    if steps:
        yield "traces", _trace(project, row, steps)


def _metrics(project: Project, ledger: Ledger, row: Run) -> bytes:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    part = request.resource_metrics.add()
    part.resource.attributes.extend(_resource(project, row))
    scope = part.scope_metrics.add()
    scope.scope.name = "etl"
    at = _nanoseconds(row.finished_at)
    for figure in figures(project, ledger, row):
        metric = scope.metrics.add(name=figure.name, description=figure.about)
        for *labelled, value in figure.values:
            point = metric.gauge.data_points.add(time_unix_nano=at, as_double=value)
            point.attributes.extend(_attributes(dict(zip(figure.labels, labelled, strict=True))))
    return bytes(request.SerializeToString())


def _trace(project: Project, row: Run, steps: list[StepRow]) -> bytes:
    """Return a span for the run, and one below it for each step; no message of theirs, which may quote a value."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.extend(_resource(project, row))
    scope = part.scope_spans.add()
    scope.scope.name = "etl"
    trace, root = _id(row.run_id, 16), _id(f"{row.run_id} run", 8)
    facts = {"etl.run_id": row.run_id, "etl.batch_date": row.batch_date, "etl.outcome": row.outcome}
    span = scope.spans.add(trace_id=trace, span_id=root, name="night")
    span.start_time_unix_nano, span.end_time_unix_nano = map(_nanoseconds, (row.started_at, row.finished_at))
    span.attributes.extend(_attributes(facts))
    span.status.code = Status.STATUS_CODE_ERROR if row.outcome in ("failed", "killed") else Status.STATUS_CODE_OK
    for step in steps:
        span = scope.spans.add(trace_id=trace, span_id=_id(f"{row.run_id} {step.id}", 8), parent_span_id=root)
        span.name = str(step.id)
        # of one that failed with others nobody knows when it began
        began = step.started_at or row.finished_at
        span.start_time_unix_nano = _nanoseconds(began)
        span.end_time_unix_nano = _nanoseconds(began, step.seconds or 0.0)
        counts = {f"etl.{name}": getattr(step, name) for name in _COUNTS}
        facts = {"etl.step": step.step, "etl.name": step.name, "etl.outcome": step.outcome}
        span.attributes.extend(_attributes({**facts, "etl.attempts": step.attempts, **counts}))
        is_good = step.outcome == DONE
        span.status.code = Status.STATUS_CODE_OK if is_good else Status.STATUS_CODE_ERROR
        if not is_good:
            span.status.message = f"It {step.outcome}. To read why: etl show {row.run_id}"
    return bytes(request.SerializeToString())


def _resource(project: Project, row: Run) -> Iterator[KeyValue]:
    facts = {
        "service.name": "etl",
        "service.version": row.versions.get("etl", ""),
        "host.name": socket.gethostname(),
        "deployment.environment.name": project.environment_name,
        "etl.project": str(project.root),
        "vcs.ref.head.revision": row.git_commit,
    }
    return _attributes(facts)


def _attributes(facts: Mapping[str, Any]) -> Iterator[KeyValue]:
    """Yield what is known as a text, a whole number or a number."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    kinds = {int: "int_value", float: "double_value"}
    for name, value in facts.items():
        if value is not None:
            kind = kinds.get(type(value), "string_value")
            known: Any = {kind: value if kind != "string_value" else scrubbed(str(value))}
            yield KeyValue(key=name, value=AnyValue(**known))


def _id(text: str, size: int) -> bytes:
    """Return the id of a trace or span: the same for the same run, so that what is sent twice is there once."""
    return hashlib.sha256(text.encode()).digest()[:size]


def _nanoseconds(text: str, seconds: float = 0.0) -> int:
    moment = datetime.fromisoformat(text)
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((known + timedelta(seconds=seconds)).timestamp() * 1_000_000) * 1_000
