"""Who looks after the infrastructure's pods: which endings are deaths, which are meant, and what is said of them."""

import queue
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.errors import ArgocdInstallFailed, ClusterError, HarnessError
from harness.gates.rollouts import Workload
from harness.installers.in_cluster.infrastructure import KindInfrastructure, PartDied
from harness.installers.installer import Installer, KindInstallation, KindSite
from harness.objects import DEPLOYMENTS, PODS
from harness.processes.threads import Background
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load
from tests.fakes.api import FakeApi
from tests.fakes.clock import until

REDIS, SERVER = (Workload(DEPLOYMENTS, "argocd", name) for name in ("redis", "server"))
ENDED = {"exitCode": 137, "reason": "OOMKilled"}
LOG = "/api/v1/namespaces/argocd/pods/{}-1/log"


class World:
    """A cluster with two workloads that run, and what is done to it."""

    def __init__(self, api: FakeApi, directory: Path) -> None:
        self.api = api
        self.stopped: queue.Queue[int] = queue.Queue()
        for name in ("redis", "server"):
            spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
            status = {"observedGeneration": 1, "replicas": 0}
            api.put(DEPLOYMENTS, {"spec": spec, "status": status}, namespace="argocd", name=name)
            self.pod(name)
        nothing: Any = None
        running = RunningCluster("one", directory, directory / "kubeconfig", "fake", "", "kind", "me")
        cluster = Cluster(api.kubeconfig(directory))
        site = KindSite(load(environment={}), nothing, running, cluster, nothing, lambda: self.stopped.get(), Silent())
        self.infrastructure = KindInfrastructure(site)

    def installer(self, work: Any = lambda site: None) -> Installer:
        nothing: Any = None
        return Installer("argocd", nothing, KindInstallation((), work, (REDIS, SERVER)), lambda site: ())

    def pod(self, name: str, *, restarts: int = 0, state: Any = None, **status: Any) -> None:
        container = {"name": "main", "state": state or {"running": {}}, "ready": True, "restartCount": restarts}
        container |= {"lastState": {"terminated": ENDED}} if restarts else {}
        item = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "x"}]},
            "status": {"phase": "Running", "containerStatuses": [container], **status},
        }
        self.api.put(PODS, item, namespace="argocd", name=f"{name}-1")

    def kill(self, name: str) -> None:
        self.pod(name, restarts=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with FakeApi() as api:
        made = World(api, tmp_path)
        yield made
        made.infrastructure.close()


def died(world: World) -> str:
    assert world.infrastructure.died.wait(5)
    with pytest.raises(PartDied) as caught:
        world.infrastructure.check()
    return str(caught.value)


def quiet(world: World) -> None:
    """What has been done has been seen, and is no death."""
    world.api.put(DEPLOYMENTS, {}, namespace="argocd", name="after")
    assert not world.infrastructure.died.wait(0.2)
    world.infrastructure.check()


def test_a_container_that_is_killed_is_noticed_with_its_last_words(world: World) -> None:
    """Which, how, and the last lines of what ran before it was started again; of no other part."""
    world.api.documents[LOG.format("redis")] = b"it was\nmy last word\n"
    world.infrastructure.install(world.installer())
    world.kill("redis")
    told = died(world)
    assert "redis (pod redis-1) ended with status 137 (OOMKilled). Its last words:\nit was\nmy last word" in told
    assert told.startswith("Deployment argocd/redis: ")
    asked = [query for verb, plural, query in world.api.requests if plural == "pods" and "container" in query]
    assert asked == [{"container": "main", "tailLines": "10", "previous": "true"}]
    world.infrastructure.check("server")
    with pytest.raises(PartDied):
        world.infrastructure.check("server", "redis")


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda world: world.pod("server", state={"terminated": ENDED}), "ended with status 137"),
        (lambda world: world.pod("server", phase="Failed", reason="Evicted", message="disk"), "(Evicted): disk"),
        (lambda world: world.api.delete(PODS, "argocd", "server-1"), "server (pod server-1) was deleted"),
        (lambda world: world.stopped.put(137), "the node stopped with exit code 137"),
    ],
    ids=["terminated", "evicted", "deleted", "node"],
)
def test_each_ending_is_a_death(world: World, happens: Any, said: str) -> None:
    """A log that nobody has any more is no reason not to say so."""
    world.infrastructure.install(world.installer())
    happens(world)
    assert said in died(world)


def test_a_pod_that_is_merely_not_ready_has_not_died(world: World) -> None:
    """It is slow; what it is waited for has a deadline."""
    world.infrastructure.install(world.installer())
    world.pod("redis", conditions=[{"type": "Ready", "status": "False"}])
    quiet(world)


