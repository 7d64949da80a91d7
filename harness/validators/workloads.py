"""Whether an object that a recipe expects is there, and as ready as it asks to be."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.cluster.api import ApiError
from harness.objects import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, PODS, STATEFULSETS, Kind, Object
from harness.validation.capture import simulated_node
from harness.validators.context import Context

SERVICES = Kind("v1", "services", "Service")
SECRETS = Kind("v1", "secrets", "Secret")
_WITH_REPLICAS = {DEPLOYMENTS: ("availableReplicas", "available"), STATEFULSETS: ("readyReplicas", "ready")}
_KINDS = {kind.kind: kind for kind in (DEPLOYMENTS, STATEFULSETS, DAEMONSETS, SERVICES, CONFIGMAPS, SECRETS)}


def problem_of(context: Context, resource: Mapping[str, str]) -> str:
    """What is wrong with an entry of expectedResources; empty where nothing is."""
    kind = _KINDS.get(resource["kind"])
    if kind is None:
        return f'[INVALID_REQUEST] unsupported resource kind "{resource["kind"]}"; known: {", ".join(_KINDS)}'
    try:
        item = context.cluster.get(kind, resource.get("namespace", ""), resource["name"])
    except ApiError as error:
        return f"cannot be read: {error}"
    return "not found" if item is None else unhealthy(kind, item)


def unhealthy(kind: Kind, item: Object) -> str:
    """What a workload lacks of the replicas that it asks for; a DaemonSet that asks for none is not healthy."""
    status = item.get("status") or {}
    if kind in _WITH_REPLICAS:
        key, word = _WITH_REPLICAS[kind]
        wanted, there = (item.get("spec") or {}).get("replicas", 1), status.get(key, 0)
        return "" if there >= wanted else f"not healthy: {there}/{wanted} replicas {word}"
    if kind == DAEMONSETS:
        wanted, there = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
        if wanted == 0:
            return "not healthy: 0/0 pods ready, no node is selected"
        return "" if there >= wanted else f"not healthy: {there}/{wanted} pods ready"
    return ""


def running(pods: Iterable[Object]) -> list[Object]:
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]


def executed(pod: Object, nodes: Iterable[Object]) -> bool:
    """Whether something of a pod really ran: on a node that is not simulated, with the id of a container."""
    node = (pod.get("spec") or {}).get("nodeName")
    where = next((each for each in nodes if each["metadata"]["name"] == node), None)
    if where is None or simulated_node(where):
        return False
    statuses: list[Any] = (pod.get("status") or {}).get("containerStatuses") or []
    return any(status.get("containerID") for status in statuses)


def pods_of(context: Context, namespace: str, labels: str) -> list[dict[str, Any]]:
    """Pods by label, without those that are being deleted."""
    return [pod for pod in context.list(PODS, namespace, labels) if "deletionTimestamp" not in pod["metadata"]]
