"""What is asked of a Kubernetes API server, by kinds and names; everything else sees plain dicts."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from harness.cluster.connection import ATTEMPTS, CLIENT, Connection
from harness.cluster.wire import ApiError, Interrupted, Unreachable, Watch, transient
from harness.objects import PODS, Kind

__all__ = ["ApiError", "Cluster", "Interrupted", "Listing", "Resources", "Unreachable", "Watch", "transient"]

PAGE = 500

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Listing(NamedTuple):
    """All objects of a kind (each with apiVersion and kind) as they were at `resource_version`."""

    items: list[dict[str, Any]]
    resource_version: str


class Resources(NamedTuple):
    """What discovery found: kinds that can be listed, and the group versions whose server did not answer."""

    kinds: list[Kind]
    unavailable: list[str]


class Cluster(Connection):
    """One API server and its objects. Every method raises ClusterError, an ApiError where the server says no."""

    def version(self) -> str:
        """The server's own, such as v1.34.10."""
        return str(self.request("GET", "/version")["gitVersion"])

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none."""
        try:
            return self.request("GET", address(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        at: str = "",
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
    ) -> Listing:
        """All objects of `kind`, in pages of 500; `at` asks for exactly that resourceVersion instead of the newest.

        A 410 between pages (the continue token has expired) starts over. `timeout` bounds all of it.
        """
        until = self._clock() + timeout
        query = {"limit": str(PAGE), "labelSelector": label_selector, **_fields(kind, field_selector)}
        query = {key: value for key, value in query.items() if value}
        pinned = {"resourceVersion": at, "resourceVersionMatch": "Exact"} if at else {}
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            # A token carries the revision of the first page, and the server refuses to be told both.
            place = {"continue": token} if token else pinned
            left = max(0.001, until - self._clock())
            try:
                page = self.request(
                    "GET", address(kind, namespace), query=query | place, timeout=left, attempts=attempts
                )
            except ApiError as error:
                if error.status != 410 or not token or at:
                    raise
                items, token = [], ""
                continue
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                break
        return _listing(kind, items, metadata)

    def only_page(self, kind: Kind, *, at: str, timeout: float = 30.0) -> Listing | None:
        """All objects of `kind` at a resourceVersion; None where they are more than a page, and none is kept."""
        query = {"limit": str(PAGE), "resourceVersion": at, "resourceVersionMatch": "Exact", **_fields(kind, "")}
        page = self.request("GET", address(kind), query=query, timeout=timeout)
        metadata = page.get("metadata") or {}
        return None if metadata.get("continue") else _listing(kind, page.get("items") or [], metadata)

    def revision(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        field_selector: str = "",
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
    ) -> str:
        """The newest resourceVersion of the cluster, by way of the shortest LIST of `kind`; narrowed for those who may
        not list all of it.
        """
        query = {"limit": "1", **_fields(kind, field_selector)}
        page = self.request("GET", address(kind, namespace), query=query, timeout=timeout, attempts=attempts)
        return str(page["metadata"]["resourceVersion"])

    def create(self, kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Raises ApiError 409 where the object is there already."""
        return self.request("POST", address(kind, _namespace(obj)), body=obj)

    def apply(self, kind: Kind, obj: Mapping[str, Any], *, timeout: float = 30.0) -> dict[str, Any]:
        """Server-side apply as field manager `kwok-harness`, taking over fields that others own."""
        return self.request(
            "PATCH",
            address(kind, _namespace(obj), obj["metadata"]["name"]),
            query={"fieldManager": CLIENT, "force": "true"},
            body=obj,
            content_type="application/apply-patch+yaml",  # JSON is YAML
            timeout=timeout,
        )

    def patch_merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], subresource: str = ""
    ) -> dict[str, Any]:
        """JSON merge patch of the object, or of a subresource such as "status"."""
        path = address(kind, namespace, name) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, body=patch, content_type="application/merge-patch+json")

    def delete(
        self, kind: Kind, namespace: str, name: str, *, grace: int | None = None, propagation: str = "Background"
    ) -> None:
        """Ask for deletion; an object that is not there is no error. Finalizers are not waited for."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", address(kind, namespace, name), body=options)
        except ApiError as error:
            if error.status != 404:
                raise

    def watch(
        self,
        kind: Kind,
        resource_version: str,
        *,
        timeout: float,
        grace: float = 5.0,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> Watch:
        """One stream of changes after `resource_version`.

        The server ends it after `timeout` seconds; one that is open `grace` seconds later raises Interrupted.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, int(timeout))),
        }
        query |= {"labelSelector": label_selector} if label_selector else {}
        query |= _fields(kind, field_selector)
        path = address(kind, namespace)
        response = self.stream(path, query, silence=timeout + grace)
        return Watch(response, where=f"WATCH {path}", seconds=timeout + grace, clock=self._clock)

    def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        lines: int,
        previous: bool = False,
        since: str = "",
        timeout: float = 5.0,
    ) -> str:
        """The last lines of a container's log; `previous`: of what ran before it was started again. `since` is a time
        as the API writes it.

        Raises ClusterError, an ApiError where the kubelet has no such log.
        """
        query = {"container": container, "tailLines": str(lines)} | ({"previous": "true"} if previous else {})
        query |= {"sinceTime": since} if since else {}
        return self.text(f"{address(PODS, namespace, pod)}/log", query, timeout=timeout)

    def resources(self) -> Resources:
        """Every kind that can be listed, once per group, at the version that the server prefers.

        Some objects are served by two groups (events, by "" and events.k8s.io): both are here, the caller chooses.
        """
        found = Resources([], [])
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=_DISCOVERY).get("items") or []:
                _discover(group, found)
        return found

    def kinds(self) -> dict[tuple[str, str], Kind]:
        """Every kind at every version that is served, by API version and kind; those that cannot be listed too."""
        found: dict[tuple[str, str], Kind] = {}
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=_DISCOVERY).get("items") or []:
                for version, resource in _resources(group):
                    kind = resource["responseKind"]["kind"]
                    namespaced = resource["scope"] == "Namespaced"
                    found.setdefault((version, kind), Kind(version, resource["resource"], kind, namespaced))
        return found

    def api_versions(self) -> frozenset[str]:
        """What a chart may ask for here: each "group/version" that is served, and each "group/version/Kind" of it."""
        found: set[str] = set()
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=_DISCOVERY).get("items") or []:
                found.update(_served(group))
        return frozenset(found)


