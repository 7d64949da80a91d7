"""Between started and ready: who may die, who is started again, and what a timeout says."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.objects import NAMESPACES, SERVICE_ACCOUNTS, Kind, Objects
from harness.processes import commands, daemons
from harness.processes.daemons import Identity
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.loop import Expired
from kwok.host import boot as module
from kwok.host.boot import Boot, controllers_work
from kwok.host.launch import ComponentDied

DEAD = Identity(2**22 + 1, 1, "never")
IN_USE = "listen tcp 127.0.0.1:10001: bind: address already in use"


@pytest.fixture
def living() -> Iterator[Identity]:
    child = subprocess.Popen(["sleep", "60"])
    identity = daemons.identify(child.pid)
    assert identity is not None
    yield identity
    child.kill()
    child.wait()


class Serving:
    """A cluster that says ready from a given look on."""

    def __init__(self, after: int = 0) -> None:
        self.looks = 0
        self._after = after

    def healthy(self, timeout: float) -> bool:
        assert timeout <= 0.5
        self.looks += 1
        return self.looks > self._after


def boot(
    directory: Path,
    components: dict[str, Identity],
    start_again: Callable[[str], Identity] | None = None,
    *,
    seconds: float = 60,
) -> Boot:
    def refused(component: str) -> Identity:
        raise AssertionError(f"{component} was started again")

    return Boot(directory, components, start_again or refused, Deadline.after(seconds))


def until_serving(boot: Boot, cluster: Serving) -> None:
    boot.until_serving(cast(Cluster, cluster))


def until_working(boot: Boot) -> None:
    boot.until_working(cast(Cluster, None))


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """What the waits for the controllers end with, in order: a Waiting is an expired wait, none is a pass."""
    queue: list[Verdict] = []

    def wait(*_: Any) -> None:
        if queue:
            verdict = queue.pop(0)
            assert isinstance(verdict, Waiting)
            raise Expired(verdict, {}, None, 2.0)

    monkeypatch.setattr(module, "wait", wait)
    return queue


@pytest.mark.parametrize(
    ("namespaces", "accounts", "verdict", "subject"),
    [
        ([], [], Waiting, "Namespace kube-system"),
        (["default"], ["default"], Waiting, "Namespace kube-system"),
        (["kube-system"], [], Waiting, "ServiceAccount default/default"),
        (["kube-system"], ["default"], Passed, ""),
    ],
)
def test_controllers_work_once_their_first_objects_are_there(
    namespaces: list[str], accounts: list[str], verdict: type, subject: str
) -> None:
    """The marker needs the namespace, pods need the account."""
    kinds: dict[Kind, dict[tuple[str, str], Any]] = {
        NAMESPACES: {("", name): {} for name in namespaces},
        SERVICE_ACCOUNTS: {("default", name): {} for name in accounts},
    }
    found = controllers_work(Objects(kinds))
    assert type(found) is verdict
    assert not isinstance(found, Failed)
    assert found.subject == subject


def test_the_api_server_is_asked_until_it_serves(tmp_path: Path, living: Identity) -> None:
    """While everything lives."""
    cluster = Serving(after=3)
    until_serving(boot(tmp_path, {"etcd": living}), cluster)
    assert cluster.looks == 4


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver"])
def test_without_etcd_or_api_server_waiting_ends_with_their_last_words(
    tmp_path: Path, living: Identity, component: str
) -> None:
    """Not with a timeout two minutes later."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{component}.log").write_text("panic: wrong flag\n")
    with pytest.raises(ComponentDied, match=f"{component} ended at start.*\npanic: wrong flag") as died:
        until_serving(boot(tmp_path, {"kwok-controller": living, component: DEAD}), Serving(after=99))
    assert not died.value.port_taken


def test_others_may_end_before_the_api_server_serves_and_are_then_started_again(
    tmp_path: Path, living: Identity, outcomes: list[Verdict]
) -> None:
    """The controller manager gives up after ten seconds on a busy machine."""
    again: list[str] = []

    def start_again(component: str) -> Identity:
        again.append(component)
        return living

    under_way = boot(tmp_path, {"etcd": living, "kube-controller-manager": DEAD}, start_again)
    until_serving(under_way, Serving(after=2))
    assert again == []
    outcomes += [Waiting("not yet")]
    until_working(under_way)
    assert again == ["kube-controller-manager"]
    assert under_way.components == {"etcd": living, "kube-controller-manager": living}


@pytest.mark.usefixtures("outcomes")
def test_what_ends_twice_is_not_started_a_third_time(tmp_path: Path, living: Identity) -> None:
    """Something is wrong with it, and its last words say what."""
    again: list[str] = []

    def start_again(component: str) -> Identity:
        again.append(component)
        return DEAD

    with pytest.raises(ComponentDied, match="kube-scheduler"):
        until_working(boot(tmp_path, {"etcd": living, "kube-scheduler": DEAD}, start_again))
    assert again == ["kube-scheduler"]


def test_a_port_that_is_taken_is_known_at_once(tmp_path: Path) -> None:
    """Starting again would not help; other ports will."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kube-scheduler.log").write_text(f"E1121 {IN_USE}\n")
    with pytest.raises(ComponentDied, match="kube-scheduler") as died:
        until_serving(boot(tmp_path, {"kube-scheduler": DEAD}), Serving(after=99))
    assert died.value.port_taken


def test_a_timeout_says_what_was_missing_and_what_the_api_server_said_last(tmp_path: Path, living: Identity) -> None:
    """And which setting to change on a slow machine."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kube-apiserver.log").write_text("still migrating\n")
    with pytest.raises(ClusterError, match="not ready after 0 s") as late:
        until_serving(boot(tmp_path, {"etcd": living}, seconds=0), Serving(after=99))
    assert "still migrating" in late.value.what
    assert "deadlines.cluster_ready" in late.value.do


def test_a_timeout_of_the_controllers_names_the_object(
    tmp_path: Path, living: Identity, outcomes: list[Verdict]
) -> None:
    """What the last wait was waiting for."""
    outcomes += [Waiting("not made yet", "ServiceAccount default/default")]
    with pytest.raises(ClusterError, match="ServiceAccount default/default: not made yet"):
        until_working(boot(tmp_path, {"etcd": living}, seconds=0))


def test_a_harness_that_is_stopping_does_not_wait_on(tmp_path: Path, living: Identity) -> None:
    """Ctrl-C reaches the main thread only; a boot in another one ends at its next look."""
    commands.ALL.stop()
    try:
        with pytest.raises(ClusterError, match="was stopped"):
            until_serving(boot(tmp_path, {"etcd": living}), Serving(after=99))
    finally:
        commands.ALL.reopen()
