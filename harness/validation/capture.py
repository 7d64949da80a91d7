"""A snapshot of a cluster: what its API server can tell, and nothing else.

What cannot be told is left out. A reading that is guessed, or that is of another machine, would let a constraint pass
of which nobody has seen anything.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from harness.cluster.api import ApiError, Cluster
from harness.names import KWOK_NODE_ANNOTATION, KWOK_NODE_LABEL, OWNER_MARKER
from harness.objects import CONFIGMAPS, NODES, PODS, Kind, Object
from harness.validation.measurements import SIMULATED, Scalar, Snapshot, Subtype
from harness.validation.same_cluster import IDENTITY, identity

CLUSTER_POLICIES = Kind("nvidia.com/v1", "clusterpolicies", "ClusterPolicy", namespaced=False)
_PROVIDERS = {"aws": "eks", "gce": "gke", "azure": "aks", "oci": "oke"}


def capture(cluster: Cluster, *, now: datetime, version: str) -> Snapshot:
    """What the API server tells of its cluster. Raises ClusterError.

    `now` is the time (UTC) and `version` that of the harness. K8s.node is one node: the first by name of those that are
    not simulated, else the first.
    """
    nodes = sorted(cluster.list(NODES).items, key=lambda node: str(node["metadata"]["name"]))
    source = next((node for node in nodes if not simulated_node(node)), nodes[0] if nodes else None)
    kubernetes: dict[str, Mapping[str, Scalar]] = {
        "server": _server(cluster),
        "node": _node(source) if source else {},
        "image": _images(cluster.list(PODS).items),
        "policy": _policy(cluster),
    }
    taints, labels = _taints(nodes), _labels(nodes)
    topology: dict[str, Mapping[str, Scalar]] = {
        "summary": {"node-count": len(nodes), "taint-count": len(taints), "label-count": len(labels)},
        "taint": taints,
        "label": labels,
    }
    metadata = {"timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}", "version": version}
    if uid := identity(cluster):
        metadata[IDENTITY] = uid
    if source:
        metadata["source-node"] = str(source["metadata"]["name"])
    if told := simulated(cluster, nodes):
        metadata[SIMULATED] = told
    return Snapshot({"K8s": grouped(kubernetes), "NodeTopology": grouped(topology)}, metadata)


def grouped(groups: Mapping[str, Mapping[str, Scalar]]) -> dict[str, Subtype]:
    """Subtypes of the groups that have a reading, keys sorted."""
    return {name: Subtype(name, dict(sorted(data.items()))) for name, data in groups.items() if data}


def simulated_node(node: Object) -> bool:
    """Whether KWOK plays this node: nothing that is said to run on it does."""
    metadata = node["metadata"]
    key, value = KWOK_NODE_LABEL
    annotated = KWOK_NODE_ANNOTATION in (metadata.get("annotations") or {})
    return annotated or (metadata.get("labels") or {}).get(key) == value


def simulated(cluster: Cluster, nodes: Iterable[Object]) -> str:
    """What is known of the cluster being a simulated one, in words; empty where nothing is."""
    nodes = list(nodes)
    count = sum(map(simulated_node, nodes))
    if count:
        return f"{count} of {len(nodes)} nodes are simulated by KWOK"
    marker = cluster.get(CONFIGMAPS, *OWNER_MARKER)
    return f"cluster {(marker.get('data') or {}).get('cluster')} of the harness, without nodes" if marker else ""


def _server(cluster: Cluster) -> dict[str, Scalar]:
    answer = cluster.request("GET", "/version")
    keys = {"version": "gitVersion", "platform": "platform", "goVersion": "goVersion"}
    return {key: str(answer[name]) for key, name in keys.items() if answer.get(name)}


def _node(node: Object) -> dict[str, Scalar]:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    identity = str((node.get("spec") or {}).get("providerID") or "")
    runtime = str(info.get("containerRuntimeVersion") or "")
    name, separator, version = runtime.partition("://")
    found = {
        "source-node": node["metadata"]["name"],
        "provider": _PROVIDERS.get(identity.partition(":")[0]),
        "provider-id": identity,
        "os-image": info.get("osImage"),
        "kubelet-version": info.get("kubeletVersion"),
        "kernel-version": info.get("kernelVersion"),
        "operating-system": info.get("operatingSystem"),
        "container-runtime-id": runtime,
        "container-runtime-name": name if separator else "",
        "container-runtime-version": version,
    }
    return {key: str(value) for key, value in found.items() if value}


def _images(pods: Iterable[Object]) -> dict[str, Scalar]:
    """The tag of each image that a pod names; several tags of one image are all there, so no version is made up."""
    found: dict[str, set[str]] = {}
    for pod in pods:
        spec = pod.get("spec") or {}
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
            reference = str(container.get("image") or "").partition("@")[0]
            name, colon, tag = reference.rpartition("/")[2].partition(":")
            if colon and name and tag:
                found.setdefault(name, set()).add(tag)
    return {name: ",".join(sorted(tags)) for name, tags in found.items()}


def _policy(cluster: Cluster) -> dict[str, Scalar]:
    """The spec of the ClusterPolicy, dotted; nothing where there is none, or more than one."""
    try:
        policies = cluster.list(CLUSTER_POLICIES).items
    except ApiError as error:
        if error.status == 404:  # the kind is not served
            return {}
        raise
    return dict(_dotted(policies[0].get("spec") or {}, "")) if len(policies) == 1 else {}


def _dotted(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, Scalar]]:
    for key, value in values.items():
        match value:
            case dict():
                yield from _dotted(value, f"{above}{key}.")
            case list():
                yield f"{above}{key}", json.dumps(value, separators=(",", ":"), sort_keys=True)
            case str() | int() | float():
                yield f"{above}{key}", value


def _taints(nodes: Iterable[Object]) -> dict[str, Scalar]:
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for node in nodes:
        for taint in (node.get("spec") or {}).get("taints") or ():
            place = (str(taint.get("effect", "")), str(taint.get("value") or ""))
            found.setdefault(str(taint["key"]), {}).setdefault(place, []).append(node["metadata"]["name"])
    readings: dict[str, Scalar] = {}
    for key, places in found.items():
        for (effect, value), names in places.items():
            full = key if len(places) == 1 else ".".join(filter(None, (key, effect, value)))
            readings[full] = f"{effect}|{value}|{','.join(names)}"
    return readings


def _labels(nodes: Iterable[Object]) -> dict[str, Scalar]:
    found: dict[str, dict[str, list[str]]] = {}
    for node in nodes:
        for key, value in (node["metadata"].get("labels") or {}).items():
            found.setdefault(key, {}).setdefault(str(value), []).append(node["metadata"]["name"])
    readings: dict[str, Scalar] = {}
    for key, values in found.items():
        for value, names in values.items():
            readings[key if len(values) == 1 else f"{key}.{value}"] = f"{value}|{','.join(names)}"
    return readings
