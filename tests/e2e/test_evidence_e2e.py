"""Evidence from a real control plane: kubectl's own tables, nothing secret, and an end in time."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from harness import settings
from harness.bundles.model import Chart, Folder
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.evidence import collectors
from harness.evidence.collect import Collector, EvidenceReport, collect
from harness.evidence.collectors import Kubectl
from harness.evidence.directory import EvidenceDirectory
from harness.evidence.redaction import Redactor
from harness.helm.client import Helm
from harness.objects import EVENTS, NODES, PODS, Objects
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok.host.runtime import HostRuntime

pytestmark = pytest.mark.e2e

SWORDFISH = "swordfish-of-the-evidence"  # in a Secret, and wherever a careless chart repeats it


@dataclass
class Failing:
    """A cluster with a cell that failed."""

    running: RunningCluster
    cluster: Cluster
    helm: Helm
    bundle: Path
    logs: dict[str, Path]


@pytest.fixture(scope="module")
def failing(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    runtime = HostRuntime(settings.load(environment={}), tools, tmp_path_factory.mktemp("state"))
    running = runtime.up("evidence-e2e", Silent())
    try:
        cluster = Cluster(running.kubeconfig, context=running.context)
        bundle = _bundle(tmp_path_factory.mktemp("bundle"))
        helm = Helm(tools("helm"), tmp_path_factory.mktemp("helm"), running.kubeconfig)
        chart = Chart("cell", "1.0.0", path=bundle / "001-cell")
        helm.install(Folder(1, "cell", "cell", "cell", bundle / "001-cell", chart), timeout=30)
        node = {"metadata": {"name": "node-0", "labels": {"type": "kwok"}}, "apiVersion": "v1", "kind": "Node"}
        cluster.apply(NODES, node)
        wait(cluster, [PODS, EVENTS], _refused, Deadline.after(30))
        yield Failing(running, cluster, helm, bundle, dict(runtime.logs(running)))
    finally:
        runtime.down("evidence-e2e")


def _bundle(directory: Path) -> Path:
    """A bundle whose chart makes a Secret, repeats it in a pod's environment, and asks for a node that is not there."""
    (directory / "001-cell" / "templates").mkdir(parents=True)
    container = {"name": "x", "image": "example.com/x", "args": ["--verbose", SWORDFISH]}
    objects = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"anything": SWORDFISH}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pending", "annotations": {"note": SWORDFISH}},
            "spec": {"containers": [container], "nodeSelector": {"no": "such-node"}},
        },
    ]
    (directory / "001-cell" / "templates" / "all.yaml").write_text(yaml.safe_dump_all(objects))
    (directory / "001-cell" / "templates" / "NOTES.txt").write_text(f"Log in with {SWORDFISH}\n")
    (directory / "001-cell" / "Chart.yaml").write_text("apiVersion: v2\nname: cell\nversion: 1.0.0\n")
    for values in ("values.yaml", "cluster-values.yaml"):
        (directory / "001-cell" / values).write_text(f"admin: {SWORDFISH}\n")
    return directory


def _refused(objects: Objects) -> Verdict:
    reasons = {event.get("reason") for event in objects.all(EVENTS)}
    return Passed("the scheduler has spoken") if "FailedScheduling" in reasons else Waiting("no event yet")


def gather(
    failing: Failing, kubectl: Path, parent: Path, *more: Collector, budget: float = 30
) -> tuple[EvidenceDirectory, EvidenceReport]:
    directory = EvidenceDirectory(parent / "artifacts", "eks-training", "helm", "r1")
    directory.redactor = Redactor(collectors.known_secrets(failing.cluster))
    running = failing.running
    found = [
        *collectors.of_cluster("c", Kubectl(lambda: kubectl, running.kubeconfig, running.context, parent / "cache")),
        collectors.of_releases("c", lambda: failing.helm),
        collectors.of_bundle(failing.bundle),
        *collectors.of_logs("c", failing.logs),
    ]
    return directory, collect(directory, [*more, *found], Deadline.after(budget))


