"""What is done inside the node of a Kind cluster, through the engine: traffic to simulated pods refused, logs fetched.

Simulated pods have addresses that lead nowhere, and a packet for nowhere follows the default route out of the machine.
Here it is answered on the spot: in the node, after Services have been resolved, so that a call of the API server to a
webhook and a call of a controller to a pod alike fail at once. (A route would not do: the kernel drops what it cannot
route after that resolution without a word to the caller.)
"""

import ipaddress
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from harness.errors import ClusterError
from kwok.engine.client import Engine, EngineError
from kwok.simulation import POD_RANGE, SERVICE_RANGE

_CHAIN = "KWOK-HARNESS"
_SECONDS = 20.0  # of silence, for a command that is done at once unless the machine is in trouble
_LOG_BYTES = 2_000_000
_IN_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")
_UNITS = ("kubelet", "containerd")


def refused() -> tuple[str, ...]:
    """The ranges of which nothing leaves the node: simulated pods, and Services that lead to no pod."""
    return tuple(str(ipaddress.ip_interface(each).network) for each in (POD_RANGE, SERVICE_RANGE))


def refuse_traffic(engine: Engine, node: str) -> None:
    """Have the rules in the node, once however often it is called. Raises ClusterError."""
    code, said = engine.execute(node, ["sh", "-ec", "\n".join(_rules())], _SECONDS)
    if code != 0:
        raise ClusterError(
            f"traffic to simulated pods could not be refused: {said.decode(errors='replace').strip()}",
            where=f"container {node}",
            do="the machine's kernel needs iptables' REJECT, as kube-proxy does",
        )


def save_logs(engine: Engine, node: str, directory: Path) -> dict[str, Path]:
    """The ends of the control plane's logs as files in `directory`, by component; those that can be had in time."""
    directory.mkdir(mode=0o700, exist_ok=True)
    commands = {
        **{each: f"tail -qc {_LOG_BYTES} /var/log/pods/kube-system_{each}-*/{each}/*.log" for each in _IN_PODS},
        **{each: f"journalctl --no-pager --unit {each} | tail -c {_LOG_BYTES}" for each in _UNITS},
    }
    found: dict[str, Path] = {}

    def save(component: str) -> None:
        with suppress(EngineError):
            code, said = engine.execute(node, ["sh", "-c", commands[component]], _SECONDS)
            if code == 0 and said:
                file = directory / f"{component}.log"
                file.write_bytes(said)
                found[component] = file

    with ThreadPoolExecutor(len(commands), thread_name_prefix="logs") as pool:
        for done in [pool.submit(save, component) for component in commands]:
            done.result()
    return {component: found[component] for component in commands if component in found}


def _rules() -> Iterator[str]:
    """A chain of its own, filled anew, and called before anything else may accept."""
    yield f"iptables -w -N {_CHAIN} 2>/dev/null || iptables -w -F {_CHAIN}"
    for each in refused():
        yield f"iptables -w -A {_CHAIN} -d {each} -p tcp -j REJECT --reject-with tcp-reset"
        yield f"iptables -w -A {_CHAIN} -d {each} -j REJECT"
    for hook in ("OUTPUT", "FORWARD"):
        yield f"iptables -w -D {hook} -j {_CHAIN} 2>/dev/null || true"
        yield f"iptables -w -I {hook} -j {_CHAIN}"
