"""One connection to a Kubernetes API server: requests with their retries, text, and streams.

The official client supplies kubeconfig, credentials, TLS and the connection pool; requests and answers are raw JSON,
because typed models cost seconds and hundreds of MB for a few thousand nodes. Three habits are refused here: urllib3's
own silent retries (they sleep for as long as a Retry-After says), proxies from the environment (our servers are on
loopback), and the user's default kubeconfig.
"""

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import tenacity
import urllib3
import yaml

from harness.cluster.wire import ApiError, Interrupted, Unreachable, api_error, read_body, transient, wire_errors
from harness.deadline import MONOTONIC, Clock
from harness.errors import ClusterError, KubeconfigInvalid
from harness.regular_files import require_regular

if TYPE_CHECKING:
    from kubernetes import client

CLIENT = "kwok-harness"  # how we call ourselves, as a client and as the manager of fields
ATTEMPTS = 5  # of one request; a wait tries again until its deadline
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0  # of a server that was asked to read something

_loading = threading.Lock()  # the client library keeps certificates from kubeconfigs in an unguarded global


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


class Connection:
    """To one API server, as one context of one kubeconfig file says how to reach it. Safe to use from many threads.

    Raises KubeconfigInvalid for one that cannot be used; does not connect before the first request. `clock` times
    calls and their retries; how long a socket may be silent is the operating system's to tell.
    """

    def __init__(
        self, kubeconfig: Path, *, context: str | None = None, pool: int = 16, clock: Clock = MONOTONIC
    ) -> None:
        self.kubeconfig = kubeconfig
        self._clock = clock
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

    def healthy(self, timeout: float = 5.0) -> bool:
        """True as soon as /readyz says ok; False when it does not within `timeout` seconds."""
        until = self._clock() + timeout
        again = tenacity.Retrying(
            sleep=self._clock.sleep,
            stop=lambda state: self._clock() + state.upcoming_sleep >= until,
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
        until = self._clock() + timeout
        payload = None if body is None else json.dumps(body).encode()
        call = _Call(method, _with(path, query), payload, content_type, accept)
        again = tenacity.Retrying(
            sleep=self._clock.sleep,
            stop=lambda state: state.attempt_number >= attempts or self._clock() + state.upcoming_sleep >= until,
            wait=_pause,
            retry=tenacity.retry_if_exception(call.retryable),
            reraise=True,
        )
        return again(lambda: _decode(self._answer(call, until), call.where))

    def text(self, path: str, query: Mapping[str, str], *, timeout: float) -> str:
        """What is no JSON, asked for once."""
        call = _Call("GET", _with(path, query), accept="*/*")
        return self._answer(call, self._clock() + timeout).decode(errors="replace")

    def stream(self, path: str, query: Mapping[str, str], *, silence: float) -> urllib3.BaseHTTPResponse:
        """An answer whose body is still to be read; `silence` bounds each pause in it, in seconds."""
        return self._open(_Call("GET", _with(path, query)), read=silence)

    def kubeconfig_of(self, token: str, namespace: str) -> dict[str, Any]:
        """A kubeconfig for the same server, with a token in the place of our own credentials."""
        settings = self._api.configuration
        cluster: dict[str, Any] = {"server": self.server}
        if settings.ssl_ca_cert:
            authority = Path(settings.ssl_ca_cert).read_bytes()
            cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
        if not settings.verify_ssl:
            cluster["insecure-skip-tls-verify"] = True
        if getattr(settings, "tls_server_name", None):
            cluster["tls-server-name"] = settings.tls_server_name
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "run",
            "clusters": [{"name": "run", "cluster": cluster}],
            "contexts": [{"name": "run", "context": {"cluster": "run", "user": "run", "namespace": namespace}}],
            "users": [{"name": "run", "user": {"token": token}}],
        }

    def _load(self) -> "tuple[str, client.ApiClient]":
        from kubernetes import client, config  # half a second of CPU, which verbs without a cluster do not need

        settings = client.Configuration()
        try:
            require_regular(self.kubeconfig)
            with _loading:
                _, active = config.list_kube_config_contexts(config_file=str(self.kubeconfig))
                config.load_kube_config(
                    config_file=str(self.kubeconfig),
                    context=self._wanted,
                    client_configuration=settings,
                    persist_config=False,
                )
        except (config.ConfigException, yaml.YAMLError, OSError, ValueError) as error:
            raise KubeconfigInvalid(f"cannot be used: {error}", where=str(self.kubeconfig)) from error
        settings.proxy = None
        settings.retries = False
        settings.connection_pool_maxsize = self._pool
        return self._wanted or str(active["name"]), client.ApiClient(settings)

    def _open(self, call: _Call, *, read: float) -> urllib3.BaseHTTPResponse:
        """The 2xx answer to `call`, body unread. `read` bounds each silence, in seconds."""
        api = self._api
        try:
            return _send(api, call, read, self._clock)
        except ApiError as error:
            if error.status != 401:
                raise
        if self._api is api:  # otherwise another thread has just done so
            _, self._api = self._load()
        return _send(self._api, call, read, self._clock)

    def _answer(self, call: _Call, until: float) -> bytes:
        read = max(0.001, until - self._clock())
        if call.method == "GET":  # writes may have to wait for webhooks
            read = min(read, SILENCE_SECONDS)
        return read_body(self._open(call, read=read), until, call.where, self._clock)


def _send(api: "client.ApiClient", call: _Call, read: float, clock: Clock) -> urllib3.BaseHTTPResponse:
    headers = {"Accept": call.accept, "User-Agent": CLIENT}
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
    raise api_error(response, read_body(response, clock() + read, call.where, clock), call.where)


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
        raise Interrupted("the response is not JSON", where=where) from error
    if not isinstance(answer, dict):
        raise ClusterError("the response is not a JSON object", where=where)
    return answer


def _with(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path
