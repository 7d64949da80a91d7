"""What a controller says of pods that it may not make: how bad that is, by what there is and what is to come."""

from typing import Any

import pytest

from harness.gates.findings import Level
from harness.gates.workloads.arrivals import Arrivals, arrivals
from harness.gates.workloads.installing import NothingUnschedulable
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload, Rendered
from harness.gates.workloads.ownership import Ownership
from harness.gates.workloads.refusals import Refusals
from harness.gates.workloads.scheduled import ScheduledAsIntended
from harness.objects import DAEMONSETS, DEPLOYMENTS, JOBS, STATEFULSETS, Object
from harness.verdict import CauseKind, Failed, Passed, Waiting
from tests.fakes.objects import daemon_set, deployment, live, node, objects_of, owned_by, pod, refused, spec

ACCOUNT = 'pods "x-" is forbidden: error looking up service account apps/{0}: serviceaccount "{0}" not found'
PRIORITY = 'pods "x-" is forbidden: no PriorityClass with name gold was found'
RUNTIME = 'pods "x-" is forbidden: pod rejected: RuntimeClass "nvidia" not found'
QUOTA = 'pods "x-1" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=2, limited: cpu=2'
SECURITY = 'pods "x-" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
INVALID = 'Pod "x-0" is invalid: metadata.labels: Invalid value: "x": must be no more than 63 characters'
POLICY = "admission policy denied the request: no pods here"
LIMITS = 'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be at most cpu limit of 1'
WEBHOOK = 'Internal error occurred: failed calling webhook "pods.example.com": connection refused'

HOOK, WORKLOAD = ("Job", "apps", "hook"), ("DaemonSet", "apps", "agent")


def account(name: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "metadata": {"name": name, "namespace": "apps"}}


def named(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}}


def quota(hard: str = "2", used: str = "2") -> dict[str, Any]:
    status = {"hard": {"cpu": hard}, "used": {"cpu": used}}
    return {"kind": "ResourceQuota", "metadata": {"name": "small", "namespace": "apps"}, "status": status}


def namespace(**labels: str) -> dict[str, Any]:
    marks = {f"pod-security.kubernetes.io/{key.replace('_', '-')}": value for key, value in labels.items()}
    return {"kind": "Namespace", "metadata": {"name": "apps", "labels": marks}}


def level(text: str, *objects: Object, coming: Arrivals | None = None, workload: Any = WORKLOAD) -> Level:
    agent = daemon_set()
    world = objects_of(agent, refused(agent, text), *objects)
    found = Refusals(Ownership(world), coming or Arrivals()).of(agent, workload)
    assert found is not None
    assert found.text == text
    return found.level


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (ACCOUNT.format("migrator"), []),
        (PRIORITY, []),
        (RUNTIME, []),
        (QUOTA, [quota()]),
        (SECURITY, [namespace(enforce="baseline")]),
        (INVALID, []),
    ],
    ids=["account", "priority", "runtime", "quota", "security", "invalid"],
)
def test_what_nothing_changes_any_more_is_certain(text: str, objects: list[Object]) -> None:
    """Once everything is installed, what is missing or forbidden stays so."""
    assert level(text, *objects) is Level.CERTAIN


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (ACCOUNT.format("migrator"), [account("migrator")]),
        (ACCOUNT.format("default"), []),
        (PRIORITY, [named("PriorityClass", "gold")]),
        (RUNTIME, [named("RuntimeClass", "nvidia")]),
        (QUOTA, []),
        (QUOTA, [quota(hard="3")]),
        (QUOTA, [quota(used="1")]),
        (SECURITY, [namespace()]),
        (SECURITY, [namespace(enforce="privileged")]),
        (SECURITY, [namespace(enforce="baseline", enforce_version="v1.20")]),
    ],
)
def test_an_event_that_is_out_of_date_waits_for_the_next_attempt(text: str, objects: list[Object]) -> None:
    """Controllers try again minutes apart, and their Events stay: what heals meanwhile is no failure."""
    assert level(text, *objects) is Level.WAITING


@pytest.mark.parametrize(
    "ending",
    [
        pod("job", on="gpu-0", owner=owned_by("Job", "j", api_version="batch/v1")),
        pod("gone", on="gpu-0", deleting=True),
    ],
    ids=["of a Job", "leaving"],
)
def test_a_quota_that_pods_are_about_to_give_back_is_waited_for(ending: Object) -> None:
    """Unless the pod would not fit even the empty quota."""
    assert level(QUOTA, quota(), ending) is Level.WAITING
    assert level(QUOTA.replace("requested: cpu=1", "requested: cpu=4"), quota(), ending) is Level.CERTAIN
    assert level(QUOTA, quota(), pod("stays", on="gpu-0")) is Level.CERTAIN


