"""Which model is used: the champion and a challenger on the days that neither has seen, and a person's word."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from etl.errors import TransformError, sentence
from etl.models import Code
from etl.models.trained import Learned
from etl.models.trained.tables import DECISIONS, columns_of
from etl.models.trained.words import HOLD, PROMOTE, said_of
from etl.stages.trained.artefact import packed, version_of
from etl.stages.trained.gate import LEAST_DAYS, Compared, compare
from etl.stages.trained.task import Row, Task
from etl.stages.trained.training import Trainer

#: What is decided about a challenger.
CHAMPION_NOW, LOST = "champion", "challenger lost"
_MODEL = ("model_version", "cut_off", "trained_until", "trained_rows", "features", "params", "seed", "libraries",
          "metrics", "experiment_id", "code", "format", "artefact")  # fmt: skip


def decided(task: Task, challenger: Row) -> list[Row]:
    """Return the decisions of before, and the one about what was learned last; the same again for the same."""
    earlier = _earlier(task.before, challenger)
    champion = _last_champion(earlier)
    number = max((row["number"] for row in earlier), default=0) + 1
    row: Row = {name: None for name, _ in columns_of(DECISIONS)} | {
        "number": number,
        "decided_for": challenger["cut_off"],
        "challenger": challenger["model_version"],
        "judge": task.learned.gate,
    }
    if champion is None:
        row |= _used(challenger, "the models of before were purged" if earlier else "the first model")
    else:
        row |= _met(task, champion, challenger)
    task.heard.decide(challenger["experiment_id"], row["verdict"])
    return [*earlier, row]


def as_learned(learned: Learned, row: Mapping[str, Any]) -> Learned:
    """Return a model with the code, the parameters and the seed that made the one of a row."""
    code = Code(learned.code.folder, json.loads(row["code"]))
    return replace(learned, code=code, params=json.loads(row["params"]), seed=row["seed"])


def _earlier(before: Sequence[Row], challenger: Row) -> list[Row]:
    """Return the decisions that stay, in order: not the last one if it is made again, none by data gone since.

    One about a model that was purged stays, even if the same is learned again.
    """
    found = [row for row in before if row["decided_for"] <= challenger["cut_off"]]
    found.sort(key=lambda row: int(row["number"]))
    made = challenger["cut_off"], challenger["model_version"]
    last = found[-1] if found else {}
    is_purged = last.get("verdict") == CHAMPION_NOW and last["artefact"] is None
    is_again = bool(found) and (last["decided_for"], last["challenger"]) == made
    return found[:-1] if is_again and not is_purged else found


def _last_champion(rows: Sequence[Row]) -> Row | None:
    made = [row for row in rows if row["artefact"] is not None]
    return max(made, key=lambda row: row["number"]) if made else None


def _met(task: Task, champion: Row, challenger: Row) -> Row:
    """Return what is decided about a challenger beside a champion."""
    word = said_of(task.learned.words, challenger["cut_off"])
    found: Row = {"champion": champion["model_version"]}
    by = "" if word is None else sentence(f"{word.why}{f' ({word.who})' if word.who else ''}").rstrip(".")
    if champion["model_version"] == challenger["model_version"]:
        return found | {"verdict": LOST, "why": "it is the champion itself"}
    if word and word.word == PROMOTE:
        return found | _used(challenger, f"promoted: {by}")
    champion, why_again = _able(task, champion)
    since = max(champion["trained_until"], challenger["trained_until"])
    compared, rows = _compared(task, champion, challenger, since)
    if compared:
        found |= {
            "champion_score": compared.champion,
            "challenger_score": compared.challenger,
            "gain": compared.gain,
            "gain_low": compared.low,
            "gain_high": compared.high,
        }
    days = compared.days if compared else 0
    found |= {"judged_from": since, "judged_days": days, "judged_rows": rows}
    if word and word.word == HOLD:
        lost = f"held: {by}"
    elif compared and compared.is_better:
        return found | _used(challenger, f"better on {days:,} days, whichever of them are drawn")
    elif days < LEAST_DAYS:
        lost = f"{days:,} days that neither has seen are too few to tell: it takes {LEAST_DAYS}"
    else:
        lost = "not clearly better: it is not whichever days are drawn"
    again = f"; the champion was trained again, {why_again}" if why_again else ""
    kept = {name: champion[name] for name in _MODEL} if why_again else {}
    return found | kept | {"verdict": LOST, "why": lost + again}


def _used(challenger: Row, why: str) -> Row:
    return {"verdict": CHAMPION_NOW, "why": why, **{name: challenger[name] for name in _MODEL}}


def _compared(task: Task, champion: Row, challenger: Row, since: date) -> tuple[Compared | None, int]:
    """Compare both on the rows from a day to the cut-off; return how many these are, too."""
    learned, rows, end = task.learned, task.rows, challenger["cut_off"]
    judging = rows.between(since, end)
    if not len(judging):
        return None, 0
    said = [_said(task, row, judging, is_own=row is challenger) for row in (champion, challenger)]
    days = rows.days_between(since, end)
    return compare(learned.gate, judging[learned.label], days, *said), len(judging)


def _said(task: Task, row: Row, judging: Any, *, is_own: bool) -> Any:
    learned = as_learned(task.learned, row)
    if is_own:
        with Trainer.plainly(learned) as trainer:
            return trainer.predict(task.artefacts.model(row), judging)
    with _Unable(task, row), Trainer.plainly(learned) as trainer:
        return trainer.predict(task.artefacts.model(row), judging)


def _able(task: Task, champion: Row) -> tuple[Row, str]:
    """Return the champion as the libraries of today make it, and why it had to be trained again, if it had to."""
    was, now = json.loads(champion["libraries"]), dict(task.learned.libraries)
    if any(now.get(name, number) != number for name, number in was.items()):
        why = "by other versions of its libraries"
    elif not task.artefacts.has(champion):
        why = "since its file was gone or not as it was written"
    else:
        return champion, ""
    learned, rows = as_learned(task.learned, champion), task.rows
    with _Unable(task, champion), Trainer.plainly(learned) as trainer:
        seen = rows.before(champion["trained_until"])
        model = trainer.train(seen, learned.params, lambda step, name, value: None, learned.seed)
        format, artefact = packed(model)
    libraries = json.dumps({name: now.get(name, number) for name, number in was.items()}, sort_keys=True)
    version = version_of(format, artefact, champion["code"], libraries)
    format, artefact = task.artefacts.kept(format, artefact)
    changed = {"model_version": version, "libraries": libraries, "format": format, "artefact": artefact}
    return {**champion, **changed}, why


class _Unable:
    """Says what to do about a champion that its own code cannot run any more."""

    def __init__(self, task: Task, champion: Row) -> None:
        self._learned, self._champion = task.learned, champion

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            name, version = self._learned.name, self._champion["model_version"]
            raise TransformError(
                f"{self._learned.file}: the model that is used, {version}, cannot be compared with what was "
                f"learned now: {sentence(f'{type(error).__name__}: {error}')} Give it what it needs, or decide "
                f'by a line such as {{"cut_off": "2024-03-01", "word": "promote", "why": "agreed"}} '
                f"in ml/{name}.jsonl."
            ) from error
