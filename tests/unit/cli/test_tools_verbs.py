"""`tools lock` and what `tools list` says of where a tool comes from, as a user sees them."""

import json
from pathlib import Path

import pytest
import yaml

from harness.__main__ import run
from harness.exits import Exit
from harness.tools import lock as tools_lock
from harness.tools.lock import PLATFORMS, Locked, Sum
from tests.fakes.releases import content, serving

A, B = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and no Go."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KWOK_TOOLS_SOURCE", raising=False)


def own(directory: Path, url: str) -> str:
    """A settings file with one more pin, whose checksums are at this address."""
    release = {"url": f"{url}/frob-{{os}}-{{arch}}", "sums": url, "size": "1M"}
    pin = {"version": "v1", "wrapper": "frob", "package": "x/frob", "probe": [], "build": "1s", "release": release}
    file = directory / "own.yaml"
    file.write_text(yaml.safe_dump({"tools": {"pins": {"frob": pin}}}))
    return str(file)


def sums(digit: str) -> bytes:
    return "".join(f"{digit}  frob-{each.replace('/', '-')}\n" for each in PLATFORMS).encode()


def test_locking_writes_what_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The named tools only; the table says what became of each checksum, and what else is in the file stays."""
    file = tmp_path / "lock.yaml"
    tools_lock.write({"etcd": Locked(version="v3.6.14")}, file)
    with serving(content(sums(A))) as server:
        assert run(["--settings", own(tmp_path, server.url), "tools", "lock", "frob", "--file", str(file)]) is Exit.OK
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["frob", "v1", platform, "published", "new"] for platform in PLATFORMS
    ]
    assert tools_lock.load(file)["frob"].archives["linux/arm64"] == Sum(sha256=A, origin="published")
    assert "etcd" in tools_lock.load(file)


def test_a_checksum_that_changed_ends_with_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 10, the old one stays; --accept-changed replaces it."""
    file = tmp_path / "lock.yaml"
    with serving(content(sums(A)), content(sums(A)), content(sums(B))) as server:
        words = ["--settings", own(tmp_path, server.url), "tools", "lock", "frob", "--file", str(file)]
        assert run(words) is Exit.OK
        assert run(words) is Exit.SETTINGS
        assert "the checksum changed for an unchanged version" in capsys.readouterr().err
        assert tools_lock.load(file)["frob"].archives["linux/arm64"].sha256 == A
        assert run([*words, "--accept-changed"]) is Exit.OK
    assert tools_lock.load(file)["frob"].archives["linux/arm64"].sha256 == B


def test_checking_fetches_nothing_and_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 10 where a pin has no checksum; the lock file is not written."""
    with serving(content(sums(A))) as server:
        words = ["--settings", own(tmp_path, server.url), "tools", "lock", "--check"]
        assert run([*words, "--file", str(tmp_path / "none.yaml")]) is Exit.SETTINGS
        assert server.requests == 0
    assert "frob v1: not locked" in capsys.readouterr().err
    assert not (tmp_path / "none.yaml").exists()


def test_a_tool_without_a_release_cannot_be_locked(capsys: pytest.CaptureFixture[str]) -> None:
    """It names those that are near."""
    assert run(["tools", "lock", "ecd"]) is Exit.SETTINGS
    assert "did you mean etcd?" in capsys.readouterr().err


def test_the_list_says_what_vouches_for_a_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One on PATH has nothing but its word."""
    (tmp_path / "helm").write_text("#!/bin/sh\necho v3.19.2\n")
    (tmp_path / "helm").chmod(0o755)
    assert run(["tools", "list", "--json"]) is Exit.OK
    rows = {row["tool"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["helm"]["origin"], rows["helm"]["vouched_by"]) == ("PATH", "the version that it says")
    assert rows["etcd"]["vouched_by"] == ""


@pytest.mark.parametrize("named", ["archive", "never"])
def test_a_source_that_does_not_exist_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Named with its variable, and what there is."""
    monkeypatch.setenv("KWOK_TOOLS_SOURCE", named)
    assert run(["tools", "list"]) is Exit.SETTINGS
    error = capsys.readouterr().err
    assert "KWOK_TOOLS_SOURCE" in error
    assert "'auto', 'archives' or 'build'" in error
