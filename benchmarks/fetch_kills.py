"""The proof by killing, of fetches: each kind, from a real server of its own, is killed again and again.

    python benchmarks/fetch_kills.py --kills 500 --minutes 60 [--only Rest,Table] [--seed 0]

Before each round the sender changes, adds and (where a fetch brings all there is) deletes orders. Then up to eight
fetches are killed, each in a process of its own: before one of its side effects, or at a random moment. After each
kill that has landed a file, and after the fetch that is let through, the warehouse is published. It must hold each
order of the sender once, as it is now, so that a cursor ahead of its data would show. Nothing half-written may be
left, and a fetch that was killed may ask an API for one page again, and no more. A kill counts if it met a fetch
under way. What needs a server that is not installed is left out, which is said. Exit code 0 if all of that holds.
On a busy disk `TMPDIR=/dev/shm` is ten times as fast.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from etl.stages.fetched import newest_manifest  # noqa: E402
from tests.support import kills, shops  # noqa: E402
from tests.support.api import Api  # noqa: E402
from tests.support.senders import MAKERS, MORE, Row, Sender  # noqa: E402

#: A project is killed so often at most, then the next one has its turn, from nothing.
AT_ONCE = 20
FEWEST, MOST = 8, 24
FAULTS = ("lost", "doubled", "stale", "ahead", "pages again", "left behind")


@dataclass
class Tally:
    """What was counted of one kind; all but the first three must be 0."""

    kills: int = 0
    landed: int = 0
    rounds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    #: Fetches that ended with an error by themselves; a busy machine answers late.
    failed: int = 0
    #: Pages that were asked for again, over all kills: at most one for each.
    again: int = 0

    def note(self, kind: str, text: str) -> None:
        """Count something that must not be."""
        self.counts[kind] += 1
        print(f"  {kind}: {text}", flush=True)


class Orders:
    """What the sender holds: stamps never go back, and several orders have the same one."""

    def __init__(self, chance: random.Random, may_delete: bool) -> None:
        self.chance, self.may_delete, self.minute, self.number = chance, may_delete, 0, 0
        self.held: dict[int, Row] = {}
        while len(self.held) < FEWEST:
            self._put(None)

    @property
    def rows(self) -> Sequence[Row]:
        """All orders, in an order that says nothing."""
        rows = list(self.held.values())
        self.chance.shuffle(rows)
        return rows

    def change(self) -> None:
        """Change some orders, add some, and delete one if that is seen."""
        self.minute += self.chance.choice((1, 5, 90))
        for number in self.chance.sample(sorted(self.held), 2):
            self._put(number)
        for _ in range(self.chance.choice((0, 1, 2)) if len(self.held) < MOST else 0):
            self._put(None)
        if self.may_delete and len(self.held) > FEWEST:
            del self.held[self.chance.choice(sorted(self.held))]

    def _put(self, number: int | None) -> None:
        self.number += number is None
        hours, minutes = divmod(self.minute, 60)
        days, hours = divmod(hours, 24)
        item = self.chance.choice((None, "", "book", "a red pen", "Ünï-码"))
        word = f"{item} {self.chance.randrange(10**6)}" if item else item
        key = number or self.number
        self.held[key] = (key, word, f"2024-02-{days + 1:02} {hours:02}:{minutes:02}:00")


class Victim:
    """One project whose fetches are killed."""

    def __init__(self, shop: shops.Shop, tally: Tally, chance: random.Random) -> None:
        self.shop, self.tally, self.chance = shop, tally, chance
        self.orders = Orders(chance, may_delete=not shop.source.fetch.repeats_rows)
        self.effects, self.seconds = 12, 0.3

    def round(self, most: int) -> int:
        """Have the sender change its orders, and kill fetches of them; return how many were killed."""
        self.orders.change()
        self.shop.sender.hold(self.orders.rows)
        before, killed, failed, asked = self._newest, 0, 0, _asked(self.shop.sender.api)
        for _ in range(min(most, self.chance.choice((1, 2, 4, 8)))):
            is_killed = self._killed()
            killed += is_killed
            if self._newest != before:
                self.tally.landed += is_killed
                self._compare("ahead")
                break
            if not is_killed:
                # it says why, such as a server that is too busy to answer in time
                failed += 1
        else:
            self.shop.fetch()
        self.tally.failed += failed
        self._count_pages(self.shop.sender.api, asked, killed + failed)
        self.shop.fetch()
        self._compare("")
        for path in self.shop.left:
            self.tally.note("left behind", str(path))
        return killed

    @property
    def _newest(self) -> str:
        newest = newest_manifest(self.shop.source, self.shop.project.fetched)
        return newest.file if newest else ""

    def _killed(self) -> bool:
        began, project = time.monotonic(), self.shop.project
        if self.chance.random() < 0.5:
            at = self.chance.randint(1, self.effects + 1)
            is_killed = kills.is_killed(project, "orders", shops.DAY, at)
            self.effects = max(self.effects, at + 2) if is_killed else max(at - 1, 4)
            return is_killed
        is_killed = kills.is_killed(project, "orders", shops.DAY, 0, self.chance.uniform(0, self.seconds))
        if not is_killed:
            self.seconds = 0.5 * self.seconds + 0.5 * (time.monotonic() - began)
        else:
            self.seconds = min(self.seconds * 1.2, 5)
        return is_killed

    def _compare(self, kind: str) -> None:
        wanted = Counter((number, item or None) for number, item, _ in self.orders.rows)
        found = Counter(self.shop.published())
        numbers, known = Counter(number for number, _ in found.elements()), set(self.orders.held)
        where = self.shop.source.fetch.named
        for number in sorted(known - numbers.keys()):
            self.tally.note(kind or "lost", f"{where}: order {number}")
        for number in sorted(n for n, times in numbers.items() if times > 1):
            self.tally.note("doubled", f"{where}: order {number}")
        for number, item in sorted((found - wanted).keys(), key=str):
            if numbers[number] == 1:
                self.tally.note(kind or "stale", f"{where}: order {number} is {item!r}")

    def _count_pages(self, api: Api | None, before: int, ended: int) -> None:
        if api is None:
            return
        asked = Counter((path, headers.get("Range", "")) for path, headers in api.asked[before:])
        again = asked.total() - len(asked)
        self.tally.again += again
        if again > ended:
            self.tally.note("pages again", f"{self.shop.source.fetch.named}: {again} after {ended} kills")


def _asked(api: Api | None) -> int:
    return len(api.asked) if api else 0


def main() -> None:
    """Kill until there were enough kills or the time is up; exit 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default="", help="kinds, such as Rest,Table")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    logging.disable(logging.INFO)
    only = [name for name in options.only.split(",") if name]
    ways = [(name, maker) for name, maker in _ways() if not only or name in only]
    tallies = {name: Tally() for name, _ in ways}
    end = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        # servers of databases are shared by all that lies below a folder of such a name
        base = Path(folder) / "pytest-0"
        _kill(ways, tallies, base, options.kills, end, random.Random(seed))
    _print(tallies, Counter(name for name, _ in ways))
    total = sum(tally.kills for tally in tallies.values())
    sys.exit(1 if any(tally.counts for tally in tallies.values()) or total < options.kills else 0)


