"""LIST, then WATCH, then again: one thread per kind that tells a queue what happens, whatever the server does.

A stream that ends is never news. It is resumed from the last resourceVersion seen; after a 410, as a status or within
the stream, the kind is listed again. Backing off is for servers that answer with errors or end streams at once: a
stream that lived is resumed without delay.
"""

import queue
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from harness.cluster.api import ApiError, Cluster, Listing, Watch, transient
from harness.deadline import MONOTONIC, Clock
from harness.errors import ClusterError
from harness.objects import CLOCK, SERVED, Kind, Object, key_of

STREAM_SECONDS = 30.0  # the server ends a stream after this; one that is open later than that is dead, and is noticed
STREAM_GRACE = 5.0
LIST_SECONDS = 60.0  # all pages of a kind; a silent server is given up much sooner
SLOWEST_RETRY = 1.0
READING_PAUSE = 1.0  # seconds between two readings of what cannot be watched

_jitter = random.Random()  # not the one that tests and libraries seed


@dataclass(frozen=True)
class Listed:
    """`at`, here and below, is when it arrived, in seconds of the clock of the one who waits."""

    kind: Kind
    listing: Listing
    at: float
    fresh: bool = True  # asked for by this wait; else it is what others have heard so far


@dataclass(frozen=True)
class Opened:
    """A WATCH was answered: whatever trouble there was is over."""

    kind: Kind


@dataclass(frozen=True)
class Changed:
    """`event` is ADDED, MODIFIED or DELETED."""

    kind: Kind
    event: str
    item: dict[str, Any]
    at: float


@dataclass(frozen=True)
class Trouble:
    """Something that will be tried again."""

    kind: Kind
    error: ClusterError


@dataclass(frozen=True)
class Refused:
    """A hard error, which trying again would not change; or a defect, which must not look like a silent server."""

    error: Exception


@dataclass(frozen=True)
class Stopped:
    """Somebody else wants the wait to end."""


@dataclass(frozen=True)
class Confirmed:
    """Every kind as it was at one revision of the cluster."""

    listings: dict[Kind, Listing]


Message = Listed | Opened | Changed | Trouble | Refused | Stopped | Confirmed


class Told(Protocol):
    """Whoever hears messages: a queue, or one who passes them on."""

    def put(self, item: Message, /) -> None:
        """Must not block."""


@dataclass(frozen=True)
class Narrow:
    """Which objects of a kind are followed: of a namespace, of a name, with labels (a selector); empty is all.

    `reading`: by GET or LIST once a second, for those who may not watch.
    """

    namespace: str = ""
    name: str = ""
    labels: str = ""
    reading: bool = False

    @property
    def fields(self) -> str:
        return f"metadata.name={self.name}" if self.name else ""

    def selects(self, item: Object) -> bool:
        """By namespace and name. Labels change, so that whoever asks for some has to select by itself too."""
        namespace, name = key_of(item)
        return self.namespace in ("", namespace) and self.name in ("", name)


ALL = Narrow()


class Backoff:
    """Growing, jittered delays in seconds, from 0.05 to SLOWEST_RETRY, or longer where the server says so."""

    def __init__(self) -> None:
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next(self, error: ClusterError | None = None) -> float:
        longest = min(SLOWEST_RETRY, 0.05 * 2.0**self._failures)
        self._failures += 1
        asked = error.retry_after if isinstance(error, ApiError) else 0.0
        return max(asked, longest * _jitter.uniform(0.5, 1.0))


class Watching:
    """Follows `kinds` from `__enter__` to `__exit__`; `messages` holds what they tell.

    Leaving does not wait for the threads: open streams are shut down, and a request that hangs ends by its own
    timeout in a daemon thread that nobody listens to any more.
    """

    def __init__(
        self,
        cluster: Cluster,
        kinds: Iterable[Kind],
        clock: Clock = MONOTONIC,
        narrow: Mapping[Kind, Narrow] | None = None,
    ) -> None:
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.kinds = tuple(dict.fromkeys(kinds))
        self._cluster = cluster
        self._clock = clock
        self._narrow = narrow or {}
        self._over = threading.Event()
        self._following = threading.Event()
        self._following.set()
        self._followers = [self._follower(kind) for kind in self._own()]

    def _own(self) -> Iterable[Kind]:
        """The kinds that this wait asks for itself."""
        return self.kinds

    def _follower(self, kind: Kind) -> "Source":
        narrow = self._narrow.get(kind, ALL)
        if kind in NOT_WATCHED or narrow.reading:
            return _Reader(self._cluster, kind, narrow, self.messages, self._over, self._clock)
        return Follower(self._cluster, kind, narrow, self.messages, self._over, self._clock, self._following)

    def __enter__(self) -> Self:
        for follower in self._followers:
            self._start(follower.run, f"watch {follower.kind}")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._following.set()
        for follower in self._followers:
            follower.close()

    def look_first(self) -> None:
        """Before `__enter__`: open no stream of an only kind until `follow`; the LISTs of several are never final."""
        if len(self.kinds) == 1:
            self._following.clear()

    def follow(self) -> None:
        """Go on after the first LIST."""
        self._following.set()

    def stop_on(self, cancelled: threading.Event) -> None:
        """Tell `Stopped` as soon as `cancelled` is set."""

        def listen() -> None:
            while not self._over.is_set():
                if cancelled.wait(0.5):  # bounded only so that this thread ends soon after an undisturbed wait
                    self.messages.put(Stopped())
                    return

        self._start(listen, "watch cancellation")

    def confirm(self) -> None:
        """Tell `Confirmed`, once: every kind at one revision, whatever the streams have delivered so far."""

        def listings() -> None:
            backoff = Backoff()
            while not self._over.is_set():
                asked: list[Kind] = [self.kinds[0]]
                try:
                    self.messages.put(Confirmed(at_one_revision(self._cluster, self.kinds, self._narrow, asked)))
                    return
                except ClusterError as error:
                    if not _again(error):
                        raise
                    self.messages.put(Trouble(asked[-1], error))
                    self._clock.wait(self._over, backoff.next(error))

        self._start(listings, "watch confirmation")

    def _start(self, work: Callable[[], None], name: str) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - handed to the one who waits
                self.messages.put(Refused(error))

        threading.Thread(target=guarded, name=name, daemon=True).start()


