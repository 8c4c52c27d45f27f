"""Searching a space of parameters, topologies among them: what is tried next, for how much, and what was found."""

from etl.operations.ml.search.found import Found, judge
from etl.operations.ml.search.space import Dimension, read_space
from etl.operations.ml.search.trials import Tried, rank_correlation

__all__ = ["Dimension", "Found", "Tried", "judge", "rank_correlation", "read_space"]
