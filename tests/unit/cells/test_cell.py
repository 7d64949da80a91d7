"""A cell's order: evidence before cleaning, the first failure wins, and the cluster is given back whatever happens."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle
from harness.cells import aftermath, prepare
from harness.cells.cell import Cell
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.cluster.api import Cluster
from harness.errors import ClusterError, DataError, NotOurs, Terminated, ToolError, VerdictFailed
from harness.evidence.collectors import of_document
from harness.evidence.directory import new_run_id
from harness.evidence.recorder import Recorder
from harness.exits import Exit
from harness.installers.installer import Installer
from harness.installers.registry.store import STORE
from harness.objects import Reference
from harness.parity.check import ParityBroken
from harness.processes import commands
from harness.progress import Progress, Silent
from harness.publishing.oci.credentials import Credentials
from harness.results.critical_path import CriticalPath
from harness.results.journal import Journal
from harness.results.outcome import Cause, Outcome
from harness.settings import load
from harness.verdict import CauseKind, Passed
from kwok.engine.client import EngineMissing

Step = Callable[[], Any]


class World:
    """Everything around a cell, faked: what each part does can be replaced, and what happened is told in order."""

    def __init__(self, artifacts: Path) -> None:
        self.progress: Progress = Silent()
        self.compared: dict[str, Any] = {}
        self.events: list[str] = []
        self.open = False
        self.restorable = False
        self.install: Step | None = None  # of a lane that has infrastructure
        self.parts: tuple[str, ...] = ("infrastructure",)
        self.here = True  # it is processes of this machine
        self.stop: Step = lambda: None
        self.check: Step = lambda: None
        self.boot: Step = lambda: None
        self.make: Step = lambda: None
        self.story: Step = lambda: Passed("46 pods are where they belong")
        self.end: Step = lambda: None
        self.parity: Step = lambda: None
        self.settings = load(environment={}, overrides={"artifacts": str(artifacts), "deadlines.evidence": "5s"})

    def cell(self) -> Cell:
        cluster = SimpleNamespace(
            kubeconfig=Path("kubeconfig"),
            list=lambda *a, **k: SimpleNamespace(items=[]),
            version=lambda: "v1.34.10",
            api_versions=frozenset,
        )
        world = self

        class Stay:
            name = "c"
            running = None
            cluster = None
            restorable = world.restorable
            cleaned = False

            @property
            def open(self) -> bool:
                return world.open

            def begin(self, nodes: object) -> tuple[Any, Cluster]:
                world.events.append("begin")
                world.open = True
                world.boot()
                return SimpleNamespace(), cast(Cluster, cluster)

            def remember(self) -> None:
                world.events.append("remember")

            def end(self, helm: object, *, keep: bool, hurried: bool) -> str:
                world.events.append("end in a hurry" if hurried else "end")
                world.end()
                world.open = False
                self.cleaned = self.restorable and not hurried and not keep
                return "cleaned" if self.cleaned else "taken down"

        class Services:
            died = threading.Event()

            def install(self, installer: Installer) -> None:
                world.events.append(installer.name)
                assert world.install is not None
                world.install()

            def check(self) -> None:
                world.check()

            def stop(self, *names: str) -> None:
                world.stop()
                world.events.append(f"stop {' '.join(names)}")

            def close(self) -> None:
                if world.install is not None:
                    world.events.append("close")

            def log(self, name: str, lines: int) -> str:
                return ""

        class Bundler:
            sets: tuple[Any, ...] = ()

            def notes(self, recipe: object) -> tuple[str, ...]:
                return ("set for simulated nodes: a:x=1: a reason",)

            def make(self, recipe: object, shape: str, directory: Path) -> Bundle:
                world.make()
                directory.mkdir()
                return Bundle(directory, shape, (), {})

        def story(run: Run) -> Passed:
            world.events.append("story")
            passed: Passed = world.story()
            return passed

        fake: Any = SimpleNamespace
        nowhere: Any = None
        needed = [Installer(name, nowhere, nowhere, lambda site: (), ("controller",), STORE) for name in self.parts]
        return Cell(
            recipe=fake(name="eks", components=(), constraints=(), document=lambda: {"kind": "RecipeResult"}),
            nodes=[],
            lane=Lane("helm", "helm", story, infrastructure=tuple(needed) if self.install else ()),
            settings=self.settings,
            bundler=cast(Any, Bundler()),
            platform=fake(
                runtime=fake(name="host", tools=(), logs=lambda running: {}),
                here=self.here,
                infrastructure=lambda *_: Services(),
            ),
            stay=cast(Any, Stay()),
            tools=lambda name: Path(name),
            cancel=lambda: self.events.append("cancel"),
            journal=Journal(self.progress),
            run_id="1",
        )

    def carry_out(self) -> Outcome:
        return self.cell().carry_out()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path / "artifacts")
    expectation = SimpleNamespace(expected=SimpleNamespace(workloads=()), empty_allowed=frozenset())
    nothing = SimpleNamespace(alone=dict, before=lambda *a, **k: {}, after=lambda *a, **k: {})
    monkeypatch.setattr(prepare, "Renderer", lambda *a, **k: nothing)
    monkeypatch.setattr(prepare, "expect", lambda *a, **k: expectation)

    def compared(*arguments: object, **sources: object) -> object:
        made.events.append("parity")
        made.compared = sources
        return SimpleNamespace(notes=tuple, require=made.parity, compared=81)

    monkeypatch.setattr("harness.parity.check.check", compared)

    def of(name: str, file: str, document: Mapping[str, Any], about: str) -> object:
        made.events.append("evidence")
        return of_document(name, file, document, about)

    monkeypatch.setattr("harness.evidence.collectors.of_document", of)
    yield made
    commands.allow_children()


def failing(error: BaseException) -> Step:
    def step() -> None:
        raise error

    return step


def test_a_green_cell_gives_the_cluster_back_and_leaves_its_recording(world: World, tmp_path: Path) -> None:
    """Exit code 0, the gate's own words as the reason; no evidence, but what was seen and the outcome."""
    outcome = world.carry_out()
    assert (outcome.exit, outcome.reason) == (Exit.OK, "46 pods are where they belong")
    assert world.events == ["begin", "remember", "story", "parity", "end"]
    (left,) = (tmp_path / "artifacts").iterdir()
    assert left.name == "kwok-run-eks-helm-1"
    assert outcome.evidence == ""
    assert outcome.facts["recording"] == str(left / "run.jsonl")
    assert json.loads((left / "run.json").read_text()) == outcome.document()
    assert json.loads((left / "run.jsonl").read_text().splitlines()[-1])["event"] == "closed"


