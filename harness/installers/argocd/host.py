"""Argo CD: its application controller and repo server as processes of this machine, its CRDs and its configuration.

What nobody here needs is left out: the API server and its UI, notifications, ApplicationSets, signatures of commits.
The controller's metrics listen on all addresses, which it has no option for; everything else listens on loopback.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import ArgocdCrdMissing, ArgocdInstallFailed, RepositorySecretRefused
from harness.installers import manifests
from harness.installers.argocd.configuration import (
    CONTROLLER,
    ENVIRONMENT,
    NAMESPACE,
    OPTIONS,
    PROJECTS,
    REDIS,
    REPO_SERVER,
    SERVICES,
    all_authorities,
    configured,
    crds,
    default_project,
    repository_credentials,
)
from harness.installers.installer import Site, failing_as
from harness.installers.registry import configuration as registry_configuration
from harness.processes.services import Ports, Probe, Service
from harness.progress import task

TOOLS = ("argocd", "redis", "helm", "kustomize")

PORTS = ("argocd redis", "argocd repo server", "argocd repo server metrics", "argocd controller metrics")


def install(site: Site) -> None:
    """Have Argo CD running on the cluster, healthy, its kinds served, with access to the registry.

    Raises ArgocdInstallFailed (30), ArgocdCrdMissing (31) or RepositorySecretRefused (40).
    """
    tools = {name: site.tools(name) for name in TOOLS}
    git = shutil.which("git")  # which bundles in a registry do without
    commands = {name: tools[name] for name in ("helm", "kustomize")} | ({"git": Path(git)} if git else {})
    definitions, configuration = crds(tools["argocd"]), configured(tools["argocd"], site.running.identity)
    deadlines, cluster, access = site.settings.deadlines, site.cluster, registry_configuration.access(site.settings)
    deadline = Deadline.after(deadlines.argocd_install)
    with task(site.progress, "argocd"):
        with failing_as(ArgocdInstallFailed):
            if not manifests.defined(cluster, definitions):
                site.services.stop(*SERVICES)  # those that run look for a kind that went only after half a minute
            manifests.apply(cluster, [manifests.namespace(NAMESPACE), *definitions])
            manifests.apply(cluster, configuration)
        with failing_as(ArgocdCrdMissing):
            manifests.until_served(cluster, definitions, deadline.within(deadlines.argocd_crd))
        with failing_as(ArgocdInstallFailed):
            # Before the controller looks for it, and not before its kind is served: it would stay unfound for minutes.
            cluster.apply(PROJECTS, default_project())
        with failing_as(RepositorySecretRefused):
            manifests.apply(cluster, repository_credentials(access, site.settings.mirrors))
        with failing_as(ArgocdInstallFailed):
            site.services.ensure(
                lambda ports: plan(
                    tools,
                    commands,
                    ports,
                    site.services.directory,
                    site.running.kubeconfig,
                    all_authorities(site.settings),
                ),
                deadline.remaining,
                ports=PORTS,
            )


def plan(
    tools: Mapping[str, Path],
    commands: Mapping[str, Path],
    ports: Ports,
    directory: Path,
    kubeconfig: Path,
    trusted: Mapping[str, str] | None = None,
) -> Sequence[Service]:
    """Redis, the repo server and the controller as services; `directory` is that of all services.

    `commands` are those that the repo server renders with, `trusted` certificates of authorities by server.
    """
    cache, repo_server, repo_metrics, metrics = (ports[purpose] for purpose in PORTS)
    return [
        Service(
            name=REDIS,
            program=tools["redis"],
            arguments=(f"127.0.0.1:{cache}",),
            probes=(Probe(cache),),
        ),
        Service(
            name=REPO_SERVER,
            program=tools["argocd"],
            called=REPO_SERVER,
            arguments=(
                f"--redis=127.0.0.1:{cache}",
                "--address=127.0.0.1",
                f"--port={repo_server}",
                "--metrics-address=127.0.0.1",
                f"--metrics-port={repo_metrics}",
                *OPTIONS[REPO_SERVER],
            ),
            # Not /healthz?full=true: it dials itself by the name localhost, for which gRPC asks the network's DNS.
            probes=(Probe(repo_server), Probe(repo_metrics, "/healthz")),
            environment=_environment(directory / REPO_SERVER, kubeconfig),
            commands=commands,
            files=trusted or {},
        ),
        Service(
            name=CONTROLLER,
            program=tools["argocd"],
            called=CONTROLLER,
            arguments=(
                f"--redis=127.0.0.1:{cache}",
                f"--repo-server=127.0.0.1:{repo_server}",
                f"--namespace={NAMESPACE}",
                f"--metrics-port={metrics}",
                *OPTIONS[CONTROLLER],
            ),
            probes=(Probe(metrics, "/healthz"),),
            environment=_environment(directory / CONTROLLER, kubeconfig),
        ),
    ]


def _environment(home: Path, kubeconfig: Path) -> dict[str, str]:
    """Paths of its own instead of those of Argo CD's image; in it, "in-cluster" means the kubeconfig."""
    return {
        "KUBECONFIG": str(kubeconfig),
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        **ENVIRONMENT,
        **{f"ARGOCD_{name}": str(home) for name in ("GNUPGHOME", "GPG_DATA_PATH", "TLS_DATA_PATH", "SSH_DATA_PATH")},
        "ARGOCD_PLUGINSOCKFILEPATH": str(home),
        "ARGOCD_ASK_PASS_SOCK": "ask-pass.sock",  # else in /tmp, one for all; a Unix socket's path must be short
    }
