"""The manifests that a recipe adds before and after a chart, as plain objects.

They are templates, and the reference tool renders them when it makes a bundle: with the final values of their
component, below its name, and with the chart of the component as theirs. Helm hooks are taken out, since the order of
the releases does what they are for, and since a chart of hooks alone is never synced by Argo CD. Hooks of deletion
have no such order and stay.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from harness.bundles.model import Chart
from harness.bundles.template_syntax import TemplateError
from harness.bundles.templates import Fixed, render
from harness.errors import DataError
from harness.formats import go_yaml
from harness.formats.files import inside
from harness.recipes.model import Component, Recipe

_HOOK = "helm.sh/hook"
_BELONGING = ("helm.sh/hook-weight", "helm.sh/hook-delete-policy")
_OF_DELETION = ("pre-delete", "post-delete")

# GKE admits pods of the priority classes system-*-critical only where a quota says so.
_QUOTA = "gke-critical-pods-quota.yaml"
_PODS_PER_NODE = 32


def rendered(
    recipe: Recipe, component: Component, stage: str, chart: Chart, values: Mapping[str, Any]
) -> dict[str, bytes]:
    """The objects of `component` in a stage ("-pre", "-post" or "" for its own), by the name of their file.

    A manifest that renders to nothing is left out. `chart` is what the labels name. Raises DataError.
    """
    version = chart.version.removeprefix("v") or "0.1.0"
    data = Fixed(
        Values={component.name: values},
        Release=Fixed(Namespace=component.namespace, Service="Helm"),
        Chart=Fixed(Name=chart.name, Version=version),
    )
    found: dict[str, bytes] = {}
    for path in component.pre_manifest_files if stage == "-pre" else component.manifest_files:
        name = PurePosixPath(path).name
        if name in found:
            raise DataError(f"has two manifests called {name}", where=f"component {component.name}", do="rename one")
        found[name] = _plain(list(_objects(recipe, component, path, data)))
    if stage == "-pre" and recipe.needs_quota(component):
        found[_QUOTA] = _plain([_quota(component.namespace, recipe.criteria.nodes)])
    return {name: text for name, text in found.items() if text}


def _objects(recipe: Recipe, component: Component, path: str, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    file = inside(recipe.data, path, f"component {component.name}")
    try:
        text = render(file.read_text(encoding="utf-8"), data)
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8", where=str(file), do="save it as UTF-8") from error
    except TemplateError as error:
        raise DataError(f"does not render: {error}", where=f"{file}:{error.line}") from error
    try:
        documents = go_yaml.load_all(text)
    except yaml.YAMLError as error:
        raise DataError(f"renders to invalid YAML: {error}", where=str(file)) from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise DataError(f"renders something that is not an object: {str(document)[:200]}", where=str(file))
        _without_hooks(document)
        yield document


def _without_hooks(item: dict[str, Any]) -> None:
    metadata = item.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        return
    events = [event.strip() for event in str(annotations.pop(_HOOK, "")).split(",")]
    if kept := [event for event in events if event in _OF_DELETION]:
        annotations[_HOOK] = ",".join(kept)
        return
    for key in _BELONGING:
        annotations.pop(key, None)


def _plain(objects: list[dict[str, Any]]) -> bytes:
    """The objects as a template that says just that: braces in their texts are no instructions to Helm."""
    return b"---\n".join(go_yaml.dump(item) for item in objects).replace(b"{{", b'{{ "{{" }}')


def _quota(namespace: str, nodes: int) -> dict[str, Any]:
    classes = ["system-node-critical", "system-cluster-critical"]
    selector = {"matchExpressions": [{"operator": "In", "scopeName": "PriorityClass", "values": classes}]}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "aicr-gke-critical-pods", "namespace": namespace},
        "spec": {"hard": {"pods": str(_PODS_PER_NODE * max(1, nodes))}, "scopeSelector": selector},
    }
