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
from harness.gates.workloads.refusals import Refusal, Refusals
from harness.gates.workloads.revisions import revisions, stays
from harness.names import ACCELERATED
from harness.objects import CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, PODS, STATEFULSETS, Object, condition, phase
from harness.verdict import CauseKind

_SHOWN = 3  # nodes in a sentence
_HASH = "pod-template-hash"
_ARGOCD = "argocd.argoproj.io/tracking-id"  # on what Argo CD delivers, and heals as our bundles have it


def judge(
    want: ExpectedWorkload, ownership: Ownership, empty_allowed: Collection[str], refusals: Refusals
) -> Iterator[Finding]:
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
        yield from _job(want, live, ownership, refusals)
    elif want.kind != PODS:
        yield from _controlled(want, live, ownership, refusals)


def _controlled(want: ExpectedWorkload, live: Object, ownership: Ownership, refusals: Refusals) -> Iterator[Finding]:
    """The kinds that keep a number of pods."""
    status, generation = live.get("status") or {}, live["metadata"].get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        yield Finding(Level.WAITING, str(want), f"its controller has not seen generation {generation} yet")
    elif want.kind == DAEMONSETS:
        yield from _daemon_set(want, live, ownership, refusals)
    elif live["spec"].get("paused"):
        yield from _paused(want, live, ownership)
    elif fought_over(want, live):
        text = (
            f"has an autoscaler that keeps at least {want.replicas} replicas, and a manifest that says {want.stated}: "
            f"Argo CD puts back the {want.stated} each time (self-heal); leave replicas out of the manifest"
        )
        yield Finding(Level.CERTAIN, str(want), text, kind=CauseKind.RECONCILE)
    else:
        yield from _replicated(want, live, ownership, refusals)


def _replicated(want: ExpectedWorkload, live: Object, ownership: Ownership, refusals: Refusals) -> Iterator[Finding]:
    replicas = live["spec"].get("replicas", 1)
    if want.scaled and replicas < want.replicas:
        text = f"asks for {replicas} replicas in the cluster; its autoscaler, which keeps at least {want.replicas}, "
        yield Finding(Level.WAITING, str(want), f"{text}has not scaled it yet", kind=CauseKind.RECONCILE)
        return
    if replicas < want.replicas or (replicas != want.replicas and not want.elastic):
        text = f"asks for {replicas} replicas in the cluster, for {want.replicas} in the manifest"
        yield Finding(Level.WAITING if want.elastic else Level.DOOMED, str(want), text, kind=CauseKind.RECONCILE)
        return
    judge_kind = {DEPLOYMENTS: _deployment, STATEFULSETS: _stateful_set}.get(want.kind, _replicas)
    yield from judge_kind(want, live, replicas, ownership, refusals)


def fought_over(want: ExpectedWorkload, live: Object) -> bool:
    """Whether an autoscaler and a deployer that heals each put their own number of replicas back, for ever."""
    healed = _ARGOCD in (live["metadata"].get("annotations") or {})
    return want.scaled and want.stated is not None and want.stated < want.replicas and healed


def _paused(want: ExpectedWorkload, live: Object, ownership: Ownership) -> Iterator[Finding]:
    """The controller of a paused Deployment makes no ReplicaSet, but keeps the pods of those that are there."""
    newest = _newest(live, ownership.replicasets_of(live["metadata"]["uid"]))
    wanted = live["spec"].get("replicas", 1)
    there = ownership.pods_of(newest["metadata"]["uid"]) if newest is not None else ()
    if len(there) == wanted:
        return
    if want.paused:
        text = "is paused in its manifest (spec.paused), so its controller makes no pods of this template"
        yield Finding(Level.CERTAIN, str(want), text, kind=CauseKind.APPLY)
    else:
        text = "is paused in the cluster, not in its manifest"
        yield Finding(Level.DOOMED, str(want), text, kind=CauseKind.RECONCILE)


def _newest(live: Object, sets: Sequence[Object]) -> Object | None:
    """The ReplicaSet of a Deployment's current template."""
    return next((one for one in sets if _template(one) == _template(live)), None)


