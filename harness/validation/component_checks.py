"""The functions that registry.yaml may name. Each looks at one component of a bundling, and says warnings and errors.

Values that are there and cannot be read are findings of their own: taken for a chart's default, they could hide what
the function is there for.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

from harness.recipes.model import Component
from harness.validation.components import Bundling, Finding, Function

GPU_OPERATORS = ("gpu-operator", "gpu-operator-ocp")
DRA_DRIVERS = ("nvidia-dra-driver-gpu", "nvidia-dra-driver-gpu-ocp")
NETWORK_OPERATOR = "network-operator"
DRIVER_ROOT = "/run/nvidia/driver"  # where the operator's driver container is, and the chart's default
RUNTIME_CLASS = "nvidia"  # the default of both charts
_NOTHING: Finding = ([], [])
_ABSENT = object()


def workload_selector_missing(component: Component, bundling: Bundling) -> Finding:
    if bundling.workload_selector:
        return _NOTHING
    return [f"{component.name} is enabled but --workload-selector is not set"], []


def accelerated_selector_missing(component: Component, bundling: Bundling) -> Finding:
    if bundling.placement.accelerated_selector:
        return _NOTHING
    return [f"{component.name} is enabled but --accelerated-node-selector is not set"], []


def host_mofed_without_network_operator(component: Component, bundling: Bundling) -> Finding:
    """Only where an override takes the network operator out: a recipe without it has its own values for that."""
    if NETWORK_OPERATOR not in bundling.switched_off:
        return _NOTHING
    if bundling.override(component.name, "driver.rdma.useHostMofed") is False:
        return _NOTHING
    what = "network-operator is disabled but driver.rdma.useHostMofed is not set to false"
    return [f"{component.name}: {what}; add --set {component.name}:driver.rdma.useHostMofed=false"], []


def wildcard_accelerated_toleration(component: Component, bundling: Bundling) -> Finding:
    """No toleration counts as one: the component's templates then write a toleration of everything by themselves."""
    tolerations = bundling.placement.accelerated_tolerations
    if tolerations and all(each.get("key") for each in tolerations):
        return _NOTHING
    return [f"{component.name} renders an accelerated-node toleration without a key, which tolerates everything"], []


def driver_ownership_coherence(component: Component, bundling: Bundling) -> Finding:
    """Whether the driver's owner, where it installs the driver, and where the DRA driver looks for it, go together."""
    warnings: list[str] = []
    state = str((bundling.metadata or {}).get("gpuDriverState") or "")
    if state not in ("", "preinstalled", "absent"):
        warnings.append(f"metadata.gpuDriverState is {state!r}; it may be preinstalled or absent, or left out")
    values = bundling.values(component)
    driver, toolkit = (_toggle(values, section) for section in ("driver", "toolkit"))
    unreadable = [each for each in (driver, toolkit) if isinstance(each, str)]
    if unreadable:
        warnings += [
            f"{each}, so the owner of the driver cannot be determined; set true or false" for each in unreadable
        ]
        return [f"{component.name}: {each}" for each in warnings], []
    managed = driver is not False
    if state == "absent" and (not managed or toolkit is False):
        warnings.append(
            "the values leave driver or toolkit to the node (driver.enabled or toolkit.enabled is false), "
            "and the snapshot of this recipe has seen a GPU node without a driver; "
            "provide nodes with one, or set driver.enabled=true and toolkit.enabled=true"
        )
    directory, problem = _install_directory(values)
    if problem:
        warnings.append(problem)
    elif directory == "/":
        warnings.append("hostPaths.driverInstallDir is /, on which no container can mount; name a directory")
    warnings += _dra_driver(bundling, managed, "" if problem else directory)
    return [f"{component.name}: {each}" for each in warnings], []


def nvsentinel_driver_label_detectable(component: Component, bundling: Bundling) -> Finding:
    """Where no driver pod exists, NVSentinel labels no node, and its DaemonSets silently have no pod."""
    operator = bundling.component(*GPU_OPERATORS)
    if operator is None or _toggle(bundling.values(operator), "driver") is not False:
        return _NOTHING  # a driver pod exists; or the toggle cannot be read, which the operator's own function says
    profile = bundling.recipe.profile
    if profile and profile.profile.name == "gpuStack" and profile.value in ("driver-installer", "bundle-installer"):
        return _NOTHING  # the platform's installer is a pod that NVSentinel knows
    values = bundling.values(component)
    readers = {
        "metadataCollector": ("metadata-collector",),
        "syslogHealthMonitor": ("syslog-health-monitor-regular", "syslog-health-monitor-kata"),
    }
    reading = [
        name for key, names in readers.items() if _at(values, "global", key, "enabled") is not False for name in names
    ]
    if not reading or _truthy(_at(values, "labeler", "assumeDriverInstalled")):
        return _NOTHING
    what = (
        f"{component.name}: the driver is left to the node ({operator.name} driver.enabled=false) and no driver pod "
        f"tells of it, so no node gets the label driver.installed and {', '.join(reading)} have no pod; "
        f"add --set {component.name}:labeler.assumeDriverInstalled=true"
    )
    return [what], []


