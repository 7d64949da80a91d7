"""What breaks between the harness and a bundle's workloads, broken on purpose: each with its code and its message."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.exits import Exit
from harness.gates.flux import sources
from harness.installers.argocd import configuration as argocd_configuration
from harness.objects import DEPLOYMENTS, Kind
from harness.publishing.oci.registry import Artifact, pack_chart, pack_directory
from harness.publishing.publication import Pushed
from harness.publishing.transport import Published
from harness.results.outcome import Outcome
from lanes import find
from tests.e2e.consumers import Pusher
from tests.e2e.failing import Act, Plane, denied, tapped

pytestmark = pytest.mark.e2e

LONG = 60.0  # seconds of a sync on a busy machine; the deadline is 300
AT_ONCE = 20.0
ARGOCD, WRAPPER, FLUX = "argocd-oci", "argocd-helm-oci", "flux-oci"


@pytest.fixture(scope="module")
def plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane for all cells here; each lane puts its controllers there, or finds them."""
    with Plane.up(tools, tmp_path_factory.mktemp("f")) as made:
        yield made


@pytest.fixture(autouse=True)
def cleared(plane: Plane) -> Iterator[None]:
    yield
    plane.clear()


def seconds(outcome: Outcome) -> float:
    """Of the sync, where it came to that."""
    return sum(phase.seconds for phase in outcome.phases if phase.name == "sync")


# --- what comes back ---


def later(seconds: float, work: Callable[[Run], None]) -> tuple[Act, list[threading.Thread]]:
    """An act that does `work` some seconds after the push, while the lane waits; and its thread, to be joined."""
    threads: list[threading.Thread] = []

    def act(run: Run, _: Published | None) -> None:
        threads.append(threading.Timer(seconds, work, [run]))
        threads[0].start()

    return act, threads


@pytest.mark.parametrize("lane", [ARGOCD, FLUX])
def test_an_api_server_that_is_killed_and_comes_back_changes_no_verdict(
    plane: Plane, lane: str, tmp_path: Path
) -> None:
    """Neither the harness nor the controllers end with it, and what it forgets at first is no verdict."""
    act, threads = later(0.5, lambda run: plane.restart())
    outcome = plane.cell(f"api-{lane}", tapped(find(lane), after=act), tmp_path, deadlines={"unschedulable": 20.0})
    for thread in threads:
        thread.join()
    assert outcome.exit == Exit.OK, outcome.reason


def test_a_controller_that_is_started_again_goes_on(plane: Plane, tmp_path: Path) -> None:
    """Argo CD's controller ends in the middle of a sync, as somebody wanted, and the next one finishes it."""

    def restart(run: Run) -> None:
        run.services.stop(argocd_configuration.CONTROLLER)
        for installer in find(ARGOCD).infrastructure:
            run.services.install(installer)

    act, threads = later(0.5, restart)
    outcome = plane.cell("controller", tapped(find(ARGOCD), after=act), tmp_path, deadlines={"unschedulable": 20.0})
    for thread in threads:
        thread.join()
    assert outcome.exit == Exit.OK, outcome.reason


# --- what gets in the way ---


def without(service: str) -> Act:
    """The service is not running; that somebody wanted it so is no death."""
    return lambda run, _: run.services.stop(service)


def no_tag(run: Run, published: Published | None) -> None:
    assert published is not None
    Pusher(published.registry).forget(published.repository, published.digest)


def moved_to(other: Callable[[Pushed], Artifact]) -> Act:
    """Somebody moves the tag after it was pushed, which the harness itself never does."""

    def act(run: Run, published: Published | None) -> None:
        assert published is not None
        artifact, repository, pusher = other(run.pushed), published.repository, Pusher(published.registry)
        for blob in (artifact.config, artifact.layer):
            pusher.blob(repository, blob)
        pusher.manifest(repository, published.tag, artifact.manifest)

    return act


def other_type(pushed: Pushed) -> Artifact:
    wrapper = pushed.delivery.shape == "argocd-helm"
    artifact = pack_chart(pushed.directory) if wrapper else pack_directory(pushed.directory)
    return replace(artifact, layer_media_type="application/vnd.example.layer")


def rootless(pushed: Pushed) -> Artifact:
    """The wrapper chart without what makes the root."""
    (pushed.directory / "templates" / f"{pushed.delivery.root}.yaml").unlink()
    return pack_chart(pushed.directory, version=pushed.target.tag)


HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: hook
  annotations: {helm.sh/hook: post-install}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: %s
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {rack: nowhere}
      containers:
        - {name: main, image: example.com/hook}
"""
ENDLESS = """\
apiVersion: v1
kind: Pod
metadata:
  name: hook
  annotations: {helm.sh/hook: post-install}
spec:
  restartPolicy: Never
  tolerations: [{operator: Exists}]
  containers:
    - {name: main, image: example.com/hook}
