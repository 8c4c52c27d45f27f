"""A project's contracts folder: what it declares, and how its errors say where they are."""

from pathlib import Path

import pytest

from etl.contract.folder import catalog_key
from etl.errors import ContractError
from etl.sources import Catalog, load_catalog

SALES = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int

sales = Source(contract=Sales, files="sales/{date}.csv")
"""
ITEMS = """
import pandera.pandas as pa

class Items(pa.DataFrameModel):
    item: str

    class Config:
        name = "marts.items"
"""


def folder(root: Path, **files: str) -> Path:
    """Write a contracts folder."""
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    return root


def test_sources_are_named_by_their_variable_and_table_contracts_by_config(tmp_path: Path) -> None:
    catalog = load_catalog(folder(tmp_path, sales=SALES, items=ITEMS))

    assert list(catalog.sources) == ["sales"]
    assert catalog.sources["sales"].contract.name == "Sales"
    assert list(catalog.tables) == ["marts.items"]
    assert Catalog.from_json(catalog.to_json()).to_json() == catalog.to_json()


def test_contract_files_may_import_each_other(tmp_path: Path) -> None:
    shared = "from .sales import sales, Sales\nfrom etl import Source\n" + (
        'returns = Source(contract=Sales, files="returns/{date}.csv")\n'
    )

    catalog = load_catalog(folder(tmp_path, sales=SALES, returns=shared))

    assert set(catalog.sources) == {"sales", "returns"}


def test_what_changed_is_read_again_in_the_same_process(tmp_path: Path) -> None:
    before = load_catalog(folder(tmp_path, sales=SALES)).to_json()

    after = load_catalog(folder(tmp_path, sales=SALES.replace("id: int", "no: int"))).to_json()

    assert '"name": "id"' in before
    assert '"name": "no"' in after


def test_loading_leaves_no_files_in_the_folder(tmp_path: Path) -> None:
    load_catalog(folder(tmp_path, sales=SALES))

    assert [path.name for path in tmp_path.iterdir()] == ["sales.py"]


def test_two_projects_may_have_files_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = load_catalog(folder(tmp_path / "a", all=SALES))
    second = load_catalog(folder(tmp_path / "b", all=SALES.replace("sales =", "other =")))

    assert (list(first.sources), list(second.sources)) == (["sales"], ["other"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = 1 / 0\n", r"sales\.py:2: ZeroDivisionError: division by zero"),
        ("x = 1\ny = = 2\n", r"sales\.py:2: SyntaxError"),
        ("import no_such_module\n", r"sales\.py:1: ModuleNotFoundError"),
        (SALES.replace("sales/{date}", "/{date}"), r"sales\.py.*is not a relative path"),
        (SALES.replace("sales =", "Sales2 ="), r"sales\.py: The source 'Sales2' needs a lower-case name"),
        (SALES.replace("id: int", "id: object"), r"sales\.py.*column 'id'"),
        (SALES.replace("int", "int = pa.Field(regex=True)"), r"sales\.py.*'id'.*is a pattern.*Name each of them"),
        (ITEMS.replace("str", 'str = pa.Field(default="")'), r"sales\.py: .*marts\.items.*Use coalesce"),
        (ITEMS.replace("str", 'str = pa.Field(metadata={"aliases": ["x"]})'), r"'aliases' is for raw files"),
        (ITEMS + '        strict = "filter"\n', r"marts\.items: strict='filter' is for raw files"),
    ],
)
def test_an_error_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        load_catalog(folder(tmp_path, sales=text))


def test_a_name_can_be_declared_once(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"two\.py: 'sales' is declared twice"):
        load_catalog(folder(tmp_path, one=SALES, two=SALES))
    (tmp_path / "two.py").unlink()
    with pytest.raises(ContractError, match=r"two\.py: 'marts\.items' is declared twice"):
        load_catalog(folder(tmp_path, one=ITEMS, two=ITEMS))


def test_a_missing_folder_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"contracts folder .*none does not exist. Set \[etl\] contracts"):
        load_catalog(tmp_path / "none")


def test_the_key_changes_with_every_file_and_only_then(tmp_path: Path) -> None:
    before = catalog_key(folder(tmp_path, sales=SALES))
    assert catalog_key(tmp_path) == before

    assert catalog_key(folder(tmp_path, helper="")) != before
    (tmp_path / "helper.py").unlink()
    assert catalog_key(tmp_path) == before
    assert catalog_key(folder(tmp_path, sales=SALES + "\n")) != before


DERIVED = SALES.replace("Sales(pa.DataFrameModel)", "Base(pa.DataFrameModel):\n    n: int\n\nclass Sales(Base)")
IN_A_LIST = SALES.replace("sales = Source(", "every = (Source(").replace('csv")', 'csv"),)')
NAMELESS = ITEMS.replace('name = "marts.items"', "strict = True")


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        pytest.param(SALES, [], id="a source's"),
        pytest.param(ITEMS, [], id="a table's"),
        pytest.param(DERIVED, [], id="a base class of a source's"),
        pytest.param(NAMELESS, ["Items"], id="no name"),
        pytest.param(ITEMS.replace("marts.items", "items"), ["Items"], id="no schema"),
        pytest.param(SALES.replace("sales = Source", "_ = lambda: Source"), ["Sales"], id="no source"),
        pytest.param(IN_A_LIST, ["Sales"], id="a source in a list"),
    ],
)
def test_a_model_that_neither_a_source_nor_a_table_uses_is_known(
    tmp_path: Path, text: str, unused: list[str]
) -> None:
    catalog = load_catalog(folder(tmp_path, some=text))

    assert [model.name for model in catalog.unused] == unused
    assert Catalog.from_json(catalog.to_json()).unused == catalog.unused
