"""Warnings on trees that compile: where chainsaw would differ, and what people fall into."""

from typing import Any

import pytest

from harness.assertions.lint import Finding, Severity, findings_of
from harness.assertions.tree import compile_tree


def findings(tree: Any) -> list[Finding]:
    return findings_of(compile_tree(tree))


@pytest.mark.parametrize(
    ("tree", "path", "column", "what"),
    [
        ({"(replicas == `3`)": True}, "(replicas == `3`)", 11, "always false for an integer"),
        ({"a": {"(`3` != b.c)": True}}, "a.(`3` != b.c)", 6, "always true for an integer"),
        ({"(l == `[1, 2]`)": True}, "(l == `[1, 2]`)", 4, "always false"),
        ({"(length(items[?n == `1`]))": 1}, "(length(items[?n == `1`]))", 18, "always false"),
        ({"(contains(l, `2`))": True}, "(contains(l, `2`))", 2, "never in a list of integers"),
        ({"(abs(a))": 1}, "(abs(a))", 2, "refuses integers of objects in abs()"),
        ({"(sum(l[*].n))": 1}, "(sum(l[*].n))", 2, "refuses integers of objects in sum()"),
        ({"(nope(a))": 1}, "(nope(a))", 2, "unknown function nope()"),
        ({"a": "(@ > `1`)"}, "a", 2, "what the field itself must be equal to"),
        ({"(a) -> x": {"b": 1}}, "(a) -> x", None, "the space before -> belongs to the key"),
        ({"a->x": 1, "(b == $x)": True}, "(b == $x)", None, "$x is bound by the key beside this one"),
        ({"(a)->x": {"b->x": 1, "($x)": 1}}, "(a)->x.($x)", None, "$x is bound by the key beside this one"),
        ({"status": {"failed": 0}}, "status.failed", None, "often left out"),
        (
            {"kind": "Deployment", "status": {"(conditions[?type == 'Available'].status | [0])": "True"}},
            "status",
            None,
            "the generation before",
        ),
        ({"status": {"containerStatuses": [{"ready": True}]}}, "status.containerStatuses", None, "a sidecar"),
    ],
)
def test_a_trap_is_found_with_its_place(tree: Any, path: str, column: int | None, what: str) -> None:
    """The path of the key, and the column inside of it."""
    found = findings(tree)
    assert [(finding.path, finding.column) for finding in found] == [(path, column)]
    assert what in str(found[0])


@pytest.mark.parametrize(
    "tree",
    [
        {"(replicas > `3`)": True},
        {"kind": "Deployment", "(status.observedGeneration == metadata.generation)": True, "x": "Available"},
        {"kind": "Pod", "status": {"x": "Available"}},
        {"(replicas)": 3},
        {"(to_number(a) == `3`)": True},
        {"(length(l) == `3`)": True},
        {"(a == 'x')": True},
        {"(a + `1` == `3`)": True},
        {"(abs(to_number(a)))": 1},
        {"(join(',', l))": "x"},
        {"(a == b)": True},
        {"(status == `true`)": True},
        {"a->x": {"b": "($x)"}},
        {"~i.(l)": {"(to_string($i))": "0"}},
        {"spec": {"replicas": 0}},
        {"status": {"ok": False}},
        {"(regex_match('x', a))": True},
    ],
    ids=str,
)
def test_what_is_right_in_both_is_not_remarked_on(tree: Any) -> None:
    """A lint that cries wolf is turned off."""
    assert findings(tree) == []


def test_what_can_never_work_is_an_error() -> None:
    """The rest are warnings."""
    assert findings({"(nope(a))": 1})[0].severity is Severity.ERROR
    assert findings({"(a == `1`)": 1})[0].severity is Severity.WARNING
