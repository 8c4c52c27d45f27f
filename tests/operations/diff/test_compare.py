"""What diff says of two files is what a comparison by hand finds, row by row."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.engine.quoting import identifier, literal
from etl.errors import ConfigError
from etl.operations.diff import Compared, Request, compare, write_rows
from etl.project import Project
from tests.support import tiny
from tests.support.thorough import examples


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny.project(tmp_path_factory.mktemp("diff"), raw={})


def file(folder: Path, name: str, *statements: str) -> Path:
    """Write a database that has a schema marts."""
    path = folder / name / "warehouse.duckdb"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema marts")
        for statement in statements:
            con.execute(statement)
    return path


def compared(project: Project, before: str, after: str, **options: Any) -> Compared:
    """Compare two SELECTs as the table marts.t."""
    files = [
        file(project.root, name, f"create table marts.t as {select}")
        for name, select in (("before", before), ("after", after))
    ]
    return compare(project, Request((files[0], files[1]), "marts.t", **options))[0]


def test_rows_are_compared_by_key_and_columns_by_value(project: Project) -> None:
    found = compared(
        project,
        "from (values (1, 'a', 1.0), (2, 'b', null), (3, 'c', 3.0)) t(id, name, x)",
        "from (values (1, 'a', 1.5), (2, 'B', 2.0), (4, 'd', 4.0)) t(id, name, x)",
        key=["id"],
    )

    assert (found.status, found.rows) == ("changed", (3, 3))
    assert (found.added, found.removed, found.changed) == (1, 1, 2)
    assert found.columns == {"x": 2, "name": 1}
    assert [(e.change, dict(e.row), dict(e.values)) for e in found.examples] == [
        ("changed", {"id": "1"}, {"x": ("1.0", "1.5")}),
        ("changed", {"id": "2"}, {"name": ("b", "B"), "x": (None, "2.0")}),
        ("removed", {"id": "3"}, {}),
        ("added", {"id": "4"}, {}),
    ]


def test_without_a_key_rows_are_counted_as_a_whole(project: Project) -> None:
    found = compared(project, "from (values (1), (1), (2)) t(n)", "from (values (1), (2), (2), (3)) t(n)")

    assert (found.added, found.removed, found.changed) == (2, 1, 0)
    assert [(e.change, dict(e.row)) for e in found.examples] == [
        ("removed", {"n": "1"}),
        ("added", {"n": "2"}),
        ("added", {"n": "3"}),
    ]
    assert "no key is known" in found.note


def test_a_key_that_is_not_unique_is_none(project: Project) -> None:
    found = compared(
        project, "from (values (1, 2), (1, 3)) t(k, v)", "from (values (1, 2), (1, 4)) t(k, v)", key=["k"]
    )

    assert (found.added, found.removed, found.changed) == (1, 1, 0)
    assert found.note == "k is not unique, so rows are compared as a whole"


def test_what_changed_of_the_columns_is_told(project: Project) -> None:
    found = compared(
        project,
        "select 1 as id, 'x' as gone, 2::integer as n",
        "select 1 as id, 2::bigint as n, now() as new",
        key=["id"],
    )

    assert found.schema == ["- gone VARCHAR", "+ new TIMESTAMP WITH TIME ZONE", "n: INTEGER → BIGINT"]
    assert (found.status, found.changed) == ("changed", 0)


@pytest.mark.parametrize(
    "before, after, changed",
    [
        ("5::bigint", "5::decimal(18, 2)", 0),
        ("5::bigint", "5.01::decimal(18, 2)", 1),
        ("12345::bigint", "123.45::decimal(18, 2)", 1),
        ("timestamp '2024-01-01'", "timestamptz '2024-01-01 00:00+00'", 0),
        ("timestamp '2024-01-01'", "timestamptz '2024-01-01 00:00+01'", 1),
        ("date '2024-01-01'", "timestamp '2024-01-01'", 0),
        ("5::integer", "'5'", 0),
        ("'a'::enum('a', 'b')", "'a'", 0),
        ("[1]::integer[]", "[1]::bigint[]", 0),
        ("9007199254740993::bigint", "1.5::decimal(38, 37)", 1),
        ("null::integer", "null::varchar", 0),
        ("null::integer", "'null'", 1),
    ],
)
def test_values_of_another_type_are_compared_as_the_wider_one(
    project: Project, before: str, after: str, changed: int
) -> None:
    for key in (["id"], []):
        found = compared(project, f"select 1 as id, {before} as x", f"select 1 as id, {after} as x", key=key)
        assert found.status == "changed"
        assert len(found.schema) == 1
        assert (found.changed, found.added, found.removed) == ((changed, 0, 0) if key else (0, changed, changed))


@pytest.mark.parametrize(
    "before, after",
    [
        ("interval '1 month'", "interval '30 days'"),
        ("0.0::double", "'-0.0'::double"),
        ("12345678901::double", "12345678902::double"),
        ("{'a': interval '1 month'}", "{'a': interval '30 days'}"),
        ("null::integer[]", "[]::integer[]"),
        ("[null]::integer[]", "[]::integer[]"),
        ("0::hugeint", "-1::hugeint"),
    ],
)
def test_values_that_duckdb_takes_for_equal_differ_all_the_same(project: Project, before: str, after: str) -> None:
    for key, expected in ((["id"], (1, 0, 0)), ([], (0, 1, 1))):
        found = compared(project, f"select 1 as id, {before} as x", f"select 1 as id, {after} as x", key=key)
        assert (found.changed, found.added, found.removed) == expected


def test_tables_and_views_that_one_side_lacks_are_told(project: Project) -> None:
    files = (
        file(
            project.root,
            "before",
            "create table marts.old as select 1 as n",
            "create table marts.kept as select 1 as n",
        ),
        file(
            project.root,
            "after",
            "create view marts.kept as select 1 as n",
            "create view marts.new as select 2 as n",
        ),
    )

    found = {item.table: (item.status, item.rows, item.schema) for item in compare(project, Request(files))}

    assert found == {
        "marts.old": ("removed", (1, None), ()),
        "marts.new": ("added", (None, 1), ()),
        "marts.kept": ("changed", (1, 1), ["table → view"]),
    }


def test_what_is_known_to_be_the_same_is_not_read(project: Project) -> None:
    found = compared(project, "select 1 as n", "select 2 as n", same=frozenset(["marts.t"]))
    assert found.status == "same"


def test_personal_data_is_hidden_wherever_a_column_has_its_name(project: Project) -> None:
    def side(name: str, phone: str) -> Path:
        return file(
            project.root,
            name,
            f"create table marts.t as select 1 as id, {phone} as phone",
            "create table marts.u (phone varchar); comment on column marts.u.phone is 'A number. [pii: hash]'",
        )

    request = Request((side("before", "'555-1'"), side("after", "'555-2'")), "marts.t", key=["id"])
    (found,) = compare(project, request)
    write_rows(project, request, project.root / "rows.csv")

    assert found.columns == {"phone": 1}
    assert dict(found.examples[0].values) == {"phone": ("***", "***")}
    assert "555" not in (project.root / "rows.csv").read_text()


def test_differing_rows_can_be_written(project: Project) -> None:
    files = (
        file(project.root, "before", "create table marts.t as from (values (1, 'a'), (2, 'b')) t(id, name)"),
        file(project.root, "after", "create table marts.t as from (values (1, 'A'), (3, 'c')) t(id, name)"),
    )
    request = Request(files, "marts.t", key=["id"])
    target = project.root / "rows.csv"

    assert write_rows(project, request, target) == 3

    with target.open() as text:
        rows = sorted(csv.DictReader(text), key=lambda row: row["id"])
    assert [(row["change"], row["id"], row["name before"], row["name after"]) for row in rows] == [
        ("changed", "1", "a", "A"),
        ("removed", "2", "b", ""),
        ("added", "3", "", "c"),
    ]
    assert write_rows(project, request, project.root / "rows.parquet") == 3
    with duckdb.connect() as con:
        assert con.execute(f"select count(*) from {literal(str(project.root / 'rows.parquet'))}").fetchall() == [
            (3,)
        ]


def test_what_is_not_there_is_named(project: Project) -> None:
    files = (file(project.root, "before", "create table marts.t as select 1 as n"),) * 2
    with pytest.raises(ConfigError, match=r"There is no table marts.u\. Did you mean marts.t\?"):
        compare(project, Request(files, "marts.u"))
    with pytest.raises(ConfigError, match=r"marts.t does not have all of k on both sides; it has: n"):
        compare(project, Request(files, "marts.t", ["k"]))


NAMES = ["is here", 'a"b', "select", "x\ny", "é 雪", "change", "kind of change", "k before"]
VALUES = {
    "DOUBLE": st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1 / 3, 1 / 3 + 1e-13, -2.5e300, 1e-300])),
    "VARCHAR": st.one_of(st.none(), st.sampled_from(["", "a", "it's", "***", "null"])),
    "INTEGER[]": st.one_of(st.none(), st.sampled_from([[], [1], [1, None]])),
    "STRUCT(p INTEGER)": st.one_of(st.none(), st.sampled_from([{"p": 1}, {"p": None}])),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return columns, the first of which is the key, and the rows of two versions of a table."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True))
    columns = [(names[0], "INTEGER"), *((name, draw(st.sampled_from(sorted(VALUES)))) for name in names[1:])]
    row = st.tuples(st.one_of(st.none(), st.integers(0, 5)), *(VALUES[type] for _, type in columns[1:]))
    return columns, draw(st.lists(row, max_size=6)), draw(st.lists(row, max_size=6))


def plain(value: Any, digits: bool) -> Any:
    """Return a value of which close floats are equal if they are compared to 9 `digits`, and nothing else."""
    return f"{value:.9g}" if digits and isinstance(value, float) else repr(value)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables(), st.booleans())
def test_counts_are_those_of_a_comparison_by_hand(
    project: Project,
    versions: tuple[list[tuple[str, str]], list[tuple[Any, ...]], list[tuple[Any, ...]]],
    digits: bool,
) -> None:
    columns, before, after = versions
    key = columns[0][0]
    files = []
    for name, rows in (("before", before), ("after", after)):
        declared = ", ".join(f"{identifier(column)} {type}" for column, type in columns)
        path = file(project.root, name, f"create table marts.t ({declared})")
        with duckdb.connect(str(path)) as con:
            for row in rows:
                con.execute(f"insert into marts.t values ({', '.join('?' * len(row))})", row)
        files.append(path)

    (found,) = compare(project, Request((files[0], files[1]), "marts.t", [key], limit=100, digits=digits))

    left, right = ([tuple(plain(value, digits) for value in row) for row in rows] for rows in (before, after))
    if any(count > 1 for rows in (left, right) for count in Counter(row[0] for row in rows).values()):
        added, removed = Counter(right) - Counter(left), Counter(left) - Counter(right)
        assert (found.added, found.removed, found.changed) == (added.total(), removed.total(), 0)
        return
    old, new = ({row[0]: row[1:] for row in rows} for rows in (left, right))
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    assert (found.added, found.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert found.changed == len(changed) == sum(example.change == "changed" for example in found.examples)
    for position, (name, _) in enumerate(columns[1:]):
        assert found.columns.get(name, 0) == sum(old[k][position] != new[k][position] for k in changed)
    examples = {example.row[key]: set(example.values) for example in found.examples if example.change == "changed"}
    for k in changed:
        different = {name for n, (name, _) in enumerate(columns[1:]) if old[k][n] != new[k][n]}
        assert examples[None if k == "None" else k] == different
