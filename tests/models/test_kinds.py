"""The laws of every kind of model, over the registry: a kind that is added is judged without its author's help."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.errors import ModelError
from etl.models import Context, Header, read_models
from etl.models.header import parse_value
from etl.models.kinds import KINDS
from etl.models.lineage import Lineage, read_lineage
from etl.sources import Catalog, Source
from etl.stages.warehouse.makers import MAKERS
from tests.stages.warehouse.small import Warehouse
from tests.support.kinds import CONTEXT, FEED, SAMPLES, TRIED
from tests.support.thorough import examples

#: A value of each header key that says how a model is built or kept.
VALUES = {
    "partition": "day",
    "lookback": "2 days",
    "key": "id",
    "order": "seq",
    "deletes": "gone",
    "valid_from": "day",
    "versions": "city",
    "ignores": "note",
    "tolerates": "feed",
    "storage": "lake",
    "export": "parquet",
    "optional": "yes",
    "engine": "spark",
}
SELECTS = [kind for kind in TRIED if KINDS[kind].is_select]
OWN = sorted({key for kind in KINDS.values() for key in kind.keys})


def test_every_kind_has_a_maker_and_a_sample_and_every_maker_a_kind() -> None:
    makers = "MAKERS in etl/stages/warehouse/makers.py"
    assert [f"the kind {name} has no maker in {makers}" for name in KINDS if name not in MAKERS] == []
    samples = "SAMPLES in tests/support/kinds.py"
    assert [f"the kind {name} has no model in {samples}" for name in KINDS if name not in SAMPLES] == []
    assert [f"{makers} makes {name}, and no such kind is in KINDS" for name in MAKERS if name not in KINDS] == []


@pytest.mark.parametrize("key", OWN)
def test_every_key_of_a_kind_can_be_written(key: str) -> None:
    assert key in VALUES, f"give VALUES in this file a value of the header key {key}"
    assert parse_value(key, VALUES[key]), f"{key} has no parser in etl/models/header.py"


@pytest.mark.parametrize("key", [key for key in OWN if key not in ("export", "optional")])
def test_a_key_that_says_how_a_model_is_built_is_part_of_what_it_is(key: str) -> None:
    changed = Header(**{key: parse_value(key, VALUES[key])})
    assert changed.building() != Header().building(), f"{key} is not in Header.building()"


def refusal(folder: Path, text: str) -> str:
    (folder / "sql/marts").mkdir(parents=True, exist_ok=True)
    (folder / "sql/marts/x.sql").write_text(text)
    with pytest.raises(ModelError) as error:
        read_models(folder / "sql", [FEED])
    return str(error.value)


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in SELECTS for key in KINDS[kind].needs])
def test_a_header_without_what_its_kind_needs_is_refused(tmp_path: Path, kind: str, key: str) -> None:
    lines = [line for line in SAMPLES[kind][1].splitlines() if not line.startswith(f"-- {key}:")]
    assert f"materialized: {kind} needs a line `-- {key}: ...`." in refusal(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind in SELECTS for key in OWN if key not in KINDS[kind].keys]
)
def test_a_header_with_what_does_not_go_with_its_kind_is_refused(tmp_path: Path, kind: str, key: str) -> None:
    said = refusal(tmp_path, f"-- {key}: {VALUES[key]}\n{SAMPLES[kind][1]}")
    assert f"marts/x.sql:1: '{key}' goes with materialized: " in said
    assert said.endswith(f", and not with {kind}.")


DAY = date(2024, 3, 1)
Row = tuple[int, int, str, bool | None, str]
Days = Mapping[date, list[tuple]]


def day(number: int) -> date:
    return DAY + timedelta(number)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A model of every kind over one feed."""
    return Warehouse(
        tmp_path_factory.mktemp("kinds"), [FEED], dict(SAMPLES[kind] for kind in TRIED), context=CONTEXT
    )


def rows_of(warehouse: Warehouse) -> dict[str, list[tuple]]:
    return {kind: warehouse.rows(f"from marts.{kind}") for kind in TRIED}


