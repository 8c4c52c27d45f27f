"""What every kind of place does that can hold files, whatever they are."""

import threading
from pathlib import Path

from tests.stages.mirrored.conftest import Mirrored


def test_what_is_not_there_keeps_nothing_from_being_deleted(shop: Mirrored) -> None:
    for name in ("objects/a", "objects/b"):
        shop.place.write(name, b"thesis")
    shop.place.delete(["objects/none", "objects/a", "objects/nothing", "objects/b"])
    assert shop.place.names("objects") == {}


def test_what_is_sent_is_received_whole_and_what_is_not_there_is_not(shop: Mirrored, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    # more than one part
    sent.write_bytes(bytes(range(256)) * (1 << 17))
    shop.place.send("objects/a", sent)
    assert shop.place.receive("objects/a", received)
    assert received.read_bytes() == sent.read_bytes()
    assert not shop.place.receive("objects/none", received)


def test_many_send_at_once(shop: Mirrored, tmp_path: Path) -> None:
    def send(number: int) -> None:
        file = tmp_path / f"{number}"
        file.write_bytes(b"%d" % number * 1000)
        shop.place.send(f"objects/{number}", file)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.place.names("objects") == {f"objects/{number}": 1000 for number in range(8)}
