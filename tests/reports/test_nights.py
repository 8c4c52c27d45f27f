"""Runs of a project that asks for the report: each ends by writing it, however it ends."""

from pathlib import Path

from etl.stages.published import current
from tests.support import reports, tiny, warm
from tests.support.projects import environment


def test_every_run_writes_it_one_that_fails_or_cannot_begin_too(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="report = yes\nthreads = 1\n")

    assert nightly(project.root) == 0
    first = current(project)
    assert project.report.resolve().parent.name == first
    assert "Published. Every delivery that was due is in, and every check passed." in said(project.report)

    assert nightly(project.root) == 0
    assert "Nothing new: what is published is up to date." in said(project.report)

    (project.sql / "audits").mkdir()
    (project.sql / "audits/no_pens.sql").write_text("-- fail: no pens\nselect * from raw.sales where item = 'pen'")
    assert nightly(project.root) == 30
    assert "The night failed: audits.no_pens found rows" in said(project.report)
    assert project.report.resolve().parent.name == first
    # what waits for it
    assert "Step audit audits.no_pens found 1 offending row in raw.sales" in said(project.report)
    assert "Next: etl audits --failed" in said(project.report)
    assert "publish It waits for audit, which failed." in said(project.report)

    (project.sql / "marts/items.sql").write_text("selekt 1")
    assert nightly(project.root) == 35
    text = said(project.report)
    assert "The night failed in plan." in text
    assert "sql/marts/items.sql" in text


def nightly(root: Path) -> int:
    command = ["-m", "luigi", "--module", "etl", "Nightly", "--date", "2024-03-02"]
    return warm.run(command, root, environment()).returncode


def said(file: Path) -> str:
    return reports.text_of(file.read_text(encoding="utf-8"))