_rows = st.lists(
    st.tuples(
        st.sampled_from([1, 2, None]),
        st.integers(0, 3),
        st.sampled_from(["Ulm", "Bonn", None]),
        st.sampled_from([True, False, None]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=4,
)
_nights = st.lists(
    st.dictionaries(st.integers(0, 4), st.none() | _rows, min_size=1, max_size=3), min_size=1, max_size=5
)


@given(_nights)
@settings(max_examples=examples(8), deadline=None)
def test_night_by_night_a_model_is_what_one_build_from_nothing_makes(warehouse: Warehouse, nights: list) -> None:
    for number in range(5):
        warehouse.deliver("raw.feed", day(number), None)
    for night in nights:
        for number, rows in night.items():
            given_rows = None if rows is None else [(day(number), *row) for row in rows]
            warehouse.deliver("raw.feed", day(number), given_rows)
        warehouse.build()
    grown = rows_of(warehouse)

    warehouse.anew("marts.table")

    assert grown == rows_of(warehouse)
    for kind, model in ((kind, warehouse.models.models[f"marts.{kind}"]) for kind in TRIED):
        if key := KINDS[kind].key(model):
            places = [[name for name, _ in model.stored].index(name) for name in key]
            named = [tuple(row[place] for place in places) for row in grown[kind]]
            assert len(named) == len(set(named)), f"two rows of the {kind} have one key {key}"


FEW = [(DAY, 1, 1, "Ulm", False, "a"), (DAY, 2, 2, "Bonn", False, "b")]


@pytest.mark.parametrize("kind", TRIED)
def test_a_table_has_the_columns_that_its_kind_says(warehouse: Warehouse, kind: str) -> None:
    warehouse.deliver("raw.feed", DAY, FEW)
    warehouse.build()

    described = warehouse.con.execute(f"describe marts.{kind}").fetchall()
    assert [(name, type) for name, type, *_ in described] == list(warehouse.models.models[f"marts.{kind}"].stored)


@pytest.fixture(scope="module")
def lineage(warehouse: Warehouse) -> Lineage:
    columns = tuple(Column(name, type, True) for name, type in FEED.columns if name != "day")
    source = Source(contract=Contract("Feed", columns=columns), files="feed/{date}.csv", partition="day")
    source.name = "feed"
    return read_lineage(Catalog({"feed": source}, {}), warehouse.models)


#: For each column of the feed, another value of it.
OTHER = {
    "day": "day + (seq % 2)::integer",
    "id": "1",
    "seq": "-seq",
    "city": "'Kiel'",
    "gone": "not gone",
    "note": "'other'",
}


@pytest.mark.parametrize("column", OTHER)
@pytest.mark.parametrize("kind", TRIED)
def test_a_column_that_decides_on_rows_is_in_the_lineage_of_rows(
    warehouse: Warehouse, lineage: Lineage, kind: str, column: str
) -> None:
    rows = [(day(n % 3), n % 4, n, ("Ulm", "Bonn")[n % 5 % 2], n % 6 == 5, "ab"[n % 7 % 2]) for n in range(24)]
    before = counted(warehouse, kind, rows)
    others = warehouse.rows(f"select * replace ({OTHER[column]} as {column}) from raw.feed")

    if counted(warehouse, kind, others) != before:
        decides = [str(origin) for origin in lineage.rows[f"marts.{kind}"]]
        assert f"raw.feed.{column}" in decides, f"Kind.deciding() of {kind} leaves out what {column} is made into"


def counted(warehouse: Warehouse, kind: str, rows: list[tuple]) -> int:
    for number in range(5):
        warehouse.deliver("raw.feed", day(number), [row for row in rows if row[0] == day(number)])
    warehouse.build()
    return len(warehouse.rows(f"from marts.{kind}"))


@pytest.mark.parametrize("before", TRIED)
def test_a_model_of_another_kind_leaves_nothing_of_the_one_before(tmp_path: Path, before: str) -> None:
    """Were the deleted rows of a merge left, a purge would not find them."""
    ring = [*TRIED, *TRIED]
    for after in {"view", "table", ring[ring.index(before) + 1]} - {before}:
        made, fresh = one(tmp_path / f"{after}-made", before), one(tmp_path / f"{after}-fresh", after)
        next((made.root / "sql/marts").iterdir()).unlink()
        made.context = fresh.context
        made.read(model(after))
        made.build()

        assert there(made) == there(fresh), f"{before} became {after}"


def model(kind: str) -> dict[str, str]:
    """Return the sample of a kind as the model marts.x."""
    file, text = SAMPLES[kind]
    return {f"marts/x{Path(file).suffix}": text}


def one(root: Path, kind: str) -> Warehouse:
    promised = CONTEXT.promised.get(f"marts.{kind}")
    context = Context(promised={"marts.x": promised} if promised else {})
    made = Warehouse(root, [FEED], model(kind), context=context)
    made.deliver("raw.feed", DAY, [*FEW, (DAY, 3, 3, "Kiel", True, "a")])
    made.build()
    return made


def there(warehouse: Warehouse) -> list[tuple]:
    """Return all tables and views, and the rows of the model."""
    names = (
        "select schema_name, table_name from duckdb_tables() union all "
        "select schema_name, view_name from duckdb_views() where not internal"
    )
    return [*warehouse.rows(names), *warehouse.rows("from marts.x")]
