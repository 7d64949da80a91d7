"""A registry of the user's own: TLS, passwords, tokens, and what must not leave for anybody else."""

import datetime as dt
import email.utils
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.errors import SettingsError
from harness.exits import Exit
from harness.publishing.oci.address import Address
from harness.publishing.oci.artifact import digest_of
from harness.publishing.oci.connection import LONGEST_PAUSE
from harness.publishing.oci.credentials import Credentials
from harness.publishing.oci.registry import (
    AccessRefused,
    Artifact,
    DigestMismatch,
    NoConnection,
    Registry,
    RegistryError,
    pack_directory,
)
from harness.settings import Retries
from tests.fakes.registry import FakeRegistry, FakeTokens, Fault, basic

NAME, STORE = "registry.example.com", "store.example.com"
REPOSITORY, TAG = "team/eks-training", "0123456789ab-flux-oci"
RETRIES = Retries.model_construct(attempts=3, delay=0.001)
ME = Credentials("me", "hunter2-hunter2", source="config.json")
USERS = {ME.username: ME.password}


class Pauses(threading.Event):
    """Never set, and keeps nobody waiting: `asked` are the pauses in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout or 0.0)
        return False


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below example.com are other machines to the harness, and lead to this one."""
    resolve = socket.getaddrinfo

    def resolved(host: str, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host.endswith(".example.com") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.example.com", "127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file with the authority's certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def client(trusted: Path) -> Callable[..., Registry]:
    """A client of a fake."""

    def made(fake: FakeRegistry, credentials: Credentials | None = ME, **kwargs: Any) -> Registry:
        given: dict[str, Any] = {"retries": RETRIES, "plain_http": False, "authority": trusted} | kwargs
        return Registry(fake.host, credentials=credentials, **given)

    return made


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "kustomization.yaml").write_text("resources: []\n" * 10_000)
    return pack_directory(tmp_path / "bundle")


@pytest.fixture
def private(tls: ssl.SSLContext) -> Iterator[FakeRegistry]:
    """Wants a password."""
    with FakeRegistry(tls=tls, users=USERS, name=NAME) as fake:
        yield fake


@pytest.fixture
def tokens(tls: ssl.SSLContext) -> Iterator[FakeTokens]:
    with FakeTokens(tls=tls, users=USERS, name="auth.example.com") as tokens:
        yield tokens


@pytest.fixture
def guarded(tls: ssl.SSLContext, tokens: FakeTokens) -> Iterator[FakeRegistry]:
    """Wants tokens."""
    with FakeRegistry(tls=tls, tokens=tokens, name=NAME) as fake:
        yield fake


# Passwords


def test_push_with_a_password(private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact) -> None:
    """It is sent once it was asked for, and with every request from then on."""
    assert client(private).push(artifact, REPOSITORY, TAG).digest == artifact.digest
    assert private.authorizations[0] is None
    assert set(private.authorizations[1:]) == {basic(*next(iter(USERS.items())))}


@pytest.mark.parametrize(
    ("credentials", "do"),
    [
        (None, f"no credentials were found for it: docker login {NAME}"),
        (Credentials("me", "wrong-password", source="config.json"), "did not accept those of config.json"),
        (Credentials(identity_token="an identity", source="config.json"), "did not accept those of config.json"),
    ],
)
def test_wrong_and_missing_passwords_are_final(
    private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact, credentials: Credentials | None, do: str
) -> None:
    """Code 21, at once, with the remedy; the password is in no message."""
    with pytest.raises(AccessRefused, match="401") as raised:
        client(private, credentials).push(artifact, REPOSITORY, TAG)
    assert raised.value.exit is Exit.REGISTRY_UNREACHABLE
    assert do in raised.value.do
    assert len(private.requests) <= 2
    assert "wrong-password" not in f"{raised.value}{raised.value!r}"


def test_what_a_registry_repeats_of_a_password_is_not_shown(
    private: FakeRegistry, client: Callable[..., Registry]
) -> None:
    """One that puts what it was sent into its message."""
    body = json.dumps({"errors": [{"code": "DENIED", "message": f"no {ME.password} and no {ME.basic}"}]}).encode()
    private.faults.append(Fault("status", status=403, body=body))
    with pytest.raises(AccessRefused, match="no REDACTED and no REDACTED") as raised:
        client(private).require()
    assert "do not allow this" in raised.value.do


