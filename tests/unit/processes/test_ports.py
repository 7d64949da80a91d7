"""Free ports: neither taken, nor promised to another cluster."""

import socket

import pytest

from harness.errors import ClusterError
from harness.processes import ports


def test_ports_are_different_and_below_those_for_outgoing_connections() -> None:
    """Six ports for six listeners."""
    found = ports.free_ports(6, ())
    assert len(set(found)) == 6
    assert all(10_000 <= port < 32_768 for port in found)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_port_that_somebody_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Also where it is held on all addresses and not on loopback."""
    with socket.create_server((address, 0)) as listener:
        taken = listener.getsockname()[1]
        monkeypatch.setattr(ports, "LOWEST", taken)
        monkeypatch.setattr(ports, "HIGHEST", taken)
        with pytest.raises(ClusterError, match="fewer than 1 free ports"):
            ports.free_ports(1, ())


def test_a_reserved_port_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there yet, but another cluster of ours is about to."""
    free = ports.free_ports(1, ())[0]
    monkeypatch.setattr(ports, "LOWEST", free)
    monkeypatch.setattr(ports, "HIGHEST", free)
    with pytest.raises(ClusterError):
        ports.free_ports(1, {free})
