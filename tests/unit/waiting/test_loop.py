"""The waiting loop against a server that misbehaves as told: what it returns, when, and what it says."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.cluster import connection
from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.objects import NODES, PODS, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting import reflector
from harness.waiting.loop import Cancelled, Expired, GateFailed, Judged, Standing, wait
from tests.fakes.api import FakeApi, Fault


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    return Cluster(api.kubeconfig(tmp_path))


@pytest.fixture
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that are dead after a moment instead of half a minute, and retries that follow at once."""
    monkeypatch.setattr(reflector, "STREAM_SECONDS", 0.1)
    monkeypatch.setattr(reflector, "STREAM_GRACE", 0.05)
    monkeypatch.setattr(reflector, "SLOWEST_RETRY", 0.01)
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.15)


def mark(api: FakeApi, says: str, name: str = "a") -> None:
    api.put(PODS, {"says": says}, namespace="default", name=name)


def obedient(objects: Objects) -> Verdict:
    """Pods say what the verdict is; none of them waits."""
    for pod in objects.all(PODS):
        word, _, rest = str(pod["says"]).partition(" ")
        subject = f"Pod default/{pod['metadata']['name']}"
        match word:
            case "fail":
                return Failed(rest, subject)
            case "doom":
                return Waiting("not scheduled", subject, doomed=rest)
            case "wait":
                return Waiting(rest, subject)
    return Passed(f"{objects.count(PODS)} pods") if objects.count(PODS) else Waiting("no pods")


def soon(work: Callable[[], object], seconds: float = 0.06) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


# --- time, without a clock ---

W, D1, D2 = Waiting("w", "x"), Waiting("d", "x", doomed="cause"), Waiting("d", "y", doomed="cause")
P1, P2, F = Passed("one"), Passed("two"), Failed("f")
STANDING = [
    # (verdict, when heard)..., when the last one is final, given settle=2 and patience=20
    ("a hopeful wait is never final", [(W, 0)], math.inf),
    ("a pass settles", [(P1, 5)], 7),
    ("the same pass goes on settling", [(P1, 5), (P1, 6)], 7),
    ("another pass settles anew", [(P1, 5), (P2, 6)], 8),
    ("a wait in between begins anew", [(P1, 5), (W, 6), (P1, 6.5)], 8.5),
    ("a failure is final", [(P1, 5), (F, 6)], 6),
    ("the doomed have patience", [(D1, 5)], 25),
    ("the doomed stay doomed", [(D1, 5), (D1, 15)], 25),
    ("another subject is another doom", [(D1, 5), (D2, 15)], 35),
    ("hope in between begins anew", [(D1, 5), (W, 15), (D1, 16)], 36),
    ("doom in between begins settling anew", [(P1, 5), (D1, 5.5), (P1, 6)], 8),
]


@pytest.mark.parametrize(("heard", "due"), [row[1:] for row in STANDING], ids=[row[0] for row in STANDING])
def test_when_a_verdict_is_final(heard: list[tuple[Verdict, float]], due: float) -> None:
    """A verdict is final once it has stood for long enough, counted from when it became what it is."""
    standing = Standing(settle=2, patience=20)
    for verdict, now in heard:
        standing.heard(verdict, now)
    assert standing.due == due


# --- verdicts ---


def test_passes_when_it_already_is_so(api: FakeApi, cluster: Cluster) -> None:
    """A wait for what is there already returns at once, without any event."""
    mark(api, "ok")
    begun = time.monotonic()
    assert wait(cluster, [PODS, NODES], obedient, Deadline.after(60)) == Passed("1 pods")
    assert time.monotonic() - begun < 30


def test_verdict_follows_its_event(api: FakeApi, cluster: Cluster) -> None:
    """From the event that completes the picture to the verdict it takes less than 100 ms (the best of five)."""
    took: list[float] = []
    for _ in range(5):
        mark(api, "wait for it")
        at: list[float] = []

        def complete(at: list[float] = at) -> None:
            at.append(time.monotonic())
            mark(api, "ok")

        soon(complete, 0.05)
        wait(cluster, [PODS, NODES], obedient, Deadline.after(5))
        took.append(time.monotonic() - at[0])
    assert min(took) < 0.1


