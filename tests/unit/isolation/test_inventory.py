"""Taking stock of a cluster, and comparing two stocks."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from harness.cluster.api import ApiError, Cluster, Listing, Resources, Unreachable, address
from harness.errors import ClusterError
from harness.isolation.inventory import Entry, Inventory, compare, take
from harness.objects import CONFIGMAPS, DEPLOYMENTS, JOBS, NODES, PODS, Kind, Reference

VOLUMES = Kind("v1", "persistentvolumes", "PersistentVolume", namespaced=False)
WIDGETS = Kind("example.com/v1", "widgets", "Widget")


Items = list[dict[str, Any]]


class FakeCluster:
    """Serves lists by kind; a list that is an exception is raised."""

    def __init__(self, lists: Mapping[Kind, Items | Exception], unavailable: Sequence[str] = ()) -> None:
        self._lists = lists
        self._unavailable = list(unavailable)
        self.accepted: dict[str, str] = {}

    def resources(self) -> Resources:
        return Resources(list(self._lists), self._unavailable)

    def request(self, method: str, path: str, *, accept: str, timeout: float, attempts: int) -> dict[str, Any]:
        assert method == "GET"
        self.accepted[path] = accept
        return {"items": self._items(next(kind for kind in self._lists if address(kind) == path))}

    def list(self, kind: Kind, *, timeout: float, attempts: int) -> Listing:
        return Listing(self._items(kind), "1")

    def _items(self, kind: Kind) -> Items:
        found = self._lists[kind]
        if isinstance(found, Exception):
            raise found
        return found


def item(name: str, namespace: str = "", uid: str = "u", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, **({"namespace": namespace} if namespace else {}), **metadata}}


def taken(kind: Kind, *items: dict[str, Any]) -> list[str]:
    return [str(reference) for reference in take(cast(Cluster, FakeCluster({kind: list(items)}))).objects]


def node(labels: dict[str, str], *taints: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {**item("n", labels=labels), "spec": {"taints": list(taints), **spec}}


def test_every_kind_is_listed_by_name_and_uid() -> None:
    """Objects are known by resource, namespace and name, with their uid and what matters for taking them away."""
    owned = item("p", "a", "2", ownerReferences=[{"uid": "1"}], deletionTimestamp="t", finalizers=["f"])
    cluster = FakeCluster({DEPLOYMENTS: [item("d", "a", "1")], PODS: [owned], WIDGETS: []})
    assert take(cast(Cluster, cluster)) == Inventory(
        {
            Reference("deployments.apps", "a", "d"): Entry(DEPLOYMENTS, "1"),
            Reference("pods", "a", "p"): Entry(PODS, "2", owned=True, deleting=True, finalizers=("f",)),
        }
    )


def test_address_of_a_service_goes_with_the_service() -> None:
    """Addresses that the API server allots have no owner reference, and are owned all the same."""
    addresses = Kind("networking.k8s.io/v1", "ipaddresses", "IPAddress", namespaced=False)
    made = item("10.0.0.1", labels={"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"})
    found = take(cast(Cluster, FakeCluster({addresses: [made, item("10.0.0.2")]}))).objects
    assert [entry.owned for entry in found.values()] == [True, False]


def test_only_metadata_is_asked_for() -> None:
    """Definitions and workloads weigh megabytes: their lists carry metadata only."""
    cluster = FakeCluster({DEPLOYMENTS: []})
    take(cast(Cluster, cluster))
    assert cluster.accepted["/apis/apps/v1/deployments"].startswith(
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    )


@pytest.mark.parametrize(
    "kind",
    [
        Kind("v1", "events", "Event"),
        Kind("events.k8s.io/v1", "events", "Event"),
        Kind("coordination.k8s.io/v1", "leases", "Lease"),
        Kind("v1", "endpoints", "Endpoints"),
        Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
        Kind("v1", "componentstatuses", "ComponentStatus", namespaced=False),
    ],
    ids=str,
)
def test_kinds_that_live_by_themselves_are_left_out(kind: Kind) -> None:
    """What the control plane renews or expires all the time is no leftover of a cell."""
    assert taken(kind, item("x")) == []


@pytest.mark.parametrize(
    ("kind", "object_"),
    [
        (CONFIGMAPS, item("kube-root-ca.crt", "default")),
        (Kind("v1", "serviceaccounts", "ServiceAccount"), item("default", "default")),
        (
            Kind("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False),
            item("v1.example.com", labels={"kube-aggregator.kubernetes.io/automanaged": "true"}),
        ),
        (
            Kind("flowcontrol.apiserver.k8s.io/v1", "flowschemas", "FlowSchema", namespaced=False),
            item("exempt", annotations={"apf.kubernetes.io/autoupdate-spec": "true"}),
        ),
        (Kind("metrics.k8s.io/v1beta1", "pods", "PodMetrics"), {"metadata": {"name": "x", "namespace": "a"}}),
    ],
    ids=["root certificate", "default account", "APIService of a CRD", "built-in flow schema", "not stored"],
)
def test_objects_that_live_by_themselves_are_left_out(kind: Kind, object_: dict[str, Any]) -> None:
    """What the API server or a controller makes unasked is left out; its like made by somebody is not."""
    assert taken(kind, object_, item("other")) == [f"{kind} other"]


def test_kind_that_cannot_be_listed_is_unread_and_one_that_is_gone_is_empty() -> None:
    """A list that fails must not look like an empty one; a kind that vanished since discovery is empty."""
    lists: dict[Kind, Items | Exception] = {
        WIDGETS: ApiError(500, "InternalError", "conversion webhook failed"),
        DEPLOYMENTS: Unreachable("no connection"),
        CONFIGMAPS: ApiError(404, "NotFound", ""),
        Kind("authorization.k8s.io/v1", "reviews", "Review"): ApiError(405, "MethodNotAllowed", ""),
    }
    found = take(cast(Cluster, FakeCluster(lists, ["custom.metrics.k8s.io/v1beta1"])))
    assert found.unread.keys() == {"widgets.example.com", "deployments.apps", "custom.metrics.k8s.io/v1beta1"}
    assert "conversion webhook failed" in found.unread["widgets.example.com"]


def test_discovery_that_fails_is_raised() -> None:
    """Without discovery there is no inventory at all."""

    class Gone(FakeCluster):
        def resources(self) -> Resources:
            raise ClusterError("gone")

    with pytest.raises(ClusterError, match="gone"):
        take(cast(Cluster, Gone({})))


def test_nodes_are_known_by_labels_and_taints_but_not_by_their_conditions() -> None:
    """A label, a taint or a cordon is a change of a node; a taint that tells of a condition is none."""
    ill = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    fake = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}

    def states(*nodes: dict[str, Any]) -> list[Mapping[str, Any]]:
        return [
            entry.state
            for each in nodes
            for entry in take(cast(Cluster, FakeCluster({NODES: [each]}))).objects.values()
        ]

    plain, tainted, conditions, cordoned, labelled = states(
        node({"a": "1"}, fake),
        node({"a": "1"}, fake, {"key": "x", "effect": "NoExecute"}),
        node({"a": "1"}, {**fake, "timeAdded": "now"}, ill),
        node({"a": "1"}, fake, unschedulable=True),
        node({"a": "2"}, fake),
    )
    assert plain == conditions
    assert plain not in (tainted, cordoned, labelled)


def inventory(**entries: Entry) -> Inventory:
    return Inventory({Reference("pods", "ns", name): entry for name, entry in entries.items()})


def test_difference_tells_added_removed_and_replaced() -> None:
    """By name and uid: new, missing, and another object under an old name."""
    before = inventory(same=Entry(PODS, "1"), gone=Entry(PODS, "2"), other=Entry(PODS, "3"))
    after = inventory(same=Entry(PODS, "1"), new=Entry(PODS, "4"), other=Entry(PODS, "5"))
    assert compare(before, after).lines() == (
        "left behind: pods ns/new",
        "missing: pods ns/gone",
        "replaced: pods ns/other",
    )


def test_a_job_that_expires_may_go_and_may_not_come() -> None:
    """The cluster takes away one with a TTL, some time after its end; left by a cell it is a leftover all the same."""

    def stock(*jobs: dict[str, Any]) -> Inventory:
        return take(cast(Cluster, FakeCluster({JOBS: list(jobs)})))

    hook = {**item("hook", "argocd"), "spec": {"ttlSecondsAfterFinished": 60}}
    stays = {**item("stays", "argocd"), "spec": {}}
    assert compare(stock(hook, stays), stock()).lines() == ("missing: jobs.batch argocd/stays",)
    assert compare(stock(), stock(hook)).lines() == ("left behind: jobs.batch argocd/hook",)


def test_equal_inventories_have_no_difference() -> None:
    """The same objects, whatever their finalizers and deletion marks, are the same inventory."""
    before = inventory(same=Entry(PODS, "1"))
    assert compare(before, inventory(same=Entry(PODS, "1", owned=True))).empty


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"labels": {"a": "1", "b": "1"}}, {"labels": {"a": "2", "b": "1"}}, "label a: '1' -> '2'"),
        ({"labels": {}}, {"labels": {"a": "2"}}, "label a: None -> '2'"),
        ({"taints": []}, {"taints": [{"key": "x"}]}, "taints: [] -> [{'key': 'x'}]"),
        ({"claim": ""}, {"claim": "u1"}, "claim: '' -> 'u1'"),
    ],
)
def test_change_of_a_node_or_volume_is_told(before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    """The line says what it was and what it is, and leaves out what is the same."""
    difference = compare(inventory(x=Entry(PODS, "1", state=before)), inventory(x=Entry(PODS, "1", state=after)))
    assert difference.lines() == (f"changed: pods ns/x: {told}",)
    assert not difference.empty


def test_what_cannot_be_read_afterwards_is_a_difference() -> None:
    """A kind that could be listed before and cannot be now is no proof of equality, and its objects are not missing."""
    before = inventory(x=Entry(PODS, "1"))
    difference = compare(before, Inventory({}, {"pods": "500"}))
    assert difference.lines() == ("cannot be listed: pods: 500",)
    assert compare(Inventory({}, {"pods": "500"}), Inventory({}, {"pods": "500"})).empty


def test_addresses_of_objects() -> None:
    """Core and grouped, namespaced and not, with names that need quoting."""
    assert address(PODS) == "/api/v1/pods"
    assert address(DEPLOYMENTS, "ns", "x") == "/apis/apps/v1/namespaces/ns/deployments/x"
    assert address(VOLUMES, "", "a:b") == "/api/v1/persistentvolumes/a%3Ab"


@pytest.mark.parametrize(
    ("namespace", "owners", "counted"),
    [
        ("argocd", [{"uid": "1", "controller": True}], False),
        ("kube-system", [{"uid": "1", "controller": True}], False),
        ("argocd", [{"uid": "1"}], True),
        ("argocd", [], True),
        ("apps", [{"uid": "1", "controller": True}], True),
    ],
)
def test_pods_of_the_clusters_own_workloads_are_not_counted(namespace: str, owners: Items, counted: bool) -> None:
    """A rollout of the infrastructure replaces them; their owner is counted, and so is a pod that has none."""
    replica_sets = Kind("apps/v1", "replicasets", "ReplicaSet")
    for kind in (PODS, replica_sets, Kind("apps/v1", "controllerrevisions", "ControllerRevision")):
        assert bool(taken(kind, item("x", namespace, ownerReferences=owners))) == counted
    assert taken(DEPLOYMENTS, item("x", namespace, ownerReferences=owners))
