"""A connection to an OCI registry: oras's client, held to what a push promises (docs/adr/0015-oras.md).

Whatever oras, requests and sockets raise becomes a RegistryError, so that callers need to ask one question only: may
the same request succeed later (`transient`)? Every request has a time limit. Refused are plain HTTP to other machines,
uploads to another server, and credentials in an address; a registry of this machine is reached without proxies, and
nothing that it answers leads elsewhere.
"""

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urljoin, urlsplit

import oras.container
import oras.provider
import requests
from oras.auth.token import TokenAuth
from oras.auth.utils import authHeader, parse_auth_header
from oras.utils.request import append_url_params
from urllib3.exceptions import HTTPError

from harness.errors import SettingsError
from harness.formats.addresses import _is_loopback, on_this_machine
from harness.formats.media_types import MANIFEST, MANIFESTS
from harness.publishing.oci.artifact import digest_of
from harness.publishing.oci.credentials import Credentials
from harness.publishing.oci.errors import AccessRefused, DigestMismatch, NoConnection, RegistryError, transient
from harness.retrying import retry_after, retrying
from harness.settings import Retries

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0  # of a registry that was asked something
LONGEST_PAUSE = 60.0  # that a registry may ask for between two attempts
MOST_REDIRECTS = 5

_CLIENT = "kwok-harness"
_CHUNK = 256 * 1024  # bytes of a blob at a time
_SERVERS = {"docker.io": "registry-1.docker.io"}  # registries whose API has another name than their artifacts
_EXPECTED = {"GET": (200,), "HEAD": (200, 404), "POST": (202,), "PUT": (201,)}
_PASSING = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")

P = ParamSpec("P")
T = TypeVar("T")


