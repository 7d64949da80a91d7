"""The verdict on workloads, row by row of its decision table."""

from typing import Any

import pytest

from harness.gates.scheduling.fit import daemon
from harness.gates.workloads.installing import NothingUnschedulable
from harness.gates.workloads.manifest import REPLICATIONCONTROLLERS, Declared, Expected, ExpectedWorkload
from harness.gates.workloads.scheduled import ScheduledAsIntended, facts, notes
from harness.objects import CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, PODS, REPLICASETS, STATEFULSETS, Kind
from harness.verdict import Failed, Passed, Verdict, Waiting
from tests.fakes.objects import (
    GPU,
    KWOK,
    TYPE,
    agent_pod,
    container,
    daemon_set,
    deployment,
    live,
    node,
    objects_of,
    owned_by,
    pod,
    real_node,
    spec,
)

NODES = [node("system-0"), node("system-1"), node("gpu-0"), node("gpu-1")]
NO_NODE = "0/4 nodes are available"


def want(kind: Kind = DEPLOYMENTS, name: str = "web", namespace: str = "apps", **fields: Any) -> ExpectedWorkload:
    fields.setdefault("spec", spec())
    return ExpectedWorkload(kind, namespace, name, "rel", fields.pop("declared", Declared()), **fields)


def agent(**fields: Any) -> ExpectedWorkload:
    """A DaemonSet for all accelerated nodes, unless `spec` says otherwise."""
    asks = fields.pop("spec", spec(nodeSelector={TYPE: "accelerated"}))
    return want(DAEMONSETS, "agent", spec=daemon(asks), **fields)


def web_pod(name: str = "p0", on: str = "system-0", hash_: str = "new", **fields: Any) -> dict[str, Any]:
    return pod(f"web-{name}", on=on, owner=owned_by("ReplicaSet", f"web-{hash_}"), **fields)


def web_pod_not_controlled() -> dict[str, Any]:
    """An owner reference that is for garbage collection only."""
    found = web_pod()
    found["metadata"]["ownerReferences"][0]["controller"] = False
    return found


def judged(wanted: ExpectedWorkload | list[ExpectedWorkload], *objects: Any, **options: Any) -> Verdict:
    workloads = wanted if isinstance(wanted, list) else [wanted]
    hooks = frozenset(options.pop("hooks", ()))
    gate = ScheduledAsIntended(Expected(tuple(workloads), hooks), **options)
    return gate(objects_of(*NODES, *objects))


def is_failed(verdict: Verdict, *texts: str) -> None:
    assert isinstance(verdict, Failed), verdict
    for text in texts:
        assert text in str(verdict)


def is_waiting(verdict: Verdict, *texts: str, doomed: bool) -> None:
    assert isinstance(verdict, Waiting), verdict
    assert bool(verdict.doomed) is doomed
    for text in texts:
        assert text in f"{verdict.subject}: {verdict.doomed if doomed else verdict.reason}"


def is_passed(verdict: Verdict, text: str = "") -> None:
    assert isinstance(verdict, Passed), verdict
    assert text in verdict.reason


# Nothing is green because nothing was there


def test_no_expected_workload_fails() -> None:
    """Pods that happen to run prove nothing when none was asked for."""
    is_failed(judged([], pod("stray", on="gpu-0")), "nothing to verify")


@pytest.mark.parametrize(
    ("wanted", "objects", "passes"),
    [
        (want(replicas=0), deployment(replicas=0), True),
        (want(CRONJOBS, "cron", replicas=0, spec=spec()), [], True),
        (want(JOBS, "job", replicas=0, suspended=True), [live("Job", "job", spec={"suspend": True})], True),
        (agent(spec=spec(nodeSelector={"no": "where"})), [daemon_set(desired=0)], False),
        (want(JOBS, "job", transient=True), [], False),
    ],
    ids=["0 replicas", "CronJob", "suspended Job", "DaemonSet declared empty", "Job that took itself away"],
)
def test_no_pod_at_all_is_green_only_when_the_manifests_ask_for_none(
    wanted: ExpectedWorkload, objects: list[Any], passes: bool
) -> None:
    """A declared empty DaemonSet or a vanished Job is excused beside others, never alone."""
    verdict = judged(wanted, objects, empty_allowed={"apps/agent"})
    is_passed(verdict, "0 pods") if passes else is_failed(verdict, "nothing was scheduled")


# Deployments