def _ways() -> Iterator[tuple[str, Callable[[Path], AbstractContextManager[Sender]]]]:
    for name, makers in MAKERS.items():
        for maker in (*makers, *MORE.get(name, ())):
            yield name, maker


def _kill(ways: Sequence[Any], tallies: dict[str, Tally], base: Path, most: int, end: float, chance: Any) -> None:
    """Let each way have its turn, until there were enough kills."""
    left, turn, each = list(ways), 0, min(AT_ONCE, most // len(ways) + 1)
    chance.shuffle(left)
    while left and sum(tally.kills for tally in tallies.values()) < most and time.monotonic() < end:
        name, maker = left.pop(0)
        turn += 1
        folder = base / str(turn)
        folder.mkdir(parents=True)
        try:
            with shops.opened(maker, folder) as shop:
                _turn(Victim(shop, tallies[name], chance), each)
        except pytest.skip.Exception as why:
            print(f"{name} is left out: {why}", flush=True)
            continue
        left.append((name, maker))
        print(json.dumps({name: tally.kills for name, tally in tallies.items()}), flush=True)


def _turn(victim: Victim, most: int) -> None:
    victim.shop.sender.hold(victim.orders.rows)
    victim.shop.fetch()
    killed = rounds = 0
    while killed < most and rounds < most:
        count = victim.round(most - killed)
        killed, rounds = killed + count, rounds + 1
        victim.tally.kills += count
    victim.tally.rounds += rounds


def _print(tallies: dict[str, Tally], ways: Counter[str]) -> None:
    print(f"| kind | ways | kills | after it had landed | rounds | {' | '.join(FAULTS)} |")
    print(f"| --- {'| --- ' * (4 + len(FAULTS))}|")
    for name, tally in tallies.items():
        faults = " | ".join(str(tally.counts[fault]) for fault in FAULTS)
        print(f"| `{name}` | {ways[name]} | {tally.kills} | {tally.landed} | {tally.rounds} | {faults} |")
    total = sum(tally.kills for tally in tallies.values())
    problems = sum(tally.counts.total() for tally in tallies.values())
    failed = sum(tally.failed for tally in tallies.values())
    again = sum(tally.again for tally in tallies.values())
    rest = f"{again} pages asked for again, {failed} fetches that failed by themselves"
    print(f"{total} kills, {problems} problems; {rest}")


if __name__ == "__main__":
    main()