@dataclass(eq=False)
class Source:
    """One kind, and what its news is told to."""

    _cluster: Cluster
    kind: Kind
    _narrow: Narrow
    _messages: Told
    _over: threading.Event
    _clock: Clock

    def run(self) -> None:
        """Tell until it is over."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open between two requests."""


@dataclass(eq=False)
class Follower(Source):
    """One kind: its last resourceVersion ("" asks for a new LIST) and the stream that is open, if one is."""

    _following: threading.Event  # no stream is opened before it is set
    _revision: str = ""

    def __post_init__(self) -> None:
        self._backoff = Backoff()
        self._expiries = Backoff()  # apart: the 410 of a server that is back must not wait as its absence did
        self._lock = threading.Lock()
        self._open: Watch | None = None

    def run(self) -> None:
        while not self._over.is_set():
            begun = self._clock()
            failure: ClusterError | None = None
            try:
                self._list_and_watch()
            except ClusterError as error:
                if not _again(error):
                    raise
                self._messages.put(Trouble(self.kind, error))
                failure = error
            if failure is None and self._clock() - begun > 1.0:
                self._backoff.reset()
            elif failure is not None and _expired(failure):
                self._revision = ""
                self._clock.wait(self._over, self._expiries.next(failure))
            else:
                self._clock.wait(self._over, self._backoff.next(failure))

    def close(self) -> None:
        with self._lock:
            stream = self._open
        if stream is not None:
            stream.close()

    def _list_and_watch(self) -> None:
        if not self._revision:
            listing = listed(self._cluster, self.kind, self._narrow)
            self._messages.put(Listed(self.kind, listing, self._clock()))
            self._revision = listing.resource_version
        self._following.wait()
        if self._over.is_set():
            return
        with self._cluster.watch(
            self.kind,
            self._revision,
            timeout=STREAM_SECONDS,
            grace=STREAM_GRACE,
            namespace=self._narrow.namespace,
            label_selector=self._narrow.labels,
            field_selector=self._narrow.fields,
        ) as stream:
            with self._lock:
                self._open = stream
            if self._over.is_set():
                return
            self._messages.put(Opened(self.kind))
            for event, item in stream:
                self._backoff.reset()
                self._expiries.reset()
                self._revision = str(item["metadata"]["resourceVersion"])
                if event != "BOOKMARK":
                    self._messages.put(Changed(self.kind, event, item, self._clock()))


class _Reader(Source):
    """One kind that cannot be watched, and is read again and again; trouble is told, and what was read before stays."""

    def run(self) -> None:
        while not self._over.is_set():
            try:
                listing = read(self._cluster, self.kind, self._narrow)
                self._messages.put(Listed(self.kind, listing, self._clock()))
                self._messages.put(Opened(self.kind))
            except ClusterError as error:
                if not _again(error):
                    raise
                self._messages.put(Trouble(self.kind, error))
            self._clock.wait(self._over, READING_PAUSE)


def at_one_revision(
    cluster: Cluster, kinds: Iterable[Kind], narrow: Mapping[Kind, Narrow], asked: list[Kind]
) -> dict[Kind, Listing]:
    """All kinds; what cannot be watched has no revision, and is read once more. `asked` gets each kind in turn."""
    found: dict[Kind, Listing] = {}
    revision, several = "", len(tuple(kinds)) > 1
    for kind in kinds:
        part = narrow.get(kind, ALL)
        asked.append(kind)
        if kind in NOT_WATCHED or part.reading:
            found[kind] = read(cluster, kind, part)
            continue
        if several and not revision:
            revision = cluster.revision(
                kind, namespace=part.namespace, field_selector=part.fields, timeout=LIST_SECONDS, attempts=1
            )
        found[kind] = listed(cluster, kind, part, at=revision)
    return found


def listed(cluster: Cluster, kind: Kind, narrow: Narrow, *, at: str = "") -> Listing:
    return cluster.list(
        kind,
        namespace=narrow.namespace,
        label_selector=narrow.labels,
        field_selector=narrow.fields,
        at=at,
        timeout=LIST_SECONDS,
        attempts=1,
    )


def read(cluster: Cluster, kind: Kind, narrow: Narrow) -> Listing:
    """What is there now, of a kind that is not watched: by GET where a name is known."""
    if kind == CLOCK:
        return Listing([{"metadata": {"name": "now"}, "now": datetime.now(UTC).isoformat()}], "")
    if kind == SERVED:
        return Listing([{"metadata": {"name": f"{version}/{name}"}} for version, name in cluster.kinds()], "")
    if narrow.name and (narrow.namespace or not kind.namespaced):
        item = cluster.get(kind, narrow.namespace, narrow.name)
        return Listing([] if item is None else [item], "")
    return listed(cluster, kind, narrow)


NOT_WATCHED = (CLOCK, SERVED)


def _again(error: ClusterError) -> bool:
    return transient(error) or _expired(error)


def _expired(error: ClusterError) -> bool:
    """The resourceVersion is too old (or, after a restore, too new): only a LIST helps."""
    return isinstance(error, ApiError) and error.status == 410