def test_a_deployment_with_all_its_pods_bound_passes() -> None:
    """Bound is scheduled, whatever the phase: one is still Pending."""
    pods = [web_pod("a"), web_pod("b", on="gpu-1", phase="Pending")]
    is_passed(judged(want(replicas=2), deployment(replicas=2), pods), "2 pods of 1 workloads")


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([], "is not in the cluster"),
        ([deployment(metadata={"deletionTimestamp": "x"})], "is being deleted"),
        ([deployment(generation=2, status={"observedGeneration": 1})], "has not seen generation 2"),
        ([deployment()[0]], "has no ReplicaSet of its current template"),
        ([deployment()], "has 0 of 1 pods"),
        ([deployment(), web_pod(), web_pod("b")], "has 2 pods where 1 are wanted"),
        ([deployment(), web_pod(deleting=True)], "has 0 of 1 pods"),
        ([deployment(), pod("web-x", on="gpu-0", owner=owned_by("ReplicaSet", "web-new", uid="gone"))], "has 0 of 1"),
        ([deployment(), pod("web-x", on="gpu-0", labels={"app": "web", "pod-template-hash": "new"})], "has 0 of 1"),
        ([deployment(), web_pod_not_controlled()], "has 0 of 1"),
    ],
    ids=[
        "absent",
        "leaving",
        "unobserved generation",
        "no ReplicaSet",
        "no pods",
        "too many",
        "leaving pod",
        "pod of a namesake",
        "pod with the labels alone",
        "pod with another kind of owner",
    ],
)
def test_a_deployment_that_is_not_there_yet_waits(objects: list[Any], text: str) -> None:
    """Pods count by the uid of their controller, which counts when it has seen its current spec."""
    is_waiting(judged(want(), *objects), "Deployment apps/web", text, doomed=False)


def old_replica_set() -> dict[str, Any]:
    found = live("ReplicaSet", "web-old", spec={"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}})
    found["metadata"] |= {"ownerReferences": owned_by("Deployment", "web"), "creationTimestamp": "2025-01-01T00:00:00Z"}
    return found


def test_pods_of_an_older_revision_never_satisfy_a_deployment() -> None:
    """A stale ReplicaSet with exactly the right number of bound pods is not the one that was asked for."""
    is_waiting(judged(want(), deployment(), old_replica_set(), web_pod(hash_="old")), "has 0 of 1 pods", doomed=False)


def test_a_rollout_is_not_over_while_older_pods_remain() -> None:
    """The new pods are all there, an old one as well."""
    objects = [deployment(), old_replica_set(), web_pod(), web_pod("b", hash_="old")]
    is_waiting(judged(want(), *objects), "still has 1 pods of an older revision", doomed=False)


@pytest.mark.parametrize(
    ("wanted", "replicas", "verdict"),
    [
        (want(replicas=2), 1, "doomed"),
        (want(replicas=1), 2, "doomed"),
        (want(replicas=2, elastic=True), 1, "waiting"),
        (want(replicas=1, elastic=True), 2, "passed"),
    ],
    ids=["fewer", "more", "below the autoscaler's minimum", "scaled up by an autoscaler"],
)
def test_replicas_are_those_of_the_manifest(wanted: ExpectedWorkload, replicas: int, verdict: str) -> None:
    """All pods of the cluster's own number are bound; what counts is whether that is the number asked for."""
    found = judged(wanted, deployment(replicas=replicas), [web_pod(str(i)) for i in range(replicas)])
    if verdict == "passed":
        is_passed(found, "2 pods")
    else:
        is_waiting(found, f"asks for {replicas} replicas", doomed=verdict == "doomed")


@pytest.mark.parametrize("where", ["ReplicaSet", "Deployment"])
def test_a_controller_that_cannot_make_pods_is_doomed_in_its_own_words(where: str) -> None:
    """Quota, admission, a missing service account: the condition says it, no pod ever will."""
    message = 'pods "web-" is forbidden: exceeded quota: small'
    objects = deployment()
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    next(o for o in objects if o["kind"] == where)["status"]["conditions"] = [refused]
    is_waiting(judged(want(), objects), "has 0 of 1 pods", message, doomed=True)


def test_a_refusal_that_is_over_is_not_held_against_anyone() -> None:
    """The pods are there; and a condition that is False says nothing."""
    objects = deployment()
    objects[1]["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "False", "message": "was"}]
    is_waiting(judged(want(), objects), doomed=False)
    objects[1]["status"]["conditions"][0]["status"] = "True"
    is_passed(judged(want(), objects, web_pod()))


# StatefulSets, bare ReplicaSets, ReplicationControllers, Pods


def stateful(replicas: int = 2, **status: Any) -> dict[str, Any]:
    return live("StatefulSet", "db", spec={"replicas": replicas}, status={"updateRevision": "db-2", **status})


def db_pod(number: int, revision: str = "db-2", **fields: Any) -> dict[str, Any]:
    labels = {"controller-revision-hash": revision}
    return pod(f"db-{number}", on="system-0", owner=owned_by("StatefulSet", "db"), labels=labels, **fields)


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([stateful(), db_pod(0), db_pod(1)], ""),
        ([stateful(), db_pod(0)], "has 1 of 2 pods; they come one after another"),
        ([stateful(), db_pod(0), db_pod(1, "db-1")], "has 1 of 2 pods"),
        ([stateful(1), db_pod(0), db_pod(1, "db-1")], "asks for 1 replicas"),
        ([stateful(updateRevision=None), db_pod(0), db_pod(1)], "has 0 of 2 pods"),
    ],
    ids=["all", "one after another", "older revision", "scaled down", "revision unknown"],
)
def test_stateful_sets(objects: list[Any], text: str) -> None:
    """Pods count by the update revision."""
    verdict = judged(want(STATEFULSETS, "db", replicas=2, ordered=True), *objects)
    is_waiting(verdict, text, doomed="asks" in text) if text else is_passed(verdict, "2 pods")


def test_pods_that_come_one_after_another_need_a_first_one() -> None:
    """Where none is there, their order explains nothing."""
    verdict = judged(want(STATEFULSETS, "db", replicas=2, ordered=True), stateful())
    assert "has 0 of 2 pods" in verdict.reason
    assert "one after another" not in verdict.reason


@pytest.mark.parametrize("kind", [REPLICASETS, REPLICATIONCONTROLLERS], ids=str)
@pytest.mark.parametrize(("pods", "passes"), [(2, True), (1, False)], ids=["all", "one missing"])
def test_controllers_without_revisions(kind: Kind, pods: int, passes: bool) -> None:
    """All pods that they own count."""
    made = live(kind.kind, "old", spec={"replicas": 2}) if kind == REPLICASETS else None
    objects: Any = made or {**live("ReplicationController", "old", spec={"replicas": 2})}
    owner = owned_by(kind.kind, "old", api_version=kind.api_version)
    verdict = judged(
        want(kind, "old", replicas=2), objects, [pod(f"o{i}", on="gpu-0", owner=owner) for i in range(pods)]
    )
    is_passed(verdict, "2 pods") if passes else is_waiting(verdict, "has 1 of 2 pods", doomed=False)


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([pod("bare", on="gpu-0")], ""),
        ([], "Pod apps/bare: is not in the cluster"),
        ([pod("bare")], "Pod apps/bare: is not scheduled"),
        ([pod("bare", on="gpu-0", deleting=True)], "is being deleted"),
    ],
    ids=["bound", "absent", "unbound", "leaving"],
)
def test_bare_pods(objects: list[Any], text: str) -> None:
    """A Pod of a manifest is expected itself."""
    verdict = judged(want(PODS, "bare"), *objects)
    is_waiting(verdict, text, doomed=False) if text else is_passed(verdict)


