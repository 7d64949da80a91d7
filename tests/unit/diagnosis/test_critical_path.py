"""What each second of a cell was spent on, read from recordings; those here are of real cells, cut to what matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis.critical_path import critical_path
from harness.diagnosis.critical_path.backward import Backward
from harness.evidence.replay import Replay
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.flux.releases import HELMRELEASES
from harness.gates.flux.sources import EXTERNALARTIFACTS, OCIREPOSITORIES
from harness.objects import JOBS, PODS
from harness.results.critical_path import CriticalPath, Whose
from tests.fakes.objects import pod
from tests.fakes.recordings import (
    application,
    helm_release,
    job,
    nudge,
    ready,
    recording,
    task,
    wait,
)

OURS, DEPLOYER, IDLE = Whose.OURS, Whose.DEPLOYER, Whose.IDLE
POLL = "helm-controller's look at readiness, every 5 s"
SETTLE = "our settle: the verdict has to stand"
RUNNING = ("Unknown", "Progressing", "Running 'install' action with timeout of 5m0s")


def told(found: Replay) -> list[tuple[float, Whose, str, str]]:
    """The hops of at least 0.05 s: beginning, whose, what, cause."""
    path = critical_path(found)
    whole(path)
    return [(round(h.begun, 3), h.whose, h.what, h.cause) for h in path.hops if h.seconds >= 0.05]


def whole(path: CriticalPath) -> None:
    """Each hop begins where the one before it ended."""
    assert [hop.begun for hop in path.hops[1:]] == [hop.ended for hop in path.hops[:-1]]
    assert all(hop.seconds > 0 for hop in path.hops)
    assert sum(path.share(whose) for whose in Whose) == pytest.approx(path.seconds)


def test_what_ended_last_is_what_was_waited_for() -> None:
    """The bundle was done long before the cluster, so only the cluster is on the path, with its parts."""
    found = recording(
        task("tools", 0.0, 0.1, "cluster"),
        task("cluster", 0.1, 48.0, "cluster"),
        task("control plane", 0.2, 47.0, "cluster"),
        task("images into the node", 36.0, 40.0, "cluster"),
        task("nodes", 47.0, 47.6, "cluster"),
        task("bundle", 0.0, 0.3, "bundle"),
        task("render", 0.3, 1.0, "bundle"),
        task("parity", 48.0, 49.0),
    )
    assert told(found) == [
        (0.0, OURS, "tools", "our boot"),
        (0.1, OURS, "cluster", "our boot"),
        (0.2, OURS, "control plane", "our boot"),
        (36.0, OURS, "images into the node", "image layer"),
        (40.0, OURS, "control plane", "our boot"),
        (47.0, OURS, "nodes", "our boot"),
        (47.6, OURS, "cluster", "our boot"),
        (48.0, OURS, "parity", "our parity check"),
    ]


def test_parts_of_the_infrastructure_are_installed_side_by_side() -> None:
    """The one that took longest is on the path, as a part of the phase, although it has a thread of its own."""
    found = recording(
        task("infrastructure", 0.0, 3.0, "cluster"),
        task("gitea", 0.1, 2.9, "cluster: gitea"),
        task("argocd", 0.1, 2.0, "cluster: argocd"),
    )
    assert told(found) == [
        (0.0, OURS, "infrastructure", "our boot"),
        (0.1, OURS, "gitea", "our boot"),
        (2.9, OURS, "infrastructure", "our boot"),
    ]


def test_a_recording_that_names_no_threads_is_told_by_its_phases() -> None:
    """What went on beside a phase is no part of it, and nothing says which it was."""
    found = recording(task("cluster", 0.0, 5.0, ""), task("render", 0.3, 1.0, ""), task("verify", 5.0, 6.0, ""))
    assert told(found) == [(0.0, OURS, "cluster", "our boot"), (5.0, OURS, "verify", "our verdict")]


def test_the_settle_of_a_verdict_is_ours() -> None:
    """Until the first look the harness lists, then pods are waited for, then the verdict has to stand."""
    pods = [(6.0, PODS, pod("a")), (7.0, PODS, pod("a", on="gpu-0"))]
    found = recording(task("cluster", 0.0, 5.0), task("verify", 5.0, 9.5), wait(5.5, 9.25, pods))
    assert told(found) == [
        (0.0, OURS, "cluster", "our boot"),
        (5.0, OURS, "verify", "our verdict"),
        (5.5, OURS, "verify", "the harness lists what it judges"),
        (6.0, DEPLOYER, "verify", "what it waits for comes about"),
        (7.0, OURS, "verify", SETTLE),
        (9.25, OURS, "verify", "our verdict"),
    ]


def test_helm_releases_come_one_after_another_with_their_hooks() -> None:
    """The release that ended last before another began is what that one waited for; a hook's Job is told."""
    releases = [
        {"name": "nfd", "namespace": "nfd", "after": []},
        {"name": "efa", "namespace": "efa", "after": []},
        {"name": "gpu-operator", "namespace": "gpu-operator", "after": ["nfd"]},
    ]
    hook = [(3.0, JOBS, job("gpu-operator", "validator")), (4.2, JOBS, job("gpu-operator", "validator", complete=True))]
    found = recording(
        task("cluster", 0.0, 1.0, "cluster"),
        task("install", 1.0, 5.01),
        task("release nfd", 1.0, 2.0, "helm_0"),
        task("release efa", 1.0, 1.5, "helm_1"),
        task("release gpu-operator", 2.0, 5.0, "helm_0"),
        wait(1.0, 5.0, hook, how="cancelled"),
        releases=releases,
    )
    assert told(found) == [
        (0.0, OURS, "cluster", "our boot"),
        (1.0, DEPLOYER, "release nfd", "helm renders and applies it"),
        (2.0, DEPLOYER, "release gpu-operator, after nfd", "helm renders and applies it"),
        (3.0, DEPLOYER, "release gpu-operator, after nfd", "helm's hook wait: Job validator"),
        (4.2, DEPLOYER, "release gpu-operator, after nfd", "helm ends it"),
    ]


