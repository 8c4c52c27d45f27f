"""Models whose partitions are files hold what they would hold as tables, whatever comes and goes."""

import random
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl.engine.quoting import literal
from etl.errors import EtlError, ModelError, TransformError
from etl.ledger import Ledger
from etl.models.kinds import MATERIALIZED
from etl.operations.diff import compare, request_of
from etl.project import Project, load_project
from etl.stages import warehouse
from etl.stages.published import read_record
from etl.stages.warehouse import months
from tests.operations.test_kinds import CONTRACTS, FEED, HEADER
from tests.stages.warehouse.test_views import DAYS, random_feed
from tests.support import tiny
from tests.support.kinds import FILED, IN_FILES, SAMPLES, TRIED
from tests.support.thorough import EVERY

LOOSE = CONTRACTS.replace('"day")', '"day", max_withdrawn=9, min_rows_ratio=0)')
#: The feed alone, without contracts of samples.
ALONE = re.sub(r"class Counted.*(?=feed = )", "", LOOSE, flags=re.DOTALL)
LOOSE_ALONE = ALONE.replace("max_withdrawn=9", "max_withdrawn=99")
DAILY = (
    "-- materialized: incremental\n-- partition: day\n{}select day, city, count(*) as n from raw.feed group by all"
)
LAKE = {"marts/daily.sql": DAILY.format("-- storage: lake\n")}
ABOVE = {
    "marts/above.sql": "-- materialized: incremental\n-- partition: day\nselect day, n * 2 as m from marts.daily",
    "staging/shown.sql": "-- materialized: view\nselect city, n from marts.daily",
}
QUERY = "select day::varchar, city, n from marts.daily order by all"
BOTH = [
    *(("2024-03-01", city, 1) for city in ("Bonn", "Kiel", "Ulm")),
    *(("2024-03-02", city, 1) for city in ("Jena", "Kiel", "Ulm")),
]


DAYS_OF_FEED = [date(2024, 3, 1), date(2024, 3, 2)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.once(tmp_path / "a [1], b's", nightly)


def nightly(root: Path) -> None:
    tiny.night(tiny.project(root, ALONE, {**LAKE, **ABOVE}, FEED))


def files(project: Project) -> list[str]:
    return sorted(path.name for path in (project.parts / "marts.daily").glob("*"))


def rewrite(project: Project, sql: str) -> None:
    (project.root / "sql/marts/daily.sql").write_text(sql)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10 if EVERY else 1, deadline=None)
