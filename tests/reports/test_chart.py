"""A chart of any numbers is drawn, on a screen and in a file."""

import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.reports.chart import BAR, LINE, as_html, as_svg, as_text, chart_of

NUMBERS = st.lists(st.one_of(st.none(), st.floats(), st.integers(-(2**127), 2**127)), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", [BAR, LINE])
@given(NUMBERS)
@example([1.7e308, -1.7e308, 1e-320])
@example([5e-324, 0.0])
@example([math.nan, math.inf])
def test_any_numbers_are_drawn(kind, numbers):
    chart = chart_of(["at", "n"], [(number, value) for number, value in enumerate([*numbers, 1.0])])

    assert max(map(len, as_text(chart, kind, 60, False))) <= 60
    for said in (as_svg(chart, kind), as_html(chart, kind)):
        assert not re.search(r"""[",](nan|-?inf)[",]""", said)


@given(st.lists(st.one_of(st.datetimes(), st.dates(), st.datetimes(timezones=st.just(UTC))), min_size=1))
@example([datetime.min, datetime.max])
def test_rows_of_any_time_are_drawn(times):
    rows = [(time, 1) for time in times]
    assert as_text(chart_of(["at", "n"], rows), LINE, 60, False)


def test_columns_of_the_same_name_are_series_of_their_own():
    chart = chart_of(["n", "n", "n"], [("a", 1, 2)])
    assert (chart.labels, chart.series) == (["a"], [("n", [1.0]), ("n", [2.0])])
