"""The versions of libraries, told by the names of their folders."""

from importlib.metadata import PackageNotFoundError, version

import pytest

from etl.project.installed import version_of


@pytest.mark.parametrize("name", ["duckdb", "pandera", "luigi", "click", "pytest"])
def test_the_version_of_a_library_is_the_one_that_is_installed(name):
    assert version_of(name) == version(name)


def test_of_two_the_one_that_is_imported_counts(tmp_path, monkeypatch):
    for folder, number in (("first", "2.0"), ("second", "1.0")):
        (tmp_path / folder / f"Shop_Till-{number}.dist-info").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert version_of("shop_till") == "1.0"


def test_what_is_not_installed_has_no_version():
    with pytest.raises(PackageNotFoundError):
        version_of("not-installed-anywhere")
