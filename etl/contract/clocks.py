"""Local times as instants: a time that the clocks skip is no instant, and one that they show twice is two.

DuckDB's own cast takes a time that does not exist for another one, and of two instants the later, without a word.
The zone is the connection's TimeZone, which is the project's.
"""

from __future__ import annotations

from collections.abc import Mapping

#: The type of instants.
ZONED = "TIMESTAMP WITH TIME ZONE"
#: What a column can say of a local time that comes twice: the first of both instants, the last, or the one that
#: the order of the records tells.
AMBIGUOUS = ("first", "last", "order")
#: What it can say of one that does not exist: it is by a clock that was not set forward.
NONEXISTENT = ("forward",)
_NEVER_CHANGED = "current_setting('TimeZone') in ('UTC', 'Etc/UTC', 'GMT')"
# No offset lasts for less than it takes to be told from those a bit before and after; one change, that of the
# date line, is of 24 hours.
_AROUND = "interval 25 hours"
_DAY_SECONDS = 24 * 60 * 60
_MICROSECONDS = 25 * 60 * 60 * 1_000_000


def instant(local: str, ambiguous: str = "", nonexistent: str = "", turn: str = "") -> str:
    """Return the SQL of the instant of a TIMESTAMP that is local time; null where there is none, or are two.

    `ambiguous` and `nonexistent` say which one is meant; `turn` is the SQL of 1 or 2, by which that is told of
    each one that is ambiguous, or null.
    """
    plain, before, after = _candidates(local)
    found = _instants(local)
    chosen = {"first": f"{found}[1]", "last": f"{found}[-1]"}.get(ambiguous, "null")
    if ambiguous == "order":
        chosen = f"case {turn} when 1 then {found}[1] when 2 then {found}[-1] end" if turn else "null"
    # the offset that held before the change: 02:30 is half an hour after 02:00, whatever it is called
    skipped = f"make_timestamptz({before})" if nonexistent == "forward" else "null"
    return (
        f"case when {_NEVER_CHANGED} then ({local})::timestamptz "
        # all three are one instant: of two offsets around a change, neither is between the others
        f"when 2 * {plain} = {before} + {after} then make_timestamptz({before}) "
        f"when {local} is not null then case len({found}) when 0 then {skipped} when 1 then {found}[1] "
        f"else {chosen} end end"
    )


def is_doubtful(local: str) -> str:
    """Return the SQL that tells whether the clocks skip a local TIMESTAMP, or show it twice; never null."""
    plain, before, after = _candidates(local)
    return (
        f"case when {_NEVER_CHANGED} or not isfinite({local}) or 2 * {plain} = {before} + {after} then false "
        f"else coalesce(len({_instants(local)}) <> 1, false) end"
    )


def is_nonexistent(local: str) -> str:
    """Return the SQL that tells whether a TIMESTAMP is a local time that the clocks skip; never null."""
    return f"coalesce(len({_instants(local)}) = 0, false)"


def is_ambiguous(local: str) -> str:
    """Return the SQL that tells whether a TIMESTAMP is a local time that the clocks show twice; never null."""
    return f"coalesce(len({_instants(local)}) > 1, false)"


def with_turns(relation: str, turns: Mapping[str, str]) -> str:
    """Return a relation with a column more for each of its columns of local times: 1 or 2, or null.

    `turns` names them. Where records come in the order of time, as `_record` counts them, those with ambiguous
    times that follow one another are of the first time round until they go back once; from there on, of the
    second. Two with the same time are one of each. Nothing is told where they do not go back, or more than once.
    """
    for number, (local, turn) in enumerate(turns.items()):
        own = f"partition by _run_{number}"
        relation = f"""(
            select * exclude (_is_twice_{number}, _is_back_{number}, _is_same_{number}, _run_{number}),
                case
                    when not _is_twice_{number} then null
                    when sum(_is_back_{number}) over ({own}) = 1
                        then 1 + sum(_is_back_{number}) over ({own} order by _record)
                    when sum(_is_back_{number}) over ({own}) = 0 and count(*) over ({own}) = 2
                        and sum(_is_same_{number}) over ({own}) = 1
                        then row_number() over ({own} order by _record)
                end as {turn}
            from (
                select * replace (sum(_run_{number}) over (order by _record) as _run_{number})
                from (
                    select *,
                        (not (_is_twice_{number} and lag(_is_twice_{number}, 1, false) over by_record
                            and abs(epoch(lag({local}) over by_record - {local})) < {_DAY_SECONDS})
                        )::bigint as _run_{number},
                        ((not _run_{number}::boolean) and {local} < lag({local}) over by_record)::bigint
                            as _is_back_{number},
                        ((not _run_{number}::boolean) and {local} = lag({local}) over by_record)::bigint
                            as _is_same_{number}
                    from (select *, {is_ambiguous(local)} as _is_twice_{number} from {relation})
                    window by_record as (order by _record)
                )
            )
        )"""
    return relation


def _candidates(local: str) -> tuple[str, str, str]:
    """Return the SQL of the microseconds since 1970 of a local time: as DuckDB takes it, and by both offsets."""
    return (
        f"epoch_us(({local})::timestamptz)",
        f"(epoch_us(({local} - {_AROUND})::timestamptz) + {_MICROSECONDS})",
        f"(epoch_us(({local} + {_AROUND})::timestamptz) - {_MICROSECONDS})",
    )


def _instants(local: str) -> str:
    """Return the SQL of the list of the instants, in order, at which clocks show a local time; null of null."""
    candidates = f"list_transform([{', '.join(_candidates(local))}], lambda moment: make_timestamptz(moment))"
    return (
        f"case when {local} is not null then list_sort(list_distinct(list_filter({candidates}, "
        f"lambda moment: moment::timestamp = {local}))) end"
    )
