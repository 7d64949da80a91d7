"""Where a gate says that the cause lies: from what controllers report, and from nothing where they report nothing."""

from typing import Any

import pytest

from harness.gates.argocd.synced import Synced
from harness.gates.flux.releases import Reconciled
from harness.gates.workloads.installing import NothingUnschedulable
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload
from harness.gates.workloads.scheduled import ScheduledAsIntended
from harness.objects import DEPLOYMENTS, Object
from harness.verdict import CauseKind
from tests.fakes.gitops import (
    DIGEST,
    FLUX,
    OLD,
    application,
    changed,
    external,
    generator,
    helm_repository,
    kustomization,
    objects_of,
    release,
    remote_release,
    repository,
    root,
    stalled,
    unready,
)
from tests.fakes.objects import deployment, node, owned_by, pod, spec
from tests.fakes.objects import objects_of as of_workloads

PULL, RENDER, APPLY = CauseKind.PULL, CauseKind.RENDER, CauseKind.APPLY
RECONCILE, SCHEDULE = CauseKind.RECONCILE, CauseKind.SCHEDULE

WEB, SOURCE, TREE, MAKER = release("web"), repository(), kustomization(), generator("web")
CHARTLESS = unready(WEB, "SourceNotReady", "no chart")
NO_TAG = "failed to determine artifact digest: MANIFEST_UNKNOWN: manifest unknown"
HTTP = [generator("web"), external("web"), unready(helm_repository(), "Failed", "failed to fetch index: no such host")]


def flux(*items: Object) -> CauseKind | None:
    gate = Reconciled(
        DIGEST,
        source=(FLUX, "aicr-bundle"),
        kustomization=(FLUX, "aicr-demo"),
        releases=((FLUX, "web"),),
        generators=((FLUX, "web-chart"),),
    )
    replaced = {item["kind"] for item in items}
    standing = [each for each in (SOURCE, TREE, WEB, MAKER, external("web")) if each["kind"] not in replaced]
    return gate(objects_of([*items, *standing])).kind


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        (None, []),
        (PULL, [unready(SOURCE, "OCIArtifactPullFailed", NO_TAG)]),
        (PULL, [unready(SOURCE, "AuthenticationFailed", "no credential")]),
        (PULL, [stalled(SOURCE, "URLInvalid", "bad url")]),
        (PULL, [repository(OLD)]),
        (RENDER, [unready(TREE, "BuildFailed", "kustomize build failed")]),
        (APPLY, [unready(TREE, "ReconciliationFailed", "HelmRelease/web dry-run failed: x")]),
        (RECONCILE, [unready(TREE, "HealthCheckFailed", "timeout waiting")]),
        (None, [unready(TREE, "DependencyNotReady", "x")]),
        (None, [unready(TREE, "Progressing", "building", "Unknown")]),
        (RECONCILE, [changed(TREE, "spec.suspend", True)]),
        (RECONCILE, [unready(WEB, "InstallFailed", "context deadline exceeded")]),
        (APPLY, [unready(WEB, "InstallFailed", 'admission webhook "a" denied the request: no')]),
        (RENDER, [unready(WEB, "InstallFailed", "execution error at (a.yaml:1:1): no")]),
        (RENDER, [unready(WEB, "ValuesError", "missing key")]),
        (PULL, [unready(WEB, "ArtifactFailed", "could not get Source object")]),
        (PULL, [CHARTLESS]),
        (RENDER, [CHARTLESS, unready(MAKER, "BuildFailed", "no files")]),
        (PULL, [CHARTLESS, unready(MAKER, "SourceFetchFailed", "no")]),
        (PULL, [unready(remote_release("web"), "SourceNotReady", "no chart"), *HTTP]),
        (RECONCILE, [changed(WEB, "metadata.name", "other")]),
        (None, [changed(WEB, "status.lastAttemptedGeneration", 0)]),
        (RENDER, [unready(MAKER, "BuildFailed", "no files")]),
    ],
)
def test_flux(kind: CauseKind | None, items: list[Object]) -> None:
    """By the condition's reason, else by its message; what is only under way has no kind."""
    assert flux(*items) is kind


def test_a_stalled_release_is_what_its_last_attempt_was() -> None:
    """That no retries are left says nothing; why the last one failed does."""
    assert (
        flux(stalled(WEB, "RetriesExceeded", "Failed to install", "x: admission webhook denied the request")) is APPLY
    )
    assert flux(stalled(WEB, "RetriesExceeded", "Failed to install", "x: context deadline exceeded")) is RECONCILE
    assert flux(stalled(WEB, "RetriesExceeded", "a already exists", "x: execution error at (a.yaml:1:1)")) is RENDER


