"""Pushing to a registry, through real HTTP against one that misbehaves as told."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RegistryUnreachable, SettingsError
from harness.exits import Exit
from harness.publishing.oci import connection
from harness.publishing.oci import registry as oci
from harness.publishing.oci.registry import (
    Artifact,
    DigestMismatch,
    Published,
    Registry,
    RegistryError,
    TagTaken,
    digest_of,
    pack_chart,
    pack_directory,
)
from harness.settings import Retries
from tests.fakes.registry import FakeRegistry, Fault

REPOSITORY, TAG = "aicr/eks-training", "0123456789ab-flux-oci"
RETRIES = Retries.model_construct(attempts=3, delay=0.001)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def registry(fake: FakeRegistry) -> Registry:
    return Registry(fake.host, retries=RETRIES)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "kustomization.yaml").write_text("resources: []\n" * 10_000)
    return pack_directory(tmp_path / "bundle")


def other(artifact: Artifact) -> Artifact:
    return replace(artifact, annotations={"changed": "yes"})


def test_push_puts_blobs_then_manifest_and_returns_the_identity(
    fake: FakeRegistry, registry: Registry, artifact: Artifact
) -> None:
    """What is published is the digest of the manifest, whose bytes and blobs the registry holds unchanged."""
    published = registry.push(artifact, REPOSITORY, TAG)
    assert published == Published(
        fake.host,
        REPOSITORY,
        TAG,
        artifact.digest,
        "application/vnd.oci.empty.v1+json",
        ("application/vnd.oci.image.layer.v1.tar+gzip",),
    )
    assert fake.manifests[REPOSITORY, TAG] == artifact.manifest
    assert fake.blobs == {digest_of(data): data for data in (artifact.config, artifact.layer)}
    assert fake.methods().index("PUT") < fake.requests.index(("PUT", f"/v2/{REPOSITORY}/manifests/{TAG}"))


def test_manifest_goes_after_both_blobs_were_seen_in_the_registry(
    fake: FakeRegistry, registry: Registry, artifact: Artifact
) -> None:
    """Between the last upload and the manifest, the registry is asked for each blob once more."""
    registry.push(artifact, REPOSITORY, TAG)
    manifest = fake.requests.index(("PUT", f"/v2/{REPOSITORY}/manifests/{TAG}"))
    asked = fake.requests[manifest - 2 : manifest]
    blobs = [digest_of(artifact.config), digest_of(artifact.layer)]
    assert asked == [("HEAD", f"/v2/{REPOSITORY}/blobs/{digest}") for digest in blobs]


def test_pushing_again_sends_nothing(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """The same artifact under the same tag is there already."""
    first = registry.push(artifact, REPOSITORY, TAG)
    fake.requests.clear()
    assert registry.push(artifact, REPOSITORY, TAG) == first
    assert set(fake.methods()) == {"GET", "HEAD"}


def test_pushing_again_heals_a_lost_blob(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """A registry that lost a layer gets it back, although the tag is there."""
    registry.push(artifact, REPOSITORY, TAG)
    del fake.blobs[digest_of(artifact.layer)]
    registry.push(artifact, REPOSITORY, TAG)
    assert digest_of(artifact.layer) in fake.blobs


def test_tag_is_never_moved(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """Another artifact under a known tag is refused before anything is sent, with both digests in the message."""
    registry.push(artifact, REPOSITORY, TAG)
    fake.requests.clear()
    with pytest.raises(TagTaken) as raised:
        registry.push(other(artifact), REPOSITORY, TAG)
    assert artifact.digest in str(raised.value)
    assert other(artifact).digest in str(raised.value)
    assert fake.methods() == ["GET"]
    assert fake.manifests[REPOSITORY, TAG] == artifact.manifest


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_passing_trouble_is_tried_again(
    fake: FakeRegistry, registry: Registry, artifact: Artifact, method: str, status: int
) -> None:
    """A 5xx or 429 at any step, twice in a row, costs time and nothing else."""
    fake.faults += [Fault("status", method, status=status)] * 2
    assert registry.push(artifact, REPOSITORY, TAG).digest == artifact.digest
    assert not fake.faults


def test_trouble_while_blobs_are_confirmed_is_tried_again(
    fake: FakeRegistry, registry: Registry, artifact: Artifact
) -> None:
    """The look at a blob that was just uploaded may fail like any other request."""
    fake.faults.append(Fault("status", "HEAD", digest_of(artifact.layer), after=1))
    registry.push(artifact, REPOSITORY, TAG)
    assert not fake.faults


def test_silence_is_a_broken_connection(
    fake: FakeRegistry, registry: Registry, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that says nothing is not waited for without end: asked again, it may answer."""
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.2)
    fake.faults.append(Fault("silent", "PUT", "/manifests/"))
    registry.push(artifact, REPOSITORY, TAG)
    assert not fake.faults


