"""Suites of chainsaw on a real control plane: its own examples, interrupts, and what nothing runs for."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.gates.combining import there
from harness.names import KWOK_NODE_ANNOTATION, KWOK_TAINT
from harness.objects import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import ROOT, load
from harness.waiting.loop import wait
from kwok.host.runtime import HostRuntime

pytestmark = pytest.mark.e2e

CORPUS = ROOT.parent / "shared" / "suites" / "chainsaw"
# One makes a cluster of kind. The other wants pods that are ready, while `patch` wants one that nobody touches.
NOT_HERE = {"dynamic-clusters", "wait"}

NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "one", "annotations": {KWOK_NODE_ANNOTATION: "fake"}, "labels": {"type": "kwok"}},
    "spec": {"taints": [KWOK_TAINT]},
    "status": {
        "allocatable": {"cpu": "32", "memory": "64Gi", "pods": "110"},
        "capacity": {"cpu": "32", "memory": "64Gi", "pods": "110"},
    },
}
COREDNS: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
    "spec": {
        "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
        "template": {
            "metadata": {"labels": {"k8s-app": "kube-dns"}},
            "spec": {"containers": [{"name": "coredns", "image": "nowhere.example/coredns:1", "securityContext": {}}]},
        },
    },
}


@pytest.fixture(scope="module")
def up(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A control plane with one simulated node that takes every pod, and a Deployment that looks like coredns."""
    runtime = HostRuntime(load(environment={}), tools, tmp_path_factory.mktemp("suites"))
    running = runtime.up("suites", Silent())
    try:
        cluster = Cluster(running.kubeconfig, context=running.context)
        cluster.create(NODES, NODE)
        cluster.create(DEPLOYMENTS, COREDNS)
        yield running
    finally:
        runtime.down("suites")


def words(running: RunningCluster, *more: str) -> list[str]:
    context = ["--kubeconfig", str(running.kubeconfig), "--context", running.context, "--allow-writes"]
    return [sys.executable, "-m", "harness", "test", *more, *context]


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "KWOK_DEBUG_ARTIFACTS_DIR": str(tmp_path / "artifacts")}


def examples(running: RunningCluster, place: Path, tools: Callable[[str], Path], *more: str) -> dict[str, set[str]]:
    """How the tests of each folder ended; the run is green, and its recording is judged again alike."""
    configuration = yaml.safe_load((CORPUS / "e2e" / "config.yaml").read_text())
    configuration["spec"]["execution"] |= {"failFast": False, "parallel": 8}
    config = place / "config.yaml"
    config.write_text(yaml.safe_dump(configuration))
    given = ["--values", "values.yaml", "--set", "env=poc", "--set", "clusterDirectory=my-cluster"]
    given += ["--set-string", "image.tag=01", "--allow-scripts"]
    report = ["--report", "JSON", "--report-path", str(place), "--report-name", "examples"]
    variables = environment(place)
    variables["PATH"] += f":{tools('kubectl').parent}"
    command = words(running, *more, "--config", str(config), *given, *report)
    done = subprocess.run(
        command, cwd=CORPUS / "e2e", env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    explain = [sys.executable, "-m", "harness", "explain"]
    explained = subprocess.run(explain, env=variables, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert explained.returncode == 0, explained.stdout[-2000:]
    ended: dict[str, set[str]] = {}
    for test in json.loads((place / "examples.json").read_text())["tests"]:
        ended.setdefault(Path(test["basePath"]).parts[1], set()).add(test["status"])
    return ended


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")
def test_the_examples_of_chainsaw_end_as_upstream_states(
    up: RunningCluster, tmp_path: Path, tools: Callable[[str], Path]
) -> None:
    """All but the one that makes a cluster of kind, and the one that waits for a pod to be ready."""
    found = examples(up, tmp_path, tools, "examples", "--exclude", "dynamic|^wait$")
    expected = yaml.safe_load((CORPUS / "expected.yaml").read_text())["e2e/examples"]
    passed, apart = {"passed"}, {"skipped"}
    wanted = {name: apart if each["expect"] == "skip" else passed for name, each in expected.items()}
    # What metrics say follows from what runs, whatever text they are read from. A test that only sleeps judges nothing.
    ours = {"metrics-decode": {"simulated"}, "patch": {"simulated"}, "sleep": {"skipped"}}
    assert found == {name: each for name, each in (wanted | ours).items() if name not in NOT_HERE}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")
def test_a_pod_that_is_ready_on_a_simulated_node_is_no_proof(
    up: RunningCluster, tmp_path: Path, tools: Callable[[str], Path]
) -> None:
    """Upstream's example of wait ends well, and is counted apart from what passed."""
    cluster = Cluster(up.kubeconfig, context=up.context)
    cluster.patch_merge(NODES, "", "one", {"spec": {"taints": None}})
    assert examples(up, tmp_path, tools, "examples/wait") == {"wait": {"simulated"}}


def test_an_interrupt_cleans_up_and_says_what_stays_changed(up: RunningCluster, tmp_path: Path) -> None:
    """The script is ended, `finally` and `cleanup` run, the namespace goes, the report is written, the code is 130."""
    (tmp_path / "chainsaw-test.yaml").write_text(
        """apiVersion: chainsaw.kyverno.io/v1alpha1
kind: Test
metadata: {name: long}
spec:
  namespace: interrupted
  steps:
  - try:
    - patch: {resource: {apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {touched: by-a-test}}}}
    - apply: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: made}}}
    - script: {content: sleep 300, timeout: 10m}
    finally: [{script: {content: touch finally}}]
    cleanup: [{script: {content: touch cleanup}}]
"""
    )
    cluster = Cluster(up.kubeconfig, context=up.context)
    report = ["--report", "JSON", "--report-path", str(tmp_path), "--report-name", "interrupted"]
    child = subprocess.Popen(
        words(up, str(tmp_path), "--allow-scripts", *report),
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    wait(cluster, [CONFIGMAPS], there(CONFIGMAPS, ("interrupted", "made")), Deadline.after(60))
    time.sleep(1)  # into the script
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Namespace default (patch)" in output
    assert (tmp_path / "finally").exists()
    assert (tmp_path / "cleanup").exists()
    assert (tmp_path / "interrupted.json").exists()
    assert cluster.get(CONFIGMAPS, "interrupted", "made") is None
    namespace = cluster.get(NAMESPACES, "", "interrupted")
    assert namespace is None or namespace["metadata"].get("deletionTimestamp")


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """Whatever `finally` does; no program of the suite outlives it."""
    (tmp_path / "chainsaw-test.yaml").write_text(
        """apiVersion: chainsaw.kyverno.io/v1alpha1
kind: Test
metadata: {name: long}
spec:
  steps:
  - try: [{script: {content: touch begun; sleep 300, timeout: 10m}}]
    finally: [{script: {content: echo $$ > finally; exec sleep 300, timeout: 10m}}]
"""
    )
    command = [sys.executable, "-m", "harness", "test", str(tmp_path), "--no-cluster", "--allow-scripts"]
    child = subprocess.Popen(command, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.DEVNULL)
    for file in ("begun", "finally"):
        until = time.monotonic() + 60
        while not (tmp_path / file).exists() or (file == "finally" and not (tmp_path / file).read_text()):
            assert time.monotonic() < until
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
    assert child.wait(timeout=10) == 130
    assert not Path(f"/proc/{(tmp_path / 'finally').read_text().strip()}").exists()