class Connection(oras.provider.Registry):
    """To the registry at `host` ("localhost:5500"). Setting `cancelled` ends the pauses between attempts.

    What is oras's: URLs and names, sessions without cookies, challenges and tokens. What is ours is overridden below.
    Safe to use from many threads.
    """

    def __init__(
        self,
        host: str,
        retries: Retries,
        *,
        plain_http: bool,
        cancelled: threading.Event,
        credentials: Credentials | None = None,
        authority: Path | None = None,
    ) -> None:
        self._called, self._server = host, server(host, plain_http=plain_http)
        super().__init__(self._server, insecure=plain_http, tls_verify=str(authority) if authority else True)
        self._retries, self._cancelled = retries, cancelled
        self._credentials = credentials
        self._alone = on_this_machine(f"oci://{host}")
        cookies = self.session.cookies  # oras's, which takes none
        self.session = _Session(alone=self._alone)
        self.session.cookies = cookies
        if plain_http:
            self.session.headers["Host"] = host  # by which the registry names itself in its answers
        self.auth = _Authentication(self, credentials)

    def again(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`, several times where that may help; pauses double, or are as long as the registry asks for (up to
        LONGEST_PAUSE). Raises the last error.
        """

        def asked(error: BaseException) -> float:
            return min(getattr(error, "after", 0.0), LONGEST_PAUSE)

        return retrying(self._retries, transient, cancelled=self._cancelled, asked=asked)(work, *args, **kwargs)

    def container(self, repository: str, reference: str = "") -> oras.container.Container:
        """An artifact as oras names it: with the host, for which it would take a path's first step that has a dot."""
        separator = "@" if ":" in reference else ":"
        return oras.container.Container(f"{self._server}/{repository}{separator if reference else ''}{reference}")

    @property
    def api(self) -> str:
        """What answers where there is a registry that takes the credentials."""
        return f"{self._server}/v2/"

    def url(self, path: str) -> str:
        """Of what oras calls by host and path."""
        return f"{self.prefix}://{path}"

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: dict[str, Any] | bytes | None = None,
        headers: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
        stream: bool = False,
        *,
        seconds: float | None = None,
    ) -> requests.Response:
        """One request, one answer with its body read; `seconds` bound each silence, by default SILENCE_SECONDS. The
        body of a `stream` is not read, and nobody has compared its digest.

        oras's own tries again by a plan of its own and has no time limit. Raises RegistryError for a status that the
        method should not get, DigestMismatch where the registry names another digest than the content has.
        """

        def send() -> requests.Response:
            own = {**(headers or {}), **self.auth.get_auth_header()}
            return self.send(method, url, data=data, json=json, headers=own, stream=stream, seconds=seconds)

        answer = send()
        asks = answer.status_code == 401 and urlsplit(str(answer.url)).netloc == self._server
        if asks and self.auth.authenticate_request(answer, {}, refresh=True)[1]:
            answer = send()
        if answer.status_code not in _EXPECTED[method]:
            raise self.refusal(answer, self.where(method, url))
        if answer.ok and not stream and isinstance(data, bytes | None):
            self._same(answer, method, url, data)
        return answer

    def send(self, method: str, url: str, *, seconds: float | None = None, **parts: Any) -> requests.Response:
        """What requests makes of a request, with its errors as ours; redirects are followed where only content is
        asked for, and never from a registry of this machine.
        """
        silence = SILENCE_SECONDS if seconds is None else seconds
        times = (min(CONNECT_SECONDS, silence), silence)
        follow = not self._alone and method in ("GET", "HEAD")
        where = self.where(method, url)
        try:
            return self.session.request(
                method, url, timeout=times, allow_redirects=follow, verify=self._tls_verify, **parts
            )
        except requests.exceptions.SSLError as error:
            cause = _innermost(error)
            reason, do = _reason(error), ""
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason, do = cause.verify_message, "name the certificate of its authority: registry.ca"
            raise NoConnection(f"does not speak TLS as it should: {reason}", where=where, do=do, final=True) from error
        except requests.exceptions.RequestException as error:
            cause = _innermost(error)
            raise NoConnection(
                f"the registry cannot be reached: {_reason(error)}",
                where=where,
                do=f"see whether the registry runs at {self._called}, and what its log says",
                final=not isinstance(error, _PASSING)
                or (isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME),
            ) from error

    def fetch(self, url: str) -> bytes:
        """The content at `url`, which has the digest that the registry names, and the one by which it was asked for."""
        return self.do_request(url, headers={"Accept": f"{MANIFEST}, */*"}).content

    def manifest(self, repository: str, reference: str) -> bytes:
        """The index or the manifest of an image or an artifact, by tag or digest."""
        container = self.container(repository, reference)
        return self.do_request(self.url(container.manifest_url()), headers={"Accept": ", ".join(MANIFESTS)}).content

    def content(self, repository: str, digest: str) -> Iterator[bytes]:
        """A blob, as it comes: who keeps it compares its digest. Raises RegistryError."""
        url = self.url(self.container(repository).get_blob_url(digest))
        with self.do_request(url, stream=True) as answer:
            try:
                while chunk := answer.raw.read1(_CHUNK):  # what one receive brings: a trickle must not hold the caller
                    yield chunk
            except (OSError, HTTPError) as error:
                raise NoConnection(f"broke off: {_innermost(error)}", where=self.where("GET", url)) from error

    def blob_exists(self, layer: dict[str, Any], container: oras.container.Container) -> bool:
        """Whether the registry has the blob of a descriptor, of the descriptor's size."""
        url = self.url(container.get_blob_url(layer["digest"]))
        answer = self.do_request(url, "HEAD")
        if answer.status_code == 404:
            return False
        length = answer.headers.get("Content-Length", "")
        if length != str(layer["size"]):
            what = f"the registry has {length or 'no'} bytes of a blob of {layer['size']}"
            raise DigestMismatch(what, where=self.where("HEAD", url))
        return True

    def upload(self, blob: bytes, container: oras.container.Container) -> None:
        """Make sure that a blob is there: sent where it is not. oras's own takes a file, and content for sent that the
        registry did not take.
        """
        descriptor = {"digest": digest_of(blob), "size": len(blob)}
        if self.blob_exists(descriptor, container):
            return
        session = self._get_location(self.do_request(self.url(container.upload_blob_url()), "POST"), container)
        binary = {"Content-Type": "application/octet-stream"}
        target = append_url_params(session, {"digest": descriptor["digest"]})
        self.do_request(target, "PUT", data=blob, headers=binary)

    def upload_manifest(  # type: ignore[override]  # oras takes a dict, and serialises it in a way of its own
        self, manifest: bytes, container: oras.container.Container
    ) -> requests.Response:
        """Put a manifest under its tag, byte for byte."""
        return self.do_request(
            self.url(container.manifest_url()), "PUT", data=manifest, headers={"Content-Type": MANIFEST}
        )

    def where(self, method: str, url: str) -> str:
        """A request in words: the registry as the user calls it, and no query, which holds the token of an upload."""
        parts = urlsplit(url)
        host = self._called if parts.netloc == self._server else parts.netloc.rpartition("@")[2]
        return f"{method} {parts.scheme}://{host}{parts.path}"

    def _get_location(self, r: requests.Response, container: oras.container.Container) -> str:
        """Where an upload goes on. Raises RegistryError for another server, which would get the credentials too."""
        asked = self.url(container.upload_blob_url())
        called = urljoin(asked, f"//{self._called}")
        parts = urlsplit(urljoin(asked, r.headers.get("Location", "")))
        if f"{parts.scheme}://{parts.netloc}" not in (called, self.url(self._server)):
            raise RegistryError(
                f"sends uploads to another server, {parts.hostname}",
                where=self.where("POST", asked),
                do=f"configure the registry to be called {called}, or to answer with relative addresses",
            )
        return parts._replace(netloc=self._server).geturl()

    def _same(self, answer: requests.Response, method: str, url: str, sent: bytes | None) -> None:
        """The header is optional in the specification; where it is there, it has to be right."""
        asked = _DIGEST.search(urlsplit(url).path)
        if method == "PUT" and sent is not None:
            digest = digest_of(sent)
        elif method == "GET":
            digest = digest_of(answer.content)
            if asked and asked[0] != digest:
                what = f"the content that came has digest {digest}"
                raise DigestMismatch(what, where=self.where(method, url))
        elif asked and answer.status_code != 404:
            digest = asked[0]
        else:
            return
        named = answer.headers.get("Docker-Content-Digest", digest)
        if named != digest:
            what = f"the registry speaks of {named}, and the content has digest {digest}"
            raise DigestMismatch(what, where=self.where(method, url))

    def refusal(self, answer: requests.Response, where: str) -> RegistryError:
        """What an answer with an unexpected status means, in its own words but for secrets."""
        status, credentials = answer.status_code, self._credentials
        words = f"the registry answers {status} {answer.reason or ''}".rstrip()
        message = _message(answer.content)
        for secret in credentials.secrets if credentials else ():
            message = message.replace(secret, "REDACTED")
        what = f"{words}: {message}" if message else words
        if status not in (401, 403):
            return RegistryError(what, where=where, status=status, after=retry_after(answer.headers, time.time()))
        if credentials is None:
            do = f"no credentials were found for it: docker login {self._called}"
        elif status == 401:
            do = f"it did not accept those of {credentials.source}; log in again: docker login {self._called}"
        else:
            do = f"the credentials of {credentials.source} do not allow this: ask for the right to push and pull there"
        return AccessRefused(what, where=where, do=do, status=status)

    def require_safe(self, realm: str) -> None:
        """Raise RegistryError where a password or a token would travel to `realm` unencrypted, or leave the machine for
        a registry that does not.
        """
        scheme, there = urlsplit(realm).scheme, on_this_machine(realm)
        if there if self._alone and self.prefix == "http" else scheme == "https":
            return
        raise RegistryError(
            f"names {realm.partition('?')[0] or 'nobody'} for who makes its tokens, which is not an https:// address",
            where=self.url(self._called),
            do="correct the realm in the registry's configuration",
        )


class _Authentication(TokenAuth):
    """Answers a registry's challenge: Basic with the credentials, Bearer with a token that they, or nobody's, buy.

    oras's own sends the password of a Basic challenge to a server called like its realm, takes a token server that is
    busy for one that says no, and knows no identity tokens.
    """

    def __init__(self, connection: Connection, credentials: Credentials | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._connection, self._credentials = connection, credentials
        self._header: dict[str, str] = {}
        self._lock = threading.Lock()

    def load_configs(self, container: object, configs: list[str] | None = None) -> None:
        """Credentials are given, not looked for."""

    def get_auth_header(self) -> dict[str, str]:
        return self._header

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str] | None, refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        """(headers, whether the request is worth another try). Raises RegistryError where a token is not to be had."""
        challenge = original.headers.get("Www-Authenticate", "")
        bearer = re.search(r"\bbearer\s.*", challenge, re.IGNORECASE | re.DOTALL)
        sent = original.request.headers.get("Authorization")
        with self._lock:
            if bearer:
                token = self.request_token(parse_auth_header(bearer[0]))
                self._header = {"Authorization": f"Bearer {token}"}
            elif re.match(r"basic\b", challenge, re.IGNORECASE) and self._credentials and self._credentials.password:
                self._header = {"Authorization": f"Basic {self._credentials.basic}"}
            return {**(headers or {}), **self._header}, self._header.get("Authorization") not in (None, sent)

    def request_token(self, h: authHeader) -> str:  # type: ignore[override]  # oras says bool
        """A token for what the challenge says, from its realm: over TLS, or on the machine where the registry is."""
        realm, credentials = h.realm or "", self._credentials
        self._connection.require_safe(realm)
        asked = {name: value for name, value in (("service", h.service), ("scope", h.scope)) if value}
        json_please = {"Accept": "application/json"}
        send = self._connection.send
        if credentials and credentials.identity_token:
            exchange = {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": _CLIENT,
            }
            answer = send("POST", realm, data=exchange | asked, headers=json_please)
        else:
            header = {"Authorization": f"Basic {credentials.basic}"} if credentials else {}
            answer = send("GET", realm, params=asked, headers=json_please | header)
        where = self._connection.where("token from", realm)
        if answer.status_code != 200:
            raise self._connection.refusal(answer, where)
        try:
            found = answer.json()
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise RegistryError("the answer has no token", where=where)
        return token


class _Session(requests.Session):
    """Without .netrc, whose passwords would take the place of the registry's; `alone`: without proxies too."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__()
        self._alone = alone
        self.trust_env = not alone
        self.max_redirects = MOST_REDIRECTS
        self.auth = _as_it_is
        self.headers.update({"User-Agent": _CLIENT, "Accept-Encoding": "identity"})  # the digest is of what is sent

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Credentials are for the registry, not for the store of content that it refers to."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and not self._alone and urlsplit(urljoin(str(resp.url), target)).scheme != "https":
            where = f"GET {str(resp.url).partition('?')[0]}"
            resp.close()
            raise RegistryError("redirects to an address without TLS", where=where)
        return target


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def server(host: str, *, plain_http: bool) -> str:
    """What to connect to: without TLS for localhost IPv4, since ::1 may be somebody else. Raises SettingsError."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        parts, name, port = urlsplit(""), None, None
    if not name or parts.netloc != host or not re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII):
        shown = repr(host.rpartition("@")[2])
        raise SettingsError("is not the address of a registry", where=shown, do="write host:port, and nothing else")
    if plain_http and not _is_loopback(name):
        raise SettingsError("plain HTTP is for a registry on this machine only", where=repr(host), do="use HTTPS")
    if plain_http and name == "localhost":
        return f"127.0.0.1:{port}" if port else "127.0.0.1"
    if port is None and "." not in name:
        return f"{host}:{80 if plain_http else 443}"  # else oras would take it for a part of the path
    return _SERVERS.get(host, host)


def _innermost(error: BaseException) -> BaseException:
    """What began it: requests and urllib3 wrap errors in their causes, arguments and reasons."""
    for _ in range(8):
        around = (error.__cause__, getattr(error, "reason", None), *error.args, error.__context__)
        inner = next((each for each in around if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _reason(error: requests.exceptions.RequestException) -> str:
    """What the system said; the texts of urllib3 have addresses of Python objects in them."""
    cause = _innermost(error)
    if isinstance(error, requests.exceptions.Timeout):
        return "timed out"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _message(body: bytes) -> str:
    """The registry's own words, out of {"errors": [{"code", "message", "detail"}]}."""
    try:
        first = json.loads(body)["errors"][0]
        return f"{first['code']}: {first.get('message', '')}"[:300]
    except (ValueError, LookupError, TypeError, AttributeError):
        return body.decode(errors="replace").strip()[:300]
