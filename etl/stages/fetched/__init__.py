"""fetched: what sources beyond files said, landed as immutable files that are deliveries like any other.

`fetch()` asks one source and lands what it says. A kind, in `kinds/`, is one module with a function
`fetch(asked: Asked, landing: Landing) -> Told`: it talks to the outside, and writes through the landing.
"""

from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.fetch import Fetched, drop_slot, fetch
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.manifest import Manifest, manifests, newest_manifest, read_manifest

__all__ = [
    "Asked",
    "Fetched",
    "Landing",
    "Manifest",
    "Told",
    "drop_slot",
    "fetch",
    "manifests",
    "newest_manifest",
    "read_manifest",
]
