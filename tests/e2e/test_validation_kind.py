"""Validations on a node that runs something: checks as Jobs, our own and others', and the older agent."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from hack.kind_images.checks import VALIDATORS as IMAGE
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.formats.documents import Document
from harness.names import INFRASTRUCTURE_NODE
from harness.objects import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIGMAPS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    ROLES,
    SERVICE_ACCOUNTS,
    Kind,
    Objects,
)
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import ROOT, Settings, load
from harness.validation.capture import capture
from harness.validation.checks.access import NAMESPACE
from harness.validation.checks.agent import Agent, AgentFailed
from harness.validation.checks.agent_job import Config
from harness.validation.checks.agent_log import FAIL, NOT_EXECUTED, PASS
from harness.validation.checks.catalog import Catalog
from harness.validation.declared import Declared
from harness.validation.results import Status
from harness.validation.run import Validation
from harness.validators import conformance
from harness.validators.workloads import SECRETS, SERVICES
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok import VALIDATORS
from kwok.engine.client import Engine
from kwok.kind.runtime import KindRuntime
from tests.e2e import validation_images as images
from tests.e2e.test_check_permissions_e2e import CRDS

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

NODE = {"nodeSelector": dict([INFRASTRUCTURE_NODE]), "tolerations": [{"operator": "Exists"}]}
ENDS = ("passes", "fails", "skips", "needs-memory", "hangs", "has-no-image")
SECONDS = 8  # of a check that hangs


@pytest.fixture(scope="module")
def kind_settings() -> Settings:
    """A cluster that calls webhooks."""
    return load(environment={}, overrides={"ports.registry": "5640", "ports.git": "5641", "webhooks": "refuse"})


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go tests of the agent, compiled, and test2json."""
    return images.agent_programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="module")
