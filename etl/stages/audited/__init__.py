"""audited: the candidate keeps its contracts, passes every audit, and obeys the laws, or is not published."""

from etl.stages.audited.audit import audit
from etl.stages.audited.candidate import Candidate

__all__ = ["Candidate", "audit"]