def test_credentials_show_no_secret() -> None:
    """Neither in a debugger nor in a traceback; what must be taken out of evidence is known."""
    identity = Credentials(identity_token="my-identity", source="x")
    assert not {"hunter2-hunter2", "my-identity"} & set(f"{ME!r} {identity!r}".replace("'", " ").split())
    assert ME.secrets == {ME.password, ME.basic}
    assert identity.secrets == {"my-identity"}


# Tokens


def test_push_with_tokens(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """One for reading, one for writing; the password goes to the server that gives them, and not to the registry."""
    registry = client(guarded)
    assert registry.push(artifact, REPOSITORY, TAG).digest == artifact.digest
    scopes = [scope for _, scope, _ in tokens.asked]
    assert scopes == [f"repository:{REPOSITORY}:pull", f"repository:{REPOSITORY}:pull,push"]
    assert {sent for sent, _, _ in tokens.asked} == {basic(ME.username, ME.password)}
    assert all(sent is None or sent.startswith("Bearer ") for sent in guarded.authorizations)


def test_a_token_that_has_expired_is_renewed(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """In the middle of whatever was under way, once."""
    registry = client(guarded)
    registry.push(artifact, REPOSITORY, TAG)
    tokens.forget()
    assert registry.push(artifact, REPOSITORY, TAG).digest == artifact.digest
    assert len(tokens.asked) == 3


def test_a_token_for_nobody(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """Registries that anybody may read want a token too, and give it to anybody."""
    tokens.anonymous = True
    client(guarded).push(artifact, REPOSITORY, TAG)
    assert client(guarded, None).resolve(REPOSITORY, TAG) == artifact.digest
    assert tokens.asked[-1] == (None, f"repository:{REPOSITORY}:pull", {})


def test_an_identity_token_is_exchanged(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """As OAuth2 does it: in the body of a POST, and the registry gets what comes of it."""
    tokens.identity = "my-identity"
    client(guarded, Credentials(identity_token="my-identity")).push(artifact, REPOSITORY, TAG)
    assert all(form["grant_type"] == "refresh_token" and form["service"] == "fake" for _, _, form in tokens.asked)
    assert not any("my-identity" in (sent or "") for sent in guarded.authorizations)


def test_a_token_server_that_says_no_is_final(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry]
) -> None:
    """It is named, with the remedy; no second try."""
    with pytest.raises(AccessRefused, match="401 Unauthorized: UNAUTHORIZED") as raised:
        client(guarded, Credentials("me", "wrong-password", source="config.json")).require()
    assert raised.value.where == f"token from {tokens.realm}"
    assert len(tokens.asked) == 1


def test_a_token_server_that_is_busy_is_asked_again(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry]
) -> None:
    """Its 503 is no refusal of the credentials."""
    tokens.answers += [(503, {}, b""), (429, {"Retry-After": "0"}, b"")]
    client(guarded).require()
    assert len(tokens.asked) == 3


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"token": 3}', b'{"token": "a\\nb"}', b'{"token": ""}'])
def test_an_answer_without_a_token(
    guarded: FakeRegistry, tokens: FakeTokens, client: Callable[..., Registry], body: bytes
) -> None:
    """Nothing of it is sent to the registry."""
    tokens.answers.append((200, {}, body))
    with pytest.raises(RegistryError, match="has no token"):
        client(guarded).require()
    assert set(guarded.authorizations) == {None}


@pytest.mark.parametrize("realm", ["http://auth.example.com/token", "ftp://x/", "", "Registry"])
def test_a_password_goes_to_no_realm_without_tls(
    private: FakeRegistry, client: Callable[..., Registry], realm: str
) -> None:
    """Nor is one made up where the challenge names none."""
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
    private.faults.append(Fault("status", status=401, headers=challenge))
    with pytest.raises(RegistryError, match="not an https:// address"):
        client(private).require()


def test_a_registry_of_this_machine_sends_nobody_elsewhere() -> None:
    """Without credentials too: nothing leaves the machine for a token."""
    with FakeRegistry() as fake:
        fake.faults.append(
            Fault("status", status=401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.example.com/"'})
        )
        with pytest.raises(RegistryError, match=r"auth\.example\.com/"):
            Registry(fake.host, retries=RETRIES).require()


# TLS and other servers


def test_a_certificate_of_an_unknown_authority(private: FakeRegistry, client: Callable[..., Registry]) -> None:
    """At once, with the setting that helps; nothing was sent."""
    pauses = Pauses()
    with pytest.raises(NoConnection, match="unable to get local issuer certificate") as raised:
        client(private, authority=None, cancelled=pauses).require()
    assert pauses.asked == []
    assert raised.value.exit is Exit.REGISTRY_UNREACHABLE
    assert "registry.ca" in raised.value.do
    assert private.requests == []


def test_a_certificate_of_another_server(tls: ssl.SSLContext, client: Callable[..., Registry]) -> None:
    """A name that the certificate does not have is not the registry."""
    with FakeRegistry(tls=tls, users=USERS, name="sub.registry.example.com") as fake:
        with pytest.raises(RegistryError, match="Hostname mismatch"):
            client(fake).require()
        assert fake.requests == []


def test_content_may_lie_elsewhere_and_credentials_stay(
    private: FakeRegistry,
    tls: ssl.SSLContext,
    client: Callable[..., Registry],
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A redirect to a store of blobs is followed without the password, whatever .netrc says; the digest is checked."""
    (tmp_path / "netrc").write_text(f"machine {STORE} login other password secret\nmachine {NAME} login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    digest, registry = digest_of(artifact.layer), client(private)
    registry.push(artifact, REPOSITORY, TAG)
    assert all(sent in (None, basic(ME.username, ME.password)) for sent in private.authorizations)
    with FakeRegistry(tls=tls, name=STORE) as store:
        there = {"Location": f"https://{store.host}/v2/any/blobs/{digest}?signature=sesame"}
        store.blobs[digest] = artifact.layer
        private.faults.append(Fault("status", "GET", "/blobs/", 307, headers=there))
        assert registry.blob(REPOSITORY, digest) == artifact.layer
        assert store.authorizations == [None]
        store.blobs[digest] = b"something else"
        private.faults.append(Fault("status", "GET", "/blobs/", 307, headers=there))
        store.faults.append(Fault("body", body=b"something else", headers={"Docker-Content-Digest": digest}))
        with pytest.raises(DigestMismatch):
            registry.blob(REPOSITORY, digest)


def test_a_challenge_of_another_server_is_not_answered(
    private: FakeRegistry, tls: ssl.SSLContext, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """Who is redirected to and asks for a password gets none."""
    digest, registry = digest_of(artifact.layer), client(private)
    registry.push(artifact, REPOSITORY, TAG)
    with FakeRegistry(tls=tls, name=STORE, users=USERS) as store:
        there = {"Location": f"https://{store.host}/v2/any/blobs/{digest}"}
        private.faults.append(Fault("status", "GET", "/blobs/", 307, headers=there))
        with pytest.raises(AccessRefused):
            registry.blob(REPOSITORY, digest)
        assert store.authorizations == [None]


@pytest.mark.parametrize("location", ["http://store.example.com/x", "ftp://store.example.com/x"])
def test_no_redirect_leads_out_of_tls(
    private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact, location: str
) -> None:
    """A tag must not be resolved by whoever sits on the line."""
    client(private).push(artifact, REPOSITORY, TAG)
    private.faults.append(Fault("status", "GET", "/manifests/", 307, headers={"Location": location}))
    with pytest.raises(RegistryError, match="without TLS"):
        client(private).resolve(REPOSITORY, TAG)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_uploads_are_not_redirected(
    private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact, method: str
) -> None:
    """What is pushed goes to the registry that was named."""
    private.faults.append(Fault("status", method, status=307, headers={"Location": f"https://{STORE}/x"}))
    with pytest.raises(RegistryError, match="307"):
        client(private).push(artifact, REPOSITORY, TAG)


def test_uploads_elsewhere_are_refused(
    private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """By their Location too: the password would go along."""
    private.faults.append(
        Fault("headers", "POST", after=1, headers={"Location": f"https://{STORE}/v2/x?_state=sesame"})
    )
    private.faults.append(Fault("headers", "POST", headers={"Location": f"https://{STORE}/v2/x?_state=sesame"}))
    with pytest.raises(RegistryError, match=f"another server, {STORE}"):
        client(private).push(artifact, REPOSITORY, TAG)


# What passes by itself


@pytest.mark.parametrize("status", [429, 503])
def test_the_registry_says_how_long_to_wait(
    private: FakeRegistry, client: Callable[..., Registry], status: int
) -> None:
    """In seconds or by a date, at least as long as the settings say and at most LONGEST_PAUSE."""
    soon = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=9))
    answers = ["7", "nonsense", "-3", "86400", soon]
    private.faults += [Fault("status", status=status, headers={"Retry-After": value}) for value in answers]
    pauses = Pauses()
    client(private, retries=Retries.model_construct(attempts=9, delay=1.0), cancelled=pauses).require()
    assert pauses.asked == [7.0, 2.0, 4.0, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_name_that_does_not_exist_is_final(
    private: FakeRegistry, client: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pause makes it exist. A resolver that does not answer is asked again."""

    def failing(code: int) -> Pauses:
        def lookup(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(code, "no such name")

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        pauses = Pauses()
        with pytest.raises(NoConnection, match="no such name"):
            client(private, cancelled=pauses).require()
        return pauses

    assert failing(socket.EAI_NONAME).asked == []
    assert len(failing(socket.EAI_AGAIN).asked) == RETRIES.attempts - 1


@pytest.mark.parametrize("path", ["/manifests/", "/blobs/"])
def test_content_that_is_cut_off_is_asked_for_again(
    private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact, path: str
) -> None:
    """Half a body is no content, and its digest is not looked at."""
    registry = client(private)
    registry.push(artifact, REPOSITORY, TAG)
    private.faults += [Fault("cut", "GET", path)] * 2
    digest = artifact.digest if path == "/manifests/" else digest_of(artifact.layer)
    if path == "/manifests/":
        assert registry.resolve(REPOSITORY, TAG) == digest
    else:
        assert registry.blob(REPOSITORY, digest) == artifact.layer
    assert not private.faults


@pytest.mark.parametrize("how", ["reset", "lost"])
def test_an_upload_that_is_cut_off_begins_anew(
    guarded: FakeRegistry, client: Callable[..., Registry], artifact: Artifact, how: str
) -> None:
    """Over TLS and with tokens as without."""
    guarded.faults.append(Fault(how, "PUT", "uploads/"))
    assert client(guarded).push(artifact, REPOSITORY, TAG).digest == artifact.digest
    assert not guarded.faults


def test_a_path_that_looks_like_a_host_is_a_path(
    private: FakeRegistry, client: Callable[..., Registry], artifact: Artifact
) -> None:
    """`my.team/x` at this registry is asked of no server called my.team."""
    client(private).push(artifact, "my.team/x", TAG)
    assert private.tags("my.team/x") == {TAG}


# Addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("registry.example.com/team", Address("registry.example.com", "team")),
        ("oci://registry.example.com:5000/a/b/", Address("registry.example.com:5000", "a/b")),
        ("https://localhost:5443", Address("localhost:5443")),
        ("http://127.0.0.1:5001/x", Address("127.0.0.1:5001", "x", plain_http=True)),
        ("docker.io/me", Address("docker.io", "me")),
        ("registry", Address("registry")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    """A host with its port, and a path; TLS unless it says http://."""
    assert Address.parse(text, where="registry.address") == address


@pytest.mark.parametrize(
    "text",
    ["ftp://x.example/a", "me:hunter2@x.example/a", "x.example/Team", "x.example/a:tag", "x.example//a", "a b/c", "/x"],
)
def test_what_is_no_address(text: str) -> None:
    """One error with the setting and an example; a password in it is not shown."""
    with pytest.raises(SettingsError, match="is not the address of a registry") as raised:
        Address.parse(text, where="registry.address")
    assert "hunter2" not in str(raised.value)


def test_plain_http_is_for_this_machine() -> None:
    """Neither bundles nor passwords travel unencrypted."""
    with pytest.raises(SettingsError, match="plain HTTP is for a registry on this machine only"):
        Address.parse("http://registry.example.com/team", where="registry.address")
