"""Suites that are run against a fake API server: its kinds, a test in a folder, and the record of its run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.cluster.api import Cluster
from harness.evidence.recorder import Recorder
from harness.objects import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, Kind
from harness.progress import Silent
from harness.suites.load import load
from harness.suites.model import Suite
from harness.suites.problems import Problems
from harness.suites.record import OperationRecord, RunRecord
from harness.suites.running.clients import Client
from harness.suites.running.options import RunOptions
from harness.suites.running.run import Run
from tests.fakes.api import FakeApi

WIDGETS = Kind("example.com/v1", "widgets", "Widget")
SECRETS = Kind("v1", "secrets", "Secret")
DEFINITIONS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
KINDS = (CONFIGMAPS, PODS, NAMESPACES, NODES, SECRETS, DEPLOYMENTS, DEFINITIONS, WIDGETS)
HEAD = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata:\n  name: a\n"


def serve(api: FakeApi, *kinds: Kind) -> None:
    """Have its discovery answer with these kinds."""
    groups: dict[str, dict[str, list[Kind]]] = {}
    for kind in kinds:
        version = kind.api_version.rpartition("/")[2]
        groups.setdefault(kind.group, {}).setdefault(version, []).append(kind)
    for root, chosen in (("/api", [""]), ("/apis", [group for group in groups if group])):
        api.documents[root] = {"items": [_group(name, groups.get(name, {})) for name in chosen]}


def _group(name: str, versions: Mapping[str, list[Kind]]) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "versions": [
            {"version": version, "resources": [_resource(kind) for kind in kinds]}
            for version, kinds in versions.items()
        ],
    }


def _resource(kind: Kind) -> dict[str, Any]:
    return {
        "resource": kind.plural,
        "responseKind": {"kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "verbs": ["get", "list", "watch"],
    }


class Suites:
    """Runs tests in `folder` against `api`, or (None) against no cluster at all."""

    def __init__(self, api: FakeApi | None, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self.options = RunOptions(scripts=True, variables={"PATH": "/usr/bin:/bin"})
        self.recorder: Recorder | None = None
        self.started: Callable[[Run], None] = lambda run: None

    def loaded(self, spec: str, head: str = HEAD) -> Suite:
        (self.folder / "chainsaw-test.yaml").write_text(head + spec)
        problems = Problems()
        [suite] = load([self.folder], problems)
        problems.require()
        return suite

    def run(self, spec: str, *, suite: Mapping[str, Any] | None = None, head: str = HEAD) -> RunRecord:
        """The record of one test; `suite` is what its configuration says."""
        return self.of(replace(self.loaded(spec, head), **(suite or {})))

    def of(self, *suites: Suite) -> RunRecord:
        client = None
        if self.api is not None:
            client = Client(Cluster(self.api.kubeconfig(self.folder)), read_only=self.options.read_only)
        run = Run(client, self.options, Silent(), self.recorder)
        self.started(run)
        return run.run(suites)

    def operations(self, spec: str, **more: Any) -> list[OperationRecord]:
        """The records of the operations in the steps of one test."""
        [test] = self.run(spec, **more).tests
        return [each for step in test.steps for each in step.operations if step.name.startswith("step")]


def steps(*operations: str) -> str:
    """The spec of a test in the namespace `ns` with one step of these operations, each in YAML's flow style."""
    return "spec:\n  namespace: ns\n  steps:\n  - try:\n" + "".join(f"    - {each}\n" for each in operations)
