"""What recipe data is made of: overlays and mixins as written, and the recipe that comes out of them."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.names import API_VERSION
from harness.recipes.format import CURRENT, WITH_PROFILE

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

    def matches(self, query: "Criteria", *, by_nodes: bool = True) -> bool:
        """Whether an overlay with these criteria applies to `query`: its specific fields must be the query's.

        Not symmetric: a generic query never selects a specific overlay. `by_nodes` tells whether the number of nodes
        selects; since aicr.run/v1alpha2 it does not.
        """
        wanted = query.specific
        return all(wanted.get(name) == value for name, value in self.specific.items() if by_nodes or name != "nodes")

    def document(self) -> dict[str, str | int]:
        """As the reference writes it: all five names, the nodes only when given."""
        return {**{name: getattr(self, name) for name in CRITERIA}, **({"nodes": self.nodes} if self.nodes else {})}


@dataclass(frozen=True)
class Constraint:
    """An assumption about the cluster, such as `K8s.server.version` and `>= 1.30`.

    `remediation` is what its author says to do where it does not hold.
    """

    name: str
    value: str
    severity: str = ""
    remediation: str = ""
    unit: str = ""

    def document(self) -> dict[str, str]:
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Scheduling:
    """Dotted paths into a component's values where node selectors and tolerations of a run are written."""

    system_selectors: tuple[str, ...] = ()
    system_tolerations: tuple[str, ...] = ()
    accelerated_selectors: tuple[str, ...] = ()
    accelerated_tolerations: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComponentValidation:
    """A validation of a component as a bundle is made: which function, for which criteria, and how severe.

    `conditions` are values by criterion; `severity` is error, warning or info. `message` is what its author adds.
    """

    function: str
    severity: str = "warning"
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    message: str = ""
    where: str = ""


@dataclass(frozen=True)
class RegistryEntry:
    """What is known of a component by its name: defaults for what a recipe leaves unset.

    `kind` is "helm", "kustomize" or "manifest" (a component without a chart). `manifest_files` are those of a recipe
    that names none. `critical_pods` tells that its pods have a priority class that GKE admits by quota only. `where` is
    file:line.
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
    manifest_files: tuple[str, ...] = ()
    critical_pods: bool = False
    where: str = ""
    validations: tuple[ComponentValidation, ...] = ()

    def answers_to(self, name: str) -> bool:
        """Whether `--set name:...` means this component."""
        return name == self.name or name in self.value_override_keys


def switched_off(overrides: Mapping[str, Any], version: str) -> bool:
    """Whether a component takes no part: `enabled: false`, and since aicr.run also `install: false`."""
    gates = ("enabled",) if version == API_VERSION else ("enabled", "install")
    return any(overrides.get(gate) is False for gate in gates)


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
    health_check_skip: bool = False
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)

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
    "health_check_skip": "healthCheckSkip",
}


@dataclass(frozen=True)
class ProfileValue:
    """One choice of a profile: values of components, and constraints that tell a cluster of this choice.

    `advertiser` is "external" where a device plugin outside the recipe offers the GPUs.
    """

    advertiser: str
    constraints: tuple[Constraint, ...]
    overrides: Mapping[str, Mapping[str, Any]]  # by component


@dataclass(frozen=True)
class Profile:
    """A choice that an overlay offers to all that are based on it, such as who installs the GPU driver."""

    name: str
    default: str
    values: Mapping[str, ProfileValue]
    where: str

    @property
    def owned(self) -> Mapping[str, tuple[str, ...]]:
        """By component, the paths that every choice sets, and `enabled`: a profile needs its components."""
        found: dict[str, set[str]] = {}
        for value in self.values.values():
            for component, overrides in value.overrides.items():
                found.setdefault(component, {"enabled"}).update(leaves(overrides))
        return {component: tuple(sorted(found[component])) for component in sorted(found)}


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The dotted paths of all that is no mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


@dataclass(frozen=True)
class SelectedProfile:
    """The choice that a recipe is resolved with."""

    profile: Profile
    value: str

    def document(self) -> dict[str, Any]:
        found = {
            "name": self.profile.name,
            "value": self.value,
            "advertiser": self.profile.values[self.value].advertiser,
            "ownedPaths": {component: list(paths) for component, paths in self.profile.owned.items()},
        }
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True)
class Overlay:
    """overlays/<name>.yaml. `criteria` is None where the file has none: such an overlay never matches.

    `places` gives file:line of what is no component: "constraints.NAME", a phase of `validation`, "PHASE.checks.NAME"
    and "PHASE.constraints.NAME".
    """

    name: str
    file: Path
    base: str  # "" only for the overlay `base` itself
    mixins: tuple[str, ...]
    criteria: Criteria | None
    constraints: tuple[Constraint, ...]
    components: tuple[ComponentRef, ...]
    validation: Mapping[str, Mapping[str, Any]]
    profile: Profile | None = None
    places: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Mixin:
    """mixins/<name>.yaml: constraints and components that several overlays add by name. `places` as in Overlay."""

    name: str
    file: Path
    constraints: tuple[Constraint, ...]
    components: tuple[ComponentRef, ...]
    places: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Component:
    """One component of a resolved recipe, defaults filled in.

    `depends_on` names components of the same recipe; one that is disabled counts as provided by the platform.
    """

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
    health_check_skip: bool = False

    def document(self) -> dict[str, Any]:
        """As a componentRef: type and source always, the rest where set."""
        values = {key: getattr(self, name) for name, key in SPELLING.items()}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {key: value for key, value in plain.items() if value or key in {"type", "source"}}


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe.

    `components` are in deployment order, without the `disabled` ones. `data` is the recipes directory. `files` are all
    files that the recipe is made of: overlays, mixins, the registry, values, manifests, health checks, local charts.
    `version` is that of the format; `configuration` is what the reference tool decides by the platform.
    """

    name: str
    criteria: Criteria
    applied: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    components: tuple[Component, ...]
    validation: Mapping[str, Mapping[str, Any]]
    data: Path
    files: tuple[Path, ...]
    disabled: tuple[Component, ...] = ()
    version: str = API_VERSION
    profile: SelectedProfile | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def legacy(self) -> bool:
        """Whether the data is of the format before aicr.run."""
        return self.version == API_VERSION

    def needs_quota(self, component: Component) -> bool:
        """Whether the cluster's service admits the critical pods of `component` only where a quota says so."""
        return self.criteria.service == "gke" and component.entry.critical_pods

    def document(self) -> dict[str, Any]:
        """The RecipeResult: plain data, in the reference's shape and order (components by name).

        `version` is the reference's word for a build without a release; no version of the harness goes in, because the
        document is part of bundles, and the same input must give the same bytes.
        """
        metadata: dict[str, Any] = {"appliedOverlays": list(self.applied), "version": "dev"}
        if self.profile:
            metadata["selectedProfile"] = self.profile.document()
        chosen = self.profile or self.configuration
        document = {
            "apiVersion": self.version if self.legacy else WITH_PROFILE if chosen else CURRENT,
            "kind": "RecipeResult",
            "metadata": metadata,
            "criteria": self.criteria.document(),
            "configuration": dict(self.configuration),
            "constraints": [constraint.document() for constraint in self.constraints],
            "componentRefs": [
                c.document() for c in sorted((*self.components, *self.disabled), key=lambda component: component.name)
            ],
            "deploymentOrder": [component.name for component in self.components],
            "validation": {
                phase: {key: value for key, value in body.items() if value not in ("", [], None)}
                for phase, body in self.validation.items()
            },
        }
        return {key: value for key, value in document.items() if value}
