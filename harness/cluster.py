"""The one place that talks to a Kubernetes API server; everything else sees plain dicts.

The official client supplies kubeconfig, credentials, TLS and the connection pool; requests and answers are raw JSON,
because typed models cost seconds and hundreds of MB for a few thousand nodes. Three habits are refused here: urllib3's
own silent retries (they sleep for as long as a Retry-After says), proxies from the environment (our servers are on
loopback), and the user's default kubeconfig.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import tenacity
import urllib3
import yaml
from kubernetes import client, config

from harness.errors import ClusterError
from harness.snapshot import PODS, Kind
from harness.wire import ApiError, Interrupted, Unreachable, Watch, api_error, read_body, transient, wire_errors

__all__ = ["ApiError", "Cluster", "Interrupted", "Listing", "Resources", "Unreachable", "Watch", "transient"]

FIELD_MANAGER = "kwok-harness"
PAGE = 500
ATTEMPTS = 5  # of one request; a wait tries again until its deadline
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0  # of a server that was asked to read something

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
_loading = threading.Lock()  # the client library keeps certificates from kubeconfigs in an unguarded global


class Listing(NamedTuple):
    """All objects of a kind (each with apiVersion and kind) as they were at `resource_version`."""

    items: list[dict[str, Any]]
    resource_version: str


class Resources(NamedTuple):
    """What discovery found: kinds that can be listed, and the group versions whose server did not answer."""

    kinds: list[Kind]
    unavailable: list[str]


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"

    @property
    def where(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"

    def retryable(self, error: BaseException) -> bool:
        """Nothing was done yet, or doing it twice does no harm; a POST that broke off may have been carried out."""
        undone = type(error) is Unreachable or (isinstance(error, ApiError) and error.status == 429)
        return undone or (self.method != "POST" and transient(error))


class Cluster:
    """One API server, as one context of one kubeconfig file says how to reach it. Safe to use from many threads.

    Raises ClusterError for a kubeconfig that cannot be used; does not connect before the first request.
    """

    def __init__(self, kubeconfig: Path, *, context: str | None = None, pool: int = 16) -> None:
        self.kubeconfig = kubeconfig
        self._wanted = context
        self._pool = pool
        self._context, self._api = self._load()

    @property
    def server(self) -> str:
        """The URL of the API server, such as https://127.0.0.1:6443."""
        return str(self._api.configuration.host)

    @property
    def context_name(self) -> str:
        return self._context

    def version(self) -> str:
        """The server's own, such as v1.34.10."""
        return str(self.request("GET", "/version")["gitVersion"])

    def healthy(self, timeout: float = 5.0) -> bool:
        """True as soon as /readyz says ok; False when it does not within `timeout` seconds."""
        until = time.monotonic() + timeout
        again = tenacity.Retrying(
            stop=lambda state: time.monotonic() + state.upcoming_sleep >= until,
            wait=tenacity.wait_random(0.05, 0.15),
            retry=tenacity.retry_if_exception_type(ClusterError),
            reraise=True,
        )
        try:
            return again(lambda: self._answer(_Call("GET", "/readyz"), until)) == b"ok"
        except ClusterError:
            return False

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float = 30.0,
        content_type: str = "application/json",
        accept: str = "application/json",
        attempts: int = ATTEMPTS,
    ) -> dict[str, Any]:
        """Send JSON, return JSON; `timeout` seconds bound the whole call, retries included.

        Tried again: 429 and refused connections for every method; resets, cut-off answers, 500, 502, 503 and 504 for
        every method but POST. Anything else is raised at once. A 401 is asked again after reading the kubeconfig anew.
        """
        until = time.monotonic() + timeout
        payload = None if body is None else json.dumps(body).encode()
        call = _Call(method, _with(path, query), payload, content_type, accept)
        again = tenacity.Retrying(
            stop=lambda state: state.attempt_number >= attempts or time.monotonic() + state.upcoming_sleep >= until,
            wait=_pause,
            retry=tenacity.retry_if_exception(call.retryable),
            reraise=True,
        )
        return again(lambda: _decode(self._answer(call, until), call.where))

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
        until = time.monotonic() + timeout
        query = {"limit": str(PAGE), "labelSelector": label_selector, "fieldSelector": field_selector}
        query = {key: value for key, value in query.items() if value}
        pinned = {"resourceVersion": at, "resourceVersionMatch": "Exact"} if at else {}
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            # A token carries the revision of the first page, and the server refuses to be told both.
            place = {"continue": token} if token else pinned
            left = max(0.001, until - time.monotonic())
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
        for item in items:  # a LIST leaves out what a WATCH and a GET say
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return Listing(items, str(metadata.get("resourceVersion", "")))

    def revision(self, kind: Kind, *, timeout: float = 30.0, attempts: int = ATTEMPTS) -> str:
        """The newest resourceVersion of the cluster, by way of the shortest LIST of `kind`."""
        page = self.request("GET", address(kind), query={"limit": "1"}, timeout=timeout, attempts=attempts)
        return str(page["metadata"]["resourceVersion"])

    def create(self, kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Raises ApiError 409 where the object is there already."""
        return self.request("POST", address(kind, _namespace(obj)), body=obj)

    def apply(self, kind: Kind, obj: Mapping[str, Any], *, timeout: float = 30.0) -> dict[str, Any]:
        """Server-side apply as field manager `kwok-harness`, taking over fields that others own."""
        return self.request(
            "PATCH",
            address(kind, _namespace(obj), obj["metadata"]["name"]),
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
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

    def watch(self, kind: Kind, resource_version: str, *, timeout: float, grace: float = 5.0) -> Watch:
        """One stream of changes after `resource_version`.

        The server ends it after `timeout` seconds; one that is open `grace` seconds later raises Interrupted.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, int(timeout))),
        }
        response = self._open(_Call("GET", _with(address(kind), query)), read=timeout + grace)
        return Watch(response, where=f"WATCH {address(kind)}", seconds=timeout + grace)

    def log(
        self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False, timeout: float = 5.0
    ) -> str:
        """The last lines of a container's log; `previous`: of what ran before it was started again.

        Raises ClusterError, an ApiError where the kubelet has no such log.
        """
        query = {"container": container, "tailLines": str(lines)} | ({"previous": "true"} if previous else {})
        call = _Call("GET", _with(f"{address(PODS, namespace, pod)}/log", query), accept="*/*")
        return self._answer(call, time.monotonic() + timeout).decode(errors="replace")

    def resources(self) -> Resources:
        """Every kind that can be listed, once per group, at the version that the server prefers.

        Some objects are served by two groups (events, by "" and events.k8s.io): both are here, the caller chooses.
        """
        found = Resources([], [])
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=_DISCOVERY).get("items") or []:
                _discover(group, found)
        return found

    def _load(self) -> tuple[str, client.ApiClient]:
        settings = client.Configuration()
        try:
            with _loading:
                _, active = config.list_kube_config_contexts(config_file=str(self.kubeconfig))
                config.load_kube_config(
                    config_file=str(self.kubeconfig),
                    context=self._wanted,
                    client_configuration=settings,
                    persist_config=False,
                )
        except (config.ConfigException, yaml.YAMLError, OSError, ValueError) as error:
            raise ClusterError(f"cannot be used: {error}", where=str(self.kubeconfig)) from error
        settings.proxy = None
        settings.retries = False
        settings.connection_pool_maxsize = self._pool
        return self._wanted or str(active["name"]), client.ApiClient(settings)

    def _open(self, call: _Call, *, read: float) -> urllib3.BaseHTTPResponse:
        """The 2xx answer to `call`, body unread. `read` bounds each silence, in seconds."""
        api = self._api
        try:
            return _send(api, call, read)
        except ApiError as error:
            if error.status != 401:
                raise
        if self._api is api:  # otherwise another thread has just done so
            _, self._api = self._load()
        return _send(self._api, call, read)

    def _answer(self, call: _Call, until: float) -> bytes:
        read = max(0.001, until - time.monotonic())
        if call.method == "GET":  # writes may have to wait for webhooks
            read = min(read, SILENCE_SECONDS)
        return read_body(self._open(call, read=read), until, call.where)


