"""Objects of Kubernetes: their kinds, how they are named, what their status says, and those that a gate judges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

Object = Mapping[str, Any]  # a Kubernetes object as the API server sent it, decoded from JSON
Key = tuple[str, str]  # namespace ("" for cluster-scoped), name


@dataclass(frozen=True)
class Kind:
    """A resource as the API serves it: `Kind("apps/v1", "deployments", "Deployment")`.

    `fields` is a field selector, for a kind of which only some objects are wanted. It may only name fields that never
    change: an object that comes to match, or ceases to, looks as if it were made or deleted.
    """

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True
    fields: str = ""

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


NODES = Kind("v1", "nodes", "Node", namespaced=False)
PODS = Kind("v1", "pods", "Pod")
EVENTS = Kind("v1", "events", "Event")
NAMESPACES = Kind("v1", "namespaces", "Namespace", namespaced=False)
CONFIGMAPS = Kind("v1", "configmaps", "ConfigMap")
CLAIMS = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
STORAGE_CLASSES = Kind("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False)
SERVICE_ACCOUNTS = Kind("v1", "serviceaccounts", "ServiceAccount")
PERSISTENT_VOLUMES = Kind("v1", "persistentvolumes", "PersistentVolume", namespaced=False)
DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment")
DAEMONSETS = Kind("apps/v1", "daemonsets", "DaemonSet")
STATEFULSETS = Kind("apps/v1", "statefulsets", "StatefulSet")
REPLICASETS = Kind("apps/v1", "replicasets", "ReplicaSet")
CLUSTER_ROLES = Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Kind(
    "rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
ROLES = Kind("rbac.authorization.k8s.io/v1", "roles", "Role")
ROLE_BINDINGS = Kind("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
JOBS = Kind("batch/v1", "jobs", "Job")
CRONJOBS = Kind("batch/v1", "cronjobs", "CronJob")
QUOTAS = Kind("v1", "resourcequotas", "ResourceQuota")
PRIORITY_CLASSES = Kind("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", namespaced=False)
RUNTIME_CLASSES = Kind("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", namespaced=False)
FAILED_CREATES = replace(EVENTS, fields="reason=FailedCreate")  # a controller may not make a pod

# Not objects of the API, but shown to gates as such: what the time is (one object, `now` in RFC 3339), and which kinds
# the server serves (one object each, named "apps/v1/Deployment").
CLOCK = Kind("kwok-harness/v1", "clocks", "Clock", namespaced=False)
SERVED = Kind("kwok-harness/v1", "servedkinds", "ServedKind", namespaced=False)


@dataclass(frozen=True, order=True)
class Reference:
    """Names an object whatever its API version: ("clusterroles.rbac.authorization.k8s.io", "", "reader")."""

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource} {self.namespace}/{self.name}" if self.namespace else f"{self.resource} {self.name}"


def key_of(item: Object) -> Key:
    metadata = item["metadata"]
    return (metadata.get("namespace", ""), metadata["name"])


def condition(item: Object, name: str) -> Mapping[str, Any]:
    """A condition by its type, empty when there is none: positions mean nothing."""
    for one in (item.get("status") or {}).get("conditions") or ():
        if one.get("type") == name:
            return dict(one)
    return {}


def holds(item: Object, name: str) -> bool:
    """Whether a condition is there and True."""
    return condition(item, name).get("status") == "True"


def phase(pod: Object) -> str:
    """Pending, Running, Succeeded, Failed or Unknown."""
    return str((pod.get("status") or {}).get("phase", ""))


class Objects:
    """Objects by kind and key, immutable. Kinds that were not watched are a defect of the gate that asks for them."""

    def __init__(self, objects: Mapping[Kind, Mapping[Key, Object]]) -> None:
        self._objects = MappingProxyType({kind: MappingProxyType(dict(items)) for kind, items in objects.items()})

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(self._objects)

    def all(self, kind: Kind) -> Iterator[Object]:
        """Every object of `kind`, in the order of namespace and name."""
        items = self._objects[kind]
        return (items[key] for key in sorted(items))

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._objects[kind].get((namespace, name))

    def count(self, kind: Kind) -> int:
        return len(self._objects[kind])
