"""Health checks on a cluster: each is one wait, four at once, and what simulated nodes cannot prove is told apart."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
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
from harness.verdict import Verdict, Waiting
from harness.waiting.loop import Expired, GateFailed, Judged, Observe, wait
from harness.waiting.reflector import Narrow

AT_ONCE = 4
# Groups of custom resources whose controllers run as processes of the harness, whatever nodes there are.
_CONTROLLED = ("argoproj.io", ".fluxcd.io")

Served = Mapping[tuple[str, str], Kind]  # by API version and kind
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
        """Every check, four at once, in their order. Raises Cancelled."""
        served = self.cluster.kinds()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="health") as pool:
            return list(pool.map(lambda check: self._one(check, served), checks))

    def _one(self, check: HealthCheck, served: Served) -> Checked:
        begun = self.clock()
        kept, skipped = plan(check.operations, simulated=self.simulated)
        result = Checked(check.component, check.name, Health.PASSED, "", notes=tuple(skipped))
        if not check.operations:
            return replace(result, health=Health.SKIPPED, message="it is annotated as checking nothing")
        if not kept:
            return replace(result, health=Health.SKIPPED, message=skipped[0])
        # The check may shorten its time and never extend it.
        seconds = min(check.seconds or self.within, self.within)
        deadline = self.until.within(seconds) if self.until else Deadline.after(seconds, clock=self.clock)
        try:
            message = self._wait(kept, served, deadline)
        except (GateFailed, Expired, ClusterError) as error:
            result = replace(result, health=Health.FAILED, message=str(error))
        else:
            proven = not self.simulated or all(_needs(each) < EXECUTION for each in kept)
            result = replace(result, health=Health.PASSED if proven and not skipped else Health.SIMULATED)
            result = replace(result, message=message)
        return replace(result, seconds=self.clock() - begun)

    def _wait(self, operations: Sequence[Operation], served: Served, deadline: Deadline) -> str:
        kinds = self._kinds(operations, served, deadline)
        looks = [Look(each.step, each.wanted, each.document, kinds[_kind(each)]) for each in operations]
        return self._until(Healthy(tuple(looks)), deadline)

    def _kinds(self, operations: Sequence[Operation], served: Served, deadline: Deadline) -> Served:
        """The kinds as the server serves them; those that it does not know are waited for, as for any object."""
        wanted = dict.fromkeys(map(_kind, operations))
        missing = tuple(f"{version}/{kind}" for version, kind in wanted if (version, kind) not in served)
        if missing:
            self._until(AllServed(missing), deadline)
            served = self.cluster.kinds()
        return {each: served[each] for each in wanted}

    def _until(self, gate: Healthy | AllServed, deadline: Deadline) -> str:
        remembering = Remembering(gate)
        secret = any(kind.kind == "Secret" for kind in gate.kinds)  # nothing of them goes into a recording
        if self.recorded is None or secret:
            return self._waited(gate, remembering, deadline, None)
        with self.recorded(gate, deadline.remaining) as observe:
            return self._waited(gate, remembering, deadline, observe)

    def _waited(self, gate: Gate, step: "Remembering", deadline: Deadline, observe: Observe | None) -> str:
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
        ).reason


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


def narrowed(looks: Iterable[Look]) -> dict[Kind, Narrow]:
    """The part of each kind that is looked at: one namespace, or one object, where all of its looks say the same."""
    targets: dict[Kind, set[tuple[str, str]]] = {}
    for look in looks:
        targets.setdefault(look.kind, set()).add((look.target.namespace, look.target.name))
    narrow = {}
    for kind, places in targets.items():
        namespaces, names = {namespace for namespace, _ in places}, {name for _, name in places}
        name = names.pop() if len(places) == 1 else ""
        narrow[kind] = Narrow(namespaces.pop() if len(namespaces) == 1 else "", name)
    return narrow


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
    """Whether the nodes of a cluster run nothing: one of them is KWOK's."""
    nodes = cluster.list(NODES).items
    return any(KWOK_NODE_ANNOTATION in (node["metadata"].get("annotations") or {}) for node in nodes)


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


def _kind(operation: Operation) -> tuple[str, str]:
    return str(operation.document["apiVersion"]), str(operation.document["kind"])


def _needs(operation: Operation) -> int:
    return proof_of(claims_of(operation.document))


def _controlled(api_version: str) -> bool:
    """Whether what writes the status of a group's kinds runs: Kubernetes itself, or a process of the harness."""
    group = api_version.rpartition("/")[0]
    return "." not in group or group.endswith((".k8s.io", *_CONTROLLED))