def test_processes_are_installed_side_by_side(world: World) -> None:
    """None of them needs another: each begins before any has ended."""
    together = threading.Barrier(2)
    world.parts, world.install = ("registry", "argocd"), lambda: together.wait(30)
    assert world.carry_out().exit is Exit.OK
    assert sorted(world.events[1:3]) == ["argocd", "registry"]


def test_what_goes_into_a_node_is_installed_one_after_another(world: World) -> None:
    """Their images are loaded into the same node."""
    threads: list[str] = []
    world.here, world.parts = False, ("registry", "argocd")
    world.install = lambda: threads.append(threading.current_thread().name)
    world.carry_out()
    assert world.events[1:3] == ["registry", "argocd"]
    assert threads == ["cluster", "cluster"]


def test_a_cell_says_on_what_its_time_was_spent(world: World) -> None:
    """The critical path is a fact of every outcome, of which no second is missing; the copy without secrets is read."""
    path = CriticalPath.of(world.carry_out().facts)
    assert path is not None
    assert [hop.begun for hop in path.hops[1:]] == [hop.ended for hop in path.hops[:-1]]


def test_a_large_recording_is_not_read_at_the_end_of_a_cell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes seconds in which nothing is said; `explain` does it when it is asked to."""
    monkeypatch.setattr(aftermath, "_STEP", 1)
    assert CriticalPath.of(world.carry_out().facts) is None


def test_a_critical_path_that_cannot_be_had_fails_no_cell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is only told: whatever goes wrong with it becomes a note."""

    def broken(_: object) -> CriticalPath:
        raise KeyError("status")

    monkeypatch.setattr(aftermath, "critical_path", broken)
    outcome = world.carry_out()
    assert outcome.exit is Exit.OK
    assert "the critical path is not known: KeyError: 'status'" in outcome.notes


