"""The proof by killing, of a chain whose projects are watched: watchers, runs and events are lost, and no content.

    python benchmarks/chain_watched.py --nights 100 --seed 1

The three projects of `benchmarks/chain.py`, each run by its own `etl watch` and by nothing else. A night delivers
files, and waits for nobody. At random a watcher is killed and begun again, alone or with the run under way;
three of ten events are refused, and of one in ten nobody hears that it was taken. An event that arrives is a line
that a bridge of the next watch reads. In the end nobody is killed any more, and when the watchers have come to
rest, all three projects must publish what one run of each publishes of the same files. Exit code 0 if they do.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from etl.ledger import Ledger
from tests.support import chains

PROJECTS = ("mill", "bakery", "shop")
SETTINGS = "watch_cool_down = 1\nwatch_bridges = tail -n 0 -F woken.txt\n"


class Watchers:
    """An `etl watch` for each project of a chain."""

    def __init__(self, chain: chains.Chain) -> None:
        self.chain = chain
        self.kills = {"watchers": 0, "runs": 0}
        for name in PROJECTS:
            with (chain.folder / name / "luigi.cfg").open("a") as settings:
                settings.write(SETTINGS)
            (chain.folder / name / "woken.txt").touch()
        self.processes: dict[str, subprocess.Popen[bytes]] = {name: self._begin(name) for name in PROJECTS}

    def pass_on(self) -> None:
        """Tell the watches of events that arrived."""
        while self.chain.woken:
            with (self.chain.folder / self.chain.woken.pop() / "woken.txt").open("a") as lines:
                lines.write("an event\n")

    def kill(self, name: str, *, with_run: bool) -> None:
        """Kill a watcher, and what it runs if that is asked for; then begin it again."""
        run = self._run_of(name) if with_run else None
        os.kill(self.processes[name].pid, signal.SIGKILL)
        self.kills["watchers"] += 1
        self.processes[name].wait()
        if run:
            with suppress(ProcessLookupError):
                os.killpg(run, signal.SIGKILL)
                self.kills["runs"] += 1
        self.processes[name] = self._begin(name)

    def end(self) -> None:
        """End all of them, and the runs under way."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()

    def _begin(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "etl", "watch", "--stop-run"],
            cwd=self.chain.folder / name,
            env=self.chain.environment(name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _run_of(self, name: str) -> int | None:
        """Return the session of the run under way of a watcher, which is another than its own."""
        of = self.processes[name].pid
        with suppress(OSError):
            for child in Path(f"/proc/{of}/task/{of}/children").read_text().split():
                if b"--unattended" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None


def main() -> None:
    """Have a chain watched and disturbed, and compare what it publishes with one run of each project."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3.0, help="a night lasts about so long")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to come to rest in the end")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        expected = _expected(Path(folder) / "once", options.nights, seed)
        chance, texts = random.Random(seed), random.Random(seed)
        with chains.chain(Path(folder) / "watched", chance) as chain:
            watchers = Watchers(chain)
            try:
                for number in range(options.nights):
                    chain.deliver(number, texts)
                    _disturb(watchers, chance, options.seconds)
                chain.chance = None
                is_same = _at_rest(watchers, expected, options.patience)
            finally:
                watchers.end()
            runs = sum(len(Ledger(chain.project(name).ledger, is_reading=True).runs()) for name in PROJECTS)
            counted = ", ".join(f"{number:,} {what}" for what, number in vars(chain.counted).items() if number)
            killed = ", ".join(f"{number:,} {what} killed" for what, number in watchers.kills.items())
            print(f"{options.nights} nights, {runs:,} runs, {killed}, {counted}")
    print(f"the same content in all three projects: {'yes' if is_same else 'NO'}")
    sys.exit(0 if is_same else 1)


def _disturb(watchers: Watchers, chance: random.Random, seconds: float) -> None:
    """Let a night pass, in which two of five lose a watcher."""
    end = time.monotonic() + chance.uniform(0.5, 1.5) * seconds
    if chance.random() < 0.4:
        time.sleep(chance.uniform(0, 0.5) * seconds)
        watchers.kill(chance.choice(PROJECTS), with_run=chance.random() < 0.5)
    while time.monotonic() < end:
        watchers.pass_on()
        time.sleep(0.1)


def _at_rest(watchers: Watchers, expected: object, patience: float) -> bool:
    """Return whether the projects publish what is expected, before patience is over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        watchers.pass_on()
        # a table may not be there yet, or be replaced just now
        with suppress(Exception):
            if {name: watchers.chain.content(name) for name in PROJECTS} == expected:
                return True
        time.sleep(1)
    return False


def _expected(folder: Path, nights: int, seed: int) -> object:
    texts = random.Random(seed)
    with chains.chain(folder) as chain:
        for number in range(nights):
            chain.deliver(number, texts)
        for name in PROJECTS:
            chain.run(name, chains.FIRST + timedelta(nights - 1))
        return {name: chain.content(name) for name in PROJECTS}


if __name__ == "__main__":
    main()