def test_flux_waits_for_dependencies_charts_and_its_own_clock() -> None:
    """From the release that completed the wait back to the source, with the poll of helm-controller as idle time."""
    waiting = ("False", "DependencyNotReady", "dependency 'flux-system/crds' is not ready")
    events = [
        (2.0, OCIREPOSITORIES, ready("aicr-bundle", "Unknown")),
        (2.5, OCIREPOSITORIES, ready("aicr-bundle")),
        (3.0, HELMRELEASES, helm_release("crds")),
        (3.0, HELMRELEASES, helm_release("stack", after=["crds"])),
        (3.0, EXTERNALARTIFACTS, ready("stack-chart")),
        (3.2, HELMRELEASES, helm_release("stack", *waiting, after=["crds"])),
        (3.5, EXTERNALARTIFACTS, ready("crds-chart", "Unknown")),
        (4.0, EXTERNALARTIFACTS, ready("crds-chart")),
        (4.1, HELMRELEASES, helm_release("crds", "False", "SourceNotReady", "not ready")),
        (4.5, HELMRELEASES, helm_release("crds", *RUNNING)),
        (6.0, HELMRELEASES, helm_release("crds", "True", "InstallSucceeded")),
        (6.3, HELMRELEASES, helm_release("stack", *RUNNING, after=["crds"])),
        (7.5, PODS, pod("a", namespace="stack")),
        (8.0, PODS, pod("a", namespace="stack", on="gpu-0")),
        (12.5, JOBS, job("stack", "check")),
        (13.5, JOBS, job("stack", "check", complete=True)),
        (17.5, HELMRELEASES, helm_release("stack", "True", "InstallSucceeded", after=["crds"])),
    ]
    found = recording(
        task("push", 0.0, 1.0),
        task("sync", 1.0, 19.6),
        wait(1.5, 19.6, events),
        nudge(6.1, "HelmRelease flux-system/stack"),
    )
    crds, stack = "HelmRelease flux-system/crds", "HelmRelease flux-system/stack"
    assert told(found) == [
        (0.0, OURS, "push", "our bundle"),
        (1.0, DEPLOYER, "sync", "the root object is applied and seen"),
        (2.0, DEPLOYER, "OCIRepository flux-system/aicr-bundle", "source-controller fetches it"),
        (2.5, DEPLOYER, "Kustomization", "kustomize-controller builds and applies it"),
        (3.0, DEPLOYER, crds, "its chart is asked for"),
        (3.5, DEPLOYER, "ExternalArtifact flux-system/crds-chart", "the chart is packaged"),
        (4.0, DEPLOYER, crds, "looked at again after its chart, by helm-controller's own clock"),
        (4.5, DEPLOYER, crds, "helm-controller renders and applies it"),
        (6.0, DEPLOYER, stack, "looked at again after crds, as it was asked to"),
        (6.3, DEPLOYER, stack, "helm-controller renders and applies it"),
        (7.5, DEPLOYER, stack, "its objects become ready"),
        (8.0, IDLE, stack, POLL),
        (12.5, DEPLOYER, stack, "helm's hook wait: Job check"),
        (13.5, IDLE, stack, POLL),
        (17.5, OURS, "sync", SETTLE),
    ]


