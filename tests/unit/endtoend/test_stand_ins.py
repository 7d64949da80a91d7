"""Programs that stand in for services of a cluster, each as the process that it is: the forward proxy and the stub."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.endtoend.processes.declared import HttpStub, Process, Route
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.supervised import Processes
from harness.installers.installer import Site
from harness.processes.services import Services
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load
from kwok.host import launch

TRAINER = ServiceName("trainer", "platform", 9091)
DECLARED = Process(
    "stub",
    HttpStub((Route("/status", body="fine"), Route("/put", method="PUT", status=201), Route("/any", method="*"))),
    names={TRAINER: "http", ServiceName("plain", "platform", 80): "http"},
)
UNDECLARED = "other.platform.svc:9091 is not declared: add it to the names of a process of the suite"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """The stub and the proxy, both running."""
    directory = tmp_path / "clusters" / "one"
    directory.mkdir(parents=True)
    running = RunningCluster("one", directory, directory / "kubeconfig.yaml", "", "", "host", "identity")
    no_cluster: Any = None
    site = Site(load(environment={}), lambda name: Path(name), running, no_cluster, Services(directory), Silent())
    made = Processes(site, tmp_path, [DECLARED])
    made.start()
    yield made
    launch.stop(directory, {})


@pytest.fixture
def through(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """As a process of the suite finds its environment."""
    for name, value in processes.environment("stub").items():
        monkeypatch.setenv(name, value)
    return processes


Get = Callable[[str], tuple[int, str]]


def opened(what: str | urllib.request.Request) -> Any:
    """By the proxies of the environment as it is now: the library's own opener keeps those of its first use."""
    return urllib.request.build_opener().open(what, timeout=10)


