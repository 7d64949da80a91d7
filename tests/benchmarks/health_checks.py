"""Real health checks by us and by chainsaw on one cluster: seconds, CPU, requests, and how late a verdict is.

    CHAINSAW=.cache/oracles/chainsaw python -m tests.benchmarks.health_checks [--checks 40] [--apart 0.5]

The checks are those of the corpus beside the project that are about definitions, workloads and pods. The cluster has
an API server and etcd, and no controllers, so that only this script decides when a check holds. Two rounds: all hold
from the beginning; one after another comes to hold, `apart` seconds each. Three programs: `health` is what the verb of
that name does with these checks, `test` is `kwok-harness test` with the same files as chainsaw, and chainsaw itself.
All judge four at once. Requests are counted by the server. Late is the time from the answer to the deciding write to
the end of the check, of checks that had begun before it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from harness.cluster.api import Cluster
from harness.formats.documents import Document
from harness.gates.findings import Gate
from harness.gates.health import Healthy
from harness.objects import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, NODES, SERVICE_ACCOUNTS, Kind
from harness.processes import daemons
from harness.progress import Silent
from harness.settings import ROOT, load
from harness.tools.toolbox import Toolbox, cache_directory
from harness.validation.health import Checking
from harness.validation.health_checks import HealthCheck, read
from harness.waiting.loop import Observe
from kwok.host import launch
from kwok.host.runtime import HostRuntime
from tests.unit.validation.test_health_corpus import CHECKS, NAMES, check_of, satisfying

SPACE = "benchmark"
AT_ONCE = 4
POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
PLURALS = {
    "CustomResourceDefinition": Kind(
        "apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
    ),
    "Deployment": Kind("apps/v1", "deployments", "Deployment"),
    "DaemonSet": Kind("apps/v1", "daemonsets", "DaemonSet"),
    "StatefulSet": Kind("apps/v1", "statefulsets", "StatefulSet"),
    "Pod": Kind("v1", "pods", "Pod"),
    "ConfigMap": Kind("v1", "configmaps", "ConfigMap"),
    "ClusterRole": CLUSTER_ROLES,
    "DeviceClass": Kind("resource.k8s.io/v1", "deviceclasses", "DeviceClass", namespaced=False),
}
KINDS = set(PLURALS)
WITHOUT_STATUS = {"CustomResourceDefinition", "ConfigMap", "ClusterRole", "DeviceClass"}  # or the server writes it


@dataclass
class Measured:
    """One program in one round. `spans` are when each check began and ended, in seconds since 1970."""

    wall: float
    cpu: float
    requests: int
    code: int
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def late(self, decided: Mapping[str, float]) -> list[float]:
        return [
            end - decided[name]
            for name, (begin, end) in self.spans.items()
            if name in decided and begin < decided[name] <= end
        ]


def chosen(count: int) -> list[str]:
    """The first checks that are about kinds of the script only."""
    kinds = {name: {each.document["kind"] for each in check_of(name).operations} for name in NAMES}
    return [name for name in NAMES if kinds[name] and kinds[name] <= KINDS][:count]


# --- the cluster ---


@contextmanager
def api_server(directory: Path) -> Iterator[tuple[Cluster, Path]]:
    """One without controllers, which would decide by themselves; and its log of all requests."""
    settings = load(environment={})
    with Toolbox(settings.tools, cache_directory(os.environ), Silent(), timeout=settings.deadlines.tool_build) as box:
        runtime = HostRuntime(settings, box.path, directory)
        running = runtime.up(SPACE, Silent())
        try:
            place = running.kubeconfig.parent
            others = ("kube-controller-manager", "kube-scheduler", "kwok-controller")
            daemons.stop([found for each in others if (found := launch.component(place, each)) is not None])
            cluster = Cluster(running.kubeconfig, context=running.context)
            server = launch.component(place, "kube-apiserver")
            assert server is not None
            argv = daemons.command_line(server.pid)
            daemons.stop([server])
            policy, log = directory / "policy.yaml", directory / "audit.log"
            policy.write_text(yaml.safe_dump(POLICY))
            noting = [f"--audit-policy-file={policy}", f"--audit-log-path={log}", "--audit-log-mode=blocking"]
            again = daemons.start([*argv, *noting], env=os.environ, cwd=place, log=directory / "server.log")
            assert cluster.healthy(60), (directory / "server.log").read_text()[-2000:]
            try:
                yield cluster, log
            finally:
                daemons.stop([again])
        finally:
            runtime.down(SPACE)


def account(cluster: Cluster, name: str, directory: Path) -> Path:
    """A kubeconfig of a user that the server counts apart."""
    cluster.apply(
        SERVICE_ACCOUNTS,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": SPACE}},
    )
    subject = {"kind": "ServiceAccount", "name": name, "namespace": SPACE}
    group = "rbac.authorization.k8s.io"
    cluster.apply(
        CLUSTER_ROLE_BINDINGS,
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{SPACE}-{name}"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [subject],
        },
    )
    path = f"/api/v1/namespaces/{SPACE}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    token = cluster.request("POST", path, body=body)["status"]["token"]
    file = directory / f"{name}.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(cluster.kubeconfig_of(token, SPACE)))
    return file


def counted(log: Path, name: str) -> int:
    """The requests of a user so far, as the server has noted them down; a WATCH is one."""
    user, found = f"system:serviceaccount:{SPACE}:{name}", set()
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry["user"].get("username") == user:
            found.add(entry["auditID"])
    return len(found)


# --- the objects ---


def served(item: dict[str, Any]) -> dict[str, Any]:
    """What the API server accepts, around what a check asks for."""
    kind, metadata = item["kind"], item["metadata"]
    spec = dict(item.get("spec") or {})
    labels = {"app": metadata["name"][:60]}
    container = {"name": "a", "image": "nowhere.example/a:1"}
    pod_labels = {**(metadata.get("labels") or {}), **labels}
    if kind == "CustomResourceDefinition":
        plural, _, group = metadata["name"].partition(".")
        names = {"plural": plural, "singular": plural, "kind": plural.capitalize(), "listKind": f"{plural}list"}
        version = {"name": "v1", "served": True, "storage": True}
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        spec = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    elif kind in WITHOUT_STATUS:
        kept = ("apiVersion", "kind", "metadata", "data", "rules", "spec")
        whole = {key: item[key] for key in kept if key in item}
        whole["metadata"] = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
        return whole | ({"spec": spec} if kind == "DeviceClass" else {})
    elif kind == "Pod":
        spec = {"containers": [container]}
    else:
        wanted = ((spec.get("template") or {}).get("spec")) or {}
        named = [{**container, **each} for each in wanted.get("containers") or [{}]]
        pod = {"volumes": wanted.get("volumes") or [], "containers": named}
        pod["initContainers"] = [{**container, **each} for each in wanted.get("initContainers") or ()]
        template = {"metadata": {"labels": pod_labels}, "spec": pod}
        spec = {key: spec[key] for key in ("replicas",) if key in spec and kind != "DaemonSet"}
        spec |= {"selector": {"matchLabels": labels}, "template": template}
        spec |= {"serviceName": "a"} if kind == "StatefulSet" else {}
    metadata = {key: metadata[key] for key in ("name", "namespace", "labels") if key in metadata}
    if kind == "CustomResourceDefinition":
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, for a benchmark"}
    return {"apiVersion": item["apiVersion"], "kind": kind, "metadata": metadata, "spec": spec}


def status_of(item: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """What decides: of this generation, with conditions that are complete."""
    status = dict(item.get("status") or {})
    status["observedGeneration"] = generation
    if item["kind"] == "DaemonSet":
        status = {"numberMisscheduled": 0, **status}
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    status["conditions"] = [
        {"type": each["type"], "status": each["status"], "lastTransitionTime": now} for each in status["conditions"]
    ]
    for each in (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())):
        each |= {"image": "a", "imageID": "", "ready": True}
    return status


class World:
    """The objects of all checks. `deciding` is, of each check, the one that comes last."""

    def __init__(self, cluster: Cluster, names: list[str]) -> None:
        self._cluster = cluster
        self._deciding: dict[str, tuple[Kind, dict[str, Any], int]] = {}
        spaces, kinds = set(), (*sorted(WITHOUT_STATUS), "Pod", "StatefulSet", "DaemonSet", "Deployment")
        for name in names:
            for item in sorted(satisfying(check_of(name)), key=lambda each: kinds.index(each["kind"])):
                kind, space = PLURALS[item["kind"]], str(item["metadata"].get("namespace") or "")
                if space and space not in spaces:
                    spaces.add(space)
                    self._space(space)
                made = cluster.apply(kind, served(item))
                if kind.kind in WITHOUT_STATUS:
                    continue
                generation = int(made["metadata"].get("generation") or 1)
                self._write(kind, item, status_of(item, generation))
                if kind.kind != "Pod":
                    self._deciding[name] = (kind, item, generation)

    def _space(self, name: str) -> None:
        self._cluster.apply(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        default = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        self._cluster.apply(SERVICE_ACCOUNTS, default)

    def _write(self, kind: Kind, item: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        metadata = item["metadata"]
        self._cluster.patch_merge(kind, metadata["namespace"], metadata["name"], {"status": status}, "status")

    def unmake(self) -> None:
        """No check holds any more that has something to decide it."""
        for kind, item, _ in self._deciding.values():
            nothing = dict.fromkeys(("availableReplicas", "readyReplicas", "updatedReplicas", "replicas"))
            if kind.kind == "DaemonSet":
                nothing = {"numberReady": 0, "numberAvailable": 0, "updatedNumberScheduled": 0}
            self._write(kind, item, {**nothing, "conditions": None})

    def decide(self, apart: float) -> dict[str, float]:
        """One check after another holds; when that was."""
        decided = {}
        for name, (kind, item, generation) in self._deciding.items():
            time.sleep(apart)
            self._write(kind, item, status_of(item, generation))
            decided[name] = time.time()
        return decided


# --- the programs ---


def measured(log: Path, user: str, argv: list[str], spans: Callable[[], dict[str, tuple[float, float]]]) -> Measured:
    before, begun = counted(log, user), time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=900)
    wall, now = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    if done.returncode not in (0, 1):
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
    return Measured(wall, cpu, counted(log, user) - before, done.returncode, spans())


def reported(file: Path) -> Callable[[], dict[str, tuple[float, float]]]:
    """From chainsaw's JSON report, which both write. Of a test that failed there is nothing to tell."""

    def spans() -> dict[str, tuple[float, float]]:
        tests = json.loads(file.read_text())["tests"]
        return {
            Path(test["basePath"]).name: (
                datetime.fromisoformat(test["startTime"]).timestamp(),
                datetime.fromisoformat(test["endTime"]).timestamp(),
            )
            for test in tests
            if test.get("status", "passed") == "passed"
        }

    return spans


