"""Tells controllers to look now at what waits for nothing any more, instead of when their own clocks next ring.

What is tested stays the same: a controller that is told to look does what it would have done some seconds later. It
happens beside the wait, in a thread of its own, and nothing depends on it.
"""

import math
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from harness.cluster.api import Cluster
from harness.objects import Key, Kind, Objects
from harness.processes.threads import Background
from harness.waiting.loop import Judged, Observe

Subject = tuple[Kind, Key]
Idle = Callable[[Objects], Mapping[Subject, str]]  # what need not wait any longer, and why not
Tell = Callable[[Kind, Key, str, str], None]  # of whom, why, and what went wrong, if anything did


@dataclass(frozen=True)
class Hasten:
    """`annotation` gets a value of `token` when an object was `idle`, for the same reason, for `after` seconds, and
    each time that it has been so for `again` seconds more.
    """

    idle: Idle
    annotation: str
    token: Callable[[], str]
    after: float = 0.0
    again: float = math.inf


class Agenda:
    """Who is idle since when, in seconds of any clock; each is due `after` so many of a reason that stands, and then
    `again` after as many more.
    """

    def __init__(self, after: float, again: float = math.inf) -> None:
        self._after, self._again = after, again
        self._idle: dict[tuple[Subject, str], float] = {}  # when each is due

    def heard(self, idle: Mapping[Subject, str], now: float) -> None:
        """This is all that is idle now."""
        self._idle = {each: self._idle.get(each, now + self._after) for each in idle.items()}

    def due(self, now: float) -> list[tuple[Subject, str]]:
        found = [each for each, at in self._idle.items() if at <= now]
        self._idle |= dict.fromkeys(found, now + self._again)
        return found

    @property
    def next(self) -> float:
        return min(self._idle.values(), default=math.inf)


@contextmanager
def hastening(hastens: Sequence[Hasten], cluster: Cluster, tell: Tell) -> Iterator[Observe]:
    """What a wait's observer sees in the block is hastened; leaving it waits for nothing."""
    heard: list[queue.SimpleQueue[Objects | None]] = []
    for hasten in hastens:
        heard.append(queue.SimpleQueue())
        Background(partial(_work, hasten, cluster, tell, heard[-1]), "hastening")

    def observe(judged: Judged) -> None:
        for inbox in heard:
            inbox.put(judged.objects)

    try:
        yield observe
    finally:
        for inbox in heard:
            inbox.put(None)


def _work(hasten: Hasten, cluster: Cluster, tell: Tell, inbox: "queue.SimpleQueue[Objects | None]") -> None:
    agenda = Agenda(hasten.after, hasten.again)
    while True:
        left = agenda.next - time.monotonic()
        try:
            objects = inbox.get(timeout=None if left == math.inf else max(0.0, left))
            while objects is not None and not inbox.empty():
                objects = inbox.get()
            if objects is None:
                return
            agenda.heard(hasten.idle(objects), time.monotonic())
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
