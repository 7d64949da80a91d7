"""Which schedulers a recipe installs."""

from typing import Any

import pytest

from harness.expected.schedulers import asked, brought
from harness.gates.workloads.manifest import ExpectedWorkload, Rendered, expected_workloads

PODS = {"containers": [{"name": "main"}]}


def workload(name: str, kind: str = "Deployment", *, labels: Any = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels or {}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"template": {"spec": {**PODS, **spec}}},
    }


def command(*words: str) -> dict[str, Any]:
    return {"containers": [{"name": "main", "args": list(words)}]}


def release(*objects: dict[str, Any], name: str = "rel", namespace: str = "apps") -> Rendered:
    return Rendered(name, namespace, objects)


def found(wanted: str, given: Rendered, components: tuple[str, ...] = ("demo",)) -> bool:
    workloads: tuple[ExpectedWorkload, ...] = expected_workloads([given]).workloads
    return brought([wanted], components, [given], workloads) == {wanted}


CONFIG = "kind: KubeSchedulerConfiguration\nprofiles:\n- schedulerName: packing\n"


@pytest.mark.parametrize(
    ("wanted", "given", "components"),
    [
        ("kai-scheduler", release(), ("kai-scheduler",)),
        ("volcano", release(name="volcano"), ()),
        ("yunikorn", release(namespace="yunikorn"), ()),
        ("kai-scheduler", release(workload("rel-kai-scheduler")), ()),
        ("volcano", release(workload("a", labels={"app.kubernetes.io/name": "volcano"})), ()),
        ("volcano", release(workload("a", **command("--scheduler-name=volcano"))), ()),
        ("volcano", release(workload("a", **command("--scheduler-name", "volcano"))), ()),
        ("packing", release({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"config.yaml": CONFIG}}), ()),
    ],
    ids=["component", "release", "namespace", "workload", "label", "flag", "flag and word", "configuration"],
)
def test_a_scheduler_is_known_by(wanted: str, given: Rendered, components: tuple[str, ...]) -> None:
    """Any of these says that the recipe brings it."""
    assert found(wanted, given, components)


@pytest.mark.parametrize(
    "given",
    [
        release(workload("server", schedulerName="volcano")),
        release(workload("operator", **command("--gang-scheduler-name=volcano"))),
        release({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"schedulerName": "volcano"}}),
        release(workload("volcano-jobs")),
        release(workload("empty", containers=[{"name": "main"}])),
    ],
    ids=["asks for it", "tells others to ask for it", "configures something else", "is called after it", "is silent"],
)
def test_who_mentions_a_scheduler_does_not_bring_it(given: Rendered) -> None:
    """Else a recipe that lacks its scheduler would be green."""
    assert not found("volcano", given)


def test_the_default_scheduler_is_not_asked_for() -> None:
    """It is there."""
    pods = release(workload("a"), workload("b", schedulerName="default-scheduler"), workload("c", schedulerName="kai"))
    assert asked(expected_workloads([pods]).workloads) == {"kai"}
