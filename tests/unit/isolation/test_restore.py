"""Restoring a cluster: releases, rounds, requests, the deadline. Inventories and waiting are stand-ins."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from harness.cluster.api import ApiError, Cluster, Unreachable
from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import HarnessError
from harness.isolation import restore as cleanup
from harness.isolation.inventory import Entry, Inventory
from harness.isolation.restore import CleanupReport, restore
from harness.objects import CONFIGMAPS, NAMESPACES, NODES, PERSISTENT_VOLUMES, PODS, Kind, Objects, Reference, key_of
from harness.progress import Silent
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired
from tests.fakes.clock import ManualClock

SECRETS = Kind("v1", "secrets", "Secret")
Entries = dict[Reference, Entry]
Request = tuple[str, str, dict[str, Any]]


def thing(kind: Kind, name: str, namespace: str = "", **fields: Any) -> Entries:
    return {Reference(str(kind), namespace, name): Entry(kind, f"uid-{name}", **fields)}


STANDING = thing(NAMESPACES, "default")


class FakeHelm:
    def __init__(
        self, *releases: dict[str, Any], failing: Iterable[str] = (), listing: Exception | None = None
    ) -> None:
        self._releases = list(releases)
        self._failing = failing
        self._listing = listing
        self.uninstalled: list[str] = []

    def releases(self) -> list[dict[str, Any]]:
        if self._listing is not None:
            raise self._listing
        return self._releases

    def uninstall(self, release: str, namespace: str, *, timeout: float) -> None:
        assert 0 < timeout <= 15
        self.uninstalled.append(f"{namespace}/{release}")
        if release in self._failing:
            raise HarnessError(f"hooks of {release} hang")


class FakeCluster:
    """Notes requests, and answers with what `answer` returns or raises."""

    def __init__(self, answer: Callable[[str, str], None] = lambda _, __: None) -> None:
        self._answer = answer
        self.requests: list[Request] = []
        self.node: dict[str, Any] | None = None

    def request(self, method: str, path: str, *, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.requests.append((method, path, body))
        self._answer(method, path)
        return {}

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        assert (kind, namespace) == (NODES, "")
        return self.node


class World:
    """The inventories that `take` sees one after the other (the last one for ever), and the waits in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[Entries | Exception] = []
        self.waits: list[set[Kind]] = []
        self.gates: list[Callable[[Objects], Verdict]] = []
        self.expired: list[bool] = []
        monkeypatch.setattr(cleanup, "take", self._take)
        monkeypatch.setattr(cleanup, "wait", self._wait)

    def _take(self, _: Cluster, *, timeout: float) -> Inventory:
        assert timeout >= 5
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return Inventory(STANDING | look)

    def _wait(self, _: Cluster, kinds: set[Kind], gate: Callable[[Objects], Verdict], deadline: Deadline) -> Passed:
        assert deadline.budget <= 10
        self.waits.append(set(kinds))
        self.gates.append(gate)
        if self.expired and self.expired.pop(0):
            raise Expired(Waiting("is still there"), {}, None, 10)
        return Passed("gone")

    def restore(
        self,
        before: Entries,
        cluster: FakeCluster,
        helm: FakeHelm | None = None,
        *,
        seconds: float = 60,
        clock: Clock = MONOTONIC,
    ) -> CleanupReport:
        deadline = Deadline.after(seconds, clock=clock)
        return restore(cast(Cluster, cluster), helm or FakeHelm(), Inventory(STANDING | before), deadline, Silent())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def release(name: str, updated: str, revision: str = "1", namespace: str = "ns") -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "updated": updated, "revision": revision}


def record(name: str, revision: int = 1, namespace: str = "ns") -> Entries:
    return thing(SECRETS, f"sh.helm.release.v1.{name}.v{revision}", namespace)


def test_nothing_new_is_clean_at_once(world: World) -> None:
    """Where nothing was left nothing is asked of the cluster and nothing waited for."""
    world.looks = [thing(PODS, "x", "ns")]
    cluster = FakeCluster()
    report = world.restore(thing(PODS, "x", "ns"), cluster)
    assert (report.clean, report.removed, report.notes) == (True, 0, ())
    assert (cluster.requests, world.waits) == ([], [])


