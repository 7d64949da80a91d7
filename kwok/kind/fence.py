"""The fence of a Kind cluster: workloads on simulated nodes only, but for namespaces that say they want the real one.

A taint cannot be the fence, for there are workloads that tolerate everything, and the controller of DaemonSets counts
the nodes that a template matches before any scheduler is asked. So the API server itself adds the label of simulated
nodes to what pods and DaemonSets select, or, in a namespace that is labelled for it, the label of the real node. Left
alone is what selects the real node by its own label (which nobody else knows), what is bound to a node already (the
control plane's static pods), and what selects a node type by that very key: `type: kwok` stays simulated anywhere.

Both ways are one policy for each kind: two could be in force one before the other, and a pod slip between them.

The patch is a JSON patch: a node selector is an atomic map, which server-side apply could only replace.
"""

import time
from typing import Any

from harness.cluster.api import ApiError, Cluster, address
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.names import INFRASTRUCTURE_NODE, KWOK_NODE_LABEL, REAL_NODE_NAMESPACE
from harness.objects import DAEMONSETS, DEPLOYMENTS, PODS, Kind
from kwok import admission
from kwok.admission import BINDINGS, POLICIES

_LOOK_SECONDS = 0.2
_NAMESPACE = "kube-system"


def policy(kind: Kind, operations: list[str], spec: str) -> dict[str, Any]:
    """The policy for one kind whose pod spec is at the CEL path `spec`, such as object.spec.template.spec."""
    label, real = REAL_NODE_NAMESPACE
    labels = "namespaceObject.metadata.labels"
    added = f"""has({labels}) && '{label}' in {labels} && {labels}['{label}'] == '{real}'
      ? {_selecting(spec, INFRASTRUCTURE_NODE)}
      : {_selecting(spec, KWOK_NODE_LABEL)}"""
    conditions = {
        "free": f"!has({spec}.nodeName) || {spec}.nodeName == ''",
        "selects-no-node-of-its-own": f"!has({spec}.nodeSelector) || "
        f"!('{INFRASTRUCTURE_NODE[0]}' in {spec}.nodeSelector || '{KWOK_NODE_LABEL[0]}' in {spec}.nodeSelector)",
    }
    return admission.policy(f"simulated-{kind.plural}", kind, operations, conditions, added)


def _selecting(spec: str, label: tuple[str, str]) -> str:
    """CEL: the patches by which a pod spec selects nodes of a label, besides what it selects already."""
    key, value = label
    path = spec.removeprefix("object").replace(".", "/") + "/nodeSelector"
    escaped = key.replace("~", "~0").replace("/", "~1")
    return f"""(has({spec}.nodeSelector)
        ? [JSONPatch{{op: "add", path: "{path}/{escaped}", value: "{value}"}}]
        : [JSONPatch{{op: "add", path: "{path}", value: {{"{key}": "{value}"}}}}])"""


def policies() -> list[dict[str, Any]]:
    return [
        policy(PODS, ["CREATE"], "object.spec"),
        policy(DAEMONSETS, ["CREATE", "UPDATE"], "object.spec.template.spec"),
    ]


def pin(cluster: Cluster) -> None:
    """Keep what is there (the cluster's own, in a cluster that has just been made) on the real node, one of each."""
    selector = {"spec": {"template": {"spec": {"nodeSelector": dict([INFRASTRUCTURE_NODE])}}}}
    for kind in (DAEMONSETS, DEPLOYMENTS):
        for item in cluster.list(kind).items:
            metadata = item["metadata"]
            patch: dict[str, Any] = {"spec": {"replicas": 1} | selector["spec"]} if kind == DEPLOYMENTS else selector
            cluster.patch_merge(kind, metadata["namespace"], metadata["name"], patch)


def fence(cluster: Cluster) -> None:
    """Have the policies in the cluster; they come into force a moment later."""
    for each in policies():
        cluster.apply(POLICIES, each)
        cluster.apply(BINDINGS, admission.binding(each["metadata"]["name"]))


def until_in_force(cluster: Cluster, deadline: Deadline) -> None:
    """See what becomes of a pod and a DaemonSet that tolerate everything, without making them. Raises ClusterError."""
    for kind, obj in ((PODS, _probe_pod()), (DAEMONSETS, _probe_daemonset())):
        while (why := _leaks(cluster, kind, obj)) != "":
            if deadline.expired:
                raise ClusterError(
                    f"the fence round the real node is not in force after {deadline.budget:g} s: {why}",
                    where=f"{POLICIES.kind} simulated-{kind.plural}",
                    do="the API server must serve admissionregistration.k8s.io/v1beta1 (MutatingAdmissionPolicy)",
                )
            time.sleep(_LOOK_SECONDS)


def _leaks(cluster: Cluster, kind: Kind, obj: dict[str, Any]) -> str:
    """Why such an object could go to the real node; empty where it cannot."""
    try:
        made = cluster.request("POST", address(kind, _NAMESPACE), query={"dryRun": "All"}, body=obj)
    except ApiError as error:
        return str(error)  # the account that pods run under comes a moment after the namespace
    spec = made["spec"]["template"]["spec"] if kind == DAEMONSETS else made["spec"]
    key, value = KWOK_NODE_LABEL
    return "" if spec.get("nodeSelector", {}).get(key) == value else f"a {kind.kind} was admitted unchanged"


def _probe_pod() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": PODS.kind,
        "metadata": {"name": "kwok-harness-probe", "namespace": _NAMESPACE},
        "spec": {
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "kwok-harness/nothing"}],
        },
    }


def _probe_daemonset() -> dict[str, Any]:
    labels = {"app": "kwok-harness-probe"}
    return {
        "apiVersion": DAEMONSETS.api_version,
        "kind": DAEMONSETS.kind,
        "metadata": {"name": "kwok-harness-probe", "namespace": _NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _probe_pod()["spec"]},
        },
    }
