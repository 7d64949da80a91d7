"""Credentials as `docker login` and credential helpers leave them."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SettingsError
from harness.exits import Exit
from harness.publishing.oci import credentials
from harness.publishing.oci.credentials import Credentials, find

HOST = "registry.example.com"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of Docker's client, and an empty one on PATH for helpers."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def looked_up(docker: Path, config: Any, host: str = HOST) -> Credentials | None:
    (docker / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return find(host, {"DOCKER_CONFIG": str(docker)})


def helper(docker: Path, name: str, answer: str, status: int = 0) -> None:
    """A credential helper that keeps what it was told, prints `answer` and ends with `status`."""
    file = docker / "bin" / f"docker-credential-{name}"
    file.write_text(
        f"#!/bin/sh\necho \"$@\" > {docker}/argv\ncat > {docker}/stdin\ncat <<'END'\n{answer}\nEND\nexit {status}\n"
    )
    file.chmod(0o755)


def test_nobody_has_logged_in(docker: Path) -> None:
    """No file, no entry and an empty entry are no credentials, and no error."""
    assert find(HOST, {"DOCKER_CONFIG": str(docker)}) is None
    assert find(HOST, {}) is None
    found: list[dict[str, Any]] = [{}, {HOST: {}}, {"other.example.com": {"auth": encoded("a:b")}}]
    for auths in found:
        assert looked_up(docker, {"auths": auths}) is None


@pytest.mark.parametrize(
    ("host", "key"),
    [
        (HOST, HOST),
        (HOST, f"https://{HOST}"),
        (HOST, f"https://{HOST}/v2/"),
        (f"{HOST}:5000", f"{HOST}:5000"),
        ("docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_docker_login(docker: Path, host: str, key: str) -> None:
    """By the registry's name, as old clients wrote it too; a colon may be in the password."""
    found = looked_up(docker, {"auths": {key: {"auth": encoded("me:pass:word")}}}, host)
    assert found == Credentials("me", "pass:word", source=str(docker / "config.json"))


def test_the_default_place(docker: Path) -> None:
    """~/.docker/config.json, where DOCKER_CONFIG names no other directory."""
    (docker / "home" / ".docker").mkdir(parents=True)
    (docker / "home" / ".docker" / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": encoded("a:b")}}}))
    found = find(HOST, {})
    assert found is not None
    assert found.username == "a"


def test_an_identity_token(docker: Path) -> None:
    """As clouds leave it, in the file or with a helper."""
    found = looked_up(docker, {"auths": {HOST: {"auth": encoded("0000:"), "identitytoken": "identity"}}})
    assert found is not None
    assert found.identity_token == "identity"
    helper(docker, "cloud", json.dumps({"ServerURL": HOST, "Username": "<token>", "Secret": "identity"}))
    found = looked_up(docker, {"credsStore": "cloud"})
    assert found == Credentials(identity_token="identity", source="docker-credential-cloud")


@pytest.mark.parametrize("config", [{"credHelpers": {HOST: "cloud"}, "credsStore": "no"}, {"credsStore": "cloud"}])
def test_a_helper_is_asked(docker: Path, config: Mapping[str, Any]) -> None:
    """That of the registry before that of all, and both before the file; its command line says nothing."""
    helper(docker, "cloud", json.dumps({"Username": "me", "Secret": "from-helper"}))
    found = looked_up(docker, {**config, "auths": {HOST: {"auth": encoded("a:b")}}})
    assert found == Credentials("me", "from-helper", source="docker-credential-cloud")
    assert ((docker / "argv").read_text().strip(), (docker / "stdin").read_text()) == ("get", HOST)


def test_a_helper_that_knows_of_none_leaves_it_to_the_file(docker: Path) -> None:
    """Its way to say so is an error and this text."""
    helper(docker, "store", "credentials not found in native keychain", 1)
    found = looked_up(docker, {"credsStore": "store", "auths": {HOST: {"auth": encoded("a:b")}}})
    assert found is not None
    assert found.username == "a"


def test_a_helper_that_fails(docker: Path) -> None:
    """Code 10, with its words."""
    helper(docker, "store", "the keychain is locked", 1)
    with pytest.raises(SettingsError, match="exit status 1: the keychain is locked") as raised:
        looked_up(docker, {"credsStore": "store"})
    assert raised.value.exit is Exit.SETTINGS


def test_a_helper_that_does_not_end(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and what it printed is not shown: that may be the secret."""
    monkeypatch.setattr(credentials, "HELPER_SECONDS", 0.2)
    file = docker / "bin" / "docker-credential-slow"
    file.write_text("#!/bin/sh\necho hunter2\nexec sleep 60\n")
    file.chmod(0o755)
    with pytest.raises(SettingsError, match=r"timed out after 0\.2 s") as raised:
        looked_up(docker, {"credsStore": "slow"})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ("{", "is not valid JSON"),
        ("[]", "expected a JSON object"),
        ('{"auths": 3}', "auths: expected a JSON object"),
        ('{"auths": {"registry.example.com": "x"}}', "expected a mapping for registry.example.com"),
        ('{"auths": {"registry.example.com": {"auth": "hunter2"}}}', "is not base64"),
        ('{"credHelpers": ["x"]}', "credHelpers: expected a JSON object"),
        ('{"credsStore": "../../bin/x"}', "is not the name of a credential helper"),
        ('{"credsStore": "absent"}', "docker-credential-absent, which was not found"),
    ],
)
def test_a_broken_configuration(docker: Path, config: str, what: str) -> None:
    """One error that names the file and shows nothing of what may be secret in it."""
    with pytest.raises(SettingsError, match=what) as raised:
        looked_up(docker, config)
    assert raised.value.where == str(docker / "config.json")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("answer", ["me", "[]", '{"Username": "me"}'])
def test_a_helper_that_says_something_else(docker: Path, answer: str) -> None:
    """What it printed is not shown."""
    helper(docker, "odd", answer)
    with pytest.raises(SettingsError, match="did not print JSON with Username and Secret"):
        looked_up(docker, {"credsStore": "odd"})


@pytest.mark.parametrize(("host", "key"), [(HOST, HOST), ("docker.io", "https://index.docker.io/v1/")])
def test_what_helm_and_flux_read(docker: Path, host: str, key: str) -> None:
    """The same credentials come back out of the configuration that is made for them."""
    for one in (Credentials("me", "pass:word"), Credentials(identity_token="identity")):
        config = one.docker_config(host)
        found = looked_up(docker, config, host)
        assert found is not None
        assert (found.username, found.password, found.identity_token) == (
            one.username,
            one.password,
            one.identity_token,
        )
        assert list(json.loads(config)["auths"]) == [key]