def by_urllib(url: str) -> tuple[int, str]:
    try:
        with opened(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def by_requests(url: str) -> tuple[int, str]:
    answer = requests.get(url, timeout=10)
    return answer.status_code, answer.text


@pytest.mark.parametrize("get", [by_urllib, by_requests])
@pytest.mark.parametrize(
    "host",
    [
        "trainer.platform.svc.cluster.local:9091",
        "trainer.platform.svc:9091",
        "trainer.platform:9091",
        "plain.platform.svc",
    ],
)
def test_a_declared_name_leads_to_its_process(through: Processes, get: Get, host: str) -> None:
    """In each way in which a pod may write it; without a port it is that of the scheme."""
    assert get(f"http://{host}/status?query=1") == (200, "fine")


@pytest.mark.parametrize("get", [by_urllib, by_requests])
def test_an_undeclared_name_is_refused_by_a_sentence_that_names_it(through: Processes, get: Get) -> None:
    """503 at once, and the suite can ask which names were asked for in vain."""
    status, body = get("http://other.platform.svc:9091/status")
    assert status == 503
    assert body.startswith(UNDECLARED)
    assert "declared: plain.platform:80, trainer.platform:9091" in body
    get("http://other.platform.svc:9091/again")
    get("http://example.com/")
    assert through.undeclared() == {"other.platform.svc:9091": 2, "example.com:80": 1}


def test_a_refused_tunnel_says_the_name_too(through: Processes) -> None:
    """Clients show of it no more than the reason of its status."""
    with pytest.raises(OSError, match=r"Tunnel connection failed: 503 other.platform.svc:443 is not declared"):
        opened("https://other.platform.svc/")


def test_a_tunnel_leads_to_the_process(through: Processes) -> None:
    """CONNECT, as TLS and gRPC use it: bytes go both ways."""
    proxy = through.environment("stub")["https_proxy"].rpartition(":")[2]
    with socket.create_connection(("127.0.0.1", int(proxy)), 10) as connection:
        connection.sendall(b"CONNECT trainer.platform.svc.cluster.local:9091 HTTP/1.1\r\nHost: x\r\n\r\n")
        stream = connection.makefile("rb")
        assert stream.readline() == b"HTTP/1.1 200 Connection established\r\n"
        assert stream.readline() == b"\r\n"
        for _ in range(2):  # a tunnel stays, whatever goes through it
            connection.sendall(b"GET /status HTTP/1.1\r\nHost: trainer\r\n\r\n")
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            while stream.readline() != b"\r\n":
                pass
            assert stream.read(4) == b"fine"
        stream.close()


def test_a_session_may_ask_for_several_names(through: Processes) -> None:
    """Clients keep a connection to the proxy: each request is led by its own name."""
    with requests.Session() as session:
        assert session.get("http://trainer.platform:9091/status", timeout=10).status_code == 200
        assert session.get("http://other.platform:9091/status", timeout=10).status_code == 503
        assert session.put("http://trainer.platform:9091/put", data=b"x" * 300_000, timeout=10).status_code == 201
        chunks = iter([b"a", b"b"])
        assert session.put("http://plain.platform/put", data=chunks, timeout=10).status_code == 201


def test_an_answer_says_that_its_connection_is_closed(through: Processes) -> None:
    """Whatever the server says: or a client would send its next request, perhaps for another name, into nothing."""
    direct = requests.get(f"http://127.0.0.1:{through.ports('stub')['http']}/status", timeout=10)
    assert "Connection" not in direct.headers
    with requests.Session() as session:
        for _ in range(20):
            answer = session.get("http://trainer.platform:9091/status", timeout=10)
            assert (answer.headers["Connection"], answer.text) == ("close", "fine")


def test_this_machine_is_reached_without_the_proxy(through: Processes) -> None:
    """Loopback, where the API server is; who asks the proxy for it nevertheless is told so."""
    port = through.ports("stub")["http"]
    assert by_urllib(f"http://127.0.0.1:{port}/status") == (200, "fine")
    assert by_urllib(f"http://localhost:{port}/status") == (200, "fine")
    proxies = {"http": through.environment("stub")["http_proxy"]}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://127.0.0.1:{port}/status", proxies=proxies, timeout=10)
    assert answer.status_code == 503
    assert "is on this machine: it is reached without the proxy" in answer.text
    assert through.undeclared() == {}


def test_a_process_that_does_not_run_is_told_as_such(through: Processes) -> None:
    """The name is declared, nobody listens: 502, as from a Service without endpoints."""
    through.stop("stub")
    status, body = by_urllib("http://trainer.platform:9091/status")
    assert status == 502
    assert "trainer.platform:9091 leads to" in body


def test_words_that_are_no_request_do_no_harm(through: Processes) -> None:
    """The proxy answers 400, and the next one."""
    port = int(through.environment("stub")["http_proxy"].rpartition(":")[2])
    for words in (b"hello\r\n\r\n", b"GET http://[::1/ HTTP/1.1\r\n\r\n", b"GET http://a.b:x/ HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(words)
            assert connection.recv(12) == b"HTTP/1.1 400"
    assert by_urllib("http://trainer.platform:9091/status") == (200, "fine")


# --- the stub ---


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 - of loopback
    try:
        with opened(request) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())


def test_a_stub_counts_what_it_is_asked(processes: Processes) -> None:
    """By method and path, without the query, and what no route is for too; the control port is not counted."""
    port, control = processes.ports("stub")["http"], processes.ports("stub")["control"]
    here = f"http://127.0.0.1:{port}"
    for path in ("/status", "/status?a=b", "/nothing", "/any"):
        by_urllib(f"{here}{path}")
    requests.delete(f"{here}/any", timeout=10)
    counts = {"GET /status": 2, "GET /nothing": 1, "GET /any": 1, "DELETE /any": 1}
    assert ask(f"http://127.0.0.1:{control}/requests") == counts
    ask(f"http://127.0.0.1:{control}/requests", "DELETE")
    assert ask(f"http://127.0.0.1:{control}/requests") == {}


def test_routes_of_a_stub_can_be_replaced(processes: Processes) -> None:
    """A step turns a healthy service into a failing one; a wrong route changes nothing."""
    port, control = processes.ports("stub")["http"], processes.ports("stub")["control"]
    routes = f"http://127.0.0.1:{control}/routes"
    assert by_urllib(f"http://127.0.0.1:{port}/status") == (200, "fine")
    assert ask(routes, "PUT", [{"path": "/status", "status": 500, "body": "broken"}]) == {}
    assert by_urllib(f"http://127.0.0.1:{port}/status") == (500, "broken")
    assert ask(routes, "PUT", [{"path": "/status", "stats": 500}]) == {
        "error": "unknown key 'stats' in the route for /status"
    }
    assert ask(routes, "PUT", [{"status": 500}]) == {"error": 'expected a route with a path, got {"status": 500}'}
    assert by_urllib(f"http://127.0.0.1:{port}/status") == (500, "broken")


def test_a_route_without_an_answer_says_so(processes: Processes) -> None:
    """404 with what was asked for; HEAD has no body."""
    here = f"http://127.0.0.1:{processes.ports('stub')['http']}"
    assert by_urllib(f"{here}/nothing") == (404, "the stub has no route for GET /nothing\n")
    assert requests.head(f"{here}/any", timeout=10).status_code == 200
