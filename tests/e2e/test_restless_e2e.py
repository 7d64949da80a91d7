"""What Argo CD calls synced and does not stay so, or never was: told in its own words, or as a note."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.exits import Exit
from harness.results.outcome import Outcome
from harness.verdict import CauseKind
from tests.e2e.failing import Plane

pytestmark = pytest.mark.e2e

ARGOCD = "argocd-oci"
LONG = 60.0  # seconds of a sync on a busy machine; the deadline is 300


@pytest.fixture(scope="module")
def plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane for all cells here."""
    with Plane.up(tools, tmp_path_factory.mktemp("q")) as made:
        yield made


@pytest.fixture(autouse=True)
def cleared(plane: Plane) -> Iterator[None]:
    yield
    plane.clear()


ENDPOINTS = """\
apiVersion: v1
kind: Service
metadata: {name: licences}
spec: {ports: [{port: 27000}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: licences}
subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 27000}]}]
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: once
  annotations: {%s}
spec:
  %s
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {{ toJson .Values.nodeSelector }}
      tolerations: {{ toJson .Values.tolerations }}
      containers: [{name: main, image: example.com/app}]
"""
HOOK = JOB % ("argocd.argoproj.io/hook: Sync, argocd.argoproj.io/hook-delete-policy: HookSucceeded", "backoffLimit: 0")
SCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: x}
spec:
  minReplicas: 2
  maxReplicas: 4
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .Release.Name }}}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"""


def seconds(outcome: Outcome) -> float:
    return sum(phase.seconds for phase in outcome.phases if phase.name == "sync")


def test_what_argo_cd_leaves_out_is_red_in_its_words(plane: Plane, tmp_path: Path) -> None:
    """Endpoints are excluded by its default settings; it calls the Application synced all the same."""
    outcome = plane.cell("excluded", ARGOCD, tmp_path, templates={"more.yaml": ENDPOINTS})
    assert outcome.exit == Exit.FAILURE, outcome.reason
    assert "ExcludedResourceWarning: Resource /Endpoints licences is excluded in the settings" in outcome.reason
    assert outcome.cause is not None
    assert outcome.cause.kind is CauseKind.APPLY


@pytest.mark.parametrize("ttl", [0, 5])
def test_a_job_that_takes_itself_away_is_green_with_a_note(plane: Plane, ttl: int, tmp_path: Path) -> None:
    """Argo CD makes it again for ever, and is OutOfSync whenever it is gone; it has done what was asked for."""
    template = JOB % ("", f"ttlSecondsAfterFinished: {ttl}")
    outcome = plane.cell(f"ttl-{ttl}", ARGOCD, tmp_path, templates={"more.yaml": template})
    assert outcome.exit == Exit.OK, outcome.reason
    assert [note for note in outcome.notes if "makes it again, for ever" in note]
    assert seconds(outcome) < LONG


def test_a_suspended_job_and_a_hook_of_argo_cds_own_are_green(plane: Plane, tmp_path: Path) -> None:
    """The one leaves the Application Suspended, the other is gone once it has succeeded."""
    templates = {"more.yaml": JOB % ("", "suspend: true"), "hook.yaml": HOOK.replace("name: once", "name: hook")}
    outcome = plane.cell("suspended", ARGOCD, tmp_path, templates=templates)
    assert outcome.exit == Exit.OK, outcome.reason
    assert [note for note in outcome.notes if "has no pods now (suspended)" in note]
    assert seconds(outcome) < LONG


def test_an_autoscaler_and_self_heal_are_red_whoever_was_last(plane: Plane, tmp_path: Path) -> None:
    """The manifest says one replica, the autoscaler keeps two; under helm nobody puts the one back."""
    outcome = plane.cell("healed", ARGOCD, tmp_path / "a", templates={"more.yaml": SCALER})
    assert outcome.exit == Exit.FAILURE, outcome.reason
    assert "keeps at least 2 replicas, and a manifest that says 1" in outcome.reason
    plane.clear()
    outcome = plane.cell("scaled", "helm", tmp_path / "h", templates={"more.yaml": SCALER})
    assert outcome.exit == Exit.OK, outcome.reason
