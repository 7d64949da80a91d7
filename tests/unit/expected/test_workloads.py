"""From rendered releases to the verdict: the glue."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.errors import DataError
from harness.expected.workloads import declared, expect
from harness.gates.workloads.manifest import Declared
from harness.gates.workloads.unscheduled import KINDS
from harness.objects import NODES, Objects
from harness.recipes.model import Component, Criteria, Recipe, RegistryEntry, Scheduling
from harness.verdict import Failed

PLUGIN = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "plugin"},
    "spec": {"template": {"spec": {"containers": []}}},
}


def component(name: str, scheduling: Scheduling) -> Component:
    entry = RegistryEntry(name, (), "", "", "", "", "helm", scheduling, "")
    return Component(name, "ns", "Helm", "", "", "", "", "", "", {}, (), (), (), (), False, (), "", entry)


def recipe(*components: Component) -> Recipe:
    return Recipe("r", Criteria(), (), (), tuple(components), {}, Path(), ())


def bundle(*folders: tuple[str, str, str]) -> Bundle:
    """(release, component, namespace) each."""
    made = [Folder(i, r, c, ns, Path(), Chart(c, "1")) for i, (r, c, ns) in enumerate(folders, 1)]
    return Bundle(Path(), "helm", tuple(made), {})


def objects_of() -> Objects:
    """An accelerated and a system node without taints, and nothing else."""
    nodes = {
        ("", name): {
            "metadata": {"name": name, "labels": {"type": "kwok", "aicr.nvidia.com/node-type": kind}},
            "spec": {},
            "status": {},
        }
        for name, kind in (("gpu-0", "accelerated"), ("system-0", "system"))
    }
    return Objects({kind: nodes if kind == NODES else {} for kind in KINDS})


@pytest.mark.parametrize(
    ("scheduling", "expected"),
    [
        (Scheduling(), Declared()),
        (Scheduling(system_selectors=("a",)), Declared(system=True)),
        (Scheduling(accelerated_selectors=("a",)), Declared(accelerated=True)),
        (Scheduling(system_tolerations=("a",), accelerated_tolerations=("b",)), Declared()),
    ],
    ids=["nothing", "system", "accelerated", "tolerations only"],
)
def test_selectors_declare_and_tolerations_do_not(scheduling: Scheduling, expected: Declared) -> None:
    """A toleration says where a pod may go, not where it belongs."""
    assert declared(scheduling) == expected


def test_every_release_is_expected_with_the_declarations_of_its_component() -> None:
    """Also those of the -pre and -post folders, each in its own namespace."""
    efa = component("efa", Scheduling(accelerated_selectors=("nodeSelector",)))
    folders = bundle(("efa", "efa", "kube-system"), ("efa-post", "efa", "other"))
    found = expect(recipe(efa), folders, {"efa": [PLUGIN], "efa-post": [PLUGIN]})
    assert [(str(w), w.release, w.declared.accelerated) for w in found.expected.workloads] == [
        ("DaemonSet kube-system/plugin", "efa", True),
        ("DaemonSet other/plugin", "efa-post", True),
    ]


def test_namespaces_are_those_of_releases_and_of_their_workloads() -> None:
    """A chart may put a workload elsewhere; both are watched during the install."""
    away = {**PLUGIN, "metadata": {"name": "plugin", "namespace": "away"}}
    found = expect(recipe(component("efa", Scheduling())), bundle(("efa", "efa", "home")), {"efa": [away]})
    assert found.namespaces == {"home", "away"}


def test_a_release_of_no_component_is_an_error() -> None:
    """Without a registry entry its placement could not be judged: that must not pass unseen."""
    with pytest.raises(DataError, match="release x of component nfs") as caught:
        expect(recipe(component("nfd", Scheduling())), bundle(("x", "nfs", "ns")), {"x": []})
    assert "nfd" in caught.value.do


def test_a_release_that_was_not_rendered_is_a_defect_of_the_caller() -> None:
    """It is not taken for one without workloads."""
    with pytest.raises(KeyError):
        expect(recipe(component("nfd", Scheduling())), bundle(("nfd", "nfd", "ns")), {})


def test_the_gate_is_that_of_the_expectation() -> None:
    """The DaemonSet matches both nodes, its component is for accelerated ones only."""
    efa = component("efa", Scheduling(accelerated_selectors=("nodeSelector",)))
    verdict = expect(recipe(efa), bundle(("efa", "efa", "ns")), {"efa": [PLUGIN]}).gate(objects_of())
    assert isinstance(verdict, Failed)
    assert "matches system-0 as well" in str(verdict)


def test_a_daemon_set_may_be_declared_empty() -> None:
    """The setting reaches the gate and the notes; a release without any object is noted as well."""
    nowhere: dict[str, Any] = {**PLUGIN, "spec": {"template": {"spec": {"nodeSelector": {"no": "where"}}}}}
    parts = recipe(component("a", Scheduling()), component("b", Scheduling()))
    both = bundle(("a", "a", "ns"), ("b", "b", "ns"))
    strict = expect(parts, both, {"a": [nowhere], "b": []})
    lenient = expect(parts, both, {"a": [nowhere], "b": []}, empty_allowed=["ns/plugin"])
    assert isinstance(strict.gate(objects_of()), Failed)
    assert not isinstance(lenient.gate(objects_of()), Failed)
    assert lenient.notes(objects_of()) == (
        "release b renders no object",
        "DaemonSet ns/plugin matches no node, as declared: nothing of it was verified",
    )


def test_the_facts_are_a_placement_table() -> None:
    """A row per node, also where nothing runs."""
    found = expect(recipe(component("a", Scheduling())), bundle(("a", "a", "ns")), {"a": [PLUGIN]})
    assert [row["name"] for row in found.facts(objects_of())["nodes"]] == ["gpu-0", "system-0"]


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "queues.example.com"},
}
CLEANUP: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "cleanup"},
    "spec": {"ttlSecondsAfterFinished": 5, "template": {"spec": {"containers": []}}},
}


def test_releases_that_bring_one_crd_are_told_apart() -> None:
    """The first one brings it, and each later one waits for that."""
    parts = recipe(*(component(name, Scheduling()) for name in "abc"))
    rendered: dict[str, Any] = {"a": [CRD], "b": [PLUGIN], "c": [CRD, CRD]}
    found = expect(parts, bundle(*((name, name, name) for name in "abc")), rendered)
    assert set(found.after) == {("c", "a")}


def test_a_job_that_argo_cd_makes_again_for_ever_is_noted() -> None:
    """It is gone once it is done, which self-heal does not leave so; helm and Flux do."""
    parts, folders = recipe(component("a", Scheduling())), bundle(("a", "a", "ns"))
    notes = {
        shape: expect(parts, replace(folders, delivered_as=shape), {"a": [CLEANUP]}).notes(objects_of())
        for shape in ("argocd", "argocd-helm", "flux", "helm")
    }
    again = {shape: any("makes it again, for ever" in note for note in found) for shape, found in notes.items()}
    assert again == {"argocd": True, "argocd-helm": True, "flux": False, "helm": False}


def test_the_watch_over_an_install_knows_what_is_to_come() -> None:
    """Of all releases, with what they wait for; the slowest workload says how long pods may take."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}}
    spec: Any = PLUGIN["spec"]
    slow: dict[str, Any] = {**PLUGIN, "spec": {**spec, "minReadySeconds": 5}}
    found = expect(recipe(component("a", Scheduling())), bundle(("a", "a", "ns")), {"a": [account, slow]})
    assert found.watch.namespaces == {"ns"}
    assert found.watch.arrivals.may_bring(("ServiceAccount", "ns", "x"), ("DaemonSet", "ns", "plugin"))
    assert (found.pauses(upgraded=False, nodes=6), found.pauses(upgraded=True, nodes=6)) == (0, 30)