def running(
    engine: Engine,
    kind_runtime: KindRuntime,
    tools: Callable[[str], Path],
    programs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunningCluster:
    """A Kind cluster whose node has the images of checks and of the agent."""
    if engine.image(IMAGE) is None:
        pytest.skip(f"NOT TESTED HERE: the engine has no {IMAGE} (make kind-images)")
    work = tmp_path_factory.mktemp("images")
    for image in (images.checks(), images.agent(programs)):
        images.into_engine(engine, image, work)
    made = kind_runtime.up("validation", Silent())
    images.into_node(tools, made, [IMAGE, images.CHECKS, images.AGENT])
    return made


@pytest.fixture(scope="module")
def cluster(running: RunningCluster) -> Cluster:
    """With a GPU operator of a known version, whose process runs."""
    found = Cluster(running.kubeconfig, context=running.context)
    for name in (NAMESPACE, "gpu-operator"):
        put(found, NAMESPACES, name)
    serve(found, "gpu-operator", "gpu-operator", "v25.10.1")
    return found


SLEEP = "import time; time.sleep(3600)"
WEB = """
import http.server, json, ssl
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"/metrics": b'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 3\\n',
                 "/api/v1/query": b'{"data": {"result": [{"value": [0, "1"]}]}}'}
        body = known.get(self.path.partition("?")[0], b"")
        self.send_response(200 if body else 404); self.end_headers(); self.wfile.write(body)
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": "it has no content"}}
        body = json.dumps({**review, "response": answer}).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json"); self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("", 8080), Answer)
if %r:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/chain.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def serve(
    cluster: Cluster, namespace: str, name: str, version: str = "v1", *, code: str = SLEEP, secret: str = ""
) -> None:
    """A Deployment whose one pod runs Python on the real node, and a Service in front of it."""
    container: dict[str, Any] = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never"}
    container["command"] = ["python3", "-c", code]
    volumes = []
    if secret:
        container["volumeMounts"] = [{"name": "tls", "mountPath": "/tls"}]
        volumes = [{"name": "tls", "secret": {"secretName": secret}}]
    labels = {"app": name}
    pod = {**NODE, "containers": [container], "volumes": volumes}
    selecting = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    marked = {"app.kubernetes.io/version": version}
    put(cluster, DEPLOYMENTS, name, namespace, marked, spec={"replicas": 1, **selecting})
    put(cluster, SERVICES, name, namespace, spec={"selector": labels, "ports": [{"port": 443, "targetPort": 8080}]})

    def available(objects: Objects) -> Verdict:
        item = objects.get(DEPLOYMENTS, namespace, name)
        ready = ((item or {}).get("status") or {}).get("availableReplicas")
        return Passed("is available") if ready else Waiting("is not available")

    wait(cluster, (DEPLOYMENTS,), available, Deadline.after(90))


def put(
    cluster: Cluster, kind: Kind, name: str, namespace: str = "", labels: dict[str, str] | None = None, **body: Any
) -> None:
    metadata: dict[str, Any] = {"name": name, "labels": labels or {}}
    metadata |= {"namespace": namespace} if namespace else {}
    cluster.apply(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body})


def crd(kind: Kind) -> dict[str, Any]:
    """A definition that takes any object of the kind."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.api_version.rpartition("/")[2], "served": True, "storage": True}
    versions = [{**version, "schema": {"openAPIV3Schema": schema}}]
    names = {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()}
    spec = {"group": kind.group, "scope": "Namespaced", "names": names, "versions": versions}
    metadata = {"name": f"{kind.plural}.{kind.group}"}
    return {"apiVersion": CRDS.api_version, "kind": CRDS.kind, "metadata": metadata, "spec": spec}


def entries(*names: str) -> dict[str, Any]:
    """A catalog of checks that end as their names say."""
    return {
        "validators": [
            {
                "name": name,
                "phase": "deployment",
                "image": "kind.local/nowhere:1" if name == "has-no-image" else images.CHECKS,
                "args": [name],
                "timeout": f"{SECONDS if name == 'hangs' else 60}s",
                "resources": {"cpu": "100m", "memory": "64Mi"},
                "access": {"rules": []},
            }
            for name in names
        ]
    }


def recipe(*names: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "RecipeResult",
        "apiVersion": "aicr.run/v1alpha2",
        "constraints": [{"name": "K8s.server.version", "value": ">= 1.30"}],
        "validation": {"deployment": {"checks": list(names)}},
        **more,
    }


def validation(
    cluster: Cluster, declared: dict[str, Any], catalog: Catalog | dict[str, Any], **more: Any
) -> Validation:
    found = (
        catalog if isinstance(catalog, Catalog) else Catalog.of(Document.parse(yaml.safe_dump(catalog), "catalog.yaml"))
    )
    return Validation(
        declared=Declared.of(Document.parse(yaml.safe_dump(declared), "recipe.yaml"), "mine"),
        snapshot=capture(cluster, now=datetime.now(UTC), version="test"),
        catalog=found,
        selected=more.pop("selected", ("deployment",)),
        connect=lambda: cluster,
        progress=Silent(),
        **more,
    )


def left(cluster: Cluster) -> list[str]:
    """What runs have left on the cluster, the namespace apart."""
    kinds = (SERVICE_ACCOUNTS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, CONFIGMAPS, JOBS, PODS)
    names = [f"{kind.kind} {item['metadata']['name']}" for kind in kinds for item in cluster.list(kind).items]
    return [name for name in names if name.split()[1].startswith(("aicr-validator-", "aicr-recipe-", "aicr-"))]


def test_each_way_in_which_a_job_can_end_is_told_apart(cluster: Cluster) -> None:
    """By exit code, memory, deadline and image; nothing of the run is left."""
    report = validation(cluster, recipe(*ENDS), entries(*ENDS), executor="job").carry_out()
    told = {each.name: each for each in report.tests}
    assert {name: each.status for name, each in told.items()} == {
        "passes": Status.PASSED,
        "fails": Status.FAILED,
        "skips": Status.SKIPPED,
        "needs-memory": Status.OTHER,
        "hangs": Status.FAILED,
        "has-no-image": Status.OTHER,
    }
    assert told["passes"].stdout == ("RESULT: passes",)
    assert told["fails"].message == "the operator has no pod"
    assert told["skips"].message == "no GPU"
    assert "OOMKilled" in told["needs-memory"].message
    assert f"timeout: validator did not complete within {SECONDS}s" in told["hangs"].message
    assert "ErrImageNeverPull" in told["has-no-image"].message
    assert left(cluster) == []


def test_our_own_checks_run_in_their_image(cluster: Cluster) -> None:
    """With the executor that is chosen by itself, and only the permissions that they declare."""
    names = ("operator-health", "expected-resources", "gpu-operator-version", "check-nvidia-smi")
    operator = {"kind": "Deployment", "namespace": "gpu-operator", "name": "gpu-operator"}
    declared = recipe(
        *names, componentRefs=[{"name": "operator", "namespace": "gpu-operator", "expectedResources": [operator]}]
    )
    declared["validation"]["deployment"]["constraints"] = [
        {"name": "Deployment.gpu-operator.version", "value": ">= v25.10.0"}
    ]
    report = validation(cluster, declared, Catalog.load(VALIDATORS)).carry_out()
    told = {each.name: each for each in report.tests}
    assert {name: (each.status, each.message) for name, each in told.items()} == {
        "operator-health": (Status.PASSED, ""),
        "expected-resources": (Status.PASSED, ""),
        "gpu-operator-version": (Status.PASSED, ""),
        "check-nvidia-smi": (Status.SKIPPED, "no node offers nvidia.com/gpu"),
    }
    assert report.problem == ""
    assert left(cluster) == []


def test_conformance_is_judged_where_something_runs(cluster: Cluster) -> None:
    """Metrics are read, and a webhook is asked, through the API server; what the recipe does not deploy is skipped."""
    components = ("gpu-operator", "kube-prometheus-stack", "kubeflow-trainer")
    for name in components:
        put(cluster, NAMESPACES, name)
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["python3", "-c", SLEEP]}
    labels = {"app": "exporter"}
    template = {"metadata": {"labels": labels}, "spec": {**NODE, "containers": [container]}}
    selecting = {"selector": {"matchLabels": labels}, "template": template}
    put(cluster, DAEMONSETS, "dcgm-exporter", "gpu-operator", spec=selecting)
    serve(cluster, "gpu-operator", "dcgm-exporter", code=WEB % False)
    serve(cluster, "kube-prometheus-stack", "prometheus", code=WEB % False)
    authority = trustme.CA()
    chain = authority.issue_cert("trainer.kubeflow-trainer.svc").private_key_and_cert_chain_pem.bytes().decode()
    put(cluster, SECRETS, "tls", "kubeflow-trainer", stringData={"chain.pem": chain})
    serve(cluster, "kubeflow-trainer", "trainer", code=WEB % True, secret="tls")
    kind = conformance._CONTROLLERS["kubeflow-trainer"]
    cluster.apply(CRDS, crd(kind))
    rule = {"apiGroups": [kind.group], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [kind.plural]}
    hook = {
        "name": "a.example.com",
        "clientConfig": {
            "service": {"namespace": "kubeflow-trainer", "name": "trainer"},
            "caBundle": base64.b64encode(authority.cert_pem.bytes()).decode(),
        },
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    put(cluster, conformance.WEBHOOKS, "trainer", webhooks=[hook])
    names = (
        "accelerator-metrics",
        "ai-service-metrics",
        "robust-controller",
        "secure-accelerator-access",
        "gang-scheduling",
        "dra-support",
        "cluster-autoscaling",
    )
    declared = recipe(componentRefs=[{"name": name, "namespace": name} for name in components])
    declared["validation"] = {"conformance": {"checks": list(names)}}
    report = validation(cluster, declared, Catalog.load(VALIDATORS), selected=("conformance",)).carry_out()
    told = {each.name: (each.status.value, each.message) for each in report.tests}
    assert told["accelerator-metrics"] == ("passed", "")
    assert told["ai-service-metrics"] == ("passed", "")
    assert told["robust-controller"] == ("passed", "")
    assert told["secure-accelerator-access"][0] == "skipped"
    assert "no real node offers nvidia.com/gpu" in told["secure-accelerator-access"][1]
    assert told["gang-scheduling"][0] == told["dra-support"][0] == told["cluster-autoscaling"][0] == "skipped"
    assert "the recipe does not deploy kai-scheduler" in told["gang-scheduling"][1]
    assert left(cluster) == []


def test_two_runs_at_once_do_not_disturb_each_other(cluster: Cluster) -> None:
    """Each with Jobs, account and ConfigMaps of its own."""
    runs = [validation(cluster, recipe("passes", "fails"), entries("passes", "fails"), executor="job") for _ in "ab"]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda run: run.carry_out(), runs))
    for report in reports:
        assert [test.status for test in report.tests] == [Status.PASSED, Status.FAILED]
    assert left(cluster) == []


