"""Flux in a Kind cluster: four Deployments of its controllers' own modules, and the roles that its command line gives.

The controllers behave as on the host runtime. Or, where settings say so, all of it by the command `flux install`, as
the bash harness has it.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tenacity

from harness import process
from harness.deadline import Deadline
from harness.errors import FluxCrdMissing, FluxInstallFailed, FluxRolloutFailed
from harness.gates.rollouts import Workload
from harness.installers import KindSite, failing_as, manifests
from harness.installers.flux import CONTROLLERS, NAMESPACE, crds, options, persistently
from harness.installers.in_cluster.placing import placed
from harness.installers.in_cluster.rollout import rolled_out, stop
from harness.progress import task
from harness.settings import Retries
from harness.snapshot import DEPLOYMENTS
from kwok.toolchain import FILES

COMMAND = "flux"
_ROLES = "flux-manifests"
TOOLS = (_ROLES, *(f"{controller}-manifests" for controller in CONTROLLERS))
WORKLOADS = tuple(Workload(DEPLOYMENTS, NAMESPACE, controller) for controller in CONTROLLERS)
_WANTED = ("controller.yaml", "reconciler.yaml")  # without those for people, and without a quota


def install(site: KindSite) -> None:
    """Have Flux running in the cluster, its kinds served.

    Raises FluxInstallFailed (60), FluxCrdMissing (62) or FluxRolloutFailed (61).
    """
    settings, cluster = site.settings, site.cluster
    programs = {controller: site.tools(f"{controller}-manifests") for controller in CONTROLLERS}
    definitions = [each for program in programs.values() for each in crds(program)]
    deadlines = settings.deadlines
    with task(site.progress, "flux"):
        with failing_as(FluxInstallFailed):
            images = site.images(CONTROLLERS)
            if not manifests.defined(cluster, definitions):
                stop(cluster, WORKLOADS, Deadline.after(deadlines.flux_rollout))
            if settings.kind.flux == "command":
                by_command(site, shutil.which(COMMAND))
            else:
                own = [*accounts(), *roles(site.tools(_ROLES)), *services(programs)]
                again = persistently(settings.retries)
                again(manifests.apply, cluster, [manifests.namespace(NAMESPACE), *definitions])
                again(manifests.apply, cluster, own)
        with failing_as(FluxCrdMissing):
            manifests.until_served(cluster, definitions, Deadline.after(deadlines.flux_crd))
        with failing_as(FluxRolloutFailed):
            rolled_out(site, workloads(programs, images), Deadline.after(deadlines.flux_rollout))


def by_command(site: KindSite, command: str | None, sleep: Callable[[float], None] | None = None) -> None:
    """Run `flux install` until it succeeds, with growing pauses. Its Deployments are then made ours, as all others."""
    version = site.settings.tools.pins[_ROLES].version
    if command is None:
        raise FluxInstallFailed(
            "the command `flux` is not on PATH", do=f"install Flux {version}, or set `kind.flux: manifests`"
        )
    argv: Sequence[str | Path] = [
        command,
        "install",
        f"--version={version}",
        "--components=source-controller,kustomize-controller,helm-controller",
        "--components-extra=source-watcher",
        f"--kubeconfig={site.running.kubeconfig}",
        f"--context={site.running.context}",
        f"--timeout={site.settings.deadlines.flux_rollout:.0f}s",
    ]
    again = attempts(site.settings.retries)
    if sleep is not None:
        again.sleep = sleep
    try:
        again(process.run, argv, timeout=site.settings.deadlines.flux_rollout + 30)
    except process.CommandFailed as error:
        said = error.completed.stderr.strip().splitlines()[-3:]
        tried = f"`flux install` failed {site.settings.retries.attempts} times: "
        raise FluxInstallFailed(tried + ("\n".join(said) or error.what)) from error


def attempts(retries: Retries) -> tenacity.Retrying:
    """Whatever the command failed of, it is run again: it fetches manifests from the internet."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(process.CommandFailed),
        stop=tenacity.stop_after_attempt(retries.attempts),
        wait=tenacity.wait_exponential(multiplier=retries.delay),
        reraise=True,
    )


def accounts() -> list[dict[str, Any]]:
    """The account of each controller, by the name that the roles are given to."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
        for name in CONTROLLERS
    ]


def roles(program: Path) -> list[dict[str, Any]]:
    """What the controllers may do, as Flux's command line has it."""
    return manifests.read(program.parent / FILES / "manifests/rbac" / name for name in _WANTED)


def services(programs: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The addresses at which the two stores of artifacts say that they are."""
    found = [each for program in programs.values() for each in _read(program) if each["kind"] == "Service"]
    for each in found:
        each["metadata"]["namespace"] = NAMESPACE
    return found


def workloads(programs: Mapping[str, Path], images: Mapping[str, str]) -> list[dict[str, Any]]:
    """The controllers, placed: each under an account of its own."""
    found = []
    for name, program in programs.items():
        [manifest] = [each for each in _read(program) if each["kind"] == "Deployment"]
        manifest["spec"]["template"]["spec"]["serviceAccountName"] = name
        found.append(placed(manifest, NAMESPACE, images[name], arguments=options(name)))
    return found


def _read(program: Path) -> list[dict[str, Any]]:
    return manifests.read(sorted((program.parent / FILES / "config/manager").glob("*.yaml")))
