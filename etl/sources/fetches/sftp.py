"""Sftp: the files of a server that is asked over SSH."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from etl.errors import ContractError
from etl.sources.fetches.copies import Copies

#: A fingerprint, or a public key with or without the host before it.
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


@dataclass(frozen=True)
class Sftp(Copies):
    """A folder of an SFTP server whose host key is known.

        Source(Sales, files="sales/{date}.csv", fetch=Sftp(
            "sftp://files.shop.example/in/", user="SFTP_USER", key="SFTP_KEY",
            host_keys="SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDkEtzD1JHVz2P7k0s",
        ))

    What is new or changed is copied, and nothing is ever changed or deleted there.
    """

    _: KW_ONLY
    # Name of the environment variable with the user's name.
    user: str
    # The keys by which the server is known, one a line: fingerprints such as `SHA256:...`, public keys, or lines
    # of a known_hosts file; or the path of such a file below the project's folder. Another server is refused.
    host_keys: str
    # Name of the environment variable with the user's private key, or with the path of its file.
    key: str = ""
    # Name of the environment variable with the passphrase of the key.
    passphrase: str = ""
    # Name of the environment variable with the user's password.
    password: str = ""

    secrets: ClassVar[tuple[str, ...]] = ("key", "passphrase", "password")
    schemes: ClassVar[tuple[str, ...]] = ("sftp",)
    example: ClassVar[str] = "'sftp://files.shop.example/in/'"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.user or not (self.key or self.password):
            raise ContractError(
                f"{self.named} does not say who asks. Add user, and key or password: each is the name of an "
                "environment variable."
            )
        if not isinstance(self.host_keys, str) or not self.host_keys.strip():
            raise ContractError(
                f"{self.named}: host_keys is empty, so that any server would be believed. Ask the sender for the "
                "fingerprint of the server's key, and write it there."
            )

    @property
    def fingerprints(self) -> frozenset[str]:
        """The fingerprints among the keys of the server."""
        return frozenset(one.rstrip("=") for one in self.host_keys.split() if _FINGERPRINT.fullmatch(one))
