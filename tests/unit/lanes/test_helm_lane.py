"""The helm lane installs in dependency order, side by side where it may, and ends with the first failure."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cells.budget import Budget
from harness.cells.run import Run
from harness.cells.timeline import Timeline
from harness.errors import SyncDeadline, UsageError, VerdictFailed
from harness.helm.client import InstallFailed
from harness.processes.commands import Completed, Scope
from harness.progress import Silent, task
from harness.results.journal import Journal
from lanes import find, helm


def bundle(dependencies: Mapping[str, Sequence[str]]) -> Bundle:
    folders = tuple(
        Folder(number, name, name, name, Path(name), Chart(name, "1"), tuple(after))
        for number, (name, after) in enumerate(dependencies.items(), 1)
    )
    return Bundle(Path(), "helm", folders, {})


class Installed:
    """Stands for helm: remembers when each release began and ended, and fails the ones that it is told to."""

    def __init__(self, failing: Sequence[str] = (), meet: threading.Barrier | None = None) -> None:
        self.events: list[tuple[str, str]] = []
        self._failing = failing
        self._meet = meet

    def install(self, folder: Folder, *, timeout: float) -> None:
        self.events.append(("begin", folder.release))
        if self._meet is not None and not folder.depends_on:
            self._meet.wait(5)
        if folder.release in self._failing:
            raise VerdictFailed(f"{folder.release} is broken")
        self.events.append(("end", folder.release))


def run_with(installed: Installed, after: Sequence[tuple[str, str]] = ()) -> Run:
    progress = Silent()
    settings = SimpleNamespace(deadlines=SimpleNamespace(release=1.0))
    fake: Any = SimpleNamespace(
        helm=installed,
        settings=settings,
        journal=Journal(progress),
        timeline=Timeline((), lambda: 0.0),
        task=lambda name: task(progress, name),
        budget=Budget(),
        scope=Scope(),
        expectation=SimpleNamespace(after=after),
    )
    return cast(Run, fake)


def test_a_release_begins_when_all_it_depends_on_have_ended() -> None:
    """The order of the recipe's dependencies holds for every pair."""
    dependencies = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}
    installed = Installed()
    helm.install(run_with(installed), bundle(dependencies))
    assert {name for event, name in installed.events if event == "end"} == set(dependencies)
    for name, after in dependencies.items():
        for other in after:
            assert installed.events.index(("end", other)) < installed.events.index(("begin", name))


def test_independent_releases_are_installed_side_by_side() -> None:
    """Two roots wait for each other inside helm: one after another they would never end."""
    installed = Installed(meet=threading.Barrier(2))
    helm.install(run_with(installed), bundle({"a": (), "b": (), "c": ("a", "b")}))
    assert len(installed.events) == 6


def test_a_recording_knows_what_each_release_waits_for() -> None:
    """Its own dependencies, and the release that brings the same CRD."""
    made = helm.recorded(bundle({"a": (), "b": ("a",), "c": ()}), [("b", "c")])
    assert [(each["name"], each["after"]) for each in made] == [("a", []), ("b", ["a", "c"]), ("c", [])]
    assert all(isinstance(each["namespace"], str) for each in made)


def test_releases_that_bring_the_same_crd_come_one_after_another() -> None:
    """Side by side each would make it, and the one that did not goes on before it is served."""
    installed = Installed()
    helm.install(run_with(installed, after=[("b", "a")]), bundle({"a": (), "b": ()}))
    assert installed.events == [("begin", "a"), ("end", "a"), ("begin", "b"), ("end", "b")]
    order = helm.order_of(bundle({"a": (), "b": (), "c": ()}), [("b", "a")])
    order.prepare()
    assert set(order.get_ready()) == {"a", "c"}


def test_the_first_failure_ends_the_lane_and_nothing_below_it_begins() -> None:
    """What depends on a broken release is not tried."""
    installed = Installed(failing=["a"])
    with pytest.raises(VerdictFailed, match="a is broken"):
        helm.install(run_with(installed), bundle({"a": (), "b": ("a",)}))
    assert ("begin", "b") not in installed.events


def test_a_failure_leaves_no_release_that_may_begin_later() -> None:
    """A helm that is started once the cluster is gone would be waited for, for as long as a hook may take."""
    begun, failed = threading.Event(), threading.Event()

    class Late:
        """Stands for helm: one release fails while another is about to start its process."""

        refused = False

        def install(self, folder: Folder, *, timeout: float) -> None:
            if folder.release == "a":
                begun.wait(5)
                failed.set()
                raise VerdictFailed("a is broken")
            begun.set()
            failed.wait(5)
            for _ in range(500):
                if run.scope.stopping():
                    self.refused = True
                    return
                threading.Event().wait(0.01)

    late = Late()
    run = run_with(cast(Any, late))
    with pytest.raises(VerdictFailed, match="a is broken"):
        helm.install(run, bundle({"a": (), "b": ()}))
    assert late.refused
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("helm")]


def test_a_lane_is_found_by_its_name() -> None:
    """The tuple in lanes is the only list there is."""
    assert find("helm") is helm.LANE


def test_an_unknown_lane_is_a_usage_error_with_near_names() -> None:
    """Exit code 64, and the name that was meant."""
    with pytest.raises(UsageError, match="unknown deployer 'hlem'") as caught:
        find("hlem")
    assert "helm" in caught.value.do


@pytest.mark.parametrize("there", [True, False])
def test_a_namespace_that_a_chart_has_is_there_before_helm_looks(there: bool) -> None:
    """helm takes over what it finds when it begins, and makes the release's namespace after that."""
    made: list[str] = []
    installed = Installed()

    class Namespaces:
        def get(self, kind: Any, namespace: str, name: str) -> dict[str, Any] | None:
            return {} if there else None

    run = run_with(installed)
    run.cluster = cast(Any, Namespaces())
    run.apply = lambda kind, item: made.append(item["metadata"]["name"])  # type: ignore[method-assign]
    plain = bundle({"a": (), "b": ()})
    helm.install(run, replace(plain, folders=(plain.folders[0], replace(plain.folders[1], owns_namespace=True))))
    assert made == ([] if there else ["b"])


def test_helm_has_what_the_job_leaves() -> None:
    """A release that is not in when the job's own deadline comes is 50; one that fails before it fails as ever."""
    now = [0.0]

    class Slow:
        def install(self, folder: Folder, *, timeout: float) -> None:
            now[0] += timeout
            completed = Completed(("helm",), 1, "", "", timeout)
            raise InstallFailed("timed out", where=folder.release, do="", completed=completed)

    run = run_with(cast(Any, Slow()))
    run.budget = Budget(0.5, clock=lambda: now[0])
    with pytest.raises(SyncDeadline, match="the job's own deadline was reached: a: timed out"):
        helm.install(run, bundle({"a": ()}))
    assert now == [0.5]
    run.budget = Budget(100.0, clock=lambda: now[0])
    with pytest.raises(InstallFailed):
        helm.install(run, bundle({"a": ()}))