def address(kind: Kind, namespace: str = "", name: str = "") -> str:
    """The path of a collection, or of an object."""
    root = "/apis" if kind.group else "/api"
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace and kind.namespaced else ""
    return f"{root}/{kind.api_version}{middle}/{kind.plural}" + (f"/{quote(name, safe='')}" if name else "")


def _resources(group: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    name = group.get("metadata", {}).get("name", "")
    for version in group.get("versions", []):
        api_version = f"{name}/{version['version']}" if name else version["version"]
        for resource in version.get("resources", []):
            yield api_version, resource


def _served(group: Mapping[str, Any]) -> Iterator[str]:
    """As Helm counts them: the kinds of subresources (Scale, Eviction) are among those of the group version."""
    name = group.get("metadata", {}).get("name", "")
    for version in group.get("versions", []):
        api_version = f"{name}/{version['version']}" if name else version["version"]
        yield api_version
        for resource in version.get("resources", []):
            for each in (resource, *resource.get("subresources", [])):
                yield f"{api_version}/{each['responseKind']['kind']}"


def _listing(kind: Kind, items: list[dict[str, Any]], metadata: Mapping[str, Any]) -> Listing:
    for item in items:  # a LIST leaves out what a WATCH and a GET say
        item.setdefault("apiVersion", kind.api_version)
        item.setdefault("kind", kind.kind)
    return Listing(items, str(metadata.get("resourceVersion", "")))


def _fields(kind: Kind, selector: str) -> dict[str, str]:
    """The field selector of a query: what is asked for, of those objects of `kind` that are wanted at all."""
    both = ",".join(filter(None, (kind.fields, selector)))
    return {"fieldSelector": both} if both else {}


def _namespace(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _discover(group: Mapping[str, Any], found: Resources) -> None:
    name = group.get("metadata", {}).get("name", "")
    seen: set[str] = set()
    for version in group.get("versions", []):  # the preferred one comes first
        api_version = f"{name}/{version['version']}" if name else version["version"]
        if version.get("freshness") == "Stale":
            found.unavailable.append(api_version)
            continue
        for resource in version.get("resources", []):
            plural = resource["resource"]
            if plural not in seen and "list" in resource.get("verbs", []):
                seen.add(plural)
                kind = resource["responseKind"]["kind"]
                found.kinds.append(Kind(api_version, plural, kind, resource["scope"] == "Namespaced"))
