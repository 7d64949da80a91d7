"""How a cluster is brought to have exactly the planned nodes, and none again."""

from typing import Any, cast

import pytest

from harness.cluster.api import Cluster, Listing
from harness.deadline import Deadline
from harness.isolation.nodes import apply_nodes, delete_nodes
from harness.objects import NODES, STORAGE_CLASSES, Kind, Object
from harness.progress import Silent
from harness.recipes.profiles import Profiles, select
from harness.settings import ROOT
from kwok.nodes import NodePlan, node_objects, simulated_objects

PLAN = NodePlan(select(ROOT / "kwok" / "profiles", "eks", "h100"), 2, 4, "us-east-1", "v1.34.10")


class Recording:
    """A cluster with some nodes, that records what is made and deleted."""

    def __init__(self, *there: dict[str, Any]) -> None:
        self.there = list(there)
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.classes: list[str] = []

    def list(self, kind: Kind, *, label_selector: str = "") -> Listing:
        if kind == STORAGE_CLASSES:
            return Listing([], "1")
        assert (kind, label_selector) == (NODES, "type=kwok")
        return Listing(self.there, "1")

    def apply(self, kind: Kind, obj: Object) -> None:
        assert kind == STORAGE_CLASSES
        self.classes.append(obj["metadata"]["name"])

    def create(self, kind: Kind, obj: Object) -> None:
        assert kind == NODES
        self.created.append(obj["metadata"]["name"])

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        assert (kind, namespace) == (NODES, "")
        self.deleted.append(name)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is waited for, without waiting."""
    calls: list[Any] = []
    monkeypatch.setattr("harness.isolation.nodes.wait", lambda *arguments: calls.append(arguments))
    return calls


def applied(cluster: Recording) -> Recording:
    apply_nodes(cast(Cluster, cluster), node_objects(PLAN), Deadline.after(60), Silent())
    cluster.created.sort()
    cluster.deleted.sort()
    return cluster


def test_all_nodes_are_made_in_an_empty_cluster_and_waited_for(waited: list[Any]) -> None:
    """Once each."""
    cluster = applied(Recording())
    assert cluster.created == ["gpu-0", "gpu-1", "gpu-2", "gpu-3", "system-0", "system-1"]
    assert (cluster.deleted, len(waited)) == ([], 1)


def test_nodes_that_are_as_planned_stay(waited: list[Any]) -> None:
    """A second run makes nothing, and still waits for Ready."""
    cluster = applied(Recording(*node_objects(PLAN)))
    assert (cluster.created, cluster.deleted, len(waited)) == ([], [], 1)


def test_the_classes_of_the_provider_come_with_its_nodes(waited: list[Any]) -> None:
    """Before the nodes, which are waited for; and they are none of them."""
    cluster = Recording()
    profiles = Profiles(ROOT / "kwok" / "profiles", ROOT / "kwok" / "profiles").of("gke", "h100")
    plan = NodePlan(profiles, 1, 0, "us-east-1", "v1.34.10")
    apply_nodes(cast(Cluster, cluster), simulated_objects(plan), Deadline.after(60), Silent())
    assert (cluster.classes, cluster.created) == (["standard-rwo", "premium-rwo", "standard"], ["system-0"])
    assert len(waited) == 1


@pytest.mark.usefixtures("waited")
def test_nodes_of_another_plan_are_replaced_and_those_too_many_go() -> None:
    """No label of the former profile may stay behind."""
    other = NodePlan(select(ROOT / "kwok" / "profiles", "eks", "gb200"), 2, 6, "us-east-1", "v1.34.10")
    cluster = applied(Recording(*node_objects(other)))
    assert cluster.created == ["gpu-0", "gpu-1", "gpu-2", "gpu-3"]
    assert cluster.deleted == ["gpu-0", "gpu-1", "gpu-2", "gpu-3", "gpu-4", "gpu-5"]


@pytest.mark.usefixtures("waited")
def test_a_simulated_node_that_somebody_made_by_hand_is_replaced() -> None:
    """It carries no digest of a plan."""
    cluster = applied(Recording({"metadata": {"name": "gpu-0"}}, *node_objects(PLAN)[:2]))
    assert (cluster.deleted, cluster.created) == (["gpu-0"], ["gpu-0", "gpu-1", "gpu-2", "gpu-3"])


def test_delete_takes_every_simulated_node() -> None:
    """And only those: the listing asks for the label."""
    cluster = Recording(*node_objects(PLAN))
    delete_nodes(cast(Cluster, cluster))
    assert len(cluster.deleted) == 6
