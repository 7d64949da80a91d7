"""kuttl's comparison: subsets of objects, equal types, no expressions."""

from typing import Any

import pytest

from harness.assertions import kuttl
from harness.assertions.candidates import Standing, Target
from harness.assertions.errors import TreeInvalid


@pytest.mark.parametrize(
    ("expected", "actual", "why"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": "x"}}, {"a": {"b": "x", "c": 1}}, None),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}]}, None),
        ({"a": None}, {"a": None}, None),
        ({}, {"a": 1}, None),
        (
            {"spec": {"replicas": 1}},
            {"spec": {"replicas": 2}},
            ".spec.replicas: value mismatch, expected: 1 != actual: 2",
        ),
        ({"a": 1}, {}, ".a: key is missing from map"),
        ({"a": [1]}, {"a": [1, 2]}, ".a: slice length mismatch: 1 != 2"),
        ({"a": "1"}, {"a": 1}, ".a: type mismatch: string != int64"),
        ({"a": 3}, {"a": 3.0}, ".a: type mismatch: int64 != float64"),
        ({"a": True}, {"a": 1}, ".a: type mismatch: bool != int64"),
        ({"a": None}, {"a": 1}, ".a: type mismatch: <nil> != int64"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ".a.b: value mismatch, expected: 1 != actual: 2"),
        ({"a": "(x)"}, {"a": "x"}, ".a: value mismatch, expected: (x) != actual: x"),
        ({"a": {}}, {"a": []}, ".a: type mismatch: map[string]interface {} != []interface {}"),
    ],
)
def test_an_object_is_compared_as_kuttl_does(expected: Any, actual: Any, why: str | None) -> None:
    """With its words; the first difference in the order of the file is told."""
    assert kuttl.subset(expected, actual) == why


def deployment(name: str, replicas: int) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "managedFields": [{"f": i} for i in range(12)]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas, "x": 1}}


WANTED = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1}}


def test_an_assert_shows_a_diff_without_what_is_long_and_not_asked_for() -> None:
    """Ten lines and more are left out where nothing is expected of them."""
    found = kuttl.judge_assert(WANTED, [deployment("d", 2)])
    assert found.standing is Standing.NOT_YET
    assert found.text == (
        "--- Deployment:/d\n"
        "+++ Deployment:ns/d\n"
        "@@ -1,7 +1,10 @@\n"
        " apiVersion: apps/v1\n"
        " kind: Deployment\n"
        " metadata:\n"
        "+  managedFields: '[... elided field over 10 lines long ...]'\n"
        "   name: d\n"
        "+  namespace: ns\n"
        " spec:\n"
        "-  replicas: 1\n"
        "+  replicas: 2\n"
        "+  x: 1\n"
        " \n"
        "\nresource Deployment:/d: .spec.replicas: value mismatch, expected: 1 != actual: 2"
    )


def test_any_match_passes_an_assert() -> None:
    """As with chainsaw; it is counted."""
    found = kuttl.judge_assert({**WANTED, "metadata": {}}, [deployment("a", 2), deployment("b", 1)])
    assert (found.standing, found.matched, found.candidates) == (Standing.HOLDS, 1, 2)


def test_no_object_fails_an_assert_and_passes_an_error() -> None:
    """With kuttl's words, and said to be vacuous."""
    unnamed = {**WANTED, "metadata": {}}
    assert kuttl.judge_assert(unnamed, []).text == "no resources matched of kind: apps/v1, Kind=Deployment"
    assert kuttl.judge_assert(WANTED, []).text == 'Deployment "d" not found'
    assert kuttl.judge_error(unnamed, []).vacuous == ("there is no Deployment to look at",)


def test_an_error_fails_on_any_match() -> None:
    """The first is named, the others are counted."""
    unnamed = {**WANTED, "metadata": {}}
    assert kuttl.judge_error(unnamed, [deployment("a", 2)]).standing is Standing.HOLDS
    found = kuttl.judge_error(unnamed, [deployment("a", 1), deployment("b", 1)])
    assert found.text == "resource apps/v1, Kind=Deployment a (and 1 other resources) matched error assertion"


def test_the_target_of_an_object_is_its_kind_and_name() -> None:
    """What has no kind cannot be compared."""
    assert kuttl.target(WANTED) == Target("apps/v1", "Deployment", "d")
    with pytest.raises(TreeInvalid, match="apiVersion or kind is missing"):
        kuttl.target({"kind": "Deployment"})
