"""Running a failed step again from what it has left, and looking at its SQL stage by stage."""

from etl.operations.debug.bundles import Bundle, find_bundle
from etl.operations.debug.replay import Replayed, replay
from etl.operations.debug.stages import write_stages

__all__ = ["Bundle", "Replayed", "find_bundle", "replay", "write_stages"]
