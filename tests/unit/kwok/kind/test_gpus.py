"""GPUs of the real node: which ones, and how simulated ones come about. On a real kubelet: test_kind_runtime.py."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.recipes.profiles import Gpu
from kwok.kind.gpus import Asked, advertise, choose

GPU = Gpu(
    product="MI300X", count=2, memory=196608, driver="6.3", driverMajor="6", driverMinor="3", resource="amd.com/gpu"
)


@pytest.mark.parametrize(
    ("asked", "runtimes", "kind"),
    [
        ("auto", ("runc",), "simulated"),
        ("auto", ("runc", "nvidia"), "real"),
        ("simulated", ("runc", "nvidia"), "simulated"),
        ("real", ("runc", "nvidia"), "real"),
        ("real", ("runc", "io.containerd.runc.v2"), ""),
    ],
)
def test_real_gpus_are_used_where_the_engine_can_pass_them_on(
    asked: Asked, runtimes: tuple[str, ...], kind: str
) -> None:
    """Asked for without that, they are a reason to skip, which is told in words; nothing is simulated instead."""
    choice = choose(asked, runtimes)
    assert choice.kind == kind
    assert choice.why.startswith("needs-gpu: ") is (kind == "")
    assert ("see no device" in choice.why) is (kind == "simulated")


class Node:
    """A node whose kubelet counts what it was told at its `late`-th look."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.patches: list[Any] = []

    def patch_merge(self, kind: Any, namespace: str, name: str, patch: Mapping[str, Any], subresource: str) -> None:
        self.patches.append((kind.kind, name, patch, subresource))

    def get(self, kind: Any, namespace: str, name: str) -> Mapping[str, Any]:
        self.late -= 1
        offered = {"amd.com/gpu": "2"} if self.late < 0 else {}
        return {"status": {"allocatable": {"cpu": "2", **offered}}}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_the_capacity_alone_is_written_and_the_kubelet_waited_for() -> None:
    """The profile's resource; a pod that came earlier would be refused for a moment."""
    node = Node(late=3)
    advertise(node, "one-control-plane", GPU, Deadline.after(60))  # type: ignore[arg-type]
    patch = {"status": {"capacity": {"amd.com/gpu": "2"}}}
    assert node.patches == [("Node", "one-control-plane", patch, "status")]
    assert node.late < 0


def test_a_kubelet_that_takes_them_away_is_an_error() -> None:
    """As it does where a device plugin has the resource: it is said what was found."""
    with pytest.raises(ClusterError, match=r"does not offer 2 amd.com/gpu after .* but 0"):
        advertise(Node(late=9_999), "one-control-plane", GPU, Deadline.after(0))  # type: ignore[arg-type]
