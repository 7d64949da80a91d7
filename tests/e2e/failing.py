"""Cells that are made to fail on purpose: a tiny recipe, a lane with something in its way, and a shared control plane.

A cell is a real one, from its data to its Outcome; only the control plane and its controllers outlive it, so that a
failure costs seconds. What a cell leaves behind has the name of the cell.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.cells.cell import Cell
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.cluster.api import ApiError, Cluster, address
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.evidence.directory import new_run_id
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.flux import releases, sources
from harness.installers.platform import Platform
from harness.isolation.nodes import apply_nodes
from harness.isolation.reservation import Stay
from harness.objects import DAEMONSETS, DEPLOYMENTS, JOBS, PODS, STATEFULSETS, Kind, Object
from harness.processes.ports import free_ports
from harness.progress import Silent
from harness.publishing.publication import Packed
from harness.publishing.transport import Published
from harness.recipes.load import Catalog
from harness.recipes.profiles import load_storage_classes, select
from harness.recipes.resolve import resolve
from harness.results.journal import Journal
from harness.results.outcome import Outcome
from harness.runtime import RunningCluster
from harness.settings import ROOT, Settings, load
from harness.verdict import Passed
from kwok.host import launch
from kwok.nodes import NodePlan, node_objects
from kwok.platforms import HostPlatform
from lanes import find

Act = Callable[[Run, Published | None], None]  # what was pushed, once it is

POLICIES = Kind("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False)
BINDINGS = Kind(
    "admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", False
)
DELIVERIES = (  # who makes others comes before them
    sources.KUSTOMIZATIONS,
    releases.HELMRELEASES,
    sources.ARTIFACTGENERATORS,
    sources.OCIREPOSITORIES,
    sources.HELMREPOSITORIES,
    sources.HELMCHARTS,
    sources.GITREPOSITORIES,
    sources.EXTERNALARTIFACTS,
    APPLICATIONS,
)
LOOKS = 8  # with nothing there, 0.05 s apart
CHART = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 1
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      nodeSelector: {{ toJson .Values.nodeSelector }}
      tolerations: {{ toJson .Values.tolerations }}
      containers:
        - {name: main, image: example.com/app}
"""


def recipes(home: Path, name: str, templates: Mapping[str, str], repository: str = "file://charts") -> Path:
    """Recipe data with the recipe `eks` of one component `name`, whose chart has a Deployment and `templates`. It is
    below `home`, in charts/; `repository` is where the recipe says that it is.
    """
    chart = home / "charts" / name
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.2.3\n", encoding="utf-8")
    for file, text in {"deployment.yaml": CHART, **templates}.items():
        (chart / "templates" / file).write_text(text, encoding="utf-8")
    helm = {"defaultRepository": repository, "defaultChart": name, "defaultVersion": "1.2.3"}
    component = {
        "name": name,
        "helm": {**helm, "defaultNamespace": name},
        "nodeScheduling": {"system": {"nodeSelectorPaths": ["nodeSelector"], "tolerationPaths": ["tolerations"]}},
    }
    head = {"apiVersion": "aicr.nvidia.com/v1alpha1"}
    overlay = {"base": "base", "criteria": {"service": "eks"}, "componentRefs": [{"name": name}]}
    documents: dict[str, dict[str, Any]] = {
        "registry.yaml": {"kind": "ComponentRegistry", "components": [component]},
        "overlays/base.yaml": {"kind": "RecipeMetadata", "metadata": {"name": "base"}, "spec": {"componentRefs": []}},
        "overlays/eks.yaml": {"kind": "RecipeMetadata", "metadata": {"name": "eks"}, "spec": overlay},
    }
    for file, document in documents.items():
        (home / "recipes" / file).parent.mkdir(parents=True, exist_ok=True)
        (home / "recipes" / file).write_text(yaml.safe_dump(head | document), encoding="utf-8")
    return home / "recipes"


