"""The plan: what tonight will do and why, fixed once at its start, as fingerprints to compare receipts with."""

from etl.plan.deliveries import Scope
from etl.plan.plan import Plan, make_plan
from etl.plan.room import check_room

__all__ = ["Plan", "Scope", "check_room", "make_plan"]