# DaemonSets


def test_a_daemon_set_has_a_pod_on_each_node_that_it_matches() -> None:
    """The number comes from the nodes, not from its status."""
    is_passed(judged(agent(), daemon_set(desired=2), agent_pod("gpu-0"), agent_pod("gpu-1")), "2 pods")


@pytest.mark.parametrize(
    ("objects", "text", "doomed"),
    [
        ([], "is not in the cluster", False),
        ([daemon_set(desired=2), agent_pod("gpu-1")], "has 1 of 2 pods, none for gpu-0", False),
        (
            [daemon_set(desired=1), agent_pod("gpu-1")],
            "wants 1 pods, by its manifest 2 nodes match: gpu-0, gpu-1",
            True,
        ),
        (
            [daemon_set(desired=2), agent_pod("gpu-0"), agent_pod("gpu-1"), agent_pod("system-0")],
            "has pods for system-0, which it does not match",
            True,
        ),
        ([daemon_set(desired=2), agent_pod("gpu-0"), agent_pod("gpu-1", generation="0")], "none for gpu-1", False),
        ([daemon_set(desired=2), agent_pod("gpu-0"), agent_pod("gpu-1", bound=False)], "is not scheduled", False),
        ([daemon_set(desired=2, generation=3) | {"status": {}}], "has not seen generation 3", False),
    ],
    ids=["absent", "one missing", "counts otherwise", "elsewhere", "older", "unbound", "unobserved"],
)
def test_daemon_sets_that_are_not_as_intended(objects: list[Any], text: str, doomed: bool) -> None:
    """Every node by name; pods of an older generation are none."""
    verdict = judged(agent(), *objects)
    is_waiting(verdict, text, doomed=doomed)


@pytest.mark.parametrize(
    ("generation", "text"),
    [("1", "has 3 pods where 2 are wanted"), ("0", "still has 1 pods of an older revision")],
    ids=["current", "older"],
)
def test_two_pods_for_one_node_wait(generation: str, text: str) -> None:
    """A surge, or a controller in the middle of something."""
    second = agent_pod("gpu-0", generation=generation)
    second["metadata"] = {**second["metadata"], "name": "agent-again"}
    objects = [daemon_set(desired=2), agent_pod("gpu-0"), second, agent_pod("gpu-1")]
    is_waiting(judged(agent(), *objects), text, doomed=False)


def test_a_daemon_set_without_nodes_fails_and_names_the_nearest() -> None:
    """The very case that went green for years: a missing toleration, DESIRED 0, nothing pending."""
    verdict = judged(agent(spec={"containers": [], "nodeSelector": {TYPE: "accelerated"}}), daemon_set(desired=0))
    is_failed(
        verdict,
        "DaemonSet apps/agent: matches no node: closest node gpu-0 "
        "has taint kwok.x-k8s.io/node=fake:NoSchedule that is not tolerated",
    )


def test_a_daemon_set_may_be_declared_empty_and_is_then_noted() -> None:
    """Its labels would come from an operator that does not run here."""
    empty = agent(spec=spec(nodeSelector={"vendor.io/driver": "loaded"}))
    objects = [daemon_set(desired=0), deployment(), web_pod()]
    is_failed(judged([empty, want()], *objects), "matches no node")
    is_failed(judged([empty, want()], *objects, empty_allowed={"other/agent"}), "matches no node")
    is_passed(judged([empty, want()], *objects, empty_allowed={"apps/agent"}))
    told = notes(objects_of(*NODES, *objects), Expected((empty, want())), empty_allowed={"apps/agent"})
    assert told == ("DaemonSet apps/agent matches no node, as declared: nothing of it was verified",)


