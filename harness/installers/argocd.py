"""Argo CD: its application controller and repo server as processes of this machine, its CRDs and its configuration.

What nobody here needs is left out: the API server and its UI, notifications, ApplicationSets, signatures of commits.
The controller's metrics listen on all addresses, which it has no option for; everything else listens on loopback.
"""

import base64
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.deadline import Deadline
from harness.errors import ArgocdCrdMissing, ArgocdInstallFailed, RepositorySecretRefused
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.formats.addresses import plain_http
from harness.gates.argocd import APPLICATIONS
from harness.installers import Site, failing_as, manifests, registry
from harness.objects import Kind
from harness.processes.services import Ports, Probe, Service
from harness.progress import task
from harness.tools.toolchain import FILES

NAMESPACE = "argocd"
TOOLS = ("argocd", "redis", "helm", "kustomize")
PROJECTS = Kind("argoproj.io/v1alpha1", "appprojects", "AppProject")
CREDENTIALS = "aicr-oci-repo-creds"
MIRROR_CREDENTIALS = "chart-mirror"
SERVICES = CONTROLLER, REPO_SERVER, REDIS = "argocd-application-controller", "argocd-repo-server", "argocd-redis"
PORTS = ("argocd redis", "argocd repo server", "argocd repo server metrics", "argocd controller metrics")
_LOGS = {"argo-reposerver": REPO_SERVER, "argo-appcontroller": CONTROLLER, "argo-redis": REDIS}
_CRDS = ("application-crd.yaml", "appproject-crd.yaml")  # without ApplicationSets: a megabyte, and no controller

RESYNC_SECONDS = 10  # what was degraded is looked at again; 120 to 180 by default
RENDERINGS = 4  # helm processes at once; no limit by default
WAVE_SECONDS = 1  # between two sync waves, asleep; 2 by default

# How both of its servers behave, whatever they run in.
OPTIONS = {
    CONTROLLER: (
        "--repo-server-plaintext",
        f"--app-resync={RESYNC_SECONDS}",
        "--app-resync-jitter=0",
        f"--self-heal-backoff-cap-seconds={RESYNC_SECONDS}",
    ),
    REPO_SERVER: ("--disable-tls", f"--parallelismlimit={RENDERINGS}"),
}
ENVIRONMENT = {
    "ARGOCD_GPG_ENABLED": "false",
    "ARGOCD_SYNC_WAVE_DELAY": str(WAVE_SECONDS),
    "ARGOCD_PAUSE_GEN_AFTER_FAILED_ATTEMPTS": "0",  # else the third failure of a chart is remembered for an hour
    "ARGOCD_K8S_CLIENT_QPS": "500",
}


def install(site: Site) -> None:
    """Have Argo CD running on the cluster, healthy, its kinds served, with access to the registry.

    Raises ArgocdInstallFailed (30), ArgocdCrdMissing (31) or RepositorySecretRefused (40).
    """
    tools = {name: site.tools(name) for name in TOOLS}
    git = shutil.which("git")  # which bundles in a registry do without
    commands = {name: tools[name] for name in ("helm", "kustomize")} | ({"git": Path(git)} if git else {})
    definitions, configuration = crds(tools["argocd"]), configured(tools["argocd"], site.running.identity)
    deadlines, cluster = site.settings.deadlines, site.cluster
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
            manifests.apply(cluster, repository_credentials(registry.address(site.settings), site.settings.mirrors))
        with failing_as(ArgocdInstallFailed):
            site.services.ensure(
                lambda ports: plan(tools, commands, ports, site.services.directory, site.running.kubeconfig),
                deadline.remaining,
                ports=PORTS,
            )


def collectors(site: EvidenceSite) -> list[Collector]:
    """The Applications and their projects, and the end of each service's log."""
    logs = [site.log_of(service, name) for name, service in _LOGS.items()]
    return [site.objects("argo-apps", (APPLICATIONS, PROJECTS)), *logs]


def crds(program: Path) -> list[dict[str, Any]]:
    """The CRDs of Argo CD's module, beside its program."""
    return manifests.read(program.parent / FILES / "manifests/crds" / name for name in _CRDS)


def configured(program: Path, identity: str) -> list[dict[str, Any]]:
    """Argo CD's own configuration in its namespace; the Secret with the key that the controller asks for, and nothing
    here uses.
    """
    files = (program.parent / FILES / "manifests/base/config").glob("*.yaml")
    found = manifests.read(file for file in sorted(files) if file.name != "kustomization.yaml")
    for each in found:
        each["metadata"]["namespace"] = NAMESPACE
        if each["kind"] == "Secret":  # the same each time: installing again changes nothing
            each["data"] = encoded({"server.secretkey": hashlib.sha256(identity.encode()).hexdigest()})
    return found


def default_project() -> dict[str, Any]:
    """The AppProject that applications belong to: anything, from anywhere, to anywhere."""
    return {
        "apiVersion": PROJECTS.api_version,
        "kind": PROJECTS.kind,
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def repository_credentials(registry: str, mirrors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Tell Argo CD which addresses have no TLS: below oci://`registry`/aicr every bundle, and charts in OCI `mirrors`
    on this machine. A Secret is how it wants to be told; there is nothing secret in it.
    """
    charts = sorted({mirror for mirror in mirrors.values() if plain_http(mirror)})
    addresses = {CREDENTIALS: f"oci://{registry}/aicr"}
    addresses |= {f"{MIRROR_CREDENTIALS}-{number}": url for number, url in enumerate(charts, start=1)}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
            },
            "data": encoded({"type": "oci", "url": url, "insecureOCIForceHttp": "true"}),
        }
        for name, url in addresses.items()
    ]


def plan(
    tools: Mapping[str, Path], commands: Mapping[str, Path], ports: Ports, directory: Path, kubeconfig: Path
) -> Sequence[Service]:
    """Redis, the repo server and the controller as services; `directory` is that of all services.

    `commands` are those that the repo server renders with.
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


def encoded(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
