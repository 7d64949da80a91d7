"""The guard: which clusters are ours, and that others are not even written to."""

from pathlib import Path
from typing import Any, cast

import pytest

from harness.cluster.api import ApiError, Cluster
from harness.cluster.ownership import marker, require_ours
from harness.errors import ClusterError, NotOurs
from harness.names import OWNER_MARKER
from harness.objects import CONFIGMAPS, Kind
from harness.runtime import RunningCluster

RUNNING = RunningCluster(
    "one", Path("/state/clusters/one"), Path("/k"), "kwok-one", "https://127.0.0.1:6443", "host", "5a"
)


class Answers:
    """Stands for a cluster that can be read only: whatever else is called does not exist."""

    kubeconfig = Path("/k")

    def __init__(self, found: dict[str, Any] | ApiError | None, *, context: str = "kwok-one", server: str = "") -> None:
        self.context_name = context
        self.server = server or RUNNING.server
        self._found = found
        self.read: list[tuple[Kind, str, str]] = []

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        self.read.append((kind, namespace, name))
        if isinstance(self._found, ApiError):
            raise self._found
        return self._found


def guard(cluster: Answers) -> None:
    require_ours(cast(Cluster, cluster), RUNNING)


def test_the_cluster_that_we_made_is_ours() -> None:
    """Context, address and marker agree, by reading one object."""
    cluster = Answers(marker(RUNNING))
    guard(cluster)
    assert cluster.read == [(CONFIGMAPS, *OWNER_MARKER)]


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (Answers(None, context="production"), "its context is 'production', not 'kwok-one'"),
        (Answers(None, server="https://prod.example:6443"), "it points at https://prod.example:6443"),
    ],
    ids=["context", "address"],
)
def test_another_context_or_address_is_refused_without_a_request(cluster: Answers, why: str) -> None:
    """Somebody else's cluster does not even see us."""
    with pytest.raises(NotOurs, match="nothing was written") as refused:
        guard(cluster)
    assert why in refused.value.what
    assert (refused.value.where, bool(refused.value.do)) == ("/k", True)
    assert cluster.read == []


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "has no ConfigMap kube-system/kwok-harness-owner"),
        ({"data": {"cluster": "one", "identity": "another"}}, "names another cluster"),
        ({"data": {"cluster": "two", "identity": "5a"}}, "names another cluster"),
        ({}, "names another cluster"),
        (ApiError(401, "Unauthorized", ""), "does not know our certificate"),
        (ApiError(403, "Forbidden", ""), "does not know our certificate"),
    ],
    ids=["no marker", "other identity", "other name", "empty marker", "401", "403"],
)
def test_a_cluster_at_our_address_without_our_marker_is_refused(found: Any, why: str) -> None:
    """The port was given to another cluster in the meantime."""
    with pytest.raises(NotOurs) as refused:
        guard(Answers(found))
    assert why in refused.value.what


def test_a_server_that_is_broken_is_not_called_somebody_elses() -> None:
    """What it is cannot be known; the error stays what it was."""
    with pytest.raises(ClusterError) as broken:
        guard(Answers(ApiError(500, "InternalError", "etcd is gone")))
    assert not isinstance(broken.value, NotOurs)
