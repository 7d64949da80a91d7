"""Flux: four controllers as processes of this machine, and the CRDs of their modules.

The flags are Flux's own but for the addresses and for waiting: a HelmRelease asks after its dependencies each 30
seconds by default, and what has failed is left alone for up to 15 minutes. Both are meant for clusters that live for
years; here they would be most of a cell's time.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import FluxCrdMissing, FluxInstallFailed, FluxRolloutFailed
from harness.installers import manifests
from harness.installers.flux.configuration import CONTROLLERS, NAMESPACE, crds, options, persistently, registry_secrets
from harness.installers.installer import Site, failing_as
from harness.installers.registry import configuration as registry_configuration
from harness.processes.services import Ports, Probe, Service
from harness.progress import task

STORES = frozenset({"source-controller", "source-watcher"})  # those that serve artifacts
PORTS = tuple(
    [f"{controller} health" for controller in CONTROLLERS] + [f"{controller} storage" for controller in sorted(STORES)]
)


def install(site: Site) -> None:
    """Have Flux running on the cluster, healthy, its kinds served.

    Raises FluxInstallFailed (60), FluxCrdMissing (62) or FluxRolloutFailed (61).
    """
    programs = {controller: site.tools(controller) for controller in CONTROLLERS}
    definitions = [each for program in programs.values() for each in crds(program)]
    deadlines = site.settings.deadlines
    secrets = registry_secrets(registry_configuration.access(site.settings))
    with task(site.progress, "flux"):
        with failing_as(FluxInstallFailed):
            if not manifests.defined(site.cluster, definitions):
                site.services.stop(*CONTROLLERS)  # those that run look for a kind that went only after half a minute
            persistently(site.settings.retries)(
                manifests.apply, site.cluster, [manifests.namespace(NAMESPACE), *secrets, *definitions]
            )
        with failing_as(FluxCrdMissing):
            manifests.until_served(site.cluster, definitions, Deadline.after(deadlines.flux_crd))
        with failing_as(FluxRolloutFailed):
            site.services.ensure(
                lambda ports: plan(programs, ports, site.services.directory, site.running.kubeconfig),
                deadlines.flux_rollout,
                ports=PORTS,
            )


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
