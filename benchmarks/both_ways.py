"""Extract random deliveries in blocks and as a whole, for as long as there is time, and compare what comes out.

    python benchmarks/both_ways.py --minutes 60 [--seed N]

It stops at the first difference, and prints the source and the files that show it; `--minutes 0` and `--seed` with
the number that it printed shows that one again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    """Compare until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["ETL_MASK_KEY"] = "a key of many different letters"
    from tests.support import both_ways

    end, seed, taken = time.monotonic() + 60 * options.minutes, options.seed, 0
    with tempfile.TemporaryDirectory() as folder:
        while True:
            random = Random(seed)
            case = both_ways.case(random)
            sizes = {"block_bytes": random.choice((60, 300, 3000)), "small_bytes": random.choice((0, 99, 10_000))}
            try:
                taken += both_ways.compare(case, Path(folder), **sizes)
            except AssertionError as error:
                sys.exit(f"seed {seed}: {error}")
            seed += 1
            if time.monotonic() >= end:
                break
    print(f"{seed - options.seed:,} sources, {taken:,} of them taken in blocks, and nothing was different")


if __name__ == "__main__":
    main()
