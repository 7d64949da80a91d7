"""Random histories of a cluster, told by a server that misbehaves at random, through the real client.

The reference is the gate itself, on what the server had stored at each revision. A wait may end on any revision whose
verdict is final, for that verdict was true; where it goes on to the end it must agree with the final state. HISTORIES
sets how many are told; they are the same each time.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness.cluster import connection
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.objects import NODES, PODS, Kind, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting import reflector
from harness.waiting.loop import Cancelled, GateFailed, wait
from tests.fakes.api import FakeApi, Fault

Step = tuple[Kind, str, str]  # kind, name, what it becomes; "" deletes it

PATIENCE = 5.0  # for a wait that ends in milliseconds; on a busy machine, in less than this
KINDS = (PODS, NODES)
pytestmark = pytest.mark.no_cover  # random histories are for depth, and tracing them doubles their time
COUNT = int(os.environ.get("HISTORIES", "40"))


def gate(objects: Objects) -> Verdict:
    """Both kinds matter to each verdict, so that no two streams may be mixed up in time."""
    reasons = []
    for pod in objects.all(PODS):
        name, becomes = pod["metadata"]["name"], pod["becomes"]
        node = objects.get(NODES, "", becomes)
        if becomes == "pending":
            reasons.append(f"{name} is pending")
        elif node is None:
            return Failed(f"{name} is on {becomes}, which is not there")
        elif node["becomes"] != "ready":
            reasons.append(f"{becomes} is not ready")
    if objects.count(PODS) < 2:
        reasons.append(f"{objects.count(PODS)} pods")
    return Waiting(", ".join(reasons)) if reasons else Passed(f"{objects.count(PODS)} pods")


pod_steps = st.tuples(st.just(PODS), st.sampled_from("abc"), st.sampled_from(["pending", "n1", "n1", "n2", "n2", ""]))
node_steps = st.tuples(st.just(NODES), st.sampled_from(["n1", "n2"]), st.sampled_from(["ready", "ready", "not", ""]))
ready: list[Step] = [(NODES, "n1", "ready"), (NODES, "n2", "ready")]
running: list[Step] = [*ready, (PODS, "a", "n1"), (PODS, "b", "n2"), (PODS, "c", "")]
steps = st.lists(st.one_of(pod_steps, node_steps), max_size=12)
befores = st.builds(lambda start, then: [*start, *then], st.sampled_from([[], ready, running]), steps)
durings = st.builds(lambda first, end: [*first, *end], steps, st.sampled_from([[], running]))
plurals = st.sampled_from(["pods", "nodes"])
list_faults = st.builds(
    Fault,
    st.sampled_from(["status", "reset", "garbage", "short", "slow", "none"]),
    verb=st.just("LIST"),
    plural=plurals,
    status=st.sampled_from([429, 500, 503, 504]),
)
watch_faults = st.builds(
    Fault,
    st.sampled_from(
        ["status", "reset", "end", "cut", "half", "silent", "gone", "error", "twice", "late", "swap", "drip"]
    ),
    verb=st.just("WATCH"),
    plural=plurals,
    status=st.sampled_from([410, 429, 500, 503]),
    after=st.integers(0, 3),
)
faults = st.lists(st.one_of(list_faults, watch_faults, watch_faults), max_size=5)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loop, a hundred times as fast."""
    monkeypatch.setattr(reflector, "SLOWEST_RETRY", 0.005)
    monkeypatch.setattr(reflector, "STREAM_SECONDS", 0.04)
    monkeypatch.setattr(reflector, "STREAM_GRACE", 0.04)
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.15)


def perform(api: FakeApi, step: Step) -> None:
    kind, name, becomes = step
    namespace = "default" if kind.namespaced else ""
    if becomes:
        api.put(kind, {"becomes": becomes}, namespace=namespace, name=name)
    else:
        api.delete(kind, namespace, name)


def at(api: FakeApi, revision: int) -> Objects:
    return Objects({kind: api.at(revision, kind.plural) for kind in KINDS})


def content(objects: Objects) -> list[tuple[str, str, str]]:
    return [
        (kind.plural, item["metadata"]["name"], item["metadata"]["resourceVersion"])
        for kind in KINDS
        for item in objects.all(kind)
    ]


@settings(max_examples=COUNT, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    before=befores,
    during=durings,
    troubles=faults,
    compact_at=st.integers(0, 20),
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.003]), min_size=17, max_size=17),
    page=st.sampled_from([1, 2, 500]),
)
def test_the_verdict_is_always_one_that_was_true(
    before: list[Step], during: list[Step], troubles: list[Fault], compact_at: int, gaps: list[float], page: int
) -> None:
    """A wait ends on a verdict that was true at some revision, and at the end of the history on the last one."""
    with FakeApi(page=page) as api, tempfile.TemporaryDirectory() as directory:
        for step in before:
            perform(api, step)
        first = api.revision
        api.drip_seconds = 0.0
        api.fault(*troubles)
        over, settled = threading.Event(), threading.Event()
        judged: list[tuple[Objects, Verdict]] = []

        def history() -> None:
            for place, (step, gap) in enumerate(zip(during, gaps, strict=False)):
                time.sleep(gap)
                if place == compact_at:
                    api.compact()
                perform(api, step)
            final = content(at(api, api.revision))
            while not over.wait(0.002):
                if judged and isinstance(judged[-1][1], Waiting) and content(judged[-1][0]) == final:
                    settled.set()  # there will be no other verdict

        author = threading.Thread(target=history)
        author.start()
        result: Verdict
        try:
            result = wait(
                Cluster(api.kubeconfig(Path(directory))),
                KINDS,
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
            author.join()
        states = {revision: at(api, revision) for revision in range(first, api.revision + 1)}
        event(type(result).__name__)
        assert result == judged[-1][1]
        if isinstance(result, Waiting):
            assert result == gate(states[api.revision])
        else:
            assert any(content(judged[-1][0]) == content(state) for state in states.values())
            assert result in [gate(state) for state in states.values()]
