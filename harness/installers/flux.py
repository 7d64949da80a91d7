"""Flux: four controllers as processes of this machine, and the CRDs of their modules.

The flags are Flux's own but for the addresses and for waiting: a HelmRelease asks after its dependencies each 30
seconds by default, and what has failed is left alone for up to 15 minutes. Both are meant for clusters that live for
years; here they would be most of a cell's time.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tenacity

from harness.cluster.api import transient
from harness.deadline import Deadline
from harness.errors import ClusterError, FluxCrdMissing, FluxInstallFailed, FluxRolloutFailed
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.gates.flux import releases
from harness.installers import Site, failing_as, manifests
from harness.processes.services import Ports, Probe, Service
from harness.progress import task
from harness.settings import Retries
from harness.tools.toolchain import FILES

NAMESPACE = "flux-system"
TOOLS = CONTROLLERS = ("source-controller", "kustomize-controller", "helm-controller", "source-watcher")
STORES = frozenset({"source-controller", "source-watcher"})  # those that serve artifacts
PORTS = tuple(
    [f"{controller} health" for controller in CONTROLLERS] + [f"{controller} storage" for controller in sorted(STORES)]
)
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


def install(site: Site) -> None:
    """Have Flux running on the cluster, healthy, its kinds served.

    Raises FluxInstallFailed (60), FluxCrdMissing (62) or FluxRolloutFailed (61).
    """
    programs = {controller: site.tools(controller) for controller in CONTROLLERS}
    definitions = [each for program in programs.values() for each in crds(program)]
    deadlines = site.settings.deadlines
    with task(site.progress, "flux"):
        with failing_as(FluxInstallFailed):
            if not manifests.defined(site.cluster, definitions):
                site.services.stop(*CONTROLLERS)  # those that run look for a kind that went only after half a minute
            persistently(site.settings.retries)(
                manifests.apply, site.cluster, [manifests.namespace(NAMESPACE), *definitions]
            )
        with failing_as(FluxCrdMissing):
            manifests.until_served(site.cluster, definitions, Deadline.after(deadlines.flux_crd))
        with failing_as(FluxRolloutFailed):
            site.services.ensure(
                lambda ports: plan(programs, ports, site.services.directory, site.running.kubeconfig),
                deadlines.flux_rollout,
                ports=PORTS,
            )


def collectors(site: EvidenceSite) -> list[Collector]:
    """All of Flux's objects, and the end of each controller's log."""
    logs = [site.log_of(controller, f"flux-{controller}") for controller in CONTROLLERS]
    return [site.objects("flux-resources", releases.KINDS), *logs]


def crds(program: Path) -> list[dict[str, Any]]:
    """The CRDs of a controller's module."""
    return manifests.read(sorted((program.parent / FILES / "config/crd/bases").glob("*.yaml")))


def options(controller: str) -> tuple[str, ...]:
    """How a controller behaves, whatever it runs in."""
    return (*_COMMON, *_OWN.get(controller, ()))


def plan(programs: Mapping[str, Path], ports: Ports, directory: Path, kubeconfig: Path) -> Sequence[Service]:
    """The controllers as services; `directory` is that of all services."""
    return [_controller(name, programs[name], ports, directory / name, kubeconfig) for name in CONTROLLERS]


def _controller(name: str, program: Path, ports: Ports, home: Path, kubeconfig: Path) -> Service:
    health = ports[f"{name} health"]
    arguments = [f"--health-addr=127.0.0.1:{health}", "--metrics-addr=0", *options(name)]
    probes = [Probe(health, "/readyz")]
    files: dict[str, str] = {}
    if name in STORES:
        storage = ports[f"{name} storage"]
        probes.append(Probe(storage))
        files["artifacts/.keep"] = ""  # the controller does not make the directory
        arguments += [
            f"--storage-path={home / 'artifacts'}",
            f"--storage-addr=127.0.0.1:{storage}",
            f"--storage-adv-addr=127.0.0.1:{storage}",
        ]
    return Service(
        name=name,
        program=program,
        arguments=tuple(arguments),
        probes=tuple(probes),
        environment={"RUNTIME_NAMESPACE": NAMESPACE, "KUBECONFIG": str(kubeconfig)},
        files=files,
    )


def persistently(retries: Retries) -> tenacity.Retrying:
    """Try again what may be different the next time, with growing pauses."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, ClusterError) and transient(error)),
        stop=tenacity.stop_after_attempt(retries.attempts),
        wait=tenacity.wait_exponential(multiplier=retries.delay),
        reraise=True,
    )
