"""What must run, read from manifests alone."""

from typing import Any

import pytest

from harness.errors import DataError
from harness.gates.workloads.manifest import Expected, Rendered, expected_workloads
from harness.objects import Object


def manifest(kind: str, name: str = "web", api: str = "apps/v1", *, namespace: str = "", **more: Any) -> dict[str, Any]:
    """`hook` and `policy` are its annotations, everything else its spec."""
    annotations = {"helm.sh/hook": more.pop("hook", ""), "helm.sh/hook-delete-policy": more.pop("policy", "")}
    metadata: dict[str, Any] = {"name": name, "annotations": {k: v for k, v in annotations.items() if v}}
    metadata |= {"namespace": namespace} if namespace else {}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": {"template": {"spec": {"x": kind}}, **more}}


def expected(*objects: Object) -> Expected:
    return expected_workloads([Rendered("rel", "apps", objects)])


BATCH = "batch/v1"


@pytest.mark.parametrize(
    ("item", "replicas", "elastic"),
    [
        (manifest("Deployment", replicas=3), 3, False),
        (manifest("Deployment", replicas=0), 0, False),
        (manifest("Deployment"), 1, True),
        (manifest("Deployment", replicas=None), 1, True),
        (manifest("StatefulSet", replicas=2), 2, False),
        (manifest("ReplicaSet", replicas=2), 2, False),
        (manifest("ReplicationController", api="v1", replicas=2), 2, False),
        (manifest("Job", api=BATCH), 1, False),
        (manifest("Job", api=BATCH, parallelism=4), 4, False),
        (manifest("Job", api=BATCH, parallelism=4, completions=2), 2, False),
        (manifest("Job", api=BATCH, completions=5), 1, False),
        (manifest("Job", api=BATCH, parallelism=0), 0, False),
        (manifest("Job", api=BATCH, parallelism=4, suspend=True), 0, False),
        (manifest("CronJob", api=BATCH), 0, False),
        (manifest("Pod", api="v1"), 1, False),
    ],
    ids=lambda value: f"{value['kind']} {value['spec']}" if isinstance(value, dict) else None,
)
def test_pods_that_a_manifest_asks_for(item: Object, replicas: int, elastic: bool) -> None:
    """Kubernetes' defaults where a field is absent; absent replicas are somebody else's to set."""
    (workload,) = expected(item).workloads
    assert (workload.replicas, workload.elastic) == (replicas, elastic)


@pytest.mark.parametrize(
    ("stated", "least", "replicas", "elastic"),
    [(1, 3, 3, True), (5, 2, 2, True), (None, 2, 2, True), (2, None, 1, True), (0, 2, 0, False)],
    ids=["below", "above", "absent", "no minimum", "scaled to zero"],
)
def test_an_autoscaler_decides(stated: int | None, least: int | None, replicas: int, elastic: bool) -> None:
    """At least minReplicas (1 where absent), unless the manifest says zero, which an autoscaler leaves alone."""
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "s"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": least},
    }
    other = manifest("Deployment", "other", replicas=7)
    found = expected(manifest("Deployment", replicas=stated), scaler, other)
    assert [(w.name, w.replicas, w.elastic) for w in found.workloads] == [
        ("other", 7, False),
        ("web", replicas, elastic),
    ]


@pytest.mark.parametrize(
    ("kind", "hook", "policy", "stands"),
    [
        ("Job", "", "", True),
        ("Job", "pre-install", "", False),
        ("Job", "post-install,post-upgrade", "before-hook-creation", False),
        ("Pod", "test", "", False),
        ("Deployment", "post-install", "", True),
        ("Deployment", "post-install, post-upgrade", "before-hook-creation, hook-failed", True),
        ("Deployment", "post-install", "before-hook-creation,hook-succeeded", False),
        ("Deployment", "pre-delete", "", False),
        ("DaemonSet", "pre-rollback,post-delete", "", False),
        ("StatefulSet", "test-success", "", False),
    ],
)
def test_hooks_stand_only_when_helm_neither_waits_for_them_nor_takes_them_away(
    kind: str, hook: str, policy: str, stands: bool
) -> None:
    """The table in the docstring; what does not stand is remembered as a hook."""
    api = {"Job": BATCH, "Pod": "v1"}.get(kind, "apps/v1")
    found = expected(manifest(kind, "h", api, hook=hook, policy=policy))
    assert [w.identity for w in found.workloads] == ([(kind, "apps", "h")] if stands else [])
    assert found.hooks == (frozenset() if stands else {(kind, "apps", "h")})


