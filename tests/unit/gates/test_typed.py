"""What is read of a manifest whose fields are of the wrong type."""

from typing import Any

import pytest

from harness.gates import typed

NUMBERS = [(3, 3), (0, 0), (-1, -1), (3.0, 3), ("3", None), (2.5, None), (True, None), (None, None), ([], None)]
TEXTS = [("a", "a"), ("", ""), (1, None), (True, None), (None, None), ({}, None), (["a"], None)]
FLAGS = [(True, True), (False, False), ("true", None), (1, None), (None, None)]
QUANTITIES = [("500m", "500m"), (1, 1), (1.5, 1.5), ("64Gi", "64Gi"), ("a lot", None), (True, None), ([], None)]


@pytest.mark.parametrize(("field", "rows"), [("replicas", NUMBERS), ("podManagementPolicy", TEXTS), ("suspend", FLAGS)])
def test_fields_of_a_workload(field: str, rows: list[tuple[Any, Any]]) -> None:
    """A value of the right type is kept, any other is as if it were not there."""
    for value, kept in rows:
        assert typed.workload_spec({"spec": {field: value}}) == ({} if kept is None else {field: kept}), repr(value)


@pytest.mark.parametrize(("value", "kept"), QUANTITIES)
def test_quantities(value: Any, kept: Any) -> None:
    """A text that is none is left out, and so is what is neither text nor number."""
    found = typed.pod_spec({"spec": {"overhead": {"cpu": value, "memory": "1Gi"}}})
    assert found == {"overhead": {"memory": "1Gi"} if kept is None else {"cpu": kept, "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        (None, {}),
        ("text", {}),
        ([], {}),
        ({"containers": None}, {}),
        ({"containers": "x"}, {}),
        ({"containers": [None, "x", {"name": 1, "image": 7}]}, {"containers": [{"image": 7}]}),
        ({"tolerations": [{"key": 1, "value": "x"}]}, {"tolerations": [{"value": "x"}]}),
        ({"nodeSelector": {"a": True, "b": "c", 1: "d"}}, {"nodeSelector": {"b": "c"}}),
        ({"unknown": {"a": [1]}, "other": None}, {"unknown": {"a": [1]}}),
        ({"affinity": {"nodeAffinity": 1}}, {"affinity": {}}),
    ],
)
def test_pod_specs(spec: Any, kept: dict[str, Any]) -> None:
    """On every level; what no gate reads stays as it is, but for null."""
    assert typed.pod_spec({"spec": spec}) == kept


def test_a_requirement_without_a_key_is_none() -> None:
    """It could not be judged; the API server refuses it."""
    terms = [{"matchExpressions": [{"operator": "Exists"}, {"key": "a", "operator": "In", "values": ["b", 1]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    found = typed.pod_spec({"spec": {"affinity": affinity}})
    required = found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"] == [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]


@pytest.mark.parametrize(
    ("metadata", "annotations"),
    [
        (None, {}),
        ("x", {}),
        ({"annotations": None}, {}),
        ({"annotations": []}, {}),
        ({"annotations": {"a": None, "b": 1, "c": "d"}}, {"c": "d"}),
    ],
)
def test_annotations(metadata: Any, annotations: dict[str, str]) -> None:
    """null is the empty text to helm, which for an annotation that is read comes to the same as none."""
    assert typed.annotations({"metadata": metadata}) == annotations


@pytest.mark.parametrize(
    "target", [None, {}, {"kind": "Deployment"}, {"kind": 1, "name": "a"}, {"kind": "Deployment", "name": None}, "web"]
)
def test_an_autoscaler_of_nothing(target: Any) -> None:
    """Kind and name say what is scaled."""
    assert typed.scaler_spec({"spec": {"scaleTargetRef": target, "minReplicas": 2}}) == {"minReplicas": 2}
