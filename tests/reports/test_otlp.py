"""Figures and a trace of each run reach a collector of OpenTelemetry, and one that is dead costs no night."""

import sys
from typing import Any

import pytest

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.history import History
from etl.operations.notify import check_addresses
from etl.project import Project
from etl.reports import otlp
from tests.support import tiny, warm
from tests.support.projects import environment
from tests.support.receivers import Receiver, free_port, http
from tests.support.told import night

metrics = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
traces = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
prometheus = pytest.importorskip("prometheus_client.parser")

METRICS, TRACES = "/v1/metrics", "/v1/traces"


def sent(receiver: Receiver, path: str) -> list[Any]:
    """Return what was sent to a path, decoded."""
    kinds = {METRICS: metrics.ExportMetricsServiceRequest, TRACES: traces.ExportTraceServiceRequest}
    return [kinds[path].FromString(body) for one, body in receiver.got if one == path]


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


def figures(receiver: Receiver) -> dict[tuple[str, ...], float]:
    """Return the last figures, by name and labels."""
    (part,) = sent(receiver, METRICS)[-1].resource_metrics
    (scope,) = part.scope_metrics
    return {
        (metric.name, *attributes(point).values()): point.as_double
        for metric in scope.metrics
        for point in metric.gauge.data_points
    }


def spans(receiver: Receiver) -> list[Any]:
    return [
        span
        for one in sent(receiver, TRACES)
        for p in one.resource_spans
        for s in p.scope_spans
        for span in s.spans
    ]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.delenv("ETL_OTLP_HEADERS", raising=False)
    return tiny.project(tmp_path, settings="threads = 1\nmetrics = out/etl.prom\n")


def test_a_night_sends_the_figures_that_prometheus_reads(project, monkeypatch) -> None:
    with http() as collector:
        monkeypatch.setenv("ETL_OTLP_URL", f"http://127.0.0.1:{collector.port}/")
        monkeypatch.setenv("ETL_OTLP_HEADERS", "authorization=Bearer%20abc, x-team=sales")
        assert night(project, "2024-03-02") == "published"

    families = prometheus.text_string_to_metric_families((project.root / "out/etl.prom").read_text())
    read = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    found = figures(collector)
    assert {tuple(sorted(key)): value for key, value in found.items()} == {
        tuple(sorted(key)): value for key, value in read.items()
    }
    assert found["etl_source_rows", "sales"] == 3
    assert ("etl_step_duration_seconds", "transform", "marts.items", "done") in found
    (resource,) = [one.resource for one in sent(collector, METRICS)[0].resource_metrics]
    assert attributes(resource)["service.name"] == "etl"
    told = [{name.lower(): value for name, value in one.items()} for one in collector.headers]
    assert {(one["authorization"], one["x-team"]) for one in told} == {("Bearer abc", "sales")}


def test_every_step_is_a_span_of_its_run(project, monkeypatch) -> None:
    with http() as collector:
        monkeypatch.setenv("ETL_OTLP_URL", f"http://127.0.0.1:{collector.port}")
        night(project, "2024-03-02")

    root, *rest = spans(collector)
    ledger = Ledger(project.ledger)
    run = ledger.runs()[0]
    assert attributes(root)["etl.run_id"] == run.run_id
    assert {span.name for span in rest} == {str(step.id) for step in History(ledger).steps([run.run_id])}
    assert {(span.trace_id, span.parent_span_id) for span in rest} == {(root.trace_id, root.span_id)}
    assert all(
        root.start_time_unix_nano
        <= span.start_time_unix_nano
        <= span.end_time_unix_nano
        <= root.end_time_unix_nano
        for span in rest
    )
    assert attributes(next(span for span in rest if span.name == "extract sales"))["etl.rows_out"] == 3


def test_a_step_that_failed_is_one_without_its_text(project, monkeypatch) -> None:
    (project.sql / "marts/broken.sql").write_text("select error('canary ' || item) as n from raw.sales")
    with http() as collector:
        monkeypatch.setenv("ETL_OTLP_URL", f"http://127.0.0.1:{collector.port}")
        assert night(project, "2024-03-02") == "failed"

    (failed,) = [span for span in spans(collector) if span.name == "transform marts.broken"]
    assert failed.status.code == 2 and "etl show" in failed.status.message
    assert not any(b"canary" in body for _, body in collector.got)


def test_a_night_with_nothing_new_has_figures_and_no_trace(project, monkeypatch) -> None:
    night(project, "2024-03-02")
    with http() as collector:
        monkeypatch.setenv("ETL_OTLP_URL", f"http://127.0.0.1:{collector.port}")
        assert night(project, "2024-03-02") == "unchanged"

    assert figures(collector)["etl_run_exit_code",] == 0
    assert spans(collector) == []


DEAD = {
    "refuses": ("", {"status": 403}, "it answered with the error 403"),
    "breaks": ("", {"status": 500}, "it answered with the error 500"),
    "hangs": ("", {"hangs": 3.0}, "it did not answer in time"),
    "sends elsewhere": ("", {"status": 302, "location": "http://127.0.0.1:1/"}, "it answered with the error 302"),
}


@pytest.mark.parametrize("kind", DEAD)
def test_a_collector_that_takes_nothing_costs_no_night(project, monkeypatch, caplog, kind) -> None:
    monkeypatch.setattr(otlp, "_SECONDS", 0.4)
    path, options, said = DEAD[kind]
    with http(**options) as collector:
        monkeypatch.setenv("ETL_OTLP_URL", f"http://user:canary-word@127.0.0.1:{collector.port}{path}")
        assert night(project, "2024-03-02") == "published"

    assert f"the collector of ETL_OTLP_URL did not take what was sent: {said}" in caplog.text
    assert "canary" not in caplog.text


def test_nobody_there_or_no_library_costs_no_night(project, monkeypatch, caplog) -> None:
    monkeypatch.setenv("ETL_OTLP_URL", f"http://127.0.0.1:{free_port()}")
    assert night(project, "2024-03-02") == "published"
    assert "did not take what was sent: ConnectionRefusedError" in caplog.text

    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    assert night(project, "2024-03-02") == "unchanged"
    assert "pip install 'etl[otlp]'" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("ETL_OTLP_URL", "canary-host:4318"), ("ETL_OTLP_URL", "http://a canary"), ("ETL_OTLP_HEADERS", "canary")],
)
def test_what_is_no_address_is_refused_before_the_night_without_being_said(monkeypatch, name, value) -> None:
    monkeypatch.setenv("ETL_OTLP_URL", "http://127.0.0.1:4318")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name) as raised:
        check_addresses()
    assert "canary" not in str(raised.value)


def test_a_headers_secret_goes_to_no_other_address(project, monkeypatch) -> None:
    with http() as thief, http(307, location=f"http://127.0.0.1:{thief.port}/") as collector:
        monkeypatch.setenv("ETL_OTLP_URL", f"http://127.0.0.1:{collector.port}")
        monkeypatch.setenv("ETL_OTLP_HEADERS", "authorization=canary-token")
        night(project, "2024-03-02")
    assert thief.got == []


def test_luigi_sends_them_as_it_ends(project) -> None:
    with http() as collector:
        variables = environment(ETL_OTLP_URL=f"http://127.0.0.1:{collector.port}")
        done = warm.run(
            ["-m", "luigi", "--module", "etl", "Nightly", "--date", "2024-03-02"], project.root, variables
        )
    assert done.returncode == 0, done.stdout
    assert figures(collector)["etl_source_rows", "sales"] == 3
    assert {span.name for span in spans(collector)} >= {"night", "extract sales", "publish"}
