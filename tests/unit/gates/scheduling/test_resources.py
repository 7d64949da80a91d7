"""What pods take of nodes."""

from fractions import Fraction
from typing import Any

import pytest

from harness.gates.scheduling.resources import Usage, host_ports, lacking, requests
from tests.fakes.objects import GPU, container, node, pod, spec

ANY = "0.0.0.0"  # noqa: S104 - an address in data


def init(always: bool = False, **amounts: str) -> dict[str, Any]:
    return {**container(**amounts), **({"restartPolicy": "Always"} if always else {})}


@pytest.mark.parametrize(
    ("pod_spec", "cpu"),
    [
        ({"containers": []}, 0),
        ({"containers": [container(cpu="1"), container(cpu="500m")]}, Fraction(3, 2)),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, 2),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}]}, 1),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}}]}, 2),
        ({"containers": [container(cpu="1")], "initContainers": [init(cpu="3"), init(cpu="2")]}, 3),
        ({"containers": [container(cpu="4")], "initContainers": [init(cpu="3")]}, 4),
        ({"containers": [container(cpu="1")], "initContainers": [init(True, cpu="2")]}, 3),
        ({"containers": [container(cpu="1")], "initContainers": [init(True, cpu="2"), init(cpu="5")]}, 7),
        ({"containers": [container(cpu="1")], "initContainers": [init(cpu="5"), init(True, cpu="2")]}, 5),
        ({"containers": [container(cpu="1")], "initContainers": [init(True, cpu="2"), init(True, cpu="2")]}, 5),
        ({"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}}, Fraction(5, 4)),
        ({"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "8"}}}, 8),
        (
            {"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "8"}}, "overhead": {"cpu": "1"}},
            9,
        ),
        ({"containers": [{"name": "plain"}], "initContainers": None}, 0),
    ],
    ids=[
        "nothing",
        "sum",
        "limit only",
        "request before limit",
        "limit of the other resource",
        "largest init container",
        "containers larger",
        "sidecar beside containers",
        "init container beside earlier sidecar",
        "init container before sidecar",
        "two sidecars",
        "overhead",
        "pod level",
        "pod level and overhead",
        "no resources",
    ],
)
def test_cpu_of_a_pod(pod_spec: dict[str, Any], cpu: Fraction) -> None:
    """The rules of the scheduler for containers, init containers, sidecars, overhead and pod-level requests."""
    assert requests(pod_spec).get("cpu", 0) == cpu


def test_every_resource_is_counted_by_itself() -> None:
    """The largest moment of a pod is taken per resource; extended resources are resources like any other."""
    found = requests(
        {
            "containers": [container(cpu="1", memory="1Gi", **{GPU: "4"})],
            "initContainers": [init(cpu="2", memory="512Mi", ephemeral_storage="1Gi")],
        }
    )
    assert found == {"cpu": 2, "memory": 2**30, GPU: 4, "ephemeral-storage": 2**30}


def test_pod_level_requests_do_not_replace_gpus() -> None:
    """Pod-level resources are cpu, memory and huge pages only."""
    found = requests(
        {"containers": [container(**{GPU: "4"})], "resources": {"requests": {GPU: "1", "hugepages-2Mi": "4Mi"}}}
    )
    assert found == {GPU: 4, "hugepages-2Mi": 4 * 2**20}


def test_usage_counts_bound_unfinished_pods() -> None:
    """Finished pods give back what they took; unbound ones take nothing yet."""
    asks = spec(gpus=2)
    pods = [pod("a", on="gpu-0", of=asks), pod("b", on="gpu-0", of=asks), pod("c", of=asks)]
    pods += [pod("d", on="gpu-0", of=asks, phase="Succeeded"), pod("e", on="gpu-0", of=asks, phase="Failed")]
    assert Usage.of(pods).requested == {"gpu-0": {GPU: 4, "pods": 2}}


@pytest.mark.parametrize(
    ("asks", "texts"),
    [
        (spec(), []),
        (spec(gpus=6), []),
        (spec(gpus=7), ["needs nvidia.com/gpu 7, has 8 with 6 free"]),
        ({"containers": [container(cpu="1000")]}, ["needs cpu 1000, has 192 with 189.5 free"]),
        ({"containers": [container(memory="3Ti")]}, ["needs memory 3Ti, has 2Ti with 1.99902Ti free"]),
        ({"containers": [container(**{"vendor.io/nic": "1"})]}, ["needs vendor.io/nic 1, has none"]),
        ({"containers": [container(cpu="0", **{"vendor.io/nic": "0"})]}, []),
        ({"containers": [container(cpu="189500m")]}, []),
        ({"containers": [container(cpu="189501m")]}, ["needs cpu 189.501, has 192 with 189.5 free"]),
    ],
    ids=["nothing", "all that is left", "gpu", "cpu", "memory", "unknown resource", "zero", "exactly", "a milli more"],
)
def test_what_a_node_lacks(asks: dict[str, Any], texts: list[str]) -> None:
    """By how much, and of how much; amounts that just fit do fit."""
    usage = Usage.of([pod("a", on="gpu-0", of={"containers": [container(cpu="2500m", memory="1Gi", **{GPU: "2"})]})])
    assert [str(o) for o in lacking(node("gpu-0"), requests(asks), (), usage)] == texts


def test_a_node_has_room_for_so_many_pods() -> None:
    """The pods resource is one per pod, also for pods that request nothing."""
    usage = Usage.of([pod("a", on="gpu-0")])
    assert [str(o) for o in lacking(node("gpu-0", pods="1"), {}, (), usage)] == ["needs pods 1, has 1 with 0 free"]


def port(number: int = 0, container_port: int = 80, **fields: str) -> dict[str, Any]:
    return {"containerPort": container_port, **({"hostPort": number} if number else {}), **fields}


@pytest.mark.parametrize(
    ("taken", "asked", "clash"),
    [
        (port(9100), port(9100), True),
        (port(9100), port(9101), False),
        (port(9100), port(9100, protocol="UDP"), False),
        (port(9100, protocol="TCP"), port(9100), True),
        (port(9100, hostIP="10.0.0.1"), port(9100, hostIP="10.0.0.2"), False),
        (port(9100, hostIP="10.0.0.1"), port(9100), True),
        (port(9100), port(9100, hostIP="10.0.0.1"), True),
        (port(), port(), False),
    ],
    ids=["same", "other port", "other protocol", "default protocol", "other address", "any wants", "any has", "none"],
)
def test_host_ports_clash(taken: dict[str, Any], asked: dict[str, Any], clash: bool) -> None:
    """By address, protocol and number; no address means all of them, and a container port alone is not the host's."""
    usage = Usage.of([pod("a", on="gpu-0", of={"containers": [{"ports": [taken]}]})])
    found = lacking(node("gpu-0"), {}, host_ports({"containers": [{"ports": [asked]}]}), usage)
    assert [str(o) for o in found] == (["has host port 9100/TCP in use"] if clash else [])


def test_which_ports_are_the_hosts() -> None:
    """Container ports are on the host network; ports of sidecars count, those of plain init containers do not."""
    ports = [port(container_port=53)]
    both = {"initContainers": [{"ports": ports, "restartPolicy": "Always"}, {"ports": [port(1)]}], "hostNetwork": True}
    assert host_ports({**both, "containers": [{"ports": [port(2)]}]}) == [(ANY, "TCP", 53), (ANY, "TCP", 2)]
    assert host_ports({"containers": [{"ports": ports}, {}]}) == []
