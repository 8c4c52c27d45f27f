"""audited: the candidate keeps its contracts, passes every audit, and obeys the laws, or is not published."""

from etl.stages.audited.audit import audit
from etl.stages.audited.candidate import Candidate
from etl.stages.audited.standing import Verdict, judge

__all__ = ["Candidate", "Verdict", "audit", "judge"]
