"""The fence round the real node of a Kind cluster. That it holds is shown on a real one."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from harness.cluster.api import ApiError
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.objects import DAEMONSETS, PODS
from kwok import admission
from kwok.kind import fence


def test_pods_and_the_templates_of_daemonsets_are_changed() -> None:
    """Pods when they are made, DaemonSets when they are changed as well, in whatever namespace."""
    pods, daemonsets = fence.policies()
    [rule] = pods["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["apiGroups"], rule["resources"], rule["operations"]) == ([""], ["pods"], ["CREATE"])
    [rule] = daemonsets["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["apiGroups"], rule["resources"], rule["operations"]) == (
        ["apps"],
        ["daemonsets"],
        ["CREATE", "UPDATE"],
    )
    assert 'path: "/spec/nodeSelector/type", value: "kwok"' in str(pods["spec"]["mutations"])
    assert 'path: "/spec/template/spec/nodeSelector/type"' in str(daemonsets["spec"]["mutations"])


@pytest.mark.parametrize("policy", fence.policies())
def test_a_namespace_chooses_by_its_label_and_by_that_value_alone(policy: Mapping[str, Any]) -> None:
    """With the label its pods select the real node, whose key is escaped in a path; without it, simulated ones."""
    [mutation] = policy["spec"]["mutations"]
    chosen, _, simulated = mutation["jsonPatch"]["expression"].partition("\n      : ")
    condition, _, real = chosen.partition("\n      ? ")
    labels = "namespaceObject.metadata.labels"
    key = "kwok-harness.io/nodes"
    assert condition == f"has({labels}) && '{key}' in {labels} && {labels}['{key}'] == 'real'"
    assert "/nodeSelector/kwok-harness.io~1node" in real
    assert '{"kwok-harness.io/node": "infrastructure"}' in real
    assert "kwok-harness" not in simulated
    assert '{"type": "kwok"}' in simulated


@pytest.mark.parametrize("policy", fence.policies())
def test_what_selects_a_node_of_its_own_is_left_alone(policy: Mapping[str, Any]) -> None:
    """Either way, so that one namespace may have both real and simulated pods."""
    conditions = {each["name"]: each["expression"] for each in policy["spec"]["matchConditions"]}
    assert set(conditions) == {"free", "selects-no-node-of-its-own"}
    for key in ("kwok-harness.io/node", "type"):
        assert f"'{key}' in object." in conditions["selects-no-node-of-its-own"]


def test_what_cannot_be_fenced_is_not_made() -> None:
    """A policy that fails lets nothing through."""
    assert {each["spec"]["failurePolicy"] for each in fence.policies()} == {"Fail"}


@pytest.mark.parametrize("policy", fence.policies())
def test_each_policy_is_bound(policy: Mapping[str, Any]) -> None:
    """Without a binding it would do nothing."""
    bound = admission.binding(policy["metadata"]["name"])
    assert bound["spec"] == {"policyName": policy["metadata"]["name"]}


class Server:
    """Answers dry runs: as the policies would, from the `late`-th on."""

    def __init__(self, late: int, error: ApiError | None = None) -> None:
        self.late = late
        self.error = error
        self.asked: list[str] = []

    def request(self, method: str, path: str, *, query: Mapping[str, str], body: Any) -> Any:
        assert (method, query) == ("POST", {"dryRun": "All"})
        self.asked.append(path)
        if len(self.asked) <= self.late:
            if self.error:
                raise self.error
            return body
        selector = {"nodeSelector": {"type": "kwok"}}
        if body["kind"] == PODS.kind:
            return {"spec": body["spec"] | selector}
        return {"spec": {"template": {"spec": selector}}}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("error", [None, ApiError(403, "Forbidden", "no account yet")])
def test_the_fence_is_waited_for(error: ApiError | None) -> None:
    """Until neither a pod nor a DaemonSet gets through; what the API server says meanwhile is no end."""
    server = Server(3, error)
    fence.until_in_force(server, Deadline.after(60))  # type: ignore[arg-type]
    assert [path.rpartition("/")[2] for path in server.asked] == ["pods"] * 4 + [DAEMONSETS.plural]


def test_a_fence_that_never_comes_is_an_error() -> None:
    """Workloads on the real node would be a wrong verdict."""
    with pytest.raises(ClusterError, match="a Pod was admitted unchanged"):
        fence.until_in_force(Server(9_999), Deadline.after(0))  # type: ignore[arg-type]