def test_a_quota_waits_for_pods_of_an_older_revision() -> None:
    """A rolling update takes them away."""
    old = live("ReplicaSet", "web-old", spec={"replicas": 1})
    old["metadata"] |= {"ownerReferences": owned_by("Deployment", "web"), "creationTimestamp": "2025-01-01T00:00:00Z"}
    running = pod("web-1", on="gpu-0", owner=owned_by("ReplicaSet", "web-old"))
    assert level(QUOTA, quota(), *deployment(), old, running) is Level.WAITING
    newest = pod("web-2", on="gpu-0", owner=owned_by("ReplicaSet", "web-new"))
    assert level(QUOTA, quota(), *deployment(), old, newest) is Level.CERTAIN


@pytest.mark.parametrize("text", [POLICY, WEBHOOK, LIMITS])
def test_what_somebody_may_change_has_the_patience_of_the_scheduler(text: str) -> None:
    """A webhook may come up, a policy may be changed; while releases are installed only hooks are hurried."""
    coming = arrivals([Rendered("a", "apps", [job_hook()])], {"a": ()})
    assert level(text) is Level.DOOMED
    assert level(text, coming=coming, workload=HOOK) is Level.DOOMED
    assert level(text, coming=coming) is Level.WAITING


def job_hook(name: str = "hook") -> dict[str, Any]:
    annotations = {"helm.sh/hook": "pre-install"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "annotations": annotations}}


@pytest.mark.parametrize(
    ("release", "expected"),
    [("a", Level.CERTAIN), ("after", Level.CERTAIN), ("later", Level.CERTAIN), ("beside", Level.WAITING)],
)
def test_a_hook_waits_only_for_what_its_own_release_does_not_hold_back(release: str, expected: Level) -> None:
    """Its release and all that depend on it, also by way of others, come after the hook; what is beside may come."""
    releases = [Rendered(name, "apps", []) for name in ("a", "after", "later", "beside") if name != release]
    releases.append(Rendered(release, "apps", [{"kind": "ServiceAccount", "metadata": {"name": "migrator"}}]))
    releases.append(Rendered("a", "apps", [job_hook()]))
    coming = arrivals(releases, {"a": (), "after": ("a",), "later": ("after",), "beside": ()})
    assert level(ACCOUNT.format("migrator"), coming=coming, workload=HOOK) is expected
    assert level(ACCOUNT.format("migrator"), coming=coming) is Level.WAITING


def test_an_account_that_nobody_brings_is_certain_while_releases_are_installed() -> None:
    """Not of a hook alone: nothing that is rendered is called so."""
    coming = arrivals([Rendered("a", "apps", [{"kind": "ServiceAccount", "metadata": {"name": "other"}}])], {"a": ()})
    assert level(ACCOUNT.format("migrator"), coming=coming) is Level.CERTAIN


def test_the_newest_event_of_an_object_speaks() -> None:
    """By its time, then by the order of writing; one of another object of the same name does not count."""
    agent = daemon_set()
    old, new = refused(agent, POLICY, at="2026-01-01T00:00:00Z"), refused(agent, INVALID, at="2026-01-01T00:00:01Z")
    other = refused({"metadata": {**agent["metadata"], "uid": "other"}}, SECURITY, at="2026-01-01T00:00:09Z")
    for events in ([old, new, other], [new, old, other]):
        for number, event in enumerate(events):
            event["metadata"]["name"] = f"event-{number}"
        found = Refusals(Ownership(objects_of(agent, *events))).of(agent, WORKLOAD)
        assert found is not None
        assert found.text == INVALID


# In the gates


def want(kind: Any, name: str, **fields: Any) -> ExpectedWorkload:
    return ExpectedWorkload(kind, "apps", name, "rel", Declared(), fields.pop("spec", spec()), **fields)


