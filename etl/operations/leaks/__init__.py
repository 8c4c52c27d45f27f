"""The leak check: what comes later must not change what a feature said before."""

from etl.operations.leaks.check import Judged, check_leaks, leaks_of
from etl.operations.leaks.told import tell_leaks

__all__ = ["Judged", "check_leaks", "leaks_of", "tell_leaks"]