def test_every_documented_file_is_there_as_kubectl_prints_it(
    failing: Failing, tools: Callable[[str], Path], tmp_path: Path
) -> None:
    """The five tables, the description of the pod without a node, logs, helm's status and the bundle are all there."""
    directory, report = gather(failing, tools("kubectl"), tmp_path)
    assert report.problems == ()
    headers = {file: (directory.path / file).read_text().split("\n")[0].split() for file in directory.files()}
    assert headers["c-resources.txt"] == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert headers["c-nodes.txt"][:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert "persistentvolume/kwok-harness-bell" in (directory.path / "c-volumes.txt").read_text()
    assert headers["c-events.txt"] == ["NAMESPACE", "LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert headers["c-pods.txt"][:8] == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    unscheduled = (directory.path / "c-unscheduled.txt").read_text()
    assert "1 pods without a node" in unscheduled
    assert "FailedScheduling" in unscheduled
    assert "pending" in (directory.path / "c-pods.txt").read_text()
    assert "STATUS: deployed" in (directory.path / "c-helm" / "cell.cell.txt").read_text()
    assert {f"c-logs/{name}.log" for name in failing.logs} <= headers.keys()
    assert "kube-apiserver" in failing.logs
    assert "bundle/001-cell/templates/all.yaml" in headers


def test_no_secret_is_in_any_byte(failing: Failing, tools: Callable[[str], Path], tmp_path: Path) -> None:
    """The value of a Secret is in no file, plain or encoded, though arguments, values and notes repeat it."""
    directory, _ = gather(failing, tools("kubectl"), tmp_path)
    assert SWORDFISH in (failing.bundle / "001-cell" / "values.yaml").read_text()
    needles = (SWORDFISH.encode(), base64.b64encode(SWORDFISH.encode()))
    for file in directory.files():
        content = (directory.path / file).read_bytes()
        assert not any(needle in content for needle in needles), file
    assert "admin: REDACTED" in (directory.path / "bundle" / "001-cell" / "values.yaml").read_text()


def test_kubectl_that_is_broken_costs_its_own_files_only(failing: Failing, tmp_path: Path) -> None:
    """Without kubectl its files are noted as failed, and the rest is there."""
    directory, report = gather(failing, tmp_path / "no" / "kubectl", tmp_path)
    assert len(report.problems) == 6
    assert "cannot run" in (directory.path / "collectors.txt").read_text()
    assert not [file for file in directory.files() if file.startswith(("c-pods", "c-nodes"))]
    assert {"c-helm/list.txt", "c-logs/kube-apiserver.log", "bundle/001-cell/values.yaml"} <= set(directory.files())


def test_time_is_kept_with_a_collector_that_hangs(
    failing: Failing, tools: Callable[[str], Path], tmp_path: Path
) -> None:
    """One that never answers is given up when the budget ends, and everything else is there by then."""
    release = threading.Event()

    def hang(_: float) -> str:
        release.wait(60)
        return ""

    begun = time.monotonic()
    directory, report = gather(failing, tools("kubectl"), tmp_path, Collector("hangs", "h", hang, timeout=99), budget=8)
    release.set()
    assert time.monotonic() - begun < 40
    assert [each.collector.name for each in report.collected if each.problem] == ["hangs"]
    assert "c-pods.txt" in directory.files()


def test_control_plane_that_is_gone_leaves_logs_and_bundle(
    failing: Failing, tools: Callable[[str], Path], tmp_path: Path
) -> None:
    """When the API server cannot be reached, what lies on disk is collected all the same, in time."""
    kubeconfig = yaml.safe_load(failing.running.kubeconfig.read_text())
    for cluster in kubeconfig["clusters"]:
        cluster["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    gone = RunningCluster(**{**vars(failing.running), "kubeconfig": tmp_path / "kubeconfig"})
    helm = Helm(tools("helm"), tmp_path / "helm", tmp_path / "kubeconfig")
    cluster = Cluster(tmp_path / "kubeconfig", context=failing.running.context)
    begun = time.monotonic()
    directory, report = gather(
        Failing(gone, cluster, helm, failing.bundle, failing.logs), tools("kubectl"), tmp_path, budget=20
    )
    assert time.monotonic() - begun < 40
    assert {each.collector.name for each in report.collected if each.problem} >= {"pods", "nodes", "helm releases"}
    assert {"c-logs/kube-apiserver.log", "bundle/001-cell/values.yaml"} <= set(directory.files())
