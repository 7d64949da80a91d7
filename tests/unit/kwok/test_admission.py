"""What the API server changes in objects as they are made. That it does is shown on a real one."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.settings import Settings, load
from kwok.admission import binding, policies, until_in_force


def settings(**overrides: str) -> Settings:
    return load(environment={}, overrides=overrides)


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({}, ["simulated-conversions", "simulated-schedulers"]),
        ({"webhooks": "refuse"}, ["simulated-schedulers"]),
        ({"schedulers": "refuse"}, ["simulated-conversions"]),
        ({"webhooks": "refuse", "schedulers": "refuse"}, []),
    ],
)
def test_each_policy_is_a_setting_s(overrides: dict[str, str], names: list[str]) -> None:
    """With both refused, everything is as it was asked for."""
    found = list(policies(settings(**overrides)))
    assert [each["metadata"]["name"] for each in found] == names
    assert {each["spec"]["failurePolicy"] for each in found} <= {"Fail"}
    for each in found:
        assert binding(each["metadata"]["name"])["spec"] == {"policyName": each["metadata"]["name"]}


class Server:
    """Answers dry runs: as the policies would, from the `late`-th on."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.asked: list[str] = []

    def request(self, method: str, path: str, *, query: Mapping[str, str], body: Any) -> Any:
        assert (method, query) == ("POST", {"dryRun": "All"})
        self.asked.append(path)
        if len(self.asked) <= self.late:
            return body
        annotations = {"kwok-harness/conversion": "Webhook", "kwok-harness/scheduler": "other"}
        return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def test_policies_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come into force a moment after they were made: until then an object would be let through."""
    monkeypatch.setattr("kwok.admission.time.sleep", lambda seconds: None)
    server = Server(late=2)
    until_in_force(cast(Cluster, server), settings(), Deadline.after(60))
    assert len(server.asked) == 4


def test_policies_that_never_come_into_force_end_the_boot() -> None:
    """With what the API server must serve."""
    with pytest.raises(ClusterError, match="was admitted unchanged") as late:
        until_in_force(cast(Cluster, Server(late=9)), settings(), Deadline.after(0))
    assert "MutatingAdmissionPolicy" in late.value.do
