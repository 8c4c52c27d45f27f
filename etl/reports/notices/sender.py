"""The process that sends messages by Apprise. It is started by its path, with nothing of etl in memory.

It reads JSON from its standard input, and prints a line of JSON as soon as it knows what became of a message. The
addresses are in its environment alone; nothing of one is printed.
"""

import json
import logging
import os
import re
import signal
import sys
import threading
from typing import Any

MISSING = "missing"
_BRIEF = "\n... (shortened)"


class _Kept(logging.Handler):
    """Keeps, of what Apprise warns of, the numbers of errors: the rest may quote an address or an answer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.codes: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(r"error=(\d{1,5})\b", record.getMessage())
        if found:
            self.codes[threading.get_ident()] = found[1]


def main() -> None:
    """Do what standard input asks for."""
    asked = json.load(sys.stdin)
    signal.alarm(int(asked["seconds"]) + 5)
    # so that a proxy, a certificate or a plug-in that looks for files finds those of nobody
    os.chdir("/")
    try:
        import apprise
    except ImportError:
        return _print({"said": MISSING})
    kept = _Kept()
    logger = logging.getLogger("apprise")
    logger.addHandler(kept)
    logger.propagate = False
    asset = apprise.AppriseAsset(storage_mode="memory", app_id="etl", app_desc="etl", async_mode=False)
    threads = [
        threading.Thread(target=_one, args=(apprise, asset, kept, item, asked["is_check"]), daemon=True)
        for item in asked["items"]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.flush()
    # some plug-ins leave threads
    os._exit(0)


def _one(apprise: Any, asset: Any, kept: _Kept, item: dict[str, Any], is_check: bool) -> None:
    """Send one message, or look whether its address is one."""
    try:
        address = os.environ[item["variable"]].split()[item["position"] - 1]
        channel = apprise.Apprise.instantiate(address, asset=asset)
    except Exception:
        channel = None
    if channel is None:
        return _print({"id": item["id"], "said": "its address is not one that Apprise knows"})
    if is_check:
        return _print({"id": item["id"], "sent": True})
    try:
        channel.overflow_mode = apprise.OverflowMode.TRUNCATE
        title, body = item["title"], _within(channel, item["title"], item["body"])
        # as plain text, whatever the channel prefers: a file's name may look like Markdown
        is_sent = channel.notify(title=title, body=body, body_format="text", notify_type=item["type"])
    except Exception as error:
        return _print({"id": item["id"], "said": f"it failed with {type(error).__name__}"})
    if is_sent:
        return _print({"id": item["id"], "sent": True})
    code = kept.codes.get(threading.get_ident())
    _print(
        {
            "id": item["id"],
            "said": f"it answered with the error {code}" if code else "it refused, or did not answer",
        }
    )


def _within(channel: Any, title: str, body: str) -> str:
    """Return a text that a channel takes whole, with a word where it ends early."""
    longest = int(channel.body_maxlen or 0) - len(title) - 2
    if longest <= 0 or len(body) <= longest:
        return body
    return body[: max(0, longest - len(_BRIEF))] + _BRIEF if longest > 2 * len(_BRIEF) else body[:longest]


_printing = threading.Lock()


def _print(result: dict[str, Any]) -> None:
    with _printing:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