def nvsentinel_runtime_class_coherence(component: Component, bundling: Bundling) -> Finding:
    """The collector's pods name a RuntimeClass, which the GPU operator makes: admission refuses any other name."""
    operator = bundling.component(*GPU_OPERATORS)
    if operator is None:
        return _NOTHING
    values = bundling.values(component)
    if _at(values, "global", "metadataCollector", "enabled") is False:
        return _NOTHING
    made = _at(bundling.values(operator), "operator", "runtimeClass")
    wanted = _at(values, "metadata-collector", "runtimeClassName")
    made = RUNTIME_CLASS if made in (_ABSENT, "") else made
    wanted = RUNTIME_CLASS if wanted is _ABSENT else wanted
    if not isinstance(made, str) or not isinstance(wanted, str) or wanted in ("", made):
        return _NOTHING  # what is no text fails to install by itself; a pod without the field is always admitted
    what = (
        f"{component.name}: metadata-collector.runtimeClassName is {wanted!r}, and {operator.name} creates the "
        f"RuntimeClass {made!r}, so every pod of the collector is rejected; "
        f"add --set {component.name}:metadata-collector.runtimeClassName={made}"
    )
    return [what], []


def mariadb_operator_ownership_coherence(component: Component, bundling: Bundling) -> Finding:
    """Whether a database operator of somebody else may be there already, as the snapshot of the recipe has seen it."""
    accounting = bundling.recipe.configuration.get("slurm", {}).get("accounting", {})
    if accounting.get("mode") != "aicr-provided":
        return _NOTHING
    of, again = component.name, "resolve the recipe from a snapshot of the cluster"
    match str((bundling.metadata or {}).get("mariaDBOperatorState") or ""):
        case "absent":
            return _NOTHING
        case "":
            return [f"{of}: no snapshot says whether the cluster has a MariaDB operator already; {again}"], []
        case "api-detected":
            return [f"{of}: the cluster serves MariaDB's API already, without resources; see that no operator runs"], []
        case "crs-detected":
            return [], [
                f"{of}: the cluster has MariaDB resources already, and a second operator would compete for them"
            ]
        case "unknown":
            return [], [f"{of}: it could not be determined whether the cluster has a MariaDB operator; {again}"]
        case other:
            return [], [f"{of}: metadata.mariaDBOperatorState is {other!r}, which is not known; {again}"]


FUNCTIONS: Mapping[str, Function] = {
    "CheckWorkloadSelectorMissing": workload_selector_missing,
    "CheckAcceleratedSelectorMissing": accelerated_selector_missing,
    "CheckHostMofedWithoutNetworkOperator": host_mofed_without_network_operator,
    "CheckWildcardAcceleratedToleration": wildcard_accelerated_toleration,
    "CheckDriverOwnershipCoherence": driver_ownership_coherence,
    "CheckNVSentinelDriverLabelDetectable": nvsentinel_driver_label_detectable,
    "CheckNVSentinelRuntimeClassCoherence": nvsentinel_runtime_class_coherence,
    "CheckMariaDBOperatorOwnershipCoherence": mariadb_operator_ownership_coherence,
}


def _dra_driver(bundling: Bundling, managed: bool, directory: str) -> list[str]:
    """What is wrong with the driver root of the DRA driver; `directory` is empty where it is not known."""
    driver = bundling.component(*DRA_DRIVERS)
    if driver is None:
        return []
    root = _at(bundling.values(driver), "nvidiaDriverRoot")
    of = f"{driver.name} nvidiaDriverRoot"
    if root is _ABSENT:
        root = "/"  # the chart's default
    if not isinstance(root, str) or not root.startswith("/"):
        return [f"{of} is {root!r}, expected an absolute path"]
    root = posixpath.normpath(root)
    if managed and directory and root != directory:
        fix = f"add --set {driver.name}:nvidiaDriverRoot={directory}"
        return [f"the operator installs the driver to {directory}, and {of} is {root}; {fix}"]
    if not managed and root == DRIVER_ROOT:
        return [f"driver.enabled is false, and {of} is {root}, which is then empty; name the node's driver root"]
    return []


def _install_directory(values: Mapping[str, Any]) -> tuple[str, str]:
    """hostPaths.driverInstallDir, or what is wrong with it."""
    paths = values.get("hostPaths", {})
    if not isinstance(paths, Mapping):
        return "", f"hostPaths is {paths!r}, expected a mapping"
    directory = paths.get("driverInstallDir", "")
    if not isinstance(directory, str) or (directory and not directory.startswith("/")):
        return "", f"hostPaths.driverInstallDir is {directory!r}, expected an absolute path"
    return posixpath.normpath(directory) if directory else DRIVER_ROOT, ""


def _toggle(values: Mapping[str, Any], section: str) -> bool | str | None:
    """`section.enabled`; None where it is not set, and what is wrong with it where it is no boolean."""
    part = values.get(section, {})
    if not isinstance(part, Mapping):
        return f"{section} is {part!r}, expected a mapping"
    enabled = part.get("enabled", _ABSENT)
    if enabled is _ABSENT:
        return None
    return enabled if isinstance(enabled, bool) else f"{section}.enabled is {enabled!r}, expected true or false"


def _at(values: Any, *path: str) -> Any:
    for step in path:
        values = values.get(step, _ABSENT) if isinstance(values, Mapping) else _ABSENT
    return values


def _truthy(value: Any) -> bool:
    """As a template's `if` sees it."""
    return value is not _ABSENT and bool(value)
