"""The control plane's own processes are watched while a cell runs."""

import os
import signal
from pathlib import Path
from typing import cast

import pytest

from harness.cluster.api import Cluster
from harness.processes import daemons
from harness.processes.services import ServiceDied
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load
from kwok.platforms import HostPlatform


def test_a_component_of_the_control_plane_that_dies_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """As what lanes deliver through is, in every lane: with the last words of its log."""
    monkeypatch.setattr("harness.processes.services._BACK_SECONDS", 0.1)
    directory = tmp_path / "one"
    for name in ("bin", "pids", "logs"):
        (directory / name).mkdir(parents=True)
    program = directory / "bin" / "etcd"
    program.symlink_to("/bin/sleep")
    log = directory / "logs" / "etcd.log"
    identity = daemons.start([program, "600"], env={}, cwd=directory, log=log)
    request.addfinalizer(lambda: daemons.stop([identity], grace=0.0))
    (directory / "pids" / "etcd.pid").write_text(f"{identity.pid}\n")
    log.write_text("no space left on device\n")
    running = RunningCluster("one", directory, directory / "kubeconfig", "one", "https://127.0.0.1:1", "host", "id")
    platform = HostPlatform(load(environment={"RUNTIME": "host"}), Path, tmp_path)
    nobody = cast(Cluster, None)  # nothing is asked of it
    infrastructure = platform.infrastructure(running, nobody, Path, Silent())
    infrastructure.check()
    os.kill(identity.pid, signal.SIGKILL)
    assert infrastructure.died.wait(5)
    with pytest.raises(ServiceDied, match=r"etcd was killed by SIGKILL. Its last words:\nno space left on device"):
        infrastructure.check()
