"""Health checks on a cluster: each is one wait, four at once, and what simulated nodes cannot prove is told apart.

All that the checks look at is listed once, at one revision: what is final there is not waited for. The others listen
to the same streams (harness.validation.health_objects).
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.assertions.proof import claims_of, proof_of
from harness.assertions.proof_fields import API, EXECUTION
from harness.cluster.api import Cluster
from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import ClusterError, VerdictFailed
from harness.gates.findings import Gate
from harness.gates.health import AllServed, Healthy, Look
from harness.names import KWOK_NODE_ANNOTATION
from harness.objects import NODES, Kind, Objects
from harness.validation.health_checks import HealthCheck, Operation
from harness.validation.health_objects import AtOnce, looked_at_once, narrowed
from harness.verdict import Failed, Verdict, Waiting
from harness.waiting.loop import Expired, GateFailed, Judged, Observe, wait
from harness.waiting.streams import Streams

AT_ONCE = 4
# Groups of custom resources whose controllers run as processes of the harness, whatever nodes there are.
_CONTROLLED = ("argoproj.io", ".fluxcd.io")

Served = Mapping[tuple[str, str], Kind]  # by API version and kind
Planned = tuple[Sequence[Operation], Sequence[str]]  # those that can be judged, and why the others cannot
Recorded = Callable[[Gate, float], AbstractContextManager[Observe]]  # has a wait recorded: Recorder.wait


class Health(StrEnum):
    """What a check said. SIMULATED: it held, on nodes that run nothing. SKIPPED: nothing in it could be judged."""

    PASSED = "passed"
    SIMULATED = "simulated"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Checked:
    """One check and its result; `notes` are what its verdict does not cover, `seconds` what it took."""

    component: str
    name: str
    health: Health
    message: str
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"[chainsaw] {self.component}: health check {self.health}: {self.message}"

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "component": self.component,
            "check": self.name,
            "status": self.health.value,
            "message": self.message,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


class Unhealthy(VerdictFailed):
    """A health check failed; the message has each that did."""


@dataclass(frozen=True)
class Checking:
    """How checks are judged: for at most `within` seconds each, `grace` for an object that was never seen.

    `simulated`: the nodes run nothing. `recorded` has each wait recorded. No check goes on beyond `until`.
    """

    cluster: Cluster
    simulated: bool
    within: float
    grace: float
    recorded: Recorded | None = None
    cancelled: threading.Event | None = None
    clock: Clock = MONOTONIC
    until: Deadline | None = None

    def all(self, checks: Iterable[HealthCheck]) -> list[Checked]:
        """Every check, in their order: at once where it is final, the others four at once. Raises Cancelled."""
        checks, served = list(checks), self.cluster.kinds()
        plans = [plan(check.operations, simulated=self.simulated) for check in checks]
        looks = [_looks(kept, served) for kept, _ in plans]
        first = looked_at_once(self.cluster, [look for each in looks for look in each or ()])
        results = [
            self._at_once(check, planned, each, first)
            for check, planned, each in zip(checks, plans, looks, strict=True)
        ]
        with (
            Streams(self.cluster, first.listings, first.narrow, self.clock) as streams,
            ThreadPoolExecutor(AT_ONCE, thread_name_prefix="health") as pool,
        ):
            waits = {
                number: pool.submit(self._one, check, plans[number], served, streams)
                for number, check in enumerate(checks)
                if results[number] is None
            }
            return [result or waits[number].result() for number, result in enumerate(results)]

    def _at_once(
        self, check: HealthCheck, planned: Planned, looks: Sequence[Look] | None, first: AtOnce
    ) -> Checked | None:
        """What is certain without waiting: nothing can be judged, or it is final on what was listed; None else."""
        kept, skipped = planned
        if not check.operations:
            return Checked(check.component, check.name, Health.SKIPPED, "it is annotated as checking nothing")
        if not kept:
            return Checked(check.component, check.name, Health.SKIPPED, skipped[0], notes=tuple(skipped))
        if looks is None or (self.until is not None and self.until.expired):
            return None
        objects = first.of(looks)
        if objects is None:
            return None
        gate = Healthy(tuple(looks))
        verdict = gate(objects)
        if isinstance(verdict, Waiting):
            return None
        try:
            with self._recording(gate, min(check.seconds or self.within, self.within)) as observe:
                if observe is not None:
                    observe(Judged(objects, verdict, 0.0))
                if isinstance(verdict, Failed):
                    raise GateFailed(verdict, 0.0)
        except GateFailed as failed:
            return self._ended(check, planned, str(failed), holds=False)
        return self._ended(check, planned, verdict.reason, holds=True)

    def _one(self, check: HealthCheck, planned: Planned, served: Served, streams: Streams) -> Checked:
        begun = self.clock()
        # The check may shorten its time and never extend it.
        seconds = min(check.seconds or self.within, self.within)
        deadline = self.until.within(seconds) if self.until else Deadline.after(seconds, clock=self.clock)
        try:
            kinds = self._kinds(planned[0], served, deadline)
            reason, holds = self._until(Healthy(tuple(_looks(planned[0], kinds) or ())), deadline, streams), True
        except (GateFailed, Expired, ClusterError) as error:
            reason, holds = str(error), False
        return replace(self._ended(check, planned, reason, holds=holds), seconds=self.clock() - begun)

    def _ended(self, check: HealthCheck, planned: Planned, reason: str, *, holds: bool) -> Checked:
        kept, skipped = planned
        proven = not skipped and (not self.simulated or all(_needs(each) < EXECUTION for each in kept))
        health = (Health.PASSED if proven else Health.SIMULATED) if holds else Health.FAILED
        return Checked(check.component, check.name, health, reason, notes=tuple(skipped))

    def _kinds(self, operations: Sequence[Operation], served: Served, deadline: Deadline) -> Served:
        """The kinds as the server serves them; those that it does not know are waited for, as for any object."""
        wanted = dict.fromkeys(map(_kind, operations))
        missing = tuple(f"{version}/{kind}" for version, kind in wanted if (version, kind) not in served)
        if missing:
            self._until(AllServed(missing), deadline, None)
            served = self.cluster.kinds()
        return {each: served[each] for each in wanted}

    def _until(self, gate: Healthy | AllServed, deadline: Deadline, streams: Streams | None) -> str:
        step = Remembering(gate)
        with self._recording(gate, deadline.remaining) as observe:

            def seen(judged: Judged) -> None:
                if observe is not None:
                    observe(replace(judged, verdict=step.said))

            return wait(
                self.cluster,
                gate.kinds,
                step,
                deadline,
                patience=self.grace,
                observe=seen,
                cancelled=self.cancelled,
                narrow=narrowed(gate.looks) if isinstance(gate, Healthy) else None,
                streams=streams,
            ).reason

    def _recording(self, gate: Healthy | AllServed, within: float) -> AbstractContextManager[Observe | None]:
        """Nothing of Secrets goes into a recording."""
        if self.recorded is None or any(kind.kind == "Secret" for kind in gate.kinds):
            return nullcontext()
        return self.recorded(gate, within)


class Remembering:
    """A gate that dooms what is absent only until it was seen once: what was there and is gone keeps its time.

    `said` is what the gate itself said last, which is what a recording holds.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._seen: set[str] = set()
        self.said: Verdict = Waiting("nothing was judged yet")

    def __call__(self, objects: Objects) -> Verdict:
        verdict = self.said = self._gate(objects)
        if isinstance(self._gate, Healthy):
            self._seen.update(look.subject for look in self._gate.looks if look.found(objects))
        if isinstance(verdict, Waiting) and verdict.subject in self._seen:
            return replace(verdict, doomed="")
        return verdict


