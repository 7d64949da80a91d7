"""The one waiting loop: events, a gate, a deadline.

Gates see objects only. Time is kept here: how long a pass has held (`settle`), how long something has been doomed
(`patience`), and the deadline, which holds whatever the server does because this loop blocks on a queue and never on
a socket. A verdict that would end the wait is first taken again on all kinds listed at one revision: streams are
independent of each other and may lag, so what they add up to need never have been. The first LIST of an only kind is
of one revision already: what is final on it ends the wait, and no stream is opened.
"""

import math
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.cluster.api import Cluster
from harness.deadline import Clock, Deadline
from harness.errors import ClusterError, HarnessError, VerdictFailed
from harness.exits import Exit
from harness.gates.combining import Step
from harness.gates.findings import named
from harness.objects import Key, Kind, Objects, key_of
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.reflector import (
    Changed,
    Confirmed,
    Listed,
    Message,
    Narrow,
    Opened,
    Refused,
    Stopped,
    Trouble,
    Watching,
)
from harness.waiting.store import Mirror
from harness.waiting.streams import Streams
from harness.waiting.transitions import last_transition


@dataclass(frozen=True)
class Judged:
    """What was judged and how: `seconds` after the wait began, `lag` seconds after the oldest news in it arrived."""

    objects: Objects
    verdict: Verdict
    seconds: float
    lag: float = 0.0


Observe = Callable[[Judged], None]

BURST_SECONDS = 0.02  # events that come closer together than this are judged together


@dataclass(frozen=True)
class Change:
    """The last object that was seen to change, and how many seconds before the end of the wait."""

    kind: Kind
    key: Key
    ago: float

    @property
    def name(self) -> str:
        """What a verdict on the object would have as its subject."""
        return named(self.kind, self.key)

    def __str__(self) -> str:
        return f"{self.kind} {'/'.join(filter(None, self.key))}, {self.ago:.1f} s earlier"


class GateFailed(VerdictFailed):
    """It will not become right by waiting; `verdict` carries the cause."""

    def __init__(self, verdict: Failed, seconds: float) -> None:
        super().__init__(verdict.reason, where=verdict.subject)
        self.verdict = verdict
        self.seconds = seconds


class Expired(VerdictFailed):
    """The deadline came first: `verdict` is the last one (None: no kind was ever complete), `missing` says by kind
    what could not be read and why, `change` is the last thing that moved, `transition` the last one of the subject.
    """

    def __init__(
        self,
        verdict: Verdict | None,
        missing: Mapping[Kind, str],
        change: Change | None,
        seconds: float,
        transition: str = "",
    ) -> None:
        reason = "nothing could be judged" if verdict is None else verdict.reason
        subject = "" if verdict is None else verdict.subject
        if isinstance(verdict, Passed):
            why = "this could not be confirmed" if missing or change is None else f"{change.name} kept changing"
            reason, subject = f"the check passed ({reason}), but {why}", subject or (change.name if change else "")
        if isinstance(verdict, Failed):
            reason = f"the check failed ({reason}), but this could not be confirmed"
        facts = [f"{kind}: {why}" for kind, why in missing.items()]
        if transition:
            facts.append(f"its last transition: {transition}")
        facts.append(f"last change: {change}" if change else "nothing changed meanwhile")
        super().__init__(f"after {seconds:.1f} s: {reason}", where=subject, do="\n  ".join(facts))
        self.verdict = verdict
        self.missing = missing
        self.change = change
        self.seconds = seconds


class Cancelled(HarnessError):
    """Somebody ended the wait from outside; nothing is known about the verdict."""

    exit = Exit.INTERRUPTED


