"""Values that the reference tool works out of the rest of the recipe, since aicr.run/v1alpha2.

They are in no file of the data, and the charts and manifests that read them render otherwise without them.
"""

from collections.abc import Mapping
from typing import Any

from harness.recipes.model import Component, Recipe

# The DRA driver has to start again when the driver below it changes: its pods carry the operator's version.
_OPERATORS = ("gpu-operator", "gpu-operator-ocp")
_DRA_DRIVERS = ("nvidia-dra-driver-gpu", "nvidia-dra-driver-gpu-ocp")
_OPERATOR_VERSION = "aicr.run/gpu-operator-chart-version"

# A LoadBalancer without source ranges is open to everybody: the gateway is for private addresses by default.
_GATEWAY, _SOURCES = "agentgateway", "allowedSourceRanges"
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def with_derived(recipe: Recipe, component: Component, values: dict[str, Any]) -> dict[str, Any]:
    """`values` of `component` with what follows from the other components of `recipe`."""
    version = next((c.version for c in recipe.components if c.name in _OPERATORS), "")
    if component.name in _DRA_DRIVERS and version:
        for part in ("controller", "kubeletPlugin"):
            section = _mapping(values.get(part))
            annotations = {**_mapping(section.get("podAnnotations")), _OPERATOR_VERSION: version}
            values[part] = {**section, "podAnnotations": annotations}
    if component.name == _GATEWAY and not values.get(_SOURCES):
        values[_SOURCES] = list(_PRIVATE)
    return values


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
