"""The images that kubeadm wants on the node: which they are is asked of it, what is in them comes from the pins."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import sh

from hack.kind_images.images import Image
from hack.kind_images.layers import Directory, Entry, File, Files, Layer, Selection
from hack.kind_images.rootfs import Rootfs
from harness.errors import DataError

Program = Callable[[str], Path]

# What kube-proxy runs: both kinds of iptables with their plug-ins and every library, nft, conntrack, modprobe, a shell.
_PROXY_FILES = (
    "/usr/bin/dash", "/usr/bin/sh", "/usr/bin/grep", "/usr/bin/kmod",
    "/usr/sbin/xtables-*-multi", "/usr/sbin/ip*tables-nft*", "/usr/sbin/ip*tables-legacy*",
    "/usr/sbin/nft", "/usr/sbin/conntrack", "/usr/sbin/modprobe",
    "/usr/lib/*/*.so*", "/usr/lib/*/xtables/*", "/usr/lib64/*", "/usr/lib/ld-linux*",
    "/bin", "/sbin", "/lib", "/lib64", "/etc/protocols", "/etc/services",
)  # fmt: skip
_TABLES = ("iptables", "ip6tables")

# The kubelet has already written its chains with one kind of iptables: kube-proxy's must go to the same.
_WRAPPER = """\
#!/bin/sh
if {table}-nft-save -t mangle 2>/dev/null | grep -qE '^:(KUBE-IPTABLES-HINT|KUBE-KUBELET-CANARY)'; then
  kind=nft
else
  kind=legacy
fi
exec /usr/sbin/{table}-$kind{verb} "$@"
"""


def wanted(kubeadm: Path, version: str) -> dict[str, str]:
    """The images of a control plane, by program: kube-apiserver, ..., coredns, pause, etcd."""
    return by_program(str(sh.Command(str(kubeadm))("config", "images", "list", "--kubernetes-version", version)))


def by_program(listing: str) -> dict[str, str]:
    """kubeadm's listing, a reference in each line, by the last part of its name: registry.k8s.io/coredns/coredns:v1."""
    return {line.rpartition("/")[2].partition(":")[0]: line for line in listing.split()}


def images(
    references: Mapping[str, str], pinned: Mapping[str, str], program: Program, system: Rootfs
) -> Iterator[Image]:
    """Each image that kubeadm wants; `pinned` are the versions of the pins, by program.

    DataError where kubeadm's tag is of another version. Only etcd is the harness's own, under the tag kubeadm wants.
    """
    for name, reference in references.items():
        version = reference.rpartition(":")[2]
        if name not in pinned or (name != "etcd" and pinned[name] != version):
            raise DataError(
                f"kubeadm wants {reference}, and the pin of {name} is {pinned.get(name, 'missing')}",
                do="correct hack/kind_images/pins.yaml",
            )
        path = {"coredns": "coredns", "pause": "pause"}.get(name, f"usr/local/bin/{name}")
        layers: list[Layer] = [Files(File(path, program(name), 0o755), Directory("tmp", 0o1777))]
        if name == "kube-proxy":
            layers = [
                Selection(system, _PROXY_FILES),
                Files(*_wrappers(), *(Directory(path) for path in ("run", "var/lib"))),
                *layers,
            ]
        yield Image(reference, layers, {"Entrypoint": [f"/{path}"]})


def _wrappers() -> Iterator[Entry]:
    for table in _TABLES:
        for verb in ("", "-save", "-restore"):
            text = _WRAPPER.format(table=table, verb=verb)
            yield File(f"usr/sbin/{table}{verb}", text.encode(), 0o755)