def test_pods_of_others_may_end(world: World) -> None:
    """Those of a recipe do all the time; and so does what was there before a part was installed."""
    world.kill("redis")
    world.infrastructure.install(world.installer())
    world.api.put(PODS, {"status": {"phase": "Failed", "reason": "Evicted"}}, namespace="apps", name="x")
    world.api.delete(PODS, "apps", "x")
    quiet(world)


def test_what_is_stopped_has_not_died(world: World) -> None:
    """Scaled to nothing, and gone when it returns; the other part is still looked after."""
    world.infrastructure.install(world.installer())

    def scaled() -> None:
        until(lambda: any(path.endswith("/redis") for _, path, _, _ in world.api.bodies))
        world.api.delete(PODS, "argocd", "redis-1")

    controller = Background(scaled, "controller")
    world.infrastructure.stop("redis")
    controller.result()
    assert [body for verb, path, _, body in world.api.bodies if path.endswith("/redis")] == [{"spec": {"replicas": 0}}]
    quiet(world)
    world.kill("server")
    assert "server" in died(world)


def test_what_was_never_installed_is_not_stopped(world: World) -> None:
    """A lane names all its reconcilers, whatever came of its installation."""
    world.infrastructure.stop("redis")
    assert world.api.bodies == []


def test_installing_again_is_a_new_life(world: World) -> None:
    """A death is forgotten, and the pods that then run are those that count: replaced ones were meant."""
    world.infrastructure.install(world.installer())
    world.kill("redis")
    died(world)

    def replace(site: KindSite) -> None:
        world.api.delete(PODS, "argocd", "redis-1")
        world.pod("redis")

    world.infrastructure.install(world.installer(replace))
    quiet(world)
    world.kill("redis")
    assert "redis" in died(world)


def test_a_death_is_told_instead_of_what_it_caused(world: World) -> None:
    """What cannot be installed because the node is gone: not a deployment that is late, but the node."""
    world.infrastructure.install(world.installer())

    def failing(site: KindSite) -> None:
        world.stopped.put(0)
        assert site.lost.wait(5)
        raise ArgocdInstallFailed("late")

    with pytest.raises(PartDied, match="the node stopped with exit code 0"):
        world.infrastructure.install(world.installer(failing))


def test_another_parts_death_keeps_nobody_from_being_put_right(world: World) -> None:
    """What is installed then waits for its own pods only; the death is told to whoever asks."""
    world.infrastructure.install(world.installer())
    world.kill("server")
    died(world)
    nothing: Any = None
    waited: list[bool] = []
    other = KindInstallation((), lambda site: waited.append(site.lost.is_set()), (REDIS,))
    world.infrastructure.install(Installer("redis", nothing, other, lambda site: ()))
    assert waited == [False]
    assert "server" in died(world)


def test_a_failure_without_a_death_stays_what_it_is(world: World) -> None:
    """With its own code."""

    def failing(site: KindSite) -> None:
        raise ArgocdInstallFailed("no")

    with pytest.raises(ArgocdInstallFailed):
        world.infrastructure.install(world.installer(failing))


def test_an_engine_that_goes_away_is_a_node_that_is_gone(world: World) -> None:
    """Nobody knows any more whether it runs."""

    def gone() -> int:
        raise ClusterError("nobody answers")

    world.infrastructure = KindInfrastructure(replace(world.infrastructure.site, until_stopped=gone))
    assert "the node is gone: nobody answers" in died(world)


def test_a_node_that_stops_is_told_where_nothing_was_installed(world: World) -> None:
    """The helm lane needs no infrastructure, and its cluster ends like any other."""
    world.stopped.put(137)
    assert "the node stopped with exit code 137" in died(world)


def test_a_watch_that_is_refused_is_told(world: World) -> None:
    """What looks after nothing must not look as if all were well."""
    world.infrastructure.install(world.installer())
    assert world.infrastructure._watching is not None
    world.api.missing.add("pods")
    world.api.stop()
    world.api.start()
    assert "cannot be watched" in died(world)


def test_after_the_end_nothing_dies(world: World) -> None:
    """The cluster goes: nodes stop, pods end."""
    world.infrastructure.install(world.installer())
    world.infrastructure.close()
    world.stopped.put(137)
    world.kill("redis")
    quiet(world)
    world.infrastructure.install(world.installer())
    quiet(world)


def test_logs_are_found_by_the_name_of_a_part(world: World) -> None:
    """The whole story of one that was started again; a part that is not there is an error that says so."""
    world.api.documents[LOG.format("redis")] = b"words\n"
    with pytest.raises(HarnessError, match="redis was never installed"):
        world.infrastructure.log("redis", 7)
    world.infrastructure.install(world.installer())
    assert world.infrastructure.log("redis", 7) == "words\n"
    world.kill("redis")
    assert world.infrastructure.log("redis", 7).startswith("--- argocd/redis-1 (main) ended with status 137")
    world.api.delete(PODS, "argocd", "redis-1")
    with pytest.raises(ClusterError, match="has no pod"):
        world.infrastructure.log("redis", 7)