@pytest.mark.parametrize("policy", [None, 1, ["hook-succeeded"], ""])
def test_a_delete_policy_that_is_no_text_is_none(policy: object) -> None:
    """null is what an empty value that is not quoted comes to; helm takes it for the empty text."""
    hook = manifest("Deployment", "h", hook="post-install")
    hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"] = policy
    assert [workload.name for workload in expected(hook).workloads] == ["h"]


@pytest.mark.parametrize("replicas", ["two", "2", True, 2.5, [], {}])
def test_replicas_that_are_no_number_are_left_to_the_api_server(replicas: object) -> None:
    """It refuses the manifest in its own words; until then it counts as one that says nothing."""
    (workload,) = expected(manifest("Deployment", replicas=replicas)).workloads
    assert (workload.replicas, workload.elastic) == (1, True)


@pytest.mark.parametrize("name", [123, True, ["a"], {"a": "b"}])
def test_a_name_that_is_no_text_is_left_to_the_api_server(name: object) -> None:
    """The workload is not expected under a name that it cannot have."""
    item = manifest("Deployment")
    item["metadata"]["name"] = name
    assert not expected(item).workloads


def test_custom_resources_with_the_names_of_workloads_are_none() -> None:
    """A Volcano Job has no controller here that would make pods; nor have other kinds."""
    assert not expected(manifest("Job", api="batch.volcano.sh/v1alpha1"), manifest("ConfigMap", api="v1")).workloads


def test_namespaces_default_to_the_releases() -> None:
    """A manifest may name another one."""
    found = expected(manifest("Deployment", "a"), manifest("Deployment", "b", namespace="kube-system"))
    assert [w.identity for w in found.workloads] == [("Deployment", "apps", "a"), ("Deployment", "kube-system", "b")]


def test_lists_are_taken_apart() -> None:
    """Some charts wrap their objects, even twice."""
    inner = {"apiVersion": "v1", "kind": "List", "items": [manifest("DaemonSet", "agent")]}
    found = expected({"apiVersion": "v1", "kind": "List", "items": [manifest("Deployment"), inner]})
    assert [w.name for w in found.workloads] == ["agent", "web"]


def test_the_same_workload_from_two_releases_is_an_error() -> None:
    """Whichever were applied last would win: the message names both."""
    releases = [Rendered("one", "apps", [manifest("Deployment")]), Rendered("two", "apps", [manifest("Deployment")])]
    with pytest.raises(DataError, match="by release one and by release two") as caught:
        expected_workloads(releases)
    assert caught.value.where == "Deployment apps/web"


def test_the_same_name_elsewhere_is_another_workload() -> None:
    """Another kind or another namespace."""
    releases = [
        Rendered("one", "apps", [manifest("Deployment"), manifest("StatefulSet")]),
        Rendered("two", "more", [manifest("Deployment")]),
    ]
    assert len(expected_workloads(releases).workloads) == 3


def test_a_workload_without_a_name_is_an_error() -> None:
    """generateName cannot be found again; for a hook it does not matter."""
    nameless = manifest("Job", api=BATCH)
    nameless["metadata"] = {"generateName": "x-"}
    with pytest.raises(DataError, match="without a name"):
        expected(nameless)
    nameless["metadata"]["annotations"] = {"helm.sh/hook": "pre-install"}
    assert not expected(nameless).workloads


def test_pod_specs_are_found_where_each_kind_keeps_them() -> None:
    """In the template, two levels down in a CronJob, at the top in a Pod; a DaemonSet's gets more tolerations."""
    cron = manifest("CronJob", api=BATCH, jobTemplate={"spec": {"template": {"spec": {"x": "cron"}}}})
    bare: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": "pod"}}
    found = {w.kind.kind: w.spec for w in expected(cron, bare, manifest("Deployment"), manifest("DaemonSet")).workloads}
    assert [found[kind]["x"] for kind in ("CronJob", "Pod", "Deployment", "DaemonSet")] == [
        "cron",
        "pod",
        "Deployment",
        "DaemonSet",
    ]
    assert "tolerations" not in found["Deployment"]
    assert len(found["DaemonSet"]["tolerations"]) == 6


@pytest.mark.parametrize(
    ("policy", "ordered"), [({}, True), ({"podManagementPolicy": "Parallel"}, False)], ids=["default", "Parallel"]
)
def test_stateful_sets_are_ordered_by_default(policy: dict[str, str], ordered: bool) -> None:
    """podManagementPolicy."""
    (workload,) = expected(manifest("StatefulSet", **policy)).workloads
    assert workload.ordered is ordered


def test_a_job_that_takes_itself_away_is_known_to() -> None:
    """ttlSecondsAfterFinished, zero included."""
    brief, lasting = manifest("Job", "a", BATCH, ttlSecondsAfterFinished=0), manifest("Job", "b", BATCH)
    assert [w.transient for w in expected(brief, lasting).workloads] == [True, False]
