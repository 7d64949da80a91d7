"""A recording tells what was seen and said, no secrets, and is judged again as it was judged."""

import json
import pkgutil
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import gates
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import DataError, UsageError
from harness.evidence import recorder as recording
from harness.evidence.recorder import Recorder
from harness.evidence.redaction import REDACTED, Redactor
from harness.evidence.replay import Replay, Told, replay
from harness.gates import absence, assertions, combining, conditions, health, nodes, rollouts, rounds
from harness.gates.argocd.remade import MadeAgain
from harness.gates.argocd.synced import RootThere, Synced
from harness.gates.argocd.warnings import WithoutWarnings
from harness.gates.catalog import GATES, LATER, built, data
from harness.gates.findings import Gate
from harness.gates.flux import releases, sources
from harness.gates.scheduling.fit import daemon
from harness.gates.workloads import scheduled as workloads
from harness.gates.workloads.arrivals import Arrivals
from harness.gates.workloads.installing import NothingUnschedulable
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload
from harness.gates.workloads.unscheduled import KINDS
from harness.objects import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, NODES, PODS, SERVED, Kind, Objects, key_of
from harness.progress import Silent
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.loop import Cancelled, Expired, GateFailed, Judged, wait
from tests.fakes import objects as core
from tests.fakes.api import FakeApi
from tests.fakes.gitops import (
    DIGEST,
    FLUX,
    OLD,
    application,
    changed,
    external,
    generator,
    kustomization,
    release,
    repository,
    root,
    stalled,
    unready,
)
from tests.fakes.gitops import objects_of as gitops

Judge = Callable[[Objects], Verdict]

WORLD = [core.node("system-0"), core.node("gpu-0"), core.node("gpu-1")]
GPU_SPEC = core.spec(nodeSelector={core.TYPE: "accelerated"})
EXPECTED = Expected(
    (
        ExpectedWorkload(DAEMONSETS, "apps", "agent", "rel", Declared(accelerated=True), daemon(GPU_SPEC)),
        ExpectedWorkload(DEPLOYMENTS, "apps", "web", "rel", Declared(system=True), core.spec(), replicas=2),
    ),
    frozenset({("Job", "apps", "hook")}),
)
ROOT, DEMO = ("argocd", "root"), (FLUX, "aicr-demo")

flux_bundle = releases.Reconciled(
    DIGEST,
    source=(FLUX, "aicr-bundle"),
    kustomization=DEMO,
    releases=((FLUX, "web"), (FLUX, "db")),
    generators=((FLUX, "web-chart"),),
)
synced = Synced("root", ("web", "db"), DIGEST)
nothing_unschedulable = NothingUnschedulable(
    frozenset({"apps"}),
    Arrivals(
        ((("ServiceAccount", "apps", "x"), frozenset({"b", "a"})),),
        ((("Job", "apps", "hook"), frozenset({"a"})),),
        under_way=True,
    ),
)
scheduled = workloads.ScheduledAsIntended(EXPECTED, empty_allowed=frozenset({"apps/other"}))


def web_pod(name: str = "p0", on: str = "system-0", **fields: Any) -> dict[str, Any]:
    return core.pod(f"web-{name}", on=on, owner=core.owned_by("ReplicaSet", "web-new"), **fields)


def both(gitops_items: Iterable[Any], *others: Any) -> Objects:
    """The kinds of a GitOps lane, and those of the scheduler's watch."""
    delivery, scheduling = gitops(gitops_items), core.objects_of(*WORLD, *others)
    found = {kind: {key_of(item): item for item in delivery.all(kind)} for kind in delivery.kinds}
    found |= {kind: {key_of(item): item for item in scheduling.all(kind)} for kind in scheduling.kinds}
    return Objects(found)


