"""Manifests of a tool's own module: read as they are, applied, and seen to be served."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError, ToolError
from harness.formats import go_yaml
from harness.objects import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, STATEFULSETS, Kind

SECRETS = Kind("v1", "secrets", "Secret")
DEFINITIONS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
SERVICES = Kind("v1", "services", "Service")
ACCOUNTS = Kind("v1", "serviceaccounts", "ServiceAccount")
_RBAC = "rbac.authorization.k8s.io/v1"
_ROLES = (
    Kind(_RBAC, "roles", "Role"),
    Kind(_RBAC, "rolebindings", "RoleBinding"),
    Kind(_RBAC, "clusterroles", "ClusterRole", namespaced=False),
    Kind(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
)
POLICIES = Kind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
QUOTAS = Kind("v1", "resourcequotas", "ResourceQuota")
_PLAIN = (NAMESPACES, CONFIGMAPS, SECRETS, SERVICES, ACCOUNTS, DEPLOYMENTS, STATEFULSETS, DEFINITIONS, POLICIES, QUOTAS)
KINDS = {kind.kind: kind for kind in (*_PLAIN, *_ROLES)}
_REMEDY = "remove the tool's directory from the cache (kwok-harness tools list); it is made again"
_SIDE_BY_SIDE = 4
_LOOK_SECONDS = 0.05  # discovery cannot be watched


def read(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Every object in the files. Raises ToolError: they came with a tool, so the tool cache is damaged."""
    found: list[dict[str, Any]] = []
    for file in files:
        try:
            found += [each for each in go_yaml.load_all(file.read_text(encoding="utf-8")) if each]
        except (OSError, yaml.YAMLError) as error:
            raise ToolError(f"cannot be read: {error}", where=str(file), do=_REMEDY) from error
    if not found:
        raise ToolError("there are no manifests beside the tool", do=_REMEDY)
    return found


def parse(text: str, source: str) -> list[dict[str, Any]]:
    """The objects that the command `source` has printed. Raises ClusterError: it is not the one that was meant."""
    try:
        found = [each for each in go_yaml.load_all(text) if each]
        unknown = {each["kind"] for each in found} - KINDS.keys()
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ClusterError(f"`{source}` has printed something else than manifests: {error}") from error
    if unknown:
        raise ClusterError(
            f"`{source}` has printed kinds that the harness does not apply: {', '.join(sorted(unknown))}"
        )
    return found


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def apply(cluster: Cluster, objects: Sequence[Mapping[str, Any]]) -> None:
    """Apply objects of the few kinds that installers know, side by side. Raises ClusterError."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="manifests") as pool:
        for done in [pool.submit(cluster.apply, KINDS[each["kind"]], each) for each in objects]:
            done.result()


def defined(cluster: Cluster, definitions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether all these CRDs are there. Raises ClusterError."""
    return all(cluster.get(DEFINITIONS, "", each["metadata"]["name"]) is not None for each in definitions)


def until_served(cluster: Cluster, definitions: Sequence[Mapping[str, Any]], deadline: Deadline) -> None:
    """Wait until the API server serves every version of these CRDs, as its clients discover them.

    A CRD is Established a moment before that, and a controller that starts in this moment gives up for ten seconds.
    Raises ClusterError at the deadline, with what the CRDs say.
    """
    wanted = [
        (f"{each['spec']['group']}/{version['name']}", each["spec"]["names"]["plural"])
        for each in definitions
        for version in each["spec"]["versions"]
        if version["served"]
    ]
    while True:
        served = {version: _served(cluster, version) for version in {version for version, _ in wanted}}
        wanted = [(version, plural) for version, plural in wanted if plural not in served[version]]
        if not wanted:
            return
        if deadline.expired:
            names = sorted({f"{plural}.{version.partition('/')[0]}" for version, plural in wanted})
            told = "\n  ".join(f"{name}: {_state(cluster, name)}" for name in names)
            raise ClusterError(f"kinds are not served after {deadline.budget:g} s:\n  {told}")
        deadline.clock.sleep(_LOOK_SECONDS)


def _served(cluster: Cluster, version: str) -> set[str]:
    try:
        return {each["name"] for each in cluster.request("GET", f"/apis/{version}")["resources"]}
    except ApiError as error:
        if error.status == 404:
            return set()
        raise


def _state(cluster: Cluster, name: str) -> str:
    found = cluster.get(DEFINITIONS, "", name)
    if found is None:
        return "the CRD is not there"
    conditions = found.get("status", {}).get("conditions", [])
    told = [f"{each['type']}={each['status']} ({each.get('message', '')})" for each in conditions]
    return ", ".join(told) or "the CRD has no conditions yet"
