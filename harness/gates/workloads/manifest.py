"""Which workloads must have pods, from the rendered manifests: never from what happens to be in the cluster.

A workload counts when its API group is Kubernetes' own (a Volcano Job is a custom resource, and operators do not run).

| object                                     | expected pods                                                          |
|--------------------------------------------|------------------------------------------------------------------------|
| Deployment, StatefulSet, ReplicaSet,       | spec.replicas; where absent 1 or more, as others then scale it; under  |
| ReplicationController                      | a HorizontalPodAutoscaler minReplicas or more (unless it says 0)       |
| DaemonSet                                  | one for each node that its template matches                            |
| Job                                        | the smaller of parallelism and completions; none while suspended       |
| CronJob                                    | none, but its template must fit some node, unless it is suspended      |
| Pod                                        | itself                                                                 |
| hook: Job or Pod                           | none: helm itself waits for them. Pods that exist and fail or cannot   |
|                                            | be scheduled are failures all the same                                 |
| hook: any other workload, made on install  | as without the annotation, unless its delete policy takes it away      |
| and kept                                   | (hook-succeeded: at once, as helm does not wait for it)                |
| hook: only for delete, rollback, test      | none                                                                   |
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.errors import DataError
from harness.gates import typed
from harness.gates.scheduling.fit import daemon
from harness.objects import CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, PODS, REPLICASETS, STATEFULSETS, Kind, Object

REPLICATIONCONTROLLERS = Kind("v1", "replicationcontrollers", "ReplicationController")
WORKLOADS = {
    (kind.group, kind.kind): kind
    for kind in (
        CRONJOBS,
        DAEMONSETS,
        DEPLOYMENTS,
        JOBS,
        PODS,
        REPLICASETS,
        REPLICATIONCONTROLLERS,
        STATEFULSETS,
    )
}
_HOOK, _POLICY = "helm.sh/hook", "helm.sh/hook-delete-policy"
_INSTALL_HOOKS = {"pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install"}

Identity = tuple[str, str, str]  # kind, namespace, name


@dataclass(frozen=True)
class Declared:
    """For which node types a component declares node selector paths in the registry."""

    system: bool = False
    accelerated: bool = False


@dataclass(frozen=True)
class Rendered:
    """What one release renders: decoded manifests, and the component's declarations."""

    release: str
    namespace: str
    objects: Sequence[Object]
    declared: Declared = Declared()


