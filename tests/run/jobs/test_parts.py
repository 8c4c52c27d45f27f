"""Partitions of models that jobs build are those of the run's own build, and a job of them is a pure function."""

import json
import os
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from etl.engine.parquet_types import refused
from etl.errors import TransformError
from etl.ledger import Ledger
from etl.project import Project
from etl.run import jobs
from etl.run.jobs import hosts
from etl.run.jobs.foretold import foretold
from etl.run.jobs.making import parts_folder
from etl.run.jobs.part import PartAnswer, PartJob, facts_of
from etl.stages.lake.layout import partition_file
from etl.stages.warehouse import months, open_build, row_hashes
from tests.engine.test_parquet_types import VALUES
from tests.support import tiny
from tests.support.killed_jobs import is_killed
from tests.support.thorough import examples

#: More than a job has side effects.
MOST = 40
URL = "processes://1"
CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    shop: str
    price: float = pa.Field(nullable=True)

class Visits(pa.DataFrameModel):
    shop: str
    visitors: int

class Shops(pa.DataFrameModel):
    shop: str
    town: str

sales = Source(contract=Sales, files="sales/{date}.csv", partition="day", max_withdrawn=99)
visits = Source(contract=Visits, files="visits/{date}.csv", partition="visit_day", load="view", max_withdrawn=99)
shops = Source(contract=Shops, files="shops.csv")
towns = Source(contract=Shops, files="towns.csv", history=True)
"""
BY_DATE = "-- materialized: incremental\n-- partition: day\n"
_TYPES = {name: value for name, values in VALUES.items() for value in values[:1] if not refused(name)}
#: SELECTs of which jobs build partitions, of every kind of input and content.
AWAY = {
    "marts.plain": "select day, shop, price from raw.sales",
    "marts.daily": "select day, shop, count(*) as sales, sum(price) as price from staging.sales group by all",
    "marts.viewed": "select visit_day as day, shop, visitors, _file, _loaded_at from raw.visits",
    "marts.joined": "select day, s.shop, town, price from raw.sales as s left join raw.shops using (shop)",
    # rows without a date
    "marts.dateless": """select visit_day as day, s.shop, price, visitors
from raw.sales as s left join raw.visits as v on s.day = v.visit_day and s.shop = v.shop""",
    "marts.both": "select day, shop from raw.sales union all select visit_day, shop from raw.visits",
    # rows of days without a delivery
    "marts.calendar": """select c.day, count(s.day) as sales
from (select date '2023-12-30' + n::integer as day from range(70) as r(n)) as c
left join raw.sales as s on s.day = c.day group by all""",
    "marts.week": """-- lookback: 2 days
select day, shop, sum(price) over (
    partition by shop order by day range between interval 2 days preceding and current row
) as price_3_days from raw.sales""",
    "marts.written": "select day, dearer(price) as price, getvariable('shop') = shop as is_ours from staging.dear",
    "marts.wide": f"""select day, shop, sum(length(shop)) as letters,
    {", ".join(f'''any_value({value}) as "{name}"''' for name, value in _TYPES.items())}
from raw.sales group by all""",
    "marts.picked": """select day, shop, price from raw.sales
qualify row_number() over (partition by day, shop order by price desc) = 1""",
    "marts.none": "select day, shop from raw.sales where price > 1e9",
    "marts.tolerant": """-- tolerates: shops
