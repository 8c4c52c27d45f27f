"""The proof by killing, of a chain: three projects that tell each other by events, over many nights.

    python benchmarks/chain.py --nights 100 --seed 1

A mill publishes, a bakery reads that and has files of its own, a shop reads two tables of the bakery. Each night
brings deliveries and corrects earlier ones, for which the first two run. Two runs of five are killed at a random
moment with all their children, and begun again; three of ten events are refused, and of one in ten nobody hears
that it was taken. The shop is run by events alone, as `etl watch` does. In the end what waits is sent, and what
all three publish must be what an undisturbed chain publishes of the same nights. Exit code 0 if it is.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import chains


def main() -> None:
    """Take two chains through the same nights, and compare what the last project publishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, chance in (("disturbed", random.Random(seed)), ("undisturbed", None)):
            texts = random.Random(seed)
            with chains.chain(Path(folder) / name, chance) as one:
                for number in range(options.nights):
                    one.night(number, texts)
                one.settle(chains.FIRST + timedelta(options.nights - 1))
                found[name] = {project: one.content(project) for project in ("mill", "bakery", "shop")}
            counts = ", ".join(f"{number:,} {what}" for what, number in vars(one.counted).items())
            print(f"{name}: {options.nights} nights, {counts}", flush=True)
    is_same = found["disturbed"] == found["undisturbed"]
    minutes = (time.monotonic() - started) / 60
    print(f"the same content in all three projects: {'yes' if is_same else 'NO'}, in {minutes:.0f} minutes")
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
