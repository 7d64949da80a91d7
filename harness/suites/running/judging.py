"""One assert or error on a cluster: which kinds are watched for it, the wait, and what there is to say at its end.

Where listing and watching are forbidden the objects are read once a second, and the finding says so.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event
from typing import cast

from harness.assertions.candidates import Judgement, Standing, Target
from harness.assertions.errors import TreeInvalid
from harness.assertions.outcome import CannotEvaluate, Holds, NotYet
from harness.assertions.report import diff, reference, told
from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.evidence.recorder import Recorder
from harness.gates.assertions import Asserted, KindServed, Unwatched
from harness.gates.findings import Gate
from harness.objects import SERVED, Kind, Object, Objects
from harness.suites.record import Status
from harness.suites.running.clients import Client, KindUnknown
from harness.verdict import Passed, Waiting
from harness.waiting.loop import Expired, GateFailed, Judged, Observe, wait
from harness.waiting.reflector import Narrow

SHOWN = 5  # objects of a finding
_NO_CLUSTER = cast(Cluster, None)  # for waits that look at the clock only


@dataclass(frozen=True)
class Finding:
    """What became of one document. `changed`: the objects that were looked at, and seconds since each last changed."""

    status: Status
    message: str = ""
    diff: str = ""
    candidates: int | None = None
    matched: int | None = None
    vacuous: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    changed: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    output: str = ""  # of the program that failed
    items: tuple[Object, ...] = ()  # those that fit, or all that were looked at where none does


class Judging:
    """Judges documents on one cluster, or (None) on none. May be used from many threads."""

    def __init__(self, client: Client | None, recorder: Recorder | None = None, cancelled: Event | None = None) -> None:
        self._client = client
        self._recorder = recorder
        self._cancelled = cancelled

    def judge(self, gate: Asserted, deadline: Deadline) -> Finding:
        """Waits until the document holds, cannot be evaluated, or the deadline comes. Raises Cancelled."""
        try:
            target = gate.target()
        except TreeInvalid as error:
            return Finding(Status.ERROR, str(error))
        if isinstance(target, CannotEvaluate):
            return Finding(Status.ERROR, str(target))
        if target is not None:
            if self._client is None:
                return Finding(Status.ERROR, f"{target.kind}: no cluster is connected")
            try:
                gate = replace(gate, kind=self._kind(self._client, target, gate, deadline))
            except (ClusterError, KindUnknown) as error:
                return Finding(Status.ERROR, str(error))
            except Expired as expired:
                return Finding(Status.FAILED, expired.what)
        return _Watched(self._client, gate, deadline, self._recorder, self._cancelled).finding()

    def _kind(self, client: Client, target: Target, gate: Asserted, deadline: Deadline) -> Kind:
        """For an assert, waits for a kind that a definition may still bring."""
        try:
            return client.kind(target.api_version, target.kind)
        except KindUnknown as error:
            if not gate.wanted or not error.may_come:
                raise
        served = KindServed(target.api_version, target.kind)
        until_passed(client.cluster, served, deadline, self._recorder, self._cancelled)
        client.forget()
        return client.kind(target.api_version, target.kind)


class _Watched:
    """The wait for one document: what it watches grows with what its expressions ask for."""

    def __init__(
        self,
        client: Client | None,
        gate: Asserted,
        deadline: Deadline,
        recorder: Recorder | None,
        cancelled: Event | None,
    ) -> None:
        self._client = client
        self._gate = gate
        self._deadline = deadline
        self._recorder = recorder
        self._cancelled = cancelled
        self._reading = False
        self._notes: list[str] = []
        self._last = Objects({})

    def finding(self) -> Finding:
        while True:
            try:
                # What is asked of nothing is mostly what will be asked: so few waits begin in vain.
                self._gate.judge(Objects({kind: {} for kind in self._gate.kinds}))
                return self._wait() if self._gate.kinds else self._at_once()
            except Unwatched as unwatched:
                if (refused := self._watch_too(unwatched)) is not None:
                    return refused
            except ApiError as error:
                if error.status == 404 and self._came_back():
                    continue
                if error.status not in (403, 405) or self._reading:
                    return self._ended(Status.ERROR, str(error))
                self._reading = True
                self._notes.append(f"read once a second, since it may not be watched: {error.what}")
            except GateFailed as failed:
                return self._ended(Status.ERROR, failed.what)
            except Expired as expired:
                return self._expired(expired)
            except ClusterError as error:
                return self._ended(Status.ERROR, str(error))

    def _wait(self) -> Finding:
        gate, cluster = self._gate, self._client.cluster if self._client else _NO_CLUSTER
        self._last = Objects({kind: {} for kind in gate.kinds})
        passed = until_passed(
            cluster, gate, self._deadline, self._recorder, self._cancelled, observe=self._seen, narrow=self._narrowed()
        )
        return self._ended(Status.PASSED, passed.reason)

    def _at_once(self) -> Finding:
        """Nothing that it looks at can change."""
        verdict = self._gate(Objects({}))
        if isinstance(verdict, Passed):
            return self._ended(Status.PASSED, verdict.reason)
        return self._ended(Status.FAILED if isinstance(verdict, Waiting) else Status.ERROR, verdict.reason)

    def _seen(self, judged: Judged) -> None:
        self._last = judged.objects

    def _watch_too(self, unwatched: Unwatched) -> Finding | None:
        """Look at one more kind from now on; a finding where there is no cluster to look at."""
        if self._client is None:
            return Finding(Status.ERROR, "an expression reads objects, but no cluster is connected")
        gate = self._gate
        if not unwatched.kind:
            self._gate = replace(gate, watched=(*gate.watched, SERVED))
            return None
        names = dict.fromkeys((unwatched.kind, unwatched.kind.removesuffix("List")))
        found = next(filter(None, (self._client.find(unwatched.api_version, name) for name in names)), None)
        if found is None:
            unknown = f"{unwatched.api_version}/{unwatched.kind}"
            self._gate = replace(gate, unknown=(*gate.unknown, unknown))
        else:
            self._gate = replace(gate, watched=(*gate.watched, found))
        return None

    def _narrowed(self) -> dict[Kind, Narrow]:
        """Expressions may ask for any object of a kind; the document itself is about some."""
        narrow = {kind: Narrow(reading=self._reading) for kind in self._gate.kinds}
        target, kind = self._gate.target(), self._gate.kind
        if isinstance(target, Target) and kind is not None and kind not in self._gate.watched:
            labels = "" if target.name else ",".join(f"{key}={value}" for key, value in target.labels)
            narrow[kind] = Narrow(
                target.namespace if kind.namespaced else "", target.name, labels, reading=self._reading
            )
        return narrow

    def _came_back(self) -> bool:
        """Whether a kind that the server did not know is known all the same: a definition was just made anew."""
        kind = self._gate.kind
        if kind is None or self._client is None or self._deadline.expired:
            return False
        self._client.forget()
        self._deadline.clock.sleep(0.2)
        return self._client.find(kind.api_version, kind.kind) is not None

    def _expired(self, expired: Expired) -> Finding:
        if expired.verdict is None:
            return self._ended(Status.ERROR, f"{expired.what}\n{expired.do}")
        self._notes += [f"{kind}: {why}" for kind, why in expired.missing.items()]
        return self._ended(Status.FAILED, f"timed out after {expired.seconds:.1f} s: {expired.verdict.reason}")

    def _ended(self, status: Status, message: str) -> Finding:
        gate = self._gate
        try:
            judgement = gate.judge(self._last)
        except (KeyError, Unwatched):  # nothing was ever shown
            judgement = Judgement(Standing.NOT_YET)
        differing, compared = message, ""
        if status is Status.FAILED and judgement.nearest is not None and gate.wanted:
            differing, compared = _told(gate, judgement, self._last)
            differing = f"{message.partition(': ')[0]}: {differing}" if message.startswith("timed out") else differing
        about = gate.kind is not None
        looked = _looked_at(gate, self._last, judgement) if about else ()
        return Finding(
            status,
            differing,
            compared,
            judgement.candidates if about else None,
            judgement.matched if about else None,
            judgement.vacuous,
            tuple(name for name, _ in looked),
            looked,
            tuple(self._notes),
            items=_fitting(gate, self._last) if about else (),
        )


def _told(gate: Asserted, judgement: Judgement, objects: Objects) -> tuple[str, str]:
    """How many match, and the lines and the diff of the nearest, which differs in the fewest places."""
    nearest = judgement.nearest
    if nearest is None:
        return judgement.text, ""
    expected = gate.rendered(objects)
    outcome = gate.compare(nearest, objects)
    lines = told(outcome.lines()) if isinstance(outcome, NotYet) else [str(outcome)]
    counted = f"{judgement.matched} of {judgement.candidates} matched"
    shown = f"{counted}; the nearest is {reference(nearest)}" if judgement.candidates > 1 else reference(nearest)
    return "\n".join([shown, *(f"* {line}" for line in lines)]), diff(expected, nearest)


def _looked_at(gate: Asserted, objects: Objects, judgement: Judgement) -> tuple[tuple[str, float], ...]:
    """The nearest object first, then others, each with the seconds since it last changed."""
    if gate.kind is None or gate.kind not in objects.kinds:
        return ()
    target = gate.target()
    items = [item for item in objects.all(gate.kind) if isinstance(target, Target) and target.selects(item)]
    items.sort(key=lambda item: item is not judgement.nearest)
    now = datetime.now(UTC)
    return tuple((_name(item), _age(item, now)) for item in items[:SHOWN])


def _fitting(gate: Asserted, objects: Objects) -> tuple[Object, ...]:
    """The objects that the document holds of; all that it is about where it holds of none."""
    target = gate.target()
    if gate.kind is None or gate.kind not in objects.kinds or not isinstance(target, Target):
        return ()
    about = [item for item in objects.all(gate.kind) if target.selects(item)]
    try:
        fitting = [item for item in about if isinstance(gate.compare(item, objects), Holds)]
    except Unwatched:
        fitting = []
    return tuple(fitting or about)


def _name(item: Object) -> str:
    metadata = item["metadata"]
    return f"{item['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def _age(item: Object, now: datetime) -> float:
    """Since its last change, as far as the object itself tells: whole seconds, by the server's clock."""
    metadata = item["metadata"]
    times = [str(entry.get("time") or "") for entry in metadata.get("managedFields") or ()]
    latest = max([str(metadata.get("creationTimestamp") or ""), *times])
    try:
        return max(0.0, round((now - datetime.fromisoformat(latest)).total_seconds(), 1))
    except (ValueError, TypeError):
        return 0.0


def until_passed(
    cluster: Cluster,
    gate: Gate,
    deadline: Deadline,
    recorder: Recorder | None,
    cancelled: Event | None,
    *,
    observe: Observe | None = None,
    narrow: Mapping[Kind, Narrow] | None = None,
) -> Passed:
    """Wait until the gate passes, recorded where there is a recorder. Raises what `wait` raises."""
    kinds = tuple(gate.kinds)
    with recorded(recorder, gate, kinds, deadline.remaining, observe) as seen:
        return wait(cluster, kinds, gate, deadline, observe=seen, cancelled=cancelled, narrow=narrow)


@contextmanager
def recorded(
    recorder: Recorder | None,
    gate: Gate,
    kinds: tuple[Kind, ...],
    within: float,
    observe: Observe | None = None,
) -> Iterator[Observe | None]:
    """Has the wait in the block recorded, where there is a recorder."""
    if recorder is None or any(kind.kind == "Secret" for kind in kinds):
        if recorder is not None:
            recorder.note("a wait on Secrets is not recorded")
        yield observe
        return
    with recorder.wait(kinds, gate, within=within, observe=observe) as seen:
        yield seen
