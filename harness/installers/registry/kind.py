"""The registry in a Kind cluster: a Deployment, and a NodePort that the node's container maps to this machine.

Those who push call it localhost, with the port of the settings; the controllers in the cluster call it by its Service.
What is stored goes with its pod.
"""

from dataclasses import replace
from typing import Any

from harness.deadline import Deadline
from harness.errors import RegistryNotReady
from harness.gates.rollouts import Workload
from harness.installers import manifests
from harness.installers.in_cluster.placing import placed
from harness.installers.in_cluster.rollout import rolled_out
from harness.installers.installer import KindSite, failing_as
from harness.installers.reachable import until_reachable
from harness.installers.registry.configuration import NAME, SERVED, configuration, elsewhere
from harness.installers.registry.configuration import NAMESPACE as REPOSITORIES
from harness.installers.registry.configuration import access as access_from_here
from harness.objects import CONFIGMAPS, DEPLOYMENTS
from harness.progress import task
from harness.publishing.oci.address import Access, Address
from harness.settings import Settings

NAMESPACE = "aicr-registry"
PORT, NODE_PORT = 5000, 30500
ADDRESS = f"{NAME}.{NAMESPACE}.svc.cluster.local:{PORT}"  # as controllers in the cluster write it
TOOLS: tuple[str, ...] = ()
WORKLOADS = (Workload(DEPLOYMENTS, NAMESPACE, NAME),)
_DIRECTORY = "/var/lib/registry"
_CONFIGURATION = "/etc/kwok-harness"
_REVISION = "kwok-harness.io/configuration"  # which one a pod was started with: another means another pod
_LABELS = {"app.kubernetes.io/name": NAME}


def address(settings: Settings) -> Address:
    """Where controllers in the cluster pull artifacts from."""
    return elsewhere(settings) or Address(ADDRESS, REPOSITORIES, plain_http=True)


def access(settings: Settings) -> Access:
    """How controllers in the cluster get there. Raises SettingsError."""
    return replace(access_from_here(settings), address=address(settings))


def install(site: KindSite) -> None:
    """Have the cluster's registry running, and reachable by those who push.

    Raises RegistryNotReady (20) or RegistryUnreachable (21).
    """
    port, deadlines, identity = site.settings.ports.registry, site.settings.deadlines, site.running.identity
    with task(site.progress, NAME, ADDRESS):
        with failing_as(RegistryNotReady):
            image = site.images((NAME,))[NAME]
            deadline = Deadline.after(deadlines.registry_ready)
            manifests.apply(site.cluster, [manifests.namespace(NAMESPACE)])
            settled = site.cluster.apply(CONFIGMAPS, _config(identity))
            manifests.apply(site.cluster, [_service()])
            rolled_out(site, [_deployment(image, settled["metadata"]["resourceVersion"])], deadline)
        until_reachable(
            SERVED,
            port,
            identity,
            Deadline.after(deadlines.registry_reachable),
            do=f"the cluster maps its port {NODE_PORT} to another port of this machine, or to none: make it anew "
            f"(kwok-harness down {site.running.name}), or set KWOK_REGISTRY_HOST_PORT to the one it was made with",
        )


def _config(identity: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(),
        "data": {"config.yml": configuration(f":{PORT}", identity)},
    }


def _service() -> dict[str, Any]:
    port = {"name": "http", "port": PORT, "targetPort": PORT, "nodePort": NODE_PORT, "protocol": "TCP"}
    spec = {"type": "NodePort", "selector": _LABELS, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(), "spec": spec}


def _deployment(image: str, revision: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/v2/", "port": PORT, "scheme": "HTTP"}}
    container = {
        "name": NAME,
        "command": ["/bin/registry", "serve", f"{_CONFIGURATION}/config.yml"],
        "workingDir": _DIRECTORY,  # below which its configuration says that it stores
        "env": [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}],  # or it looks for somebody to send them to
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": probe,
        "volumeMounts": [
            {"name": "data", "mountPath": _DIRECTORY},
            {"name": "configuration", "mountPath": _CONFIGURATION, "readOnly": True},
        ],
    }
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "configuration", "configMap": {"name": NAME}}]
    template = {
        "metadata": {"labels": _LABELS, "annotations": {_REVISION: revision}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # REGISTRY_PORT would be taken for a setting of the registry
            "containers": [container],
            "volumes": volumes,
        },
    }
    spec = {"selector": {"matchLabels": _LABELS}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(), "spec": spec}
    return placed(manifest, NAMESPACE, image)


def _metadata() -> dict[str, Any]:
    return {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS}
