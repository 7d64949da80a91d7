"""Takes what a cell installed away again, where a cluster is kept: until the objects are those that were there before.

First what stands in the way (webhooks and API services that nobody serves), then the releases, the newest first, which
is the reverse of their dependencies; then whatever is left, by comparison with the inventory from before, in rounds:
plan, do, watch it go, look again. At the deadline it stops and says what remains: such a cluster is to be replaced.

The caller has made sure that the cluster is ours (`harness.cluster.ownership`).
"""

from collections.abc import Callable, Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from harness.cluster.api import ApiError, Cluster, address
from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError
from harness.excerpts import first_line
from harness.isolation import plan
from harness.isolation.inventory import Difference, Entry, Inventory, compare, condition_taints, take
from harness.isolation.plan import CLEARING, Step
from harness.objects import NODES, PERSISTENT_VOLUMES, PODS, Objects, Reference
from harness.progress import Progress
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, wait

TASK = "cleanup"
_ROUNDS = 50  # more would mean that something makes objects as fast as they are taken away
_ROUND_SECONDS = 10.0  # after which what does not go by itself is helped
_RELEASE_SECONDS = 15.0  # for a hook: those that end at all on simulated nodes end in seconds
_REQUEST_SECONDS = 10.0
_PARALLEL = 8


class Releases(Protocol):
    """What `harness.helm.client.Helm` does about releases."""

    def releases(self) -> list[dict[str, Any]]: ...

    def uninstall(self, release: str, namespace: str, *, timeout: float) -> object: ...


@dataclass(frozen=True)
class CleanupReport:
    """`remaining`: what differs from before, a line each; empty: the cluster can be used again. `notes`: what went
    wrong on the way. `removed` counts the objects that were new when it began.
    """

    remaining: tuple[str, ...]
    notes: tuple[str, ...]
    removed: int
    seconds: float

    @property
    def clean(self) -> bool:
        return not self.remaining


def restore(
    cluster: Cluster, helm: Releases, before: Inventory, deadline: Deadline, progress: Progress
) -> CleanupReport:
    """Bring the cluster back to `before`. Raises nothing of the harness's own: what fails is in the report."""
    begun = deadline.clock()
    work = _Cleanup(cluster, helm, before, deadline, progress)
    progress.started(TASK)
    try:
        remaining = work.run()
    except ClusterError as error:
        remaining = (f"the cluster cannot be read: {error}",)
    if remaining:
        progress.failed(TASK, f"{len(remaining)} differences remain: {remaining[0]}")
    else:
        progress.finished(TASK, f"{work.found} objects")
    notes = tuple(dict.fromkeys(work.notes))
    return CleanupReport(remaining, notes, work.found, deadline.clock() - begun)


class _Cleanup:
    def __init__(
        self, cluster: Cluster, helm: Releases, before: Inventory, deadline: Deadline, progress: Progress
    ) -> None:
        self._cluster = cluster
        self._helm = helm
        self._before = before
        self._deadline = deadline
        self._progress = progress
        self.notes: list[str] = []
        self.found = 0

    def run(self) -> tuple[str, ...]:
        after, difference = self._look()
        self.found = len(difference.added)
        steps = plan.plan(self._before, after, difference, stuck=False)
        self._do(step for step in steps if step.stage == CLEARING)
        upgraded = self._uninstall(after.objects)
        stuck = False
        for _ in range(_ROUNDS):
            after, difference = self._look()
            steps = plan.plan(self._before, after, difference, stuck=stuck)
            gone = plan.removable(self._before, after, difference)
            if self._deadline.expired or not (steps or gone):
                break
            first = f", such as {difference.added[0]}" if difference.added else ""
            self._progress.step(TASK, f"{len(difference.added)} objects are left{first}")
            self._do(steps)
            stuck = not self._watch(gone, steps)
        return (*upgraded, *difference.lines())

    def _look(self) -> tuple[Inventory, Difference]:
        """The last look may come after the deadline: without it nobody could say what remains."""
        after = take(self._cluster, timeout=max(5.0, self._deadline.remaining))
        return after, compare(self._before, after)

    # --- releases ---

    def _uninstall(self, recorded: Container[Reference]) -> tuple[str, ...]:
        """Uninstall new releases, the newest first; what fails is left to the comparison of objects.

        helm finds a release by a record in its own namespace: those whose record is elsewhere (Flux keeps them all in
        one namespace) are left to the comparison too.

        Returns the releases that stood before and were upgraded: what they were cannot be brought back.
        """
        if self._deadline.expired:
            return ()
        try:
            releases = sorted(self._helm.releases(), key=lambda release: str(release["updated"]), reverse=True)
        except HarnessError as error:
            self.notes.append(f"helm list: {error}")
            return ()
        upgraded = []
        for release in releases:
            name, namespace = str(release["name"]), str(release["namespace"])
            if self._stood_before(name, namespace):
                if self._record(name, namespace, release["revision"]) not in self._before.objects:
                    upgraded.append(f"changed: release {namespace}/{name}: revision {release['revision']} is new")
            elif self._record(name, namespace, release["revision"]) in recorded and not self._deadline.expired:
                self._progress.step(TASK, f"uninstalling {namespace}/{name}")
                timeout = max(1.0, min(_RELEASE_SECONDS, self._deadline.remaining / 4))
                self._attempt(partial(self._helm.uninstall, name, namespace, timeout=timeout))
        return tuple(upgraded)

    def _record(self, name: str, namespace: str, revision: object) -> Reference:
        return Reference("secrets", namespace, f"sh.helm.release.v1.{name}.v{revision}")

    def _stood_before(self, name: str, namespace: str) -> bool:
        record = self._record(name, namespace, "").name
        return any(
            each.resource == "secrets"
            and each.namespace == namespace
            and each.name.startswith(record)
            and each.name.removeprefix(record).isdigit()
            for each in self._before.objects
        )

    # --- objects ---

    def _do(self, steps: Iterable[Step]) -> None:
        """Stage after stage; the steps of a stage side by side, but those of one object in their order."""
        for _, stage in groupby(steps, key=lambda step: step.stage):
            by_object: dict[Reference, list[Step]] = {}
            for step in stage:
                by_object.setdefault(step.reference, []).append(step)
            with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="cleanup") as pool:
                list(pool.map(self._do_all, by_object.values()))

    def _do_all(self, steps: list[Step]) -> None:
        for step in steps:
            if not self._deadline.expired:
                self._attempt(partial(_ACTIONS[step.action], self._cluster, step))

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except HarnessError as error:
            gone = isinstance(error, ApiError) and error.status in (404, 409)  # or no longer the object that was meant
            if not gone:
                self.notes.append(first_line(error))

    def _watch(self, gone: Mapping[Reference, Entry], steps: Iterable[Step]) -> bool:
        """Wait until everything is gone and volumes are free; False when that takes too long."""
        absent = plan.watched(gone)
        freed = [step.reference for step in steps if step.action == "release"]
        kinds = {entry.kind for entry in absent.values()} | ({PERSISTENT_VOLUMES} if freed else set())
        if not kinds:
            return True
        try:
            wait(self._cluster, kinds, partial(_gone, absent, freed), self._deadline.within(_ROUND_SECONDS))
        except (Expired, ApiError):  # or a kind that went while it was watched
            return False
        return True


