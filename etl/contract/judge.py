"""What a Python check says of values, row by row; a check that judges a whole column is told by its answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etl.errors import sentence

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_REMEDY = "Write an audit (sql/audits) for what a whole table must be"
_SHARE = 2000


class NotRowWise(Exception):
    """Raised when a check's answer for one row depends on the other rows."""


def verdicts(check: Any, data: pd.Series[Any] | pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return what a pandera check says of each row of `data`; an unknown answer is not a fault.

    Raises NotRowWise if it gives no answer per row, and whatever the author's function raises.
    """
    import pandas as pd

    answer = check.get_backend(data)(check).apply(data)
    if isinstance(answer, pd.DataFrame) and answer.shape == data.shape:
        if check.ignore_na:
            answer = answer | data.isna()
        answer = answer.all(axis="columns")
    if not isinstance(answer, pd.Series):
        raise NotRowWise(f"it returns {type(answer).__name__}, not one answer for each row")
    if not answer.index.equals(data.index):
        raise NotRowWise("its answer has other rows than the data it was given")
    return _booleans(answer)


def _booleans(answer: pd.Series[Any]) -> np.ndarray[Any, Any]:
    import numpy as np
    import pandas as pd

    if answer.dtype != bool and isinstance(answer.dtype, pd.BooleanDtype | pd.ArrowDtype):
        answer = answer.astype("boolean").fillna(True)
    elif answer.dtype != bool:
        answer = answer.map(lambda value: True if value is pd.NA else bool(value))
    return np.asarray(answer, dtype=bool)


def alone(check: Any, data: pd.Series[Any] | pd.DataFrame) -> list[bool | Exception]:
    """Return what the check says of each row when it gets no other, or what its function raises."""
    return [_alone(check, data.iloc[number : number + 1]) for number in range(len(data))]


def check_row_wise(check: Any, data: pd.Series[Any] | pd.DataFrame, single: Sequence[bool | Exception]) -> None:
    """Raise NotRowWise if the check answers otherwise for the same rows together, doubled, or reversed.

    `single` is what alone() returned; rows on which the function fails alone say nothing here.
    """
    known = [number for number, answer in enumerate(single) if isinstance(answer, bool)]
    if check.element_wise or not known:
        return
    # all of them twice; and few at a time, since one infinity makes every mean the same
    groups = [[*known, *reversed(known)], *(known[start : start + 4] for start in range(0, len(known), 4))]
    for group in groups:
        try:
            together = verdicts(check, data.iloc[group].reset_index(drop=True))
        except NotRowWise:
            raise
        except Exception as error:
            raise NotRowWise(f"it fails on several values: {type(error).__name__}: {error}") from error
        if together.tolist() != [single[number] for number in group]:
            raise NotRowWise("its answer for a value changes when other values stand beside it")


def check_parts(check: Any, data: pd.Series[Any] | pd.DataFrame) -> None:
    """Raise NotRowWise if its answer for some rows of `data` changes when it gets them in two parts."""
    import numpy as np

    data = data.head(_SHARE)
    half = len(data) // 2
    if half and not check.element_wise:
        parts = [verdicts(check, data.iloc[:half]), verdicts(check, data.iloc[half:])]
        if not np.array_equal(verdicts(check, data), np.concatenate(parts)):
            raise NotRowWise("its answer for the same values changes when they come in two parts")


def culprit(check: Any, data: pd.Series[Any] | pd.DataFrame) -> pd.Series[Any] | pd.DataFrame:
    """Return the first row on which the function fails alone, or all rows if there is none."""
    for number in range(len(data)):
        row = data.iloc[number : number + 1]
        if not isinstance(_alone(check, row), bool):
            return row
    return data


def explained(error: NotRowWise) -> str:
    """Return what is wrong with a check that is not row-wise, and what to do."""
    return f"it judges a whole column, not a row: {sentence(str(error))} {_REMEDY}."


def _alone(check: Any, row: pd.Series[Any] | pd.DataFrame) -> bool | Exception:
    try:
        return bool(verdicts(check, row)[0])
    except NotRowWise:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and re.search("truth value of a (Series|DataFrame)", str(error)):
            raise NotRowWise(
                "it branches on a whole column. With element_wise=True it gets one value at a time"
            ) from error
        return error
