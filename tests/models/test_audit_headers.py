"""The lines of a model's header that ask for audits of built-in kinds, and how wrong ones are refused."""

from pathlib import Path

import pytest

from etl.errors import ModelError
from etl.models import Given, Models, models_key, read_models

RAW = [Given("raw.sales", (("id", "BIGINT"), ("site", "VARCHAR"))), Given("raw.sites", (("site", "VARCHAR"),))]
SELECT = "select id, site from raw.sales"


def read(root: Path, *lines: str) -> Models:
    """Read one model, marts.items, with these header lines after its first."""
    path = root / "sql" / "marts" / "items.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["-- What was sold. Grain: id.", *lines, SELECT]))
    return read_models(root / "sql", RAW)


def test_each_line_is_an_audit_and_may_come_again(tmp_path: Path) -> None:
    models = read(
        tmp_path,
        "-- materialized: view",
        "-- not_null: id, site",
        "-- warn references: site = raw.sites.site",
        "-- row_count: at least 1",
        "-- row_count: within 50% of yesterday",
        "-- sums_to: id = raw.sales.id by site",
    )

    assert [(a.name, a.severity, a.line) for a in models.audits.values()] == [
        ("marts.items.not_null.id", "error", 3),
        ("marts.items.not_null.site", "error", 3),
        ("marts.items.references.site", "warn", 4),
        ("marts.items.row_count.at_least", "error", 5),
        ("marts.items.row_count.yesterday", "error", 6),
        ("marts.items.sums_to.id", "error", 7),
    ]
    assert models.models["marts.items"].materialized == "view"
    assert Models.from_json(models.to_json()) == models


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "-- referenced: site = raw.sites.site",
            "sql/marts/items.sql:2: there is no header key 'referenced'. Did you mean",
        ),
        ("-- unique:", "sql/marts/items.sql:2: unique: '' is not understood. Write it like this: unique: "),
        ("-- warn materialized: view", "sql/marts/items.sql:2: only audits can warn: unique, not_null, "),
        ("-- references: site = raw.site.site", "there is no table raw.site. Did you mean raw.sites?"),
        (
            "-- unique: ids",
            "sql/marts/items.sql:2: unique: ids: marts.items has no column ids. Did you mean id?",
        ),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ModelError) as error:
        read(tmp_path, line)

    assert said in str(error.value)


def test_the_key_of_the_models_changes_with_a_line(tmp_path: Path) -> None:
    keys = []
    for line in ("-- unique: id", "-- unique: site"):
        read(tmp_path, line)
        keys.append(models_key(tmp_path / "sql", RAW))

    assert keys[0] != keys[1]
