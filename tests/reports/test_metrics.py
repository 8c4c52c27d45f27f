"""The figures of a run are a file that a collector of Prometheus reads, also of a run that failed."""

import os
import sys

import pytest

from etl.errors import ConfigError
from etl.project import load_project
from tests.support import tiny
from tests.support.told import night

parser = pytest.importorskip("prometheus_client.parser")
SETTINGS = "threads = 1\nmetrics = out/etl.prom\n"


def figures(project) -> dict[tuple[str, ...], float]:
    """Return what the file says, by name and labels."""
    text = (project.root / "out/etl.prom").read_text()
    families = parser.text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_night_writes_what_it_did(tmp_path):
    project = tiny.project(tmp_path, settings=SETTINGS)
    before = os.umask(0o077)
    try:
        assert night(project, "2024-03-02") == "published"
    finally:
        os.umask(before)

    found = figures(project)
    assert found["etl_run_exit_code",] == 0
    assert found["etl_run_success_timestamp_seconds",] == found["etl_run_end_timestamp_seconds",]
    assert found["etl_source_rows", "sales"] == 3 and found["etl_source_rejected_records", "sales"] == 0
    # midnight of the 2nd of March 2024
    assert found["etl_source_newest_partition_timestamp_seconds", "sales"] == 1709337600
    assert found["etl_generation_bytes",] == project.warehouse.resolve().stat().st_size
    assert (project.root / "out/etl.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (project.root / "out").iterdir()] == ["etl.prom"]


def test_a_failed_night_keeps_when_the_last_one_ended_well(tmp_path):
    project = tiny.project(tmp_path, settings=SETTINGS)
    night(project, "2024-03-02")
    good = figures(project)["etl_run_success_timestamp_seconds",]
    (project.sql / "audits").mkdir()
    (project.sql / "audits/few.sql").write_text("-- fail: too many\nselect id from raw.sales where id > 2")

    assert night(project, "2024-03-03") == "failed"

    found = figures(project)
    assert found["etl_run_exit_code",] == 30 and found["etl_run_success_timestamp_seconds",] == good
    assert found["etl_check_failing_rows", "audits.few", "error"] == 1


def test_a_night_with_nothing_new_writes_them_too(tmp_path):
    project = tiny.project(tmp_path, settings=SETTINGS)
    night(project, "2024-03-02")
    (project.root / "out/etl.prom").unlink()

    assert night(project, "2024-03-02") == "unchanged"

    assert figures(project)["etl_source_rows", "sales"] == 3


def test_without_the_library_the_night_is_as_green(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    project = tiny.project(tmp_path, settings=SETTINGS)

    assert night(project, "2024-03-02") == "published"

    assert "pip install 'etl[metrics]'" in caplog.text


def test_a_file_that_cannot_be_written_costs_no_night(tmp_path, caplog):
    project = tiny.project(tmp_path, settings="metrics = luigi.cfg/etl.prom\n")

    assert night(project, "2024-03-02") == "published"

    assert "the metrics were not written" in caplog.text


def test_a_name_that_no_collector_reads_is_refused(tmp_path):
    tiny.project(tmp_path)
    (tmp_path / "luigi.cfg").write_text("[etl]\nmetrics = etl.txt\n")

    with pytest.raises(ConfigError, match=r"files that end in \.prom"):
        load_project(tmp_path)
