"""What `etl sniff` proposes loads its own file, in every format, and no record is lost."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl.operations.sniffing import propose
from etl.sources.catalog import load_catalog
from tests.sources.formats.makers import MAKERS
from tests.support import tiny
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

COLUMNS = ["id", "item", "price"]
SUFFIXES = {"Excel": "xlsx", "Json": "json", "JsonLines": "jsonl", "Parquet": "parquet", "Xml": "xml"}
LAW = settings(
    max_examples=examples(3), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXTS = st.text("abé <&\"',;|{}[]-.09", min_size=1, max_size=8).map(str.strip).filter(bool)
PRICES = st.integers(-(10**6), 10**6) | st.decimals(-100, 100, places=2)
TABLES = st.lists(
    st.tuples(st.integers(1, 10**6), TEXTS | st.none(), PRICES | TEXTS | st.none()), min_size=3, max_size=6
)


def loaded(folder: Path, content: bytes, name: str) -> tuple[int, int, int]:
    """Save what is proposed for a file, extract the file as a night does; return records, rows and rejects."""
    path = folder / "data" / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    project = tiny.project(folder, contracts=propose(path), sql={}, raw={})
    (source,) = load_catalog(project.contracts).sources.values()
    (receipt,) = tiny.take(project, source)
    return receipt.details["records"], receipt.details["rows"], receipt.details["rejected"]


@pytest.mark.parametrize("kind", MAKERS)
@example(rows=[(1, None, 0), (1, "|", None), (1, "|", 0)])
@example(rows=[(1, "0", -1), (1, None, 0), (1, None, None)])
@LAW
@given(rows=TABLES)
def test_the_proposal_for_a_file_of_any_format_loads_all_of_its_records(
    tmp_path_factory: pytest.TempPathFactory, kind: str, rows: list[tuple[Any, ...]]
) -> None:
    name = f"sales_2024-03-01.{SUFFIXES.get(kind.partition(',')[0], 'txt')}"
    content = MAKERS[kind].write(COLUMNS, rows)
    records, accepted, rejected = loaded(tmp_path_factory.mktemp("law"), content, name)
    # of fixed width nothing tells what is a name, and text above text may be a record
    assert records - len(rows) in (0, 1)
    assert (accepted, rejected) == (records, 0)