def test_a_recording_that_was_cut_is_told_and_a_large_one_shows_how_far_its_copy_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit and the setting; a copy that takes a moment only says nothing."""
    close = Recorder.close

    def cut(recorder: Recorder, *within: float) -> str:
        recorder.cut = True
        return close(recorder, *within)

    class Loud(Silent):
        def step(self, task: str, detail: str) -> None:
            told.append((task, detail))

    told: list[tuple[str, str]] = []
    monkeypatch.setattr(Recorder, "close", cut)
    world.progress = Loud()
    assert "the recording was cut at 64Mi (setting: recording): what was seen later is not in it" in (
        world.carry_out().notes
    )
    assert told == []
    monkeypatch.setattr(aftermath, "_STEP", 1)
    world.carry_out()
    assert ("recording", "0 of 0 MiB without secrets") in told


def test_what_an_upgrade_may_leave_is_none_of_paritys_business(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears of it from what the upgrade came to."""
    left = (Reference("configmaps", "ns", "kept"),)
    monkeypatch.setattr("harness.cells.cell.require_change", lambda *_: None)
    monkeypatch.setattr("harness.cells.cell.deliver_first", lambda *_: {})
    monkeypatch.setattr("harness.cells.cell.converged", lambda *_: left)
    cell = world.cell()
    cell.upgrade_from = cell.recipe
    assert cell.carry_out().exit is Exit.OK
    assert world.compared["kept"] == left
    assert world.carry_out().exit is Exit.OK
    assert world.compared["kept"] == ()


def test_evidence_is_taken_before_anything_is_cleaned(world: World) -> None:
    """The bash harness cleaned first, and its artifacts were empty."""
    world.story = failing(VerdictFailed("no node fits", where="Pod a/b"))
    outcome = world.carry_out()
    assert world.events == ["begin", "remember", "story", "evidence", "end"]
    assert (outcome.exit, outcome.reason) == (Exit.FAILURE, "Pod a/b: no node fits")
    written = json.loads((Path(outcome.evidence) / "run.json").read_text())
    assert written["phases"][-1]["name"] == "teardown"
    assert written["reason"] == outcome.reason
    assert "no node fits" in (Path(outcome.evidence) / "summary.txt").read_text()