def test_a_daemon_set_that_is_declared_empty_but_matches_is_judged_like_any_other() -> None:
    """The declaration allows, it does not excuse."""
    verdict = judged(agent(), daemon_set(desired=2), agent_pod("gpu-0"), empty_allowed={"apps/agent"})
    is_waiting(verdict, "none for gpu-1", doomed=False)


def test_nodes_that_are_ill_may_recover() -> None:
    """On a slow machine a heartbeat comes late and all nodes are tainted: no reason to fail at once."""
    ill = node("gpu-0", taints=[KWOK, {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}])
    gate = ScheduledAsIntended(Expected((agent(),)))
    is_waiting(gate(objects_of(ill, daemon_set(desired=0))), "its nodes are not well", "unreachable", doomed=True)


def test_an_accelerated_only_daemon_set_may_not_match_system_nodes() -> None:
    """A chart that drops the selector would run on all nodes; the same DaemonSet with a selector is fine."""
    only = Declared(accelerated=True)
    pods = [agent_pod(name) for name in ("system-0", "system-1", "gpu-0", "gpu-1")]
    verdict = judged(agent(spec=spec(), declared=only), daemon_set(desired=4), *pods)
    is_failed(verdict, "matches system-0, system-1 as well", "accelerated nodes only")
    is_passed(judged(agent(declared=only), daemon_set(desired=2), agent_pod("gpu-0"), agent_pod("gpu-1")))


# Jobs and CronJobs


def job(*conditions: str, name: str = "job", **fields: Any) -> dict[str, Any]:
    found = live("Job", name, **fields)
    found["status"] = {"conditions": [{"type": c, "status": "True", "reason": "R", "message": "m"} for c in conditions]}
    return found


def job_pod(name: str = "j0", phase: str = "", on: str = "gpu-0", of: str = "job", **fields: Any) -> dict[str, Any]:
    return pod(name, on=on, phase=phase, owner=owned_by("Job", of, api_version="batch/v1"), **fields)


@pytest.mark.parametrize(
    ("objects", "verdict"),
    [
        ([job(), job_pod()], "passed"),
        ([job("Complete")], "green without pods"),
        ([job("Complete"), job_pod(phase="Succeeded")], "passed"),
        ([job("Complete"), job_pod(phase="Succeeded"), job_pod("j1", "Failed")], "passed"),
        ([job("FailureTarget", "Failed"), job_pod(phase="Failed")], "Job apps/job: failed: R: m"),
        ([job("Failed")], "Job apps/job: failed: R: m"),
        ([job(), job_pod(phase="Failed"), job_pod("j1")], "has neither succeeded nor given up"),
        ([job(), job_pod(phase="Failed")], "has 0 of 1 pods"),
        ([job()], "has 0 of 1 pods"),
        ([], "is not in the cluster"),
        ([job_pod(phase="Failed"), job(name="other")], "is not in the cluster"),
        ([job(spec={"suspend": True})], "is suspended in the cluster"),
    ],
    ids=[
        "running",
        "complete, pods gone",
        "complete",
        "complete after a retry",
        "failed",
        "failed, pods gone",
        "retrying",
        "between retries",
        "no pod",
        "absent",
        "orphan",
        "suspended by others",
    ],
)
def test_jobs(objects: list[Any], verdict: str) -> None:
    """A standing Job is as good as its conditions; while it runs, as its pods."""
    found = judged([want(JOBS, "job"), want()], *objects, deployment(), web_pod())
    if verdict in ("passed", "green without pods"):
        is_passed(found, "2 pods" if verdict == "passed" and len(objects) == 2 else "pods")
    elif "failed:" in verdict:
        is_failed(found, verdict)
    else:
        is_waiting(found, verdict, doomed="suspended" in verdict)


def test_a_job_runs_as_many_pods_as_it_can_at_once() -> None:
    """Finished ones count as well."""
    wide = want(JOBS, "job", replicas=3)
    pods = [job_pod("a"), job_pod("b", "Succeeded")]
    is_waiting(judged(wide, job(), pods), "has 2 of 3 pods", doomed=False)
    is_passed(judged(wide, job(), pods, job_pod("c"), job_pod("d")), "4 pods")


