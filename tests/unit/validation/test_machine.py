"""What a Linux machine tells of itself."""

from pathlib import Path
from typing import Any

import pytest

from harness.processes import commands
from harness.processes.commands import CommandMissing, Completed
from harness.validation.machine import measure, node_of

FILES = {
    "etc/machine-id": "0123\n",
    "etc/os-release": '# a comment\nID=ubuntu\nVERSION_ID="24.04"\nNAME="Ubuntu"\n',
    "proc/sys/kernel/osrelease": "6.8.0-1028-aws\n",
    "proc/sys/kernel/random/uuid": "differs each time\n",
    "proc/sys/vm/swappiness": "60\n",
    "proc/sys/net/ipv4/conf/eth0/forwarding": "1\n",
    "proc/modules": "nvidia 1 0 - Live 0x0\nnvidia_peermem 1 0 - Live 0x0\n",
    "proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz iommu=pt quiet\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What `systemctl show` says of each unit; without an entry there is no systemctl."""
    units: dict[str, str] = {}

    def run(argv: list[str], **_: Any) -> Completed:
        if argv[2] not in units:
            raise CommandMissing("cannot run systemctl: No such file or directory")
        return Completed(tuple(argv), 0, units[argv[2]], "", 0.0)

    monkeypatch.setattr(commands, "run", run)
    return units


def test_a_machine_tells_its_system_its_kernel_and_its_units(root: Path, systemd: dict[str, str]) -> None:
    """A unit that is not there is left out, and so are parameters that differ at each reading."""
    systemd["containerd.service"] = "LoadState=loaded\nActiveState=active\nSubState=running\n"
    systemd["docker.service"] = "LoadState=not-found\nActiveState=inactive\nSubState=dead\n"
    found = measure(root)
    data = {f"{name}.{sub}": dict(each.data) for name, subtypes in found.items() for sub, each in subtypes.items()}
    assert data == {
        "OS.release": {"ID": "ubuntu", "VERSION_ID": "24.04", "NAME": "Ubuntu"},
        "OS.sysctl": {"/proc/sys/kernel/osrelease": "6.8.0-1028-aws", "/proc/sys/vm/swappiness": "60"},
        "OS.kmod": {"nvidia": True, "nvidia_peermem": True},
        "OS.grub": {"BOOT_IMAGE": "/boot/vmlinuz", "iommu": "pt", "quiet": ""},
        "SystemD.containerd.service": {"ActiveState": "active", "SubState": "running"},
    }


def test_a_machine_that_tells_nothing_has_no_measurements(tmp_path: Path, systemd: dict[str, str]) -> None:
    """Neither of a system that is no Linux, nor of one without systemd, is anything made up."""
    assert measure(tmp_path) == {}


@pytest.mark.parametrize(("identity", "name"), [("0123", "gpu-1"), ("4567", ""), ("", "")])
def test_the_machine_is_a_node_by_its_machine_id(root: Path, identity: str, name: str) -> None:
    """A name proves nothing: hosts of different clusters are called alike."""
    node = {"metadata": {"name": "gpu-1"}, "status": {"nodeInfo": {"machineID": identity}}}
    assert node_of([node], root) == name


def test_a_machine_without_an_id_is_no_node(tmp_path: Path) -> None:
    """An empty id equals no other empty one."""
    (tmp_path / "etc").mkdir()
    node = {"metadata": {"name": "gpu-1"}, "status": {"nodeInfo": {"machineID": ""}}}
    assert node_of([node], tmp_path) == ""
    (tmp_path / "etc/machine-id").write_text("\n")
    assert node_of([node], tmp_path) == ""