FLUX_DONE = [repository(), kustomization(), generator("web"), external("web"), generator("db"), external("db")]
FLUX_STORY = [
    [],
    [repository(OLD)],
    [repository(), unready(kustomization(), "Progressing", "under way", "Unknown")],
    [repository(), kustomization()],
    [*FLUX_DONE, unready(release("db"), "InstallFailed", "no such image"), release("web", "db")],
    [*FLUX_DONE, stalled(release("db"), "RetriesExceeded", "gave up"), release("web", "db")],
    [*FLUX_DONE, release("db"), release("web", "db")],
]
ARGO_STORY = [
    [],
    [root("web", "db", sync="OutOfSync", health="Missing", phase="Running")],
    [root("web", "db"), application("web", health="Progressing")],
    [root("web", "db"), application("web"), application("db", revision=OLD)],
    [root("web", "db"), application("web"), application("db", "OutOfSync", "Missing", "Failed")],
    [root("web", "db"), application("web"), application("db")],
]
WORKLOAD_STORY = [
    [],
    [core.daemon_set(desired=2), *core.deployment(replicas=2)],
    [core.daemon_set(desired=2), *core.deployment(replicas=2), web_pod("p0", on=""), core.agent_pod("gpu-0")],
    [core.daemon_set(desired=2), web_pod("p0", on="", refused="0/3 nodes are available"), core.agent_pod("gpu-0")],
    [
        core.daemon_set(desired=2),
        *core.deployment(replicas=2),
        *(web_pod("p0"), web_pod("p1"), core.agent_pod("gpu-0"), core.agent_pod("gpu-1")),
    ],
    [core.daemon_set(desired=2), *core.deployment(replicas=2), web_pod("p0", on="gpu-0"), core.agent_pod("system-0")],
]


def warned(item: Any, kind: str) -> Any:
    return changed(item, "status.conditions", [{"type": kind, "message": "Resource /Endpoints x is excluded"}])


REFUSED = core.pod("web-1", refused="0/3 nodes are available")


def config(data_: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    about = {"namespace": "ns", "name": "m", **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data_ or {}}


def shown(*maps: dict[str, Any]) -> Objects:
    """These ConfigMaps, and no pod."""
    return Objects({CONFIGMAPS: {key_of(item): item for item in maps}, PODS: {}})


def served(*names: str) -> Objects:
    return Objects({SERVED: {("", name): {"metadata": {"name": name}} for name in names}})


HISTORIES: dict[str, tuple[Gate, list[Objects]]] = {
    "absence.gone": (
        absence.Gone(frozenset({("v1", "pods", "Pod", REFUSED["metadata"]["namespace"], REFUSED["metadata"]["name"])})),
        [core.objects_of(*WORLD, REFUSED), core.objects_of(*WORLD)],
    ),
    "absence.vanished": (
        absence.Vanished(CONFIGMAPS, "ns", "m", "u1"),
        [
            shown(config(uid="u1")),
            shown(config(uid="u1", deletionTimestamp="t", finalizers=["f"])),
            shown(config(uid="u2")),
        ],
    ),
    "assertions.asserted": (
        assertions.Asserted(
            {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "(to_string($x))"}},
            kind=CONFIGMAPS,
            namespace="ns",
            watched=(PODS,),
            bindings={"x": 1.5, "list": [1, {"a": None}]},
            environment={"A": "b"},
            now="2026-01-01T00:00:00+00:00",
        ),
        [shown(), shown(config({"a": "2"})), shown(config({"a": "1.5"})), shown(config({"a": 3}))],
    ),
    "assertions.kind_served": (
        assertions.KindServed("example.com/v1", "Widget"),
        [served("apps/v1/Deployment"), served("example.com/v1/Widget")],
    ),
    "conditions.awaited": (
        conditions.Awaited(CONFIGMAPS, "jsonPath", "{.data.a}", "1", "ns", "m"),
        [shown(), shown(config({"a": "2"})), shown(config({"a": "1"}))],
    ),
    "health.all_served": (
        health.AllServed(("example.com/v1/Widget",)),
        [served("apps/v1/Deployment"), served("example.com/v1/Widget")],
    ),
    "health.healthy": (
        health.Healthy(
            (
                health.Look("one", True, {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "1"}}, CONFIGMAPS),
                health.Look("one", False, {"kind": "Pod", "apiVersion": "v1"}, PODS),
            )
        ),
        [shown(), shown(config({"a": "2"})), shown(config({"a": 1})), shown(config({"a": "1"}))],
    ),
    "rounds.together": (
        rounds.Together(
            (
                rounds.Member({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "1"}}, CONFIGMAPS),
                rounds.Member({"kind": "Pod", "apiVersion": "v1"}, PODS, wanted=False),
            ),
            "ns",
        ),
        [shown(), shown(config({"a": "2"})), shown(config({"a": "1"}))],
    ),
    "applications.root_there": (RootThere("root"), [gitops([]), gitops([root("web")])]),
    "applications.synced": (synced, [gitops(items) for items in ARGO_STORY]),
    "applications.made_again": (
        MadeAgain(synced, frozenset({("apps", "x")})),
        [gitops(items) for items in ARGO_STORY],
    ),
    "applications.without_warnings": (
        WithoutWarnings(synced),
        [
            *(gitops(items) for items in ARGO_STORY),
            gitops([root("web", "db"), application("web"), warned(application("db"), "SharedResourceWarning")]),
            gitops([root("web", "db"), application("web"), warned(application("db"), "ExcludedResourceWarning")]),
        ],
    ),
    "combining.both": (
        combining.Both(flux_bundle, nothing_unschedulable),
        [*(both(items) for items in FLUX_STORY), both(FLUX_STORY[-1], REFUSED)],
    ),
    "combining.unless_doomed": (
        combining.UnlessDoomed(flux_bundle, nothing_unschedulable),
        [*(both(items) for items in FLUX_STORY), both(FLUX_STORY[3], REFUSED), both(FLUX_STORY[-1], REFUSED)],
    ),
    "nodes.nodes_ready": (
        nodes.NodesReady(("gpu-0", "gpu-1")),
        [core.objects_of(WORLD[1]), core.objects_of(*WORLD)],
    ),
    "releases.flux_bundle": (flux_bundle, [gitops(items) for items in FLUX_STORY]),
    "sources.kustomization_there": (
        sources.KustomizationThere(DEMO),
        [gitops([]), gitops([kustomization()])],
    ),
    "workloads.nothing_unschedulable": (
        nothing_unschedulable,
        [core.objects_of(*WORLD), core.objects_of(*WORLD, REFUSED)],
    ),
    "workloads.scheduled_as_intended": (scheduled, [core.objects_of(*WORLD, *items) for items in WORKLOAD_STORY]),
}