"""
REFUSED_HERE = """\
{{- $versions := .Capabilities.APIVersions }}
{{- if or ($versions.Has "argoproj.io/v1alpha1") ($versions.Has "source.toolkit.fluxcd.io/v1") }}
{{- fail "not on this cluster" }}
{{- end }}
"""


@dataclass(frozen=True)
class Case:
    """`says` is a pattern that the reason has to contain; `after` and `before` get in the way of the push."""

    name: str
    lane: str
    says: str
    exit: Exit = Exit.FAILURE
    before: Act | None = None
    after: Act | None = None
    template: str = ""
    deadlines: Mapping[str, float] = field(default_factory=dict)

    @property
    def acted(self) -> Lane:
        return tapped(find(self.lane), before=self.before, after=self.after)


OCI = "OCIRepository flux-system/aicr-bundle: is not ready: "
ROOT = "Application argocd/nvidia-stack: ComparisonError: "
AFTER = r"after \S+ s: "
WHEN = r"its last transition: \S.* at 20.*last change: \S.*before it: .*push \d"
SHORT = {"argocd_sync": 8.0, "flux_sync": 8.0, "argocd_root_grace": 2.0}
GONE, TYPE = without("registry"), moved_to(other_type)
CASES = (
    Case("push", ARGOCD, "registry cannot be reached: Connection refused", Exit.REGISTRY_UNREACHABLE, before=GONE),
    Case("pull", ARGOCD, ROOT + ".*connection refused", after=GONE),
    Case("pull", FLUX, OCI + "OCIArtifactPullFailed: .*connection refused", after=GONE),
    Case("tag", ARGOCD, ROOT + ".*argocd-oci: not found", after=no_tag),
    Case("tag", WRAPPER, "the chart could not be fetched\n.*: not found", after=no_tag),
    Case("tag", FLUX, OCI + "OCIArtifactPullFailed: .*MANIFEST_UNKNOWN", after=no_tag),
    Case("type", ARGOCD, ROOT + ".*expected only a single oci content layer, got 0", after=TYPE),
    Case("type", WRAPPER, "does not contain a layer with mediatype application/vnd.cncf.helm.chart", after=TYPE),
    Case("type", FLUX, OCI + ".*failed to find layer with media type", after=TYPE),
    # What a chart refuses on this cluster alone is found before anything is delivered.
    Case("render", ARGOCD, "render-argocd-oci.*does not render: .*not on this cluster", template=REFUSED_HERE),
    Case("render", FLUX, "render-flux-oci.*does not render: .*not on this cluster", template=REFUSED_HERE),
    Case("hook", ARGOCD, "hook-argocd-oci.*Job was active longer than specified deadline", template=HOOK % 1),
    Case(
        "hook", FLUX, "is stalled: RetriesExceeded: .*failed post-install: .*Job/hook-flux-oci/hook", template=HOOK % 1
    ),
    Case("rack", ARGOCD, "(?s)Job rack-argocd-oci/hook: .*lacks label rack=nowhere", template=HOOK % 300),
    Case("rack", FLUX, "(?s)Job rack-flux-oci/hook: .*lacks label rack=nowhere", template=HOOK % 300),
    Case(
        "endless",
        ARGOCD,
        f"(?s)Application argocd/endless-argocd-oci: {AFTER}is .*operation Running.*{WHEN}",
        Exit.SYNC_DEADLINE,
        template=ENDLESS,
        deadlines=SHORT,
    ),
    Case(
        "endless",
        FLUX,
        f"(?s)HelmRelease flux-system/endless-flux-oci: {AFTER}is being reconciled: Progressing: .*{WHEN}",
        Exit.SYNC_DEADLINE,
        template=ENDLESS,
        deadlines=SHORT,
    ),
    Case(
        "watcher",
        FLUX,
        f"ArtifactGenerator flux-system/watcher-flux-oci-chart: {AFTER}has not been looked at by its controller",
        Exit.SYNC_DEADLINE,
        before=without("source-watcher"),
        deadlines=SHORT,
    ),
    Case(
        "root",
        WRAPPER,
        f"Application argocd/aicr-stack: {AFTER}is not there",
        after=moved_to(rootless),
        deadlines=SHORT,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.lane}")
def test_a_failure_has_its_code_and_the_words_of_who_saw_it(plane: Plane, case: Case, tmp_path: Path) -> None:
    """Long before the deadline, unless nothing but the deadline can end it."""
    name = f"{case.name}-{case.lane}"
    outcome = plane.cell(name, case.acted, tmp_path, templates={"more.yaml": case.template}, deadlines=case.deadlines)
    assert outcome.exit == case.exit, outcome.reason
    assert re.search(case.says, outcome.reason), outcome.reason
    assert seconds(outcome) < LONG


# --- what is denied ---


DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "x", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
    },
}


@pytest.mark.parametrize("lane", [ARGOCD, FLUX])
def test_a_denied_object_is_told_in_the_words_of_who_denied_it(plane: Plane, lane: str, tmp_path: Path) -> None:
    """An admission policy stands in the way of the workload: 1, and not the deadline."""
    with denied(plane.cluster, DEPLOYMENTS, DEPLOYMENT, "false", "no deployments here"):
        outcome = plane.cell(f"denied-{lane}", lane, tmp_path)
    assert outcome.exit == Exit.FAILURE
    assert re.search(f"^(Application|HelmRelease) .*/denied-{lane}: .*no deployments here", outcome.reason)
    assert seconds(outcome) < LONG


def test_what_the_harness_itself_may_not_do_ends_it_at_once(plane: Plane, tmp_path: Path) -> None:
    """A hard answer of the API server to the harness: asking again would not change it."""
    kind: Kind = sources.OCIREPOSITORIES
    example = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "x", "namespace": "default"},
        "spec": {"url": "oci://x/y", "interval": "1m"},
    }
    plane.cell("first", FLUX, tmp_path / "first")
    with denied(plane.cluster, kind, example, "false", "no sources here"):
        outcome = plane.cell("apply", FLUX, tmp_path / "second")
    assert outcome.exit == Exit.FAILURE
    assert "no sources here" in outcome.reason
    assert seconds(outcome) < AT_ONCE
