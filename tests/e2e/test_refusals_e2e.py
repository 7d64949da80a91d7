"""Pods that a real API server refuses: the run ends with its words, soon after they are said, unless it heals."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.exits import Exit
from harness.objects import FAILED_CREATES, NAMESPACES, QUOTAS, SERVICE_ACCOUNTS
from harness.results.outcome import Outcome
from harness.verdict import CauseKind
from tests.e2e.failing import Plane

pytestmark = pytest.mark.e2e

SOON = 15.0  # seconds of the phase that fails, on a busy machine; the deadlines are 60 and 300


@pytest.fixture(scope="module")
def plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane for all cells here."""
    with Plane.up(tools, tmp_path_factory.mktemp("r")) as made:
        yield made


@pytest.fixture(autouse=True)
def cleared(plane: Plane) -> Iterator[None]:
    yield
    plane.clear()


POD = """\
        spec:
          restartPolicy: {restart}
          nodeSelector: {{{{ toJson .Values.nodeSelector }}}}
          tolerations: {{{{ toJson .Values.tolerations }}}}
          {more}
          containers: [{{name: main, image: example.com/app, resources: {{requests: {{cpu: "1"}}}}}}]
"""


def workload(kind: str, name: str, *, more: str = "", spec: str = "", hook: str = "") -> str:
    """A template of a workload; `more` is a line of its pods' spec, `spec` one of its own."""
    job = kind == "Job"
    selector = "" if job else f"  selector: {{matchLabels: {{app: {name}}}}}\n"
    return (
        f"apiVersion: {'batch/v1' if job else 'apps/v1'}\nkind: {kind}\nmetadata:\n  name: {name}\n"
        + (f"  annotations: {{helm.sh/hook: {hook}}}\n" if hook else "")
        + f"spec:\n  {spec or '{}'}\n".replace("  {}\n", "")
        + selector
        + f"  template:\n        metadata: {{labels: {{app: {name}}}}}\n"
        + POD.format(restart="Never" if job else "Always", more=more)
    )


QUOTA = 'apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: small}\nspec: {hard: {pods: "0"}}\n'
LONG = "a-name-of-a-stateful-set-that-is-within-what-names-may-have-x"
PRIORITY = "no PriorityClass with name gold was found"
CLAIM = (
    "serviceName: x\n  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {storageClassName: nobody-has-it, "
    "accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}"
)


@dataclass(frozen=True)
class Case:
    """A template, and the words of the reason that the cell ends with."""

    name: str
    template: str
    says: str
    privileged: bool = True  # whether the namespace enforces nothing


CASES = (
    Case("set-quota", QUOTA + "---\n" + workload("StatefulSet", "x", spec="serviceName: x"), "exceeded quota: small"),
    Case("job-quota", QUOTA + "---\n" + workload("Job", "x"), "exceeded quota: small"),
    Case(
        "agent-security", workload("DaemonSet", "x", more="hostNetwork: true"), 'violates PodSecurity "baseline', False
    ),
    Case("web-priority", workload("Deployment", "x", more="priorityClassName: gold"), PRIORITY),
    Case("agent-account", workload("DaemonSet", "x", more="serviceAccountName: nobody"), 'account "nobody" not found'),
    Case("long", workload("StatefulSet", LONG, spec="serviceName: x"), "must be no more than 63 characters"),
    Case("paused", workload("Deployment", "x", spec="paused: true"), "is paused in its manifest"),
    Case("claim", workload("StatefulSet", "x", spec=CLAIM), "asks for StorageClass nobody-has-it, which is not here"),
)
HOOK = workload("Job", "hook", more="serviceAccountName: own", hook="pre-install")
ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: own}\n"


def seconds(outcome: Outcome, phase: str) -> float:
    return sum(each.seconds for each in outcome.phases if each.name == phase)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refusal_ends_the_run_with_its_words(plane: Plane, case: Case, tmp_path: Path) -> None:
    """Of whatever kind the workload is, and by whatever it is refused: class apply, and long before the deadline."""
    if not case.privileged:
        labels = {"pod-security.kubernetes.io/enforce": "baseline"}
        plane.cluster.apply(NAMESPACES, {**namespace(case.name), "metadata": {"name": case.name, "labels": labels}})
    outcome = plane.cell(case.name, "helm", tmp_path, templates={"more.yaml": case.template})
    assert outcome.exit == Exit.FAILURE, outcome.reason
    assert case.says in outcome.reason
    assert outcome.cause is not None
    assert outcome.cause.kind is CauseKind.APPLY
    assert seconds(outcome, "verify") < SOON


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.mark.parametrize(("lane", "phase"), [("helm", "install"), ("argocd-oci", "sync"), ("flux-oci", "sync")])
def test_a_hook_that_gets_no_pod_ends_every_lane(plane: Plane, lane: str, phase: str, tmp_path: Path) -> None:
    """Its account comes after the hook, with the rest of its own release: never."""
    outcome = plane.cell(f"hook-{lane}", lane, tmp_path, templates={"more.yaml": HOOK, "account.yaml": ACCOUNT})
    assert outcome.exit == Exit.FAILURE, outcome.reason
    assert 'serviceaccount "own" not found' in outcome.reason
    assert seconds(outcome, phase) < 3 * SOON


# What heals


def once_refused(cluster: Cluster, name: str, heal: Callable[[], None]) -> threading.Thread:
    """`heal` is done as soon as a controller says that it may not make a pod."""

    def work() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if cluster.list(FAILED_CREATES, namespace=name).items:
                heal()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("what", ["quota", "account"])
def test_a_refusal_that_heals_is_no_failure(plane: Plane, what: str, tmp_path: Path) -> None:
    """A quota is raised, an account comes: the controller tries again, and until then its Event is out of date."""
    name, cluster = f"heals-{what}", plane.cluster

    def heal() -> None:
        if what == "quota":
            cluster.patch_merge(QUOTAS, name, "small", {"spec": {"hard": {"pods": "9"}}})
        else:
            metadata = {"name": "later", "namespace": name}
            cluster.apply(SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})

    refused = workload("Deployment", "x", more="serviceAccountName: later" if what == "account" else "")
    template = f"{QUOTA}---\n{refused}" if what == "quota" else refused
    thread = once_refused(cluster, name, heal)
    outcome = plane.cell(name, "helm", tmp_path, templates={"more.yaml": template})
    thread.join()
    assert outcome.exit == Exit.OK, outcome.reason
