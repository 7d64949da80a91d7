"""What the pods of real nodes said, read through the API."""

from pathlib import Path
from typing import Any

from harness.cluster.api import Cluster
from harness.endtoend.pod_logs import pod_logs
from harness.names import KWOK_NODE_ANNOTATION
from harness.objects import NODES, PODS
from tests.fakes.api import FakeApi

SINCE = 1_800_000_000.0  # 2027-01-15T08:00:00Z
LOG = "/api/v1/namespaces/{}/pods/{}/log"


def pod(namespace: str, name: str, node: str, restarts: int = 0) -> dict[str, Any]:
    statuses = [{"name": "main", "restartCount": restarts}]
    spec = {"nodeName": node} if node else {}
    metadata = {"namespace": namespace, "name": name}
    return {"metadata": metadata, "spec": spec, "status": {"containerStatuses": statuses}}


def told(tmp_path: Path, *namespaces: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The logs, and the queries for them."""
    with FakeApi() as api:
        api.put(NODES, {"metadata": {"name": "real"}})
        api.put(NODES, {"metadata": {"name": "kwok", "annotations": {KWOK_NODE_ANNOTATION: "fake"}}})
        for item in (
            pod("a", "steady", "real"),
            pod("a", "crashed", "real", restarts=2),
            pod("a", "simulated", "kwok"),
            pod("a", "pending", ""),
        ):
            api.put(PODS, item)
        for namespace, name in (("a", "steady"), ("a", "crashed"), ("a", "simulated")):
            api.documents[LOG.format(namespace, name)] = f"{name} says\n".encode()
        found = dict(pod_logs(Cluster(api.kubeconfig(tmp_path)), namespaces, SINCE))
        return found, [query for _, _, query in api.requests if "tailLines" in query]


def test_only_pods_on_real_nodes_have_said_anything(tmp_path: Path) -> None:
    """Neither those of simulated nodes nor those that wait for one."""
    found, _ = told(tmp_path, "a")
    assert found == {"a.steady.main": "steady says\n", "a.crashed.main": "crashed says\n" * 2}


def test_a_container_that_was_started_again_is_asked_for_its_last_words(tmp_path: Path) -> None:
    """They may be older than the step; all else is since the step began."""
    _, queries = told(tmp_path, "a")
    previous = [query for query in queries if "previous" in query]
    assert len(previous) == 1
    assert "sinceTime" not in previous[0]
    assert {query["sinceTime"] for query in queries if "previous" not in query} == {"2027-01-15T08:00:00+00:00"}