def test_the_poll_is_the_one_that_was_recorded() -> None:
    """The strategy legacy looks every 2 s."""
    events = [
        (0.0, HELMRELEASES, helm_release("stack", *RUNNING)),
        (1.0, PODS, pod("a", namespace="stack")),
        (2.5, HELMRELEASES, helm_release("stack", "True", "InstallSucceeded")),
    ]
    found = recording(task("sync", 0.0, 2.5), wait(0.0, 2.5, events), timers={"readiness poll": 2})
    assert told(found)[-1][3] == "helm-controller's look at readiness, every 2 s"


def test_a_release_that_nobody_woke_is_idle_until_its_own_clock_rings() -> None:
    """What it depends on was ready for 12 s, and helm-controller had not looked."""
    waiting = ("False", "DependencyNotReady", "dependency 'flux-system/crds' is not ready")
    events = [
        (0.0, HELMRELEASES, helm_release("crds", *RUNNING)),
        (0.0, HELMRELEASES, helm_release("stack", *waiting, after=["crds"])),
        (3.0, HELMRELEASES, helm_release("crds", "True", "InstallSucceeded")),
        (15.0, HELMRELEASES, helm_release("stack", *RUNNING, after=["crds"])),
        (16.0, HELMRELEASES, helm_release("stack", "True", "InstallSucceeded", after=["crds"])),
    ]
    found = recording(task("sync", 0.0, 16.0), wait(0.0, 16.0, events))
    assert (3.0, IDLE, "HelmRelease flux-system/stack") in [each[:3] for each in told(found)]
    assert critical_path(found).share(IDLE) == 12.0


def test_argo_cd_goes_from_wave_to_wave_and_retries_after_a_pause() -> None:
    """From the Application that completed the wait back through its sync, the waves of the root, and the root."""
    crd = "waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/policies.example.com"
    hook = "waiting for completion of hook batch/Job/validator"
    retry = "one or more synchronization tasks completed unsuccessfully. Retrying attempt #1 at 11:21AM."

    def child(**fields: str) -> dict[str, object]:
        return application("gpu", wave=2, compared=True, **fields)

    events = [
        (1.2, APPLICATIONS, application("root")),
        (2.0, APPLICATIONS, application("root", compared=True, phase="Running")),
        (2.5, APPLICATIONS, application("crds", wave=1)),
        (2.7, APPLICATIONS, application("nfd", wave=1)),
        (4.5, APPLICATIONS, application("gpu", wave=2)),
        (6.0, APPLICATIONS, child()),
        (6.1, APPLICATIONS, child(phase="Running")),
        (7.0, APPLICATIONS, child(phase="Running", message=crd)),
        (7.8, APPLICATIONS, child(phase="Running", message=retry)),
        (11.0, APPLICATIONS, child(phase="Running", message="Retrying operation. Attempt #1")),
        (12.0, APPLICATIONS, child(phase="Running", message=hook)),
        (13.0, APPLICATIONS, child(phase="Succeeded", message="successfully synced")),
        (18.0, APPLICATIONS, child(phase="Succeeded", message="successfully synced", health="Healthy")),
    ]
    found = recording(
        task("push", 0.0, 1.0), task("sync", 1.0, 20.0), wait(1.0, 20.0, events), timers={"wave delay": 1}
    )
    root, gpu = "Application argocd/root", "Application argocd/gpu"
    assert told(found) == [
        (0.0, OURS, "push", "our bundle"),
        (1.0, DEPLOYER, "sync", "the root object is applied and seen"),
        (1.2, DEPLOYER, root, "Argo CD renders and compares it (repo server)"),
        (2.0, DEPLOYER, root, "Argo CD syncs it"),
        (2.5, DEPLOYER, root, "makes the Applications of wave 1"),
        (2.7, IDLE, root, "Argo CD's delay after a wave (1 s)"),
        (3.7, DEPLOYER, root, "goes on to the next wave after wave 1"),
        (4.5, DEPLOYER, gpu, "Argo CD renders and compares it (repo server)"),
        (6.0, DEPLOYER, gpu, "Argo CD begins to sync it"),
        (6.1, DEPLOYER, gpu, "Argo CD syncs it"),
        (7.0, DEPLOYER, gpu, "its sync waits for the health of CustomResourceDefinition/policies.example.com"),
        (7.8, IDLE, gpu, "pause before another attempt of its sync"),
        (11.0, DEPLOYER, gpu, "Argo CD syncs it"),
        (12.0, DEPLOYER, gpu, "hook wait: Job/validator"),
        (13.0, IDLE, gpu, "until Argo CD looked again (resync)"),
        (18.0, OURS, "sync", SETTLE),
    ]


