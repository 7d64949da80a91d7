"""Processes of a suite: their files, accounts and ports, their order, and how they end and are missed."""

import json
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import ApiError
from harness.endtoend.processes.declared import HttpStub, Probe, Process, Program, PythonFile, ServiceAccount
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.supervised import Processes
from harness.errors import ClusterError, DataError
from harness.installers.installer import Site
from harness.processes import daemons, services
from harness.processes.services import ServiceDied, ServiceNotReady, Services
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load
from kwok.host import launch
from tests.fakes.clock import until

Make = Callable[[Sequence[Process]], Processes]
TELLING = """
import json, os, signal, socket, sys
listening = socket.create_server(("127.0.0.1", int(os.environ.get("MY_PORT", "0"))))
signal.signal(signal.SIGTERM, lambda *_: (print("told to end"), sys.exit(0)))
print(json.dumps({"words": sys.argv[1:], "environment": dict(os.environ), "here": os.getcwd()}))
while True:
    signal.pause()
"""
LISTENING = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
print("I listen", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Accounts:
    """As much of a cluster as knows ServiceAccounts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def request(self, method: str, path: str, *, body: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {path}")
        if "/operator/" not in path:
            raise ApiError(404, "NotFound", "not found", where=path)
        return {"status": {"token": f"token {len(self.asked)} for {body['spec']['expirationSeconds']}"}}

    def kubeconfig_of(self, token: str, namespace: str) -> dict[str, Any]:
        return {"token": token, "namespace": namespace}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    directory = tmp_path / "suite"
    directory.mkdir()
    (directory / "telling.py").write_text(TELLING)
    (directory / "listening.py").write_text(LISTENING)
    return directory


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    directory = tmp_path / "clusters" / "one"
    directory.mkdir(parents=True)
    running = RunningCluster("one", directory, directory / "kubeconfig.yaml", "", "", "host", "identity")
    cluster: Any = Accounts()
    yield Site(load(environment={}), lambda name: Path(name), running, cluster, Services(directory), Silent())
    launch.stop(directory, {})


@pytest.fixture
def make(site: Site, suite: Path) -> Make:
    return lambda declared: Processes(site, suite, declared)


def listening(suite: Path, name: str = "listening", **more: Any) -> Process:
    of = {"arguments": ("$(ports.health)",), "ports": ("health",), "probes": (Probe("health", "/readyz"),)}
    return Process(name, PythonFile(suite / "listening.py"), **{**of, **more})


def said(processes: Processes, name: str) -> list[str]:
    """The whole lines of its log."""
    log = processes.log(name)
    return log.read_text().rpartition("\n")[0].splitlines() if log.exists() else []


def told(processes: Processes, name: str) -> dict[str, Any]:
    """What the telling program has said of itself."""
    until(lambda: said(processes, name))
    found: dict[str, Any] = json.loads(said(processes, name)[0])
    return found


def test_a_process_gets_its_words_its_files_and_its_environment(make: Make, site: Site, suite: Path) -> None:
    """Ports and paths are filled in, its files are private, and it knows nothing of the user's environment."""
    process = Process(
        "telling",
        PythonFile(suite / "telling.py"),
        arguments=("--port=$(ports.health)", "--of=$(stub.addresses.http)", "$(home)/config.yaml", "$(suite)"),
        environment={"MY_PORT": "$(ports.health)"},
        files={"config.yaml": "port: $(ports.health)\n"},
        ports=("health",),
    )
    processes = make([process, Process("stub", HttpStub())])
    processes.start("telling")
    found, port, home = told(processes, "telling"), processes.ports("telling")["health"], site.services.home("telling")
    address = f"127.0.0.1:{processes.ports('stub')['http']}"
    assert found["words"] == [f"--port={port}", f"--of={address}", f"{home}/config.yaml", str(suite)]
    assert (home / "config.yaml").read_text() == f"port: {port}\n"
    assert stat.S_IMODE((home / "config.yaml").stat().st_mode) == 0o600
    environment = found["environment"]
    assert environment["MY_PORT"] == str(port)
    assert environment["HOME"] == str(home) == found["here"]
    assert environment["http_proxy"] == environment["HTTPS_PROXY"]
    assert environment["no_proxy"] == "localhost,127.0.0.1,::1"
    assert "KUBECONFIG" not in environment
    assert site.services.identity("stub") is None
    assert not (suite / "__pycache__").exists()


def test_a_process_has_the_token_of_its_account_alone(make: Make, site: Site, suite: Path) -> None:
    """Its kubeconfig is private, names the namespace of the account, and its token outlives the suite."""
    account = ServiceAccount("platform", "operator")
    processes = make([Process("telling", PythonFile(suite / "telling.py"), ("$(namespace)",), account=account)])
    processes.start()
    file = Path(told(processes, "telling")["environment"]["KUBECONFIG"])
    assert told(processes, "telling")["words"] == ["platform"]
    assert json.loads(file.read_text()) == {"token": "token 1 for 86400", "namespace": "platform"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert site.cluster.asked == ["POST /api/v1/namespaces/platform/serviceaccounts/operator/token"]  # type: ignore[attr-defined]


def test_an_account_that_is_not_there_is_told_before_the_process_is_started(make: Make, suite: Path) -> None:
    """The message names the account, and says where it is to come from."""
    account = ServiceAccount("platform", "nobody")
    processes = make([Process("telling", PythonFile(suite / "telling.py"), account=account)])
    with pytest.raises(ClusterError, match=r"ServiceAccount platform/nobody: not found\n  create it in the set-up"):
        processes.start()
    assert not processes.log("telling").exists()


def test_processes_are_ready_in_their_order(make: Make, site: Site, suite: Path) -> None:
    """One that waits for another is started when that answers, and both run when `start` returns."""
    processes = make([listening(suite, "second", after=("first",)), listening(suite, "first")])
    processes.start()
    first, second = site.services.identity("first"), site.services.identity("second")
    assert first is not None
    assert second is not None
    assert first.start_ticks <= second.start_ticks
    processes.start()
    assert site.services.identity("first") == first


def test_a_death_that_nobody_asked_for_is_known_with_its_last_words(make: Make, site: Site, suite: Path) -> None:
    """`died` is set, and `check` raises how it ended and what it said."""
    processes = make([listening(suite)])
    processes.start()
    processes.check()
    identity = site.services.identity("listening")
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    assert processes.died.wait(5)
    with pytest.raises(ServiceDied, match=r"listening was killed by SIGKILL.*\nI listen"):
        processes.check()
    with pytest.raises(ServiceDied, match="listening was killed by SIGKILL"):
        processes.kill("listening")
    processes.restart("listening")
    assert not processes.died.is_set()


def test_an_end_that_a_step_asked_for_is_no_death(make: Make, site: Site, suite: Path) -> None:
    """Killed, stopped and started again, a process is not missed; its log has all that it ever said."""
    processes = make([Process("telling", PythonFile(suite / "telling.py"))])
    processes.start()
    told(processes, "telling")
    processes.kill("telling")
    assert site.services.identity("telling") is None
    assert not processes.died.is_set()
    processes.check()
    assert "told to end" not in processes.log("telling").read_text()
    processes.restart("telling")
    until(lambda: processes.log("telling").read_text().count('"words"') == 2)
    processes.stop("telling")
    processes.check()
    assert processes.log("telling").read_text().count("told to end") == 1


def test_what_a_process_has_started_ends_with_it(make: Make, suite: Path) -> None:
    """As with a container: nothing that it has left behind holds its ports."""
    program = suite / "parent"
    program.write_text("#!/bin/sh\nsleep 600 &\necho $!\nexec sleep 600\n")
    program.chmod(0o755)
    processes = make([Process("parent", Program(program))])
    for end in (processes.kill, processes.stop):
        processes.log("parent").unlink(missing_ok=True)
        processes.start()
        until(lambda: said(processes, "parent"))
        child = daemons.identify(int(said(processes, "parent")[-1]))
        assert child is not None
        end("parent")
        assert not daemons.alive(child)


def test_a_paused_process_answers_nobody_until_it_is_resumed(make: Make, site: Site, suite: Path) -> None:
    """It stands still with its port open, it is no death, and `resume` returns when it answers again."""
    processes = make([listening(suite)])
    processes.start()
    probe = services.Probe(processes.ports("listening")["health"], "/readyz")
    processes.pause("listening")
    assert not probe.answered()
    assert not processes.died.is_set()
    processes.resume("listening")
    assert probe.answered()


def test_a_paused_process_can_be_stopped(make: Make, site: Site, suite: Path) -> None:
    """It goes on to hear that it is to end, and ends by itself."""
    processes = make([Process("telling", PythonFile(suite / "telling.py"))])
    processes.start()
    told(processes, "telling")
    processes.pause("telling")
    processes.stop("telling")
    assert site.services.identity("telling") is None
    assert "told to end" in processes.log("telling").read_text()


def test_one_that_is_not_ready_in_its_time_is_told_with_its_last_words(make: Make, suite: Path) -> None:
    """It runs, and its probe is not answered with 200; what it is answered with is told."""
    processes = make([listening(suite, probes=(Probe("health", "/never"),), within=4.0)])
    with pytest.raises(
        ServiceNotReady, match=r"listening runs, but .*/never did not answer within 4 s \(404 Not Found\)"
    ):
        processes.start()


def test_one_that_ends_at_its_start_is_told_at_once(make: Make, suite: Path) -> None:
    """Not at the end of the time that it has to be ready."""
    (suite / "listening.py").write_text("raise SystemExit('no such option')")
    processes = make([listening(suite, within=600.0)])
    with pytest.raises(ServiceDied, match=r"listening ended with status 1.*\nno such option"):
        processes.start()


def test_a_port_that_somebody_else_took_is_chosen_anew(make: Make, site: Site, suite: Path) -> None:
    """For all processes, since others may have been told of it; then all run."""
    processes = make([listening(suite, "first"), listening(suite, "second", after=("first",))])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = processes.ports("second")["health"]
        taken.bind(("127.0.0.1", port))
        taken.listen()
        (suite / "listening.py").write_text(f"import sys\n{LISTENING}".replace("/readyz", "/ready"))
        declared = [
            listening(suite, each, probes=(Probe("health", "/ready"),), after=after)
            for each, after in (("first", ()), ("second", ("first",)))
        ]
        processes = make(declared)
        processes.start()
        assert processes.ports("second")["health"] != port
    processes.check()


@pytest.mark.parametrize("name", ["forward-proxy", "etcd"])
def test_names_of_parts_of_the_cluster_are_taken(make: Make, site: Site, suite: Path, name: str) -> None:
    """A process cannot pass for a part of the control plane."""
    site.services.attend("etcd", daemons.this, Path("log"))
    with pytest.raises(DataError, match=f"processes.{name}: the name is taken by a part of the cluster"):
        make([listening(suite, name)])


def test_files_that_are_not_there_or_cannot_be_run_are_told(make: Make, suite: Path) -> None:
    """With the path, before anything is started."""
    with pytest.raises(DataError, match=r"processes.a: .*gone.py: not found"):
        make([Process("a", PythonFile(suite / "gone.py"))]).start()
    with pytest.raises(DataError, match=r"processes.a: .*telling.py: is not executable\n  chmod \+x"):
        make([Process("a", Program(suite / "telling.py"))]).start()


def test_unknown_ports_and_processes_are_told_with_near_names(make: Make, suite: Path) -> None:
    """In probes, in names of Services, and in steps."""
    with pytest.raises(DataError, match=r"unknown port 'helth'\n  did you mean health\?"):
        make([listening(suite, probes=(Probe("helth"),))]).start()
    with pytest.raises(DataError, match=r"processes.listening.names: unknown port 'http'"):
        make([listening(suite, names={ServiceName("a", "b", 80): "http"})]).start()
    with pytest.raises(DataError, match=r"unknown process 'listning'\n  did you mean listening\?"):
        make([listening(suite)]).kill("listning")


def test_a_name_of_a_service_leads_to_one_process(make: Make, suite: Path) -> None:
    """Two that declare the same one are an error."""
    names = {ServiceName("a", "b", 80): "health"}
    with pytest.raises(DataError, match=r"processes.two.names: another process has the name a.b.svc.cluster.local:80"):
        make([listening(suite, "one", names=names), listening(suite, "two", names=names)]).start()
