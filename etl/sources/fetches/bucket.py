"""Bucket: the objects of an object store, as files."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from etl.errors import ContractError
from etl.sources.fetches.copies import Copies

#: The options that say nothing to a kind of bucket.
_UNKNOWN = {"gs": ("user", "token", "region"), "az": ("region",)}


@dataclass(frozen=True)
class Bucket(Copies):
    """A folder of a bucket: of S3 and what speaks like it, of Google Cloud Storage, or of Azure Blob Storage.

        Source(Sales, files="sales/{date}.csv", fetch=Bucket("s3://shop/in/", user="IN_KEY", secret="IN_SECRET"))
        Source(Sales, files="sales/{date}/*.csv", fetch=Bucket("gs://shop/in/", marker="sales/{date}/_SUCCESS"))
        Source(Sales, files="sales.csv", fetch=Bucket("az://shop/in/", user="SHOP_ACCOUNT", secret="SHOP_KEY"))

    What is new or changed is copied, and nothing is ever changed or deleted there.
    """

    _: KW_ONLY
    # Name of the environment variable with who asks: the access key ID of S3, or the account of Azure. Empty: what
    # the machine has of its own, such as `AWS_ACCESS_KEY_ID` or its role.
    user: str = ""
    # Name of the environment variable with the secret access key of S3, the account's key of Azure, or the JSON
    # key of a service account of Google.
    secret: str = ""
    # Name of the environment variable with a session token of S3, or a shared access signature of Azure.
    token: str = ""
    # Nobody asks: the bucket is public.
    public: bool = False
    # Address of a server of one's own, such as `https://minio.example:9000`.
    endpoint: str = ""
    # The region of a bucket of S3, such as `eu-central-1`.
    region: str = ""

    secrets: ClassVar[tuple[str, ...]] = ("secret", "token")
    schemes: ClassVar[tuple[str, ...]] = ("s3", "gs", "az")
    example: ClassVar[str] = "'s3://shop/in/', 'gs://shop/in/' or 'az://shop/in/'"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.public and any((self.user, self.secret, self.token)):
            raise ContractError(f"{self.named}: nobody asks for what is public. Take user, secret and token out.")
        unknown = [name for name in _UNKNOWN.get(self.scheme, ()) if getattr(self, name)]
        if unknown:
            raise ContractError(f"{self.named}: {unknown[0]} is an option of other buckets. Take it out.")
        if self.endpoint and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", self.endpoint):
            # it may hold a password
            raise ContractError(f"{self.named}: endpoint is an address such as 'https://minio.example:9000'.")

    @property
    def scheme(self) -> str:
        """Whose bucket it is: s3, gs or az."""
        return self.url.partition(":")[0]