def test_a_sync_that_waits_for_what_is_healthy_is_idle_once_nothing_moves() -> None:
    """Its objects came 2 s into it, and Argo CD looked 16 s later, although it was asked to before."""
    crd = "waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/policies.example.com"
    events = [
        (0.0, APPLICATIONS, application("gpu", compared=True, phase="Running", message=crd)),
        (2.0, PODS, pod("a", namespace="gpu", on="gpu-0")),
        (18.0, APPLICATIONS, application("gpu", compared=True, phase="Succeeded", message="successfully synced")),
    ]
    gpu = "Application argocd/gpu"
    found = recording(task("sync", 0.0, 18.0), wait(0.0, 18.0, events), nudge(9.0, gpu))
    assert told(found) == [
        (0.0, DEPLOYER, gpu, "its sync waits for the health of CustomResourceDefinition/policies.example.com"),
        (2.0, IDLE, gpu, "until Argo CD looked again (resync)"),
    ]


@pytest.mark.parametrize("how", ["expired", "failed"])
def test_a_delivery_that_failed_leads_to_what_is_blamed(how: str) -> None:
    """Not to what moved last, which may be well: to the subject of the last verdict."""
    hook = "waiting for completion of hook batch/Job/validator"
    events = [
        (1.0, APPLICATIONS, application("root")),
        (2.0, APPLICATIONS, application("gpu", wave=1, compared=True, phase="Running", message=hook)),
        (3.0, APPLICATIONS, application("nfd", wave=1)),
        (9.0, APPLICATIONS, application("nfd", wave=1, compared=True, phase="Succeeded", health="Healthy")),
    ]
    blamed = "Application argocd/gpu"
    found = recording(task("sync", 0.0, 60.0), wait(0.0, 60.0, events, how=how, blamed=blamed))
    assert (2.0, DEPLOYER, blamed, "hook wait: Job/validator") in told(found)
    flux = [
        (1.0, HELMRELEASES, helm_release("gpu", *RUNNING)),
        (2.0, HELMRELEASES, helm_release("nfd", "True", "InstallSucceeded")),
    ]
    blamed = "HelmRelease flux-system/gpu"
    found = recording(task("sync", 0.0, 60.0), wait(0.0, 60.0, flux, how=how, blamed=blamed))
    assert {what for _, _, what, _ in told(found)} >= {blamed}


def test_a_cell_that_was_killed_has_a_path_to_where_its_recording_ends() -> None:
    """A task that did not end is on the path, up to the last thing that was recorded."""
    found = recording(task("cluster", 0.0, 5.0, "cluster"), task("sync", 5.0, 9.0)[:1])
    found.story += wait(5.5, 9.0, [(8.0, APPLICATIONS, application("root"))], how="")
    assert told(found)[0] == (0.0, OURS, "cluster", "our boot")
    assert critical_path(found).seconds == 8.0


def test_an_empty_recording_has_an_empty_path() -> None:
    """Nothing happened, and nothing is told."""
    assert critical_path(recording()).hops == []


def test_other_namespaces_are_no_activity_of_a_release() -> None:
    """While pods of others come and go, helm-controller's poll is still what the release waits for."""
    events = [
        (0.0, HELMRELEASES, helm_release("stack", *RUNNING)),
        (1.0, PODS, pod("a", namespace="stack")),
        *((2.0 + number / 2, PODS, pod(f"b{number}", namespace="other")) for number in range(8)),
        (6.0, HELMRELEASES, helm_release("stack", "True", "InstallSucceeded")),
    ]
    found = recording(task("sync", 0.0, 6.0), wait(0.0, 6.0, events))
    assert [(h.begun, h.ended) for h in critical_path(found).hops if h.cause == POLL] == [(1.0, 6.0)]


@given(st.lists(st.floats(-5, 30, allow_nan=False).map(lambda each: round(each, 3))))
def test_no_second_is_lost_or_told_twice(times: list[float]) -> None:
    """Whatever is put on a path, in whatever order, it covers the time from its beginning to its end once."""
    path = Backward(1.0, 20.0)
    for number, to in enumerate(times):
        path.back(to, f"task {number % 3}", "a cause", (OURS, IDLE)[number % 2])
    made = CriticalPath(path.hops("the rest", "unknown", DEPLOYER))
    whole(made)
    assert made.hops[-1].ended == 20.0
    assert made.seconds == pytest.approx(19.0, abs=0.001)
