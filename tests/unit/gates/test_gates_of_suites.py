"""The gates of suites: what kubectl waits for, what deletion leaves, and paths into objects."""

from typing import Any

import pytest

from harness.assertions import jsonpath
from harness.assertions.errors import EvaluationFailed
from harness.gates.absence import Vanished
from harness.gates.assertions import Asserted, Unwatched
from harness.gates.conditions import Awaited
from harness.objects import CONFIGMAPS, PODS, Objects, key_of
from harness.verdict import Failed, Passed, Waiting


def pod(name: str = "p", *, generation: int = 1, **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "ns", "name": name, "generation": generation, "uid": f"u-{name}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def shown(*pods: dict[str, Any]) -> Objects:
    return Objects({PODS: {key_of(item): item for item in pods}})


def conditions(**states: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": state} for name, state in states.items()]}


READY = Awaited(PODS, "condition", "Ready")


def test_a_condition_must_hold_of_all_objects() -> None:
    """One that lacks it is waited for; none at all fails, as kubectl does."""
    good, bad = pod("a", **conditions(Ready="True")), pod("b", **conditions(Ready="False"))
    assert isinstance(READY(shown(good)), Passed)
    assert READY(shown(good, bad)) == Waiting("condition Ready is False, expected True", "Pod ns/b")
    assert isinstance(READY(shown()), Failed)


def test_a_condition_of_an_older_generation_does_not_count() -> None:
    """The controller has not looked yet."""
    old = pod(generation=2, observedGeneration=1, **conditions(Ready="True"))
    assert "of generation 1, not yet of 2" in READY(shown(old)).reason


def test_names_of_conditions_are_compared_as_kubectl_does() -> None:
    """Case does not matter, of name and value."""
    assert isinstance(Awaited(PODS, "condition", "ready", "true")(shown(pod(**conditions(Ready="True")))), Passed)


def test_only_the_object_that_is_meant_counts() -> None:
    """By namespace and name, whatever else is shown."""
    gate = Awaited(PODS, "deletion", namespace="ns", called="p")
    assert isinstance(gate(shown(pod("q"))), Passed)
    assert isinstance(gate(shown(pod("p"))), Waiting)
    assert isinstance(Awaited(PODS, "creation", namespace="other")(shown(pod())), Waiting)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{.status.phase}", ["Running"]),
        (".status.phase", ["Running"]),
        ("{.status.list[1].n}", [2]),
        ("{.status.list[-1].n}", [2]),
        ("{.status.list[*].n}", [1, 2]),
        ("{.status.list[?(@.n==2)].n}", [2]),
        ("{.status.list[?(@.s!='x')].s}", ["y"]),
        ("{.status.list[?(@.s)].n}", [1, 2]),
        ("{.status['phase']}", ["Running"]),
        ("{.status.labels.a\\.b/c}", None),
        ("{.status.nothing.below}", []),
        ("{.status.list[7]}", []),
        ("{.status.phase[0]}", []),
    ],
)
def test_paths_find_values(path: str, found: list[Any] | None) -> None:
    """Fields, indexes, all of them, filters; what is not there is not found, what is not understood is refused."""
    item = pod(phase="Running", list=[{"n": 1, "s": "x"}, {"n": 2, "s": "y"}])
    if found is None:
        with pytest.raises(EvaluationFailed):
            jsonpath.found(path, item)
    else:
        assert jsonpath.found(path, item) == found


def test_a_path_must_have_the_value_and_without_one_be_there() -> None:
    """Texts, numbers and truths are compared as they are printed."""
    running = shown(pod(phase="Running", n=3, ok=True))
    for path, value in (
        ("{.status.phase}", "Running"),
        ("{.status.n}", "3"),
        ("{.status.ok}", "true"),
        ("{.status}", None),
    ):
        assert isinstance(Awaited(PODS, "jsonPath", path, value)(running), Passed)
    assert Awaited(PODS, "jsonPath", "{.status.n}", "4")(running).reason == "{.status.n} is 3, expected 4"
    assert Awaited(PODS, "jsonPath", "{.status.m}")(running).reason == "{.status.m} is not there"


def test_an_object_has_vanished_once_another_one_has_its_name() -> None:
    """A StatefulSet makes its pod anew at once; finalizers are named."""
    gate = Vanished(PODS, "ns", "p", "u-old")
    assert isinstance(gate(shown(pod())), Passed)
    gone = pod()
    gone["metadata"] |= {"uid": "u-old", "deletionTimestamp": "now", "finalizers": ["a/b"]}
    assert gate(shown(gone)).reason == "is being deleted, its finalizers a/b are not done"


def test_a_kind_that_is_not_watched_is_asked_for_and_not_taken_for_empty() -> None:
    """An expression over pods that nobody watches must not say that there are none."""
    gate = Asserted({"(length(x_k8s_list($client, 'v1', 'Pod').items))": 0})
    with pytest.raises(Unwatched):
        gate(Objects({}))
    assert isinstance(Asserted(gate.document, watched=(PODS,))(shown()), Passed)


def test_a_document_without_a_namespace_is_looked_for_in_the_tests() -> None:
    """Objects of the same name elsewhere do not count."""
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "other", "name": "m"}}
    objects = Objects({CONFIGMAPS: {("other", "m"): item}})
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    assert isinstance(Asserted(document, kind=CONFIGMAPS, namespace="ns")(objects), Waiting)
    assert isinstance(Asserted(document, kind=CONFIGMAPS, namespace="other")(objects), Passed)


def test_time_is_an_object_that_is_shown() -> None:
    """So a recording of an assert about time is judged again alike; its kinds say that it needs the clock."""
    from harness.objects import CLOCK

    gate = Asserted({"(time_before('2026-01-01T00:00:00Z', time_now()))": True})
    assert gate.kinds == (CLOCK,)

    def at(now: str) -> Objects:
        return Objects({CLOCK: {("", "now"): {"metadata": {"name": "now"}, "now": now}}})

    assert isinstance(gate(at("2025-12-31T00:00:00+00:00")), Waiting)
    assert isinstance(gate(at("2026-01-02T00:00:00+00:00")), Passed)
