"""Processes under test on a real control plane: the rights of their account, and the webhooks that they serve."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.endtoend.processes.declared import Probe, Process, PythonFile, ServiceAccount, Webhooks
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.supervised import Processes
from harness.endtoend.processes.webhooks import ADMISSION
from harness.installers.installer import Site
from harness.objects import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIGMAPS, SERVICE_ACCOUNTS
from harness.processes.services import Services
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load
from kwok.host.runtime import HostRuntime

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]

# Asks the API server as its kubeconfig says, whenever it is asked itself; and serves an admission webhook.
PROGRAM = """
import base64, http.server, json, os, ssl, sys, tempfile, threading, urllib.error, urllib.request

kubeconfig = json.load(open(os.environ["KUBECONFIG"]))
cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())

def ask(path):
    request = urllib.request.Request(cluster["server"] + path, headers={"Authorization": "Bearer " + user["token"]})
    try:
        with urllib.request.urlopen(request, context=trust) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()

class Asking(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = ask("/api/v1/configmaps")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

class Judging(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = review["request"]["object"]["metadata"]["name"] != "bad"
        response = {"uid": review["request"]["uid"], "allowed": good, "status": {"message": "it is called bad"}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

hooks = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Judging)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3] + "/tls.crt", sys.argv[3] + "/tls.key")
hooks.socket = context.wrap_socket(hooks.socket, server_side=True)
threading.Thread(target=hooks.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Asking).serve_forever()
"""
ROLE = {
    "apiVersion": CLUSTER_ROLES.api_version,
    "kind": CLUSTER_ROLES.kind,
    "metadata": {"name": "operator"},
    "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}],
}
BINDING = {
    "apiVersion": CLUSTER_ROLE_BINDINGS.api_version,
    "kind": CLUSTER_ROLE_BINDINGS.kind,
    "metadata": {"name": "operator"},
    "roleRef": {"apiGroup": CLUSTER_ROLES.group, "kind": CLUSTER_ROLES.kind, "name": "operator"},
    "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": "default"}],
}
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator", "namespace": "default"}}
SERVICE = {"name": "hooks", "namespace": "platform", "path": "/validate"}
CONFIGURATION = {
    "apiVersion": ADMISSION[1].api_version,
    "kind": ADMISSION[1].kind,
    "metadata": {"name": "judging"},
    "webhooks": [
        {
            "name": "judging.example.com",
            "clientConfig": {"service": SERVICE},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def running(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A control plane that calls webhooks, as a suite with a process that serves them has it."""
    runtime = HostRuntime(load(environment={}, overrides={"webhooks": "refuse"}), tools, tmp_path_factory.mktemp("s"))
    yield runtime.up("processes", Silent())
    runtime.down("processes")


@pytest.fixture
def cluster(running: RunningCluster) -> Cluster:
    return Cluster(running.kubeconfig)


@pytest.fixture
def processes(running: RunningCluster, cluster: Cluster, tools: Tools, tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "program.py").write_text(PROGRAM)
    cluster.apply(SERVICE_ACCOUNTS, ACCOUNT)
    process = Process(
        "operator",
        PythonFile(tmp_path / "program.py"),
        arguments=("$(ports.http)", "$(ports.hooks)", "$(certificates)"),
        ports=("http", "hooks"),
        probes=(Probe("http"), Probe("hooks")),
        account=ServiceAccount("default", "operator"),
        webhooks=Webhooks("hooks", (ServiceName("hooks", "platform", 443),)),
    )
    site = Site(load(environment={}), tools, running, cluster, Services(running.directory), Silent())
    made = Processes(site, tmp_path, [process])
    made.start()
    yield made
    made.stop()


def asked(processes: Processes) -> tuple[int, dict[str, Any]]:
    """What the API server tells the process."""
    connection = http.client.HTTPConnection("127.0.0.1", processes.ports("operator")["http"], timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def until_asked(processes: Processes, status: int) -> dict[str, Any]:
    """The authorizer of an API server learns of a role a moment later."""
    deadline = Deadline.after(10)
    while (found := asked(processes))[0] != status:
        assert not deadline.expired, found
        deadline.clock.sleep(0.05)
    return found[1]


def test_a_process_may_do_what_the_rules_of_its_account_allow_and_no_more(
    processes: Processes, cluster: Cluster
) -> None:
    """A rule that is removed is refused in the name of the account, as it would be in a pod."""
    cluster.apply(CLUSTER_ROLES, ROLE)
    cluster.apply(CLUSTER_ROLE_BINDINGS, BINDING)
    assert until_asked(processes, 200)["kind"] == "ConfigMapList"
    cluster.apply(CLUSTER_ROLES, {**ROLE, "rules": []})
    refused = until_asked(processes, 403)
    assert 'User "system:serviceaccount:default:operator" cannot list resource "configmaps"' in refused["message"]


def config_map(name: str, namespace: str = "default") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def until_refused(cluster: Cluster, name: str) -> str:
    """Admission learns of a configuration a moment later; what was let in until then goes."""
    deadline = Deadline.after(10)
    while not deadline.expired:
        try:
            cluster.create(CONFIGMAPS, config_map(name))
        except ApiError as error:
            return str(error)
        cluster.delete(CONFIGMAPS, "default", name)
        deadline.clock.sleep(0.05)
    raise AssertionError(f"{name} was never refused")


@pytest.mark.parametrize("by_others", [False, True])
def test_a_webhook_of_a_process_is_asked(processes: Processes, cluster: Cluster, by_others: bool) -> None:
    """Under the egress rules that refuse calls to Services, led before it is applied or afterwards."""
    cluster.apply(ADMISSION[1], CONFIGURATION if by_others else processes.led(CONFIGURATION))
    if by_others:
        processes.lead_webhooks()
    try:
        assert "it is called bad" in until_refused(cluster, "bad")
        cluster.create(CONFIGMAPS, config_map("good"))
        processes.kill("operator")
        refused = until_refused(cluster, "other")
        assert "connection refused" in refused
        processes.start()
        cluster.create(CONFIGMAPS, config_map("again"))  # with the certificate that it has now
    finally:
        cluster.delete(ADMISSION[1], "", "judging")
        for name in ("good", "again"):
            cluster.delete(CONFIGMAPS, "default", name)