def recorder(path: Path) -> Recorder:
    return Recorder(path, run_id="r1", recipe="demo", deployer="flux-oci", cluster="kwok-1")


def record(path: Path, gate: Judge, history: Iterable[Objects], how: BaseException | None = None) -> list[Verdict]:
    """One wait that sees `history`, and what was said live."""
    verdicts = []
    with_recorder, history = recorder(path), list(history)
    kinds = tuple(history[0].kinds) if history else ()
    ends = pytest.raises(type(how)) if how is not None else nullcontext()
    with ends as caught, with_recorder.wait(kinds, gate, within=30) as seen:
        for number, objects in enumerate(history):
            verdicts.append(gate(objects))
            seen(Judged(objects, verdicts[-1], number / 10))
        if how is not None:
            raise how
    assert caught is None or caught.value is how
    assert with_recorder.close() == ""
    return verdicts


def events(path: Path, name: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [event for event in found if not name or event["event"] == name]


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    found = events(path)
    change(found)
    path.write_text("".join(json.dumps(event) + "\n" for event in found))


def verdicts_of(found: Replay) -> list[Verdict]:
    return [step.verdict for wait in found.waits for step in wait.steps]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# Replay equals live


def test_every_registered_gate_has_a_history_here() -> None:
    """A gate that is registered and not covered below could not be rebuilt and nobody would know."""
    assert set(HISTORIES) == set(GATES) | set(LATER)


@pytest.mark.parametrize("name", HISTORIES)
def test_replay_says_what_was_said_live(name: str, path: Path) -> None:
    """Each gate, rebuilt from its data, gives on the rebuilt objects the verdicts that it gave live."""
    gate, history = HISTORIES[name]
    live = record(path, gate, history, Cancelled("enough"))
    assert len({type(verdict) for verdict in live} | {bool(getattr(v, "doomed", "")) for v in live}) > 1
    found = replay(path)
    assert verdicts_of(found) == live
    assert found.differences == ()
    assert found.closed
    assert found.waits[0].name == name


@pytest.mark.parametrize("name", HISTORIES)
def test_a_gate_comes_back_from_its_data(name: str) -> None:
    """Data, as JSON, and back: an equal gate, whose sets and keys are usable as such."""
    gate = HISTORIES[name][0]
    assert built(json.loads(json.dumps(data(gate)))) == gate


def test_what_is_expected_comes_back_whole() -> None:
    """Every field of every workload, and the hooks: equal, not merely alike."""
    again = built(json.loads(json.dumps(data(scheduled))))
    assert isinstance(again, workloads.ScheduledAsIntended)
    assert again.expected == EXPECTED


def test_every_gate_has_a_name() -> None:
    """One without could not be judged again; those of the infrastructure, which no cell records, need none."""
    modules = [import_module(each.name) for each in pkgutil.walk_packages(gates.__path__, "harness.gates.")]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    judging = {each for each in found if "__call__" in vars(each) and hasattr(each, "kinds") and each is not Gate}
    later: set[type] = {type(HISTORIES[name][0]) for name in LATER}
    assert judging - {rollouts.RolledOut, rollouts.Withdrawn} == set(GATES.values()) | later


@pytest.mark.parametrize("name", HISTORIES)
def test_what_a_gate_watches_is_what_it_looks_at(name: str) -> None:
    """Of its own kinds alone it says what it says of all: none is missing, and those of both halves are watched."""
    gate, history = HISTORIES[name]
    for objects in history:
        found = {kind: {key_of(item): item for item in objects.all(kind)} for kind in gate.kinds}
        assert gate(Objects(found)) == gate(objects)


def test_recordings_of_earlier_versions_are_read() -> None:
    """The names and parameters as the first version wrote them: lists for sets, and a default that was left out."""
    inner = {"gate": "applications.synced", "parameters": {"root": "r", "children": ["web"], "digest": DIGEST}}
    watch = {"gate": "workloads.nothing_unschedulable", "parameters": {"namespaces": ["apps"]}}
    both = {"gate": "combining.unless_doomed", "parameters": {"gate": inner, "danger": watch}}
    watching = NothingUnschedulable(frozenset({"apps"}))
    assert built(both) == combining.UnlessDoomed(Synced("r", ("web",), DIGEST), watching)
    expected = {"workloads": [], "hooks": [["Job", "apps", "hook"]]}
    scheduled = {"gate": "workloads.scheduled_as_intended", "parameters": {"expected": expected}}
    assert built(scheduled) == workloads.ScheduledAsIntended(Expected((), frozenset({("Job", "apps", "hook")})))


def _parts(story: list[list[Any]]) -> Any:
    return st.lists(st.lists(st.sampled_from([item for items in story for item in items]), max_size=8), max_size=6)


@pytest.mark.parametrize(
    ("gate", "story", "view"),
    [
        (flux_bundle, FLUX_STORY, gitops),
        (synced, ARGO_STORY, gitops),
        (scheduled, WORKLOAD_STORY, lambda items: core.objects_of(*WORLD, *items)),
    ],
    ids=["flux", "argocd", "workloads"],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_history_is_judged_again_as_it_was(gate: Gate, story: Any, view: Any, data: Any, path: Path) -> None:
    """Objects come, change and go in any order: the recorded differences lose nothing."""
    path.unlink(missing_ok=True)
    live = record(path, gate, [view(items) for items in data.draw(_parts(story))], Cancelled("enough"))
    found = replay(path)
    assert verdicts_of(found) == live
    assert found.differences == ()


def test_a_wait_in_earnest_is_recorded(tmp_path: Path, path: Path) -> None:
    """Through the real client and loop: what it hands over suffices to judge again, and its pass is the last word."""
    told = recorder(path)
    with FakeApi() as api:
        api.put(NODES, core.node("gpu-0"), name="gpu-0")
        gate = nodes.NodesReady(("gpu-0",))
        cluster = Cluster(api.kubeconfig(tmp_path))
        with told.wait(gate.kinds, gate, within=5) as seen:
            passed = wait(cluster, gate.kinds, gate, Deadline.after(5), settle=0.05, observe=seen)
    assert told.close() == ""
    found = replay(path)
    assert found.differences == ()
    assert verdicts_of(found)[-1] == passed
    assert found.waits[0].how == "passed"


# A record that is not what happened


def test_a_verdict_that_was_altered_is_a_difference(path: Path) -> None:
    """A recorded pass that the gate does not confirm is found, with its line."""
    record(path, synced, HISTORIES["applications.synced"][1])

    def alter(found: list[dict[str, Any]]) -> None:
        found[3]["verdict"] = {"type": "Passed", "subject": "", "reason": "all well"}

    rewrite(path, alter)
    (difference,) = replay(path).differences
    assert "wait 1: line 4, 0.1 s: recorded is Passed (all well); now it is Waiting" in difference


@pytest.mark.parametrize("field", ["subject", "reason", "doomed"])
def test_each_part_of_a_verdict_is_compared(field: str, path: Path) -> None:
    """Not the type alone: a reason for another object is another verdict."""
    record(path, nothing_unschedulable, HISTORIES["workloads.nothing_unschedulable"][1], Cancelled("enough"))
    rewrite(path, lambda found: found[3]["verdict"].__setitem__(field, "Pod apps/other"))
    assert len(replay(path).differences) == 1


def test_an_object_that_is_missing_is_a_difference(path: Path) -> None:
    """The pass rests on every object: without one of them the gate does not pass again."""
    record(path, synced, [gitops(ARGO_STORY[-1])])
    rewrite(path, lambda found: found[2]["changed"]["applications.argoproj.io"].pop())
    assert "now it is Failed" in replay(path).differences[0] or "now it is Waiting" in replay(path).differences[0]


def test_an_object_that_a_gate_cannot_read_is_a_difference(path: Path) -> None:
    """A gate that raises has given no verdict; the rest is still judged."""
    record(path, synced, [gitops(ARGO_STORY[-1])])
    rewrite(path, lambda found: found[2]["changed"]["applications.argoproj.io"][0].pop("spec"))
    assert "now the gate raises KeyError: 'spec'" in replay(path).differences[0]


@pytest.mark.parametrize(
    ("how", "last", "agrees"),
    [
        ("passed", Passed("fine"), True),
        ("passed", Waiting("not yet"), False),
        ("passed", Failed("broken"), False),
        ("failed", Failed("broken"), True),
        ("failed", Waiting("not yet", doomed="never"), True),
        ("failed", Waiting("not yet"), False),
        ("failed", Passed("fine"), False),
        ("expired", Passed("fine"), True),
    ],
)
def test_an_end_must_follow_from_the_last_verdict(how: str, last: Verdict, agrees: bool, path: Path) -> None:
    """A wait that passed without a pass is a green that was not there."""
    record(path, nothing_unschedulable, [core.objects_of()])

    def alter(found: list[dict[str, Any]]) -> None:
        found[2]["verdict"] = recording.verdict_data(last)
        found[3]["how"] = how

    rewrite(path, alter)
    assert any("its last verdict is" in text for text in replay(path).differences) is not agrees


def test_a_gate_without_a_name_cannot_vouch(path: Path) -> None:
    """It is recorded, but that nobody can judge it again is told as a difference."""
    record(path, lambda _: Passed("fine"), [core.objects_of()])
    found = replay(path)
    assert verdicts_of(found) == [Passed("fine")]
    assert found.differences == ("wait 1: cannot be judged again: its gate has no registered name",)


def test_a_gate_of_another_version_cannot_vouch(path: Path) -> None:
    """An unknown name, or parameters that the gate does not take: told with its name, the rest can still be read."""
    record(path, nothing_unschedulable, [core.objects_of()], Cancelled("enough"))
    rewrite(path, lambda found: found[1]["gate"].__setitem__("parameters", {"spaces": []}))
    assert "the parameters of gate workloads.nothing_unschedulable" in replay(path).differences[0]
    rewrite(path, lambda found: found[1]["gate"].__setitem__("gate", "workloads.nothing"))
    assert "no gate is called workloads.nothing" in replay(path).differences[0]


# What is written


def test_only_what_changed_is_written(path: Path) -> None:
    """An equal object is not written again, nor one of which only the field managers changed; what left is named."""
    a, b = web_pod("a"), web_pod("b")
    managed = {**a, "metadata": {**a["metadata"], "managedFields": [{"manager": "kwok"}]}}
    moved = web_pod("a", on="gpu-0")
    views = [core.objects_of(managed, b), core.objects_of(json.loads(json.dumps(a)), b), core.objects_of(moved)]
    record(path, nothing_unschedulable, views, Cancelled("enough"))
    first, second, third = events(path, "seen")
    assert first["changed"] == {"pods": [a, b]}
    assert (second["changed"], second["gone"]) == ({}, {})
    assert (third["changed"], third["gone"]) == ({"pods": [moved]}, {"pods": [["apps", "web-b"]]})


def test_the_file_is_for_its_owner_and_never_one_that_was_there(path: Path) -> None:
    """Mode 0600; an existing file is left as it is, which is told and raises nothing."""
    record(path, nothing_unschedulable, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    second = recorder(path)
    with second.wait((PODS,), nothing_unschedulable, within=1) as seen:
        seen(Judged(core.objects_of(), Passed("fine"), 0.0))
    assert "cannot be written: File exists" in second.close()
    assert path.read_bytes() == before


def test_secrets_are_not_written(path: Path) -> None:
    """Values that look secret go from objects, verdicts and tasks; Secrets are not recorded at all; replay agrees."""
    secrets = Kind("v1", "secrets", "Secret")
    pod = web_pod(on="", refused="webhook said password=hunter2hunter2 no")
    pod["spec"]["containers"][0]["env"] = [
        {"name": "DB_PASSWORD", "value": "x"},
        {"name": "A", "value": "token=hunter2"},
    ]
    secret = {"metadata": {"name": "s", "namespace": "apps"}, "data": {"any": "aHVudGVyMg=="}}
    objects = Objects({**{k: {key_of(i): i for i in core.objects_of(*WORLD, pod).all(k)} for k in KINDS}})
    with_secret = Objects(
        {**{k: {key_of(i): i for i in objects.all(k)} for k in objects.kinds}, secrets: {("apps", "s"): secret}}
    )
    told = recorder(path)
    live = nothing_unschedulable(objects)
    assert "hunter2" in live.reason
    told.task("release", "failed", "curl https://me:hunter2@host/")
    told.fact(token="hunter2")
    with suppress(GateFailed), told.wait((*KINDS, secrets), nothing_unschedulable, within=1) as seen:
        seen(Judged(with_secret, live, 0.0))
        raise GateFailed(Failed("password=hunter2hunter2"), 1.0)
    told.close()
    assert "hunter2" not in path.read_text()
    assert "aHVudGVyMg" not in path.read_text()
    assert REDACTED in path.read_text()
    assert replay(path).differences == ()


def test_redaction_excuses_texts_and_nothing_else(path: Path) -> None:
    """A reason whose secret was cut out may differ; another type or subject may not."""
    record(path, nothing_unschedulable, HISTORIES["workloads.nothing_unschedulable"][1], Cancelled("enough"))
    rewrite(path, lambda found: found[3]["verdict"].__setitem__("reason", f"said {REDACTED}"))
    assert replay(path).differences == ()
    rewrite(path, lambda found: found[3]["verdict"].__setitem__("doomed", ""))
    assert len(replay(path).differences) == 1


def test_a_copy_lacks_what_became_known_as_secret(path: Path, tmp_path: Path) -> None:
    """Secrets of the cluster are known at the end only; the copy is without them, private, and still a recording."""
    told = recorder(path)
    told.note("the phrase is correct horse battery")
    told.close()
    with path.open("a") as file:
        file.write('{"event":"note","te')
    assert recording.copy(path, tmp_path / "copy", Redactor(["correct horse battery"])) == ""
    assert "horse" not in (tmp_path / "copy").read_text()
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert replay(tmp_path / "copy").closed
    assert "File exists" in recording.copy(path, tmp_path / "copy", Redactor())


def test_a_copy_redacts_only_lines_that_hold_what_is_known(path: Path, tmp_path: Path) -> None:
    """All others are copied byte by byte; a secret is found however JSON writes it, and progress is told to the end."""
    secret = 'se"cret\\words\nand more é'
    told = recorder(path)
    told.note(f"it says {secret}")
    told.note("nothing here")
    told.close()
    seen: list[tuple[int, int]] = []
    redactor = Redactor([secret])
    assert recording.copy(path, tmp_path / "copy", redactor, told=lambda *done: seen.append(done)) == ""
    old, new = path.read_bytes().splitlines(), (tmp_path / "copy").read_bytes().splitlines()
    assert [line == other for line, other in zip(old, new, strict=True)] == [True, False, True, True]
    assert events(tmp_path / "copy", "note")[0]["text"] == f"it says {REDACTED}"
    assert (len(seen), seen[-1]) == (4, (path.stat().st_size, path.stat().st_size))


def test_a_recording_is_cut_at_its_limit(path: Path) -> None:
    """Objects are left out from there on and that is told; what happened is not, and nothing counts as a defect."""
    written = Recorder(path, run_id="r", recipe="demo", deployer="helm", cluster="k", limit=4000)
    objects = [core.objects_of(*WORLD, *(web_pod(f"p{n}") for n in range(size))) for size in range(20)]
    with written.wait(tuple(objects[0].kinds), nothing_unschedulable, within=30) as seen:
        for number, each in enumerate(objects):
            seen(Judged(each, nothing_unschedulable(each), number / 10))
    with written.wait(tuple(objects[0].kinds), nothing_unschedulable, within=30) as seen:
        seen(Judged(objects[0], Passed("well"), 0.0))
    written.note("afterwards")
    assert written.close() == ""
    assert written.cut
    assert len(events(path, "cut")) == 1
    assert 0 < len(events(path, "seen")) < len(objects)
    found = replay(path)
    assert (found.closed, found.differences) == (True, ())
    assert found.cut is not None
    assert [(wait.how, wait.cut) for wait in found.waits] == [("passed", True), ("passed", True)]
    assert events(path, "note")[0]["text"] == "afterwards"


ENDS = [
    (None, "passed", "Pod a/b: fine"),
    (GateFailed(Failed("no node fits", "Pod a/b"), 5.0), "failed", "Pod a/b: no node fits"),
    (Expired(Waiting("not yet", "Pod a/b"), {}, None, 5.0), "expired", "Pod a/b: after 5.0 s: not yet"),
    (Cancelled("the wait was cancelled"), "cancelled", "the wait was cancelled"),
    (KeyboardInterrupt(), "broken", "KeyboardInterrupt"),
]


@pytest.mark.parametrize(("error", "how", "why"), ENDS, ids=[how for _, how, _ in ENDS])
def test_how_a_wait_ended_is_written(error: BaseException | None, how: str, why: str, path: Path) -> None:
    """In one word and with its reason; the exception goes on as it is."""
    gate: Judge = lambda _: Passed("fine", "Pod a/b")  # noqa: E731
    record(path, gate, [core.objects_of()], error)
    wait = replay(path).waits[0]
    assert wait.how == how
    assert wait.why.startswith(why)


def test_who_else_observes_is_told_the_same(path: Path) -> None:
    """The lane's own observer sees the objects, verdict and time of each as before."""
    calls: list[Any] = []
    view, verdict = core.objects_of(), Passed("fine")
    told = recorder(path)
    with told.wait((PODS,), nothing_unschedulable, within=1, observe=calls.append) as seen:
        seen(Judged(view, verdict, 1.5))
    told.close()
    assert calls == [Judged(view, verdict, 1.5)]


def test_waits_of_several_threads_do_not_mix(path: Path) -> None:
    """Each has its own number and its own differences; every line is whole."""
    told = recorder(path)
    names = ["applications.synced", "releases.flux_bundle", "workloads.scheduled_as_intended"]

    def work(name: str) -> None:
        gate, history = HISTORIES[name]
        with suppress(Cancelled), told.wait(history[0].kinds, gate, within=5) as seen:
            for objects in history * 5:
                seen(Judged(objects, gate(objects), 0.0))
            raise Cancelled("enough")

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.close() == ""
    found = replay(path)
    assert sorted(wait.name for wait in found.waits) == names
    assert [len(wait.steps) for wait in found.waits] == [5 * len(HISTORIES[wait.name][1]) for wait in found.waits]
    assert found.differences == ()


def test_tasks_facts_and_notes_are_told_in_their_order(path: Path) -> None:
    """A progress that records hands everything on, and what happens after the close is not recorded."""
    told = recorder(path)
    progress = told.telling(Silent())
    progress.started("push")
    told.fact(digest=DIGEST)
    progress.finished("push", "demo:v1")
    progress.failed("sync", "late")
    progress.note("mind this")
    told.close()
    progress.note("too late")
    found = replay(path)
    assert found.header["recipe"] == "demo"
    assert found.facts == {"digest": DIGEST}
    assert [(each.task, each.state, each.text) for each in found.story if not hasattr(each, "steps")] == [
        ("push", "started", ""),
        ("push", "finished", "demo:v1"),
        ("sync", "failed", "late"),
        ("", "note", "mind this"),
    ]
    assert told.close() == ""


# Files that are broken


def test_a_line_that_was_cut_off_is_tolerated_at_the_end(path: Path) -> None:
    """kill -9 while writing, at whatever byte: what was written before is still told."""
    gate, history = HISTORIES["applications.synced"]
    record(path, gate, history)
    whole = path.read_bytes()
    last_line = whole[: whole[:-1].rindex(b"\n") + 1]
    for end in range(len(last_line), len(whole)):
        path.write_bytes(whole[:end])
        found = replay(path)
        assert found.truncated is (end != len(last_line))
        assert not found.closed
        assert len(found.waits[0].steps) == len(history)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "has no complete line"),
        (b'{"event":"header"', "has no complete line"),
        (b"hello\n", "this is not a recording"),
        (b"\xff\xfe\x00\n", "this is not a recording"),
        (b"[1]\n", "this is not a recording"),
        (b'{"event":"header","format":99}\n', "not a header of format 1"),
        (b'{"event":"task","at":1}\n', "not a header of format 1"),
    ],
)
def test_a_file_that_is_no_recording_is_one_clear_error(text: bytes, message: str, path: Path) -> None:
    """Code 10, with the file."""
    path.write_bytes(text)
    with pytest.raises(DataError, match=message) as caught:
        replay(path)
    assert str(path) in caught.value.where


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "null",
        '{"event":"dance","at":1}',
        '{"event":"ended","at":1,"wait":7,"how":"passed","why":"","seconds":1}',
        '{"event":"seen","at":1,"seconds":1,"wait":1,"changed":{},"gone":{"pods":[["a","b"]]},"verdict":{}}',
        '{"event":"seen","at":1,"seconds":1,"wait":1,"changed":{"pods":[{}]},"gone":{},"verdict":{}}',
        '{"event":"seen","at":1,"seconds":1,"wait":1,"changed":{},"gone":{},"verdict":{"type":"Maybe"}}',
        '{"event":"wait","at":1,"wait":1,"gate":null,"kinds":[],"within":1}',
    ],
)
def test_a_broken_line_within_is_an_error_with_its_number(line: str, path: Path) -> None:
    """Nothing is guessed about a file that was damaged otherwise than at its end."""
    record(path, nothing_unschedulable, [core.objects_of()])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], line, *lines[3:]]) + "\n")
    with pytest.raises(DataError) as caught:
        replay(path)
    assert caught.value.where == f"{path}:4"


