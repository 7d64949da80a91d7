"""Tells controllers to look now at what waits for nothing any more, instead of when their own clocks next ring.

What is tested stays the same: a controller that is told to look does what it would have done some seconds later. It
happens beside the wait, in a thread of its own, and nothing depends on it.
"""

import math
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from harness.background import Background
from harness.cluster import Cluster
from harness.snapshot import Key, Kind, Snapshot
from harness.waiting import Judged, Observe

Subject = tuple[Kind, Key]
Idle = Callable[[Snapshot], Mapping[Subject, str]]  # what need not wait any longer, and why not
Tell = Callable[[Kind, Key, str, str], None]  # of whom, why, and what went wrong, if anything did


@dataclass(frozen=True)
class Hasten:
    """`annotation` gets a value of `token` when an object has been `idle`, for the same reason, for `after` seconds."""

    idle: Idle
    annotation: str
    token: Callable[[], str]
    after: float = 0.0


class Agenda:
    """Who is idle since when, in seconds of any clock; each is due once for a reason that stands."""

    def __init__(self, after: float) -> None:
        self._after = after
        self._idle: dict[tuple[Subject, str], float] = {}  # when each is due; never again once it was

    def heard(self, idle: Mapping[Subject, str], now: float) -> None:
        """This is all that is idle now."""
        self._idle = {each: self._idle.get(each, now + self._after) for each in idle.items()}

    def due(self, now: float) -> list[tuple[Subject, str]]:
        found = [each for each, at in self._idle.items() if at <= now]
        self._idle |= dict.fromkeys(found, math.inf)
        return found

    @property
    def next(self) -> float:
        return min(self._idle.values(), default=math.inf)


@contextmanager
def hastening(hasten: Hasten | None, cluster: Cluster, tell: Tell) -> Iterator[Observe]:
    """What a wait's observer sees in the block is hastened; leaving it waits for nothing."""
    if hasten is None:
        yield lambda judged: None
        return
    snapshots: queue.SimpleQueue[Snapshot | None] = queue.SimpleQueue()

    def observe(judged: Judged) -> None:
        snapshots.put(judged.snapshot)

    Background(lambda: _work(hasten, cluster, tell, snapshots), "hastening")
    try:
        yield observe
    finally:
        snapshots.put(None)


def _work(hasten: Hasten, cluster: Cluster, tell: Tell, snapshots: "queue.SimpleQueue[Snapshot | None]") -> None:
    agenda = Agenda(hasten.after)
    while True:
        left = agenda.next - time.monotonic()
        try:
            snapshot = snapshots.get(timeout=None if left == math.inf else max(0.0, left))
            while snapshot is not None and not snapshots.empty():
                snapshot = snapshots.get()
            if snapshot is None:
                return
            agenda.heard(hasten.idle(snapshot), time.monotonic())
        except queue.Empty:
            pass
        for (kind, key), why in agenda.due(time.monotonic()):
            patch = {"metadata": {"annotations": {hasten.annotation: hasten.token()}}}
            problem = ""
            try:
                cluster.patch_merge(kind, *key, patch)
            except Exception as error:  # noqa: BLE001 - told, and otherwise as if nobody had tried
                problem = str(error)
            tell(kind, key, why, problem)