def test_failed_ends_the_wait_at_once(api: FakeApi, cluster: Cluster) -> None:
    """A Failed does not wait for settling or for the deadline, and carries its cause and object."""
    mark(api, "ok")
    soon(lambda: mark(api, "fail for good"))
    with pytest.raises(GateFailed) as caught:
        wait(cluster, [PODS], obedient, Deadline.after(30), settle=20)
    assert caught.value.verdict == Failed("for good", "Pod default/a")
    assert str(caught.value) == "Pod default/a: for good"
    assert caught.value.seconds < 5


def test_pass_that_does_not_last_is_none(api: FakeApi, cluster: Cluster) -> None:
    """Within the settle window every other verdict takes the pass back, and the window begins anew."""
    mark(api, "ok")
    seen: list[tuple[float, Verdict]] = []

    def observe(judged: Judged) -> None:
        seen.append((judged.seconds, judged.verdict))
        if len(seen) == 1:
            mark(api, "wait a little")
        elif isinstance(judged.verdict, Waiting):
            mark(api, "ok")

    wait(cluster, [PODS], obedient, Deadline.after(60), settle=1, observe=observe)
    assert isinstance(seen[0][1], Passed)
    waited = [seconds for seconds, verdict in seen if isinstance(verdict, Waiting)]
    assert waited
    assert seen[-1][0] - waited[-1] >= 1


def test_doom_that_persists_is_a_failure(api: FakeApi, cluster: Cluster) -> None:
    """A doomed Waiting becomes Failed with its cause after the caller's patience, without any event."""
    mark(api, "doom no node fits")
    with pytest.raises(GateFailed) as caught:
        wait(cluster, [PODS], obedient, Deadline.after(60), patience=0.3)
    assert caught.value.verdict == Failed("no node fits", "Pod default/a")
    assert 0.3 <= caught.value.seconds < 30


def test_doom_is_only_a_wait_to_the_patient(api: FakeApi, cluster: Cluster) -> None:
    """Without a patience, a doomed Waiting waits for the deadline."""
    mark(api, "doom no node fits")
    with pytest.raises(Expired):
        wait(cluster, [PODS], obedient, Deadline.after(0.4))


def test_observer_sees_what_was_judged(api: FakeApi, cluster: Cluster) -> None:
    """Replaying the observed objects through the gate gives the observed verdicts, the last one the result."""
    mark(api, "wait a")
    then = {"a": "wait b", "b": "ok"}
    seen: list[Judged] = []

    def observe(judged: Judged) -> None:
        seen.append(judged)
        if says := then.pop(judged.verdict.reason, ""):
            mark(api, says)

    result = wait(cluster, [PODS], obedient, Deadline.after(60), observe=observe)
    assert [obedient(each.objects) for each in seen] == [each.verdict for each in seen]
    assert [each.verdict.reason for each in seen if isinstance(each.verdict, Waiting)] == ["a", "b"]
    assert seen[-1].verdict == result
    assert [each.seconds for each in seen] == sorted(each.seconds for each in seen)


def test_the_lag_of_a_verdict_is_that_of_its_news(api: FakeApi, cluster: Cluster) -> None:
    """From the arrival of the first event that was not judged yet: a slow gate makes the next verdict late."""
    mark(api, "wait a")
    marked: list[float] = []
    seen: list[Judged] = []

    def slow(objects: Objects) -> Verdict:
        verdict = obedient(objects)
        if verdict.reason == "a" and not marked:
            marked.append(time.monotonic())
            mark(api, "ok")
            time.sleep(0.4)
        return verdict

    wait(cluster, [PODS], slow, Deadline.after(60), observe=seen.append)
    [passed] = [each for each in seen if isinstance(each.verdict, Passed)][:1]
    assert 0.2 < passed.lag < time.monotonic() - marked[0]
    assert seen[-1].lag == 0  # confirmed: that is no news


def test_bursts_are_judged_together(api: FakeApi, cluster: Cluster) -> None:
    """Events that follow each other closely cost a few judgements, not one each."""
    mark(api, "wait a")
    judged: list[Verdict] = []

    def burst() -> None:
        for number in range(100):
            mark(api, "wait b", f"p{number}")
            time.sleep(0.003)
        mark(api, "fail enough")

    soon(burst, 0.1)
    with pytest.raises(GateFailed):
        wait(cluster, [PODS], obedient, Deadline.after(10), observe=lambda each: judged.append(each.verdict))
    assert len(judged) < 40


