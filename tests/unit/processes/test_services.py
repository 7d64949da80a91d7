"""Services: started once, seen to be ready, found again, missed at once, and gone with their cluster."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread

import pytest

from harness.errors import ClusterError
from harness.processes import commands, daemons
from harness.processes.service import MARK
from harness.processes.services import Plan, Probe, Service, ServiceDied, ServiceFailed, ServiceNotReady, Services
from harness.processes.threads import Background
from harness.settings import ROOT
from kwok.host import launch
from tests.fakes.clock import until

ELSEWHERE = """
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from harness.processes.services import Service, Services
cluster, program = Path(sys.argv[1]), Path(sys.argv[2])
Services(cluster).ensure(lambda ports: [Service("sleeper", program, (), ())], 5.0)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    """A cluster's directory; whatever runs for it ends with the test."""
    directory = tmp_path / "clusters" / "one"
    directory.mkdir(parents=True)
    yield directory
    launch.stop(directory, {})


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def script(directory: Path, body: str, name: str = "program") -> Path:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def sleeper(directory: Path, *arguments: str, probes: Sequence[Probe] = (), **more: object) -> Service:
    """A service that says a word and then does nothing."""
    program = script(directory, 'echo "I sleep $*"; exec sleep 600', name="sleeper")
    return Service("sleeper", program, arguments, tuple(probes), **more)  # type: ignore[arg-type]


def just(*services: Service) -> Plan:
    return lambda ports: services


def test_what_runs_already_is_left_alone(cluster: Path, tmp_path: Path, port: int) -> None:
    """The same plan twice is one process, which was ready before `ensure` returned."""
    services = Services(cluster)
    plan = just(sleeper(tmp_path, probes=[Probe(port)]))
    assert services.ensure(plan, 5.0) == ("sleeper",)
    before = services.identity("sleeper")
    assert before is not None
    assert services.ensure(plan, 5.0) == ()
    assert services.identity("sleeper") == before
    until(lambda: (services.home("sleeper") / "log").read_text() == "I sleep \n")
    assert services.logs() == {"sleeper": cluster / "services" / "sleeper" / "log"}


def test_another_plan_replaces_what_runs(cluster: Path, tmp_path: Path) -> None:
    """A service whose words have changed is not the one that runs: that ends, and is not missed."""
    services = Services(cluster)
    services.ensure(just(sleeper(tmp_path, "deeply")), 5.0)
    before = services.identity("sleeper")
    assert before is not None
    assert services.ensure(just(sleeper(tmp_path, "lightly")), 5.0) == ("sleeper",)
    assert not daemons.alive(before)
    services.check()
    assert not services.died.is_set()


def test_a_death_is_told_at_once_with_the_last_words(cluster: Path, tmp_path: Path) -> None:
    """Whoever waits on `died` learns within moments, and `check` says how it ended and what it said."""
    services = Services(cluster)
    services.ensure(just(sleeper(tmp_path)), 5.0)
    identity = services.identity("sleeper")
    assert identity is not None
    until(lambda: (services.home("sleeper") / "log").read_text())
    services.check()

    os.kill(identity.pid, signal.SIGKILL)
    assert services.died.wait(5)
    with pytest.raises(ServiceDied, match=r"sleeper was killed by SIGKILL.*\nI sleep") as caught:
        services.check()
    assert caught.value.where == str(services.home("sleeper") / "log")


def test_all_who_follow_a_service_learn_how_it_ended(cluster: Path, tmp_path: Path) -> None:
    """Several services of one harness may attend the same process, as when cell after cell uses one cluster."""
    plan = just(sleeper(tmp_path))
    both = [Services(cluster), Services(cluster)]
    for services in both:
        services.ensure(plan, 5.0)
    identity = both[0].identity("sleeper")
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    for services in both:
        assert services.died.wait(5)
        with pytest.raises(ServiceDied, match="sleeper was killed by SIGKILL"):
            services.check()


