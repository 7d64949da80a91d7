"""How Flux behaves, whatever it runs in: options, CRDs, and the evidence that it leaves."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tenacity

from harness.cluster.api import transient
from harness.errors import ClusterError
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.gates.flux import releases
from harness.installers import manifests
from harness.publishing.git.address import Access as GitAccess
from harness.publishing.oci.address import Access
from harness.retrying import retrying
from harness.settings import Retries
from harness.tools.toolchain import FILES

CREDENTIALS, AUTHORITY = "aicr-registry", "aicr-registry-authority"  # Secrets, of a registry that is not the run's
GIT_CREDENTIALS = "aicr-git"  # a Secret, of a repository that is not the run's


NAMESPACE = "flux-system"


def registry_secrets(access: Access) -> list[dict[str, Any]]:
    """The Secrets that the OCIRepository refers to: who asks the registry, and the authority of its certificate."""
    found = {}
    if access.credentials is not None:
        config = access.credentials.docker_config(access.address.host)
        found[CREDENTIALS] = ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": config})
    if access.authority is not None:
        found[AUTHORITY] = ("Opaque", {"ca.crt": access.authority.read_text()})
    return [_secret(name, kind, data) for name, (kind, data) in found.items()]


def git_secrets(access: GitAccess) -> list[dict[str, Any]]:
    """The Secret that a GitRepository refers to; none where anybody may read and the authority is known."""
    data: dict[str, str] = {}
    if access.reader is not None:
        data |= {"username": access.reader.username, "password": access.reader.password}
    if access.authority is not None:
        data["ca.crt"] = access.authority.read_text()
    return [_secret(GIT_CREDENTIALS, "Opaque", data)] if data else []


def _secret(name: str, kind: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


TOOLS = CONTROLLERS = ("source-controller", "kustomize-controller", "helm-controller", "source-watcher")
REQUEUE_DEPENDENCY = "1s"
LONGEST_RETRY = "10s"
_COMMON = (
    "--enable-leader-election=false",
    "--log-level=info",
    "--watch-all-namespaces=true",
    f"--requeue-dependency={REQUEUE_DEPENDENCY}",
    f"--max-retry-delay={LONGEST_RETRY}",
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
)
_OWN: Mapping[str, tuple[str, ...]] = {
    "helm-controller": (
        "--feature-gates=ExternalArtifact=true",  # a chart out of an ArtifactGenerator
        "--concurrent=10",  # with 4, releases that wait for nothing wait for those that wait for their hooks
    ),
}


def crds(program: Path) -> list[dict[str, Any]]:
    """The CRDs of a controller's module."""
    return manifests.read(sorted((program.parent / FILES / "config/crd/bases").glob("*.yaml")))


def options(controller: str) -> tuple[str, ...]:
    """How a controller behaves, whatever it runs in."""
    return (*_COMMON, *_OWN.get(controller, ()))


def persistently(retries: Retries) -> tenacity.Retrying:
    """Try again what may be different the next time, with growing pauses."""
    return retrying(retries, lambda error: isinstance(error, ClusterError) and transient(error))


def collectors(site: EvidenceSite) -> list[Collector]:
    """All of Flux's objects, and the end of each controller's log."""
    logs = [site.log_of(controller, f"flux-{controller}") for controller in CONTROLLERS]
    return [site.objects("flux-resources", releases.KINDS), *logs]