def test_pass_is_taken_from_one_revision(api: FakeApi, cluster: Cluster) -> None:
    """Streams that lag behind each other do not add up to a pass that never was."""
    mark(api, "wait for the node")
    api.put(NODES, {"ready": True}, name="n")
    api.fault(Fault("silent", "WATCH", "nodes"))  # it will never tell that the node is gone

    def gate(objects: Objects) -> Verdict:
        return obedient(objects) if objects.get(NODES, "", "n") else Waiting("no node")

    def turn() -> None:
        api.delete(NODES, "", "n")
        mark(api, "ok")

    soon(turn)
    with pytest.raises(Expired, match="no node"):
        wait(cluster, [PODS, NODES], gate, Deadline.after(0.6))


def test_failure_is_taken_from_one_revision(api: FakeApi, cluster: Cluster) -> None:
    """A pod on a node that one stream has not told of yet is no failure."""
    api.put(PODS, {"says": "wait"}, namespace="default", name="a")
    api.fault(Fault("silent", "WATCH", "nodes"))

    def gate(objects: Objects) -> Verdict:
        if objects.count(PODS) < 2:
            return Waiting("one pod")
        return Passed("on a node") if objects.get(NODES, "", "n") else Failed("on a node that is not there")

    def turn() -> None:
        api.put(NODES, {}, name="n")
        api.put(PODS, {"says": "ok"}, namespace="default", name="b")

    soon(turn)
    assert wait(cluster, [PODS, NODES], gate, Deadline.after(5)) == Passed("on a node")


def test_confirmation_is_of_one_revision(api: FakeApi, cluster: Cluster) -> None:
    """What changes between the LISTs of a confirmation does not add up to a pass that never was."""
    mark(api, "wait for the node")
    api.put(NODES, {}, name="n")
    api.drip_seconds = 0.002
    api.fault(Fault("silent", "WATCH", "nodes"), Fault("silent", "WATCH", "pods", after=1))

    def gate(objects: Objects) -> Verdict:
        return obedient(objects) if objects.get(NODES, "", "n") else Waiting("no node")

    def turn() -> None:
        api.fault(Fault("none", "LIST", "pods"), Fault("slow", "LIST", "pods"))
        api.delete(NODES, "", "n")
        mark(api, "ok")
        soon(turn_back, 0.1)

    def turn_back() -> None:
        mark(api, "wait again")
        api.put(NODES, {}, name="n")

    soon(turn)
    with pytest.raises(Expired):
        wait(cluster, [PODS, NODES], gate, Deadline.after(2.0))  # room for both turns on a busy machine
    assert api.seen("LIST", "nodes") >= 2


def test_confirmation_that_is_overtaken_does_not_count(api: FakeApi, cluster: Cluster) -> None:
    """A pass that the streams have taken back while it was confirmed is none."""
    mark(api, "ok")
    api.drip_seconds = 0.002
    api.fault(Fault("none", "LIST"), Fault("none", "LIST"), Fault("slow", "LIST"))
    soon(lambda: mark(api, "wait after all"), 0.15)
    with pytest.raises(Expired, match="after all"):
        wait(cluster, [PODS], obedient, Deadline.after(0.6))


def test_confirmation_shows_what_a_stream_withholds(api: FakeApi, cluster: Cluster) -> None:
    """A confirmation that changes the verdict is kept: the next event is judged together with it."""
    mark(api, "wait")
    api.fault(Fault("silent", "WATCH", "nodes"))

    def gate(objects: Objects) -> Verdict:
        if objects.count(PODS) == 3:
            return Passed("all") if objects.get(NODES, "", "n") else Waiting("no node")
        return Waiting("two") if objects.get(NODES, "", "n") or objects.count(PODS) == 1 else Failed("no node")

    def turn() -> None:
        api.put(NODES, {}, name="n")
        mark(api, "ok", "b")
        soon(lambda: mark(api, "ok", "c"))

    soon(turn)
    assert wait(cluster, [PODS, NODES], gate, Deadline.after(5)) == Passed("all")


# --- a server in trouble ---

HARMLESS = [
    *[Fault("status", "LIST", status=s) for s in (429, 500, 502, 503, 504)],
    *[Fault(how, "LIST") for how in ("reset", "garbage", "short", "slow", "silent")],
    *[Fault("status", "WATCH", status=s) for s in (410, 429, 500, 503)],
    *[Fault(how, "WATCH") for how in ("reset", "end", "cut", "half", "silent", "gone", "error", "twice", "drip")],
    *[Fault(how, "WATCH", after=1) for how in ("reset", "end", "cut", "half", "silent", "gone", "error")],
    Fault("late", "WATCH"),
    Fault("swap", "WATCH"),
]


