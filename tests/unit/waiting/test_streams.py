"""Streams that several waits listen to: one WATCH for all of them, and no verdict without a LIST of its own."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.objects import NODES, PODS, Objects
from harness.processes.threads import Background
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import GateFailed, Judged, wait
from harness.waiting.reflector import Narrow
from harness.waiting.streams import Streams
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import until
from tests.fakes.gates import obedient


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    return Cluster(api.kubeconfig(tmp_path))


def mark(api: FakeApi, says: str, name: str = "a") -> None:
    api.put(PODS, {"says": says}, namespace="default", name=name)


def named(name: str) -> Callable[[Objects], Verdict]:
    """A gate that passes once the pod of that name says ok."""

    def gate(objects: Objects) -> Verdict:
        pod = objects.get(PODS, "default", name)
        return Passed(name) if pod is not None and pod["says"] == "ok" else Waiting("not ok")

    return gate


def test_many_waits_share_one_stream(api: FakeApi, cluster: Cluster) -> None:
    """Three waits on one kind: one WATCH, and a LIST for each verdict."""
    for name in "abc":
        mark(api, "wait", name)
    first = {PODS: cluster.list(PODS)}
    seen: list[Judged] = []
    with Streams(cluster, first, {}) as streams:
        waits = [
            Background(
                partial(wait, cluster, [PODS], named(name), Deadline.after(60), observe=seen.append, streams=streams),
                name,
            )
            for name in "abc"
        ]
        until(lambda: len(seen) >= 3 and api.watched(PODS))
        for name in "abc":
            mark(api, "ok", name)
        assert [each.result(30) for each in waits] == [Passed("a"), Passed("b"), Passed("c")]
    assert api.seen("WATCH") == 1
    assert api.seen("LIST") == 4


def test_what_others_have_heard_is_confirmed(api: FakeApi, cluster: Cluster) -> None:
    """A pass on what was listed long ago is none where the server knows better by now."""
    mark(api, "ok")
    first = {PODS: cluster.list(PODS)}
    api.fault(Fault("silent", "WATCH", "pods"))
    mark(api, "fail")
    with Streams(cluster, first, {}) as streams, pytest.raises(GateFailed):
        wait(cluster, [PODS], obedient, Deadline.after(60), streams=streams)


def test_a_wait_hears_of_its_own_part_only(api: FakeApi, cluster: Cluster) -> None:
    """By namespace and name, in what is known already and in what comes."""
    mark(api, "wait", "a")
    mark(api, "wait", "b")
    first = {PODS: cluster.list(PODS)}
    seen: list[Judged] = []
    part = {PODS: Narrow("default", "a")}
    with Streams(cluster, first, {}) as streams:
        work = Background(
            lambda: wait(
                cluster, [PODS], named("a"), Deadline.after(60), observe=seen.append, narrow=part, streams=streams
            ),
            "wait",
        )
        until(lambda: seen and api.watched(PODS))
        mark(api, "ok", "b")
        mark(api, "ok", "a")
        assert work.result(30) == Passed("a")
    assert all(each.objects.count(PODS) == 1 for each in seen[:-1])


def test_kinds_that_are_not_shared_are_followed_alone(api: FakeApi, cluster: Cluster) -> None:
    """Beside those that are."""
    mark(api, "ok")
    first = {PODS: cluster.list(PODS)}

    def gate(objects: Objects) -> Verdict:
        return Passed("both") if objects.count(PODS) and objects.count(NODES) else Waiting("no node")

    with Streams(cluster, first, {}) as streams:
        work = Background(lambda: wait(cluster, [PODS, NODES], gate, Deadline.after(60), streams=streams), "wait")
        until(lambda: api.watched(NODES))
        api.put(NODES, {}, name="n")
        assert work.result(30) == Passed("both")


def test_a_stream_that_is_refused_ends_every_wait(api: FakeApi, cluster: Cluster) -> None:
    """Those that listen, and those that come later; nobody waits for a server that has said no."""
    mark(api, "wait")
    first = {PODS: cluster.list(PODS)}
    api.fault(Fault("status", "WATCH", "pods", status=403))
    with Streams(cluster, first, {}) as streams:
        for _ in range(2):
            with pytest.raises(Exception, match="403"):
                wait(cluster, [PODS], obedient, Deadline.after(60), streams=streams)


def test_leaving_ends_the_streams(api: FakeApi, cluster: Cluster) -> None:
    """No thread of theirs outlives the block."""
    mark(api, "ok")
    with Streams(cluster, {PODS: cluster.list(PODS)}, {}) as streams:
        wait(cluster, [PODS], obedient, Deadline.after(60), streams=streams)
    until(lambda: all("shared" not in thread.name for thread in threading.enumerate()))