def _deployment(
    want: ExpectedWorkload, live: Object, replicas: int, ownership: Ownership, refusals: Refusals
) -> Iterator[Finding]:
    sets = ownership.replicasets_of(live["metadata"]["uid"])
    newest = _newest(live, sets)
    if newest is None:
        yield _missing(want, "has no ReplicaSet of its current template", refusals.of(live, want.identity))
        return
    pods = ownership.pods_of(newest["metadata"]["uid"])
    older = [pod for one in sets if one is not newest for pod in ownership.pods_of(one["metadata"]["uid"])]
    refusal = refusals.of(newest, want.identity) or refusals.of(live, want.identity)
    yield from _count(want, pods, older, replicas, refusal)


def _stateful_set(
    want: ExpectedWorkload, live: Object, replicas: int, ownership: Ownership, refusals: Refusals
) -> Iterator[Finding]:
    pods, older = revisions(live, want.kind, ownership)
    standing = [pod for pod in older if stays(want, pod)]
    older = [pod for pod in older if not stays(want, pod)]
    yield from _count(want, [*pods, *standing], older, replicas, refusals.of(live, want.identity))


def _replicas(
    want: ExpectedWorkload, live: Object, replicas: int, ownership: Ownership, refusals: Refusals
) -> Iterator[Finding]:
    """A bare ReplicaSet or ReplicationController has no revisions."""
    pods = ownership.pods_of(live["metadata"]["uid"])
    yield from _count(want, pods, (), replicas, refusals.of(live, want.identity))


def _job(want: ExpectedWorkload, live: Object, ownership: Ownership, refusals: Refusals) -> Iterator[Finding]:
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
        yield _missing(want, f"has {len(pods)} of {want.replicas} pods", refusals.of(live, want.identity))


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


def _daemon_set(want: ExpectedWorkload, live: Object, ownership: Ownership, refusals: Refusals) -> Iterator[Finding]:
    matched = set(matching(want, ownership))
    desired = (live.get("status") or {}).get("desiredNumberScheduled", 0)
    if desired != len(matched):
        text = f"its controller wants {desired} pods, by its manifest {len(matched)} nodes match"
        yield Finding(Level.DOOMED, str(want), f"{text}: {some(sorted(matched), _SHOWN)}")
        return
    pods, older = revisions(live, want.kind, ownership)
    if want.on_delete:
        pods, older = [*pods, *older], []
    by_node: dict[str, list[Object]] = defaultdict(list)
    for pod in pods:
        by_node[daemon_target(pod)].append(pod)
    if elsewhere := sorted(set(by_node) - matched):
        yield Finding(Level.DOOMED, str(want), f"has pods for {some(elsewhere, _SHOWN)}, which it does not match")
    if without := sorted(matched - set(by_node)):
        yield _missing(
            want,
            f"has {len(matched) - len(without)} of {len(matched)} pods, none for {some(without, _SHOWN)}",
            refusals.of(live, want.identity),
        )
    elif not elsewhere:
        yield from _count(want, pods, older, len(matched), refusals.of(live, want.identity))


def _count(
    want: ExpectedWorkload, pods: Sequence[Object], older: Sequence[Object], wanted: int, refusal: Refusal | None
) -> Iterator[Finding]:
    """Exactly as many pods of this revision as wanted, and none of another."""
    if len(pods) < wanted:
        hint = "; they come one after another (OrderedReady)" if want.ordered and pods and not refusal else ""
        yield _missing(want, f"has {len(pods)} of {wanted} pods{hint}", refusal)
    elif len(pods) > wanted:
        yield Finding(Level.WAITING, str(want), f"has {len(pods)} pods where {wanted} are wanted")
    elif older:
        yield Finding(Level.WAITING, str(want), f"still has {len(older)} pods of an older revision")


def _missing(want: ExpectedWorkload, text: str, refusal: Refusal | None) -> Finding:
    """Pods that are not there: hopeless where their controller says that it cannot make them."""
    if refusal is None:
        return Finding(Level.WAITING, str(want), text)
    kind = said(refusal.text) or CauseKind.RECONCILE
    return Finding(refusal.level, str(want), f"{text}: {refusal.text}", kind=kind)


def _template(item: Object) -> dict[str, Any]:
    """A pod template without the label that tells a Deployment's ReplicaSets apart."""
    template = item["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}
