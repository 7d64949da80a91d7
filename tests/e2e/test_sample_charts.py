"""The sample data as Helm sees it: charts render, please the linter, and leave it to the recipes where pods go."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.model import Bundle
from harness.helm.client import Helm
from harness.names import ACCELERATED, GPU_RESOURCE, KWOK_TAINT, NODE_TYPE_LABEL, SYSTEM
from harness.processes import commands
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.recipes.values import KWOK_PLACEMENT, NodePlacement

pytestmark = pytest.mark.e2e

DATA = Path(__file__).parents[2] / "kwok"
CHARTS = sorted(file.parent for file in (DATA / "charts").glob("*/Chart.yaml"))
CATALOG = Catalog.load(DATA / "recipes")
RECIPES = CATALOG.testable()
KUBERNETES = "1.34.0"
NOWHERE = NodePlacement({}, [], {}, [])
EVERYWHERE = {
    *("nfd-worker", "nfd-topology-updater", "kube-prometheus-stack-node-exporter", "aws-ebs-csi-driver-node"),
    "nvsentinel-platform-connector",
}
GPUS_OF_FOUR_NODES = 32

Tools = Callable[[str], Path]
Bundled = Callable[[str], tuple[Bundle, list[dict[str, Any]]]]


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The workloads among `objects`: name, pods (1 for what the nodes decide) and pod spec."""
    for item in objects:
        template = item.get("spec", {}).get("template", {})
        if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            count = item["spec"].get("replicas", item["spec"].get("completions", 1))
            yield item["metadata"]["name"], count, template["spec"]


def tolerates_simulation(spec: dict[str, Any]) -> bool:
    return any(toleration.get("key") == KWOK_TAINT["key"] for toleration in spec.get("tolerations", []))


def gpus(spec: dict[str, Any]) -> int:
    return sum(int(c.get("resources", {}).get("limits", {}).get(GPU_RESOURCE, 0)) for c in spec["containers"])


def at(values: Any, dotted: str) -> Any:
    for step in dotted.split("."):
        values = values[step]
    return values


def rendered(tools: Tools, recipe: str, work: Path, placement: NodePlacement) -> tuple[Bundle, list[dict[str, Any]]]:
    bundle = BuiltinBundler(placement=placement).make(resolve(CATALOG, recipe), "helm", work / "bundle")
    helm = Helm(tools("helm"), work / "homes")
    return bundle, [o for folder in bundle.folders for o in helm.template(folder, kube_version=KUBERNETES)]


