"""The waiting loop against a server that misbehaves as told: what it returns, when, and what it says."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

import pytest

from harness.cluster import connection
from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.gates.combining import Step
from harness.objects import NODES, PODS, Kind, Objects
from harness.processes.threads import Background
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting import reflector
from harness.waiting.loop import Cancelled, Expired, GateFailed, Judged, wait
from harness.waiting.reflector import SLOWEST_RETRY, Backoff
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import ManualClock, until
from tests.fakes.gates import obedient


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


class Running:
    """A wait beside the test, on a server. Its time passes while the test waits for something, a second at each look;
    its deadline comes when the test says so.
    """

    def __init__(self, cluster: Cluster, kinds: Iterable[Kind], gate: Step = obedient) -> None:
        self.clock = ManualClock()
        self.seen: list[Judged] = []
        self._deadline = Deadline.after(1e6, clock=self.clock)
        self._work = Background(lambda: wait(cluster, kinds, gate, self._deadline, observe=self.seen.append), "wait")

    def until(self, true: Callable[[], object]) -> Self:
        """Until something is true, during the wait."""

        def over() -> bool:
            self.clock.advance(1.0)
            return bool(true()) or self._work.future.done()

        until(over)
        assert true(), f"the wait ended before: {self._work.future}"
        return self

    def judges(self, *reasons: str) -> Self:
        """Until verdicts for these reasons have followed each other, and the last one stands."""

        def stands() -> bool:
            judged = [each.verdict.reason for each in list(self.seen)]
            told = iter(judged)
            return all(reason in told for reason in reasons) and judged[-1:] == [reasons[-1]]

        return self.until(stands)

    def confirms(self) -> Self:
        """Until the confirmation that was under way is over, and taken note of."""
        self.until(lambda: all(thread.name != "watch confirmation" for thread in threading.enumerate()))
        self.clock.idle(1)
        return self

    def result(self) -> Passed:
        """How it ends by itself."""
        self.until(self._work.future.done)
        return self._work.result()

    def at_deadline(self) -> Passed:
        self.clock.advance(self._deadline.remaining)
        return self._work.result()


# --- verdicts ---


def test_passes_when_it_already_is_so(api: FakeApi, cluster: Cluster) -> None:
    """A wait for what is there already returns at once, without any event."""
    mark(api, "ok")
    clock = ManualClock()  # that stands still: nothing is waited for but answers
    assert wait(cluster, [PODS, NODES], obedient, Deadline.after(60, clock=clock)) == Passed("1 pods")


def test_what_one_list_shows_is_final(api: FakeApi, cluster: Cluster) -> None:
    """One LIST of an only kind is of one revision: neither a stream nor another LIST is asked for."""
    mark(api, "ok")
    wait(cluster, [PODS], obedient, Deadline.after(60, clock=ManualClock()))
    assert [verb for verb, *_ in api.requests] == ["LIST"]
    mark(api, "fail")
    with pytest.raises(GateFailed):
        wait(cluster, [PODS], obedient, Deadline.after(60, clock=ManualClock()))
    assert [verb for verb, *_ in api.requests] == ["LIST", "LIST"]


def test_a_pass_that_has_to_hold_is_watched(api: FakeApi, cluster: Cluster) -> None:
    """Where a pass settles first, the LIST is not final: what a stream brings meanwhile counts."""
    mark(api, "ok")
    clock = ManualClock()
    work = Background(lambda: wait(cluster, [PODS], obedient, Deadline.after(60, clock=clock), settle=5), "wait")
    until(lambda: api.watched(PODS))
    clock.advance(1)
    mark(api, "fail now")
    with pytest.raises(GateFailed):
        work.result(30)


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

    running = Running(cluster, [PODS, NODES], gate).until(lambda: api.watched(PODS, NODES))
    turn()
    running.judges("1 pods", "no node")
    with pytest.raises(Expired, match="no node"):
        running.at_deadline()


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

    running = Running(cluster, [PODS, NODES], gate).until(lambda: api.watched(PODS, NODES))
    turn()
    assert running.result() == Passed("on a node")


def test_confirmation_is_of_one_revision(api: FakeApi, cluster: Cluster) -> None:
    """What changes between the LISTs of a confirmation does not add up to a pass that never was."""
    mark(api, "wait for the node")
    api.put(NODES, {}, name="n")
    api.fault(Fault("silent", "WATCH", "nodes"), Fault("silent", "WATCH", "pods", after=1))

    def gate(objects: Objects) -> Verdict:
        return obedient(objects) if objects.get(NODES, "", "n") else Waiting("no node")

    running = Running(cluster, [PODS, NODES], gate).until(lambda: api.watched(PODS, NODES))
    api.fault(Fault("none", "LIST", "pods"), Fault("held", "LIST", "pods"))
    api.delete(NODES, "", "n")
    mark(api, "ok")
    running.until(lambda: api.seen("LIST", "pods") == 3)  # the revision was asked for, and its pods are listed
    mark(api, "wait again")
    api.put(NODES, {}, name="n")
    api.release.set()
    running.judges("1 pods", "no node")
    with pytest.raises(Expired):
        running.at_deadline()
    assert api.seen("LIST", "nodes") >= 2


def test_confirmation_that_is_overtaken_does_not_count(api: FakeApi, cluster: Cluster) -> None:
    """A pass that the streams have taken back while it was confirmed is none."""
    mark(api, "wait")
    api.fault(Fault("none", "LIST"), Fault("held", "LIST"))
    running = Running(cluster, [PODS], obedient).judges("")
    mark(api, "ok")
    running.until(lambda: api.seen("LIST") == 2)
    mark(api, "wait after all")
    running.judges("after all")
    api.release.set()
    running.confirms()
    with pytest.raises(Expired, match="after all"):
        running.at_deadline()


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

    running = Running(cluster, [PODS, NODES], gate).until(lambda: api.watched(PODS, NODES))
    turn()
    running.judges("no node", "two")  # as a confirmation shows
    mark(api, "ok", "c")
    assert running.result() == Passed("all")


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

    running = Running(cluster, [PODS]).until(lambda: api.seen(fault.verb))
    turn()
    assert running.result() == Passed("1 pods")


def test_server_that_restarts_is_waited_for(api: FakeApi, cluster: Cluster) -> None:
    """A server that goes away and comes back, its history compacted, changes nothing about the verdict."""
    mark(api, "wait")
    running = Running(cluster, [PODS, NODES]).until(lambda: api.watched(PODS, NODES))
    api.stop()
    mark(api, "ok")
    api.compact()
    running.clock.idle(3)  # the loop, and those who watch: before they try again
    api.start()
    assert running.result() == Passed("1 pods")


REFUSALS = [("LIST", 401), ("LIST", 403), ("LIST", 404), ("LIST", 405), ("WATCH", 403), ("WATCH", 400)]


@pytest.mark.parametrize(("verb", "status"), REFUSALS)
def test_refusals_end_the_wait_at_once(api: FakeApi, cluster: Cluster, verb: str, status: int) -> None:
    """An answer that asking again does not change is raised as it is, long before the deadline."""
    mark(api, "wait")
    api.fault(*[Fault("status", verb, "pods", status=status)] * 2)
    clock = ManualClock()  # that stands still: far from any deadline
    with pytest.raises(ApiError) as caught:
        wait(cluster, [NODES, PODS], obedient, Deadline.after(60, clock=clock))
    assert caught.value.status == status
    assert "/pods" in caught.value.where


def test_rotated_credentials_are_picked_up(api: FakeApi, cluster: Cluster, tmp_path: Path) -> None:
    """Credentials that change under a wait are read anew, once."""
    mark(api, "wait")

    running = Running(cluster, [PODS]).judges("")
    api.kubeconfig(tmp_path, token="new")
    api.token = "new"
    mark(api, "ok")
    assert running.result() == Passed("1 pods")


@pytest.mark.parametrize("how", ["end", "gone"])
def test_streams_that_end_at_once_are_not_hammered(api: FakeApi, cluster: Cluster, how: str) -> None:
    """A server that ends every stream, or says 410 to every one, is asked again only after a pause, each time."""
    api.fault(*[Fault(how, "WATCH")] * 99)
    clock = ManualClock()
    work = Background(lambda: wait(cluster, [PODS], obedient, Deadline.after(60, clock=clock)), "wait")

    def asked(times: int) -> None:
        until(lambda: api.seen("WATCH") >= times)
        clock.idle(2)  # the loop, and the one who watches
        assert api.seen("WATCH") == times

    for times in range(1, 6):
        asked(times)
        clock.advance(SLOWEST_RETRY)
    clock.advance(60)
    with pytest.raises(Expired):
        work.result()


def test_pauses_grow_up_to_a_second() -> None:
    """Doubled each time from 0.05 s, with up to half of it taken off by chance, and begun anew after a success."""
    backoff = Backoff()
    for longest in (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0):
        assert longest / 2 <= backoff.next() <= longest
    backoff.reset()
    assert backoff.next() <= 0.05


def test_defect_in_a_watching_thread_is_raised(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect does not look like a server that says nothing."""
    monkeypatch.setattr(cluster, "watch", lambda *_args, **_options: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        wait(cluster, [PODS], obedient, Deadline.after(5))


# --- the end ---

STUCK = [
    # the fault of each LIST of pods, how many are made of them, what is missing at the end
    ("silent LIST", Fault("silent", "LIST", "pods"), 1, "pods: not listed yet: no answer"),
    ("dripping LIST", Fault("slow", "LIST", "pods"), 1, "pods: not listed yet: no answer"),
    (
        "LIST in error",
        Fault("status", "LIST", "pods", status=503),
        2,
        "pods: not listed yet: GET /api/v1/pods: 503 Scripted",
    ),
    ("wait, please", Fault("status", "LIST", "pods", status=429, retry_after="99"), 2, "pods: not listed yet: GET"),
    ("resets", Fault("reset", "LIST", "pods"), 2, "pods: not listed yet: GET /api/v1/pods: the connection broke"),
]


@pytest.mark.parametrize(("fault", "asked", "fact"), [row[1:] for row in STUCK], ids=[row[0] for row in STUCK])
def test_deadline_holds_whatever_the_server_does(
    api: FakeApi, cluster: Cluster, fault: Fault, asked: int, fact: str
) -> None:
    """The wait ends at its deadline, and says what could never be read, and why."""
    mark(api, "ok")
    api.drip_seconds = 0.25
    api.fault(*[fault] * 999)
    running = Running(cluster, [PODS, NODES])
    running.until(lambda: api.seen("WATCH", "nodes") and api.seen("LIST", "pods") >= asked)
    with pytest.raises(Expired) as caught:
        running.at_deadline()
    assert caught.value.verdict is None
    assert list(caught.value.missing) == [PODS]
    assert fact in str(caught.value)


def test_expiry_says_how_the_awaited_object_came_to_its_state(api: FakeApi, cluster: Cluster) -> None:
    """The last transition in the status of the verdict's own object, whatever else moved later."""
    when = "2026-01-02T03:04:05Z"
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": when}
    pod = {"says": "wait for a node", "status": {"conditions": [waits]}}
    api.put(PODS, pod, namespace="default", name="a")
    mark(api, "ok", "b")
    with pytest.raises(Expired) as caught:
        Running(cluster, [PODS, NODES]).judges("for a node").at_deadline()
    assert f"\n  its last transition: PodScheduled=False (Unschedulable) at {when}\n" in str(caught.value)


def test_pass_that_cannot_be_confirmed_is_none(api: FakeApi, cluster: Cluster) -> None:
    """A server that dies after the last event leaves no pass behind."""
    mark(api, "wait")
    api.fault(Fault("none", "LIST"), *[Fault("status", "LIST", status=500)] * 999)
    running = Running(cluster, [PODS]).judges("")
    mark(api, "ok")
    running.until(lambda: api.seen("LIST") >= 3)
    with pytest.raises(Expired, match=r"the check passed \(1 pods\), but this could not") as caught:
        running.at_deadline()
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
    clock = ManualClock()  # that stands still: far from any deadline
    wanted = (PODS, NODES)
    work = Background(
        lambda: wait(cluster, wanted, obedient, Deadline.after(60, clock=clock), cancelled=cancelled), "wait"
    )
    until(lambda: api.watched(*wanted))
    cancelled.set()
    with pytest.raises(Cancelled):
        work.result()
    until(lambda: not any(thread.name.startswith("watch") for thread in threading.enumerate()))


def test_a_gate_that_raises_is_a_defect(api: FakeApi, cluster: Cluster) -> None:
    """What a gate raises is not swallowed: asking for a kind that is not watched is a KeyError."""
    mark(api, "ok")
    with pytest.raises(KeyError):
        wait(cluster, [NODES], obedient, Deadline.after(5))