def test_releases_go_in_the_reverse_order_of_their_installation(world: World) -> None:
    """The one that was installed last depends on the others and goes first."""
    helm = FakeHelm(
        release("a", "2026-01-01 10:00:00.1"), release("c", "2026-01-01 10:00:02"), release("b", "2026-01-01 10:00:01")
    )
    world.looks = [record("a") | record("b") | record("c"), {}]
    world.restore({}, FakeCluster(), helm)
    assert helm.uninstalled == ["ns/c", "ns/b", "ns/a"]


def test_release_that_helm_would_not_find_is_left_to_the_comparison(world: World) -> None:
    """Flux keeps the records of all releases in its own namespace, where `helm uninstall` does not look for them."""
    helm = FakeHelm(release("a", "1"))
    elsewhere = record("a", namespace="default")
    world.looks = [elsewhere, elsewhere, {}]
    cluster = FakeCluster()
    assert world.restore({}, cluster, helm).clean
    assert helm.uninstalled == []
    assert [path.rpartition("/")[2] for _, path, _ in cluster.requests] == ["sh.helm.release.v1.a.v1"]


def test_release_that_stood_before_stays(world: World) -> None:
    """A release whose record was there before is not uninstalled; one of a similar name is."""
    helm = FakeHelm(release("old", "1"), release("old.v1", "2"), release("old", "3", namespace="other"))
    before = record("old")
    world.looks = [before | record("old.v1") | record("old", namespace="other"), before]
    assert world.restore(before, FakeCluster(), helm).clean
    assert sorted(helm.uninstalled) == ["ns/old.v1", "other/old"]
    helm = FakeHelm(release("old", "1"), release("old.v1", "2"))
    world.looks = [record("old.v1") | record("old"), record("old.v1")]
    assert world.restore(record("old.v1"), FakeCluster(), helm).clean
    assert helm.uninstalled == ["ns/old"]


def test_release_that_was_upgraded_cannot_be_brought_back(world: World) -> None:
    """An upgrade of what stood before is not undone by deleting its record: the cluster is to be replaced."""
    helm = FakeHelm(release("old", "1", revision="2"))
    world.looks = [record("old")]
    report = world.restore(record("old"), FakeCluster(), helm)
    assert report.remaining == ("changed: release ns/old: revision 2 is new",)
    assert helm.uninstalled == []


def test_helm_that_fails_is_noted_and_its_objects_go_all_the_same(world: World) -> None:
    """A hook that hangs, or a helm that cannot list, costs a note; the comparison of objects does the rest."""
    left = thing(CONFIGMAPS, "x", "default")
    for helm in (FakeHelm(release("a", "1"), release("b", "2"), failing=["b"]), FakeHelm(listing=HarnessError("no"))):
        world.looks = [left | record("a") | record("b"), left, {}]
        cluster = FakeCluster()
        report = world.restore({}, cluster, helm)
        assert report.clean
        assert report.removed == 3
        assert report.notes in (("hooks of b hang",), ("helm list: no",))
        assert [request[:2] for request in cluster.requests] == [("DELETE", "/api/v1/namespaces/default/configmaps/x")]
        assert helm.uninstalled in (["ns/b", "ns/a"], [])


