"""Webhooks of processes: led to loopback where a process serves them, with certificates that hold there."""

import base64
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest

from harness.endtoend.certificates import issue, trusted
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.webhooks import led

PORTS = {ServiceName("hooks", "platform", 443): 12345, ServiceName("hooks", "platform", 9443): 23456}
AUTHORITY = "the authority"
BUNDLE = base64.b64encode(AUTHORITY.encode()).decode()


def admission(service: dict[str, Any], kind: str = "ValidatingWebhookConfiguration") -> dict[str, Any]:
    config = {"service": {"name": "hooks", "namespace": "platform", **service}, "caBundle": "old"}
    return {"kind": kind, "webhooks": [{"name": "a.example.com", "clientConfig": config}]}


@pytest.mark.parametrize("kind", ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
@pytest.mark.parametrize(
    ("service", "url"),
    [
        ({"path": "/validate"}, "https://127.0.0.1:12345/validate"),
        ({"path": "validate", "port": 443}, "https://127.0.0.1:12345/validate"),
        ({"port": 9443}, "https://127.0.0.1:23456/"),
    ],
)
def test_a_webhook_of_a_process_leads_to_its_port(kind: str, service: dict[str, Any], url: str) -> None:
    """By URL, with our authority in the place of whatever was there; what was given stays as it was."""
    given = admission(service, kind)
    [webhook] = led(given, PORTS, AUTHORITY)["webhooks"]
    assert webhook["clientConfig"] == {"url": url, "caBundle": BUNDLE}
    assert given == admission(service, kind)


@pytest.mark.parametrize("service", [{"name": "other"}, {"namespace": "other"}, {"port": 8443}])
def test_webhooks_of_others_stay_as_they_are(service: dict[str, Any]) -> None:
    """Another Service, or another port of the same one."""
    assert led(admission(service), PORTS, AUTHORITY) == admission(service)


def test_a_conversion_webhook_is_led_too() -> None:
    """That of a CRD; one without conversion, and any other kind, is left alone."""
    service = {"name": "hooks", "namespace": "platform", "path": "/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    crd = {"kind": "CustomResourceDefinition", "spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}}}
    found = led(crd, PORTS, AUTHORITY)["spec"]["conversion"]["webhook"]
    assert found["clientConfig"] == {"url": "https://127.0.0.1:12345/convert", "caBundle": BUNDLE}
    assert found["conversionReviewVersions"] == ["v1"]
    for other in ({"kind": "CustomResourceDefinition", "spec": {}}, {"kind": "ConfigMap", "webhooks": [1]}):
        assert led(other, PORTS, AUTHORITY) == other


def handshake(server: ssl.SSLContext, authority: str, name: str) -> None:
    """TLS between two ends in memory. Raises SSLError where the client does not trust the server."""
    client = ssl.create_default_context(cadata=authority)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    left = [here, there]
    while left:
        for each in list(left):
            try:
                each.do_handshake()
                left.remove(each)
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "hooks.platform.svc"])
def test_a_certificate_holds_for_this_machine_and_its_names(tmp_path: Path, name: str) -> None:
    """Its files are for their owner alone, and who trusts the authority trusts every certificate of it."""
    issue(tmp_path)
    issue(tmp_path, ["hooks.platform.svc"]).write(tmp_path / "certificates")
    files = [tmp_path / "certificates" / each for each in ("tls.crt", "tls.key", "ca.crt")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files[0], files[1])
    assert files[2].read_text() == trusted(tmp_path)
    handshake(server, trusted(tmp_path), name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, trusted(tmp_path), "other.platform.svc")


def test_the_authority_of_a_cluster_stays_the_same(tmp_path: Path) -> None:
    """What was told to trust it goes on to do so; its key is for the owner alone, and no other cluster has it."""
    assert issue(tmp_path).authority == trusted(tmp_path) == issue(tmp_path).authority
    assert stat.S_IMODE((tmp_path / "authority.pem").stat().st_mode) == 0o600
    (tmp_path / "other").mkdir()
    assert trusted(tmp_path / "other") != trusted(tmp_path)
