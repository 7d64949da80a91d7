"""Random histories of Argo CD's and Flux's objects, told by a server that misbehaves, through the real client.

Each object is at any time one of a few things: as the pushed bundle leaves it, as the bundle before left it, under way,
failing, given up, or gone. So what a gate must say is known without it: it passes when all are as the pushed bundle
leaves them (or better said: as one of the documented states of that), and nothing else is ever green.

HISTORIES sets how many are told for each lane; they are the same each time.
"""

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness.cluster import connection
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.gates.argocd.application import KINDS as APPLICATION_KINDS
from harness.gates.argocd.synced import Synced
from harness.gates.findings import Gate
from harness.gates.flux import releases
from harness.gates.scheduling.fit import daemon
from harness.gates.workloads import scheduled as workloads
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload
from harness.gates.workloads.unscheduled import KINDS
from harness.objects import DAEMONSETS, DEPLOYMENTS, Kind, Object, Objects, key_of
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting import reflector
from harness.waiting.loop import Cancelled, GateFailed, wait
from tests.fakes import objects as core
from tests.fakes.api import FakeApi, Fault
from tests.fakes.gitops import BY_KIND as GITOPS
from tests.fakes.gitops import (
    DIGEST,
    FLUX,
    OLD,
    WEB_KEY,
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

BY_KIND = {**GITOPS, **{kind.kind: kind for kind in KINDS}}
Step = tuple[str, str]  # the name of an object, and what it becomes
Shapes = Mapping[str, Mapping[str, Object]]  # what each object can become, by name; GOOD and TOLERATED pass

GOOD, TOLERATED, FINAL, GONE = "good", "tolerated", "final", "gone"  # FINAL fails, unless something before it waits
PATIENCE = 30.0  # seconds; only a machine that is busy with other things needs so many
pytestmark = pytest.mark.no_cover  # random histories are for depth, and tracing them doubles their time
COUNT = int(os.environ.get("HISTORIES", "15"))

ARGO: Shapes = {
    "root": {
        GOOD: root("web", "db"),
        TOLERATED: changed(
            root("web", "db", health="Progressing", phase="Running"),
            "status.operationState.syncResult.resources",
            [{"kind": "Application", "name": "web", "hookPhase": "Running"}],
        ),
        FINAL: changed(root("web"), "status.resources", [{"kind": "ConfigMap", "name": "x"}]),
        "old": root("web", "db", revision=OLD),
        "degraded": root("web", "db", health="Degraded"),
        "bare": changed(root(), "status", None),
    },
    **{
        name: {
            GOOD: application(name),
            TOLERATED: application(name, "OutOfSync", "Healthy"),
            FINAL: application(name, "OutOfSync", "Missing", "Failed"),
            "old": application(name, revision=OLD),
            "under way": application(name, "OutOfSync", "Healthy", "Running"),
            "hook runs": changed(
                application(name, phase="Running"),
                "status.operationState.syncResult.resources",
                [{"kind": "Job", "name": "hook", "hookType": "PostSync", "hookPhase": "Running"}],
            ),
            "bare": changed(application(name), "status", None),
        }
        for name in ("web", "db")
    },
}


def of_flux(new: Object, old: Object) -> Mapping[str, Object]:
    return {
        GOOD: new,
        FINAL: stalled(new, "AccessDenied", "gave up"),
        "old": old,
        "failing": unready(new, "Failed", "again"),
        "under way": unready(new, "Progressing", "busy", "Unknown"),
        "bare": changed(new, "status", None),
    }


ARTIFACT = {GOOD: external("web"), "old": external("web", OLD), "bare": changed(external("web"), "status", None)}
FLUX_SHAPES: Shapes = {
    "source": of_flux(repository(), repository(OLD)),
    "tree": of_flux(kustomization(), kustomization(OLD)),
    "maker": of_flux(generator("web"), generator("web", OLD)),
    "chart": ARTIFACT,
    "release": of_flux(release("web"), release("web", digest=OLD)),
}
SYSTEM, ACCELERATED = core.spec(), core.spec(nodeSelector={core.TYPE: "accelerated"})
WEB, WEB_SET = core.deployment()
OWNED = core.owned_by("ReplicaSet", "web-new")


def of_workload(good: Object) -> Mapping[str, Object]:
    return {GOOD: good, "old": changed(good, "status.observedGeneration", 0), "bare": changed(good, "status", {})}


def pods(name: str, good: Object, **states: Object) -> Mapping[str, Object]:
    return {
        what: {"kind": "Pod", **changed(item, "metadata.uid", None)} for what, item in {GOOD: good, **states}.items()
    }


STANDING = {"helm": [{"kind": "Node", **core.node(name)} for name in ("system-0", "gpu-0")]}  # from before to after
# What plain Helm leaves is judged by its workloads alone, as the end of every other lane is.
HELM_SHAPES: Shapes = {
    "web": of_workload(WEB),
    "set": {GOOD: WEB_SET, TOLERATED: changed(WEB_SET, "status", {})},  # its pods say enough
    "agent": of_workload(core.daemon_set()),
    "web pod": pods(
        "web",
        core.pod("web", on="system-0", owner=OWNED),
        old=core.pod("web", owner=OWNED),
        refused=core.pod("web", owner=OWNED, refused="0/2 nodes are available"),
        final=core.pod("web", on="gpu-0", owner=OWNED),
    ),
    "agent pod": pods("agent", core.agent_pod("gpu-0"), old=core.agent_pod("gpu-0", bound=False)),
}
PROMISED = Expected(
    (
        ExpectedWorkload(DAEMONSETS, "apps", "agent", "rel", Declared(accelerated=True), daemon(ACCELERATED)),
        ExpectedWorkload(DEPLOYMENTS, "apps", "web", "rel", Declared(system=True), SYSTEM, replicas=1),
    ),
    frozenset(),
)
LANES: Mapping[str, tuple[Shapes, tuple[Kind, ...], Gate]] = {
    "helm": (HELM_SHAPES, KINDS, workloads.ScheduledAsIntended(PROMISED)),
    "argocd": (ARGO, APPLICATION_KINDS, Synced("root", ("web", "db"), DIGEST)),
    "flux": (
        FLUX_SHAPES,
        releases.KINDS,
        releases.Reconciled(
            DIGEST,
            source=(FLUX, "aicr-bundle"),
            kustomization=(FLUX, "aicr-demo"),
            releases=(WEB_KEY,),
            generators=((FLUX, "web-chart"),),
        ),
    ),
}


def _goes(of: Mapping[str, Object]) -> list[str]:
    """What others are owned by stays: made again, it would be another one, and own nothing."""
    return [] if "uid" in of[GOOD]["metadata"] else [GONE]


def histories(shapes: Shapes, kinds: tuple[Kind, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """A cluster before the wait, what happens during it, and what goes wrong on the way."""
    likely = st.sampled_from([GOOD, GOOD, GOOD])
    any_step = st.sampled_from(list(shapes)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            likely | st.sampled_from([*(shape for shape in shapes[name] if shape != FINAL), *_goes(shapes[name])]),
        )
    )
    finals: list[list[Step]] = [[(name, FINAL)] for name in shapes if FINAL in shapes[name]]
    done: list[Step] = [(name, GOOD) for name in shapes]
    stale: list[Step] = [(name, "old" if "old" in shapes[name] else GOOD) for name in shapes]
    steps = st.lists(any_step, max_size=10)
    plurals = st.sampled_from([kind.plural for kind in kinds])
    status = st.sampled_from([410, 429, 500, 503])
    list_faults = st.builds(
        Fault, st.sampled_from(["status", "reset", "garbage", "short"]), st.just("LIST"), plurals, status=st.just(503)
    )
    hows = ["status", "reset", "end", "cut", "half", "gone", "error", "twice", "late", "swap", "drip"]
    watch_faults = st.builds(
        Fault, st.sampled_from(hows), st.just("WATCH"), plurals, after=st.integers(0, 3), status=status
    )
    return st.fixed_dictionaries(
        {
            "before": st.builds(lambda start, then: [*start, *then], st.sampled_from([[], stale, done]), steps),
            "during": st.builds(
                lambda first, end, last: [*first, *end, *last],
                steps,
                st.sampled_from([[], done, done]),
                st.sampled_from([[] for _ in finals] + finals),
            ),
            "faults": st.lists(list_faults | watch_faults, max_size=4),
            "compact_at": st.integers(0, 15),
            "gaps": st.lists(st.sampled_from([0.0, 0.0, 0.003]), min_size=20, max_size=20),
            "page": st.sampled_from([1, 500]),
        }
    )


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loop, a hundred times as fast."""
    monkeypatch.setattr(reflector, "SLOWEST_RETRY", 0.005)
    monkeypatch.setattr(reflector, "STREAM_SECONDS", 0.04)
    monkeypatch.setattr(reflector, "STREAM_GRACE", 0.04)
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.15)
    # A request that nobody waits for any more may still be tried again while Hypothesis draws the next history, and
    # that no one else turns the shared dice meanwhile is what its drawing rests on.
    monkeypatch.setattr("tenacity.wait.random", random.Random())


def perform(api: FakeApi, shapes: Shapes, step: Step) -> None:
    name, becomes = step
    model = shapes[name][GOOD]
    kind = BY_KIND[model["kind"]]
    if becomes == GONE:
        api.delete(kind, *key_of(model))
    else:
        api.put(kind, changed(shapes[name][becomes], "is", becomes))


def known(shapes: Shapes, objects: Objects) -> dict[str, str]:
    """What each object was when it was judged."""
    found = {}
    for name, of in shapes.items():
        model = of[GOOD]
        item = objects.get(BY_KIND[model["kind"]], *key_of(model))
        found[name] = item["is"] if item else GONE
    return found


def tell(lane: str, history: Mapping[str, Any]) -> None:
    """One history, and all that must hold of how the wait ended."""
    shapes, kinds, gate = LANES[lane]
    with FakeApi(page=history["page"]) as api, tempfile.TemporaryDirectory() as directory:
        for item in STANDING.get(lane, ()):
            api.put(BY_KIND[item["kind"]], item)
        for step in history["before"]:
            perform(api, shapes, step)
        first = api.revision
        api.drip_seconds = 0.0
        api.fault(*history["faults"])
        over, settled = threading.Event(), threading.Event()
        judged: list[tuple[Objects, Verdict]] = []

        def at(revision: int) -> Objects:
            return Objects({kind: api.at(revision, kind.plural) for kind in kinds})

        def author() -> None:
            for place, (step, gap) in enumerate(zip(history["during"], history["gaps"], strict=False)):
                time.sleep(gap)
                if place == history["compact_at"]:
                    api.compact()
                perform(api, shapes, step)
            final = versions(at(api.revision), kinds)
            while not over.wait(0.002):
                if judged and isinstance(judged[-1][1], Waiting) and versions(judged[-1][0], kinds) == final:
                    settled.set()  # there will be no other verdict

        thread = threading.Thread(target=author)
        thread.start()
        result: Verdict
        try:
            result = wait(
                Cluster(api.kubeconfig(Path(directory))),
                kinds,
                gate,
                Deadline.after(PATIENCE),
                observe=lambda seen: judged.append((seen.objects, seen.verdict)),
                cancelled=settled,
            )
        except GateFailed as failed:
            result = failed.verdict
        except Cancelled:
            result = judged[-1][1]
        finally:
            over.set()
            thread.join()
        states = [at(revision) for revision in range(first, api.revision + 1)]
        event(f"{lane} {type(result).__name__}")
        check(result, judged[-1][0], states, shapes, kinds, gate)


def check(
    result: Verdict, seen: Objects, states: list[Objects], shapes: Shapes, kinds: tuple[Kind, ...], gate: Gate
) -> None:
    """The verdict was true, by what the objects are known to be and by the gate on what the server had stored."""
    are = known(shapes, seen)
    if isinstance(result, Waiting):
        assert result == gate(states[-1])
        assert not set(known(shapes, states[-1]).values()) <= {GOOD, TOLERATED}
        return
    assert versions(seen, kinds) in [versions(state, kinds) for state in states]
    assert result in [gate(state) for state in states]
    if isinstance(result, Passed):
        assert set(are.values()) <= {GOOD, TOLERATED}
    else:
        assert isinstance(result, Failed)
        assert FINAL in are.values()


def versions(objects: Objects, kinds: tuple[Kind, ...]) -> list[tuple[str, str, str]]:
    return [
        (kind.plural, item["metadata"]["name"], item["metadata"]["resourceVersion"])
        for kind in kinds
        for item in objects.all(kind)
    ]


def told(lane: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        few = settings(max_examples=COUNT, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        return few(given(history=histories(*LANES[lane][:2]))(test))

    return decorate


@told("argocd")
def test_argocd_is_never_green_without_its_bundle(history: Mapping[str, Any]) -> None:
    """Whatever the server does, a pass is of root and children at the pushed digest, a failure of one that is final."""
    tell("argocd", history)


@told("flux")
def test_flux_is_never_green_without_its_bundle(history: Mapping[str, Any]) -> None:
    """Whatever the server does, a pass is of the whole chain at the pushed digest, a failure of one that is final."""
    tell("flux", history)


@told("helm")
def test_helm_is_never_green_without_its_workloads(history: Mapping[str, Any]) -> None:
    """Whatever the server does, a pass is of every pod where it belongs, a failure of one where it does not."""
    tell("helm", history)


@pytest.mark.parametrize("lane", LANES)
def test_the_gate_agrees_with_what_each_object_is(lane: str) -> None:
    """With one object out of place at a time, the gate passes exactly where that is a state that counts."""
    shapes, kinds, gate = LANES[lane]
    for name, of in shapes.items():
        for becomes in (*of, GONE):
            items = {other: each[GOOD] for other, each in shapes.items() if other != name}
            if becomes != GONE:
                items[name] = of[becomes]
            stored: dict[Kind, dict[Any, Any]] = {kind: {} for kind in kinds}
            for item in (*items.values(), *STANDING.get(lane, ())):
                stored[BY_KIND[item["kind"]]][key_of(item)] = item
            verdict = gate(Objects(stored))
            assert isinstance(verdict, Passed) is (becomes in (GOOD, TOLERATED)), (name, becomes)
            assert isinstance(verdict, Failed) is (becomes == FINAL), (name, becomes, verdict)
