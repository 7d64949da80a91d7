"""The node image: a Debian system, Kind's files and programs above it, the control plane's images loaded beforehand.

containerd itself loads them, in a container of the image so far, which is committed afterwards.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.kind_images.images import Image
from hack.kind_images.workshop import Container, Workshop
from harness.deadline import Deadline
from harness.tools.cache import sha256
from kwok.engine.client import EngineError

CONTAINER = "kwok-harness-node-image"
_ARCHIVES = "/archives"
_SECONDS_TO_START = 60.0
_CTR = ("ctr", "--namespace=k8s.io")


def key() -> str:
    """Of how a node is finished, which is here and in no layer."""
    return sha256(Path(__file__))


def make(
    workshop: Workshop,
    image: Image,
    base: Image,
    archives: Sequence[Path],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Commit `image` from a container of `base`, which the engine has; `archives` of images are in one directory."""
    directory = archives[0].parent
    with workshop.container(base.reference, CONTAINER, {directory: _ARCHIVES}) as container:
        container.put("/etc/containerd/cri-base.json", container_specification(container.run("ctr", "oci", "spec")))
        container.begin("containerd")
        _wait_for_containerd(container, pause)
        for archive in archives:
            words = ("images", "import", "--all-platforms", "--no-unpack", f"{_ARCHIVES}/{archive.name}")
            container.run(*_CTR, *words)
        container.run("pkill", "containerd")
        pause(1.0)  # its database is closed by then, or the commit would keep a copy that is in use
        container.run("rm", "-rf", "/run/containerd")
        container.commit(image)


def container_specification(upstream: str) -> bytes:
    """What `ctr oci spec` says, as Kind's base image keeps it: with its hook, without this machine's limits."""
    specification = json.loads(upstream)
    hooks = specification.setdefault("hooks", {}).setdefault("createContainer", [])
    hooks.append({"path": "/kind/bin/mount-product-files.sh"})
    specification["process"].pop("rlimits", None)
    return json.dumps(specification).encode()


def _wait_for_containerd(container: Container, pause: Callable[[float], None]) -> None:
    deadline = Deadline.after(_SECONDS_TO_START)
    while True:
        try:
            container.run("ctr", "version")
        except EngineError:
            if deadline.expired:
                raise
            pause(0.3)
        else:
            return
