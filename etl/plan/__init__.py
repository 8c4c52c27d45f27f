"""The plan: what tonight will do and why, fixed once at its start, as fingerprints to compare receipts with."""

from typing import TYPE_CHECKING

from etl.plan.scope import Scope

if TYPE_CHECKING:
    from etl.plan.plan import Plan, make_plan
    from etl.plan.room import check_room

__all__ = ["Plan", "Scope", "check_room", "make_plan"]


def __getattr__(name: str) -> object:
    """Import what makes a plan when it is asked for: a night that is as the last one makes none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from etl.plan.plan import Plan, make_plan
    from etl.plan.room import check_room

    globals().update(Plan=Plan, make_plan=make_plan, check_room=check_room)
    return globals()[name]
