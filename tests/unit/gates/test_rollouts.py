"""The verdict on the infrastructure's own pods, row by row: what runs, what may still, and what will not."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.gates.rollouts import RolledOut, Withdrawn, Workload, crashes, ended_since, pods_of
from harness.objects import DEPLOYMENTS, NODES, PODS, STATEFULSETS, Kind, Object, Objects, key_of
from harness.verdict import Passed, Verdict, Waiting

WEB, STORE = Workload(DEPLOYMENTS, "argocd", "web"), Workload(STATEFULSETS, "argocd", "store")
RUNNING: Mapping[str, Any] = {"running": {"startedAt": "now"}}
CRASHED: Mapping[str, Any] = {"terminated": {"exitCode": 2, "reason": "Error"}}
HOPEFUL, DOOMED = "hopeful", "doomed"


def workload(of: Workload = WEB, *, available: int = 1, replicas: int = 1, **status: Any) -> dict[str, Any]:
    counts = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": available}
    return {
        "kind": of.kind.kind,
        "metadata": {"name": of.name, "namespace": of.namespace, "generation": 3},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": of.name}}},
        "status": {"observedGeneration": 3, **counts, **status},
    }


def container(state: Mapping[str, Any], *, name: str = "main", ready: bool = False, **status: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": ready, "restartCount": 0, **status}


def pod(*containers: Mapping[str, Any], name: str = "web-1", app: str = "web", **fields: Any) -> dict[str, Any]:
    status = {"phase": "Pending", "containerStatuses": list(containers), **fields.pop("status", {})}
    return {
        "metadata": {"name": name, "namespace": "argocd", "uid": name, "labels": {"app": app}, **fields},
        "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "example.org/web:v1"}]},
        "status": status,
    }


def waiting(reason: str, message: str = "because", **status: Any) -> dict[str, Any]:
    return container({"waiting": {"reason": reason, "message": message}}, **status)


def objects_of(*objects: Object) -> Objects:
    found: dict[Kind, dict[tuple[str, str], Object]] = {DEPLOYMENTS: {}, STATEFULSETS: {}, PODS: {}, NODES: {}}
    kinds = {kind.kind: kind for kind in found}
    for item in objects:
        found[kinds[item.get("kind", "Pod")]][key_of(item)] = item
    return Objects(found)


def judged(*objects: Object) -> Verdict:
    return RolledOut([WEB])(objects_of(*objects))


def unavailable(*pods: Object, **status: Any) -> list[Object]:
    return [workload(available=0, **status), *pods]


def unscheduled(reason: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": "0/1 nodes are available"}
    return pod(status={"conditions": [condition]})


def evicted(name: str = "web-0") -> dict[str, Any]:
    message = "The node was low on resource: ephemeral-storage"
    return pod(name=name, status={"phase": "Failed", "reason": "Evicted", "message": message})


AGAIN = container(RUNNING, restartCount=2, lastState=CRASHED)
REFUSED = {"type": "ReplicaFailure", "status": "True", "message": "pods is forbidden: quota"}


@pytest.mark.parametrize(
    ("objects", "expected", "said"),
    [
        pytest.param([workload()], Passed, "web available", id="available"),
        pytest.param([], HOPEFUL, "is not there", id="not there"),
        pytest.param([workload(observedGeneration=2)], HOPEFUL, "has not looked at its last change", id="not seen"),
        pytest.param([workload(replicas=2, available=2)], HOPEFUL, "2 of 1", id="an old pod besides"),
        pytest.param(
            [workload(updatedReplicas=0)], HOPEFUL, "1 of 1 available: it has no pod", id="of an old template"
        ),
        pytest.param(unavailable(), HOPEFUL, "it has no pod yet", id="no pod"),
        pytest.param(unavailable(conditions=[REFUSED]), DOOMED, "pods is forbidden: quota", id="no pod allowed"),
        pytest.param(unavailable(pod(deletionTimestamp="now")), HOPEFUL, "old pod is still ending", id="only old"),
        pytest.param(unavailable(unscheduled("Unschedulable")), DOOMED, "0/1 nodes are available", id="unschedulable"),
        pytest.param(unavailable(unscheduled("SchedulingGated")), HOPEFUL, "has no node", id="gated"),
        pytest.param(unavailable(pod()), HOPEFUL, "is about to be started", id="on its node"),
        pytest.param(unavailable(pod(waiting("ContainerCreating"))), HOPEFUL, "ContainerCreating", id="creating"),
        pytest.param(unavailable(pod(waiting("ErrImageNeverPull"))), DOOMED, "example.org/web:v1", id="never pull"),
        pytest.param(unavailable(pod(waiting("ErrImagePull"))), DOOMED, "ErrImagePull: because", id="not pulled"),
        pytest.param(unavailable(pod(waiting("ImagePullBackOff"))), DOOMED, "ImagePullBackOff", id="not pulled again"),
        pytest.param(unavailable(pod(waiting("InvalidImageName"))), DOOMED, "InvalidImageName", id="no image name"),
        pytest.param(unavailable(pod(waiting("CreateContainerConfigError"))), DOOMED, "because", id="no secret"),
        pytest.param(
            unavailable(pod(waiting("CrashLoopBackOff", lastState=CRASHED))), DOOMED, "status 2", id="crashes"
        ),
        pytest.param(unavailable(pod(AGAIN)), DOOMED, "does not stay: main ended with status 2", id="crashed, runs"),
        pytest.param(unavailable(pod(container(CRASHED))), HOPEFUL, "main ended with status 2", id="the first crash"),
        pytest.param(unavailable(pod(container(RUNNING))), HOPEFUL, "main runs and is not ready", id="not ready"),
        pytest.param(unavailable(evicted()), DOOMED, "was evicted: The node was low on resource", id="evicted"),
        pytest.param(unavailable(evicted(), pod()), HOPEFUL, "before it, was evicted", id="evicted and replaced"),
        pytest.param(unavailable(pod(app="other")), HOPEFUL, "no pod yet", id="somebody else's pod"),
    ],
)
def test_what_a_workload_is_waited_for(objects: list[Object], expected: Any, said: str) -> None:
    """Only all pods of the newest template count; what does not heal by itself is doomed, with its reason."""
    verdict = judged(*objects)
    if expected in (HOPEFUL, DOOMED):
        assert isinstance(verdict, Waiting)
        assert bool(verdict.doomed) == (expected == DOOMED)
        assert verdict.subject == "Deployment argocd/web"
    else:
        assert isinstance(verdict, expected)
    assert said in verdict.reason


def test_init_containers_are_pods_too() -> None:
    """One that fails is told, one that has done its work is not in the way."""
    failing = waiting("CrashLoopBackOff", name="first", lastState=CRASHED)
    done = container({"terminated": {"exitCode": 0}}, name="first", ready=True)
    main = waiting("PodInitializing")
    doomed = judged(*unavailable(pod(main, status={"initContainerStatuses": [failing]})))
    assert isinstance(doomed, Waiting)
    assert "first ended with status 2" in doomed.doomed
    hopeful = judged(*unavailable(pod(main, status={"initContainerStatuses": [done]})))
    assert "main is not started yet (PodInitializing)" in hopeful.reason


def test_all_must_run_and_the_worst_decides() -> None:
    """The doomed one is the subject, whatever else is merely slow: its patience must not begin anew."""
    gate = RolledOut([WEB, STORE])
    broken = pod(waiting("ErrImagePull"), name="store-0", app="store")
    verdict = gate(objects_of(workload(available=0), pod(container(RUNNING)), workload(STORE, available=0), broken))
    assert isinstance(verdict, Waiting)
    assert (verdict.subject, "is not ready" in verdict.reason) == ("StatefulSet argocd/store", True)
    assert isinstance(gate(objects_of(workload(), workload(STORE))), Passed)


def test_a_gate_over_nothing_is_a_defect() -> None:
    """It would pass at once."""
    with pytest.raises(ValueError, match="no workloads"):
        RolledOut([])


@pytest.mark.parametrize(
    ("objects", "passes"),
    [
        ([], True),
        ([workload(replicas=0)], True),
        ([workload()], False),
        ([workload(replicas=0, observedGeneration=2)], False),
        ([workload(replicas=0), pod(deletionTimestamp="now")], False),
        ([workload(replicas=0), pod(app="other")], True),
    ],
)
def test_nothing_is_left_of_what_was_stopped(objects: list[Object], passes: bool) -> None:
    """A pod on its way out is one that may still write."""
    assert isinstance(Withdrawn([WEB])(objects_of(*objects)), Passed) == passes


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (pod(container(RUNNING, ready=True)), ""),
        (pod(container(RUNNING)), ""),
        (pod(container(CRASHED)), "ended with status 2"),
        (pod(container({"terminated": {"exitCode": 0, "reason": "Completed"}})), "ended with status 0"),
        (pod(container(RUNNING, restartCount=1, lastState=CRASHED)), "ended with status 2"),
        (pod(container({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})), "status 137 (OOMKilled)"),
        (evicted("web-1"), "has ended (Evicted): The node was low"),
    ],
)
def test_an_ending_is_one_even_where_it_was_started_again(now: Object, said: str) -> None:
    """A controller that came back has forgotten what it was about; one that is merely not ready has not."""
    told = ended_since(pod(container(RUNNING, ready=True)), now)
    assert said in told
    assert bool(said) == bool(told)


def test_endings_before_it_was_ready_are_not_counted() -> None:
    """How often a container had been started before it was looked after is no news."""
    ready = pod(container(RUNNING, ready=True, restartCount=3, lastState=CRASHED))
    assert ended_since(ready, ready) == ""


def test_where_last_words_are() -> None:
    """Of what was started again they are kept apart; of what is down they are the log itself."""
    [down] = crashes(pod(container(CRASHED)))
    [again] = crashes(pod(AGAIN))
    assert (down.previous, again.previous, down.container) == (False, True, "main")
    assert list(crashes(pod(container(RUNNING)))) == []


def test_pods_are_those_that_the_selector_finds() -> None:
    """In the namespace of the workload, and nowhere where that is not there."""
    other = {**pod(name="x"), "metadata": {**pod()["metadata"], "name": "x", "namespace": "apps"}}
    found = pods_of([WEB, STORE], objects_of(workload(), pod(), other))
    assert ([each["metadata"]["name"] for each in found[WEB]], found[STORE]) == (["web-1"], [])
    by_expressions = workload()
    by_expressions["spec"]["selector"] = {"matchExpressions": []}
    assert pods_of([WEB], objects_of(by_expressions, pod()))[WEB] == []


def test_what_is_wrong_with_the_only_node_is_told() -> None:
    """The scheduler counts the nodes that do not do; which one was meant, and that its disk is full, it leaves out."""
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/7 nodes"}
    homeless = pod(status={"conditions": [refused]})
    del homeless["spec"]["nodeName"]
    homeless["spec"]["nodeSelector"] = {"real": "yes"}
    taint = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}
    real, simulated = (
        {"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"taints": [taint]}}
        for name, labels in (("real-0", {"real": "yes"}), ("gpu-0", {}))
    )
    verdict = judged(*unavailable(homeless), real, simulated)
    assert isinstance(verdict, Waiting)
    assert verdict.doomed
    assert "has no node: node real-0 has taint node.kubernetes.io/disk-pressure" in verdict.reason
    assert "gpu-0" not in verdict.reason