@pytest.mark.parametrize("how", ["reset", "lost"])
@pytest.mark.parametrize("step", [("POST", "uploads/"), ("PUT", "uploads/"), ("PUT", "/manifests/"), ("GET", "")])
def test_broken_connection_is_tried_again(
    fake: FakeRegistry, registry: Registry, artifact: Artifact, step: tuple[str, str], how: str
) -> None:
    """A reset in the middle of a request, or after it was carried out unknown to us, does no harm."""
    fake.faults.append(Fault(how, *step))
    assert registry.push(artifact, REPOSITORY, TAG).digest == artifact.digest
    assert not fake.faults
    assert fake.blobs == {digest_of(data): data for data in (artifact.config, artifact.layer)}


def test_upload_that_broke_begins_a_new_session(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """Nothing is sent to a session whose state nobody knows."""
    fake.faults.append(Fault("reset", "PUT", "uploads/"))
    registry.push(artifact, REPOSITORY, TAG)
    uploads = [path for method, path in fake.requests if method == "PUT" and "uploads/" in path]
    assert len(uploads) == len(set(uploads)) == 3  # one broke; then config and layer


def test_no_more_attempts_than_settings_say(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """The last answer is raised, and names the request and the status."""
    fake.faults += [Fault("status", "PUT", "/manifests/", 503)] * 10
    with pytest.raises(RegistryError, match="503 Service Unavailable") as raised:
        registry.push(artifact, REPOSITORY, TAG)
    assert len(fake.faults) == 10 - RETRIES.attempts
    assert raised.value.where == f"PUT http://{fake.host}/v2/{REPOSITORY}/manifests/{TAG}"
    assert raised.value.exit is Exit.FAILURE
    assert fake.tags(REPOSITORY) == set()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413])
def test_refusal_is_final(fake: FakeRegistry, registry: Registry, artifact: Artifact, status: int) -> None:
    """A 4xx is raised at once with the registry's own words, and nothing more is sent."""
    body = json.dumps({"errors": [{"code": "DENIED", "message": "not here"}]}).encode()
    fake.faults.append(Fault("status", "POST", status=status, body=body))
    with pytest.raises(RegistryError, match="DENIED: not here") as raised:
        registry.push(artifact, REPOSITORY, TAG)
    assert raised.value.status == status
    assert fake.methods()[-1] == "POST"
    assert fake.methods().count("POST") == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_to_tell_about_a_tag_is_not_an_absent_tag(
    fake: FakeRegistry, registry: Registry, artifact: Artifact, status: int
) -> None:
    """A registry that wants credentials is an error that says so, before anything is sent."""
    fake.faults.append(Fault("status", "GET", status=status))
    with pytest.raises(RegistryError, match="no credentials"):
        registry.push(artifact, REPOSITORY, TAG)
    assert fake.methods() == ["GET"]