def test_what_blocks_goes_before_helm_is_asked(world: World) -> None:
    """Webhooks that nobody serves would refuse what helm does; ordinary objects wait until helm is done."""
    webhooks = Kind("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "", namespaced=False)
    order: list[str] = []
    helm = FakeHelm(release("a", "1"))
    monkeyed = helm.uninstall

    def uninstall(*arguments: Any, **options: Any) -> None:
        order.append("helm")
        monkeyed(*arguments, **options)

    helm.uninstall = uninstall  # type: ignore[method-assign]
    ordinary = thing(CONFIGMAPS, "x", "default")
    world.looks = [thing(webhooks, "w") | ordinary | record("a"), ordinary, {}]
    cluster = FakeCluster(lambda _, path: order.append(path.rpartition("/")[2]))
    assert world.restore({}, cluster, helm).clean
    assert order == ["w", "helm", "x"]


def test_requests_are_about_the_object_that_was_seen(world: World) -> None:
    """Each request carries the uid, so that an object of the same name that came meanwhile is refused by the server."""
    world.looks = [thing(CONFIGMAPS, "x", "default", finalizers=("example.com/hold",)) | thing(PODS, "p", "default")]
    world.looks += [world.looks[0], {}]
    cluster = FakeCluster()
    world.restore({}, cluster)
    by_method = {(method, path.rpartition("/")[2]): body for method, path, body in cluster.requests}
    assert by_method["PATCH", "x"] == {"metadata": {"uid": "uid-x", "finalizers": None}}
    assert by_method["DELETE", "x"]["preconditions"] == {"uid": "uid-x"}
    assert by_method["DELETE", "x"]["propagationPolicy"] == "Background"
    assert "gracePeriodSeconds" not in by_method["DELETE", "x"]
    assert by_method["DELETE", "p"]["gracePeriodSeconds"] == 0


@pytest.mark.parametrize(("status", "noted"), [(404, False), (409, False), (403, True), (500, True)])
def test_refused_request_is_noted_unless_the_object_is_gone(world: World, status: int, noted: bool) -> None:
    """An object that went by itself is fine; every other refusal is told, once, and the others go on."""

    def answer(_: str, path: str) -> None:
        if path.endswith("/x"):
            raise ApiError(status, "Reason", "")

    left = thing(CONFIGMAPS, "x", "default") | thing(CONFIGMAPS, "y", "default")
    world.looks = [left, left, left, {}]
    cluster = FakeCluster(answer)
    report = world.restore({}, cluster)
    assert report.clean
    assert report.notes == ((f"{status} Reason",) if noted else ())
    assert any(path.endswith("/y") for _, path, _ in cluster.requests)


def test_what_does_not_go_by_itself_is_helped_in_the_next_round(world: World) -> None:
    """A finalizer of the control plane is waited for once, then taken away; an empty namespace is finalized."""
    claim = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
    left = thing(claim, "c", "default", deleting=True, finalizers=("kubernetes.io/pvc-protection",))
    left |= thing(NAMESPACES, "cell", deleting=True)
    world.looks = [left, left, left, {}]
    world.expired = [True]
    cluster = FakeCluster()
    assert world.restore({}, cluster).clean
    assert [request[:2] for request in cluster.requests] == [
        ("PATCH", "/api/v1/namespaces/default/persistentvolumeclaims/c"),
        ("PUT", "/api/v1/namespaces/cell/finalize"),
    ]
    assert cluster.requests[1][2]["spec"] == {"finalizers": []}
    assert world.waits == [{claim, NAMESPACES}] * 2


def test_wait_is_for_the_very_objects(world: World) -> None:
    """The wait ends when an object is gone or another has its name, not while it is only deleting."""
    left = thing(CONFIGMAPS, "x", "default")
    world.looks = [left, left, {}]
    world.restore({}, FakeCluster())

    def objects_of(*items: dict[str, Any]) -> Objects:
        return Objects({CONFIGMAPS: {key_of(item): item for item in items}})

    there = {"metadata": {"namespace": "default", "name": "x", "uid": "uid-x", "deletionTimestamp": "t"}}
    another = {"metadata": {"namespace": "default", "name": "x", "uid": "2"}}
    (gate,) = world.gates
    assert gate(objects_of(there)) == Waiting("is still there", subject="configmaps default/x")
    assert isinstance(gate(objects_of(another)), Passed)
    assert isinstance(gate(objects_of()), Passed)


@pytest.mark.parametrize(("phase", "done"), [("Released", False), ("Failed", False), ("Available", True)])
def test_freed_volume_is_waited_for(world: World, phase: str, done: bool) -> None:
    """A volume counts as free when the volume controller says that it can be claimed again."""
    before = thing(PERSISTENT_VOLUMES, "v", state={"claim": ""})
    world.looks = [claimed := thing(PERSISTENT_VOLUMES, "v", state={"claim": "gone"}), claimed, before]
    cluster = FakeCluster()
    assert world.restore(before, cluster).clean
    assert cluster.requests == [
        (
            "PATCH",
            "/api/v1/persistentvolumes/v",
            {"metadata": {"uid": "uid-v"}, "spec": {"claimRef": None}},
        )
    ]
    volume = {"metadata": {"name": "v"}, "status": {"phase": phase}}
    verdict = world.gates[0](Objects({PERSISTENT_VOLUMES: {("", "v"): volume}}))
    assert isinstance(verdict, Passed) is done


def test_node_becomes_what_it_was(world: World) -> None:
    """Labels and taints of the cell go, those of before come back, those that tell of conditions stay."""
    was: dict[str, Any] = {"labels": {"zone": "a"}, "taints": [{"key": "fake"}], "unschedulable": False}
    before = thing(NODES, "n", state=was)
    changed = thing(NODES, "n", state={**was, "labels": {"zone": "b", "cell": "x"}})
    world.looks = [changed, changed, before]
    cluster = FakeCluster()
    condition = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    cluster.node = {
        "metadata": {"labels": {"zone": "b", "cell": "x"}},
        "spec": {"taints": [condition, {"key": "cell"}]},
    }
    assert world.restore(before, cluster).clean
    ((_, _, patch),) = cluster.requests
    assert patch["metadata"] == {"uid": "uid-n", "labels": {"zone": "a", "cell": None}}
    assert patch["spec"] == {"taints": [condition, {"key": "fake"}], "unschedulable": None}


def test_deadline_ends_it_and_names_what_remains(world: World) -> None:
    """With no time left nothing is asked of the cluster any more, and each leftover is a line."""
    world.looks = [thing(CONFIGMAPS, "x", "default") | thing(NAMESPACES, "cell")]
    cluster = FakeCluster()
    helm = FakeHelm(release("a", "1"))
    report = world.restore({}, cluster, helm, seconds=0)
    assert report.remaining == ("left behind: configmaps default/x", "left behind: namespaces cell")
    assert not report.clean
    assert (cluster.requests, helm.uninstalled) == ([], [])


def test_deadline_that_passes_while_releases_go_ends_it(world: World) -> None:
    """Each release that helm takes its time for is the last one when that was all the time there was."""
    clock = ManualClock()
    helm = FakeHelm(release("a", "1"), release("b", "2"))
    uninstall = helm.uninstall

    def slow(*arguments: Any, **options: Any) -> None:
        clock.advance(100)
        uninstall(*arguments, **options)

    helm.uninstall = slow  # type: ignore[method-assign]
    world.looks = [thing(CONFIGMAPS, "x", "default") | record("a") | record("b")]
    cluster = FakeCluster()
    assert not world.restore({}, cluster, helm, clock=clock).clean
    assert (helm.uninstalled, cluster.requests) == (["ns/b"], [])


def test_what_cannot_be_undone_ends_it_at_once(world: World) -> None:
    """Missing and replaced objects, and protected namespaces, are told without waiting for the deadline."""
    old = Reference("configmaps", "default", "old")
    before = thing(CONFIGMAPS, "gone", "default") | {old: Entry(CONFIGMAPS, "1")}
    world.looks = [{old: Entry(CONFIGMAPS, "2")} | thing(NAMESPACES, "argocd")]
    report = world.restore(before, FakeCluster())
    assert report.remaining == (
        "left behind: namespaces argocd",
        "missing: configmaps default/gone",
        "replaced: configmaps default/old",
    )
    assert world.waits == []


def test_endless_leftovers_end_all_the_same(world: World) -> None:
    """Something that makes objects as fast as they are taken away does not keep the harness busy for ever."""
    world.looks = [thing(CONFIGMAPS, "x", "default")]
    report = world.restore({}, FakeCluster(), seconds=600)
    assert report.remaining == ("left behind: configmaps default/x",)
    assert len(world.waits) == 50


def test_cluster_that_goes_away_is_what_remains(world: World) -> None:
    """A cluster that no longer answers is reported as such, not raised."""
    world.looks = [thing(CONFIGMAPS, "x", "default"), Unreachable("no connection")]
    report = world.restore({}, FakeCluster())
    assert report.remaining == ("the cluster cannot be read: no connection",)
