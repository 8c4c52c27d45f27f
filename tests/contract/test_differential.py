"""Random schemas and rows: the compiled contract breaks the same rules on the same rows as `pandera.pandas`."""

import pytest
from hypothesis import HealthCheck, given, settings

from etl.contract.compiler import compile_contract
from tests.contract.differential import Case, broken_in_duckdb, broken_in_pandera, cases
from tests.support.thorough import examples

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(QUICK, max_examples=examples(20))


@QUICK
@given(cases())
def test_compiled_rules_break_on_the_rows_on_which_pandera_breaks(case: Case) -> None:
    assert broken_in_duckdb(compile_contract(case.schema), case) == broken_in_pandera(case)


@FEW
@given(cases(python=True))
def test_checks_of_an_author_break_on_the_rows_on_which_pandera_breaks(case: Case) -> None:
    expected = broken_in_pandera(case)
    assert broken_in_duckdb(compile_contract(case.schema), case) == expected
