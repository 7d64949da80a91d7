"""Which images a suite needs on the real node, by its files alone."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.exits import Exit
from harness.suites.images import needed

POD = """
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: real}
spec:
  initContainers: [{name: first, image: registry.example/first:1}]
  containers:
    - {name: main, image: registry.example/main:2, imagePullPolicy: IfNotPresent}
"""


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def references(folder: Path, *real: str) -> list[str]:
    return [each.reference for each in needed(folder, real)]


def test_containers_of_all_kinds_count_wherever_they_stand(tmp_path: Path) -> None:
    """In manifests, in custom kinds with a pod template, in what a case applies; each once, with its line."""
    case = """
apiVersion: chainsaw.kyverno.io/v1alpha1
kind: Test
metadata: {name: case}
spec:
  namespace: real
  steps:
    - try:
        - apply:
            resource:
              apiVersion: example.com/v1
              kind: Training
              metadata: {name: one}
              spec: {worker: {template: {spec: {containers: [{name: w, image: registry.example/worker:3}]}}}}
"""
    folder = written(tmp_path, {"manifests/pod.yaml": POD, "again.yml": POD, "cases/01/chainsaw-test.yaml": case})
    found = needed(folder, ["real"])
    assert [each.reference for each in found] == [
        "registry.example/first:1",
        "registry.example/main:2",
        "registry.example/worker:3",
    ]
    assert found[0].place == f"{folder / 'again.yml'}:6"


def test_what_runs_nowhere_needs_no_image(tmp_path: Path) -> None:
    """A pod in another namespace, one in a namespace of its case, and one that selects simulated nodes."""
    chosen = POD.replace("spec:\n", "spec:\n  nodeSelector: {type: kwok}\n", 1)
    unnamed = POD.replace(", namespace: real", "")
    folder = written(tmp_path, {"a.yaml": POD.replace("real", "other"), "b.yaml": chosen, "c.yaml": unnamed})
    assert references(folder, "real") == []
    assert references(folder, "*") == ["registry.example/first:1", "registry.example/main:2"]


def test_the_namespace_of_a_test_is_that_of_the_files_beside_it(tmp_path: Path) -> None:
    """As chainsaw makes them there."""
    test = "kind: Test\nspec: {namespace: real}\n"
    unnamed = POD.replace(", namespace: real", "")
    folder = written(tmp_path, {"cases/01/chainsaw-test.yaml": test, "cases/01/pod.yaml": unnamed})
    assert references(folder, "real") == ["registry.example/first:1", "registry.example/main:2"]


def test_what_a_suite_lists_counts_wherever_it_is_used(tmp_path: Path) -> None:
    """A program may make pods of it; expressions and templates of charts are no references."""
    suite = "setup:\n  - {name: images, images: [registry.example/worker:1, 'registry.example/more:2']}\n"
    expression = POD.replace("registry.example/main:2", "($image)")
    folder = written(
        tmp_path,
        {
            "suite.yaml": suite,
            "pod.yaml": expression,
            "charts/one/Chart.yaml": "name: one",
            "charts/one/templates/pod.yaml": "{{ if .Values.on }}\n- broken",
        },
    )
    assert references(folder, "real") == [
        "registry.example/first:1",
        "registry.example/worker:1",
        "registry.example/more:2",
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("IfNotPresent", "Always", r"imagePullPolicy of registry.example/main:2 is Always.*pod.yaml:8"),
        ("main:2, imagePullPolicy: IfNotPresent", "main", "tag latest"),
        ("main:2, imagePullPolicy: IfNotPresent", "main:latest", "tag latest"),
    ],
)
def test_an_image_that_would_always_be_pulled_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    """With the reason, and where it stands, before anything is made."""
    folder = written(tmp_path, {"pod.yaml": POD.replace(before, after)})
    with pytest.raises(DataError) as told:
        needed(folder, ["real"])
    assert told.value.exit is Exit.SETTINGS
    assert re.search(said, f"{told.value.what} {told.value.where}")
    assert needed(folder, ["elsewhere"]) == ()


@pytest.mark.parametrize("image", ["main:latest, imagePullPolicy: IfNotPresent", f"main@sha256:{'0' * 64}"])
def test_a_policy_or_a_digest_makes_even_the_newest_a_fixed_one(tmp_path: Path, image: str) -> None:
    """Kubernetes asks for latest alone, and only where nothing is written."""
    folder = written(tmp_path, {"pod.yaml": POD.replace("main:2, imagePullPolicy: IfNotPresent", image)})
    assert len(needed(folder, ["real"])) == 2


def test_a_file_that_is_no_yaml_is_an_error(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(DataError, match="cannot be read") as told:
        needed(written(tmp_path, {"pod.yaml": "a: [b"}), ["real"])
    assert told.value.where == str(tmp_path / "pod.yaml")