@pytest.mark.parametrize(
    "step", [("HEAD", "/blobs/"), ("PUT", "uploads/"), ("PUT", "/manifests/"), ("GET", "/manifests/")]
)
def test_registry_that_speaks_of_another_digest(
    fake: FakeRegistry, registry: Registry, artifact: Artifact, step: tuple[str, str]
) -> None:
    """A Docker-Content-Digest that is not that of what was sent or came is an error at any step, and not retried."""
    registry.push(other(artifact), REPOSITORY, "elsewhere")  # so that HEAD and GET find something
    tag = "elsewhere" if step[0] == "GET" else TAG
    if step == ("PUT", "uploads/"):
        fake.blobs.clear()
    fake.requests.clear()
    wrong = digest_of(b"something else")
    fake.faults.append(Fault("headers", *step, headers={"Docker-Content-Digest": wrong}))
    with pytest.raises(DigestMismatch, match=wrong):
        registry.push(artifact, REPOSITORY, tag)
    assert fake.requests[-1][0] == step[0]
    assert not fake.faults


def test_registry_that_holds_something_else_than_was_pushed(
    fake: FakeRegistry, registry: Registry, artifact: Artifact
) -> None:
    """What stands behind the tag is read back: another's manifest that won the race for the tag is seen."""
    winner = other(artifact).manifest
    served = {"Content-Length": str(len(winner)), "Docker-Content-Digest": digest_of(winner)}
    absent = Fault("status", "GET", "/manifests/", 404)
    fake.faults += [absent, Fault("body", "GET", "/manifests/", body=winner, headers=served)]
    with pytest.raises(DigestMismatch, match="the tag stands for"):
        registry.push(artifact, REPOSITORY, TAG)


def test_blob_that_the_registry_took_and_lost_leaves_no_tag(
    fake: FakeRegistry, registry: Registry, artifact: Artifact
) -> None:
    """A registry that confirms an upload and does not have the blob gets no manifest."""
    layer = f"/blobs/{digest_of(artifact.layer)}"
    fake.faults += [Fault("status", "HEAD", layer, 404), Fault("status", "HEAD", layer, 404)]
    with pytest.raises(RegistryError, match="does not have it"):
        registry.push(artifact, REPOSITORY, TAG)
    assert fake.tags(REPOSITORY) == set()