@pytest.mark.usefixtures("short_streams")
@pytest.mark.parametrize("fault", HARMLESS, ids=[f"{f.verb} {f.how}{f.status} {f.after}" for f in HARMLESS])
def test_trouble_only_delays(api: FakeApi, cluster: Cluster, fault: Fault) -> None:
    """Whatever happens to one LIST or WATCH, the events of before and after are seen and the verdict is right."""
    mark(api, "wait")
    api.put(NODES, {}, name="n")
    api.fault(fault)

    def turn() -> None:
        mark(api, "fail no", "b")
        api.delete(PODS, "default", "b")
        mark(api, "wait still")
        api.compact()
        mark(api, "ok")

    soon(turn, 0.04)
    assert wait(cluster, [PODS], obedient, Deadline.after(5)) == Passed("1 pods")


def test_server_that_restarts_is_waited_for(api: FakeApi, cluster: Cluster) -> None:
    """A server that goes away and comes back, its history compacted, changes nothing about the verdict."""
    mark(api, "wait")
    soon(api.stop, 0.1)

    def back() -> None:
        mark(api, "ok")
        api.compact()
        api.start()

    soon(back, 0.4)
    assert wait(cluster, [PODS, NODES], obedient, Deadline.after(5)) == Passed("1 pods")


REFUSALS = [("LIST", 401), ("LIST", 403), ("LIST", 404), ("LIST", 405), ("WATCH", 403), ("WATCH", 400)]


@pytest.mark.parametrize(("verb", "status"), REFUSALS)
def test_refusals_end_the_wait_at_once(api: FakeApi, cluster: Cluster, verb: str, status: int) -> None:
    """An answer that asking again does not change is raised as it is, long before the deadline."""
    mark(api, "wait")
    api.fault(*[Fault("status", verb, "pods", status=status)] * 2)
    begun = time.monotonic()
    with pytest.raises(ApiError) as caught:
        wait(cluster, [NODES, PODS], obedient, Deadline.after(60))
    assert caught.value.status == status
    assert "/pods" in caught.value.where
    assert time.monotonic() - begun < 30


def test_rotated_credentials_are_picked_up(api: FakeApi, cluster: Cluster, tmp_path: Path) -> None:
    """Credentials that change under a wait are read anew, once."""
    mark(api, "wait")

    def rotate() -> None:
        api.kubeconfig(tmp_path, token="new")
        api.token = "new"
        mark(api, "ok")

    soon(rotate)
    assert wait(cluster, [PODS], obedient, Deadline.after(5)) == Passed("1 pods")


def test_streams_that_end_at_once_are_not_hammered(api: FakeApi, cluster: Cluster) -> None:
    """A server that ends every stream, or says 410 to every one, is asked less and less often."""
    for how in ("end", "gone"):
        api.requests.clear()
        api.fault(*[Fault(how, "WATCH")] * 200)
        with pytest.raises(Expired):
            wait(cluster, [PODS], obedient, Deadline.after(0.5))
        assert 2 <= api.seen("WATCH") <= 9


