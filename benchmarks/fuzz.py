"""Take any bytes apart as delimited text, for as long as there is time, and stop at the first that go wrong.

    python benchmarks/fuzz.py --minutes 10 [--corpus FOLDER] [--seed N]

With atheris installed it looks for inputs that reach new code; else they are mutated at random. What goes wrong is
written to FOLDER/crash-... and printed with its dialect; give that file as the only argument to see it again.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SEEDS = [
    bytes([1, *range(n, n + 9), *(random.Random(n).randrange(256) for _ in range(40))]) for n in range(60)
] + [bytes([0, *range(n, n + 9)]) + b'1,a\n2,"b\nc"\n3,"d""e"\n' for n in range(10)]


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "etl-fuzz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random", action="store_true", help="do without atheris")
    parser.add_argument("input", nargs="?", type=Path)
    options = parser.parse_args()
    options.corpus.mkdir(parents=True, exist_ok=True)
    guided = None if options.random or options.input else _atheris()
    with tempfile.TemporaryDirectory() as folder:
        one = _one(Path(folder), options.corpus)
        if options.input:
            one(options.input.read_bytes())
        elif guided:
            for number, seed in enumerate(SEEDS):
                (options.corpus / f"seed-{number}").write_bytes(seed)
            limit = f"-max_total_time={int(options.minutes * 60)}"
            guided.Setup([sys.argv[0], str(options.corpus), limit, "-max_len=400", "-timeout=20"], one)
            guided.Fuzz()
        else:
            _mutate(one, options.minutes * 60, random.Random(options.seed))


def _atheris():
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: mutating at random", flush=True)
        return None
    with atheris.instrument_imports(include=["etl.sources.formats"]):
        pass
    return atheris


def _one(folder: Path, corpus: Path):
    from tests.support.fuzzing import Harness, from_bytes

    harness = Harness(folder)

    def one(data: bytes) -> None:
        fmt, content = from_bytes(data)
        try:
            harness.check(fmt, content)
        except BaseException:
            path = corpus / f"crash-{hashlib.sha1(data).hexdigest()[:12]}"
            path.write_bytes(data)
            print(f"{path}: {fmt}\n{content!r}", flush=True)
            raise

    return one


def _mutate(one, seconds: float, chance: random.Random) -> None:
    corpus, tried, until = list(SEEDS), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    del data[at : at + chance.randint(1, 8)]
                case 2:
                    other = chance.choice(corpus)
                    data[at:at] = other[chance.randrange(len(other)) :][:20]
                case 3:
                    data[at:at] = data[max(0, at - 12) : at]
        one(bytes(data[:400]))
        tried += 1
        if chance.random() < 0.02:
            corpus[chance.randrange(len(corpus))] = bytes(data[:400])
    print(f"{tried:,} inputs, nothing wrong", flush=True)


if __name__ == "__main__":
    main()