@dataclass
class Tapped(Run):
    """A run with something in its way before the artifact is pushed, and after."""

    before: Act | None = None
    after: Act | None = None

    def push(self) -> Published:
        if self.before is not None:
            self.before(self, None)
        published = super().push()
        if self.after is not None:
            self.after(self, published)
        return published


def tapped(lane: Lane, *, before: Act | None = None, after: Act | None = None) -> Lane:
    """The lane, told with something in its way."""

    def story(run: Run) -> Passed:
        parts = {each.name: getattr(run, each.name) for each in fields(run) if each.init and each.name[0] != "_"}
        return lane.story(Tapped(**parts, before=before, after=after))

    return replace(lane, story=story)


def in_bundle(change: Callable[[Path], object]) -> Act:
    """The bundle is changed once its contract was held against it."""

    def act(run: Run, _: Published | None) -> None:
        assert isinstance(run.publication, Packed)
        change(run.publication.directory)

    return act


class Resident(Stay):
    """A stay on a cluster that was there before and stays afterwards."""

    def __init__(self, running: RunningCluster, cluster: Cluster) -> None:
        self.name, self.running, self.cluster = running.name, running, cluster
        self.open = self.cleaned = False

    @property
    def restorable(self) -> bool:
        return False

    def begin(self, nodes: Sequence[Object]) -> tuple[RunningCluster, Cluster]:
        assert self.running is not None
        assert self.cluster is not None
        return self.running, self.cluster

    def remember(self) -> None: ...

    def end(self, *arguments: object, **options: object) -> str:
        return "left as it is"


@dataclass
class Plane:
    """A control plane with its nodes, on which one cell after the other is carried out."""

    settings: Settings
    tools: Callable[[str], Path]
    platform: Platform
    running: RunningCluster
    cluster: Cluster
    cells: list[str] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def up(cls, tools: Callable[[str], Path], home: Path, *, tainted: bool = True) -> Iterator["Plane"]:
        """A control plane below `home`, taken down afterwards; waits are impatient on it."""
        registry, git = free_ports(2, set())
        overrides = {
            "ports.registry": str(registry),
            "ports.git": str(git),
            "retries.attempts": "2",
            "retries.delay": "100ms",
            "deadlines.unschedulable": "3s",
            "deadlines.settle": "500ms",
        }
        settings = load(environment={}, overrides=overrides)
        platform = HostPlatform(settings, tools, home)
        runtime = platform.runtime
        running = runtime.up("plane", Silent())
        try:
            cluster = Cluster(running.kubeconfig, context=running.context)
            chosen = select(ROOT / "kwok" / "profiles", "eks", "any")
            nodes = node_objects(NodePlan.of(chosen, settings.nodes))
            for node in nodes if not tainted else ():
                node["spec"].pop("taints", None)
            objects = [*nodes, *load_storage_classes(ROOT / "kwok" / "profiles" / "eks")]
            apply_nodes(cluster, objects, Deadline.after(settings.deadlines.nodes_ready), Silent())
            yield cls(settings, tools, platform, running, cluster)
        finally:
            runtime.down("plane")

    def restart(self) -> None:
        """Kill the API server, and start it again a second later."""
        directory, server = self.running.directory, "kube-apiserver"
        os.kill(int((directory / "pids" / f"{server}.pid").read_text(encoding="utf-8")), signal.SIGKILL)
        time.sleep(1)
        launch.start_again(self.tools("kwokctl"), directory.parent.parent, self.running.name, server)

    def cell(
        self,
        name: str,
        lane: Lane | str,
        home: Path,
        *,
        templates: Mapping[str, str] | None = None,
        tools: Callable[[str], Path] | None = None,
        deadlines: Mapping[str, float] | None = None,
        repository: str = "file://charts",
    ) -> Outcome:
        """Carry out a cell whose only component is called `name`, its chart at `repository`; `home` is an empty
        directory.
        """
        self.cells.append(name)
        settings = self.settings.model_copy(
            update={
                "artifacts": home / "artifacts",
                "deadlines": self.settings.deadlines.model_copy(update=dict(deadlines or {})),
            }
        )
        return Cell(
            recipe=resolve(Catalog.load(recipes(home, name, templates or {}, repository)), "eks"),
            nodes=(),
            lane=find(lane) if isinstance(lane, str) else lane,
            settings=settings,
            bundler=BuiltinBundler(),
            platform=self.platform,
            stay=Resident(self.running, self.cluster),
            tools=tools or self.tools,
            cancel=lambda: None,
            journal=Journal(Silent()),
            run_id=new_run_id(),
            parity=False,  # with all that other cells have left
        ).carry_out()

    def clear(self) -> None:
        """Take deliveries of earlier cells away, and what they have brought to run."""
        clear(self.cluster)
        for name in self.cells:
            for kind in (DAEMONSETS, DEPLOYMENTS, JOBS, STATEFULSETS, PODS):
                for item in self.cluster.list(kind, namespace=name).items:
                    remove(self.cluster, kind, item)
        self.cells.clear()


