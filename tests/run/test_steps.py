"""What the steps say of what they did."""

from etl.ledger import Key, Receipt
from etl.run.steps import built


def test_a_slow_model_has_its_seconds_said() -> None:
    assert built(receipt(0.2)) == "marts.items"
    assert built(receipt(0.2, ["2024-03-01"])) == "marts.items (1 partition)"
    assert built(receipt(12.34)) == "marts.items (12.3 s)"
    assert built(receipt(3.0, ["2024-03-01", "2024-03-02"])) == "marts.items (2 partitions, 3.0 s)"
    assert built(receipt(12.34, in_full="it reads no dated table")) == (
        "marts.items (in full: it reads no dated table, 12.3 s)"
    )


def receipt(seconds: float, partitions: list[str] | None = None, in_full: str = "") -> Receipt:
    """Return that of a built model."""
    details = {"seconds": seconds, "partitions": partitions, "in_full": in_full}
    return Receipt(Key("transform", "marts.items"), "", "run-1", details=details)