def judge(kubeconfig: Path, folder: Path, spans: Path) -> int:
    """What the verb `health` does, with the checks of a folder; the spans go to a file."""
    checks: list[HealthCheck] = []
    for each in sorted(folder.iterdir()):
        checks += read(each.name, Document.read_all(each / "chainsaw-test.yaml"))
    owner = {id(operation.document): check.component for check in checks for operation in check.operations}
    begun, seen = time.time(), {}

    @contextmanager
    def recorded(gate: Gate, within: float) -> Iterator[Observe]:
        start = time.time()
        yield lambda judged: None
        if isinstance(gate, Healthy):
            seen[owner[id(gate.looks[0].document)]] = (start, time.time())

    results = Checking(Cluster(kubeconfig), False, 360, 30, recorded=recorded).all(checks)
    spans.write_text(json.dumps(seen))
    for result in results:
        if result.health != "passed":
            print(result)
    print(f"{time.time() - begun:.2f} s")
    return 0 if all(result.health == "passed" for result in results) else 1


def programs(
    cluster: Cluster, log: Path, chainsaw: Path, suites: Path, directory: Path
) -> Iterator[tuple[str, Callable[[], Measured]]]:
    ours, spans = account(cluster, "health", directory), directory / "spans.json"
    argv = [sys.executable, "-m", "tests.benchmarks.health_checks", "--judge", str(ours), str(suites), str(spans)]
    yield "health", lambda: measured(log, "health", argv, lambda: json.loads(spans.read_text()))
    tests = account(cluster, "test", directory)
    report = ["--report", "JSON", "--report-path", str(directory), "--report-name", "test"]
    words = [sys.executable, "-m", "harness", "test", str(suites), "--kubeconfig", str(tests), "--context", "run"]
    words += ["--read-only", "-n", SPACE, "--parallel", str(AT_ONCE), *report]
    yield "test", lambda: measured(log, "test", words, reported(directory / "test.json"))
    theirs = account(cluster, "chainsaw", directory)
    other = ["env", f"KUBECONFIG={theirs}", str(chainsaw), "test", "--test-dir", str(suites), "--namespace", SPACE]
    other += ["--parallel", str(AT_ONCE), "--report-format", "JSON", "--report-name", "chainsaw"]
    other += ["--report-path", str(directory), "--no-color"]
    yield "chainsaw", lambda: measured(log, "chainsaw", other, reported(directory / "chainsaw.json"))


