"""Flux in a Kind cluster: four Deployments of its controllers' own modules, and the roles that its command line gives.

Or, where settings say so, everything that the command `flux install` brings, as the bash harness has it. Its manifests
are taken from it and applied here: its pods, as it makes them, may run on no node of this cluster, and it would wait
for them. Either way the controllers run on the real node and behave as on the host runtime.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import tenacity

from harness.deadline import Deadline
from harness.errors import FluxCrdMissing, FluxInstallFailed, FluxRolloutFailed
from harness.excerpts import ending
from harness.gates.rollouts import Workload
from harness.installers import manifests
from harness.installers.flux.configuration import CONTROLLERS, NAMESPACE, crds, options, persistently, registry_secrets
from harness.installers.in_cluster.placing import placed
from harness.installers.in_cluster.rollout import rolled_out, stop
from harness.installers.installer import KindSite, failing_as
from harness.installers.manifests import DEFINITIONS
from harness.installers.registry.kind import access
from harness.objects import DEPLOYMENTS, Object
from harness.processes import commands
from harness.progress import task
from harness.retrying import retrying
from harness.settings import Retries
from harness.tools.toolchain import FILES

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
    deadlines = settings.deadlines
    secrets = registry_secrets(access(settings))
    with task(site.progress, "flux"):
        with failing_as(FluxInstallFailed):
            images = site.images(CONTROLLERS)
            made = by_command(site, shutil.which(COMMAND)) if settings.kind.flux == "command" else by_modules(site)
            definitions, deployments, others = parted(made)
            if not manifests.defined(cluster, definitions):
                stop(cluster, WORKLOADS, Deadline.after(deadlines.flux_rollout))
            again = persistently(settings.retries)
            again(manifests.apply, cluster, [manifests.namespace(NAMESPACE), *secrets, *definitions])
            again(manifests.apply, cluster, others)
        with failing_as(FluxCrdMissing):
            manifests.until_served(cluster, definitions, Deadline.after(deadlines.flux_crd))
        with failing_as(FluxRolloutFailed):
            rolled_out(site, workloads(deployments, images), Deadline.after(deadlines.flux_rollout))


def parted(made: Sequence[Object]) -> tuple[list[Object], list[Object], list[Object]]:
    """CRDs, Deployments, and all others. Raises FluxInstallFailed where the Deployments are not those that are used."""
    definitions = [each for each in made if each["kind"] == DEFINITIONS.kind]
    deployments = [each for each in made if each["kind"] == DEPLOYMENTS.kind]
    others = [each for each in made if each["kind"] not in (DEFINITIONS.kind, DEPLOYMENTS.kind)]
    names = {each["metadata"]["name"] for each in deployments}
    if names != set(CONTROLLERS):
        raise FluxInstallFailed(
            f"there are manifests of {', '.join(sorted(names)) or 'no controller'} instead of"
            f" {', '.join(sorted(CONTROLLERS))}"
        )
    return definitions, deployments, others


def by_modules(site: KindSite) -> Sequence[Object]:
    """What the pinned modules have."""
    programs = {controller: site.tools(f"{controller}-manifests") for controller in CONTROLLERS}
    definitions = [each for program in programs.values() for each in crds(program)]
    running = [each for program in programs.values() for each in parts(program)]
    return [*definitions, *accounts(), *roles(site.tools(_ROLES)), *running]


def by_command(site: KindSite, command: str | None, sleep: Callable[[float], None] | None = None) -> Sequence[Object]:
    """What `flux install` says that it would apply. It may ask the internet for it: five attempts, growing pauses."""
    version = site.settings.tools.pins[_ROLES].version
    if command is None:
        raise FluxInstallFailed(
            "the command `flux` is not on PATH", do=f"install Flux {version}, or set `kind.flux: manifests`"
        )
    argv: Sequence[str | Path] = [
        command,
        "install",
        "--export",
        f"--version={version}",
        "--components=source-controller,kustomize-controller,helm-controller",
        "--components-extra=source-watcher",
    ]
    again = attempts(site.settings.retries)
    if sleep is not None:
        again.sleep = sleep
    try:
        said = again(commands.run, argv, timeout=site.settings.deadlines.flux_rollout).stdout
    except commands.CommandFailed as error:
        words = ending(error.completed.stderr.strip(), 3)
        tried = f"`flux install` failed {site.settings.retries.attempts} times: "
        raise FluxInstallFailed(tried + (words or error.what)) from error
    return manifests.parse(said, COMMAND)


def attempts(retries: Retries) -> tenacity.Retrying:
    """Whatever the command failed of, it is run again: it fetches manifests from the internet."""
    return retrying(retries, lambda error: isinstance(error, commands.CommandFailed))


def accounts() -> Sequence[Object]:
    """The account of each controller, by the name that the roles are given to."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
        for name in CONTROLLERS
    ]


def roles(program: Path) -> Sequence[Object]:
    """What the controllers may do, as Flux's command line has it."""
    return manifests.read(program.parent / FILES / "manifests/rbac" / name for name in _WANTED)


def parts(program: Path) -> Sequence[Object]:
    """A controller's Deployment, and the address at which a store of artifacts says that it is."""
    found = manifests.read(sorted((program.parent / FILES / "config/manager").glob("*.yaml")))
    return [_ours(each) for each in found if each["kind"] in ("Deployment", "Service")]


def _ours(manifest: Object) -> Object:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}


def workloads(deployments: Iterable[Object], images: Mapping[str, str]) -> Sequence[Object]:
    """The controllers, placed: each under an account of its own."""
    found = []
    for manifest in deployments:
        name = manifest["metadata"]["name"]
        ours = placed(manifest, NAMESPACE, images[name], arguments=options(name))
        ours["spec"]["template"]["spec"]["serviceAccountName"] = name
        found.append(ours)
    return found
