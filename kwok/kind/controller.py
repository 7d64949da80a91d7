"""The KWOK controller in a Kind cluster: one pod on the real node, configured as it is on the host runtime.

It has the fast stages in itself and takes them where its configuration names none, so there are no CRDs and no stages
to install: the same ones as on the host runtime, from the same version.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from harness.names import INFRASTRUCTURE_NODE, KWOK_NODE_ANNOTATION
from harness.objects import CONFIGMAPS, DEPLOYMENTS, SERVICE_ACCOUNTS, Kind
from kwok.simulation import ARGUMENTS, Pods, simulation

NAMESPACE, NAME = "kube-system", "kwok-controller"
_RBAC = "rbac.authorization.k8s.io/v1"
CLUSTER_ROLES = Kind(_RBAC, "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Kind(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
FLOW_SCHEMAS = Kind("flowcontrol.apiserver.k8s.io/v1", "flowschemas", "FlowSchema", namespaced=False)
_PORT = 10247
_FILE = "kwok.yaml"

# What it does to whom: group, resources, verbs.
_RULES = (
    ("", ("nodes",), ("get", "list", "watch")),
    ("", ("nodes/status", "pods/status"), ("patch", "update")),
    ("", ("pods",), ("delete", "get", "list", "patch", "update", "watch")),
    ("", ("events",), ("create", "patch", "update")),
)


def objects(image: str, pods: Pods) -> Iterator[tuple[Kind, dict[str, Any]]]:
    """Everything of it, in the order in which it is to be applied."""
    yield SERVICE_ACCOUNTS, _object(SERVICE_ACCOUNTS)
    rules = [{"apiGroups": [group], "resources": [*what], "verbs": [*verbs]} for group, what, verbs in _RULES]
    yield CLUSTER_ROLES, _object(CLUSTER_ROLES, rules=rules)
    account = {"kind": SERVICE_ACCOUNTS.kind, "name": NAME, "namespace": NAMESPACE}
    role = {"apiGroup": CLUSTER_ROLES.group, "kind": CLUSTER_ROLES.kind, "name": NAME}
    yield CLUSTER_ROLE_BINDINGS, _object(CLUSTER_ROLE_BINDINGS, roleRef=role, subjects=[account])
    yield FLOW_SCHEMAS, _object(FLOW_SCHEMAS, spec=_unhindered())
    yield CONFIGMAPS, _object(CONFIGMAPS, data={_FILE: yaml.safe_dump_all(configuration(pods), sort_keys=False)})
    yield DEPLOYMENTS, _object(DEPLOYMENTS, spec=_deployment(image))


def configuration(pods: Pods) -> list[dict[str, Any]]:
    """As on the host runtime, but for the simulated nodes only: here is a real one besides."""
    documents = simulation(pods)
    documents[0]["options"]["manageNodesWithAnnotationSelector"] = f"{KWOK_NODE_ANNOTATION}=fake"
    return documents


def _object(kind: Kind, **parts: Any) -> dict[str, Any]:
    namespace = {"namespace": NAMESPACE} if kind.namespaced else {}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": NAME, **namespace, "labels": {"app": NAME}},
        **parts,
    }


def _unhindered() -> dict[str, Any]:
    """A thousand pods that become Ready at once are no reason to queue."""
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    account = {"kind": "ServiceAccount", "serviceAccount": {"name": NAME, "namespace": NAMESPACE}}
    return {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1000,
        "rules": [{"subjects": [account], "resourceRules": [everything]}],
    }


def _deployment(image: str) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            f"--config=/etc/kwok/{_FILE}",
            "=".join(ARGUMENTS),
            # The host's network, and there loopback alone: it needs no network of pods, and nobody else needs it.
            f"--server-address=127.0.0.1:{_PORT}",
            "--node-name=localhost",
            f"--node-port={_PORT}",
        ],
        "readinessProbe": {
            "httpGet": {"host": "127.0.0.1", "port": _PORT, "path": "/healthz"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
        },
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/kwok", "readOnly": True}],
    }
    return {
        "replicas": 1,
        "selector": {"matchLabels": {"app": NAME}},
        "strategy": {"type": "Recreate"},  # two of them would play the same stages
        "template": {
            "metadata": {"labels": {"app": NAME}},
            "spec": {
                "serviceAccountName": NAME,
                "hostNetwork": True,
                "nodeSelector": dict([INFRASTRUCTURE_NODE]),
                "tolerations": [{"operator": "Exists"}],
                "priorityClassName": "system-cluster-critical",
                "containers": [container],
                "volumes": [{"name": "configuration", "configMap": {"name": NAME}}],
            },
        },
    }