def plan(operations: Iterable[Operation], *, simulated: bool) -> tuple[list[Operation], list[str]]:
    """Those that can be judged, and why the others cannot.

    On simulated nodes nobody writes the status of a custom resource whose controller would be a pod.
    """
    kept, skipped = [], []
    for operation in operations:
        version, kind = _kind(operation)
        if simulated and not _controlled(version) and _needs(operation) > API:
            skipped.append(
                f'step "{operation.step}": the controller of {kind} ({version}) does not run on simulated nodes'
            )
        else:
            kept.append(operation)
    return kept, skipped


def simulated(cluster: Cluster) -> bool:
    """Whether the nodes of a cluster run nothing: there is none, or one of them is KWOK's."""
    nodes = cluster.list(NODES).items
    return not nodes or any(KWOK_NODE_ANNOTATION in (node["metadata"].get("annotations") or {}) for node in nodes)


def require_healthy(results: Sequence[Checked]) -> str:
    """How many results there are of each kind. Raises Unhealthy with each that failed, or where none was judged."""
    failed = [each for each in results if each.health is Health.FAILED]
    if failed:
        raise Unhealthy(f"{len(failed)} of {len(results)} health checks failed\n" + "\n".join(map(str, failed)))
    if not any(each.health in (Health.PASSED, Health.SIMULATED) for each in results):
        reasons = "\n".join(map(str, results))
        raise Unhealthy(f"no health check was judged\n{reasons}" if results else "no component has a health check")
    counted = {health: sum(each.health is health for each in results) for health in Health}
    return ", ".join(f"{number} {health}" for health, number in counted.items() if number)


def told(results: Iterable[Checked]) -> list[str]:
    """What a reader of a green run must know: what was simulated, what was skipped and why."""
    notes = []
    for each in results:
        if each.health is Health.SIMULATED:
            notes.append(f"{each.component}: healthy on simulated nodes only, which does not prove that anything runs")
        if each.health is Health.SKIPPED or each.notes:
            notes += [f"{each.component}: health check not judged: {note}" for note in each.notes]
    return notes


def _looks(operations: Iterable[Operation], served: Served) -> list[Look] | None:
    """None where a kind is not served."""
    operations = list(operations)
    if not all(_kind(each) in served for each in operations):
        return None
    return [Look(each.step, each.wanted, each.document, served[_kind(each)]) for each in operations]


def _kind(operation: Operation) -> tuple[str, str]:
    return str(operation.document["apiVersion"]), str(operation.document["kind"])


def _needs(operation: Operation) -> int:
    return proof_of(claims_of(operation.document))


def _controlled(api_version: str) -> bool:
    """Whether what writes the status of a group's kinds runs: Kubernetes itself, or a process of the harness."""
    group = api_version.rpartition("/")[0]
    return "." not in group or group.endswith((".k8s.io", *_CONTROLLED))
