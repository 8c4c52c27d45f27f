"""A Python model says which libraries it uses: with another version of one it is another model."""

from pathlib import Path

import pytest

from etl.errors import ModelError
from etl.models import Context, Given, Promised, libraries, models_key, read_models

CONTEXT = Context({}, {"marts.x": Promised((("price", "BIGINT"),))})
CODE = (
    "READS = ['raw.sales']\nLIBRARIES = ['smoothing']\n\ndef model(inputs, ctx):\n    return inputs['raw.sales']\n"
)
RAW = [Given("raw.sales", (("price", "BIGINT"),))]


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    (tmp_path / "sql/marts").mkdir(parents=True)
    (tmp_path / "sql/marts/x.py").write_text(CODE)
    return tmp_path / "sql"


def install(folder: Path, version: str) -> None:
    (folder / "smoothing-1.dist-info").mkdir(exist_ok=True)
    (folder / "smoothing-1.dist-info/METADATA").write_text(f"Name: smoothing\nVersion: {version}\n")


def test_another_version_is_another_model(sql: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(sql.parent))
    seen = []
    for version in ("1.0", "1.1", "1.1"):
        install(sql.parent, version)
        seen.append((models_key(sql, RAW, CONTEXT), read_models(sql, RAW, CONTEXT).models["marts.x"].normal))

    assert seen[0][0] != seen[1][0] == seen[2][0]
    assert seen[0][1] != seen[1][1] == seen[2][1]


def test_a_library_that_is_not_installed_is_told_with_what_to_type(sql: Path) -> None:
    with pytest.raises(
        ModelError, match=r"x.py:2: LIBRARIES: the library smoothing is not .* pip install smoothing$"
    ):
        read_models(sql, RAW, CONTEXT)


def test_the_name_that_pip_calls_a_library_is_said(sql: Path) -> None:
    (sql / "marts/x.py").write_text(CODE.replace("smoothing", "_pytest"))

    with pytest.raises(ModelError, match=r"the library _pytest is not installed.*: pip install pytest"):
        read_models(sql, RAW, CONTEXT)


def test_a_model_without_libraries_is_what_it_was(sql: Path) -> None:
    (sql / "marts/x.py").write_text(CODE.replace("LIBRARIES = ['smoothing']\n", ""))
    normal = read_models(sql, RAW, CONTEXT).models["marts.x"].normal

    assert normal.endswith(" {}")


def test_no_version_is_looked_for_where_no_model_names_a_library(
    sql: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(libraries, "_version", lambda name: asked.append(name) or "1.0")
    (sql / "marts/x.py").write_text(CODE.replace("LIBRARIES = ['smoothing']\n", ""))
    models_key(sql, RAW, CONTEXT)
    assert not asked
    (sql / "marts/x.py").write_text(CODE)
    models_key(sql, RAW, CONTEXT)
    assert "smoothing" in asked