def _gone(absent: Mapping[Reference, Entry], freed: Iterable[Reference], objects: Objects) -> Verdict:
    for reference, entry in absent.items():
        found = objects.get(entry.kind, reference.namespace, reference.name)
        if found is not None and found["metadata"]["uid"] == entry.uid:
            return Waiting("is still there", subject=str(reference))
    for reference in freed:
        volume = objects.get(PERSISTENT_VOLUMES, "", reference.name)
        if volume is not None and volume.get("status", {}).get("phase") in ("Released", "Failed"):
            return Waiting("is not available yet", subject=str(reference))
    return Passed("everything is gone")


# --- what each action asks of the API server; uids make sure that it is about the object that was seen ---


def _strip(cluster: Cluster, step: Step) -> None:
    metadata = {"uid": step.entry.uid, "finalizers": list(step.finalizers) or None}
    _patch(cluster, step, {"metadata": metadata})


def _delete(cluster: Cluster, step: Step) -> None:
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": step.entry.uid},
    }
    if step.entry.kind == PODS:
        options["gracePeriodSeconds"] = 0
    cluster.request("DELETE", _address(step), body=options, timeout=_REQUEST_SECONDS)


def _finalize(cluster: Cluster, step: Step) -> None:
    """Take a namespace that holds nothing any more out of Terminating."""
    metadata = {"name": step.reference.name, "uid": step.entry.uid}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {"finalizers": []}}
    cluster.request("PUT", f"{_address(step)}/finalize", body=body, timeout=_REQUEST_SECONDS)


def _convert_nothing(cluster: Cluster, step: Step) -> None:
    conversion = {"strategy": "None", "webhook": None}
    _patch(cluster, step, {"metadata": {"uid": step.entry.uid}, "spec": {"conversion": conversion}})


def _relabel(cluster: Cluster, step: Step) -> None:
    """A node as it was before, but for what the node controller says of it now."""
    node = cluster.get(NODES, "", step.reference.name)
    if node is None:
        return
    was = step.entry.state
    labels = dict.fromkeys(node["metadata"].get("labels") or {}) | was["labels"]
    taints = condition_taints(node) + was["taints"]
    spec = {"taints": taints or None, "unschedulable": was["unschedulable"] or None}
    _patch(cluster, step, {"metadata": {"uid": step.entry.uid, "labels": labels}, "spec": spec})


def _release(cluster: Cluster, step: Step) -> None:
    _patch(cluster, step, {"metadata": {"uid": step.entry.uid}, "spec": {"claimRef": None}})


_ACTIONS: Mapping[str, Callable[[Cluster, Step], None]] = {
    "strip": _strip,
    "delete": _delete,
    "finalize": _finalize,
    "convert-nothing": _convert_nothing,
    "relabel": _relabel,
    "release": _release,
}


def _patch(cluster: Cluster, step: Step, patch: Mapping[str, Any]) -> None:
    content_type = "application/merge-patch+json"
    cluster.request("PATCH", _address(step), body=patch, content_type=content_type, timeout=_REQUEST_SECONDS)


def _address(step: Step) -> str:
    return address(step.entry.kind, step.reference.namespace, step.reference.name)
