"""Series over many runs come in the order of the runs that are asked for, however they were noted."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from etl.ledger import Ledger
from etl.ledger.history import History, StepRow
from etl.ledger.trends import Trends

RUNS = [f"run{n:02}" for n in range(12)]


@given(
    st.permutations(RUNS),
    st.permutations(RUNS),
    st.lists(st.tuples(st.sampled_from(RUNS), st.sampled_from("abc"), st.integers(0, 10**9)), max_size=40),
    st.integers(0, 12),
)
def test_what_a_table_had_is_told_in_the_order_of_the_runs(noted, asked, steps, exact):

    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        rows = {(run, name): number for run, name, number in steps}
        order = sorted(rows, key=lambda item: noted.index(item[0]))
        History(ledger).plan(
            [
                StepRow(
                    run,
                    "transform",
                    name,
                    rows_out=rows[run, name],
                    seconds=rows[run, name] / 1000,
                    outcome="done",
                )
                for run, name in order
            ]
        )
        found = Trends(ledger).built(asked, exact)
        ledger.close()

    for name in "abc":
        places = [at for at, run in enumerate(asked) if (run, name) in rows]
        numbers = [rows[asked[at], name] for at in places]
        if not places:
            assert name not in found
            continue
        assert found[name].places == places
        assert json.loads(found[name].rows) == [
            number if at >= exact else cut(number, 3) for at, number in zip(places, numbers, strict=True)
        ]
        assert json.loads(found[name].milliseconds) == [cut(number, 2) for number in numbers]


def _step(run, name, number):
    return StepRow(run, "transform", name, rows_out=number, seconds=number / 1000, outcome="done")


def cut(number, digits):
    """Return a number of whose digits only the first so many count."""
    text = str(number)
    return int(text[:digits].ljust(len(text), "0"))
