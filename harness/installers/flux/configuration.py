"""How Flux behaves, whatever it runs in: options, CRDs, and the evidence that it leaves."""

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
from harness.retrying import retrying
from harness.settings import Retries
from harness.tools.toolchain import FILES

NAMESPACE = "flux-system"
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