def test_an_interrupt_keeps_what_had_ended_and_leaves_nothing(
    running: RunningCluster, cluster: Cluster, tmp_path: Path
) -> None:
    """While the second of two Jobs runs."""
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**recipe("passes", "hangs"), "constraints": []}))
    (tmp_path / "validators").mkdir()
    catalog = entries("passes", "hangs")
    catalog["validators"][1]["timeout"] = "300s"
    (tmp_path / "validators" / "catalog.yaml").write_text(yaml.safe_dump(catalog))
    report = tmp_path / "report.json"
    words = ["validate", "--recipe", tmp_path / "recipe.yaml", "--data", tmp_path, "--output", report]
    words += ["--executor", "job", "--kubeconfig", running.kubeconfig, "--context", running.context]
    child = subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        stderr=subprocess.PIPE,
        text=True,
    )
    runs = "aicr.nvidia.com/validator=hangs"
    deadline = time.monotonic() + 120
    while not cluster.list(PODS, namespace=NAMESPACE, label_selector=runs).items:
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=90)
    assert child.returncode == 130
    assert "interrupted: 1 checks had ended" in told
    tests = json.loads(report.read_text())["results"]["tests"]
    assert [(test["name"], test["status"]) for test in tests] == [("passes", "passed")]
    assert left(cluster) == []


