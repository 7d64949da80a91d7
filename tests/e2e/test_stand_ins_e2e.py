"""Stand-ins as they are built: S3 with its keys, and what it keeps; the forward proxy as Go's client uses it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.endtoend.object_store import ObjectStoreError
from harness.endtoend.processes.declared import HttpStub, ObjectStore, Process, Route
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.supervised import Processes
from harness.endtoend.stand_ins import http_stub
from harness.installers.installer import Site
from harness.processes import commands
from harness.processes.commands import Completed
from harness.processes.ports import free_ports
from harness.processes.service import Probe
from harness.processes.services import Services
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load
from kwok.host import launch

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]


@pytest.fixture
def processes(tmp_path: Path, tools: Tools) -> Iterator[Processes]:
    directory = tmp_path / "clusters" / "one"
    directory.mkdir(parents=True)
    running = RunningCluster("one", directory, directory / "kubeconfig.yaml", "", "", "host", "identity")
    no_cluster: Any = None
    site = Site(load(environment={}), tools, running, no_cluster, Services(directory), Silent())
    stub = HttpStub((Route("/status", body="fine"),))
    declared = [
        Process("s3", ObjectStore("our-key", "our-secret", ("clips",))),
        Process("stub", stub, names={ServiceName("stub", "platform", 8080): "http"}),
    ]
    made = Processes(site, tmp_path, declared)
    made.start()
    yield made
    launch.stop(directory, {})


@pytest.mark.parametrize("key", ["ref.yuv", "deep/er/ref.yuv", "with space + and ~ä.yuv", "a=b&c"])
def test_an_object_comes_back_as_it_was_put(processes: Processes, key: str) -> None:
    """By its digest, whatever its name; and one that is not there is not."""
    store, data = processes.store("s3"), bytes(range(256)) * 4096
    store.write("clips", key, data)
    assert store.read("clips", key) == data
    for bucket, missing in (("clips", "other"), ("no-bucket", key)):
        with pytest.raises(ObjectStoreError, match="answers 404"):
            store.read(bucket, missing)


def test_objects_are_kept_over_a_restart_and_a_crash(processes: Processes) -> None:
    """A step that restarts the store does not empty it; making its buckets again changes nothing."""
    processes.store("s3").write("clips", "ref.yuv", b"kept")
    processes.restart("s3")
    assert processes.store("s3").read("clips", "ref.yuv") == b"kept"
    processes.kill("s3")
    processes.start("s3")
    assert processes.store("s3").read("clips", "ref.yuv") == b"kept"


def test_only_the_declared_keys_are_let_in(processes: Processes) -> None:
    """Another key, another secret, and no signature at all: each refused by its own code of S3."""
    store = processes.store("s3")
    for wrong, code in (
        (replace(store, access_key="other"), "InvalidAccessKeyId"),
        (replace(store, secret_key="other"), "SignatureDoesNotMatch"),
    ):
        with pytest.raises(ObjectStoreError, match=f"answers 403: .*{code}"):
            wrong.write("clips", "ref.yuv", b"x")


# --- Go's client, which kubectl and helm have ---


def test_a_go_program_reaches_declared_names_through_the_proxy(processes: Processes, tools: Tools) -> None:
    """By absolute requests, as its library makes them of http_proxy."""
    server = "--server=http://stub.platform.svc.cluster.local:8080"
    done = go(processes, tools("kubectl"), "--kubeconfig=/dev/null", server, "get", "--raw", "/status")
    assert done.stdout == "fine"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_go_program_tells_the_name_that_is_not_declared(
    processes: Processes, tools: Tools, tmp_path: Path, scheme: str
) -> None:
    """Of a refused request and of a refused CONNECT alike: it shows the reason of the status."""
    host = "other.platform.svc.cluster.local:8080"
    done = go(processes, tools("helm"), "show", "chart", f"{scheme}://{host}/a.tgz", HOME=str(tmp_path))
    assert f"{host} is not declared: add it to the names of a process" in done.stderr
    assert processes.undeclared().keys() == {host}


def go(processes: Processes, program: Path, *words: str, **more: str) -> Completed:
    return commands.run([str(program), *words], timeout=30, env={**processes.environment("stub"), **more}, check=False)


def test_a_stub_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """By itself, since the first process of a container is not ended by a signal that it does not handle."""
    (tmp_path / "routes.json").write_text("[]")
    port, control = free_ports(2, set())
    words = [sys.executable, http_stub.__file__, str(port), str(control), str(tmp_path / "routes.json")]
    with subprocess.Popen(words) as child:
        while child.poll() is None and not Probe(port, "").answered():
            time.sleep(0.05)
        child.terminate()
        assert child.wait(10) == 0
