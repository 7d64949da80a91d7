"""What a story is told with: work that is ended by a refused pod, and a verdict that leaves notes and facts."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle
from harness.cells import run as lane
from harness.cells.budget import Budget
from harness.cells.run import Run
from harness.deadline import Deadline
from harness.errors import RootMissing, SyncDeadline, VerdictFailed
from harness.gates.combining import Both
from harness.objects import JOBS, NODES, PODS, Kind, Objects
from harness.processes import commands
from harness.processes.commands import CommandFailed, Scope
from harness.progress import Silent
from harness.results.journal import Journal
from harness.settings import load
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.claims import LOOK_AGAIN
from harness.waiting.loop import Cancelled, Expired, GateFailed, Judged
from harness.waiting.nudges import Hasten


@dataclass(frozen=True)
class Says:
    """A gate that always says the same."""

    verdict: Verdict
    kinds: tuple[Kind, ...] = (NODES,)

    def __call__(self, objects: Objects) -> Verdict:
        return self.verdict


@pytest.fixture
def run() -> Run:
    expectation = SimpleNamespace(
        namespaces=frozenset({"a"}),
        watch=Says(Waiting("no pod is unschedulable"), (PODS,)),
        pauses=lambda upgraded, nodes: 60 * nodes if upgraded else 7,
        gate=Says(Passed("as intended")),
        notes=lambda objects: ("DaemonSet a/x matches no node, as declared",),
        facts=lambda objects: {"nodes": objects.count(NODES)},
    )
    fake: Any = SimpleNamespace(release="nfd")
    services = SimpleNamespace(died=threading.Event(), check=lambda: None)
    return Run(
        recipe=fake,
        settings=load(environment={}),
        bundle=Bundle(Path(), "helm", (fake,), {}),
        expectation=cast(Any, expectation),
        cluster=fake,
        helm=fake,
        journal=Journal(Silent()),
        scope=Scope(),
        services=cast(Any, services),
        recorder=cast(
            Any,
            SimpleNamespace(
                wait=lambda *a, observe=None, **k: nullcontext(observe), fact=lambda **k: None, nudge=lambda *a: None
            ),
        ),
    )


def test_work_that_ends_well_ends_the_watch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch goes on until the work is done, and then does not outlive it."""

    def wait(*arguments: object, cancelled: threading.Event, **how: object) -> None:
        assert cancelled.wait(5)
        raise Cancelled("ended")

    monkeypatch.setattr(lane, "wait", wait)
    done: list[str] = []
    run.while_schedulable(lambda: done.append("x"))
    assert done == ["x"]


def test_work_that_fails_hands_its_own_error_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """helm's message is the cause, not that the watch was cancelled."""

    def wait(*arguments: object, cancelled: threading.Event, **how: object) -> None:
        assert cancelled.wait(5)
        raise Cancelled("ended")

    def work() -> None:
        raise VerdictFailed("helm could not install nfd")

    monkeypatch.setattr(lane, "wait", wait)
    with pytest.raises(VerdictFailed, match="could not install nfd"):
        run.while_schedulable(work)


def test_a_refused_pod_ends_the_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the cell are ended, the reason is the pod's, and later commands (evidence) may run."""
    begun = threading.Event()
    ended: list[CommandFailed] = []

    def wait(*arguments: object, **how: object) -> None:
        assert begun.wait(5)
        raise GateFailed(Failed("no node fits", "Job a/hook"), 5.0)

    def work() -> None:
        begun.set()
        try:
            commands.run(["sleep", "60"], timeout=60, scope=run.scope)
        except CommandFailed as error:
            ended.append(error)
            raise

    monkeypatch.setattr(lane, "wait", wait)
    with pytest.raises(GateFailed, match="no node fits"):
        run.while_schedulable(work)
    assert len(ended) == 1
    assert commands.run(["true"], timeout=5, scope=run.scope).returncode == 0


