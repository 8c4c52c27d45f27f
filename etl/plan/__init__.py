"""The plan: what tonight will do and why, fixed once at its start, as fingerprints to compare receipts with."""

from typing import TYPE_CHECKING

from etl.plan.scope import Scope
from etl.project.lazily import lazily

if TYPE_CHECKING:
    from etl.plan.plan import Plan, make_plan
    from etl.plan.room import check_room

__all__ = ["Plan", "Scope", "check_room", "make_plan"]

# a night that is as the last one makes no plan
__getattr__ = lazily(__name__, {"Plan": "plan", "make_plan": "plan", "check_room": "room"})
