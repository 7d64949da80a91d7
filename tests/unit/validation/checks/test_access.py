"""The account of a run: what it may do during each check, and that nothing of it stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.objects import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    Kind,
)
from harness.validation.checks.access import MINIMUM, AccessRefused, Account
from harness.validation.checks.catalog import Access, Entry, Rule
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import ManualClock

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
PODS = Rule(("",), ("pods",), ("list",))
LOGS = Rule(("",), ("pods/log",), ("get",))
NAME = "aicr-validator-run-1"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.documents[REVIEWS] = {"status": {"allowed": True}}
        yield fake


@pytest.fixture
def account(api: FakeApi, tmp_path: Path) -> Account:
    return Account(Cluster(api.kubeconfig(tmp_path)), "run-1", clock=ManualClock(hurried=True))


def entry(access: Access | None) -> Entry:
    return Entry("a", "deployment", "a/b:c", access=access)


def only(api: FakeApi, kind: Kind) -> dict[str, Any]:
    [found] = api.at(api.revision, kind.plural).values()
    return found


def test_a_role_holds_what_the_check_under_way_declares(api: FakeApi, account: Account) -> None:
    """In the cluster and in the namespace of the run; what an earlier check had is gone."""
    account.create()
    account.grant(entry(Access((PODS,), (LOGS,))))
    assert only(api, CLUSTER_ROLES)["rules"] == [PODS.document()]
    assert only(api, ROLES)["rules"] == [LOGS.document()]
    account.grant(entry(Access((LOGS,))))
    assert only(api, CLUSTER_ROLES)["rules"] == [LOGS.document()]
    assert only(api, ROLES)["rules"] == []
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": "aicr-validation"}
    for kind, role in ((CLUSTER_ROLE_BINDINGS, "ClusterRole"), (ROLE_BINDINGS, "Role")):
        binding = only(api, kind)
        assert binding["subjects"] == [subject]
        assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": NAME}
    assert only(api, SERVICE_ACCOUNTS)["metadata"]["labels"]["app.kubernetes.io/name"] == "aicr-validator"


def test_cluster_admin_is_bound_for_one_check_and_no_longer(api: FakeApi, account: Account) -> None:
    """The role of a binding cannot be changed, so it is made anew."""
    account.create()
    account.grant(entry(Access(cluster_admin=True)))
    assert only(api, CLUSTER_ROLE_BINDINGS)["roleRef"]["name"] == "cluster-admin"
    account.grant(entry(Access((PODS,))))
    assert only(api, CLUSTER_ROLE_BINDINGS)["roleRef"]["name"] == NAME
    assert account.notes == ["a runs with cluster-admin, as its entry requires"]


def test_an_entry_that_declares_nothing_has_the_minimum(api: FakeApi, account: Account) -> None:
    """No more than the older agent had."""
    account.create()
    account.grant(entry(None))
    assert only(api, CLUSTER_ROLES)["rules"] == [rule.document() for rule in MINIMUM.rules]
    assert only(api, ROLES)["rules"] == [rule.document() for rule in MINIMUM.namespaced]
    assert {verb for rule in MINIMUM.rules for verb in rule.verbs} == {"get", "list"}


def test_a_check_begins_when_the_api_server_knows_its_permissions(api: FakeApi, account: Account) -> None:
    """Asked for the account, the last resource and its subresource; an API server that never knows is an error."""
    account.create()
    account.grant(entry(Access((PODS,), (LOGS,))))
    reviews = [body["spec"] for _, path, _, body in api.bodies if path == REVIEWS]
    user = f"system:serviceaccount:aicr-validation:{NAME}"
    assert [(spec["user"], spec["resourceAttributes"]) for spec in reviews] == [
        (user, {"group": "", "resource": "pods", "verb": "list", "namespace": ""}),
        (
            user,
            {"group": "", "resource": "pods", "verb": "get", "namespace": "aicr-validation", "subresource": "log"},
        ),
    ]
    api.documents[REVIEWS] = {"status": {"allowed": False}}
    with pytest.raises(AccessRefused, match="does not allow list pods after 10 s"):
        account.grant(entry(Access((PODS,))))


def test_a_namespace_that_is_there_is_left_alone(api: FakeApi, account: Account) -> None:
    """One that is missing is made, and stays."""
    api.put(NAMESPACES, {"metadata": {"name": "aicr-validation", "labels": {"mine": "yes"}}})
    account.create()
    assert only(api, NAMESPACES)["metadata"]["labels"] == {"mine": "yes"}
    assert account.remove(Deadline.after(30)) == []
    assert api.at(api.revision, NAMESPACES.plural) != {}


def test_nothing_is_removed_by_an_account_that_made_nothing(api: FakeApi, account: Account) -> None:
    """The gate may end a run before."""
    assert account.remove(Deadline.after(30)) == []
    assert api.requests == []


def test_what_cannot_be_removed_is_named_and_the_rest_is(api: FakeApi, account: Account) -> None:
    """Each by kind and name."""
    account.create()
    account.grant(entry(Access((PODS,))))
    api.fault(Fault("status", verb="DELETE", plural="clusterroles", status=403))
    [left] = account.remove(Deadline.after(30))
    assert left.startswith(f"ClusterRole {NAME}: ")
    for kind in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS):
        assert api.at(api.revision, kind.plural) == {}


def test_a_token_lives_as_long_as_its_check(api: FakeApi, account: Account) -> None:
    """And at least the ten minutes that an API server gives."""
    account.create()
    assert account.token(10) == "sesame"
    account.token(3600)
    asked = [body["spec"]["expirationSeconds"] for _, path, _, body in api.bodies if path.endswith("/token")]
    assert asked == [600, 3900]


def test_what_could_not_be_made_is_not_said_to_be_left(api: FakeApi, account: Account) -> None:
    """Who may not make a role may not delete one either, and there is none."""
    account.create()
    api.fault(Fault("status", verb="PATCH", plural="clusterroles", status=403))
    with pytest.raises(AccessRefused, match="ClusterRole aicr-validator-run-1 cannot be created"):
        account.grant(entry(Access((PODS,))))
    api.fault(*(Fault("status", verb="DELETE", plural=plural, status=403) for plural in ("clusterroles", "roles")))
    assert account.remove(Deadline.after(5)) == []
    assert api.seen("DELETE", "clusterroles") == 0
    assert api.at(api.revision, "serviceaccounts") == {}


def test_what_may_have_been_made_is_removed(api: FakeApi, account: Account) -> None:
    """An answer that was lost may have been yes."""
    api.fault(*[Fault("status", verb="PATCH", plural="serviceaccounts", status=500)] * 9)
    with pytest.raises(ClusterError):
        account.create()
    assert account.remove(Deadline.after(5)) == []
    assert api.seen("DELETE", "serviceaccounts") == 1
