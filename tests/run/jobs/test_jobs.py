"""A job is a pure function: done twice, at once, or killed anywhere, it leaves the same bytes; and its laws."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError, DeliveryError, StepError
from etl.ledger import Ledger, Receipt
from etl.project import Project
from etl.project.files import sha256
from etl.run import jobs
from etl.run.jobs import hosts, witness
from etl.run.jobs.alike import facts
from etl.run.jobs.hosts.processes import Processes
from etl.run.jobs.job import Answer, Job
from tests.support import tiny
from tests.support.killed_jobs import is_killed

#: More than a job has side effects.
MOST = 80
RAW = {
    "sales/2024-03-01.csv": "id,item,price\n1,book,2\nx,pen,3\n",
    "sales/2024-03-02.csv": "id,item,price\n3,book,2\n4,pen,3\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.project(tmp_path / "shop", raw=RAW, settings="threads = 1\nexecutor = processes://1\n")


def source_of(**options: Any):
    return tiny.sales(max_reject_ratio=1.0, **options)


def job_of(project: Project, **options: Any) -> Job:
    """Return a job of both days."""
    source = source_of(**options)
    deliveries = [
        replace(one, files=tuple(replace(file, sha256=sha256(file.path)) for file in one.files))
        for one in tiny.found(project, source)
    ]
    return Job(
        project=project.identity,
        source=source,
        deliveries=deliveries,
        content={delivery.date: f"content {delivery.date}" for delivery in deliveries},
        run_id="run-1",
        before={},
        worker=facts(project, source, deliveries),
    )


def files(project: Project) -> dict[str, bytes]:
    """Return all that is in lake and quarantine."""
    found = [path for base in (project.lake, project.quarantine) for path in base.rglob("*") if path.is_file()]
    return {str(path.relative_to(project.data)): path.read_bytes() for path in found}


def answer_of(job: Job) -> Answer:
    return Answer.of(jobs.run_job(job.text))


def extract(project: Project, source=None, **options: Any):
    """Take all deliveries by jobs, as a run does."""
    source = source or source_of()
    deliveries = [
        replace(one, files=tuple(replace(file, sha256=sha256(file.path)) for file in one.files))
        for one in tiny.found(project, source)
    ]
    content = {delivery.date: f"content {delivery.date}" for delivery in deliveries}
    return jobs.extract(project, source, deliveries, content, Ledger(project.ledger), "run-1", **options)


def test_a_job_survives_being_a_text(project: Project) -> None:
    job = job_of(project)
    again = Job.of(json.dumps(json.loads(job.text)))
    assert (again.deliveries, again.content, again.worker) == (job.deliveries, job.content, job.worker)
    assert again.text == job.text


def test_it_writes_no_ledger_and_answers_with_receipts(project: Project) -> None:
    answer = answer_of(job_of(project))
    assert [
        (receipt.key.partition, receipt.details["rows"], receipt.details["rejected"])
        for receipt in answer.receipts
    ]
    assert [r.details["rows"] + r.details["rejected"] for r in answer.receipts] == [2, 2]
    assert not project.ledger.exists()
    assert not list(project.scratch.glob("*"))


def test_done_twice_and_twice_at_once_it_leaves_the_same_bytes(project: Project) -> None:
    job = job_of(project)
    jobs.run_job(job.text)
    first = files(project)
    assert len(first) == 3
    jobs.run_job(job.text)
    assert files(project) == first

    threads = [threading.Thread(target=jobs.run_job, args=(job.text,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(project) == first


def test_killed_before_any_side_effect_and_done_again_it_leaves_the_same_bytes(project: Project) -> None:
    job = job_of(project)
    jobs.run_job(job.text)
    first = files(project)
    for number in range(1, MOST):
        for base in (project.lake, project.quarantine):
            subprocess.run(["rm", "-r", str(base)], check=True)
        was_killed = is_killed(job.text, project, number)
        jobs.run_job(job.text)
        assert files(project) == first
        if not was_killed:
            break
    assert 5 < number < MOST - 1


@pytest.mark.parametrize("name", ["Python", "etl", "duckdb", "pyarrow", "the time zone", "the locale"])
def test_a_worker_that_is_another_one_does_nothing_and_says_in_what(project: Project, name: str) -> None:
    job = job_of(project)
    answer = answer_of(replace(job, worker={**job.worker, name: "another"}))
    assert answer.receipts == []
    assert f" is not like the run's own process: {name} is {job.worker[name]} and not another." in answer.refused
    assert files(project) == {}


def test_a_worker_in_another_time_zone_is_refused(project: Project, monkeypatch) -> None:
    project.root.joinpath("luigi.cfg").write_text("[etl]\ntimezone = Asia/Tokyo\n")
    answer = answer_of(job_of(project))
    # the time zone decides what a timestamp without one is, and so is part of the definition
    assert "the time zone is Asia/Tokyo in luigi.cfg" in answer.refused
    assert "the definition of the source is " in answer.refused


def test_what_is_wrong_with_one_delivery_stops_no_other(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,thing\n4,cup\n"})
    with pytest.raises(DeliveryError, match=r"sales 2024-03-03: sales/2024-03-03.csv is refused"):
        extract(project)
    done = {key.partition for key in Ledger(project.ledger).receipts()}
    assert done == {"2024-03-01", "2024-03-02"}
    hosts.close_host("processes://1")


class Lying:
    """A host whose workers make other rows."""

    def __init__(self, change: str) -> None:
        self.change = change

    def run(self, given: Sequence[str]) -> Iterator[str]:
        for text in given:
            answer = Answer.of(jobs.run_job(text))
            column = "item" if "lake" in self.change else "text"
            for file in Path(json.loads(text)["root"]).parent.glob(self.change):
                rows = (
                    f"select * replace ('lie' as {column}) from read_parquet('{file}', hive_partitioning = false)"
                )
                with tiny.memory() as con:
                    con.execute(f"copy ({rows}) to '{file}.new' (format parquet)")
                Path(f"{file}.new").replace(file)
            yield answer.text

    def close(self) -> None:
        """Nothing is to be let go of."""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("lake/sales/*=2024-03-02/data.parquet", "4 rows"),
        ("quarantine/sales/*/data.parquet", "2 rejected records"),
    ],
)
def test_the_witness_catches_a_worker_that_makes_other_rows(project: Project, monkeypatch, change, what) -> None:
    url = project.settings.executor
    day = "2024-03-02" if "lake" in change else "2024-03-01"
    monkeypatch.setitem(hosts._open, (os.getpid(), url), Lying(change))
    # which partition is done again depends on the run
    monkeypatch.setattr("etl.run.jobs.witness.chosen_of", lambda run_id, count: 1 if day.endswith("2") else 0)
    with pytest.raises(
        StepError, match=rf"sales {day}, made by a worker of {url}, differs in {what} from what"
    ) as raised:
        extract(project)
    assert "Nothing that the workers made is taken" in str(raised.value)
    assert Ledger(project.ledger).receipts() == {}


def test_two_processes_of_a_run_have_witnesses_at_once(project: Project, monkeypatch) -> None:
    compare, number, taken = witness._compare, os.getpid(), []

    def meanwhile(*given: Any) -> None:
        if not taken:
            taken.append(given)
            # another process of the run takes other deliveries, beginning now, and ends first
            monkeypatch.setattr(os, "getpid", lambda: number + 1)
            take()
            monkeypatch.setattr(os, "getpid", lambda: number)
        compare(*given)

    def take() -> list[Receipt]:
        monkeypatch.setitem(hosts._open, (os.getpid(), project.settings.executor), Lying("nothing"))
        return extract(project)

    monkeypatch.setattr(witness, "_compare", meanwhile)
    assert len(take()) == 2
    assert taken


def test_every_partition_has_its_turn_as_a_witness() -> None:
    from etl.run.jobs.witness import chosen_of

    assert {chosen_of(f"run-{number}", 5) for number in range(100)} == set(range(5))


def test_a_process_that_is_lost_is_replaced_and_its_job_done_again(project: Project, monkeypatch) -> None:
    host, started = Processes(2), []
    start = host.start

    def dying() -> subprocess.Popen[str]:
        started.append(1)
        if len(started) > 2:
            return start()
        code = "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)"
        return subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)

    monkeypatch.setattr(host, "start", dying)
    (answer,) = host.run([job_of(project).text])
    assert len(Answer.of(answer).receipts) == 2
    host.close()


def test_a_job_that_loses_every_process_fails_the_step(project: Project, monkeypatch) -> None:
    host = Processes(1)
    code = "import os; os.kill(os.getpid(), 9)"
    dying = lambda: subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)  # noqa: E731
    monkeypatch.setattr(host, "start", dying)
    with pytest.raises(
        StepError,
        match=r"A worker of processes://1 ended in a job 3 times \(exit code -9\)\. Is there enough memory\?",
    ):
        list(host.run([job_of(project).text]))


def test_a_process_that_cannot_be_started_fails_the_step(project: Project, monkeypatch) -> None:
    host = Processes(1)
    monkeypatch.setattr(sys, "executable", str(project.root / "python"))
    with pytest.raises(StepError, match=r"A worker of processes://1 cannot be started: .*No such file"):
        list(host.run([job_of(project).text]))


def test_processes_wait_for_more_until_the_host_is_closed(project: Project) -> None:
    host, text = Processes(1), job_of(project).text
    list(host.run([text]))
    process = host._waiting()
    assert process and process.poll() is None
    host._idle.put(process)
    list(host.run([text]))
    assert host._waiting() is process
    host._idle.put(process)
    host.close()
    assert process.poll() == 0


def test_workers_of_one_machine_share_its_memory(project: Project) -> None:
    from etl.run.jobs.extraction import share as share_of

    def share(**settings: str) -> str:
        return share_of(replace(project, settings=replace(project.settings, **settings)))

    assert share(executor="processes://4") == "20%"
    assert share(executor="processes://4", memory_limit="2GB") == "2GB"
    assert share(executor="spark://master:7077") == ""


@pytest.mark.parametrize(
    "url", ["spark", "processes://0", "processes://", "dask://host", "spark://a b:1", "ray://x:1"]
)
def test_a_wrong_address_is_refused(project: Project, url: str) -> None:
    (project.root / "luigi.cfg").write_text(f"[etl]\nexecutor = {url}\n")
    with pytest.raises(ConfigError, match=r"\[etl\] executor = .* is not an address such as processes://4"):
        tiny.load_project(project.root)


def test_no_secret_of_an_address_is_said(project: Project) -> None:
    (project.root / "luigi.cfg").write_text("[etl]\nexecutor = spark://ann:canary@host:7077\n")
    with pytest.raises(ConfigError, match="is an address alone") as raised:
        tiny.load_project(project.root)
    assert "canary" not in str(raised.value)
