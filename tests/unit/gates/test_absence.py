"""What is pruned is gone when it is not there any more, and not before."""

from typing import Any

from harness.gates.absence import Gone
from harness.objects import DEPLOYMENTS, Kind, Objects, key_of
from harness.verdict import Passed, Waiting

ROLES = Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
DEPLOYMENT = ("apps/v1", "deployments", "Deployment", "nfd", "master")
ROLE = ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", "", "master")
GONE = Gone(frozenset({DEPLOYMENT, ROLE}))


def objects_of(*deployments: dict[str, Any], roles: tuple[dict[str, Any], ...] = ()) -> Objects:
    return Objects({DEPLOYMENTS: {key_of(d): d for d in deployments}, ROLES: {key_of(r): r for r in roles}})


def test_an_object_on_its_way_out_is_still_there() -> None:
    """A finalizer that nobody takes away keeps it, and what it owns, for ever."""
    leaving = {"metadata": {"namespace": "nfd", "name": "master", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert GONE(objects_of(leaving)) == Waiting("is still there", "Deployment nfd/master")


def test_an_object_of_that_name_elsewhere_is_another_one() -> None:
    """Namespace and kind belong to what is asked after."""
    other = {"metadata": {"namespace": "default", "name": "master"}}
    assert GONE(objects_of(other)) == Passed("2 objects that are no longer asked for are gone")


def test_the_kinds_to_watch_are_those_of_the_members() -> None:
    """Each once, and whether it has namespaces."""
    other = (*DEPLOYMENT[:-1], "worker")
    assert Gone(frozenset({DEPLOYMENT, ROLE, other})).kinds == (ROLES, DEPLOYMENTS)
