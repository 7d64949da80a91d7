"""The health checks of every sample recipe, on the objects that its charts render to, as if all of them ran."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.cells.prepare import REFERENCE
from harness.expected.render import Renderer
from harness.gates.health import Healthy, Look
from harness.helm.client import Helm
from harness.objects import PODS, Kind, Object, Objects, key_of
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.settings import Settings
from harness.validation.health import plan
from harness.validation.health_checks import checks_of
from harness.verdict import Passed
from kwok import SAMPLES

pytestmark = pytest.mark.e2e

CATALOG = Catalog.load(SAMPLES)
COUNTS = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
SCHEDULED = dict.fromkeys(("desiredNumberScheduled", "updatedNumberScheduled", "numberReady"), 2)
STATUS = {"Deployment": COUNTS, "StatefulSet": COUNTS, "DaemonSet": SCHEDULED}


def kind_of(item: Mapping[str, Any]) -> Kind:
    kind = str(item["kind"])
    scoped = "namespace" in (item.get("metadata") or {})
    return Kind(str(item["apiVersion"]), f"{kind.lower()}s", kind, scoped) if kind != "Pod" else PODS


def running(item: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    """The object as it is once it runs, and one pod of it."""
    metadata = item.setdefault("metadata", {})
    if item["kind"] in STATUS:
        metadata.setdefault("namespace", namespace)
        template = item["spec"]["template"]["metadata"]
        pod = {"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running", "containerStatuses": []}}
        pod["metadata"] = {**template, "name": f"{metadata['name']}-x", "namespace": metadata["namespace"]}
        return [{**item, "status": STATUS[item["kind"]]}, pod]
    return [item]


@pytest.mark.parametrize("name", CATALOG.names())
def test_checks_hold_on_what_the_charts_make(
    name: str, tools: Callable[[str], Path], settings: Settings, tmp_path: Path
) -> None:
    """Each check asserts objects that are rendered, in their namespaces and with their labels."""
    recipe = resolve(CATALOG, name)
    bundle = BuiltinBundler().make(recipe, REFERENCE, tmp_path / "bundle")
    helm = Helm(tools("helm"), tmp_path / "helm")
    version = settings.tools.pins["kube-apiserver"].version
    rendered = Renderer(helm, bundle, kube_version=version, directory=tmp_path / "charts").alone()
    namespaces = {folder.release: folder.namespace for folder in bundle.folders}
    items = [
        each
        for release, objects in rendered.items()
        for item in objects
        for each in running(dict(item), namespaces[release])
    ]
    established = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}
    files = (SAMPLES.parent / "charts").glob("*/crds/*.yaml")
    items += [{**definition, **established} for file in files for definition in yaml.safe_load_all(file.read_text())]
    found: dict[Kind, dict[tuple[str, str], Object]] = {}
    for item in items:
        found.setdefault(kind_of(item), {})[key_of(item)] = item
    for component in recipe.components:
        for check in checks_of(recipe, component):
            kept, _ = plan(check.operations, simulated=True)
            gate = Healthy(tuple(Look(o.step, o.wanted, o.document, kind_of(o.document)) for o in kept))
            verdict = gate(Objects({kind: found.get(kind, {}) for kind in gate.kinds}))
            assert isinstance(verdict, Passed), f"{component.name}: {verdict}"