def test_defect_in_a_watching_thread_is_raised(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect does not look like a server that says nothing."""
    monkeypatch.setattr(cluster, "watch", lambda *_args, **_options: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        wait(cluster, [PODS], obedient, Deadline.after(5))


# --- the end ---

STUCK = [
    ("silent LIST", Fault("silent", "LIST", "pods"), "pods: not listed yet: no answer"),
    ("dripping LIST", Fault("slow", "LIST", "pods"), "pods: not listed yet: no answer"),
    (
        "LIST in error",
        Fault("status", "LIST", "pods", status=503),
        "pods: not listed yet: GET /api/v1/pods: 503 Scripted",
    ),
    ("wait, please", Fault("status", "LIST", "pods", status=429, retry_after="99"), "pods: not listed yet: GET"),
    ("resets", Fault("reset", "LIST", "pods"), "pods: not listed yet: GET /api/v1/pods: the connection broke"),
]


@pytest.mark.parametrize(("fault", "fact"), [row[1:] for row in STUCK], ids=[row[0] for row in STUCK])
def test_deadline_holds_whatever_the_server_does(api: FakeApi, cluster: Cluster, fault: Fault, fact: str) -> None:
    """The wait ends at its deadline, and says what could never be read, and why."""
    mark(api, "ok")
    api.drip_seconds = 0.25
    api.fault(*[fault] * 99)
    begun = time.monotonic()
    with pytest.raises(Expired) as caught:
        wait(cluster, [PODS, NODES], obedient, Deadline.after(0.25))
    assert time.monotonic() - begun < 0.25 + 5
    assert caught.value.verdict is None
    assert list(caught.value.missing) == [PODS]
    assert fact in str(caught.value)


def test_expiry_says_what_was_missing(api: FakeApi, cluster: Cluster) -> None:
    """The last reason, its object, the last change and how long ago it was, and how long the wait took."""
    mark(api, "wait for a node")
    api.fault(Fault("status", "WATCH", "nodes", status=500))  # over before the deadline: no part of the story
    news = [partial(mark, api, "ok", "b")]
    with pytest.raises(Expired) as caught:
        wait(cluster, [PODS, NODES], obedient, Deadline.after(1.5), observe=lambda _: news.pop()() if news else None)
    expired = caught.value
    assert expired.verdict == Waiting("for a node", "Pod default/a")
    assert expired.change is not None
    assert (expired.change.kind, expired.change.key) == (PODS, ("default", "b"))
    assert 0 < expired.change.ago < expired.seconds
    assert expired.missing == {}
    took = f"{expired.seconds:.1f} s"
    ago = f"{expired.change.ago:.1f} s earlier"
    assert str(expired).startswith(f"Pod default/a: after {took}: for a node\n  last change: pods default/b, {ago}")


def test_expiry_says_how_the_awaited_object_came_to_its_state(api: FakeApi, cluster: Cluster) -> None:
    """The last transition in the status of the verdict's own object, whatever else moved later."""
    when = "2026-01-02T03:04:05Z"
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": when}
    pod = {"says": "wait for a node", "status": {"conditions": [waits]}}
    api.put(PODS, pod, namespace="default", name="a")
    mark(api, "ok", "b")
    with pytest.raises(Expired) as caught:
        wait(cluster, [PODS, NODES], obedient, Deadline.after(0.3))
    assert f"\n  its last transition: PodScheduled=False (Unschedulable) at {when}\n" in str(caught.value)


def test_pass_that_cannot_be_confirmed_is_none(api: FakeApi, cluster: Cluster) -> None:
    """A server that dies after the last event leaves no pass behind."""
    mark(api, "wait")
    api.fault(Fault("none", "LIST"), *[Fault("status", "LIST", status=500)] * 99)
    soon(lambda: mark(api, "ok"), 0.1)
    with pytest.raises(Expired, match=r"it had passed \(1 pods\)") as caught:
        wait(cluster, [PODS], obedient, Deadline.after(0.5))
    assert "500" in caught.value.missing[PODS]


def test_deadline_that_is_over_already_ends_at_once(api: FakeApi, cluster: Cluster) -> None:
    """No time left is no pass, even where everything is as it should be."""
    mark(api, "ok")
    with pytest.raises(Expired):
        wait(cluster, [PODS], obedient, Deadline.after(0))


@pytest.mark.parametrize("trouble", ["", "silent"])
def test_cancelling_ends_the_wait_at_once(api: FakeApi, cluster: Cluster, trouble: str) -> None:
    """A cancelled wait returns within a moment, and its threads end, whatever the server does."""
    mark(api, "wait")
    if trouble:
        api.fault(Fault("silent", "WATCH"))
    cancelled = threading.Event()
    at: list[float] = []

    def cancel() -> None:
        at.append(time.monotonic())
        cancelled.set()

    soon(cancel)
    with pytest.raises(Cancelled):
        wait(cluster, [PODS, NODES], obedient, Deadline.after(60), cancelled=cancelled)
    assert time.monotonic() - at[0] < 10
    until = time.monotonic() + 10
    while any(t.name.startswith("watch") for t in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert [t.name for t in threading.enumerate() if t.name.startswith("watch")] == []


def test_a_gate_that_raises_is_a_defect(api: FakeApi, cluster: Cluster) -> None:
    """What a gate raises is not swallowed: asking for a kind that is not watched is a KeyError."""
    mark(api, "ok")
    with pytest.raises(KeyError):
        wait(cluster, [NODES], obedient, Deadline.after(5))
