"""What the suite leaves out: two thirds of the cases of a test that is marked so, and nothing else."""

from types import SimpleNamespace

import pytest

from tests.support.thorough import sampled


def items(names: list[str], is_marked: bool) -> list[SimpleNamespace]:
    return [SimpleNamespace(nodeid=name, get_closest_marker=lambda _: is_marked or None) for name in names]


@pytest.mark.parametrize(("cases", "run"), [(1, 1), (4, 4), (5, 4), (12, 4), (13, 5), (90, 30)])
def test_of_a_sampled_test_a_third_is_run_and_four_at_least(cases: int, run: int) -> None:
    names = [f"test_laws.py::test_law[{case}]" for case in range(cases)]
    assert len(sampled(items(names, True), seed=1)) == cases - run
    assert sampled(items(names, False), seed=1) == set()


def test_each_case_has_its_turn_and_all_workers_leave_out_the_same() -> None:
    both = [[f"test_laws.py::{law}[{case}]" for case in range(30)] for law in ("test_one", "test_other")]
    one, other = (items(names, True) for names in both)
    left = [sampled([*one, *other], seed) for seed in range(30)]
    assert set.intersection(*left) == set()
    assert all(len(each & {*names}) == 20 for each in left for names in both)
    assert left == [sampled([*reversed(other), *reversed(one)], seed) for seed in range(30)]
