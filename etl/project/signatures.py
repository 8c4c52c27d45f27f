"""Signatures of messages over HTTP, as Standard Webhooks has them: with the secret a forged one is seen."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from etl.errors import ConfigError

#: What the headers of a message are called: its name, the second in which it was sent, and its signatures.
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_PREFIX, _VERSION = "whsec_", "v1"
#: A shorter key could be guessed.
_LEAST_BYTES = 16


def keys_of(secrets: str, variable: str) -> list[bytes]:
    """Return the keys of secrets such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`, separated by blanks.

    Raises ConfigError, which names the `variable` that holds them and quotes nothing, for what is not one.
    """
    found = []
    for secret in secrets.split():
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) < _LEAST_BYTES:
            raise ConfigError(
                f"{variable} does not hold a secret of webhooks: {_PREFIX} and then {_LEAST_BYTES} bytes or more "
                f"as base64. Make one of what `openssl rand -base64 24` prints."
            )
        found.append(key)
    return found


def signature(key: bytes, name: str, timestamp: int, body: bytes) -> str:
    """Return one signature of a message, such as `v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=`."""
    signed = b".".join((name.encode(), str(timestamp).encode(), body))
    return f"{_VERSION},{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def signed(keys: list[bytes], name: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message, with a signature by each key: a receiver may know only one of them."""
    signatures = " ".join(signature(key, name, timestamp, body) for key in keys)
    return {ID: name, TIMESTAMP: str(timestamp), SIGNATURE: signatures}