def show(title: str, rows: Mapping[str, Measured], decided: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{title}")
    print(
        f"  {'':10} {'wall s':>7} {'CPU s':>7} {'requests':>9} {'passed':>7} {'median late ms':>15} {'slowest':>8} of"
    )
    for name, row in rows.items():
        late = row.late(decided.get(name, {}))
        told = f"{1000 * median(late):15.0f} {1000 * max(late):8.0f} {len(late)}" if late else f"{'-':>15}"
        print(f"  {name:10} {row.wall:7.1f} {row.cpu:7.2f} {row.requests:9} {len(row.spans):7} {told}")
    theirs = rows["chainsaw"]
    for name in ("health", "test"):
        row = rows[name]
        print(
            f"  {name} to chainsaw: CPU {row.cpu / theirs.cpu:.2f} (goal 0.5),"
            f" requests {row.requests / max(1, theirs.requests):.3f} (goal 0.1), wall {row.wall / theirs.wall:.2f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=40)
    parser.add_argument("--apart", type=float, default=0.5, help="seconds between two deciding events (0.5)")
    parser.add_argument("--judge", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        return judge(*options.judge)
    chainsaw = Path(os.environ.get("CHAINSAW", "")).resolve()
    if not chainsaw.is_file():
        print("CHAINSAW must name the program: `make benchmark-health` builds it")
        return 2
    names = chosen(options.checks)
    with tempfile.TemporaryDirectory() as home, api_server(Path(home, "clusters")) as (cluster, log):
        directory, suites = Path(home), Path(home, "suites")
        for name in names:
            (suites / name).mkdir(parents=True)
            (suites / name / "chainsaw-test.yaml").symlink_to(CHECKS / name / "health-check.yaml")
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
        cluster.apply(NAMESPACES, namespace)
        cluster.apply(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "real"}})  # all results count
        world = World(cluster, names)
        rows, late, decided = {}, {}, {}
        for name, run in programs(cluster, log, chainsaw, suites, directory):
            rows[name] = run()
            world.unmake()
            told: dict[str, float] = {}
            beside = threading.Thread(target=lambda told=told: told.update(world.decide(options.apart)))
            beside.start()
            late[name] = run()
            beside.join()
            decided[name] = told
        print(f"{len(names)} checks, {sum(len(check_of(name).operations) for name in names)} asserts and errors")
        show("all hold from the beginning", rows, {})
        show(f"one after another comes to hold, {options.apart} s apart", late, decided)
    return 0


if __name__ == "__main__":
    sys.exit(main())