@pytest.mark.parametrize("fails", [True, False], ids=["evidence", "recording"])
def test_nothing_that_is_left_has_the_registrys_password(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Whoever repeats it: a controller in a verdict, here. It is known from the start, not only from the cluster."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(Credentials("me", "hunter2-hunter2").docker_config("registry.example.com"))
    overrides = {"artifacts": str(tmp_path / "artifacts"), "registry.address": "registry.example.com/x"}
    world.settings = load(environment={}, overrides=overrides)
    world.install = lambda: None
    world.story = lambda: Passed("hunter2-hunter2 is in")
    if fails:
        world.story = failing(VerdictFailed("denied: hunter2-hunter2"))
    outcome = world.carry_out()
    assert outcome.exit is (Exit.FAILURE if fails else Exit.OK)
    left = [file for file in (tmp_path / "artifacts").rglob("*") if file.is_file()]
    assert {"run.json", "run.jsonl"} <= {file.name for file in left}
    assert [file for file in left if "hunter2" in file.read_text()] == []
    assert "hunter2" not in outcome.reason


def test_credentials_that_cannot_be_had_are_told_before_a_cluster_is_made(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 10, where the lane delivers from a registry; another one does not ask for them."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    overrides = {"artifacts": str(tmp_path / "artifacts"), "registry.address": "registry.example.com/x"}
    world.settings = load(environment={}, overrides=overrides)
    assert world.carry_out().exit is Exit.OK
    world.events.clear()
    world.install = lambda: None
    outcome = world.cell().carry_out()
    assert outcome.exit is Exit.SETTINGS
    assert "is not valid JSON" in outcome.reason
    assert "begin" not in world.events


@pytest.mark.parametrize(
    ("part", "error", "code"),
    [
        ("make", DataError("no chart"), Exit.SETTINGS),
        ("boot", ToolError("no etcd"), Exit.SETTINGS),
        ("boot", ClusterError("no port"), Exit.CLUSTER_NOT_READY),
        ("boot", NotOurs("it is another one"), Exit.CLUSTER_NOT_READY),
        ("boot", VerdictFailed("node kwok-0 is not Ready"), Exit.CLUSTER_NOT_READY),
        ("boot", EngineMissing("no engine answers"), Exit.SETTINGS),
        ("story", ClusterError("the API server is gone"), Exit.FAILURE),
    ],
    ids=["bundle", "tool", "cluster", "another cluster", "nodes", "engine", "died later"],
)
def test_each_error_ends_with_its_own_code(world: World, part: str, error: Exception, code: Exit) -> None:
    """Wherever it happens: no story is told, and the cluster is given back."""
    setattr(world, part, failing(error))
    outcome = world.carry_out()
    assert (outcome.exit, outcome.reason) == (code, str(error))
    assert ("story" in world.events) is (part == "story")
    assert not world.open


def test_a_failure_beside_a_slow_boot_is_told_at_once(world: World) -> None:
    """A bundle that cannot be made does not wait for tools that still build: they are ended."""
    begun, released = threading.Event(), threading.Event()

    def boot() -> None:
        begun.set()
        released.wait(30)

    def make() -> None:
        begun.wait(30)
        raise DataError("no chart")

    def cancel() -> None:
        world.events.append("cancel")
        released.set()

    world.boot, world.make = boot, make
    cell = world.cell()
    cell.cancel = cancel
    assert cell.carry_out().exit is Exit.SETTINGS
    assert "cancel" in world.events
    assert not world.open


def test_a_lane_that_made_other_objects_fails(world: World) -> None:
    """A green verdict is not enough: the objects have to be those that helm would make."""
    world.parity = failing(ParityBroken("1 differences to what helm installs"))
    outcome = world.carry_out()
    assert (outcome.exit, outcome.reason) == (Exit.FAILURE, "1 differences to what helm installs")
    assert world.events == ["begin", "remember", "story", "parity", "evidence", "end"]


def test_parity_can_be_left_out(world: World) -> None:
    """`--no-parity` asks nothing of the objects."""
    cell = world.cell()
    cell.parity = False
    assert cell.carry_out().exit is Exit.OK
    assert "parity" not in world.events


def test_a_teardown_that_fails_changes_nothing(world: World) -> None:
    """A green cell stays green and says what was not given back."""
    world.end = failing(ClusterError("process 7 does not end"))
    outcome = world.carry_out()
    assert outcome.exit is Exit.OK
    assert any("process 7 does not end" in note for note in outcome.notes)


def test_the_first_failure_is_the_one_that_is_told(world: World) -> None:
    """What breaks while cleaning does not hide what broke the cell."""
    world.story = failing(VerdictFailed("no node fits"))
    world.end = failing(ClusterError("process 7 does not end"))
    outcome = world.carry_out()
    assert (outcome.exit, outcome.reason) == (Exit.FAILURE, "no node fits")


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), Exit.INTERRUPTED), (Terminated(), Exit.TERMINATED)],
    ids=["SIGINT", "SIGTERM"],
)
def test_an_interrupt_cleans_in_a_hurry(world: World, error: BaseException, code: Exit) -> None:
    """Evidence is still taken, briefly, and the cluster goes without being cleaned."""
    world.story = failing(error)
    outcome = world.carry_out()
    assert outcome.exit is code
    assert world.events == ["begin", "remember", "story", "evidence", "end in a hurry"]


@pytest.fixture
def kept(world: World) -> World:
    """A cluster that can be cleaned, and a lane with infrastructure and a controller."""
    world.restorable = True
    world.install = lambda: None
    return world