@dataclass(frozen=True)
class ExpectedWorkload:
    """One object that must have pods. `replicas` is unused for a DaemonSet: the nodes decide.

    `elastic`: others may scale it up. `ordered`: its pods come one after another. `spec` is the rendered pod spec.
    """

    kind: Kind
    namespace: str
    name: str
    release: str
    declared: Declared
    spec: Mapping[str, Any]
    replicas: int = 1
    elastic: bool = False
    ordered: bool = False
    suspended: bool = False
    transient: bool = False  # a Job with ttlSecondsAfterFinished: it may be done and gone

    @property
    def identity(self) -> Identity:
        return (self.kind.kind, self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Expected:
    """Everything that the releases are expected to run, the hooks that come and go besides, and the schedulers that the
    recipe installs.
    """

    workloads: tuple[ExpectedWorkload, ...]
    hooks: frozenset[Identity] = frozenset()
    schedulers: frozenset[str] = frozenset()

    @cached_property
    def by_identity(self) -> Mapping[Identity, ExpectedWorkload]:
        return {workload.identity: workload for workload in self.workloads}


def expected_workloads(releases: Iterable[Rendered]) -> Expected:
    """The workloads of all releases; DataError where two objects of them are the same, or one cannot be identified."""
    releases = list(releases)
    scalers = dict(entry for release in releases for entry in _scalers(release))
    found: dict[Identity, ExpectedWorkload] = {}
    hooks: set[Identity] = set()
    for release in releases:
        for kind, item in _workload_objects(release):
            metadata = typed.metadata(item)
            identity = (kind.kind, metadata.get("namespace") or release.namespace, metadata.get("name") or "")
            if _passing(kind, item):
                hooks.add(identity)
                continue
            if not identity[2]:
                if misnamed(item):
                    continue
                raise DataError(f"renders a {kind.kind} without a name", where=f"release {release.release}")
            workload = _workload(kind, item, release, identity, scalers.get(identity, 0))
            if identity in found:
                raise DataError(
                    f"is rendered twice: by release {found[identity].release} and by release {release.release}",
                    where=str(workload),
                    do="Give one of the two another name or namespace, or take one of the components out.",
                )
            found[identity] = workload
    return Expected(tuple(found[identity] for identity in sorted(found)), frozenset(hooks))


def flatten(objects: Iterable[Object]) -> Iterator[Object]:
    """The objects themselves, out of the Lists that some charts wrap them in."""
    for item in objects:
        if item.get("kind") == "List" and item.get("apiVersion") == "v1":
            items = item.get("items")
            yield from flatten(each for each in (items if isinstance(items, list) else ()) if isinstance(each, Mapping))
        else:
            yield item


def misnamed(item: Object) -> bool:
    """Whether there is a name, but not a text: the API server says so when it is told of it."""
    metadata = item.get("metadata")
    return isinstance(metadata, Mapping) and bool(metadata.get("name")) and "name" not in typed.metadata(item)


def _workload_objects(release: Rendered) -> Iterator[tuple[Kind, Object]]:
    for item in flatten(release.objects):
        group = str(item.get("apiVersion", "")).rpartition("/")[0]
        kind = WORKLOADS.get((group, str(item.get("kind", ""))))
        if kind is not None:
            yield kind, item


def _passing(kind: Kind, item: Object) -> bool:
    """Whether it is a hook that does not stand: it has its time during install and need not be there afterwards."""
    annotations = typed.annotations(item)
    if _HOOK not in annotations:
        return False
    events = {word.strip() for word in annotations[_HOOK].split(",")}
    policy = {word.strip() for word in annotations.get(_POLICY, "").split(",")}
    return kind in (JOBS, PODS) or not events & _INSTALL_HOOKS or "hook-succeeded" in policy


def _scalers(release: Rendered) -> Iterator[tuple[Identity, int]]:
    """What each HorizontalPodAutoscaler scales, and to how many at least."""
    for item in flatten(release.objects):
        if item.get("kind") == "HorizontalPodAutoscaler":
            spec, namespace = typed.scaler_spec(item), typed.metadata(item).get("namespace") or release.namespace
            if target := spec.get("scaleTargetRef"):
                yield (target["kind"], namespace, target["name"]), spec.get("minReplicas") or 1


def _workload(kind: Kind, item: Object, release: Rendered, identity: Identity, least: int) -> ExpectedWorkload:
    """`least` is the minimum that an autoscaler keeps, 0 without one."""
    spec = typed.pod_spec(item) if kind == PODS else typed.workload_spec(item)
    replicas, elastic = 1, False
    if kind in (DEPLOYMENTS, STATEFULSETS, REPLICASETS, REPLICATIONCONTROLLERS):
        stated = spec.get("replicas")
        replicas = 1 if stated is None else stated
        elastic = stated is None
        if least and stated != 0:  # an autoscaler leaves what is scaled to zero alone
            replicas, elastic = least, True
    if kind == JOBS:
        parallelism: int = spec.get("parallelism", 1)
        replicas = min(parallelism, spec.get("completions", parallelism))
    if kind == CRONJOBS:
        replicas = 0
    return ExpectedWorkload(
        kind,
        identity[1],
        identity[2],
        release.release,
        release.declared,
        spec=_pod_spec(kind, spec),
        replicas=0 if spec.get("suspend") and kind == JOBS else replicas,
        elastic=elastic,
        ordered=kind == STATEFULSETS and spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady",
        suspended=bool(spec.get("suspend")),
        transient=kind == JOBS and spec.get("ttlSecondsAfterFinished") is not None,
    )


def _pod_spec(kind: Kind, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod spec of a workload, a DaemonSet's with the tolerations that its controller adds."""
    if kind == PODS:
        return spec
    if kind == CRONJOBS:
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    pod: Mapping[str, Any] = (spec.get("template") or {}).get("spec") or {}
    return daemon(pod) if kind == DAEMONSETS else pod