@pytest.mark.parametrize(
    ("wanted", "object_"),
    [
        (want(DAEMONSETS, "agent"), daemon_set(desired=1)),
        (want(STATEFULSETS, "db", replicas=2, ordered=True), live("StatefulSet", "db", spec={"replicas": 2})),
        (want(JOBS, "job"), live("Job", "job")),
        (want(DEPLOYMENTS, "web"), deployment()),
    ],
    ids=["DaemonSet", "StatefulSet", "Job", "Deployment"],
)
def test_every_controller_is_heard(wanted: ExpectedWorkload, object_: Any) -> None:
    """The words of the Event, class apply, and no talk of pods that come one after another."""
    item = object_[-1] if isinstance(object_, list) else object_
    world = objects_of(
        node("gpu-0"), object_, refused(item, f"(combined from similar events): Error creating: {INVALID}")
    )
    verdict = ScheduledAsIntended(Expected((wanted,)))(world)
    assert isinstance(verdict, Waiting)
    assert verdict.certain
    assert verdict.kind is CauseKind.APPLY
    assert verdict.doomed.endswith(f"pods: Error creating: {INVALID}") or "none for gpu-0: Error" in verdict.doomed


@pytest.mark.parametrize("kind", ["Job", "DaemonSet", "StatefulSet", "ReplicaSet"])
def test_the_watch_over_an_install_hears_them_too(kind: str) -> None:
    """Whoever lacks pods; not who has them by now, is done, or is of a namespace of nobody's."""
    item = live(kind, "x", spec={"replicas": 1}, status={"desiredNumberScheduled": 1})
    gate = NothingUnschedulable(frozenset({"apps"}))
    verdict = gate(objects_of(node("gpu-0"), item, refused(item, INVALID)))
    assert isinstance(verdict, Waiting)
    assert (verdict.subject, verdict.certain, verdict.kind) == (f"{kind} apps/x", True, CauseKind.APPLY)
    there = pod("x-0", on="gpu-0", owner=owned_by(kind, "x"))
    leaving = {**item, "metadata": {**item["metadata"], "deletionTimestamp": "x"}}
    for objects in ([item, there], [leaving]):
        verdict = gate(objects_of(node("gpu-0"), *objects, refused(item, INVALID)))
        assert verdict == Waiting("no pod is unschedulable")
    verdict = NothingUnschedulable(frozenset({"other"}))(objects_of(node("gpu-0"), item, refused(item, INVALID)))
    assert verdict == Waiting("no pod is unschedulable")


def test_a_job_that_is_done_or_suspended_lacks_no_pods() -> None:
    """Its Events are of before."""
    gate = NothingUnschedulable(frozenset({"apps"}))
    done = live("Job", "x", status={"conditions": [{"type": "Complete", "status": "True"}]})
    for item in (done, live("Job", "x", spec={"suspend": True})):
        assert gate(objects_of(item, refused(item, INVALID))) == Waiting("no pod is unschedulable")


# Paused


def test_a_paused_deployment_is_told_at_once() -> None:
    """Its controller makes no ReplicaSet; one that has its pods already is as intended."""
    bare, replica_set = deployment(spec={"paused": True})
    wanted = want(DEPLOYMENTS, "web", paused=True)
    verdict = ScheduledAsIntended(Expected((wanted,)))(objects_of(node("gpu-0"), bare))
    assert isinstance(verdict, Waiting)
    assert (verdict.certain, verdict.kind) == (True, CauseKind.APPLY)
    assert "is paused in its manifest" in verdict.doomed
    running = pod("web-1", on="gpu-0", owner=owned_by("ReplicaSet", "web-new"))
    assert isinstance(
        ScheduledAsIntended(Expected((wanted,)))(objects_of(node("gpu-0"), bare, replica_set, running)), Passed
    )


def test_a_paused_deployment_without_replicas_lacks_nothing() -> None:
    """No pod was asked for."""
    bare, _ = deployment(replicas=0, spec={"paused": True})
    wanted = [want(DEPLOYMENTS, "web", paused=True, replicas=0), want(DEPLOYMENTS, "on")]
    on = deployment("on")
    running = pod("on-1", on="gpu-0", owner=owned_by("ReplicaSet", "on-new"))
    assert isinstance(
        ScheduledAsIntended(Expected(tuple(wanted)))(objects_of(node("gpu-0"), bare, on, running)), Passed
    )


def test_a_deployment_that_somebody_else_paused_may_go_on() -> None:
    """It is not what the manifest says, so it has the usual patience."""
    bare, _ = deployment(spec={"paused": True})
    verdict = ScheduledAsIntended(Expected((want(DEPLOYMENTS, "web"),)))(objects_of(node("gpu-0"), bare))
    assert isinstance(verdict, Waiting)
    assert not verdict.certain
    assert "in the cluster, not in its manifest" in verdict.doomed
    assert not isinstance(verdict, Failed)