def clear(cluster: Cluster) -> None:
    """Take all that Argo CD and Flux have been asked for away, until nobody who was under way makes more of it."""
    empty = 0

    def quiet() -> bool:
        nonlocal empty
        left = [(kind, item) for kind in DELIVERIES for item in listed(cluster, kind)]
        for kind, item in left:
            remove(cluster, kind, item)
        empty = 0 if left else empty + 1
        return empty > LOOKS

    until(quiet, 60.0)


def listed(cluster: Cluster, kind: Kind) -> Sequence[Mapping[str, Any]]:
    try:
        return cluster.list(kind).items
    except ApiError:  # nobody has installed the kind yet
        return ()


def remove(cluster: Cluster, kind: Kind, item: Mapping[str, Any]) -> None:
    """Without its finalizers: whoever should see to them may not be there."""
    name, namespace = item["metadata"]["name"], item["metadata"].get("namespace", "")
    with contextlib.suppress(ClusterError):
        cluster.delete(kind, namespace, name)
        if item["metadata"].get("finalizers"):
            cluster.patch_merge(kind, namespace, name, {"metadata": {"finalizers": None}})


@contextlib.contextmanager
def denied(cluster: Cluster, kind: Kind, example: Mapping[str, Any], unless: str, message: str) -> Iterator[None]:
    """Objects of `kind` are denied `unless` (CEL) by a policy that is in force: `example` is one that it denies."""
    group, _, version = kind.api_version.rpartition("/")
    rule = {"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE", "UPDATE"]}
    policy = {
        "apiVersion": POLICIES.api_version,
        "kind": POLICIES.kind,
        "metadata": {"name": "in-the-way"},
        "spec": {
            "matchConstraints": {"resourceRules": [{**rule, "resources": [kind.plural]}]},
            "validations": [{"expression": unless, "message": message}],
        },
    }
    binding = {
        "apiVersion": BINDINGS.api_version,
        "kind": BINDINGS.kind,
        "metadata": {"name": "in-the-way"},
        "spec": {"policyName": "in-the-way", "validationActions": ["Deny"]},
    }
    cluster.apply(POLICIES, policy)
    cluster.apply(BINDINGS, binding)
    where = address(kind, example["metadata"].get("namespace", ""))
    try:
        until(lambda: message in refusal(cluster, where, example))
        yield
    finally:
        cluster.delete(BINDINGS, "", "in-the-way")
        cluster.delete(POLICIES, "", "in-the-way")
        until(lambda: message not in refusal(cluster, where, example))


def refusal(cluster: Cluster, where: str, item: Mapping[str, Any]) -> str:
    try:
        cluster.request("POST", where, body=item, query={"dryRun": "All"})
    except ApiError as error:
        return str(error)
    return ""


def until(right: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not right():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def broken_tool(program: Path, directory: Path, script: str) -> Path:
    """A program in place of `program`, with the files that lie beside it."""
    directory.mkdir()
    for beside in program.parent.iterdir():
        if beside != program:
            (directory / beside.name).symlink_to(beside)
    made = directory / program.name
    made.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    made.chmod(0o755)
    return made
