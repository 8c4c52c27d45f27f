"""A process with more open files than `select.select` can tell of."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

_MANY, _ENOUGH = 1_100, 4_000


@contextmanager
def crowded() -> Iterator[None]:
    """Keep so many files open that the next one has a number beyond 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < _ENOUGH:
        pytest.skip("no more files may be open here")
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _ENOUGH), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(_MANY):
            stack.enter_context(open("/dev/null"))
        yield
