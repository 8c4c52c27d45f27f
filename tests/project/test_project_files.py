"""What editors leave beside models and contracts is passed over; a file that nothing would read is an error."""

from pathlib import Path

import pytest

from etl.errors import ConfigError, ContractError, ModelError
from tests.support import tiny

LEFT = [
    ".#items.sql",
    "._items.sql",
    "#items.sql#",
    "items.sql~",
    ".ipynb_checkpoints/items.sql",
    ".items.sql.swp",
]


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("folder", ["sql/marts", "sql/macros", "sql/audits", "sql"])
def test_what_an_editor_has_left_beside_a_model_is_passed_over(tmp_path: Path, folder: str, name: str) -> None:
    project = tiny.project(tmp_path)
    before = tiny.plan(project)
    put(tmp_path / folder / name, "is not SQL")

    planned = tiny.plan(project)

    assert planned.models == before.models


@pytest.mark.parametrize("name", [text.replace("items.sql", "all.py") for text in LEFT])
def test_what_an_editor_has_left_beside_a_contract_is_passed_over(tmp_path: Path, name: str) -> None:
    project = tiny.project(tmp_path)
    put(tmp_path / "contracts" / name, "is not Python")

    assert list(tiny.plan(project).catalog.sources) == ["sales"]


@pytest.mark.parametrize("name", ["audits/check.SQL", "seeds/a.Csv", "marts/model.PY"])
def test_a_file_that_nothing_would_read_for_its_suffix_is_an_error(tmp_path: Path, name: str) -> None:
    project = tiny.project(tmp_path)
    tiny.plan(project)
    put(tmp_path / "sql" / name, "select 1")

    with pytest.raises(ModelError, match=f"sql/{name}: nothing reads a file with the suffix"):
        tiny.plan(project)


def test_a_contract_with_a_suffix_in_capital_letters_is_an_error(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    put(tmp_path / "contracts" / "more.PY", "")

    with pytest.raises(
        ContractError, match=r"more\.PY: nothing reads a file with the suffix \.PY. Rename it to \.py"
    ):
        tiny.plan(project)


def test_a_project_needs_no_folder_of_models(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql={})
    project.sql.rmdir()

    tiny.night(project)

    assert tiny.published(project, "select count(*) from raw.sales") == [(3,)]


def test_a_folder_of_models_that_goes_takes_no_table_along(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    project.sql.rename(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match=r"folder of the models, .*/sql, is gone, but its tables"):
        tiny.plan(project)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