@pytest.mark.parametrize("name", ["gone", "gone/run.jsonl", "."])
def test_a_path_without_a_recording_is_a_wrong_word(name: str, tmp_path: Path) -> None:
    """Code 64: no such file, or a directory that holds none."""
    with pytest.raises(UsageError, match=r"run\.jsonl"):
        replay(tmp_path / name)


def test_a_nudge_is_part_of_the_story(path: Path) -> None:
    """Whom a controller was told to look at, why, and that it did not work."""
    told = recorder(path)
    told.nudge(PODS, ("ns", "a"), "what it depends on is ready")
    told.nudge(PODS, ("ns", "b"), "the same", "the API server is gone")
    told.close()
    first, second = replay(path).story
    assert isinstance(first, Told)
    assert (first.task, first.state, first.text) == ("Pod ns/a", "nudged", "what it depends on is ready")
    assert isinstance(second, Told)
    assert second.text == "the same; the API server is gone"


def test_a_task_knows_its_thread(tmp_path: Path) -> None:
    """So a part of a phase is told from what went on beside it."""
    told = recorder(tmp_path / "run.jsonl")
    told.task("sync", "started")
    beside = threading.Thread(target=lambda: told.task("render", "started"), name="bundle")
    beside.start()
    beside.join()
    told.close()
    threads = {each.task: each.thread for each in replay(tmp_path / "run.jsonl").story if isinstance(each, Told)}
    assert threads == {"sync": threading.current_thread().name, "render": "bundle"}
