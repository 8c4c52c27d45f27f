"""A server under forged, replayed, oversized and slow requests: what begins, and how long honest clients wait.

    python benchmarks/hooks.py --requests 100000

Strangers ask from one address, honest clients from others; all of them on this machine. Of what strangers ask
nothing may begin. What honest clients wait is told as percentiles.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from etl.project.signatures import signed

KEY, TOKEN = b"k" * 24, "a-token-of-a-benchmark-0123456789"
CFG, CONTRACTS = "[etl]\n", "from etl import Source\n"
BODY = b'{"type": "published"}'


def main() -> None:
    """Serve an empty project, attack it, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "contracts").mkdir()
        (root / "luigi.cfg").write_text(CFG)
        (root / "contracts/all.py").write_text(CONTRACTS)
        secret = f"whsec_{base64.b64encode(KEY).decode()}"
        environment = {"ETL_PROJECT": folder, "ETL_SERVE_TOKEN": TOKEN, "ETL_HOOK_SECRET": secret}
        command = [str(Path(sys.executable).with_name("etl")), "serve", "--port", "0"]
        server = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=-1, stderr=subprocess.DEVNULL, text=True
        )
        assert server.stdout
        port = int(server.stdout.readline().rsplit(":", 1)[1].strip(" /\n"))
        before = _cpu_seconds(server.pid)
        try:
            asyncio.run(_attack(port, options.requests))
        finally:
            cpu = _cpu_seconds(server.pid) - before
            server.terminate()
            server.wait()
        print(f"CPU of the server: {cpu:.1f} s, {cpu / options.requests * 1000:.2f} ms for each of strangers")
        begun = list((root / "data").glob("logs/*.jsonl")) if (root / "data").exists() else []
        print(f"runs that began: {len(begun)}")


def _cpu_seconds(pid: int) -> float:
    """Return what a process has taken until now, of its user and of the system."""
    facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")


async def _attack(port: int, number: int) -> None:
    waited: list[float] = []
    done = asyncio.Event()
    honest = [asyncio.ensure_future(_honest(port, f"127.0.0.{n}", waited, done)) for n in range(10, 14)]
    statuses: dict[str, int] = {}
    strangers = [_strangers(port, number // 40, n, statuses) for n in range(40)]
    slow = [asyncio.ensure_future(_slow(port, done)) for _ in range(50)]
    begun = time.monotonic()
    await asyncio.gather(*strangers)
    seconds = time.monotonic() - begun
    done.set()
    await asyncio.gather(*honest, *slow, return_exceptions=True)
    waited.sort()
    told = ", ".join(f"p{p} {waited[int(len(waited) * p / 100)] * 1000:.0f} ms" for p in (50, 95, 99))
    print(f"{number:,} requests of strangers in {seconds:.0f} s, answered {dict(sorted(statuses.items()))}")
    print(f"{len(waited):,} honest requests meanwhile: {told}")


async def _strangers(port: int, number: int, seed: int, statuses: dict[str, int]) -> None:
    chance = random.Random(seed)
    for _ in range(number):
        body = BODY
        kind = chance.randrange(5)
        headers = signed([b"x" * 24], f"msg_{chance.random()}", int(time.time()), body)
        if kind == 1:
            headers = signed([KEY], "msg_old", int(time.time()) - 10_000, body)
        elif kind == 2:
            headers = {"Authorization": f"Bearer {chance.random()}"}
        elif kind == 3:
            headers["Content-Length"] = "10000000"
        elif kind == 4:
            headers["webhook-signature"] = "v1," + "x" * 4000
        status = await _ask(port, "127.0.0.2", "POST", "/runs", headers, body)
        statuses[status] = statuses.get(status, 0) + 1


async def _honest(port: int, address: str, waited: list[float], done: asyncio.Event) -> None:
    while not done.is_set():
        begun = time.monotonic()
        status = await _ask(port, address, "GET", "/runs", {"Authorization": f"Bearer {TOKEN}"}, b"")
        assert status == "200", status
        waited.append(time.monotonic() - begun)
        await asyncio.sleep(0.05)


async def _slow(port: int, done: asyncio.Event) -> None:
    while not done.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.3", 0))
        for letter in "POST /runs HTTP/1.1\r\nHost: localhost\r\n":
            writer.write(letter.encode())
            await asyncio.sleep(0.5)
            if done.is_set() or reader.at_eof():
                break
        writer.close()


async def _ask(port: int, address: str, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    except OSError:
        return "refused"
    try:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        given = {"Content-Length": str(len(body)), **headers}
        lines += [f"{name}: {value}" for name, value in given.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        line = await asyncio.wait_for(reader.readline(), 30)
        return line.split()[1].decode() if line else "closed"
    except (OSError, TimeoutError, IndexError):
        return "closed"
    finally:
        writer.close()


if __name__ == "__main__":
    main()