def test_a_pass_leaves_notes_and_facts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pass does not cover, and the placement, come from the objects that passed."""

    def wait(*arguments: Any, observe: Any, **how: object) -> Passed:
        observe(Judged(Objects({NODES: {}}), Waiting("not yet"), 0.1))
        observe(Judged(Objects({NODES: {("", "n"): {"metadata": {"name": "n"}}}}), Passed("as intended"), 0.2))
        return Passed("as intended")

    monkeypatch.setattr(lane, "wait", wait)
    assert run.verify() == Passed("as intended")
    assert run.journal.notes == ["DaemonSet a/x matches no node, as declared"]
    assert run.facts["nodes"] == 1
    assert run.journal.phases[0].detail == "as intended"


def test_a_delivery_settles_with_the_verdict_on_what_it_delivered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delivery's own wait settles for nothing; that of the verdict asks for both and settles for both."""
    waits: list[tuple[object, object]] = []

    def wait(cluster: object, kinds: object, gate: Any, deadline: object, *, settle: float, **how: object) -> Passed:
        waits.append((gate, settle))
        verdict = gate(Objects({NODES: {}}))
        how["observe"](Judged(Objects({NODES: {}}), verdict, 0.1))  # type: ignore[operator]
        assert isinstance(verdict, Passed)
        return verdict

    monkeypatch.setattr(lane, "wait", wait)
    delivered = Says(Passed("13 Applications are synced"))
    assert run.expect_delivered(delivered, within=300) == delivered.verdict
    assert run.verify() == Passed("as intended")
    assert waits == [(delivered, 0.0), (Both(delivered, run.expectation.gate), run.settings.deadlines.settle)]
    assert run.passed[0] == (delivered, 300)


def test_a_verdict_that_never_comes_still_leaves_facts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last objects show where pods were when time ran out; with none at all there are no facts, and no crash."""

    def wait(*arguments: Any, observe: Any, **how: object) -> Passed:
        observe(Judged(Objects({NODES: {}}), Waiting("not yet"), 0.1))
        raise Expired(Waiting("not yet"), {}, None, 60.0)

    monkeypatch.setattr(lane, "wait", wait)
    with pytest.raises(VerdictFailed, match="not yet"):
        run.verify()
    assert run.facts["nodes"] == 0
    assert run.journal.phases[0].verdict == "failed"


def test_a_service_that_dies_is_the_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that the wait was cancelled: its own last words."""

    def wait(*arguments: object, cancelled: threading.Event, **how: object) -> None:
        assert cancelled is run.services.died
        raise Cancelled("ended")

    def check() -> None:
        raise VerdictFailed("source-watcher ended")

    monkeypatch.setattr(lane, "wait", wait)
    monkeypatch.setattr(run.services, "check", check)
    with pytest.raises(VerdictFailed, match="source-watcher ended"):
        run.expect(Says(Waiting("x")), within=1.0)


def test_a_wait_watches_what_its_gate_asks_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more and no less, also when everything that has passed is asked again."""
    watched: list[object] = []

    def wait(cluster: object, kinds: object, *arguments: object, **how: object) -> Passed:
        watched.append(kinds)
        return Passed("fine")

    monkeypatch.setattr(lane, "wait", wait)
    run.expect(Says(Passed("fine"), (NODES,)), within=1.0)
    run.expect(Says(Passed("fine"), (PODS, NODES)), within=1.0)
    run.still()
    assert watched == [(NODES,), (PODS, NODES)] * 2


def test_a_sync_that_is_late_has_the_code_of_its_lane(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expiry of the sync is 50, with all that the expired wait has to say."""

    def wait(*arguments: object, **how: object) -> None:
        raise Expired(Waiting("is not there", "Application argocd/x"), {}, None, 3.0)

    monkeypatch.setattr(lane, "wait", wait)
    with pytest.raises(SyncDeadline, match=r"after 3\.0 s: is not there") as caught:
        run.expect(Says(Waiting("x")), within=3.0, late=SyncDeadline)
    assert "before it" not in caught.value.do
    assert (caught.value.exit, caught.value.where) == (50, "Application argocd/x")


