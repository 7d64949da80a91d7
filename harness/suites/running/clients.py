"""One cluster as a suite sees it: kinds by API version and name, and writes with strict field validation."""

import threading
from collections.abc import Mapping
from typing import Any

from harness.cluster.api import Cluster, address
from harness.errors import HarnessError, did_you_mean
from harness.objects import Kind

Object = Mapping[str, Any]

# The groups that an API server has by itself; all others come by definitions, or from other servers.
BUILT_IN = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "extensions", "policy"),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io"),
        *("authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"),
        *("flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io"),
        *("rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"),
        "storagemigration.k8s.io",
    }
)


class KindUnknown(HarnessError):
    """The server does not serve the kind. `may_come`: a CustomResourceDefinition could still bring it."""

    def __init__(self, api_version: str, kind: str, near: list[str], *, may_come: bool) -> None:
        do = did_you_mean(kind, near) if near else "check apiVersion and kind"
        super().__init__(f"the server does not serve the kind {kind} of {api_version}", do=do)
        self.may_come = may_come


class WriteRefused(HarnessError):
    """A write to a cluster that is only read."""


class Client:
    """Safe to use from many threads. With `read_only`, every write raises WriteRefused before anything is sent."""

    def __init__(self, cluster: Cluster, *, read_only: bool = False) -> None:
        self.cluster = cluster
        self.read_only = read_only
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._lock = threading.Lock()
        self._version: Mapping[str, Any] | None = None

    def find(self, api_version: str, kind: str) -> Kind | None:
        """The kind as the server serves it; discovery is read anew for one that was not there."""
        with self._lock:
            if (api_version, kind) not in self._kinds:
                self._kinds = self.cluster.kinds()
            return self._kinds.get((api_version, kind))

    def kind(self, api_version: str, kind: str) -> Kind:
        """The same; raises KindUnknown with the nearest names of its group."""
        found = self.find(api_version, kind)
        if found is None:
            group, version = group_of(api_version), api_version.rpartition("/")[2]
            near = [name for other, name in self._kinds if other == api_version]
            elsewhere = [other for other, name in self._kinds if name == kind and other.rpartition("/")[2] == version]
            error = KindUnknown(api_version, kind, near, may_come=group not in BUILT_IN)
            if not near and elsewhere:
                error.do = f"did you mean apiVersion {' or '.join(sorted(elsewhere)[:3])}?"
            raise error
        return found

    def forget(self) -> None:
        """What is known of kinds is read anew next time: a definition has come or gone."""
        with self._lock:
            self._kinds = {}

    def version(self) -> Mapping[str, Any]:
        """The server's version, as it says it."""
        if self._version is None:
            self._version = self.cluster.request("GET", "/version")
        return self._version

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return self.cluster.get(kind, namespace, name)

    def create(self, kind: Kind, item: Object, *, dry_run: bool, timeout: float) -> dict[str, Any]:
        return self._write("POST", address(kind, _namespace(item)), item, dry_run=dry_run, timeout=timeout)

    def replace(self, kind: Kind, item: Object, *, dry_run: bool, timeout: float) -> dict[str, Any]:
        path = address(kind, _namespace(item), _name(item))
        return self._write("PUT", path, item, dry_run=dry_run, timeout=timeout)

    def merge(
        self, kind: Kind, item: Object, *, subresource: str = "", dry_run: bool, timeout: float
    ) -> dict[str, Any]:
        """JSON merge patch of the object that `item` names."""
        path = address(kind, _namespace(item), _name(item)) + (f"/{subresource}" if subresource else "")
        kind_of_patch = "application/merge-patch+json"
        return self._write("PATCH", path, item, dry_run=dry_run, timeout=timeout, content_type=kind_of_patch)

    def delete(self, kind: Kind, item: Object, *, propagation: str, timeout: float) -> bool:
        """Ask for the deletion of exactly this object, not of one that took its name. Raises ApiError, 404 too.

        Whether it is gone already: the server then answers with a Status, else with the object that is on its way out.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid := item["metadata"].get("uid"):
            options["preconditions"] = {"uid": uid}
        self._guard("DELETE", address(kind, _namespace(item), _name(item)))
        path = address(kind, _namespace(item), _name(item))
        answer = self.cluster.request("DELETE", path, body=options, timeout=timeout)
        return answer.get("kind") == "Status" and answer.get("status") == "Success"

    def _write(
        self,
        method: str,
        path: str,
        item: Object,
        *,
        dry_run: bool,
        timeout: float,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        self._guard(method, path)
        query = {"fieldValidation": "Strict", "fieldManager": "kwok-harness"} | ({"dryRun": "All"} if dry_run else {})
        return self.cluster.request(method, path, query=query, body=item, timeout=timeout, content_type=content_type)

    def _guard(self, method: str, path: str) -> None:
        if self.read_only:
            raise WriteRefused("the cluster is only read, nothing was written", where=f"{method} {path}")


def group_of(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _namespace(item: Object) -> str:
    return str(item["metadata"].get("namespace") or "")


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])
