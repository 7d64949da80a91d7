"""What recipe data is made of: overlays and mixins as written, and the recipe that comes out of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.names import API_VERSION

ANY = "any"
BASE = "base"  # the overlay at the root of every chain

CRITERIA = ("service", "accelerator", "intent", "os", "platform")


@dataclass(frozen=True)
class Criteria:
    """When an overlay applies, and what is asked for. "any" and 0 nodes are generic."""

    service: str = ANY
    accelerator: str = ANY
    intent: str = ANY
    os: str = ANY
    platform: str = ANY
    nodes: int = 0

    @property
    def specific(self) -> Mapping[str, str | int]:
        """The fields that are not generic, in their order."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (ANY, 0)}

    def matches(self, query: "Criteria") -> bool:
        """Whether an overlay with these criteria applies to `query`: its specific fields must be the query's.

        Not symmetric: a generic query never selects a specific overlay.
        """
        wanted = query.specific
        return all(wanted.get(name) == value for name, value in self.specific.items())

    def document(self) -> dict[str, str | int]:
        """As the reference writes it: all five names, the nodes only when given."""
        return {**{name: getattr(self, name) for name in CRITERIA}, **({"nodes": self.nodes} if self.nodes else {})}


@dataclass(frozen=True)
class Constraint:
    """An assumption about the cluster, such as `K8s.server.version` and `>= 1.30`."""

    name: str
    value: str


@dataclass(frozen=True)
class Scheduling:
    """Dotted paths into a component's values where node selectors and tolerations of a run are written."""

    system_selectors: tuple[str, ...] = ()
    system_tolerations: tuple[str, ...] = ()
    accelerated_selectors: tuple[str, ...] = ()
    accelerated_tolerations: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegistryEntry:
    """What is known of a component by its name: defaults for what a recipe leaves unset.

    `kind` is "helm", "kustomize" or "manifest" (a component without a chart). `where` is file:line.
    """

    name: str
    value_override_keys: tuple[str, ...]
    repository: str
    chart: str
    version: str
    namespace: str
    kind: str
    scheduling: Scheduling
    health_check: str
    tag: str = ""
    path: str = ""
    where: str = ""

    def answers_to(self, name: str) -> bool:
        """Whether `--set name:...` means this component."""
        return name == self.name or name in self.value_override_keys


@dataclass(frozen=True)
class ComponentRef:
    """A component as an overlay or a mixin writes it; what is empty was not set.

    `places` gives file:line of each field that was set, and of each top-level key of `overrides`
    ("overrides.driver"); "" is the reference itself. Lists that add up have one place per file.
    """

    name: str
    namespace: str = ""
    type: str = ""
    chart: str = ""
    source: str = ""
    version: str = ""
    tag: str = ""
    path: str = ""
    values_file: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    patches: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    manifest_files: tuple[str, ...] = ()
    pre_manifest_files: tuple[str, ...] = ()
    cleanup: bool = False
    expected_resources: tuple[Mapping[str, str], ...] = ()
    health_check_asserts: str = ""
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)

    @property
    def disabled(self) -> bool:
        return self.overrides.get("enabled") is False

    def place(self, key: str) -> str:
        """file:line where `key` was set last, else where the component was named last."""
        return (self.places.get(key) or self.places.get("") or ("",))[-1]


# How the format spells the fields of ComponentRef.
SPELLING: Mapping[str, str] = {
    "name": "name",
    "namespace": "namespace",
    "type": "type",
    "chart": "chart",
    "source": "source",
    "version": "version",
    "tag": "tag",
    "path": "path",
    "values_file": "valuesFile",
    "overrides": "overrides",
    "patches": "patches",
    "depends_on": "dependencyRefs",
    "manifest_files": "manifestFiles",
    "pre_manifest_files": "preManifestFiles",
    "cleanup": "cleanup",
    "expected_resources": "expectedResources",
    "health_check_asserts": "healthCheckAsserts",
}


@dataclass(frozen=True)
class Overlay:
    """overlays/<name>.yaml. `criteria` is None where the file has none: such an overlay never matches."""

    name: str
    file: Path
    base: str  # "" only for the overlay `base` itself
    mixins: tuple[str, ...]
    criteria: Criteria | None
    constraints: tuple[Constraint, ...]
    components: tuple[ComponentRef, ...]
    validation: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Mixin:
    """mixins/<name>.yaml: constraints and components that several overlays add by name."""

    name: str
    file: Path
    constraints: tuple[Constraint, ...]
    components: tuple[ComponentRef, ...]


@dataclass(frozen=True)
class Component:
    """One component of a resolved recipe, defaults filled in. `depends_on` names components of the same recipe."""

    name: str
    namespace: str
    type: str
    chart: str
    source: str
    version: str
    tag: str
    path: str
    values_file: str
    overrides: Mapping[str, Any]
    patches: tuple[str, ...]
    depends_on: tuple[str, ...]
    manifest_files: tuple[str, ...]
    pre_manifest_files: tuple[str, ...]
    cleanup: bool
    expected_resources: tuple[Mapping[str, str], ...]
    health_check_asserts: str
    entry: RegistryEntry

    def document(self) -> dict[str, Any]:
        """As a componentRef: type and source always, the rest where set."""
        values = {key: getattr(self, name) for name, key in SPELLING.items()}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {key: value for key, value in plain.items() if value or key in {"type", "source"}}


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe.

    `components` are in deployment order. `data` is the recipes directory. `files` are all files that the recipe is made
    of: overlays, mixins, the registry, values, manifests, health checks, local charts.
    """

    name: str
    criteria: Criteria
    applied: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    components: tuple[Component, ...]
    validation: Mapping[str, Mapping[str, Any]]
    data: Path
    files: tuple[Path, ...]

    def document(self) -> dict[str, Any]:
        """The RecipeResult: plain data, in the reference's shape and order (components by name).

        `version` is the reference's word for a build without a release; no version of the harness goes in, because the
        document is part of bundles, and the same input must give the same bytes.
        """
        document = {
            "apiVersion": API_VERSION,
            "kind": "RecipeResult",
            "metadata": {"appliedOverlays": list(self.applied), "version": "dev"},
            "criteria": self.criteria.document(),
            "constraints": [asdict(constraint) for constraint in self.constraints],
            "componentRefs": [c.document() for c in sorted(self.components, key=lambda c: c.name)],
            "deploymentOrder": [component.name for component in self.components],
            "validation": {phase: dict(body) for phase, body in self.validation.items()},
        }
        return {key: value for key, value in document.items() if value}
