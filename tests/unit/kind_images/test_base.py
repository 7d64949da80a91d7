"""The node's own files: Kind's with their modes, its containerd with two lines changed, a network without a daemon."""

import json
from pathlib import Path

import pytest

from hack.kind_images.base import containerd_configuration, node_entries
from hack.kind_images.layers import Entry, File, Link
from hack.kind_images.node import container_specification
from harness.errors import DataError

CONFIGURATION = '  sandbox_image = "registry.k8s.io/pause:3.10"\n  restrict_oom_score_adj = false\n'


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, Entry]:
    for path in ("kind/bin/x.sh", "kind/README.txt", "usr/local/bin/entrypoint", "usr/local/bin/clean-install"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "etc/containerd").mkdir(parents=True)
    (tmp_path / "etc/containerd/config.toml").write_text(CONFIGURATION)
    programs = {"usr/bin/kubelet": tmp_path / "kind/README.txt"}
    return {each.path: each for each in node_entries(tmp_path, "v1.34.10", "registry.k8s.io/pause:3.10.1", programs)}


def test_kinds_files_have_the_modes_that_its_dockerfile_gives(entries: dict[str, Entry]) -> None:
    """Scripts can be executed, nothing else, and what only serves its build is left out."""
    modes = {path: each.mode for path, each in entries.items() if isinstance(each, File)}
    assert (modes["kind/bin/x.sh"], modes["usr/local/bin/entrypoint"], modes["kind/README.txt"]) == (
        0o755,
        0o755,
        0o644,
    )
    assert modes["usr/bin/kubelet"] == 0o755
    assert "usr/local/bin/clean-install" not in entries


def test_the_node_says_its_version(entries: dict[str, Entry]) -> None:
    """Kind reads it, and refuses a node without."""
    assert entries["kind/version"] == File("kind/version", b"v1.34.10")


def test_what_goes_above_debians_merged_directories_is_below_usr(entries: dict[str, Entry]) -> None:
    """A layer with a directory bin, sbin or lib would hide Debian's links of these names, and with them everything."""
    assert not {path.partition("/")[0] for path in entries} & {"bin", "sbin", "lib", "lib64"}


def test_the_units_of_kind_are_enabled(entries: dict[str, Entry]) -> None:
    """As systemctl would: a link among the wants."""
    wants = "etc/systemd/system/multi-user.target.wants"
    assert entries[f"{wants}/containerd.service"] == Link(
        f"{wants}/containerd.service", "/etc/systemd/system/containerd.service"
    )
    assert {f"{wants}/kubelet.service", f"{wants}/undo-mount-hacks.service"} <= set(entries)


def test_containerd_takes_kubeadms_sandbox_and_asks_for_no_lower_score() -> None:
    """Two lines, and an error where Kind's file no longer has them."""
    assert containerd_configuration(CONFIGURATION, "pause:9").split("\n")[:2] == [
        '  sandbox_image = "pause:9"',
        "  restrict_oom_score_adj = true",
    ]
    with pytest.raises(DataError, match="has 0 lines"):
        containerd_configuration("version = 3", "pause:9")


def test_containers_get_kinds_hook_and_no_limits_of_the_building_machine() -> None:
    """Hooks that are there stay."""
    said = {"process": {"rlimits": [1], "cwd": "/"}, "hooks": {"createContainer": [{"path": "/x"}]}}
    made = json.loads(container_specification(json.dumps(said)))
    assert made["process"] == {"cwd": "/"}
    assert [each["path"] for each in made["hooks"]["createContainer"]] == ["/x", "/kind/bin/mount-product-files.sh"]
    assert json.loads(container_specification('{"process": {}}'))["hooks"]["createContainer"][0]["path"]
