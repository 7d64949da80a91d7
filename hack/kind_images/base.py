"""The node's own files: Kind's scripts and units, the network of one node without Kind's daemon, and the programs.

Kind's own files go where its Dockerfile puts them, with the modes that it gives them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from hack.kind_images.layers import Directory, Entry, File, Link
from harness.errors import DataError

_EXECUTABLE = ("usr/local/bin/", "kind/bin/")
_LEFT_OUT = ("usr/local/bin/clean-install", "LICENSES/", "etc/systemd/system/containerd-fuse-overlayfs.service")
_UNITS = ("kubelet.service", "containerd.service", "undo-mount-hacks.service")

# One node needs no routes to others, so no daemon that keeps them: a bridge-less pair for each pod, and its ports.
_NETWORK = {
    "cniVersion": "0.3.1",
    "name": "kwok-harness",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": True,
            "mtu": 1500,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-ipam-state",
                "routes": [{"dst": "0.0.0.0/0"}],
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
# Kind applies both: the network above is there without it, and the harness furnishes its own volumes.
_CNI_MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: node-network, namespace: kube-system}
data: {note: "the network of the pods is configured in the node image: /etc/cni/net.d"}
"""
_STORAGE_MANIFEST = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"""


def node_entries(files: Path, version: str, pause: str, programs: dict[str, Path]) -> Iterator[Entry]:
    """Everything above the Debian system.

    `files` are Kind's own, `version` is Kubernetes', `pause` the sandbox's image, `programs` by paths in the image.
    """
    for file in sorted(each for each in files.rglob("*") if each.is_file()):
        path = file.relative_to(files).as_posix()
        if path.startswith(_LEFT_OUT):
            continue
        content = file.read_bytes()
        if path == "etc/containerd/config.toml":
            content = containerd_configuration(content.decode(), pause).encode()
        yield File(path, content, 0o755 if path.startswith(_EXECUTABLE) else 0o644)
    for path, program in programs.items():
        yield File(path, program, 0o755)
    for name in ("containerd", "ctr", "containerd-shim-runc-v2"):
        yield Link(f"usr/local/bin/{name}", f"/usr/bin/{name}")
    yield Link("usr/local/sbin/runc", "/usr/sbin/runc")
    yield Link("usr/sbin/init", "/lib/systemd/systemd")
    yield Link("opt/cni/bin", "/usr/lib/cni")
    for unit in _UNITS:
        yield Link(f"etc/systemd/system/multi-user.target.wants/{unit}", f"/etc/systemd/system/{unit}")
    yield Link("etc/systemd/system/systemd-binfmt.service", "/dev/null")
    yield File("etc/systemd/journald.conf.d/kind.conf", b"[Journal]\nReadKMsg=no\n")
    yield Directory("etc/kubernetes/manifests")
    yield File("etc/cni/net.d/10-node.conflist", json.dumps(_NETWORK, indent=1).encode())
    yield File("kind/version", version.encode())
    yield File("kind/manifests/default-cni.yaml", _CNI_MANIFEST.encode())
    yield File("kind/manifests/default-storage.yaml", _STORAGE_MANIFEST.encode())


def containerd_configuration(upstream: str, pause: str) -> str:
    """Kind's, with kubeadm's sandbox image, and asking for no lower OOM score than the machine may give."""
    for pattern, line in (
        (r'sandbox_image = ".*"', f'sandbox_image = "{pause}"'),
        (r"restrict_oom_score_adj = \w+", "restrict_oom_score_adj = true"),
    ):
        upstream, count = re.subn(pattern, line, upstream)
        if count != 1:
            raise DataError(f"Kind's containerd configuration has {count} lines like {pattern!r}, not 1")
    return upstream
