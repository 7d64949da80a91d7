"""What is done inside the node of a Kind cluster."""

from pathlib import Path

import pytest

from harness.errors import ClusterError
from kwok.kind import node
from tests.fakes.engine_in_memory import FakeEngine


def test_simulated_pods_and_unserved_services_are_refused() -> None:
    """The ranges of both; before everything else in the two chains, and with a reset that TCP callers see at once."""
    engine = FakeEngine(answers={"iptables": (0, b"")})
    node.refuse_traffic(engine, "node")  # type: ignore[arg-type]
    [(shell, _, script)] = engine.asked
    assert shell == "sh"
    for network in ("198.19.0.0/16", "198.18.0.0/16"):
        assert f"-d {network} -p tcp -j REJECT --reject-with tcp-reset" in script
        assert f"-d {network} -j REJECT\n" in script
    for hook in ("OUTPUT", "FORWARD"):
        assert f"iptables -w -I {hook} -j KWOK-HARNESS" in script


def test_a_node_that_cannot_refuse_is_an_error() -> None:
    """Traffic would leave the machine."""
    engine = FakeEngine(answers={"iptables": (2, b"iptables: No chain/target/match by that name.")})
    with pytest.raises(ClusterError, match="No chain/target/match"):
        node.refuse_traffic(engine, "node")  # type: ignore[arg-type]


def test_logs_that_can_be_had_are_files(tmp_path: Path) -> None:
    """Those of a component that says nothing, or cannot be asked, are left out."""
    answers = {"kube-apiserver": (0, b"hello\n"), "etcd": (1, b"no such file"), "kubelet": (0, b"")}
    found = node.save_logs(FakeEngine(answers=answers), "node", tmp_path / "logs")  # type: ignore[arg-type]
    assert found == {"kube-apiserver": tmp_path / "logs" / "kube-apiserver.log"}
    assert found["kube-apiserver"].read_text() == "hello\n"