# The older agent


@pytest.fixture
def agent(cluster: Cluster) -> Iterator[Callable[..., Agent]]:
    """Makes agents on the cluster; what they made goes."""
    made: list[Agent] = []
    for name, key in (("snap", "snapshot.yaml"), ("rec", "recipe.yaml")):
        metadata = {"name": name, "namespace": NAMESPACE}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: "kind: Any\n"}}
        cluster.apply(CONFIGMAPS, item)

    def make(pattern: str, **more: Any) -> Agent:
        config = Config(NAMESPACE, "agent", "x.example/validation/deployment", "snap", "rec", image=images.AGENT)
        made.append(Agent(cluster, replace(config, test_pattern=pattern, tolerations=NODE["tolerations"], **more)))  # type: ignore[arg-type]
        made[-1].deploy()
        return made[-1]

    yield make
    made[-1].cleanup()


@pytest.mark.parametrize(
    ("pattern", "verdict", "told"),
    [
        ("^(TestPasses)$", PASS, ""),
        ("^(TestPasses|TestFails)$", FAIL, "Job failed: Tests failed (exit code 1)"),
        ("^(TestSkips)$", NOT_EXECUTED, "every test was skipped"),
        ("^(TestPasses|TestPanics)$", FAIL, "Job failed: Container command error (exit code 2)"),
        ("^(TestPasses|TestIsKilled)$", FAIL, "Job failed: Container killed (exit code 137)"),
        ("^(TestNowhere)$", NOT_EXECUTED, "no test was run"),
    ],
)
def test_the_agent_tells_how_go_tests_ended(agent: Callable[..., Agent], pattern: str, verdict: str, told: str) -> None:
    """Compiled, in an image, as a Job on the real node."""
    heard: list[str] = []
    result = agent(pattern).follow(heard.append)
    assert (result.verdict, told in result.why) == (verdict, True), (result, heard)
    assert heard[0] == "Running validation tests..."


def test_an_agent_whose_tests_hang_ends_at_its_time(agent: Callable[..., Agent], cluster: Cluster) -> None:
    """The Job goes, the result says which test has no end."""
    result = agent("^(TestPasses|TestHangs)$", timeout=10.0).follow(lambda _: None)
    assert result.verdict == FAIL
    assert "[TIMEOUT] job completion timeout" in result.why
    assert {test.name: test.status for test in result.tests}["TestHangs"] == "running"
    assert cluster.get(JOBS, NAMESPACE, "agent") is None


def test_an_agent_without_its_image_says_so(agent: Callable[..., Agent]) -> None:
    """There is no log, so no result either."""
    with pytest.raises(AgentFailed, match=r"nowhere\.example/agent:1"):
        agent("", image="nowhere.example/agent:1").follow(lambda _: None)


def test_fewer_tests_than_expected_fail(agent: Callable[..., Agent]) -> None:
    """Though each of them passed."""
    result = agent("^(TestPasses)$", expected_tests=2).follow(lambda _: None)
    assert (result.verdict, result.why) == (FAIL, "1 of 2 expected tests ran")