def test_every_model_is_published_the_same(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    # the first one that is tried is always the same
    assume(seed)
    chance, root = random.Random(seed), tmp_path_factory.mktemp("kinds")
    sides = [
        tiny.project(root / name, LOOSE, {**dict(samples[kind] for kind in TRIED), **more}, {})
        for name, samples, more in (
            ("table", SAMPLES, {"marts/daily.sql": DAILY.format(""), **ABOVE}),
            ("files", IN_FILES, {**LAKE, **ABOVE}),
        )
    ]
    for number in range(4):
        days = chance.sample(DAYS, chance.choice((1, 1, 2)))
        text, gone = random_feed(chance, 10 * number), chance.random() < 0.3
        column = chance.choice(("city", "city", "note"))
        for side in sides:
            for day in days:
                tiny.deliver(side, {f"feed/{day}.csv": text})
                if gone:
                    (side.raw / f"feed/{day}.csv").unlink()
            # a renamed column, and another SQL
            path = side.sql / "marts/daily.sql"
            path.write_text(re.sub(r"day, \w+( as city)?,", f"day, {column} as city,", path.read_text()))
            tiny.night(side)
        table, filed = (read_record(side.current) for side in sides)
        assert table and filed
        assert filed.tables == table.tables
        named = tiny.ask(sides[1].build, "select file from etl._files where name = 'marts.daily'")
        assert files(sides[1]) == sorted(name for (name,) in named)


#: Two old months, the one that ends with the last 31 days, and the newest.
MONTHS = [
    date(year, month, day) for year, month in ((2023, 12), (2024, 1), (2024, 2), (2024, 3)) for day in range(1, 9)
]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10 if EVERY else 1, deadline=None)
def test_old_months_are_few_files_with_the_same_rows(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever comes, late, corrected or withdrawn: an old month has few files, and no row is lost or doubled.

    One of large partitions has a file for each.
    """
    assume(seed)
    chance, root = random.Random(seed), tmp_path_factory.mktemp("months")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(months, "SMALL", chance.choice((3, months.SMALL)))
        nights_of_months(chance, root)


def nights_of_months(chance: random.Random, root: Path) -> None:
    sides = [
        tiny.project(root / name, LOOSE_ALONE, {"marts/daily.sql": DAILY.format(line), **ABOVE}, {})
        for name, line in (("table", ""), ("files", "-- storage: lake\n"))
    ]
    days = chance.sample(MONTHS, chance.choice((3, len(MONTHS))))
    for number in range(4):
        text, gone = random_feed(chance, 10 * number), chance.random() < 0.3
        for side in sides:
            for day in days:
                tiny.deliver(side, {f"feed/{day}.csv": text})
                if gone and number:
                    (side.raw / f"feed/{day}.csv").unlink()
            tiny.night(side)
        table, filed = (read_record(side.current) for side in sides)
        assert table and filed
        assert filed.tables == table.tables
        query = "select date, file, rows from etl._files"
        named = {day: (name, rows) for day, name, rows in tiny.ask(sides[1].build, query)}
        assert files(sides[1]) == sorted({name for name, _ in named.values()})
        old = [file for day, file in named.items() if day and day.year == 2023]
        if max(filter(None, named), default=date.min) >= date(2024, 3, 1):
            is_small = sum(rows for _, rows in old) < months.SMALL * len(old)
            assert not is_small or len({name for name, _ in old}) <= months.MOST
        days = chance.sample(MONTHS, chance.choice((1, 2, 6)))


def test_a_year_is_read_as_few_files_and_a_correction_writes_its_month_alone(tmp_path: Path) -> None:
    texts = {f"feed/{day}.csv": f"{HEADER}{day.month},9,Rom,false,x\n" for day in MONTHS}
    project = tiny.project(tmp_path, ALONE, LAKE, texts)
    tiny.night(project)
    # February has ended eight days before the newest
    assert [name[:-41] for name in files(project)][:3] == ["2023-12", "2024-01", "2024-02-01"]
    assert len(files(project)) == 2 + 8 + 8
    before = set(files(project))

    tiny.deliver(project, {"feed/2024-01-03.csv": f"{HEADER}1,9,Ulm,false,x\n"})
    tiny.night(project)

    named = dict(tiny.ask(project.build, "select date::varchar, file from etl._files"))
    assert named["2024-01-03"] not in {name for day, name in named.items() if day != "2024-01-03"}
    assert len({name for day, name in named.items() if day.startswith("2024-01")}) == 2
    assert len(before - set(files(project))) == 1
    cities = "select city from marts.daily where day between '2024-01-01' and '2024-01-31' order by day"
    assert tiny.published(project, cities) == [("Rom",), ("Rom",), ("Ulm",), *[("Rom",)] * 5]


def test_partitions_of_many_rows_stay_as_they_are_when_their_month_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "SMALL", 2)
    texts = {
        f"feed/{day}.csv": HEADER + "".join(f"{number},9,{day:%A}{number},false,x\n" for number in range(2))
        for day in MONTHS
    }
    project = tiny.project(
        tmp_path, ALONE, LAKE, {name: text for name, text in texts.items() if name < "feed/2024-03"}
    )
    tiny.night(project)
    before = {name: (project.parts / "marts.daily" / name).stat().st_ino for name in files(project)}
    assert [name[:-41] for name in before] == [str(day) for day in MONTHS if day.month != 3]

    tiny.deliver(project, texts)
    tiny.night(project)

    after = {name: (project.parts / "marts.daily" / name).stat().st_ino for name in files(project)}
    assert len(after) == len(MONTHS)
    assert after.items() >= before.items()


def test_its_table_is_a_view_and_a_new_day_touches_its_own_file_alone(tmp_path: Path) -> None:
    nightly(tmp_path)
    project = load_project(tmp_path)
    kinds = "select table_name from information_schema.tables where table_type = 'VIEW' order by 1"
    assert tiny.published(project, kinds) == [("daily",), ("shown",)]
    assert tiny.published(project, QUERY) == BOTH
    before = {name: (project.parts / "marts.daily" / name).stat() for name in files(project)}
    assert [name[:10] for name in before] == ["2024-03-01", "2024-03-02"]

    tiny.deliver(project, {"feed/2024-03-03.csv": f"{HEADER}1,9,Rom,false,x\n"})
    tiny.night(project)

    assert tiny.published(project, QUERY) == [*BOTH, ("2024-03-03", "Rom", 1)]
    after = {name: (project.parts / "marts.daily" / name).stat() for name in files(project)}
    assert len(after) == 3
    assert [after[name].st_mtime_ns for name in before] == [stat.st_mtime_ns for stat in before.values()]
    # the build, and two generations
    assert [after[name].st_nlink for name in files(project)] == [3, 3, 2]
    assert [stat.st_mode & 0o222 for stat in after.values()] == [0, 0, 0]


def test_a_late_a_corrected_and_a_withdrawn_day_are_seen(project: Project) -> None:
    tiny.deliver(project, {"feed/2024-02-28.csv": f"{HEADER}1,9,Rom,false,x\n"})
    tiny.night(project)
    assert tiny.published(project, QUERY) == [("2024-02-28", "Rom", 1), *BOTH]

    tiny.deliver(project, {"feed/2024-03-02.csv": f"{HEADER}1,9,Rom,false,x\n"})
    (project.raw / "feed/2024-03-01.csv").unlink()
    tiny.night(project)
    assert tiny.published(project, QUERY) == [("2024-02-28", "Rom", 1), ("2024-03-02", "Rom", 1)]
    assert len(files(project)) == 2

    for path in (project.raw / "feed").iterdir():
        path.unlink()
    tiny.night(project)
    assert tiny.published(project, QUERY) == []
    assert not project.parts.exists()


def test_the_rows_of_a_day_are_read_from_their_files_alone(tmp_path: Path) -> None:
    sql = f"{LAKE['marts/daily.sql']} union all select null, 'none', 1"
    contracts = ALONE.replace('"day",', '"day", load="view",')
    project = tiny.project(tmp_path / "a [1], b's", contracts, {"marts/daily.sql": sql}, FEED)
    tiny.night(project)
    with warehouse.open_build(project, Ledger(project.ledger), "run-2") as con:
        for table, days in (("raw.feed", DAYS_OF_FEED), ("marts.daily", [*DAYS_OF_FEED, None])):
            assert len(con.execute(f"from {table}").fetchall()) > 2
            for day in days:
                rows = warehouse.rows_of_days(con, table, warehouse.all_views(con)[table], [day])
                where = f"where day is not distinct from {literal(day)} order by all"
                assert (
                    con.execute(f"from {rows} {where}").fetchall()
                    == con.execute(f"from {table} {where}").fetchall()
                )
                assert rows.count(".parquet") == 1


def test_rows_without_a_date_have_a_file(tmp_path: Path) -> None:
    sql = f"{LAKE['marts/daily.sql']} union all select null, 'none', 1"
    project = tiny.project(tmp_path, ALONE, {"marts/daily.sql": sql}, FEED)
    tiny.night(project)

    assert [name.split("-")[0] for name in files(project)] == ["2024", "2024", "null"]
    assert tiny.published(project, QUERY) == [*BOTH, (None, "none", 1)]


def test_a_night_that_fails_leaves_what_was_there(project: Project) -> None:
    before, names = tiny.published(project, QUERY), files(project)
    tiny.deliver(project, {"feed/2024-03-03.csv": f"{HEADER}1,9,Rom,false,x\n"})
    good = (project.sql / "marts/daily.sql").read_text()
    rewrite(project, good.replace("count(*) as n", "max(error(city))::int as n"))
    with pytest.raises(TransformError):
        tiny.night(project)
    assert tiny.published(project, QUERY) == before
    assert tiny.ask(project.build, QUERY) == before
    assert files(project) == names

    rewrite(project, good)
    tiny.night(project)
    assert tiny.published(project, QUERY) == [*before, ("2024-03-03", "Rom", 1)]


def test_to_be_files_or_a_table_is_a_change_of_the_model_alone(project: Project) -> None:
    for text, kind, count in (("", "BASE TABLE", 0), ("-- storage: lake\n", "VIEW", 3)):
        rewrite(project, DAILY.format(text))
        tiny.deliver(project, {"feed/2024-03-04.csv": f"{HEADER}1,9,Rom,false,x\n{count},9,Rom,false,x\n"})
        tiny.night(project)
        query = "select table_type from information_schema.tables where table_name = 'daily'"
        assert tiny.ask(project.build, query) == [(kind,)]
        assert tiny.published(project, query) == [(kind,)]
        assert tiny.published(project, QUERY) == [*BOTH, ("2024-03-04", "Rom", 2)]
        assert len(files(project)) == count
        # a day came, or nothing changed; to be a view now does not count as a difference
        for item in compare(project, request_of(project, "previous", "current")):
            assert not item.schema, item.table
    whole = DAILY.replace("incremental", "table").replace("-- partition: day\n", "")
    for text, count in (("", 0), ("-- storage: lake\n", 1), ("", 0)):
        rewrite(project, whole.format(text))
        tiny.night(project)
        assert len(files(project)) == count
        assert tiny.published(project, QUERY) == [*BOTH, ("2024-03-04", "Rom", 2)]
    assert not project.parts.exists()


def test_a_file_that_is_gone_is_brought_from_a_generation_or_built_again(project: Project) -> None:
    names = files(project)
    shutil.rmtree(project.parts)
    with warehouse.open_build(project, Ledger(project.ledger), "run-2") as con:
        assert con.execute(QUERY).fetchall() == BOTH
    assert files(project) == names

    shutil.rmtree(project.parts)
    shutil.rmtree(project.generations)
    with pytest.raises(EtlError, match=r"lacks files of marts\.daily, and no generation has them"):
        tiny.night(project)
    tiny.night(project)
    assert tiny.published(project, QUERY) == BOTH


def test_data_that_was_moved_is_read_where_it_is(tmp_path: Path) -> None:
    nightly(tmp_path / "a [1], b's")
    moved = load_project((tmp_path / "a [1], b's").rename(tmp_path / "moved"))
    assert tiny.published(moved, QUERY) == BOTH
    with warehouse.open_build(moved, Ledger(moved.ledger), "run-2") as con:
        assert con.execute(QUERY).fetchall() == BOTH
    tiny.deliver(moved, {"feed/2024-03-03.csv": f"{HEADER}1,9,Rom,false,x\n"})
    tiny.night(moved)

    assert tiny.published(moved, QUERY) == [*BOTH, ("2024-03-03", "Rom", 1)]
    assert "b's" not in str(tiny.ask(moved.build, "select sql from duckdb_views()"))


#: Values of types that a file could hold as others.
VALUES = (
    *("170141183460469231731687303715884105727::hugeint // 10", "interval '1 month 3 microseconds'"),
    *("time '10:00:00.123456'", "'12:00:00+03'::timetz", "'a'::enum('a', 'b')", "'\\xAA\\x00'::blob"),
    *("{'a': 1, 'b': ['x', null]}", "map {'a': 1}", "[1.5, 'nan'::double, '-0.0'::double]"),
    "'a5f6c5a4-1c1e-4d3a-9d9b-0123456789ab'::uuid",
    *("timestamp_ns '2024-01-01 00:00:00.123456789'", "timestamptz '2024-01-01 00:00:00+02'", "'101'::bit"),
    *("'{\"a\": 1}'::json", "255::utinyint", "1.10::decimal(4, 2)", "18446744073709551615::ubigint"),
    *("timestamp_s '2024-01-01 00:00:01'", "timestamp_ms '2024-01-01 00:00:01.5'", "'inf'::float"),
)


def test_values_come_back_to_the_bit(tmp_path: Path) -> None:
    columns = [f"x{number}" for number in range(len(VALUES))]
    rows = " union all ".join(
        f"select {n} as n, "
        + ", ".join(f"{value} as {column}" for value, column in zip(row, columns, strict=True))
        for n, row in enumerate((VALUES, ["null"] * len(VALUES)))
    )
    texts = {
        f"marts/{name}.sql": f"-- materialized: incremental\n-- partition: day\n{line}"
        f"select day, r.* from raw.feed, ({rows}) as r"
        for name, line in (("table", ""), ("files", "-- storage: lake\n"))
    }
    project = tiny.project(tmp_path, ALONE, texts, FEED)
    tiny.night(project)
    for column, value in zip(columns, VALUES, strict=True):
        query = "select typeof({0}), {0}::varchar from marts.{1} order by n, day"
        table, filed = (tiny.published(project, query.format(column, name)) for name in ("table", "files"))
        assert filed == table, value
    described = [tiny.published(project, f"from (describe marts.{name})") for name in ("table", "files")]
    assert described[0] == described[1]
    record = read_record(project.current)
    assert record and record.tables["marts.table"] == record.tables["marts.files"]


def test_an_integer_that_no_file_can_hold_is_told(tmp_path: Path) -> None:
    sql = LAKE["marts/daily.sql"].replace("count(*)", "170141183460469231731687303715884105727::hugeint")
    project = tiny.project(tmp_path, ALONE, {"marts/daily.sql": sql}, FEED)

    with pytest.raises(TransformError, match=r"one of n has an integer of more than 38 digits, which `storage"):
        tiny.night(project)


@pytest.mark.parametrize("kind", MATERIALIZED)
def test_only_some_kinds_can_have_it(kind: str, tmp_path: Path) -> None:
    file, text = IN_FILES[kind]
    line = "" if kind in FILED else "-- storage: lake\n"
    project = tiny.project(tmp_path, ALONE, {file: f"{line}{text}"}, FEED)
    if kind in FILED:
        assert tiny.plan(project).models.models[f"marts.{kind}"].is_in_files
        return
    with pytest.raises(ModelError, match=rf"^sql/{file}:1: 'storage' goes with .* and not with {kind}\.$"):
        tiny.plan(project)


@pytest.mark.parametrize(
    ("select", "said"),
    [
        (
            "select day, n from (select day, sum(id) over (order by day) as n from raw.feed)",
            "is built in full: a day",
        ),
        ("select day, union_value(a := city) as u from raw.feed", "cannot hold the column u: it is UNION"),
    ],
)
def test_what_cannot_be_files_is_told_with_its_line(select: str, said: str, tmp_path: Path) -> None:
    sql = f"-- materialized: incremental\n-- partition: day\n-- storage: lake\n{select}"
    project = tiny.project(tmp_path, ALONE, {"marts/daily.sql": sql}, FEED)

    with pytest.raises(ModelError, match=rf"^sql/marts/daily.sql:3: storage: lake .*{said}"):
        tiny.plan(project)
