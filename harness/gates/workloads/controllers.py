"""Whether an expected workload has the pods it should have, kind by kind; where they are is judged elsewhere.

Only pods of the current revision count. Which those are: for a Deployment, pods of the ReplicaSet whose template is the
Deployment's own (as its controller finds it); for a StatefulSet, pods with the update revision; for a DaemonSet, pods
of the template's generation. A controller's status counts only once it has observed the object's generation.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from harness.excerpts import some
from harness.gates.findings import Finding, Level
from harness.gates.messages import said
from harness.gates.scheduling.fit import Fit, patient
from harness.gates.scheduling.resources import Usage, lacking, requests
from harness.gates.workloads.explanation import compare, daemon_target, nearest
from harness.gates.workloads.manifest import ExpectedWorkload
from harness.gates.workloads.ownership import Ownership
from harness.gates.workloads.placement import intended, node_type, simulated
from harness.names import ACCELERATED
from harness.objects import CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, PODS, STATEFULSETS, Object, condition, phase
from harness.verdict import CauseKind

_SHOWN = 3  # nodes in a sentence
_HASH = "pod-template-hash"
_REVISION = "controller-revision-hash"
_GENERATION = "pod-template-generation"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def judge(want: ExpectedWorkload, ownership: Ownership, empty_allowed: Collection[str]) -> Iterator[Finding]:
    """What is not as the manifest says; nothing when all is well."""
    if want.kind == CRONJOBS:
        yield from _cron_job(want, ownership)
        return
    if want.kind == DAEMONSETS:
        wrong = list(_nodes_of_daemon_set(want, ownership, empty_allowed))
        yield from wrong
        if wrong:
            return
    live = ownership.objects.get(want.kind, want.namespace, want.name)
    if live is None:
        if not want.transient:
            yield Finding(Level.WAITING, str(want), "is not in the cluster")
    elif "deletionTimestamp" in live["metadata"]:
        yield Finding(Level.WAITING, str(want), "is being deleted")
    elif want.kind == JOBS:
        yield from _job(want, live, ownership)
    elif want.kind != PODS:
        yield from _controlled(want, live, ownership)


def _controlled(want: ExpectedWorkload, live: Object, ownership: Ownership) -> Iterator[Finding]:
    """The kinds that keep a number of pods."""
    status, generation = live.get("status") or {}, live["metadata"].get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        yield Finding(Level.WAITING, str(want), f"its controller has not seen generation {generation} yet")
    elif want.kind == DAEMONSETS:
        yield from _daemon_set(want, live, ownership)
    else:
        replicas = live["spec"].get("replicas", 1)
        if replicas < want.replicas or (replicas != want.replicas and not want.elastic):
            text = f"asks for {replicas} replicas in the cluster, for {want.replicas} in the manifest"
            yield Finding(Level.WAITING if want.elastic else Level.DOOMED, str(want), text, kind=CauseKind.RECONCILE)
            return
        judge_kind = {DEPLOYMENTS: _deployment, STATEFULSETS: _stateful_set}.get(want.kind, _replicas)
        yield from judge_kind(want, live, replicas, ownership)


def _deployment(want: ExpectedWorkload, live: Object, replicas: int, ownership: Ownership) -> Iterator[Finding]:
    sets = ownership.replicasets_of(live["metadata"]["uid"])
    newest = next((one for one in sets if _template(one) == _template(live)), None)
    if newest is None:
        yield _missing(want, "has no ReplicaSet of its current template", _refusal(live))
        return
    pods = ownership.pods_of(newest["metadata"]["uid"])
    older = [pod for one in sets if one is not newest for pod in ownership.pods_of(one["metadata"]["uid"])]
    yield from _count(want, pods, older, replicas, _refusal(newest) or _refusal(live))


def _stateful_set(want: ExpectedWorkload, live: Object, replicas: int, ownership: Ownership) -> Iterator[Finding]:
    revision = (live.get("status") or {}).get("updateRevision")
    pods, older = _split(ownership.pods_of(live["metadata"]["uid"]), _REVISION, revision)
    yield from _count(want, pods, older, replicas, "")


def _replicas(want: ExpectedWorkload, live: Object, replicas: int, ownership: Ownership) -> Iterator[Finding]:
    """A bare ReplicaSet or ReplicationController has no revisions."""
    yield from _count(want, ownership.pods_of(live["metadata"]["uid"]), (), replicas, _refusal(live))


def _job(want: ExpectedWorkload, live: Object, ownership: Ownership) -> Iterator[Finding]:
    """A Job that is done needs no pods; one that failed is found with all other Jobs."""
    if any(condition(live, end).get("status") == "True" for end in ("Complete", "SuccessCriteriaMet", "Failed")):
        return
    if live["spec"].get("suspend") and not want.suspended:
        yield Finding(
            Level.DOOMED, str(want), "is suspended in the cluster, not in its manifest", kind=CauseKind.RECONCILE
        )
        return
    pods = [pod for pod in ownership.pods_of(live["metadata"]["uid"]) if phase(pod) != "Failed"]
    if len(pods) < want.replicas:
        yield _missing(want, f"has {len(pods)} of {want.replicas} pods", "")


def _cron_job(want: ExpectedWorkload, ownership: Ownership) -> Iterator[Finding]:
    """No pod is due, but when one is it must fit: room is counted on empty, healthy nodes of the type it belongs on."""
    if want.suspended:
        return
    wanted, _ = intended(want, want.spec)
    spec = patient(want.spec)
    fit, needs = Fit(spec), requests(spec)
    nodes = [node for node in ownership.nodes.values() if simulated(node) and wanted in ("", node_type(node))]
    if not any(not fit.obstacles(node) and not lacking(node, needs, (), Usage()) for node in nodes):
        why = "\n  ".join(compare(spec, nodes, Usage()))
        where = f"{wanted} node" if wanted else "node"
        yield Finding(Level.FAILED, str(want), f"its pods would fit no {where}, even an empty one\n  {why}")


def _nodes_of_daemon_set(
    want: ExpectedWorkload, ownership: Ownership, empty_allowed: Collection[str]
) -> Iterator[Finding]:
    """What the manifest and the nodes say, whatever the controller does."""
    nodes = [node for node in ownership.nodes.values() if simulated(node)]
    matched = matching(want, ownership)
    if not matched and f"{want.namespace}/{want.name}" not in empty_allowed:
        unwell = Fit(patient(want.spec))
        if any(not unwell.obstacles(node) for node in nodes):
            text = f"its nodes are not well: {nearest(want.spec, nodes)}"
            yield Finding(Level.DOOMED, str(want), text, kind=CauseKind.INFRASTRUCTURE)
        else:
            yield Finding(Level.FAILED, str(want), f"matches no node: {nearest(want.spec, nodes)}")
    if want.declared.accelerated and not want.declared.system:
        others = [name for name in matched if node_type(ownership.nodes[name]) != ACCELERATED]
        if others:
            text = "though its component declares node selectors for accelerated nodes only"
            yield Finding(Level.FAILED, str(want), f"matches {some(others, _SHOWN)} as well, {text}")


def matching(want: ExpectedWorkload, ownership: Ownership) -> list[str]:
    """The names of the nodes on which a DaemonSet wants a pod; real ones are fenced off from every workload."""
    fit = Fit(want.spec)
    return [name for name, node in ownership.nodes.items() if simulated(node) and not fit.obstacles(node)]


def _daemon_set(want: ExpectedWorkload, live: Object, ownership: Ownership) -> Iterator[Finding]:
    matched = set(matching(want, ownership))
    desired = (live.get("status") or {}).get("desiredNumberScheduled", 0)
    if desired != len(matched):
        text = f"its controller wants {desired} pods, by its manifest {len(matched)} nodes match"
        yield Finding(Level.DOOMED, str(want), f"{text}: {some(sorted(matched), _SHOWN)}")
        return
    generation = (live["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION)
    pods, older = _split(ownership.pods_of(live["metadata"]["uid"]), _GENERATION, generation)
    by_node: dict[str, list[Object]] = defaultdict(list)
    for pod in pods:
        by_node[daemon_target(pod)].append(pod)
    if elsewhere := sorted(set(by_node) - matched):
        yield Finding(Level.DOOMED, str(want), f"has pods for {some(elsewhere, _SHOWN)}, which it does not match")
    if without := sorted(matched - set(by_node)):
        yield _missing(
            want, f"has {len(matched) - len(without)} of {len(matched)} pods, none for {some(without, _SHOWN)}", ""
        )
    elif not elsewhere:
        yield from _count(want, pods, older, len(matched), "")


def _count(
    want: ExpectedWorkload, pods: Sequence[Object], older: Sequence[Object], wanted: int, refusal: str
) -> Iterator[Finding]:
    """Exactly as many pods of this revision as wanted, and none of another."""
    if len(pods) < wanted:
        hint = "; they come one after another (OrderedReady)" if want.ordered and pods and not refusal else ""
        yield _missing(want, f"has {len(pods)} of {wanted} pods{hint}", refusal)
    elif len(pods) > wanted:
        yield Finding(Level.WAITING, str(want), f"has {len(pods)} pods where {wanted} are wanted")
    elif older:
        yield Finding(Level.WAITING, str(want), f"still has {len(older)} pods of an older revision")


def _missing(want: ExpectedWorkload, text: str, refusal: str) -> Finding:
    """Pods that are not there: hopeless where their controller says that it cannot make them."""
    if not refusal:
        return Finding(Level.WAITING, str(want), text)
    return Finding(Level.DOOMED, str(want), f"{text}: {refusal}", kind=said(refusal) or CauseKind.RECONCILE)


def _refusal(live: Object) -> str:
    """Why a controller makes no pods (quota, admission, no service account), in its own words; else empty."""
    failure = condition(live, "ReplicaFailure")
    if failure.get("status") == "True":
        return str(failure.get("message") or failure.get("reason"))
    progress = condition(live, "Progressing")
    if progress.get("status") == "False":
        return str(progress.get("message") or progress.get("reason"))
    return ""


def _split(pods: Sequence[Object], label: str, current: str | None) -> tuple[list[Object], list[Object]]:
    """Pods of the current revision, and the others; without a known revision none is current."""
    now: list[Object] = []
    others: list[Object] = []
    for pod in pods:
        is_current = current and (pod["metadata"].get("labels") or {}).get(label) == current
        (now if is_current else others).append(pod)
    return now, others


def _template(item: Object) -> dict[str, Any]:
    """A pod template without the label that tells a Deployment's ReplicaSets apart."""
    template = item["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}
