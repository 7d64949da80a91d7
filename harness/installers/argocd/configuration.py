"""How Argo CD behaves, whatever it runs in: options, projects, credentials, and the evidence that it leaves."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.bundles.delivery import Target
from harness.errors import RepositorySecretRefused
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.formats.addresses import plain_http
from harness.gates.argocd.application import APPLICATIONS
from harness.installers import manifests
from harness.installers.git import configuration as git_configuration
from harness.installers.registry import configuration as registry_configuration
from harness.objects import Kind
from harness.publishing.git.address import Access as GitAccess
from harness.publishing.oci.address import Access
from harness.settings import Settings
from harness.tools.toolchain import FILES

CONFIGURATION = "argocd-cm"
# A CRD's conversion webhook is taken out as it is made (kwok/admission.py): nothing to be put right.
SIMULATED = {
    "resource.customizations.ignoreDifferences.apiextensions.k8s.io_CustomResourceDefinition": "jsonPointers:\n"
    "- /spec/conversion\n"
}


AUTHORITIES = "argocd-tls-certs-cm"  # a ConfigMap: certificates of authorities, by the name of a server
_NO_TLS = {"insecureOCIForceHttp": "true"}


def authorities(*accesses: Access | GitAccess) -> dict[str, str]:
    """The certificates that servers are to be verified with, as Argo CD wants them: by a server's name. Where two of
    one name have different authorities, both are trusted.
    """
    found: dict[str, str] = {}
    for access in accesses:
        if access.authority is not None:
            name, text = access.address.hostname, access.authority.read_text(encoding="utf-8")
            found[name] = text if found.get(name, text) == text else f"{found[name].rstrip()}\n{text}"
    return found


def all_authorities(settings: Settings) -> dict[str, str]:
    """`authorities` of the registry and the repository that the settings name. Raises SettingsError."""
    repository = git_configuration.own_access(settings)
    return authorities(registry_configuration.access(settings), *([repository] if repository else []))


def _login(access: Access) -> dict[str, str]:
    credentials = access.credentials
    if credentials is None:
        return {}
    if credentials.identity_token:
        raise RepositorySecretRefused(
            "Argo CD takes a user name and a password, and there is an identity token",
            where=f"{access.address}, {credentials.source}",
            do=f"log in with a user name and a password: docker login {access.address.host}",
        )
    return {"username": credentials.username, "password": credentials.password}


NAMESPACE = "argocd"
PROJECTS = Kind("argoproj.io/v1alpha1", "appprojects", "AppProject")
CREDENTIALS = "aicr-oci-repo-creds"
GIT_CREDENTIALS = "aicr-git-repository"
MIRROR_CREDENTIALS = "chart-mirror"
SERVICES = CONTROLLER, REPO_SERVER, REDIS = "argocd-application-controller", "argocd-repo-server", "argocd-redis"
_LOGS = {"argo-reposerver": REPO_SERVER, "argo-appcontroller": CONTROLLER, "argo-redis": REDIS}
_CRDS = ("application-crd.yaml", "appproject-crd.yaml")  # without ApplicationSets: a megabyte, and no controller
RESYNC_SECONDS = 60  # everything is compared again; 120 to 180 by default. What waits is asked for before (lanes)
# The longest pause before what differs is applied again: 2, 6, 18, 30 seconds; 300 by default. A field that the API
# server does not keep differs for ever.
SELF_HEAL_SECONDS = 30
RENDERINGS = 4  # helm processes at once; no limit by default
WAVE_SECONDS = 1  # between two sync waves, asleep; 2 by default
# How both of its servers behave, whatever they run in.
OPTIONS = {
    CONTROLLER: (
        "--repo-server-plaintext",
        f"--app-resync={RESYNC_SECONDS}",
        "--app-resync-jitter=0",
        f"--self-heal-backoff-cap-seconds={SELF_HEAL_SECONDS}",
    ),
    REPO_SERVER: ("--disable-tls", f"--parallelismlimit={RENDERINGS}"),
}
ENVIRONMENT = {
    "ARGOCD_GPG_ENABLED": "false",
    "ARGOCD_SYNC_WAVE_DELAY": str(WAVE_SECONDS),
    "ARGOCD_PAUSE_GEN_AFTER_FAILED_ATTEMPTS": "0",  # else the third failure of a chart is remembered for an hour
    "ARGOCD_K8S_CLIENT_QPS": "500",
}


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
        if each["metadata"]["name"] == CONFIGURATION:
            each["data"] = {**(each.get("data") or {}), **SIMULATED}
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


def repository_credentials(access: Access, mirrors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Tell Argo CD how to get at addresses that begin so: who asks there, and which have no TLS. These are the registry
    of every bundle, and charts in OCI `mirrors` on this machine.

    Raises RepositorySecretRefused for an identity token, which Argo CD cannot make use of.
    """
    charts = sorted({mirror for mirror in mirrors.values() if plain_http(mirror)})
    told = {CREDENTIALS: {"url": access.address.url} | _login(access)}
    if access.address.plain_http:
        told[CREDENTIALS] |= _NO_TLS
    told |= {f"{MIRROR_CREDENTIALS}-{number}": {"url": url, **_NO_TLS} for number, url in enumerate(charts, start=1)}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
            },
            "data": encoded({"type": "oci"} | data),
        }
        for name, data in told.items()
    ]


def git_credentials(access: GitAccess, target: Target) -> list[dict[str, Any]]:
    """Who asks at the repository of a bundle; nothing where anybody may. Its authority is among the `authorities`.

    Argo CD is told to give git the credentials at once: when git asks for them, it runs `argocd`, which would be on
    PATH in its image only, and that looks for a socket whose path is too long below many a home.
    """
    if access.reader is None:
        return []
    login = {"username": access.reader.username, "password": access.reader.password}
    data = {"type": "git", "url": target.url, "forceHttpBasicAuth": "true", **login}
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    metadata = {"name": GIT_CREDENTIALS, "namespace": NAMESPACE, "labels": labels}
    return [{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded(data)}]


def encoded(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


def collectors(site: EvidenceSite) -> list[Collector]:
    """The Applications and their projects, and the end of each service's log."""
    logs = [site.log_of(service, name) for name, service in _LOGS.items()]
    return [site.objects("argo-apps", (APPLICATIONS, PROJECTS)), *logs]
