"""What the kubelet of a Kind node changes of the machine itself: kernel settings that no container has for itself.

The node is a privileged container, so its kubelet may write them; nobody writes the old values back. The values are
those of setupKernelTunables in https://github.com/kubernetes/kubernetes (pkg/kubelet/cm/container_manager_linux.go,
names and values in its pkg/util/sysctl).
"""

from collections.abc import Iterator
from pathlib import Path

SET_BY_KUBELET = {
    "vm.overcommit_memory": "1",  # every allocation succeeds, until the kernel ends somebody
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",  # seconds from a panic to a restart
    "kernel.panic_on_oops": "1",  # a fault of a driver restarts the machine
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}


def differences(root: Path = Path("/proc/sys")) -> Iterator[str]:
    """Each setting that a Kind node would change on this machine, as `name=value (now OTHER)`.

    What cannot be read is left out: there is no such setting, or this is no Linux.
    """
    for name, value in SET_BY_KUBELET.items():
        try:
            now = (root / name.replace(".", "/")).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if now != value:
            yield f"{name}={value} (now {now})"