@pytest.mark.parametrize("passes", [True, False])
def test_controllers_stand_still_while_a_kept_cluster_is_cleaned(kept: World, passes: bool) -> None:
    """They would make again what is taken away; afterwards they run for the next cell. A red cell ends the same way."""
    if not passes:
        kept.story = failing(VerdictFailed("no node fits"))
    kept.carry_out()
    begin, end = kept.events.index("begin"), kept.events.index("stop controller")
    assert kept.events[begin : begin + 3] == ["begin", "infrastructure", "remember"]
    assert kept.events[end:] == ["stop controller", "end", "infrastructure"]
    assert ("evidence" in kept.events[:end]) is not passes


def test_a_cluster_that_goes_takes_its_controllers_along(kept: World) -> None:
    """Where it is not known what the cluster was, or there is no time, nothing is stopped, cleaned or started again."""
    kept.restorable = False
    kept.carry_out()
    assert kept.events[-2:] == ["close", "end"]
    kept.restorable, kept.story = True, failing(KeyboardInterrupt())
    kept.carry_out()
    assert kept.events[-2:] == ["close", "end in a hurry"]


def test_a_controller_that_does_not_stop_costs_the_cluster(kept: World) -> None:
    """It would make again what is taken away; the verdict stands."""
    kept.stop = failing(ClusterError("process 7 does not end"))
    outcome = kept.carry_out()
    assert outcome.exit is Exit.OK
    assert kept.events[-2:] == ["close", "end in a hurry"]
    assert any("process 7 does not end" in note for note in outcome.notes)


def test_infrastructure_that_does_not_come_back_is_a_note(kept: World) -> None:
    """The cell's verdict stands: the next run puts the infrastructure right."""

    def install() -> None:
        if "end" in kept.events:
            raise ClusterError("no port is free")

    kept.install = install
    outcome = kept.carry_out()
    assert outcome.exit is Exit.OK
    assert any("no port is free" in note for note in outcome.notes)


def test_an_interrupt_while_cleaning_still_gives_the_cluster_back(world: World) -> None:
    """It is taken down at once instead; a run that did not end by itself is not green."""
    interrupts = iter([KeyboardInterrupt()])

    def end() -> None:
        for interrupt in interrupts:
            raise interrupt

    world.end = end
    outcome = world.carry_out()
    assert outcome.exit is Exit.INTERRUPTED
    assert world.events == ["begin", "remember", "story", "parity", "end", "end in a hurry"]
    assert not world.open


def test_what_has_ended_is_the_news(world: World) -> None:
    """A lane that fails because its cluster is gone says that, and not what helm makes of it."""
    world.story = failing(VerdictFailed("connection refused"))
    world.check = failing(ClusterError("the node stopped with exit code 137"))
    assert "exit code 137" in world.carry_out().reason
    world.check = lambda: None
    assert "connection refused" in world.carry_out().reason


def test_a_defect_is_raised_after_cleaning(world: World) -> None:
    """Its traceback is kept, and so is the order: evidence, then the cluster is given back."""
    world.story = failing(ZeroDivisionError("oops"))
    with pytest.raises(ZeroDivisionError):
        world.carry_out()
    assert world.events == ["begin", "remember", "story", "evidence", "end"]


def test_evidence_that_cannot_be_written_is_a_note(world: World, tmp_path: Path) -> None:
    """A full or forbidden place changes neither the code nor the cleaning."""
    (tmp_path / "artifacts").touch()
    world.story = failing(VerdictFailed("no node fits"))
    outcome = world.carry_out()
    assert outcome.exit is Exit.FAILURE
    assert outcome.evidence == ""
    assert any("no evidence" in note for note in outcome.notes)
    assert not world.open


def test_run_ids_sort_by_time_and_differ() -> None:
    """Two runs in one second do not share a name."""
    ids = [new_run_id() for _ in range(20)]
    assert len(set(ids)) > 15
    assert [each.rpartition("-")[0] for each in ids] == sorted(each.rpartition("-")[0] for each in ids)


def test_the_outcome_names_the_first_cause(world: World) -> None:
    """And what was tested, in every lane; a pass has no cause."""
    passed = world.carry_out()
    assert passed.cause is None
    assert passed.facts["bundle"].startswith("sha256:")
    world.story = failing(VerdictFailed("no node fits", where="Pod a/b"))
    assert world.carry_out().cause == Cause(CauseKind.RECONCILE, "Pod a/b", "no node fits")
