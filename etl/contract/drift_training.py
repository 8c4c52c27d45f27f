"""The audit of drift against training: rows that a model has not learned from beside those that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from etl.contract.audit import Audit
from etl.contract.audit_grammar import COLUMN, Make, built_in, names
from etl.engine.quoting import identifier, literal, qualified

_NUMBER = r"\d+(?:\.\d+)?"
#: `wind_mph within 0.2 of training`, with the time of a row and the model that learned, which a model in ml/ adds
#: where none are named; or with the days that are held out.
PATTERN = (
    rf"(?P<within>{COLUMN})\s+within\s+(?P<within_limit>{_NUMBER})\s+of\s+training"
    rf"(?:\s+by\s+(?P<time>{COLUMN})\s+(?:held\s+out\s+(?P<held_out>\d{{1,4}})\s+days?"
    rf"|as\s+(?P<learned>ml\.\w+)\s+learned))?"
)
GRAMMAR = "wind_mph within 0.2 of training"
_SHORT = re.compile(r"\bof\s+training\s*$")
#: A value that had less than this share in training has no bin of its own.
_OWN_BIN = "0.05"


def of_training(kind: str, text: str, training: str) -> str:
    """Return the text of a line of drift with the time and the days of the model that learns from the table."""
    if kind != "drift" or not _SHORT.search(text) or not training:
        return text
    return f"{text.rstrip()} {training}"


def as_text(time: str, model: str) -> str:
    """Return what of_training() adds: by which column rows are of a day, and the table of the model in use."""
    return f"by {identifier(time)} as {model} learned"


def within(match: re.Match[str]) -> Iterator[Make]:
    """Yield the audit of a match; ValueError if no model tells what training is."""
    (column,) = names(match["within"])
    if match["time"] is None:
        raise ValueError(
            "no model in ml/ learns from this table. Say what training is: "
            f"{column} within {match['within_limit']} of training by DATE_COLUMN as ml.MODEL learned"
        )
    (time,) = names(match["time"])
    learned, wrong = match["learned"], f"psi > {Decimal(match['within_limit'])}"

    def on(table: str) -> Audit:
        typed = (("binned", table, column), ("moment", table, time))
        reads = (table, learned) if learned else (table,)
        if learned:
            sql = psi_as_learned(table, column, time, learned, wrong)
        else:
            sql = psi_of_training(table, column, time, int(match["held_out"]), wrong)
        return built_in("drift", table, sql, [column], key=f"{column},training", typed=typed, reads=reads)

    yield on


def psi_of_training(table: str, column: str, time: str, held_out: int, wrong: str) -> str:
    """Return the SELECT of the population stability index of a column, if it is `wrong`.

    Training is what came before the cut-off, which is the beginning of the month of the newest row, and before
    the days that are held out; the rest is beside it. Numbers are in ten bins between the deciles of training,
    other values have a bin each if they had a share of 5% there, the rest have one together, and so have nulls.
    Where all of training are numbers, what is not one has a bin of its own.
    """
    cut_off = f"select cast(date_trunc('month', max(day)) as date) - {held_out} as day from told"
    return _psi(table, column, time, cut_off, wrong)


def psi_as_learned(table: str, column: str, time: str, model: str, wrong: str) -> str:
    """Return the SELECT of the same index, of the rows since those that the model in use has learned from.

    Its table says up to which day these are. Until there is a model, nothing is wrong.
    """
    return _psi(table, column, time, f"select max(trained_until) as day from {qualified(model)}", wrong)


def psi_since(table: str, column: str, time: str, day: date) -> str:
    """Return the SELECT of the same index, of the rows from a day on beside those before it."""
    return _psi(table, column, time, f"select {literal(day)} as day", "true")


def _psi(table: str, column: str, time: str, cut_off: str, wrong: str) -> str:
    value, day = identifier(column), f"cast({identifier(time)} as date)"
    size = "sum(count(*) filter (where {})) over ()"
    before, own = size.format("not is_new"), size.format("is_new")
    least = f"greatest(1e-4, 0.5 / {own})"
    return (
        f"with told as (\n"
        f"    select {day} as day, cast({value} as varchar) as text,\n"
        f"        try_cast(cast({value} as varchar) as double) as number\n"
        f"    from {qualified(table)} where {identifier(time)} is not null),\n"
        f"cut_off as (\n"
        f"    {cut_off}),\n"
        f"parted as (\n"
        f"    select text, number, told.day >= cut_off.day as is_new from told cross join cut_off),\n"
        f"edges as (\n"
        f"    select case when count(text) = count(number) then list_sort(list_distinct(quantile_disc(number,\n"
        f"        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))) end as edges\n"
        f"    from parted where not is_new and text is not null),\n"
        f"frequent as (\n"
        f"    select text from parted where not is_new group by text\n"
        f"    qualify count(*) >= {_OWN_BIN} * sum(count(*)) over ()),\n"
        f"binned as (\n"
        f"    select is_new, case when parted.text is null then 'null'\n"
        f"        when edges is not null and number is null then 'no number'\n"
        f"        when edges is not null then 'bin ' || len(list_filter(edges, lambda edge: edge < number))\n"
        f"        when frequent.text is not null then 'value ' || parted.text else 'rest' end as bin\n"
        f"    from parted cross join edges left join frequent on frequent.text = parted.text),\n"
        f"shares as (\n"
        f"    select greatest(count(*) filter (where not is_new) / {before}, {least}) as before,\n"
        f"        greatest(count(*) filter (where is_new) / {own}, {least}) as own,\n"
        f"        {before} > 0 and {own} > 0 as are_both\n"
        f"    from binned group by bin),\n"
        f"compared as (\n"
        f"    select {literal(column)} as column_name, sum((own - before) * ln(own / before)) as psi\n"
        f"    from shares where are_both)\n"
        f"select column_name, psi from compared where {wrong}"
    )