def _send(api: client.ApiClient, call: _Call, read: float) -> urllib3.BaseHTTPResponse:
    headers = {"Accept": call.accept, "User-Agent": FIELD_MANAGER}
    if call.body is not None:
        headers["Content-Type"] = call.content_type
    api.update_params_for_auth(headers, [], ["BearerToken"])
    with wire_errors(call.where, api.configuration.host):
        response: urllib3.BaseHTTPResponse = api.rest_client.pool_manager.request(
            call.method,
            api.configuration.host + call.path,
            body=call.body,
            headers=headers,
            preload_content=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, read), read=read),
        )
    if 200 <= response.status < 300:
        return response
    raise api_error(response, read_body(response, time.monotonic() + read, call.where), call.where)


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds until the next attempt: what the server asked for, or a growing, jittered delay."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ApiError) else 0.0
    return max(asked, _backoff(state))


_backoff = tenacity.wait_exponential(multiplier=0.1, max=2.0) + tenacity.wait_random(0, 0.1)


def _decode(body: bytes, where: str) -> dict[str, Any]:
    try:
        answer = json.loads(body) if body else {}
    except ValueError as error:
        raise Interrupted("the answer is not JSON", where=where) from error
    if not isinstance(answer, dict):
        raise ClusterError("the answer is no JSON object", where=where)
    return answer


def address(kind: Kind, namespace: str = "", name: str = "") -> str:
    """The path of a collection, or of an object."""
    root = "/apis" if kind.group else "/api"
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace and kind.namespaced else ""
    return f"{root}/{kind.api_version}{middle}/{kind.plural}" + (f"/{quote(name, safe='')}" if name else "")


def _with(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


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
