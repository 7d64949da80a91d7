"""The Git server in a Kind cluster: a Deployment of Gitea, and a NodePort that the node's container maps to here.

Those who push call it localhost, with the port of the settings; the controllers in the cluster call it by its Service.
What is stored goes with its pod.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.deadline import Deadline
from harness.errors import GitNotReady
from harness.gates.rollouts import Workload
from harness.installers import manifests
from harness.installers.git.configuration import (
    CONFIGURATION,
    HEALTH,
    NAME,
    SERVED,
    configuration,
    user_that_pushes,
)
from harness.installers.in_cluster.placing import placed
from harness.installers.in_cluster.rollout import rolled_out
from harness.installers.installer import KindSite, failing_as
from harness.installers.reachable import until_reachable
from harness.objects import DEPLOYMENTS
from harness.processes import commands
from harness.progress import task

NAMESPACE = "aicr-registry"
PORT, NODE_PORT = 3000, 30300
ADDRESS = f"{NAME}.{NAMESPACE}.svc.cluster.local:{PORT}"  # as controllers in the cluster write it
TOOLS = ("kubectl",)
WORKLOADS = (Workload(DEPLOYMENTS, NAMESPACE, NAME),)
_HOME = "/var/lib/gitea"
_FILES = "/etc/gitea"
_REVISION = "kwok-harness.io/configuration"  # which one a pod was started with: another means another pod
_LABELS = {"app.kubernetes.io/name": NAME}
_ADMINISTER_SECONDS = 60.0


def install(site: KindSite) -> None:
    """Have the cluster's Git server running, and reachable by those who push, with a user that does.

    Raises GitNotReady (70), GitUnreachable (71) or GitRefused (72).
    """
    port, deadlines, identity = site.settings.ports.git, site.settings.deadlines, site.running.identity
    with task(site.progress, NAME, ADDRESS):
        with failing_as(GitNotReady):
            image = site.images((NAME,))[NAME]
            deadline = Deadline.after(deadlines.git_ready)
            manifests.apply(site.cluster, [manifests.namespace(NAMESPACE)])
            manifests.apply(site.cluster, [_secret(identity), _service()])
            rolled_out(site, [_deployment(image, identity)], deadline)
        until_reachable(
            SERVED,
            port,
            identity,
            Deadline.after(deadlines.git_reachable),
            do=f"the cluster maps its port {NODE_PORT} to another port of this machine, or to none: recreate it "
            f"(kwok-harness down {site.running.name}), or set KWOK_GITEA_HOST_PORT to its original port",
        )

        def administer(words: Sequence[str]) -> str:
            running = site.running
            kubectl = (f"--kubeconfig={running.kubeconfig}", f"--context={running.context}", "exec")
            gitea = (NAME, *words, f"--config={_FILES}/{CONFIGURATION}", f"--work-path={_HOME}")
            pod = (f"--namespace={NAMESPACE}", f"deployment/{NAME}", "--")
            argv: list[str | Path] = [site.tools("kubectl"), *kubectl, *pod, *gitea]
            return commands.run(argv, timeout=_ADMINISTER_SECONDS).stdout

        user_that_pushes(site.running, port, administer)


def _configuration(identity: str) -> str:
    return configuration(PORT, identity, listen="0.0.0.0", url=f"http://{ADDRESS}/", home=_HOME)  # noqa: S104 - a pod


def _secret(identity: str) -> dict[str, Any]:
    """Its configuration has secrets in it; the other file says which cluster's it is."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(),
        "stringData": {CONFIGURATION: _configuration(identity), "identity": identity},
    }


def _service() -> dict[str, Any]:
    port = {"name": "http", "port": PORT, "targetPort": PORT, "nodePort": NODE_PORT, "protocol": "TCP"}
    spec = {"type": "NodePort", "selector": _LABELS, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(), "spec": spec}


def _deployment(image: str, identity: str) -> dict[str, Any]:
    command = ["gitea", "web", f"--config={_FILES}/{CONFIGURATION}", f"--work-path={_HOME}"]
    container = {
        "name": NAME,
        "command": command,
        "workingDir": _HOME,
        "env": [{"name": "GIT_CONFIG_NOSYSTEM", "value": "1"}, {"name": "HOME", "value": _HOME}],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": HEALTH, "port": PORT, "scheme": "HTTP"}},
        "volumeMounts": [
            {"name": "data", "mountPath": _HOME},
            {"name": "configuration", "mountPath": _FILES, "readOnly": True},
            {"name": "identity", "mountPath": f"{_HOME}/custom/public/assets", "readOnly": True},
        ],
    }
    volumes = [
        {"name": "data", "emptyDir": {}},
        {"name": "configuration", "secret": {"secretName": NAME, "items": [_item(CONFIGURATION, CONFIGURATION)]}},
        {"name": "identity", "secret": {"secretName": NAME, "items": [_item("identity", "kwok-harness.txt")]}},
    ]
    revision = hashlib.sha256(_configuration(identity).encode()).hexdigest()[:16]
    template = {
        "metadata": {"labels": _LABELS, "annotations": {_REVISION: revision}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # GITEA_PORT would be taken for a setting of the server
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},  # of the rootless image
            "containers": [container],
            "volumes": volumes,
        },
    }
    spec = {"selector": {"matchLabels": _LABELS}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(), "spec": spec}
    return placed(manifest, NAMESPACE, image)


def _item(key: str, path: str) -> dict[str, str]:
    return {"key": key, "path": path}


def _metadata() -> dict[str, Any]:
    return {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS}