select day, shop, (select max(town) from raw.shops) as last_town from raw.sales""",
}
#: Those that the run builds itself, each with what it does.
HERE = {
    "marts.above": ("select day, sum(price) as price from marts.plain group by day", "reads marts.plain, which"),
    "marts.counted": (
        "select day, count(*) as sales, (select count(*) from etl.partitions) as n from raw.sales group by day",
        "reads etl.partitions, which the run keeps",
    ),
    "marts.numbered": ("select day, rowid as number from raw.sales", "reads rowid"),
    "marts.united": ("select day, union_value(k := shop) as x from raw.sales", "has the column x with a UNION"),
    "marts.kept": (
        "select day, s.shop, t.town from raw.sales as s left join raw.towns as t using (shop)",
        "reads raw.towns, whose snapshots",
    ),
    "marts.running": (
        "select day, sum(price) over (order by day, shop, price) as price from raw.sales",
        "is built in full: a day may need other dates of raw.sales",
    ),
}
SQL = {
    "staging/sales.sql": "-- materialized: view\nselect * from raw.sales where price is not null",
    "staging/dear.sql": "-- materialized: view\nselect day, shop, dearer(price) as price from raw.sales",
    "macros/dearer.sql": "create macro dearer(price) as price * 1.5",
    **{f"{name.replace('.', '/')}.sql": BY_DATE + text for name, text in AWAY.items()},
    **{f"{name.replace('.', '/')}.sql": BY_DATE + text for name, (text, _) in HERE.items()},
}
#: Some of an old month, which have a file together where partitions are files.
DAYS = [
    *(date(2024, 1, 2) + timedelta(number) for number in range(3)),
    *(date(2024, 3, 1) + timedelta(number) for number in range(3)),
]


class Direct:
    """A host whose workers are this process; `change` is given the answer of each job."""

    def __init__(self, project: Project, change=lambda job, answer: answer) -> None:
        self.project, self.change, self.done = project, change, []

    def run(self, given: Sequence[str]) -> Iterator[str]:
        for text in given:
            answer = jobs.run_job(text)
            if facts := facts_of(text):
                self.done.append(PartJob.of(facts))
                answer = self.change(self.done[-1], PartAnswer.of(answer)).text
            yield answer

    def close(self) -> None:
        """Nothing is to be let go of."""


@contextmanager
def direct(project: Project, **options) -> Iterator[Direct]:
    """Let jobs of the project be done by this process."""
    host, key = Direct(project, **options), (os.getpid(), URL)
    hosts._open[key] = host
    try:
        yield host
    finally:
        del hosts._open[key]


def filed(text: str) -> str:
    """Return the SQL of a model by date whose partitions are files, which hold integers of 38 digits."""
    return text.replace(BY_DATE, f"{BY_DATE}-- storage: lake\n").replace(str(2**128 - 1), "9" * 38)


def shop(root: Path, executor: str = "", sql=SQL) -> Project:
    more = f"executor = {executor}\n" if executor else ""
    settings = f"threads = 1\n{more}[etl.vars]\nshop = a\n"
    raw = {"shops.csv": "shop,town\na,Ulm\nb,Bonn\n", "towns.csv": "shop,town\na,Ulm\nc,Bonn\n"}
    return tiny.project(root, CONTRACTS, sql, raw, settings)


def sales_of(day: date, number: int) -> dict[str, str]:
    # sums of quarters are exact, whatever the order of rows
    rows = "".join(f"{'abc'[n % 3]},{(n * 7 + number) % 11 / 4}\n" for n in range(5 + number))
    return {f"sales/{day}.csv": f"shop,price\n{rows}a,\n"}


def visits_of(day: date, number: int) -> dict[str, str]:
    return {f"visits/{day}.csv": f"shop,visitors\na,{number}\nc,{number + 1}\n"}


def held(project: Project) -> dict[str, tuple[object, ...]]:
    """Return names and types of the columns of each mart, and the hash of its rows in any order."""
    found = {}
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        for name in (*AWAY, *HERE):
            columns = [row[:2] for row in con.execute(f"describe {name}").fetchall()]
            found[name] = (
                columns,
                *con.execute(f"select {row_hashes(con, name, columns)} from {name}").fetchall(),
            )
    return found


def names_of_files(project: Project) -> list[str]:
    """Return the files of partitions, named by their content; of what has clock times the dates alone."""
    names = (str(file.relative_to(project.parts)) for file in project.parts.rglob("*.parquet"))
    return sorted(name[:-40] if name.startswith("marts.viewed") else name for name in names)


def both(tmp_path: Path, in_files: Collection[str] = ()) -> tuple[Project, Project]:
    """Return a project that builds all itself, and one that has jobs build what they can."""
    sql = SQL | {file: filed(SQL[file]) for file in (f"{name.replace('.', '/')}.sql" for name in in_files)}
    found = (shop(tmp_path / "alone", sql=sql), shop(tmp_path / "together", URL, sql))
    for project in found:
        for number, day in enumerate(DAYS):
            tiny.deliver(project, sales_of(day, number) | visits_of(day, number))
    return found


_CHANGES = st.lists(
    st.tuples(st.sampled_from(["sales", "visits"]), st.sampled_from(DAYS), st.integers(-1, 3)), max_size=8
)


@settings(
    max_examples=examples(2),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    nights=st.lists(_CHANGES, min_size=1, max_size=2),
    in_files=st.sets(st.sampled_from([*AWAY])),
    small=st.sampled_from([months.SMALL, 6]),
)
@example(nights=[[("sales", DAYS[0], 2), ("visits", DAYS[5], -1)]], in_files={*AWAY}, small=months.SMALL)
@example(nights=[[("sales", DAYS[0], 2), ("sales", DAYS[1], 2)]], in_files={*AWAY}, small=6)
def test_jobs_end_in_what_the_run_builds_itself(
    tmp_path: Path, monkeypatch, nights, in_files: set[str], small: int
) -> None:
    shutil.rmtree(tmp_path)
    # of some models and days, the partitions of an old month have files of their own
    monkeypatch.setattr(months, "SMALL", small)
    alone, together = both(tmp_path, in_files)
    with direct(together) as host:
        for changes in [[], *nights]:
            for project in (alone, together):
                for source, day, number in changes:
                    (project.raw / source / f"{day}.csv").unlink(missing_ok=True)
                    if number >= 0:
                        tiny.deliver(project, (sales_of if source == "sales" else visits_of)(day, number + 10))
                tiny.night(project)
            assert held(together) == held(alone)
            # the same bytes, whoever has built them
            assert names_of_files(together) == names_of_files(alone)
            assert not list(parts_folder(together).glob("*"))
    # what it reads are files, or a table
    above = {"marts.above"} if "marts.plain" in in_files else set()
    assert {job.model for job in host.done} == AWAY.keys() | above


def test_the_plan_says_what_goes_out_and_why_the_rest_stays(tmp_path: Path) -> None:
    _, together = both(tmp_path)
    said = list(foretold(tiny.plan(together), dict.fromkeys((*AWAY, *HERE))))
    assert said[0].startswith(f"partitions to build on {URL}: ")
    assert [name for name in (*AWAY, *HERE) if f" {name} (all)" in said[0]] == [*AWAY]
    for name, (_, why) in HERE.items():
        assert [line for line in said[1:] if line.startswith(f"built by the run itself, since {name} {why}")], name
    one = list(foretold(tiny.plan(together), {"marts.plain": 1}))
    assert one == ["built by the run itself, since marts.plain has 1 partition to build, as the witness would"]


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """Return a project with one model, of which jobs build six partitions."""
    sql = {"marts/plain.sql": f"{BY_DATE}{AWAY['marts.plain']}"}
    project = shop(tmp_path / "shop", URL, sql)
    for number, day in enumerate(DAYS):
        tiny.deliver(project, sales_of(day, number))
    return project


def job_of(project: Project) -> PartJob:
    """Return the job of all partitions of the model; they are built already."""
    with direct(project) as host:
        tiny.night(project)
    return host.done[-1]


def parts(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in parts_folder(project).iterdir()}


def test_a_job_of_partitions_survives_being_a_text(small: Project) -> None:
    job = job_of(small)
    again = PartJob.of(facts_of(json.dumps(json.loads(job.text))))
    assert again == job
    assert (again.text, again.target) == (job.text, job.target)
    assert "raw.sales" in job.text
    # no row of the data, and no value of a variable
    assert not [value for value in ("Ulm", '"a"') if value in job.text]


def test_done_twice_and_twice_at_once_it_leaves_the_same_bytes(small: Project) -> None:
    text = job_of(small).text
    answer = jobs.run_job(text)
    first = parts(small)
    assert list(first) == [PartAnswer.of(answer).target]
    assert jobs.run_job(text) == answer
    threads = [threading.Thread(target=jobs.run_job, args=(text,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parts(small) == first
    assert [path.name for path in small.scratch.iterdir()] == ["parts"]


def test_killed_before_any_side_effect_and_done_again_it_leaves_the_same_bytes(small: Project) -> None:
    text = job_of(small).text
    jobs.run_job(text)
    first = parts(small)
    for number in range(1, MOST):
        shutil.rmtree(parts_folder(small))
        was_killed = is_killed(text, small, number)
        # never half a file
        assert not parts_folder(small).exists() or parts(small).items() <= first.items()
        jobs.run_job(text)
        assert parts(small) == first
        if not was_killed:
            break
    assert 2 < number < MOST - 1


@pytest.mark.parametrize("name", ["Python", "duckdb", "the time zone", "the locale", "the hash of [etl.vars]"])
def test_a_worker_that_is_another_one_builds_nothing_and_says_in_what(small: Project, name: str) -> None:
    job = job_of(small)
    answer = PartAnswer.of(jobs.run_job(replace(job, worker={**job.worker, name: "another"}).text))
    assert f" is not like the run's own process: {name} is " in answer.refused
    assert answer.target == ""
    assert not parts(small)


def test_a_worker_that_sees_another_file_builds_nothing(small: Project) -> None:
    job = job_of(small)
    file = small.data / job.tables[0].files[0].path
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    answer = PartAnswer.of(jobs.run_job(job.text))
    assert f"does not see the same files: {file} is another file than the one that the run has." in answer.refused


def test_the_witness_catches_a_worker_that_builds_other_rows(small: Project) -> None:
    def lie(job: PartJob, answer: PartAnswer) -> PartAnswer:
        file = parts_folder(small) / job.target
        with duckdb.connect() as con:
            con.execute(f"create table t as select * replace (price + 1 as price) from '{file}'")
            con.execute(f"copy t to '{file}' (format parquet)")
        return replace(answer, size=file.stat().st_size, sha256=tiny.sha256(file))

    with (
        direct(small, change=lie),
        pytest.raises(TransformError, match=r"marts\.plain .*differs in \d+ rows") as raised,
    ):
        tiny.night(small)
    assert "Nothing that the workers made is taken." in str(raised.value)
    assert not small.warehouse.exists()
    # nothing of it is in build.duckdb, and the next run does it again
    assert "transform" in {key.step for key in tiny.plan(small).stale}
    with direct(small):
        tiny.night(small)
    assert tiny.published(small, "select count(*) from marts.plain") == [(51,)]


def test_a_file_that_is_not_what_the_receipt_says_is_not_taken(small: Project) -> None:
    def spoil(job: PartJob, answer: PartAnswer) -> PartAnswer:
        (parts_folder(small) / job.target).write_bytes(b"")
        return answer

    with direct(small, change=spoil), pytest.raises(TransformError, match="see the same folders"):
        tiny.night(small)


def test_what_is_wrong_with_a_model_is_said_as_if_the_run_had_built_it(tmp_path: Path) -> None:
    sql = {"marts/plain.sql": f"{BY_DATE}select day, shop::int as shop from raw.sales"}
    said = []
    for name, url in (("alone", ""), ("together", URL)):
        project = shop(tmp_path / name, url, sql)
        for number, day in enumerate(DAYS):
            tiny.deliver(project, sales_of(day, number))
        with direct(project), pytest.raises(TransformError) as raised:
            tiny.night(project)
        said.append(str(raised.value))
    assert said[0] == said[1]


def test_partitions_whose_files_are_not_what_was_loaded_are_built_by_the_run(small: Project) -> None:
    job_of(small)
    plan, ledger = tiny.plan(small), Ledger(small.ledger)
    sales = plan.catalog.sources["sales"]
    # one was written again since, one stays as an earlier contract took it, and of one a refused file came
    os.utime(partition_file(small.lake, sales, DAYS[0]), (1, 1))
    taken = {"sales": replace(plan.taken["sales"], outdated={DAYS[1]: "it stays"})}
    receipt = ledger.receipts()[tiny.extract_key(str(DAYS[2]))]
    ledger.write(replace(receipt, outcome="kept"))
    away = jobs.elsewhere(small, replace(plan, taken=taken), ledger)
    assert away
    with open_build(small, ledger, plan.run_id) as con:
        assert away.takes(con, plan.build("marts.plain"), DAYS) == DAYS[3:]
        # one alone is built by the run, which would do it as the witness anyway
        assert away.takes(con, plan.build("marts.plain"), DAYS[:4]) == []
    ledger.close()