def test_a_kustomization_of_the_last_artifact_is_not_blamed_for_this_one() -> None:
    """That it could not be built from the artifact before is waited out."""
    assert flux(unready(kustomization(OLD), "BuildFailed", "no")) is None


def operation(*results: dict[str, Any], message: str = "one or more objects failed to apply") -> Object:
    item = changed(application("web", "OutOfSync", "Missing", "Failed"), "status.operationState.message", message)
    return changed(item, "status.operationState.syncResult.resources", list(results))


def condition(kind: str, message: str) -> Object:
    return changed(application("web"), "status.conditions", [{"type": kind, "message": message}])


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        (RENDER, condition("ComparisonError", "Failed to load target state: failed to generate manifest: template: a")),
        (PULL, condition("ComparisonError", "failed to pull chart: manifest unknown")),
        (CauseKind.INFRASTRUCTURE, condition("ComparisonError", "rpc error: code = Unavailable desc = x: dial tcp")),
        (APPLY, condition("InvalidSpecError", "project default does not exist")),
        (RECONCILE, condition("UnknownError", "x")),
        (APPLY, operation({"kind": "Service", "name": "a", "status": "SyncFailed", "message": "x"})),
        (RECONCILE, operation({"kind": "Job", "name": "a", "hookPhase": "Failed", "message": "BackoffLimit"})),
        (APPLY, operation({"kind": "Job", "hookPhase": "Failed", "message": 'jobs "a" is forbidden: no'})),
        (APPLY, operation(message="one or more synchronization tasks are not valid")),
        (RECONCILE, operation(message="something")),
        (None, changed(operation(message="denied by x"), "status.operationState.syncResult.revision", OLD)),
        (None, application("web", "OutOfSync", "Missing")),
        (None, changed(application("web"), "status.reconciledAt", None)),
    ],
)
def test_argo_cd(kind: CauseKind | None, item: Object) -> None:
    """By the condition's type and message, or by what the operation says of the resources that failed."""
    assert Synced("root", ("web",), DIGEST)(objects_of([root("web"), item])).kind is kind


@pytest.mark.parametrize(
    "resources", [[], [{"kind": "ConfigMap", "name": "a"}], [{"kind": "Application", "name": "b"}]]
)
def test_a_root_that_makes_no_application_was_not_rendered(resources: list[Any]) -> None:
    """Nothing, no Application at all, or not the one that is expected."""
    top = changed(root("web"), "status.resources", resources)
    assert Synced("root", ("web",), DIGEST)(objects_of([top, application("web")])).kind is RENDER


QUOTA = {"type": "ReplicaFailure", "status": "True", "message": 'pods "web-" is forbidden: exceeded quota: few'}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out"}


def refusing(condition: dict[str, Any]) -> list[Any]:
    objects = deployment()
    objects[0]["status"]["conditions"] = [condition]
    return objects


def unbound(**fields: Any) -> Any:
    return pod("web-p0", on="", owner=owned_by("ReplicaSet", "web-new"), **fields)


@pytest.mark.parametrize(
    ("kind", "objects"),
    [
        (None, []),
        (None, [deployment()]),
        (None, [deployment(), unbound()]),
        (SCHEDULE, [deployment(), unbound(refused="0/1 nodes are available")]),
        (SCHEDULE, [deployment(), unbound(of=spec(schedulerName="kai"))]),
        (APPLY, [refusing(QUOTA)]),
        (RECONCILE, [refusing(LATE)]),
        (RECONCILE, [deployment(replicas=0)]),
        (RECONCILE, [deployment(), pod("a", phase="Failed")]),
        (SCHEDULE, [deployment(), pod("web-p0", on="gone", owner=owned_by("ReplicaSet", "web-new"))]),
    ],
)
def test_workloads(kind: CauseKind | None, objects: list[Any]) -> None:
    """Pods that are nowhere are for the scheduler, unless somebody refused to make them or they failed."""
    want = ExpectedWorkload(DEPLOYMENTS, "apps", "web", "rel", Declared(), spec=spec())
    assert ScheduledAsIntended(Expected((want,)))(of_workloads(node("system-0"), *objects)).kind is kind


def test_what_is_not_rendered_cannot_be_verified() -> None:
    """No release renders a workload: the bundle is what it lies in."""
    assert ScheduledAsIntended(Expected(()))(of_workloads()).kind is RENDER


def test_a_pod_that_fits_nowhere_while_releases_install() -> None:
    """The hook that helm waits for without a word."""
    assert (
        NothingUnschedulable(frozenset({"apps"}))(of_workloads(node("system-0"), unbound(refused="0/1"))).kind
        is SCHEDULE
    )
