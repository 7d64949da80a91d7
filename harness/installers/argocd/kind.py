"""Argo CD in a Kind cluster: Redis, repo server and application controller, of its own module's manifests.

As on the host runtime, what nobody here needs is left out: the API server and its UI, Dex, notifications,
ApplicationSets, plug-ins of the repo server. It behaves as there, too. Or, where settings say so, all of it by its Helm
chart, as the bash harness has it.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.deadline import Deadline
from harness.errors import ArgocdCrdMissing, ArgocdInstallFailed, RepositorySecretRefused
from harness.gates.rollouts import Workload
from harness.helm.client import Helm
from harness.installers import manifests
from harness.installers.argocd.configuration import (
    AUTHORITIES,
    CONFIGURATION,
    CONTROLLER,
    ENVIRONMENT,
    NAMESPACE,
    OPTIONS,
    PROJECTS,
    REDIS,
    REPO_SERVER,
    SIMULATED,
    all_authorities,
    configured,
    crds,
    default_project,
    encoded,
    repository_credentials,
)
from harness.installers.in_cluster.placing import placed
from harness.installers.in_cluster.rollout import available, rolled_out, stop
from harness.installers.installer import KindSite, failing_as
from harness.installers.registry.kind import access as registry_access
from harness.names import INFRASTRUCTURE_NODE, KWOK_NODE_LABEL
from harness.objects import DEPLOYMENTS, STATEFULSETS
from harness.progress import task
from harness.settings import Chart
from harness.tools.toolchain import FILES

TOOLS = (MANIFESTS,) = ("argocd-manifests",)
WORKLOADS = (
    Workload(DEPLOYMENTS, NAMESPACE, REDIS),
    Workload(DEPLOYMENTS, NAMESPACE, REPO_SERVER),
    Workload(STATEFULSETS, NAMESPACE, CONTROLLER),
)
RELEASE = "argocd"
FENCED = {
    "resource.customizations.ignoreDifferences.apps_DaemonSet": f"jsonPointers:\n"
    f"- /spec/template/spec/nodeSelector/{KWOK_NODE_LABEL[0]}\n"
}
_PARTS = ("base/redis", "base/repo-server", "base/application-controller", "base/application-controller-roles")
_ROLES = "cluster-rbac/application-controller"
_PLAIN = frozenset({"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Service"})
_IMAGES = {REDIS: "redis", REPO_SERVER: "argocd", CONTROLLER: "argocd"}


def install(site: KindSite) -> None:
    """Have Argo CD running in the cluster, its kinds served, with access to the cluster's registry.

    Raises ArgocdInstallFailed (30), ArgocdCrdMissing (31) or RepositorySecretRefused (40).
    """
    settings, cluster, identity = site.settings, site.cluster, site.running.identity
    access = registry_access(settings)
    trusted = all_authorities(settings)
    program = site.tools(MANIFESTS)
    definitions, chart = crds(program), settings.kind.argocd == "chart"
    with task(site.progress, "argocd"):
        with failing_as(ArgocdInstallFailed):
            images = {} if chart else site.images(("argocd", "redis"))
            deadline = Deadline.after(settings.deadlines.argocd_install)
            manifests.apply(cluster, [manifests.namespace(NAMESPACE)])
            if chart:
                by_chart(site, settings.kind.argocd_chart, deadline.remaining)
                manifests.apply(cluster, [_trusting(trusted)] if trusted else [])
            else:
                if not manifests.defined(cluster, definitions):
                    stop(cluster, WORKLOADS, deadline)  # those that run look for a kind that went only much later
                own = [*fenced(configured(program, identity), trusted), redis_password(identity), *plain(program)]
                manifests.apply(cluster, [*definitions, *own])
        with failing_as(ArgocdCrdMissing):
            manifests.until_served(cluster, definitions, deadline.within(settings.deadlines.argocd_crd))
        with failing_as(ArgocdInstallFailed):
            # Before the controller looks for it, and not before its kind is served: it would stay unfound for minutes.
            cluster.apply(PROJECTS, default_project())
        with failing_as(RepositorySecretRefused):
            manifests.apply(cluster, repository_credentials(access, settings.mirrors))
        with failing_as(ArgocdInstallFailed):
            if chart:
                available(site, WORKLOADS, deadline)
            else:
                rolled_out(site, workloads(program, images), deadline)


def by_chart(site: KindSite, chart: Chart, within: float) -> None:
    """Install or upgrade the chart, on the real node. Its values are strings, as Argo CD wants them."""
    placed_on = {f"global.nodeSelector.{_escaped(INFRASTRUCTURE_NODE[0])}": INFRASTRUCTURE_NODE[1]}
    fence = {f"configs.cm.{_escaped(key)}": value for key, value in {**SIMULATED, **FENCED}.items()}
    with tempfile.TemporaryDirectory(prefix="kwok-harness-") as home:
        Helm(site.tools("helm"), Path(home), site.running.kubeconfig).install_chart(
            RELEASE,
            NAMESPACE,
            chart.name,
            repository=chart.repository,
            version=chart.version,
            values={**chart.values, **placed_on, **fence},
            timeout=within,
            wait=True,
        )


def _escaped(key: str) -> str:
    """A key with dots in it, as helm wants to be told."""
    return key.replace(".", r"\.")


def fenced(
    configuration: Iterable[dict[str, Any]], trusted: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """The configuration, which also says that the fence's selector is not in the manifests: else a DaemonSet that
    selects nodes by itself would be out of sync for ever. `trusted` are certificates of authorities by server.
    """
    for each in configuration:
        if each["metadata"]["name"] == CONFIGURATION:
            yield {**each, "data": {**(each.get("data") or {}), **FENCED}}
        elif each["metadata"]["name"] == AUTHORITIES and trusted:
            yield {**each, "data": dict(trusted)}
        else:
            yield each


def _trusting(trusted: Mapping[str, str]) -> dict[str, Any]:
    """The ConfigMap that the chart has made, with certificates in it."""
    metadata = {"name": AUTHORITIES, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(trusted)}


def plain(program: Path) -> list[dict[str, Any]]:
    """Accounts, roles and services of the parts that run; network policies are left out, nobody else is there."""
    return [each for each in _read(program, (*_PARTS, _ROLES)) if each["kind"] in _PLAIN]


def workloads(program: Path, images: Mapping[str, str]) -> list[dict[str, Any]]:
    """The three that run, placed; `images` are those of "argocd" and "redis"."""
    found = []
    for each in _read(program, _PARTS):
        if each["kind"] in ("Deployment", "StatefulSet"):
            name = each["metadata"]["name"]
            each["spec"]["template"]["spec"].pop("initContainers", None)  # a plug-in server, and what makes a password
            argo = _IMAGES[name] == "argocd"
            environment = ENVIRONMENT if argo else {}
            options = OPTIONS.get(name, ())
            found.append(placed(each, NAMESPACE, images[_IMAGES[name]], arguments=options, environment=environment))
    return found


def redis_password(identity: str) -> dict[str, Any]:
    """What Redis asks for and its users send: the same each time, so that installing again changes nothing."""
    secret = hashlib.sha256(f"redis {identity}".encode()).hexdigest()
    metadata = {"name": REDIS, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded({"auth": secret})}


def _read(program: Path, parts: Iterable[str]) -> list[dict[str, Any]]:
    root = program.parent / FILES / "manifests"
    found = manifests.read(file for part in parts for file in sorted((root / part).glob("*.yaml")))
    for each in found:
        if each["kind"] in ("ClusterRole", "ClusterRoleBinding", "Kustomization"):
            continue
        each["metadata"]["namespace"] = NAMESPACE
    return found
