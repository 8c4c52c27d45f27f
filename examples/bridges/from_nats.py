"""A line for each message on a subject of NATS: python from_nats.py SUBJECT, with its address in NATS_URL."""

import asyncio
import os
import sys

import nats


async def main() -> None:
    """Listen until the connection is lost for good."""
    lost = asyncio.Event()

    async def woken(*_: object) -> None:
        print("woken", flush=True)

    async def closed() -> None:
        lost.set()

    # what came while it was away was heard by nobody
    client = await nats.connect(os.environ["NATS_URL"], closed_cb=closed, reconnected_cb=woken, ping_interval=30)
    await client.subscribe(sys.argv[1], cb=woken)
    await client.flush()
    await woken()
    await lost.wait()


asyncio.run(main())
