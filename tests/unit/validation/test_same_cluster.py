"""A snapshot of another cluster is noticed before anything is made on the cluster that is validated."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cluster.api import Cluster
from harness.errors import DataError
from harness.objects import NAMESPACES, NODES
from harness.validation.same_cluster import IDENTITY, identity, require_same
from tests.fakes.api import FakeApi, Fault
from tests.fakes.validation import snapshot

NODE = {"metadata": {"name": "gpu-1"}}
TAKEN = snapshot(K8s__server={"version": "v1.34.10"})


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.put(NAMESPACES, {"metadata": {"name": "kube-system", "uid": "here"}})
        fake.put(NODES, NODE)
        yield fake


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    return Cluster(api.kubeconfig(tmp_path))


def test_the_same_identity_is_enough(cluster: Cluster) -> None:
    """An upgrade, or another node, does not make another cluster of it."""
    taken = replace(TAKEN, metadata={IDENTITY: identity(cluster), "source-node": "gone"})
    assert require_same(taken, cluster, [NODE]) == []


def test_another_identity_is_an_error_of_the_input(cluster: Cluster) -> None:
    """Its constraints would be judged on one cluster, and its checks on another."""
    taken = replace(TAKEN, metadata={IDENTITY: "there"}, source="production.yaml")
    with pytest.raises(DataError, match="the snapshot is of another cluster") as error:
        require_same(taken, cluster, [NODE])
    assert "production.yaml" in str(error.value)
    assert "--no-cluster" in str(error.value)


def test_without_an_identity_what_differs_is_told(cluster: Cluster) -> None:
    """Snapshots of the reference tool have none."""
    assert require_same(TAKEN, cluster, [NODE]) == []
    other = snapshot(K8s__server={"version": "v1.33.5"}, K8s__node={"source-node": "ip-10-0-0-1"})
    [note] = require_same(other, cluster, [NODE])
    assert "the snapshot has Kubernetes v1.33.5, the cluster v1.34.10" in note
    assert "the cluster has no node ip-10-0-0-1" in note


def test_an_identity_that_may_not_be_read_is_none(api: FakeApi, cluster: Cluster) -> None:
    """A snapshot without it is still one; the rest is compared."""
    api.fault(*[Fault("status", verb="GET", plural="namespaces", status=403)] * 2)
    assert identity(cluster) == ""
    other = replace(snapshot(K8s__server={"version": "v1.33.5"}), metadata={IDENTITY: "there"})
    assert len(require_same(other, cluster, [NODE])) == 1