@pytest.mark.parametrize(
    ("asks", "declared", "texts"),
    [
        (spec(), Declared(), []),
        (spec(gpus=8), Declared(), []),
        (spec(), Declared(system=True), []),
        ({"containers": []}, Declared(), ["fit no node, even an empty one", "has taint"]),
        (spec(gpus=16), Declared(), ["fit no accelerated node", f"needs {GPU} 16, has 8 with 8 free"]),
        ({**spec(), "containers": [container(cpu="100")]}, Declared(system=True), ["no system node", "needs cpu 100"]),
    ],
    ids=["fits", "fills a node", "system", "no toleration", "too many GPUs", "too big for its type"],
)
def test_cron_jobs_are_checked_before_their_time(asks: dict[str, Any], declared: Declared, texts: list[str]) -> None:
    """Room on empty nodes counts: what runs now will not run then. GPUs in use do not matter."""
    cron = want(CRONJOBS, "cron", replicas=0, spec=asks, declared=declared)
    full = [pod(f"f{i}", on=f"gpu-{i}", of=spec(gpus=8)) for i in (0, 1)]
    verdict = judged([cron, want()], deployment(), web_pod(), *full)
    is_failed(verdict, "CronJob apps/cron", *texts) if texts else is_passed(verdict)


def test_a_cron_job_is_not_judged_by_nodes_that_are_ill() -> None:
    """They will have recovered by its time."""
    ill = node("gpu-0", taints=[KWOK, {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    gate = ScheduledAsIntended(Expected((want(CRONJOBS, "cron", replicas=0),)))
    is_passed(gate(objects_of(ill)))


def test_a_suspended_cron_job_is_left_alone() -> None:
    """Nothing will come of it."""
    cron = want(CRONJOBS, "cron", replicas=0, spec={"containers": []}, suspended=True)
    is_passed(judged([cron, want()], deployment(), web_pod()))


# Pods that the scheduler does not place


@pytest.mark.parametrize(
    ("fields", "doomed"),
    [
        ({}, False),
        ({"refused": NO_NODE}, True),
        ({"refused": NO_NODE, "status": {"nominatedNodeName": "gpu-0"}}, False),
        ({"of": spec(schedulingGates=[{"name": "g"}])}, True),
        ({"of": spec(schedulerName="kai-scheduler")}, True),
        ({"of": spec(schedulerName="default-scheduler")}, False),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulerError"}]}}, True),
        ({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Unschedulable"}]}}, False),
    ],
    ids=["unseen", "refused", "preempting", "gated", "foreign", "named default", "error", "other condition"],
)
def test_unbound_pods_are_doomed_once_nobody_will_bind_them(fields: dict[str, Any], doomed: bool) -> None:
    """A refusal may be lifted, so time decides; without one the scheduler has not looked yet."""
    verdict = judged(want(), deployment(), web_pod(on="", **fields))
    is_waiting(verdict, "pod web-p0 is not scheduled", doomed=doomed)
    assert isinstance(verdict, Waiting)
    assert verdict.subject == "Deployment apps/web"


def test_a_refused_pod_is_explained() -> None:
    """By our own reckoning and in the scheduler's words."""
    asks = {**spec(), "containers": [container(cpu="1000")]}
    verdict = judged(want(), deployment(), web_pod(on="", of=asks, refused=NO_NODE))
    is_waiting(verdict, "needs cpu 1000, has 192 with 192 free", f"the scheduler: {NO_NODE}", doomed=True)


def test_a_refused_pod_of_a_daemon_set_is_explained_by_its_node_alone() -> None:
    """The other nodes were never candidates."""
    full = pod("big", on="gpu-1", of={"containers": [container(cpu="192")]})
    refused = agent_pod("gpu-1", bound=False, refused=NO_NODE, of={**spec(), "containers": [container(cpu="1")]})
    verdict = judged(agent(), daemon_set(desired=2), agent_pod("gpu-0"), refused, full)
    is_waiting(verdict, "is not scheduled\n  node gpu-1 needs cpu 1, has 192 with 0 free", doomed=True)


def test_many_unscheduled_pods_of_one_owner_are_one_finding() -> None:
    """Told once, with their number."""
    pods = [web_pod(str(i), on="", refused=NO_NODE) for i in range(3)]
    verdict = judged(want(replicas=3), deployment(replicas=3), pods)
    is_waiting(verdict, "3 pods are not scheduled", doomed=True)


def test_what_is_doomed_decides_the_subject() -> None:
    """The waiting loop counts its patience by subject, which therefore must not be that of a hopeful wait."""
    absent = want(name="absent")
    verdict = judged([absent, want()], deployment(), web_pod(on="", refused=NO_NODE))
    assert isinstance(verdict, Waiting)
    assert verdict.subject == "Deployment apps/web"
    assert "absent" in verdict.reason
    assert "absent" not in verdict.doomed


def test_a_failure_outweighs_everything_else() -> None:
    """Waiting for the rest would only cost time."""
    pods = [
        web_pod(phase="Failed", status={"reason": "Evicted", "message": "disk"}),
        web_pod("b", on="", refused=NO_NODE),
    ]
    verdict = judged(want(replicas=2), deployment(replicas=2), pods)
    is_failed(verdict, "pod web-p0 failed: Evicted: disk")
    assert NO_NODE not in str(verdict)


def test_only_a_screenful_is_told() -> None:
    """Twenty missing Deployments are five and a number."""
    verdict = judged([want(name=f"d{i:02}") for i in range(20)])
    is_waiting(verdict, "Deployment apps/d00", "Deployment apps/d04", "and 15 more", doomed=False)
    assert "d05" not in str(verdict)


# Failed pods


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"reason": "Evicted", "message": "The node was low on memory"}, "Evicted: The node was low on memory"),
        (
            {"containerStatuses": [{"state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "boom"}}}]},
            "Error: exit code 3: boom",
        ),
        (
            {
                "initContainerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
                "containerStatuses": [{"state": {"terminated": {"exitCode": 1, "reason": "OOMKilled"}}}],
            },
            "OOMKilled: exit code 1",
        ),
        ({}, "no reason given"),
    ],
    ids=["pod reason", "container", "not the container that ended well", "none"],
)
def test_a_failed_pod_says_why(status: dict[str, Any], text: str) -> None:
    """Its own reason first, then that of a container."""
    verdict = judged(want(), deployment(), web_pod(), web_pod("f", phase="Failed", status=status))
    is_failed(verdict, f"pod web-f failed: {text}")


# Pods that nobody expected, and where they count


@pytest.mark.parametrize(
    ("stray", "verdict"),
    [
        (pod("stray", on="gpu-0"), "passed"),
        (pod("stray", namespace="default", refused=NO_NODE), "Pod default/stray: is not scheduled"),
        (pod("stray", namespace="kube-system", refused=NO_NODE), "passed"),
        (pod("stray", namespace="argocd", on="gpu-0", phase="Failed"), "passed"),
        (pod("stray", on="gpu-0", phase="Failed"), "failed"),
        (pod("stray", on="gpu-0", phase="Succeeded"), "passed"),
        (pod("stray", refused=NO_NODE, deleting=True), "passed"),
        (pod("stray", refused=NO_NODE, owner=owned_by("RayJob", "r", api_version="ray.io/v1")), "RayJob.ray.io apps/r"),
        (pod("stray", on="elsewhere"), "bound to node elsewhere, which does not exist"),
    ],
    ids=["bound", "refused", "system", "failed in argocd", "failed", "done", "leaving", "of a RayJob", "lost"],
)
def test_pods_that_nobody_expected(stray: dict[str, Any], verdict: str) -> None:
    """They must be scheduled too, outside the system namespaces; whose they are does not excuse them."""
    found = judged(want(), deployment(), web_pod(), stray)
    if verdict == "passed":
        is_passed(found, "1 pods")
    elif verdict == "failed":
        is_failed(found, "Pod apps/stray")
    else:
        is_waiting(found, verdict, doomed=True)


def test_a_hook_that_cannot_be_scheduled_is_a_failure_to_be() -> None:
    """The bash harness excused Jobs; helm would wait for this one until it times out."""
    stuck = job_pod("hook-0", on="", of="hook", refused=NO_NODE)
    is_waiting(judged(want(), deployment(), web_pod(), job(name="hook"), stuck), "Job apps/hook", doomed=True)


@pytest.mark.parametrize("known", [True, False], ids=["of a release", "somebody else's"])
def test_in_system_namespaces_only_what_the_releases_bring_counts(known: bool) -> None:
    """A hook Job in kube-system that failed: its release's business, or the cluster's own."""
    failed = job("Failed", name="hook", namespace="kube-system")
    hooks = {("Job", "kube-system", "hook")} if known else set()
    verdict = judged(want(), deployment(), web_pod(), failed, hooks=hooks)
    is_failed(verdict, "Job kube-system/hook: failed: R: m") if known else is_passed(verdict)


def test_expected_workloads_in_kube_system_count() -> None:
    """aws-efa is released there."""
    efa = agent()
    efa = ExpectedWorkload(DAEMONSETS, "kube-system", "agent", "efa", Declared(), efa.spec)
    made = daemon_set(desired=2, namespace="kube-system")
    pods = [agent_pod("gpu-0", namespace="kube-system"), agent_pod("gpu-1", namespace="kube-system", bound=False)]
    is_waiting(judged(efa, made, pods), "DaemonSet kube-system/agent", "is not scheduled", doomed=False)


def test_pods_of_a_cron_jobs_job_belong_to_the_cron_job() -> None:
    """Whatever the Job in between is called; so they are placed as the CronJob's component declares."""
    made = job(name="cron-123")
    made["metadata"]["ownerReferences"] = owned_by("CronJob", "cron", api_version="batch/v1")
    cron = want(CRONJOBS, "cron", replicas=0, declared=Declared(system=True))
    verdict = judged(cron, made, job_pod(of="cron-123", on="gpu-0"))
    is_failed(verdict, "CronJob apps/cron: pod j0 is on accelerated node gpu-0 and belongs on system nodes")


# Where pods are


def test_a_pod_on_a_real_node_fails() -> None:
    """Nothing of a recipe may run for real."""
    verdict = judged(want(), deployment(), web_pod(on="kind-control-plane"), real_node())
    is_failed(verdict, "pod web-p0 is on the real node kind-control-plane")


def test_a_real_node_is_nobodys() -> None:
    """A DaemonSet that tolerates everything has a pod on every simulated node, and none is wanted on the real one."""
    everywhere, four = agent(spec=spec()), [agent_pod(name) for name in ("gpu-0", "gpu-1", "system-0", "system-1")]
    is_passed(judged(everywhere, daemon_set(desired=4), *four, real_node()), "4 pods")
    leaked = agent_pod("kind-control-plane")
    is_failed(judged(everywhere, daemon_set(desired=5), *four, leaked, real_node()), "on the real node")


def test_the_table_leaves_the_real_node_and_its_pods_out() -> None:
    """Both runtimes show the same placement; a workload's pod that is there all the same is counted."""
    controller = pod("controller", namespace="flux-system", on="kind-control-plane")
    expected = Expected((want(),), frozenset())
    simulated = facts(objects_of(*NODES, deployment(), web_pod()), expected)
    assert facts(objects_of(*NODES, deployment(), web_pod(), controller, real_node()), expected) == simulated
    leaked = facts(objects_of(*NODES, deployment(), web_pod(on="kind-control-plane"), real_node()), expected)
    assert leaked["totals"]["scheduled"] == 1


def test_a_pod_on_the_wrong_type_fails() -> None:
    """Its component declares node selectors for system nodes; one on the right type is fine."""
    system = Declared(system=True)
    is_failed(judged(want(declared=system), deployment(), web_pod(on="gpu-0")), "belongs on system nodes")
    is_passed(judged(want(declared=system), deployment(), web_pod(on="system-1")))


def test_more_gpus_than_a_node_has_fail() -> None:
    """The sum over everything that runs there, expected or not; finished pods do not count."""
    pods = [web_pod(on="gpu-0", of=spec(gpus=5)), pod("k", namespace="kube-system", on="gpu-0", of=spec(gpus=3))]
    done = pod("done", on="gpu-0", of=spec(gpus=8), phase="Succeeded")
    is_passed(judged(want(), deployment(), pods, done))
    more = pod("more", on="gpu-0", of=spec(gpus=1))
    is_failed(judged(want(), deployment(), pods, more), f"Node gpu-0: its pods request {GPU} 9, it has 8")


# While releases install


def test_the_watch_during_installs_never_passes() -> None:
    """It has nothing to say of pods that are bound or waiting their turn, or of other namespaces."""
    gate = NothingUnschedulable(frozenset({"apps"}))
    others = pod("other", namespace="elsewhere", refused=NO_NODE)
    is_waiting(
        gate(objects_of(*NODES, web_pod(), web_pod("b", on=""), others)), "no pod is unschedulable", doomed=False
    )


def test_the_watch_during_installs_is_doomed_by_a_hook_that_fits_nowhere() -> None:
    """With the reason, so that the lane can end long before helm would."""
    stuck = job_pod("hook-0", on="", of="hook", refused=NO_NODE)
    verdict = NothingUnschedulable(frozenset({"apps"}))(objects_of(*NODES, job(name="hook"), stuck))
    is_waiting(verdict, "pod hook-0 is not scheduled", NO_NODE, doomed=True)
    assert isinstance(verdict, Waiting)
    assert verdict.subject == "Job apps/hook"


# For the report


def test_the_placement_table() -> None:
    """Pods by node and workload, GPUs, totals: plain data."""
    pods = [web_pod(on="gpu-0", of=spec(gpus=2)), pod("stray", on="system-0"), web_pod("b", on="")]
    table = facts(objects_of(*NODES, deployment(), pods), Expected((want(),)))
    assert table["totals"] == {
        "workloads": 1,
        "pods": 2,
        "other": 1,
        "scheduled": 1,
        "running": 1,
        "gpus": 16,
        "gpusUsed": 2,
    }
    assert table["nodes"][0] == {
        "name": "gpu-0",
        "type": "accelerated",
        "pods": 1,
        "workloads": {"Deployment apps/web": 1},
        "gpus": 8,
        "gpusUsed": 2,
        "gpusFree": 6,
    }
    assert [row["name"] for row in table["nodes"]] == ["gpu-0", "gpu-1", "system-0", "system-1"]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (
            want(JOBS, "job", transient=True),
            "Job apps/job is gone (ttlSecondsAfterFinished): how it ended was not seen",
        ),
        (want(replicas=0), "Deployment apps/web has no pods now (0 replicas)"),
        (want(JOBS, "job", replicas=0, suspended=True), "Job apps/job has no pods now (suspended)"),
        (want(CRONJOBS, "cron", replicas=0), "CronJob apps/cron has no pods now (a schedule)"),
        (want(declared=Declared(system=True)), "only chance keeps its pods on system nodes"),
        (want(declared=Declared(system=True), spec=spec(nodeSelector={TYPE: "system"})), ""),
        (want(spec=spec(gpus=1)), ""),
        (agent(), ""),
    ],
    ids=["gone", "zero", "suspended", "cron", "by chance", "by its selector", "by its GPUs", "agent"],
)
def test_notes_say_what_a_pass_does_not_cover(wanted: ExpectedWorkload, text: str) -> None:
    """One sentence each; a workload that is fully covered has none."""
    found = notes(objects_of(*NODES), Expected((wanted,)))
    assert len(found) == bool(text)
    assert text in "".join(found)


# Pods that were placed in place of another scheduler

STOOD_IN = {"kwok-harness/scheduler": "kai-scheduler"}


def stood_in(*schedulers: str) -> tuple[Expected, Any]:
    """A Deployment whose pod asked for kai-scheduler, in a recipe that installs `schedulers`."""
    wanted = want(spec=spec(schedulerName="kai-scheduler"))
    placed = web_pod()
    placed["metadata"]["annotations"] = STOOD_IN
    return Expected((wanted,), schedulers=frozenset(schedulers)), objects_of(*NODES, *deployment(), placed)


def test_a_pod_for_a_scheduler_of_the_recipe_passes_with_a_note() -> None:
    """It fits; what that scheduler would decide besides nobody knows."""
    expected, seen = stood_in("kai-scheduler")
    assert isinstance(ScheduledAsIntended(expected)(seen), Passed)
    [note] = notes(seen, expected)
    assert "kai-scheduler" in note
    assert "Deployment apps/web" in note


def test_a_pod_for_a_scheduler_that_nobody_installs_fails() -> None:
    """On a real cluster it would never be placed."""
    expected, seen = stood_in("volcano")
    verdict = ScheduledAsIntended(expected)(seen)
    assert isinstance(verdict, Failed)
    assert (verdict.subject, "scheduler kai-scheduler" in verdict.reason) == ("Deployment apps/web", True)


# Strategies


def of_revisions(*pods: tuple[str, str]) -> list[dict[str, Any]]:
    """Pods of the StatefulSet db with their revisions."""
    return [
        pod(name, on="system-0", owner=owned_by("StatefulSet", "db"), labels={"controller-revision-hash": revision})
        for name, revision in pods
    ]


def updated_set(replicas: int) -> dict[str, Any]:
    return live("StatefulSet", "db", spec={"replicas": replicas}, status={"updateRevision": "new"})


@pytest.mark.parametrize(
    ("fields", "revisions", "passes", "left"),
    [
        ({"on_delete": True}, ("old", "old"), True, 2),
        ({"on_delete": True}, ("new", "old"), True, 1),
        ({"on_delete": True}, ("old",), False, 1),
        ({"partition": 1}, ("old", "new"), True, 1),
        ({"partition": 1}, ("new", "old"), False, 0),
        ({"partition": 2}, ("old", "old"), True, 2),
        ({}, ("old", "new"), False, 0),
    ],
)
def test_pods_that_a_strategy_keeps_may_be_of_an_older_revision(
    fields: dict[str, Any], revisions: tuple[str, ...], passes: bool, left: int
) -> None:
    """With OnDelete all, with a partition those of lower ordinals; there must be as many as ever, and it is a note."""
    wanted = want(STATEFULSETS, "db", replicas=2, **fields)
    objects = [updated_set(2), *of_revisions(*((f"db-{n}", revision) for n, revision in enumerate(revisions)))]
    verdict = judged(wanted, objects)
    is_passed(verdict) if passes else is_waiting(verdict, doomed=False)
    told = notes(objects_of(*NODES, *objects), Expected((wanted,)))
    assert [note for note in told if f"{left} pods are of an older revision until somebody deletes them" in note] == (
        list(told) if left else []
    )


def test_a_daemon_set_that_replaces_on_delete_keeps_its_pods() -> None:
    """As drivers have it; a node without any pod is still one too few."""
    wanted = agent(on_delete=True)
    both = [agent_pod("gpu-0", generation="0"), agent_pod("gpu-1")]
    is_passed(judged(wanted, daemon_set(desired=2), both))
    is_waiting(judged(wanted, daemon_set(desired=2), both[:1]), "none for gpu-1", doomed=False)
    assert notes(objects_of(*NODES, daemon_set(desired=2), *both), Expected((wanted,))) == (
        "DaemonSet apps/agent: 1 pods are of an older revision until somebody deletes them (OnDelete)",
    )


# Autoscalers


def test_an_autoscaler_that_has_not_scaled_yet_is_told_as_such() -> None:
    """The manifest does not say 2; and it is waited for."""
    wanted = want(replicas=2, elastic=True, scaled=True, stated=1)
    verdict = judged(wanted, deployment(replicas=1), web_pod())
    is_waiting(verdict, "asks for 1 replicas in the cluster; its autoscaler, which keeps at least 2", doomed=False)


@pytest.mark.parametrize("replicas", [1, 2])
def test_self_heal_and_an_autoscaler_undo_each_other_for_ever(replicas: int) -> None:
    """Whoever was last, the quiet moment is no pass; without a number in the manifest there is nothing to put back."""
    healed = deployment(replicas=replicas, metadata={"annotations": {"argocd.argoproj.io/tracking-id": "x"}})
    pods = [web_pod(f"p{n}") for n in range(replicas)]
    verdict = judged(want(replicas=2, elastic=True, scaled=True, stated=1), healed, pods)
    is_waiting(verdict, "keeps at least 2 replicas, and a manifest that says 1", "self-heal", doomed=True)
    assert isinstance(verdict, Waiting)
    assert verdict.certain
    for stated in (None, 3):
        verdict = judged(want(replicas=2, elastic=True, scaled=True, stated=stated), healed, pods)
        assert "self-heal" not in str(verdict)
    by_helm = judged(want(replicas=2, elastic=True, scaled=True, stated=1), deployment(replicas=replicas), pods)
    assert "self-heal" not in str(by_helm)