def wait(
    cluster: Cluster,
    kinds: Iterable[Kind],
    gate: Step,
    deadline: Deadline,
    *,
    settle: float = 0.0,
    patience: float = math.inf,
    certain: float = math.inf,
    observe: Observe | None = None,
    cancelled: threading.Event | None = None,
    narrow: Mapping[Kind, Narrow] | None = None,
    streams: Streams | None = None,
) -> Passed:
    """Judge every change of `kinds` until `gate` passes and has passed, unchanged, for `settle` seconds.

    Raises GateFailed for a Failed at once, and for a Waiting whose subject was `doomed` for `patience` seconds, or
    certain to be for `certain` seconds;
    Expired at the deadline, never later than a second after it; Cancelled once `cancelled` is set; ApiError for an
    answer that asking again does not change (401, 403, 404, 405). Everything else is tried again until the deadline.
    `observe` sees everything that was judged, in order; the last is what the verdict rests on. `narrow` says which
    objects of a kind are looked at, where not all are. `streams` are those of others that this wait listens to.
    """
    watching = streams.watching(kinds, narrow) if streams else Watching(cluster, kinds, deadline.clock, narrow)
    watching.look_first()
    with watching:
        if cancelled is not None:
            watching.stop_on(cancelled)
        return _Wait(watching, gate, deadline, Standing(settle, patience, certain), observe).run()


class Standing:
    """The last verdict and since when it stands, in seconds of any clock: when it becomes final, without one."""

    def __init__(self, settle: float, patience: float, certain: float = math.inf) -> None:
        self._settle = settle
        self._patience = patience
        self._certain = certain
        self._since = 0.0
        self._certain_since = math.inf
        self.verdict: Verdict | None = None

    def heard(self, verdict: Verdict, now: float) -> None:
        """A pass stands while nothing about it changes, a doomed Waiting while its subject does not."""
        if self._what(verdict) is None or self._what(verdict) != self._what(self.verdict):
            self._since, self._certain_since = now, math.inf
        certain = isinstance(verdict, Waiting) and verdict.certain
        self._certain_since = min(self._certain_since, now) if certain else math.inf
        self.verdict = verdict

    @property
    def due(self) -> float:
        """When the verdict is final, should it stand until then; infinite for a hopeful Waiting."""
        match self.verdict:
            case Failed():
                return self._since
            case Passed():
                return self._since + self._settle
            case Waiting(doomed=cause) if cause:
                return min(self._since + self._patience, self._certain_since + self._certain)
        return math.inf

    @staticmethod
    def _what(verdict: Verdict | None) -> object:
        if isinstance(verdict, Waiting):
            return ("doomed", verdict.subject) if verdict.doomed else None
        return verdict


class _View:
    """What the messages add up to: mirrors, which kinds are complete, what is wrong, what moved last."""

    def __init__(self, kinds: Iterable[Kind], clock: Clock) -> None:
        self._clock = clock
        self._mirrors = {kind: Mirror() for kind in kinds}
        self._unlisted = set(self._mirrors)
        self._trouble: dict[Kind, ClusterError] = {}
        self._change: tuple[Kind, Key, float] | None = None
        self._heard: list[Message] = []  # the first two
        self.news: float | None = None  # when the first thing arrived that is not in the last objects taken

    @property
    def complete(self) -> bool:
        return not self._unlisted

    @property
    def fresh(self) -> bool:
        return self.news is not None

    @property
    def at_one_revision(self) -> bool:
        """Whether all that was heard is a LIST of this wait's own, which makes an only kind complete."""
        first = self._heard[0] if len(self._heard) == 1 else None
        return self.complete and isinstance(first, Listed) and first.fresh

    def take(self, message: Message) -> None:
        """Raises what can never be right again."""
        if len(self._heard) < 2 and not isinstance(message, Trouble):
            self._heard.append(message)
        match message:
            case Refused(error=error):
                raise error
            case Stopped():
                raise Cancelled("the wait was cancelled")
            case Trouble(kind, error):
                self._trouble[kind] = error
            case Opened(kind):
                self._trouble.pop(kind, None)
            case Listed(kind, listing, at):
                if kind in self._unlisted:
                    self.news = None  # nothing could be judged before
                self._unlisted.discard(kind)
                self._mirrors[kind].listed(listing.items, listing.resource_version)
                self._arrived(at)
            case Changed(kind, event, item, at):
                if self._mirrors[kind].changed(event, item):
                    self._change = (kind, key_of(item), at)
                    self._arrived(at)
            case Confirmed(listings):
                self._trouble.clear()
                for kind, listing in listings.items():
                    self._mirrors[kind].listed(listing.items, listing.resource_version)
                self._arrived(self._clock())

    def _arrived(self, at: float) -> None:
        self.news = at if self.news is None else self.news

    def objects(self) -> Objects:
        self.news = None
        return Objects({kind: mirror.items for kind, mirror in self._mirrors.items()})

    def missing(self) -> dict[Kind, str]:
        never = dict.fromkeys(sorted(self._unlisted, key=str), "not listed yet: no answer")
        return never | {kind: f"{'not listed yet: ' if kind in never else ''}{e}" for kind, e in self._trouble.items()}

    def last_transition(self, subject: str) -> str:
        """Of the object that a verdict calls "KIND NAMESPACE/NAME"; empty where it is none, or has none."""
        for kind, mirror in self._mirrors.items():
            for key, item in mirror.items.items():
                if subject == f"{kind.kind} {'/'.join(filter(None, key))}":
                    return last_transition(item)
        return ""

    def last_change(self) -> Change | None:
        if self._change is None:
            return None
        kind, key, at = self._change
        return Change(kind, key, self._clock() - at)


