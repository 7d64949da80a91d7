"""Streams that many waits listen to: each kind is watched once, whoever looks at it.

They begin where all kinds were listed at one revision. Every wait confirms its verdict on a LIST of its own, as always:
what is shared only says that it is time to.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Self

from harness.cluster.api import Cluster, Listing
from harness.deadline import MONOTONIC, Clock
from harness.objects import Kind
from harness.processes.threads import Background
from harness.waiting.reflector import (
    ALL,
    Changed,
    Follower,
    Listed,
    Message,
    Narrow,
    Refused,
    Told,
    Watching,
)
from harness.waiting.store import Mirror


class Streams:
    """Open from `__enter__` to `__exit__`; a kind is watched as soon as the first wait listens to it.

    `first` holds each kind as it was at one revision, `narrow` which part of it that is. May be used from many threads.
    """

    def __init__(
        self,
        cluster: Cluster,
        first: Mapping[Kind, Listing],
        narrow: Mapping[Kind, Narrow],
        clock: Clock = MONOTONIC,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._over = threading.Event()
        self._sources = {kind: _Shared(kind, listing, clock) for kind, listing in first.items()}
        self._narrow = narrow
        self._followers: dict[Kind, Follower] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            for follower in self._followers.values():
                follower.close()

    def watching(self, kinds: Iterable[Kind], narrow: Mapping[Kind, Narrow] | None) -> Watching:
        """What one wait listens to; kinds that are not shared are followed by a stream of its own."""
        return _Listening(self, self._cluster, kinds, self._clock, narrow)

    def has(self, kind: Kind) -> bool:
        return kind in self._sources

    def listen(self, kind: Kind, narrow: Narrow, told: Told) -> "_Shared":
        """Tell `told` what is known of a part of the kind, and from now on what becomes of it."""
        shared = self._sources[kind]
        shared.add(told, narrow)
        with self._lock:
            if kind not in self._followers:
                following = threading.Event()
                following.set()
                part, revision = self._narrow.get(kind, ALL), shared.revision
                follower = Follower(self._cluster, kind, part, shared, self._over, self._clock, following, revision)
                self._followers[kind] = follower
                Background(lambda: _guarded(follower, shared), f"watch {kind}, shared")
        return shared


class _Shared:
    """One kind: what is known of it, and who listens."""

    def __init__(self, kind: Kind, first: Listing, clock: Clock) -> None:
        self._kind = kind
        self._clock = clock
        self._mirror = Mirror()
        self._mirror.listed(first.items, first.resource_version)
        self.revision = first.resource_version
        self._listeners: list[tuple[Told, Narrow]] = []
        self._refused: Refused | None = None
        self._lock = threading.Lock()

    def add(self, told: Told, narrow: Narrow) -> None:
        with self._lock:
            if self._refused is not None:
                told.put(self._refused)
            items = [dict(item) for item in self._mirror.items.values() if narrow.selects(item)]
            told.put(Listed(self._kind, Listing(items, self.revision), self._clock(), fresh=False))
            self._listeners.append((told, narrow))

    def leave(self, told: Told) -> None:
        with self._lock:
            self._listeners = [each for each in self._listeners if each[0] is not told]

    def put(self, message: Message) -> None:
        with self._lock:
            match message:
                case Listed(listing=listing):
                    self._mirror.listed(listing.items, listing.resource_version)
                    self.revision = listing.resource_version
                case Changed(event=event, item=item):
                    self._mirror.changed(event, item)
                case Refused():
                    self._refused = message
            for told, narrow in self._listeners:
                if (part := _part(message, narrow)) is not None:
                    told.put(part)


class _Listening(Watching):
    """The streams of others for the kinds that they have; all else is a wait's own."""

    def __init__(
        self,
        streams: Streams,
        cluster: Cluster,
        kinds: Iterable[Kind],
        clock: Clock,
        narrow: Mapping[Kind, Narrow] | None,
    ) -> None:
        self._streams = streams
        self._listens: list[_Shared] = []
        super().__init__(cluster, kinds, clock, narrow)

    def _own(self) -> Iterable[Kind]:
        return [kind for kind in self.kinds if not self._streams.has(kind)]

    def __enter__(self) -> Self:
        super().__enter__()
        for kind in self.kinds:
            if self._streams.has(kind):
                self._listens.append(self._streams.listen(kind, self._narrow.get(kind, ALL), self.messages))
        return self

    def __exit__(self, *_: object) -> None:
        for shared in self._listens:
            shared.leave(self.messages)
        super().__exit__()


def _guarded(follower: Follower, shared: _Shared) -> None:
    try:
        follower.run()
    except Exception as error:  # noqa: BLE001 - handed to those who wait
        shared.put(Refused(error))


def _part(message: Message, narrow: Narrow) -> Message | None:
    """What of a message is about a part of the kind; None where nothing is."""
    match message:
        case Listed(kind, listing, at):
            return Listed(
                kind, Listing([item for item in listing.items if narrow.selects(item)], listing.resource_version), at
            )
        case Changed(item=item):
            return message if narrow.selects(item) else None
    return message