def test_a_death_that_is_not_known_yet_is_waited_for(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who meets a closed port and asks before the thread that follows the service knows, is told of the death too."""
    looked = Event()
    until_ended, alive = daemons.until_ended, daemons.alive

    def late(identity: daemons.Identity) -> int | None:
        status = until_ended(identity)
        looked.wait(5)
        return status

    def seen(identity: daemons.Identity) -> bool:
        running = alive(identity)
        if not running and current_thread() is main_thread():
            looked.set()
        return running

    monkeypatch.setattr(daemons, "until_ended", late)
    services = Services(cluster)
    services.ensure(just(sleeper(tmp_path)), 5.0)
    identity = services.identity("sleeper")
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    until(lambda: not alive(identity))
    monkeypatch.setattr(daemons, "alive", seen)
    with pytest.raises(ServiceDied, match="sleeper was killed by SIGKILL"):
        services.check()


def test_what_died_is_started_again(cluster: Path, tmp_path: Path) -> None:
    """`ensure` heals, and the death that it has healed is told no more."""
    services = Services(cluster)
    plan = just(sleeper(tmp_path))
    services.ensure(plan, 5.0)
    first = services.identity("sleeper")
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    assert services.died.wait(5)
    assert services.ensure(plan, 5.0) == ("sleeper",)
    assert services.identity("sleeper") not in (None, first)
    services.check()
    assert not services.died.is_set()


def test_ending_while_it_starts_is_no_timeout(cluster: Path, tmp_path: Path) -> None:
    """A service that gives up ends the wait with its status and its words, however far the deadline is."""
    plan = just(Service("quitter", script(tmp_path, "echo no such flag; exit 3"), (), (Probe(1),)))
    with pytest.raises(ServiceDied, match=r"quitter ended with status 3.*\nno such flag"):
        Services(cluster).ensure(plan, 600.0)


@pytest.mark.parametrize("path", ["", "/healthz"])
def test_running_is_not_ready(cluster: Path, tmp_path: Path, path: str) -> None:
    """A service that listens nowhere, or does not answer 200, is not ready; the message names the probe."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        number = unused.getsockname()[1]
        plan = just(sleeper(tmp_path, probes=[Probe(number, path)]))
        with pytest.raises(ServiceNotReady, match=rf"sleeper runs, but 127.0.0.1:{number}{path} did not answer"):
            Services(cluster).ensure(plan, 0.3)


def test_an_ending_that_is_wanted_is_no_death(cluster: Path, tmp_path: Path) -> None:
    """`stop` ends the process, and nobody is told of a death; one that never ran is no error."""
    services = Services(cluster)
    services.ensure(just(sleeper(tmp_path)), 5.0)
    identity = services.identity("sleeper")
    assert identity is not None
    services.stop("never started", "sleeper")
    assert not daemons.alive(identity)
    assert services.identity("sleeper") is None
    assert not services.died.wait(0.2)


def test_a_service_is_at_home_in_its_own_directory(cluster: Path, tmp_path: Path) -> None:
    """Home, working directory, temporary files and name are its own; of the user's environment only proxies pass."""
    program = script(tmp_path, 'echo "$0"; pwd; cat greeting/text; frob; env; exec sleep 600')
    command = script(tmp_path, "echo frobbed", name="other")
    service = Service(
        "server", program, (), (), called="many-named", commands={"frob": command}, files={"greeting/text": "hello\n"}
    )
    services = Services(
        cluster, environment={"HTTPS_PROXY": "http://proxy:1", "KUBECONFIG": "/theirs", "HOME": "/them"}
    )
    services.ensure(just(service), 5.0)
    home = services.home("server")
    until(lambda: "PATH=" in (home / "log").read_text() and MARK in (home / "log").read_text())
    name, directory, greeting, frobbed, *rest = (home / "log").read_text().splitlines()
    variables = dict(line.partition("=")[::2] for line in rest)
    assert (name, directory, greeting, frobbed) == (str(home / "many-named"), str(home), "hello", "frobbed")
    assert variables["HOME"] == str(home)
    assert Path(variables["TMPDIR"]).is_relative_to(home)
    assert variables["HTTPS_PROXY"] == "http://proxy:1"
    assert "KUBECONFIG" not in variables


def test_ports_are_chosen_once(cluster: Path, tmp_path: Path) -> None:
    """Each purpose has a port of its own, and the same one in every run: others know it by then."""
    seen: list[dict[str, int]] = []

    def plan(ports: object) -> Sequence[Service]:
        seen.append(dict(ports))  # type: ignore[call-overload]
        return [sleeper(tmp_path)]

    for run in (Services(cluster), Services(cluster)):
        run.ensure(plan, 5.0, ports=("metrics", "health"))
    assert seen[0] == seen[1]
    assert len({*seen[0].values()}) == 2


def test_a_port_that_was_taken_means_others(cluster: Path, tmp_path: Path) -> None:
    """Somebody was quicker to take a port: once more with new ones; a second time it is an error."""
    offered = iter([[7001], [7002], [7001], [7001]])
    program = script(tmp_path, '[ "$1" = 7002 ] && exec sleep 600; echo "bind: address already in use"; exit 1')

    def plan(ports: object) -> Sequence[Service]:
        number = ports["port"]  # type: ignore[index]
        return [Service("picky", program, (str(number),), (Probe(number),) if number == 7001 else ())]

    services = Services(cluster, choose_ports=lambda count, reserved: next(offered))
    assert services.ensure(plan, 5.0, ports=("port",)) == ("picky",)
    (cluster.parent / "two").mkdir()
    other = Services(cluster.parent / "two", choose_ports=lambda count, reserved: next(offered))
    with pytest.raises(ServiceDied, match="address already in use"):
        other.ensure(plan, 5.0, ports=("port",))


def test_another_harness_finds_what_runs(cluster: Path, tmp_path: Path) -> None:
    """A service outlives the harness that started it; the next one neither starts a second nor misses its death."""
    service = sleeper(tmp_path)
    subprocess.run([sys.executable, "-c", ELSEWHERE, cluster, service.program], cwd=ROOT, check=True)
    services = Services(cluster)
    identity = services.identity("sleeper")
    assert identity is not None
    assert services.ensure(just(service), 5.0) == ()
    os.kill(identity.pid, signal.SIGTERM)
    assert services.died.wait(5)
    with pytest.raises(ServiceDied, match="sleeper has ended"):
        services.check()


def test_what_is_found_and_does_not_answer_is_started_anew(cluster: Path, tmp_path: Path) -> None:
    """A service that hangs since an earlier run is replaced; one that this harness has just started gets its time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        plan = just(sleeper(tmp_path, probes=[Probe(listening.getsockname()[1])]))
        Services(cluster).ensure(plan, 5.0)
    services = Services(cluster)
    hung = services.identity("sleeper")
    assert hung is not None
    with pytest.raises(ServiceNotReady):
        services.ensure(plan, 0.1)
    fresh = services.identity("sleeper")
    assert fresh != hung
    assert not daemons.alive(hung)
    with pytest.raises(ServiceNotReady):
        services.ensure(plan, 0.1)
    assert services.identity("sleeper") == fresh


def test_a_stranger_with_the_pid_is_not_the_service(cluster: Path, tmp_path: Path) -> None:
    """A record from before a reboot names a pid that is somebody else's by now: that one is left alone."""
    services = Services(cluster)
    plan = just(sleeper(tmp_path))
    services.ensure(plan, 5.0)
    until((services.home("sleeper") / "log").read_text)  # it has begun: what it was started from is made anew below
    file = services.home("sleeper") / "service.json"
    record = json.loads(file.read_text())
    identity = services.identity("sleeper")
    assert identity is not None
    record["identity"]["start_ticks"] += 1
    file.write_text(json.dumps(record))
    assert services.identity("sleeper") is None
    assert services.ensure(plan, 5.0) == ("sleeper",)
    assert daemons.alive(identity)


def test_the_end_of_the_cluster_is_the_end_of_its_services(cluster: Path, tmp_path: Path) -> None:
    """Also of what they have started, in whatever session, and of those that no record names; of nobody else's."""
    program = script(tmp_path, "setsid sleep 600 & exec sleep 600")
    services = Services(cluster)
    services.ensure(just(Service("parent", program, (), ())), 5.0)
    (cluster.parent / "one-more").mkdir()
    other = Services(cluster.parent / "one-more")
    other.ensure(just(sleeper(tmp_path)), 5.0)
    until(lambda: len(daemons.carrying(MARK, str(cluster))) == 2)
    (services.home("parent") / "service.json").unlink()
    try:
        launch.stop(cluster, {})
        assert daemons.carrying(MARK, str(cluster)) == []
        assert other.identity("sleeper") is not None
    finally:
        other.stop("sleeper")


def test_a_program_that_is_not_there_is_told(cluster: Path, tmp_path: Path) -> None:
    """It cannot be run: that is an error with the name, not a service that died."""
    with pytest.raises(commands.CommandMissing, match=r"ghost.*No such file") as caught:
        Services(cluster).ensure(just(Service("ghost", tmp_path / "ghost", (), ())), 5.0)
    assert not isinstance(caught.value, ClusterError)


def test_a_death_of_one_is_not_waited_out_for_another(cluster: Path, tmp_path: Path) -> None:
    """Services that start together: one that gives up ends the wait for one that never answers."""
    quitter = Service("quitter", script(tmp_path, "sleep 0.2; exit 3", name="quitter"), (), ())
    waiting = sleeper(tmp_path, probes=[Probe(1)])
    with pytest.raises(ServiceDied, match="quitter ended with status 3"):
        Services(cluster).ensure(just(waiting, quitter), 600.0)


def test_only_those_that_were_asked_about_are_told(cluster: Path, tmp_path: Path) -> None:
    """`check` with names is not about the others."""
    services = Services(cluster)
    quitter = Service("quitter", script(tmp_path, "sleep 0.1", name="quitter"), (), ())
    services.ensure(just(sleeper(tmp_path), quitter), 5.0)
    assert services.died.wait(5)
    services.check("sleeper")
    with pytest.raises(ServiceDied, match="quitter"):
        services.check("sleeper", "quitter")


def test_nothing_starts_on_a_cluster_that_is_about_to_go(cluster: Path, tmp_path: Path) -> None:
    """After `close` no thread can start what `down` would then miss, one that waits gives up, and no end is a death."""
    services = Services(cluster)
    services.ensure(just(sleeper(tmp_path)), 5.0)
    identity = services.identity("sleeper")
    assert identity is not None
    stuck = Service("stuck", script(tmp_path, "exec sleep 600", name="stuck"), (), (Probe(1),))
    waiting = Background(lambda: services.ensure(just(stuck), 600.0), "stuck")
    until(lambda: services.identity("stuck"))
    services.close()
    with pytest.raises(ServiceFailed, match="about to go"):
        waiting.result(5)
    with pytest.raises(ServiceFailed, match="about to go"):
        services.ensure(just(sleeper(tmp_path, "again")), 5.0)
    os.kill(identity.pid, signal.SIGKILL)
    assert not services.died.wait(0.2)


def test_a_cluster_that_is_gone_stays_gone(cluster: Path, tmp_path: Path) -> None:
    """A late start does not make the cluster's directory again, which the next `up` would find."""
    gone = cluster.parent / "gone"
    with pytest.raises(ServiceFailed, match=r"gone/services: cannot be written"):
        Services(gone).ensure(just(sleeper(tmp_path)), 5.0)
    assert not gone.exists()


def test_a_harness_that_stops_starts_nothing(cluster: Path, tmp_path: Path) -> None:
    """After an interrupt a background install ends instead of bringing up more."""
    commands.stop_children()
    try:
        with pytest.raises(commands.CommandFailed, match="the harness is stopping"):
            Services(cluster).ensure(just(sleeper(tmp_path)), 5.0)
    finally:
        commands.allow_children()


@pytest.mark.parametrize(("status", "answered"), [(200, True), (503, False), (404, False)])
def test_only_200_is_an_answer(status: int, *, answered: bool) -> None:
    """Health endpoints say 503 or 500 while what they stand for is not healthy."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert Probe(server.server_address[1], "/healthz").answered() is answered
        server.shutdown()


def test_the_end_of_a_stranger_is_not_waited_for() -> None:
    """A pid that belongs to another process by now means that the one asked about has ended."""
    this = daemons.this()
    waiting = Background(lambda: daemons.until_ended(replace(this, start_ticks=this.start_ticks - 1)), "stranger")
    assert waiting.result(5) is None


def test_what_others_start_is_missed_once_it_does_not_come_back(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A component of the control plane: whoever asks meanwhile waits for what becomes of it."""
    log = tmp_path / "log"
    identity = daemons.start([script(tmp_path, 'echo "I serve"; exec sleep 600')], env={}, cwd=tmp_path, log=log)
    until(lambda: log.exists() and "I serve" in log.read_text())
    services = Services(cluster)
    services.attend("kube-apiserver", lambda: identity, log)
    services.check()
    monkeypatch.setattr("harness.processes.services._BACK_SECONDS", 0.1)
    os.kill(identity.pid, signal.SIGKILL)
    assert services.died.wait(5)
    with pytest.raises(ServiceDied, match=r"kube-apiserver was killed by SIGKILL. Its last words:\nI serve"):
        services.check()


def test_what_others_start_again_is_followed(cluster: Path, tmp_path: Path) -> None:
    """Another process in its place is no death; and its own end is one, as soon as the cluster is not about to go."""
    log, program = tmp_path / "log", script(tmp_path, "exec sleep 600")
    found = [daemons.start([program], env={}, cwd=tmp_path, log=log) for _ in range(2)]
    services = Services(cluster)
    asked: list[int] = []

    def successor() -> daemons.Identity:
        asked.append(1)
        return found[min(len(asked), 2) - 1]

    services.attend("etcd", successor, log)
    os.kill(found[0].pid, signal.SIGKILL)
    until(lambda: len(asked) > 1)
    services.check()
    assert not services.died.is_set()
    services.close()
    os.kill(found[1].pid, signal.SIGKILL)
    daemons.until_ended(found[1])
    services.check()