def test_a_sync_that_is_late_says_what_the_time_before_it_went_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of each phase that has ended, below what the wait itself has to say."""

    def wait(*arguments: object, **how: object) -> None:
        raise Expired(Waiting("is not there", "Application argocd/x"), {}, None, 3.0)

    monkeypatch.setattr(lane, "wait", wait)
    for name in ("bundle", "push"):
        with run.journal.phase(name):
            pass
    with pytest.raises(SyncDeadline) as caught:
        run.expect(Says(Waiting("x")), within=3.0, late=SyncDeadline)
    assert caught.value.do == "nothing changed meanwhile\n  before it: bundle 0.0 s, push 0.0 s"


def test_a_lane_without_a_registry_has_nothing_to_push(run: Run) -> None:
    """Asking for it is a defect of the lane, and not an empty push."""
    with pytest.raises(ValueError, match="not one that is published"):
        run.push()


def test_components_are_facts_from_the_beginning(run: Run) -> None:
    """Each release of the bundle has a row, in the bundle's order; what a lane tells is seen in the outcome's facts."""
    folders: Any = tuple(SimpleNamespace(release=name) for name in ("nfd", "web"))
    told = replace(run, bundle=Bundle(Path(), "helm", folders, {}), facts={})
    with told.timeline.applying("web"):
        pass
    first, second = told.facts["components"]
    assert first == {"name": "nfd", "applied": None, "ready": None}
    assert second["name"] == "web"
    assert 0 <= second["applied"] <= second["ready"]


def test_controllers_are_told_during_the_wait(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that hastens annotates what is idle, and still lets the story's own observer see."""
    done, seen = threading.Event(), list[Judged]()
    patched: list[object] = []

    def patch_merge(*words: object) -> None:
        patched.append(words)
        done.set()

    def wait(*arguments: Any, observe: Any, **how: object) -> Passed:
        observe(Judged(Objects({NODES: {}}), Waiting("not yet"), 0.1))
        assert done.wait(5)
        return Passed("fine")

    monkeypatch.setattr(lane, "wait", wait)
    run.cluster = cast(Any, SimpleNamespace(patch_merge=patch_merge))
    hasten = Hasten(lambda objects: {(NODES, ("", "n")): "x"}, "look", lambda: "now")
    run.expect(Says(Passed("fine")), within=1, observe=seen.append, hasten=hasten)
    assert patched == [(NODES, "", "n", {"metadata": {"annotations": {"look": "now"}}})]
    assert len(seen) == 1


def installed(run: Run) -> None:
    run.while_schedulable(lambda: None)


def expected(run: Run) -> None:
    run.expect(Says(Passed("fine"), (PODS,)), within=1)


@pytest.mark.parametrize("work", [installed, expected])
def test_the_scheduler_is_told_to_look_again_at_refused_claims(
    run: Run, monkeypatch: pytest.MonkeyPatch, work: Callable[[Run], None]
) -> None:
    """Whatever the story waits for, as long as pods are looked at."""
    told = threading.Event()
    refused = {"type": "PodScheduled", "message": "pod has unbound immediate PersistentVolumeClaims"}
    pod = {"metadata": {"namespace": "a", "name": "p"}, "spec": {}, "status": {"conditions": [refused]}}

    def wait(*arguments: Any, observe: Any, **how: object) -> Passed:
        observe(Judged(Objects({PODS: {("a", "p"): pod}}), Waiting("not yet"), 0.1))
        assert told.wait(30)
        return Passed("fine")

    monkeypatch.setattr(lane, "wait", wait)
    monkeypatch.setattr(lane, "LOOK_AGAIN", replace(LOOK_AGAIN, after=0.0))
    run.cluster = cast(Any, SimpleNamespace(patch_merge=lambda kind, *words: told.set()))
    work(run)


