"""The AI-conformance suite against what the charts of the stack render, and against the command line."""

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.assertions.candidates import Judgement, Resolved, Standing, compile_assertion
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import Holds
from harness.assertions.template import compile_template
from harness.assertions.tree import compile_tree
from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.helm.client import Helm
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.recipes.values import parse_set
from harness.settings import ROOT
from tests.conformance.ai_conformance import (
    CLUSTER,
    NOT_OF_THE_STACK,
    OFF_IN_THE_RECIPE,
    OFFLINE,
    RECIPE,
    bindings,
    documents,
    read_test,
    trees,
)

pytestmark = pytest.mark.e2e

DATA = ROOT / "kwok"
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
WITH_ALERTMANAGER = parse_set("kube-prometheus-stack:alertmanager.enabled=true")
BEFORE = "h100-eks-inference"  # its block storage is on
BEFORE_DYNAMO = "h100-eks-ubuntu-inference"
NVSENTINEL = "    - name: nvsentinel\n      type: Helm\n"

Rendered = dict[str, list[dict[str, Any]]]


def condition(kind: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True"}]}


# What the API server and the controllers write once all is well; of each what the suite may look at.
READY: Mapping[str, Mapping[str, Any]] = {
    "Deployment": {"observedGeneration": 1, **condition("Available")},
    "DaemonSet": {"observedGeneration": 1, "numberReady": 4, "desiredNumberScheduled": 4},
    "StatefulSet": {"observedGeneration": 1, "readyReplicas": 1},
    "CustomResourceDefinition": condition("Established"),
    "Namespace": {"phase": "Active"},
    "ClusterPolicy": {"state": "ready"},
}
# What is looked at in objects whose status says nothing, or is another one's business.
LISTS = {"Skyhook": "packages", "DeviceClass": "selectors"}


def in_cluster(item: dict[str, Any]) -> dict[str, Any]:
    """`item` as it would be read from a cluster where all is well."""
    status = READY.get(item["kind"])
    found = copy.deepcopy({**item, "metadata": {**item["metadata"], "generation": 1}})
    return {**found, "status": copy.deepcopy(dict(status))} if status else found


def mutations(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`item` with one field of its status gone, or other than it should be; without its list, for what has none."""
    if name := LISTS.get(item["kind"]):
        yield {**item, "spec": {**item["spec"], name: []}}
        return
    yield {key: value for key, value in item.items() if key != "status"}
    for path in leaves(item["status"]):
        for change in (None, "other", 0):
            mutant = copy.deepcopy(item)
            parent: Any = mutant["status"]
            for step in path[:-1]:
                parent = parent[step]
            if change is None:
                del parent[path[-1]]
            elif type(parent[path[-1]]) is type(change):
                parent[path[-1]] = change
            else:
                continue
            yield mutant


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict | list):
        yield path
    for key, item in below:
        yield from leaves(item, (*path, key))


@pytest.fixture(scope="module")
def stack(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """What each component renders, namespaces included; block storage as another recipe has it."""
    work = tmp_path_factory.mktemp("stack")
    catalog, helm = Catalog.load(DATA / "recipes"), Helm(tools("helm"), work / "homes")
    found: Rendered = {}
    for recipe, wanted in ((RECIPE, None), (BEFORE, OFF_IN_THE_RECIPE)):
        bundle = BuiltinBundler([WITH_ALERTMANAGER]).make(resolve(catalog, recipe), "helm", work / recipe)
        for folder in bundle.folders:
            if wanted in (None, folder.component):
                objects = found.setdefault(folder.component, [])
                objects += helm.template(folder, kube_version="1.34.0")
                objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": folder.namespace}})
    return found


def judged(tree: dict[str, Any], objects: list[dict[str, Any]]) -> Judgement:
    found = compile_assertion(tree).resolve(Context())
    assert isinstance(found, Resolved)
    target = found.target
    assert target is not None
    of_kind = [o for o in objects if (o["apiVersion"], o["kind"]) == (target.api_version, target.kind)]
    return found.judge_assert([item for item in of_kind if target.selects(item)], Context())


def cluster_trees(work: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in sorted(CLUSTER.iterdir()):
        for file in trees(folder) if folder.is_dir() else ():
            for tree in documents(file, work):
                yield folder.name, tree


def test_the_suite_holds_of_what_the_charts_render_and_of_no_mutation(stack: Rendered, tmp_path: Path) -> None:
    """Each tree finds its one object among the component's, holds of it, and does not with any one field changed."""
    everything = [in_cluster(item) for objects in stack.values() for item in objects]
    mutants = 0
    for component, tree in cluster_trees(tmp_path):
        name = tree["metadata"]["name"]
        found = judged(tree, everything)
        assert (found.standing, found.vacuous) == (Standing.HOLDS, ()), (component, name, found.text)
        assert found.nearest is not None
        for mutant in mutations(dict(found.nearest)):
            assert judged(tree, [mutant]).standing is not Standing.HOLDS, (component, name, mutant.get("status"))
            mutants += 1
        assert judged(tree, []).standing is Standing.NOT_YET, (component, name)
    assert mutants > 200


@pytest.mark.parametrize(
    "kinds", [WORKLOADS, ("CustomResourceDefinition",), ("Namespace",)], ids=["workloads", "definitions", "namespaces"]
)
def test_the_suite_looks_at_all_that_the_stack_has(kinds: tuple[str, ...], stack: Rendered, tmp_path: Path) -> None:
    """No workload, definition or namespace is overlooked."""

    def named(items: Iterator[tuple[str, dict[str, Any]]]) -> set[tuple[str, str, str]]:
        of_kind = (item for _, item in items if item["kind"] in kinds)
        return {(i["kind"], i["metadata"].get("namespace", ""), i["metadata"]["name"]) for i in of_kind}

    rendered = ((name, item) for name, objects in stack.items() if name not in NOT_OF_THE_STACK for item in objects)
    theirs = named(rendered)
    ours = named(cluster_trees(tmp_path))
    # Definitions of the monitoring stack come with a component of their own.
    extra = {found for found in ours - theirs if found[2].endswith(".monitoring.example.com")}
    assert ours - extra == theirs
    assert theirs


class OfflineRun:
    """The scripts of an offline test, as a runner of suites would run them."""

    def __init__(self, work: Path, values: Any, environment: Mapping[str, str]) -> None:
        self.values = values
        self._environment = {**os.environ, **environment, "PATH": f"{work}:{os.environ['PATH']}", "TMPDIR": str(work)}
        program = work / "kwok-harness"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m harness "$@"\n', encoding="utf-8")
        program.chmod(0o755)

    def __call__(self, folder: Path) -> list[str]:
        """What does not hold: nothing, or the outcome of the first check or script that failed."""
        spec = read_test(folder)["spec"]
        known = bindings(spec["bindings"], {"values": self.values})
        for step in spec["steps"]:
            for operation in [*step["try"], *step.get("cleanup", [])]:
                script = operation["script"]
                rendered = compile_template({e["name"]: e["value"] for e in script.get("env", [])})
                own = rendered.render(None, Context(bindings=known))
                done = subprocess.run(
                    ["sh", "-c", script["content"]],
                    env={**self._environment, **own},
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                error = f"exit status {done.returncode}" if done.returncode else None
                said = {**known, "stdout": done.stdout, "stderr": done.stderr, "error": error}
                outcome = compile_tree(script.get("check", {"($error)": None})).judge(None, Context(bindings=said))
                if not isinstance(outcome, Holds):
                    return [str(outcome), done.stderr]
                known |= bindings(script.get("outputs", []), said)
        return []


@pytest.mark.parametrize("test", ["recipe", "bundle"])
def test_the_offline_suite_holds(test: str, tmp_path: Path) -> None:
    """By the scripts that it consists of, which leave no file behind."""
    assert OfflineRun(tmp_path, None, {})(OFFLINE / test) == []
    assert [file.name for file in tmp_path.iterdir()] == ["kwok-harness"]


def test_the_offline_suite_leaves_out_what_the_values_disable(tmp_path: Path) -> None:
    """The bundle is made without these components, and nothing is expected of them."""
    disabled = {name: {"enabled": False} for name in ("kgateway", "nvsentinel", "prometheus-adapter")}
    assert OfflineRun(tmp_path, {"components": disabled}, {})(OFFLINE / "bundle") == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("registry.yaml", "          - kubeletPlugin.nodeSelector\n", ""),
        ("registry.yaml", "          - platformConnector.tolerations\n", ""),
        (f"overlays/{BEFORE_DYNAMO}.yaml", NVSENTINEL, f"{NVSENTINEL}      overrides:\n        enabled: false\n"),
        (f"overlays/{RECIPE}.yaml", "        - kai-scheduler\n", ""),
    ],
    ids=["no-selector", "no-tolerations", "a-component-less", "another-order"],
)
def test_the_offline_suite_sees_what_is_wrong_with_the_data(file: str, old: str, new: str, tmp_path: Path) -> None:
    """A place that the values do not reach any more, a component less, and another order of delivery."""
    for part in ("charts", "recipes", "profiles"):
        shutil.copytree(DATA / part, tmp_path / "data" / part)
    changed = tmp_path / "data" / "recipes" / file
    text = changed.read_text(encoding="utf-8")
    assert old in text
    changed.write_text(text.replace(old, new), encoding="utf-8")
    run = OfflineRun(tmp_path, None, {"KWOK_RECIPES": str(tmp_path / "data" / "recipes")})
    assert run(OFFLINE / "bundle") != []