class _Wait:
    """One call of `wait`: takes messages, judges, and ends."""

    def __init__(
        self, watching: Watching, gate: Step, deadline: Deadline, standing: Standing, observe: Observe | None
    ) -> None:
        self._watching = watching
        self._gate = gate
        self._deadline = deadline
        self._standing = standing
        self._observe = observe
        self._now = deadline.clock
        self._begun = self._now()
        self._view = _View(watching.kinds, self._now)
        self._next_look = -math.inf  # not before this: bursts are judged once
        self._confirming = False

    def run(self) -> Passed:
        while True:
            for message in self._messages():
                self._view.take(message)
                if isinstance(message, Confirmed):
                    self._confirming = False
                    verdict = self._confirmed(message)
                    if verdict is not None:
                        return verdict
            if self._view.complete and self._view.fresh and self._now() >= self._next_look:
                news = self._view.news
                judged = self._judge(self._view.objects(), news)
                if self._view.at_one_revision and self._now() >= self._standing.due:
                    return self._final(judged)
                self._watching.follow()
                self._next_look = self._now() + BURST_SECONDS
            if not self._confirming and self._now() >= self._standing.due:
                self._confirming = True
                self._watching.confirm()
            if self._deadline.expired:
                raise self._expired()

    def _messages(self) -> list[Message]:
        """Everything that has arrived, or nothing once it is time to act without news."""
        act = self._deadline.at
        if not self._confirming:
            act = min(act, self._standing.due)
        if self._view.complete and self._view.fresh:
            act = min(act, self._next_look)
        messages = self._watching.messages
        try:
            first = self._now.receive(messages, max(0.0, act - self._now()))
        except queue.Empty:
            return []
        return [first, *(messages.get() for _ in range(messages.qsize()))]

    def _judge(self, objects: Objects, news: float | None = None) -> Verdict:
        verdict = self._gate(objects)
        now = self._now()
        self._standing.heard(verdict, now)
        if self._observe is not None:
            self._observe(Judged(objects, verdict, now - self._begun, 0.0 if news is None else now - news))
        return verdict

    def _confirmed(self, message: Confirmed) -> Passed | None:
        """Judge the consistent objects, unless the streams have brought other news since it was asked for."""
        if self._now() < self._standing.due:
            return None
        objects = Objects(
            {kind: {key_of(item): item for item in listing.items} for kind, listing in message.listings.items()}
        )
        verdict = self._judge(objects)
        return None if self._now() < self._standing.due else self._final(verdict)

    def _final(self, verdict: Verdict) -> Passed:
        match verdict:
            case Passed():
                return verdict
            case Waiting(doomed=cause, subject=subject):
                verdict = Failed(cause, subject, kind=verdict.kind)
        raise GateFailed(verdict, self._now() - self._begun)

    def _expired(self) -> Expired:
        verdict, view = self._standing.verdict, self._view
        transition = view.last_transition(verdict.subject) if verdict is not None else ""
        return Expired(verdict, view.missing(), view.last_change(), self._now() - self._begun, transition)