@pytest.fixture(scope="module")
def bundled(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    """A recipe's bundle and all that it renders, made once for all tests."""
    return cache(lambda recipe: rendered(tools, recipe, tmp_path_factory.mktemp(recipe), KWOK_PLACEMENT))


@pytest.fixture
def lint(tools: Tools, tmp_path: Path) -> Callable[..., None]:
    homes = {f"HELM_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}

    def run(chart: Path, *values: Path) -> None:
        files = [word for file in values for word in ("--values", file)]
        commands.run([tools("helm"), "lint", "--strict", chart, *files], timeout=60, env=homes, cwd=tmp_path)

    return run


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_chart_pleases_the_strict_linter_with_its_own_values(chart: Path, lint: Callable[..., None]) -> None:
    """A chart is good by itself, before any recipe says anything."""
    lint(chart)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_chart_is_a_component(chart: Path) -> None:
    """No chart is left that nothing installs."""
    assert [e.name for e in CATALOG.registry.values() if e.chart == chart.name]


@pytest.mark.parametrize("component", sorted(name for name, e in CATALOG.registry.items() if e.chart))
def test_every_scheduling_path_is_one_that_the_chart_has(component: str) -> None:
    """The run's selectors and tolerations are written to places that exist, and have their type."""
    entry = CATALOG.registry[component]
    values = yaml.safe_load((DATA / "charts" / entry.chart / "values.yaml").read_text(encoding="utf-8"))
    scheduling = entry.scheduling
    for path in (*scheduling.system_selectors, *scheduling.accelerated_selectors):
        assert at(values, path) == {}, path
    for path in (*scheduling.system_tolerations, *scheduling.accelerated_tolerations):
        assert at(values, path) == [], path


def test_every_chart_pleases_the_strict_linter_with_the_values_of_every_recipe(
    bundled: Bundled, lint: Callable[..., None]
) -> None:
    """The charts of manifests before and after a chart included; the same chart with the same values counts once."""
    folders = [folder for recipe in RECIPES for folder in bundled(recipe)[0].folders]
    distinct = {(folder.release, (folder.path / "values.yaml").read_bytes()): folder for folder in folders}
    assert {"kai-scheduler-pre", "kai-scheduler-post", "nodewright-profiles"} <= {release for release, _ in distinct}
    for folder in distinct.values():
        assert folder.chart.path is not None, f"{folder.release} is not local"
        lint(folder.chart.path, folder.path / "values.yaml")


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_pod_of_a_recipe_is_sent_to_one_kind_of_node_or_to_all(recipe: str, bundled: Bundled) -> None:
    """Pods name their kind of node, except those that belong on every node; GPUs are asked for where they are."""
    for name, _, spec in pods(bundled(recipe)[1]):
        assert tolerates_simulation(spec), name
        kind = spec.get("nodeSelector", {}).get(NODE_TYPE_LABEL)
        assert kind in ((None,) if name in EVERYWHERE else (SYSTEM, ACCELERATED)), name
        assert not gpus(spec) or kind == ACCELERATED, name


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_gpus_of_four_nodes_are_enough(recipe: str, bundled: Bundled) -> None:
    """A recipe asks for no more GPUs than the default cluster has; one with an intent does ask for some."""
    wanted = sum(count * gpus(spec) for _, count, spec in pods(bundled(recipe)[1]))
    assert wanted <= GPUS_OF_FOUR_NODES
    assert (wanted > 0) == recipe.endswith(("-training", "-inference", "-kubeflow"))


def test_no_chart_tolerates_simulated_nodes_by_itself(tools: Tools, tmp_path: Path) -> None:
    """Without the run's placement every pod would stay away: tolerations come from the values alone."""
    _, objects = rendered(tools, "h100-eks-ubuntu-training-kubeflow", tmp_path, NOWHERE)
    found = {name: tolerates_simulation(spec) for name, _, spec in pods(objects)}
    assert len(found) > 15
    assert not any(found.values()), found


@pytest.mark.parametrize(
    ("given", "selector", "tolerations"),
    [
        ({}, {"kind": "gpu"}, [{"operator": "Exists"}]),
        ({"tolerations": []}, {"kind": "gpu"}, None),
        ({"nodeSelector": {"rack": "1"}}, {"rack": "1"}, [{"operator": "Exists"}]),
    ],
    ids=["shared", "no-tolerations", "own-selector"],
)
def test_an_operand_of_the_gpu_operator_may_have_a_placement_of_its_own(
    given: dict[str, Any], selector: dict[str, str], tolerations: Any, tools: Tools, tmp_path: Path
) -> None:
    """Tests break one DaemonSet with this: an empty list counts, the other operands keep what they share."""
    shared = {"nodeSelector": {"kind": "gpu"}, "tolerations": [{"operator": "Exists"}]}
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"daemonsets": shared, "devicePlugin": given}), encoding="utf-8")
    chart = DATA / "charts" / "gpu-operator"
    words: list[str | Path] = [tools("helm"), "template", "gpu", chart, "--values", values]
    words += ["--kube-version", KUBERNETES]
    documents = yaml.safe_load_all(commands.run(words, timeout=60).stdout)
    specs = {name: spec for name, _, spec in pods(list(filter(None, documents)))}
    plugin, driver = specs["gpu-device-plugin"], specs["gpu-driver"]
    assert (plugin.get("nodeSelector"), plugin.get("tolerations")) == (selector, tolerations)
    assert (driver.get("nodeSelector"), driver.get("tolerations")) == tuple(shared.values())