@pytest.mark.parametrize(("upgraded", "seconds"), [(False, 67.0), (True, 420.0)])
def test_pods_get_the_time_that_their_manifests_ask_for(
    run: Run, upgraded: bool, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On top of the deadline, which is about the cluster: 60 s here, with six nodes."""
    waited: list[float] = []

    def wait(cluster: object, kinds: object, gate: Any, deadline: Deadline, **how: Any) -> Passed:
        waited.append(deadline.budget)
        how["observe"](Judged(Objects({NODES: {}}), Passed("x"), 0.0))
        return Passed("x")

    monkeypatch.setattr(lane, "wait", wait)
    run.replaces = run.bundle if upgraded else None
    run.verify()
    assert waited == [seconds]


def test_what_is_made_again_and_again_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass is a moment: a Job that was there as two is a note beside it."""

    def wait(cluster: object, kinds: object, gate: Any, *rest: object, observe: Any, **how: object) -> Passed:
        for uid in ("1", "2"):
            job = {"metadata": {"name": "j", "namespace": "a", "uid": uid}}
            observe(Judged(Objects({NODES: {}, JOBS: {("a", "j"): job}}), Passed("x"), 0.0))
        return Passed("x")

    monkeypatch.setattr(lane, "wait", wait)
    run.verify()
    assert "Job a/j was made 2 times while it was watched: it does not stay" in run.journal.notes


def expired(*arguments: Any, **how: object) -> Passed:
    raise Expired(Waiting("not ready", "HelmRelease a/b"), {}, None, 1.0)


def test_what_the_jobs_deadline_cuts_short_is_50(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was waited for: it says nothing of the recipe; the reason names both."""
    monkeypatch.setattr(lane, "wait", expired)
    run.budget = Budget(130.0, clock=lambda: 0.0)
    with pytest.raises(SyncDeadline, match=r"the job's own deadline was reached: HelmRelease a/b: .*not ready"):
        run.expect(Says(Waiting("x")), within=500.0)


def test_what_the_job_leaves_time_for_fails_as_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own deadline came first."""
    monkeypatch.setattr(lane, "wait", expired)
    run.budget = Budget(130.0, clock=lambda: 0.0)
    with pytest.raises(RootMissing, match="not ready"):
        run.expect(Says(Waiting("x")), within=30.0, late=RootMissing)


def test_a_wait_has_what_the_job_leaves(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who watches is told of how much."""
    heard: list[object] = []

    def wait(
        cluster: object, kinds: object, gate: object, deadline: Deadline, *, observe: Any, **how: object
    ) -> Passed:
        heard.append(deadline.budget)
        observe(Judged(Objects({}), Waiting("not yet"), 0.1))
        return Passed("done")

    monkeypatch.setattr(lane, "wait", wait)
    run.budget, run.watched = Budget(130.0, clock=lambda: 0.0), lambda verdict, within: heard.append((verdict, within))
    run.expect(Says(Passed("x")), within=500.0, late=SyncDeadline)
    assert heard == [130.0, (Waiting("not yet"), 130.0)]


def test_below_the_floor_controllers_are_not_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended at once, as 50: no wait is begun."""
    monkeypatch.setattr(lane, "wait", lambda *a, **k: pytest.fail("waited"))
    run.budget = Budget(119.0, clock=lambda: 0.0)
    with pytest.raises(SyncDeadline, match="leaves 119 s"):
        run.expect(Says(Passed("x")), within=500.0, late=SyncDeadline)


def test_what_is_installed_says_what_is_verified(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts may have asked the cluster meanwhile: the gate is that of what they made of it, and not the one before."""
    later: Any = SimpleNamespace(
        namespaces=frozenset(),
        pauses=lambda upgraded, nodes: 0,
        gate=Says(Passed("as installed")),
        notes=lambda objects: (),
        facts=lambda objects: {},
    )

    def wait(cluster: object, kinds: object, gate: Any, *rest: object, observe: Any, **how: object) -> Passed:
        objects = Objects({NODES: {}})
        passed: Passed = gate(objects)
        observe(Judged(objects, passed, 0.0, 0.0))
        return passed

    monkeypatch.setattr(lane, "wait", wait)
    monkeypatch.setattr(run, "installed", lambda: later)
    assert run.verify() == Passed("as installed")
    assert run.expectation is later
