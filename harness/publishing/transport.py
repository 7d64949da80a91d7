"""What a transport is: how a bundle on disk gets to where controllers pull it, as one value.

`oci` packs an artifact and pushes it under a tag, `git` pushes a commit to a branch. Everything else (who makes the
bundle, what it must keep to, what it leads to) is the same for both: harness/publishing/publication.py.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.bundles.delivery import Target
from harness.bundles.shape import PulledShape
from harness.settings import Retries


class Published(Protocol):
    """What was pushed, and where. `digest` ("sha256:..." of a manifest, or the id of a commit) is its identity for
    everything after; `tag` (or a branch) is only a name.
    """

    @property
    def registry(self) -> str:
        """The host that it was pushed to, with its port."""
        ...

    @property
    def repository(self) -> str: ...

    @property
    def tag(self) -> str: ...

    @property
    def digest(self) -> str: ...


class Parcel(Protocol):
    """A bundle made ready to be pushed. `manifest` and `layer` are an artifact's, and empty where there is none."""

    @property
    def digest(self) -> str: ...

    @property
    def manifest(self) -> bytes: ...

    @property
    def layer(self) -> bytes | None: ...


class Client(Protocol):
    """Who pushes. Raises HarnessError with the reason where the bundle is not there afterwards, as it was sent."""

    def deliver(self, parcel: Any, target: Target) -> Published: ...


class Place(Protocol):
    """An address below which bundles are, as settings or controllers write it."""

    @property
    def plain_http(self) -> bool: ...


class Access(Protocol):
    """All that a client needs: where it is, and who asks."""

    @property
    def address(self) -> Place: ...

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be written anywhere where others may read it."""
        ...

    def client(self, *, retries: Retries, cancelled: threading.Event | None = None) -> Client: ...


@dataclass(frozen=True)
class Transport:
    """`target` says where a bundle goes: place, recipe, lane, digest of the content, shape. `pack` makes a bundle's
    directory ready. `goes_on`: an upgrade goes to where the bundle before it is, on top of that.
    """

    name: str
    target: Callable[[Any, str, str, str, PulledShape], Target]
    pack: Callable[[Path, PulledShape, Target], Parcel]
    goes_on: bool = False
