"""A project that is served to all tests that only look."""

from collections.abc import Iterator

import pytest

from etl.project import Project
from tests.support import tiny
from tests.support.serving import Client, served, two_nights, unlimited


@pytest.fixture
def project(tmp_path) -> Project:
    """A project with two rejected records and two generations, to be changed."""
    return tiny.once(tmp_path / "shop", two_nights)


@pytest.fixture(scope="session")
def watched(tmp_path_factory) -> Project:
    """The same project, which nothing may change."""
    return tiny.once(tmp_path_factory.mktemp("served") / "shop", two_nights)


@pytest.fixture(scope="session")
def stranger(watched) -> Iterator[Client]:
    """Somebody who has not shown the token, on a server that nothing slows down."""
    with served(watched, limits=unlimited()) as client:
        yield client
