"""Debian systems: whole or not there, made once, and in a namespace that takes its mounts along."""

import os
import tarfile
from pathlib import Path

import pytest

from hack.kind_images.pins import System
from hack.kind_images.rootfs import Rootfs
from harness.errors import ToolError

# Stands in for unshare, whose words end with the suite and the directory of the system.
BOOTSTRAP = """#!/bin/sh
echo "$@" >> {log}
for word in "$@"; do target=$word; done
mkdir -p $target/etc $target/usr/share/doc/x $target/debootstrap
echo root:x:0:0::/root:/bin/sh > $target/etc/passwd
echo root:x:0: > $target/etc/group
echo "E: no mirror" > $target/debootstrap/debootstrap.log
{ending}
"""
SYSTEM = System(suite="bookworm", packages=("git", "tini"), drop=("usr/share/doc/*",), users={"argocd": 999})


class Machine:
    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.cache, self.log = directory / "cache", directory / "log"
        self.cache.mkdir()
        (directory / "bin").mkdir()
        self.unshare = directory / "bin" / "unshare"
        self.ends("true")
        patch.setenv("PATH", f"{directory / 'bin'}:{os.environ['PATH']}")
        self.steps: list[str] = []

    def ends(self, command: str) -> None:
        self.unshare.write_text(BOOTSTRAP.format(log=self.log, ending=command))
        self.unshare.chmod(0o755)

    def rootfs(self, system: System = SYSTEM) -> Rootfs:
        return Rootfs("node", system, self.cache, timeout=20, did=lambda what, _: self.steps.append(what))

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_system_is_made_once(machine: Machine) -> None:
    """The tar file stays, and whoever asks again gets it."""
    first = machine.rootfs().file()
    assert machine.rootfs().file() == first
    assert len(machine.calls()) == 1
    assert machine.steps == ["debootstrap node", "layer of node"]


def test_a_system_has_its_users_and_not_what_was_dropped(machine: Machine) -> None:
    """What the layer holds."""
    with tarfile.open(machine.rootfs().file()) as tar:
        passwd = tar.extractfile("./etc/passwd")
        assert passwd is not None
        assert passwd.read().decode().splitlines()[1] == "argocd:x:999:999::/home/argocd:/bin/sh"
        assert "./usr/share/doc/x" not in tar.getnames()


def test_debootstrap_checks_signatures_and_names_no_mirror(machine: Machine) -> None:
    """The mirror is the machine's own; mounts are in a namespace that ends with it."""
    machine.rootfs().file()
    [words] = machine.calls()
    assert words.startswith("--mount --propagation private -- debootstrap --variant=minbase --force-check-gpg")
    assert "--include=git,tini bookworm " in words
    assert "://" not in words


def test_a_failed_bootstrap_leaves_no_system(machine: Machine) -> None:
    """Its own last words are in the error, and neither a layer nor a directory is left."""
    machine.ends("exit 1")
    with pytest.raises(ToolError, match="E: no mirror"):
        machine.rootfs().file()
    assert [each.name for each in machine.cache.iterdir()] == ["packages"]


def test_what_an_interrupted_run_left_is_never_taken(machine: Machine) -> None:
    """A half-made directory goes before the next is begun."""
    left = machine.cache / "node.1.tmp" / "system" / "etc"
    left.mkdir(parents=True)
    (left / "half").touch()
    with tarfile.open(machine.rootfs().file()) as tar:
        assert "./etc/half" not in tar.getnames()
    assert not list(machine.cache.glob("*.tmp"))


@pytest.mark.parametrize("changed", [{"packages": ("git",)}, {"suite": "trixie"}, {"drop": ()}, {"users": {}}])
def test_another_system_has_another_key(machine: Machine, changed: dict[str, object]) -> None:
    """Whatever its pins say."""
    assert machine.rootfs(SYSTEM.model_copy(update=changed)).key != machine.rootfs().key


def test_a_layer_is_a_link_to_the_kept_file(machine: Machine, tmp_path: Path) -> None:
    """It may be removed: the kept one stays."""
    machine.rootfs().write(tmp_path / "layer.tar")
    (tmp_path / "layer.tar").unlink()
    machine.rootfs().file()
    assert len(machine.calls()) == 1