def test_blob_of_another_size_is_not_taken_for_ours(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """Half a blob under the right name stops the push."""
    fake.blobs[digest_of(artifact.layer)] = artifact.layer
    layer = f"/blobs/{digest_of(artifact.layer)}"
    fake.faults.append(Fault("headers", "HEAD", layer, headers={"Content-Length": "7"}))
    with pytest.raises(DigestMismatch, match="has 7 bytes"):
        registry.push(artifact, REPOSITORY, TAG)


def test_digest_header_is_optional(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """A registry that names no digest is asked for the bytes, and their digest counts."""
    registry.push(artifact, REPOSITORY, TAG)
    fake.faults.append(Fault("status", "GET", status=200, body=artifact.manifest))
    assert registry.resolve(REPOSITORY, TAG) == artifact.digest


def test_push_stops_where_no_registry_is(artifact: Artifact) -> None:
    """A registry that is not there is exit code 21; the message says what was tried, and why it failed."""
    with FakeRegistry() as gone:
        host = gone.host
    with pytest.raises(RegistryUnreachable, match="Connection refused") as raised:
        Registry(host, retries=RETRIES).push(artifact, REPOSITORY, TAG)
    assert raised.value.exit is Exit.REGISTRY_UNREACHABLE
    assert host in raised.value.do
    assert "object at" not in str(raised.value)


def test_cancelling_ends_the_pauses(fake: FakeRegistry, artifact: Artifact) -> None:
    """Nobody waits an hour for the next attempt when the run is over."""
    cancelled = threading.Event()
    registry = Registry(fake.host, retries=Retries.model_construct(attempts=5, delay=3600.0), cancelled=cancelled)
    fake.faults += [Fault("status")] * 5
    cancelled.set()
    with pytest.raises(RegistryError, match="503"):
        registry.push(artifact, REPOSITORY, TAG)
    assert len(fake.faults) == 4


def test_resolve_and_manifest(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """A tag resolves to the digest of its manifest; a tag or repository that is not there, to None."""
    registry.push(artifact, REPOSITORY, TAG)
    assert registry.resolve(REPOSITORY, TAG) == artifact.digest
    assert registry.resolve(REPOSITORY, "absent") is None
    assert registry.resolve("aicr/absent", TAG) is None
    for reference in (TAG, artifact.digest):
        assert registry.manifest(REPOSITORY, reference) == (json.loads(artifact.manifest), artifact.digest)


def test_published_reads_back_what_another_program_pushed(
    fake: FakeRegistry, registry: Registry, artifact: Artifact
) -> None:
    """The aicr command line pushes by itself; digest and media types come from the registry. No tag is an error."""
    pushed = registry.push(artifact, REPOSITORY, TAG)
    assert registry.published(REPOSITORY, TAG) == pushed
    with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN") as raised:
        registry.published(REPOSITORY, "absent")
    assert raised.value.status == 404


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"layers": []}', b'{"config": {}, "layers": 3}'])
def test_manifest_that_is_none(fake: FakeRegistry, registry: Registry, body: bytes) -> None:
    """Whatever else answers on that port, it is not taken for an artifact."""
    fake.manifests[REPOSITORY, TAG] = body
    with pytest.raises(RegistryError, match="is not"):
        registry.published(REPOSITORY, TAG)


def test_content_by_digest_is_checked(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """A blob or manifest asked for by digest is what that digest says, or an error."""
    registry.push(artifact, REPOSITORY, TAG)
    assert registry.blob(REPOSITORY, digest_of(artifact.layer)) == artifact.layer
    for digest in (digest_of(artifact.layer), artifact.digest):
        fake.blobs[digest] = fake.manifests[REPOSITORY, digest] = b"{}"
    with pytest.raises(DigestMismatch):
        registry.blob(REPOSITORY, digest_of(artifact.layer))
    with pytest.raises(DigestMismatch):
        registry.manifest(REPOSITORY, artifact.digest)


def test_ready_is_the_answer_of_a_registry(
    fake: FakeRegistry, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 on /v2/, asked once; another status, silence or no listener is not ready, and no error."""
    assert registry.ready()
    monkeypatch.setattr(oci, "READY_SECONDS", 0.1)
    fake.faults += [Fault("status", "GET", "/v2/", 503), Fault("silent", "GET", "/v2/")]
    assert not registry.ready()
    assert not registry.ready()
    assert fake.requests == [("GET", "/v2/")] * 3
    with FakeRegistry() as gone:
        host = gone.host
    assert not Registry(host, retries=RETRIES).ready()


def test_uploads_to_another_server_are_refused(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """A Location elsewhere is not followed, and credentials or tokens in it are not shown."""
    location = "http://user:hunter2@registry.example/v2/x/blobs/uploads/1?_state=sesame"
    fake.faults.append(Fault("headers", "POST", headers={"Location": location}))
    with pytest.raises(RegistryError, match=r"another server, registry\.example") as raised:
        registry.push(artifact, REPOSITORY, TAG)
    assert "hunter2" not in str(raised.value)
    assert "sesame" not in str(raised.value)


def test_upload_location_may_be_relative(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """A path without a host and without a query is followed on the same server."""
    session = "0" * 32
    fake.sessions.add(session)
    fake.faults.append(Fault("headers", "POST", headers={"Location": f"/v2/{REPOSITORY}/blobs/uploads/{session}"}))
    registry.push(artifact, REPOSITORY, TAG)
    assert ("PUT", f"/v2/{REPOSITORY}/blobs/uploads/{session}") in fake.requests


def test_redirects_are_not_followed(fake: FakeRegistry, registry: Registry) -> None:
    """What stands behind a tag is what this registry says."""
    fake.faults.append(Fault("status", status=307, headers={"Location": f"http://{fake.host}/v2/"}))
    with pytest.raises(RegistryError, match="307"):
        registry.resolve(REPOSITORY, TAG)
    assert len(fake.requests) == 1


def test_token_of_an_upload_is_not_shown(fake: FakeRegistry, registry: Registry, artifact: Artifact) -> None:
    """The query of an upload's address stays out of messages."""
    fake.faults.append(Fault("status", "PUT", "uploads/", 400))
    with pytest.raises(RegistryError, match="400") as raised:
        registry.push(artifact, REPOSITORY, TAG)
    assert "sesame" not in str(raised.value)


def test_proxies_of_the_environment_are_ignored(
    fake: FakeRegistry, registry: Registry, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loopback registry is reached directly whatever http_proxy says."""
    with FakeRegistry() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        Registry(fake.host, retries=RETRIES).push(artifact, REPOSITORY, TAG)
        assert proxy.requests == []


def test_localhost_is_ipv4(fake: FakeRegistry, artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """localhost is 127.0.0.1, for whoever holds the same port of ::1 is not our registry; its name is kept."""
    looked_up = []
    resolver = socket.getaddrinfo

    def watched(host: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return resolver(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    published = Registry(f"localhost:{fake.port}", retries=RETRIES).push(artifact, REPOSITORY, TAG)
    assert published.registry == f"localhost:{fake.port}"
    assert set(looked_up) == {"127.0.0.1"}


@pytest.mark.parametrize("host", ["registry.example:5000", "10.0.0.7:5000", "localhost.example:80", "192.168.1.1"])
def test_plain_http_is_for_loopback(host: str) -> None:
    """Bundles do not travel unencrypted; the same host is fine over HTTPS."""
    with pytest.raises(SettingsError, match="plain HTTP"):
        Registry(host, retries=RETRIES)
    Registry(host, retries=RETRIES, plain_http=False)


@pytest.mark.parametrize("host", ["127.0.0.1:5500", "localhost:5500", "[::1]:5500", "127.3.2.1:1"])
def test_loopback_addresses(host: str) -> None:
    """All of 127.0.0.0/8, ::1 and localhost are this machine."""
    Registry(host, retries=RETRIES)


@pytest.mark.parametrize("host", ["", "http://localhost:5500", "localhost:5500/aicr", "localhost:x", "me:pw@localhost"])
def test_host_is_only_a_host(host: str) -> None:
    """Schemes, paths and credentials are no part of a host, and credentials are not shown."""
    with pytest.raises(SettingsError, match="not the address") as raised:
        Registry(host, retries=RETRIES)
    assert "pw" not in str(raised.value)


def test_https_to_a_registry_without_tls(fake: FakeRegistry) -> None:
    """HTTPS is spoken where it is asked for, and what answers otherwise is named."""
    with pytest.raises(RegistryError, match="TLS"):
        Registry(fake.host, retries=RETRIES, plain_http=False).resolve(REPOSITORY, TAG)


@pytest.mark.parametrize("repository", ["", "AICR/x", "aicr//x", "aicr/x/", "../x", "aicr/x?y"])
def test_repository_names(registry: Registry, fake: FakeRegistry, artifact: Artifact, repository: str) -> None:
    """A name that the specification does not allow is refused before anything is sent."""
    with pytest.raises(RegistryError, match="not the name of a repository"):
        registry.push(artifact, repository, TAG)
    assert fake.requests == []


@pytest.mark.parametrize("tag", ["", "-x", "a b", "a/b", "a+b", "x" * 129])
def test_tags(registry: Registry, fake: FakeRegistry, artifact: Artifact, tag: str) -> None:
    """Likewise for tags."""
    with pytest.raises(RegistryError, match="not a tag"):
        registry.push(artifact, REPOSITORY, tag)
    assert fake.requests == []


def test_chart_goes_under_its_version(registry: Registry, tmp_path: Path) -> None:
    """A chart is pushed under no tag but its version, with _ for +, since Helm looks for no other."""
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: stack\nversion: 1.2.0+b7\n")
    chart = pack_chart(tmp_path)
    assert registry.push(chart, "charts/stack", "1.2.0_b7").config_media_type.endswith("helm.config.v1+json")
    with pytest.raises(RegistryError, match="no other tag"):
        registry.push(chart, "charts/stack", "1.2.0")
