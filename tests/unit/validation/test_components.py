"""Validations of components as a bundle is made: conditions, severities, and every branch of every function."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.__main__ import run
from harness.errors import DataError
from harness.exits import Exit
from harness.recipes.load import Catalog
from harness.recipes.model import ComponentValidation, Criteria, Recipe
from harness.recipes.overrides import packaged
from harness.recipes.resolve import resolve
from harness.recipes.values import NodePlacement, parse_set
from harness.validation.component_checks import FUNCTIONS
from harness.validation.components import Bundling, applies, of_recipe, validate_components
from tests.fakes.recipes import REAL, Data, needs_real_data, ref

NEWER = REAL.parent.parent / "aicr-recipes-2026-08" / "recipes"
NOWHERE = NodePlacement({}, (), {}, ())


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No function needs a network, so none has one."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a component validation opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def recipe(
    root: Path,
    components: dict[str, dict[str, Any]],
    validations: dict[str, list[dict[str, Any]]] | None = None,
    criteria: dict[str, str] | None = None,
) -> Recipe:
    """A recipe of components with these overrides, whose registry has these validations."""
    data = Data(root)
    helm = {"defaultRepository": "", "defaultNamespace": "n"}
    data.registry(
        *({"name": name, "helm": helm, "validations": (validations or {}).get(name, [])} for name in components)
    )
    refs = [ref(name, **({"overrides": overrides} if overrides else {})) for name, overrides in components.items()]
    data.overlay("x", {"componentRefs": refs, "criteria": {"service": "eks", **(criteria or {})}})
    return resolve(data.load(), "x")


def found(function: str, component: str, bundling: Bundling) -> tuple[list[str], list[str]]:
    looked = bundling.component(component)
    assert looked is not None
    return FUNCTIONS[function](looked, bundling)


# Conditions and severities


@pytest.mark.parametrize(
    ("conditions", "criteria", "holds"),
    [
        ({}, {}, True),
        ({"service": ("aks",)}, {"service": "aks"}, True),
        ({"service": ("aks",)}, {"service": "eks"}, False),
        ({"service": ("aks", "eks")}, {"service": "eks"}, True),
        ({"service": ("aks",), "intent": ("training",)}, {"service": "aks", "intent": "inference"}, False),
        ({"service": ("aks",), "intent": ("training",)}, {"service": "aks", "intent": "training"}, True),
        ({"service": ("aks",)}, {}, True),
        ({"service": ("any",)}, {}, True),
        ({"service": ("any",)}, {"service": "aks"}, False),
    ],
)
def test_conditions_hold_for_every_criterion_with_any_of_its_values(
    conditions: dict[str, tuple[str, ...]], criteria: dict[str, str], holds: bool
) -> None:
    """A generic criterion of the recipe matches every value; `any` matches a generic one alone."""
    assert applies(ComponentValidation("f", conditions=conditions), replace(Criteria(), **cast(Any, criteria))) is holds


@pytest.mark.parametrize(
    ("severity", "warnings", "errors", "notes", "failed"),
    [
        ("warning", ["a"], [], ("Warning: a. do",), ""),
        ("info", ["a"], [], ("Info: a. do",), ""),
        ("error", ["a"], [], (), "a. do"),
        ("warning", [], ["b"], (), "do: b"),
        ("info", [], ["b"], (), "do: b"),
        ("error", ["a"], ["b"], (), "a. do\n  do: b"),
        ("error", [], [], (), ""),
    ],
)
def test_a_severity_decides_what_becomes_of_a_warning(
    tmp_path: Path, severity: str, warnings: list[str], errors: list[str], notes: tuple[str, ...], failed: str
) -> None:
    """An error makes an error of it, info a note; an error of the function is always one. The message is added."""
    validation = {"function": "f", "severity": severity, "message": "do"}
    bundling = of_recipe(recipe(tmp_path, {"a": {}}, {"a": [validation]}))
    functions = {"f": lambda component, bundling: (warnings, errors)}
    if failed:
        with pytest.raises(DataError) as caught:
            validate_components(bundling, functions)
        assert failed in caught.value.what
        assert "registry.yaml:" in caught.value.where
    else:
        assert validate_components(bundling, functions) == notes


def test_an_unknown_function_is_refused_whatever_its_conditions(tmp_path: Path) -> None:
    """It could only be skipped silently."""
    validation = {"function": "CheckWorkloadSelector", "conditions": {"service": ["aks"]}}
    with pytest.raises(DataError, match="unknown validation function 'CheckWorkloadSelector'") as caught:
        validate_components(of_recipe(recipe(tmp_path, {"a": {}}, {"a": [validation]})))
    assert "did you mean CheckWorkloadSelectorMissing" in caught.value.do


@pytest.mark.parametrize(
    ("validation", "what"),
    [
        ({"function": "f", "when": {}}, "unknown field 'when'"),
        ({"function": "f", "conditions": {"cloud": ["aks"]}}, "unknown field 'cloud'"),
        ({"function": "f", "conditions": {"service": []}}, "condition service has no values"),
        ({"function": "f", "severity": "fatal"}, "severity is 'fatal'"),
        ({"severity": "error"}, "function is missing"),
    ],
)
def test_a_validation_with_an_unknown_key_is_refused_as_the_registry_is_read(
    tmp_path: Path, validation: dict[str, Any], what: str
) -> None:
    """With its line."""
    with pytest.raises(DataError, match=what):
        recipe(tmp_path, {"a": {}}, {"a": [validation]})


# Functions


@pytest.mark.parametrize("given", [True, False])
def test_a_missing_workload_selector_is_a_warning(tmp_path: Path, given: bool) -> None:
    """The component is there, and nothing says where workloads run."""
    bundling = replace(of_recipe(recipe(tmp_path, {"a": {}})), workload_selector=given)
    expected = [] if given else ["a is enabled but --workload-selector is not set"]
    assert found("CheckWorkloadSelectorMissing", "a", bundling) == (expected, [])


@pytest.mark.parametrize("given", [True, False])
def test_a_missing_accelerated_selector_is_a_warning(tmp_path: Path, given: bool) -> None:
    """A simulated run always gives one."""
    bundling = of_recipe(recipe(tmp_path, {"a": {}}))
    bundling = bundling if given else replace(bundling, placement=NOWHERE)
    expected = [] if given else ["a is enabled but --accelerated-node-selector is not set"]
    assert found("CheckAcceleratedSelectorMissing", "a", bundling) == (expected, [])


@pytest.mark.parametrize(
    ("sets", "warned"),
    [
        ([], False),
        (["network-operator:enabled=false"], True),
        (["network-operator:enabled=false", "gpu-operator:driver.rdma.useHostMofed=false"], False),
        (["network-operator:enabled=false", "gpu-operator:driver.rdma.useHostMofed=true"], True),
        (["gpu-operator:driver.rdma.useHostMofed=true"], False),
    ],
)
def test_host_mofed_without_a_network_operator_is_a_warning(tmp_path: Path, sets: list[str], warned: bool) -> None:
    """Where an override takes the network operator out, and none sets useHostMofed to false."""
    made = recipe(tmp_path, {"gpu-operator": {}, "network-operator": {}})
    bundling = of_recipe(made, [parse_set(text) for text in sets])
    warnings, errors = found("CheckHostMofedWithoutNetworkOperator", "gpu-operator", bundling)
    assert (bool(warnings), errors) == (warned, [])
    assert all("network-operator is disabled but driver.rdma.useHostMofed" in each for each in warnings)


@pytest.mark.parametrize(
    ("tolerations", "warned"),
    [
        ([{"key": "nvidia.com/gpu", "operator": "Exists"}], False),
        ([{"key": "nvidia.com/gpu"}, {"operator": "Exists"}], True),
        ([{"key": "", "operator": "Exists"}], True),
        ([], True),
    ],
)
def test_a_toleration_of_everything_is_a_warning(tmp_path: Path, tolerations: list[Any], warned: bool) -> None:
    """None at all counts as one: templates then write it themselves."""
    bundling = replace(of_recipe(recipe(tmp_path, {"a": {}})), placement=NodePlacement({}, (), {}, tolerations))
    warnings, errors = found("CheckWildcardAcceleratedToleration", "a", bundling)
    assert (bool(warnings), errors) == (warned, [])


OWNED = "CheckDriverOwnershipCoherence"


@pytest.mark.parametrize(
    ("operator", "driver", "state", "warnings"),
    [
        ({}, None, "", []),
        ({}, None, "absent", []),
        ({}, None, "Absent", ["metadata.gpuDriverState is 'Absent'"]),
        ({"driver": {"enabled": False}}, None, "preinstalled", []),
        ({"driver": {"enabled": False}}, None, "absent", ["GPU node without a driver"]),
        ({"toolkit": {"enabled": False}}, None, "absent", ["GPU node without a driver"]),
        ({"driver": {"enabled": "false"}}, None, "absent", ["driver.enabled is 'false', expected true or false"]),
        ({"driver": []}, None, "", ["driver is [], expected a mapping"]),
        ({"toolkit": {"enabled": None}}, None, "", ["toolkit.enabled is None, expected true or false"]),
        ({"hostPaths": {"driverInstallDir": "/"}}, None, "", ["driverInstallDir is /"]),
        ({"hostPaths": {"driverInstallDir": "//"}}, None, "", []),
        ({"hostPaths": {"driverInstallDir": "run"}}, {}, "", ["driverInstallDir is 'run', expected an absolute path"]),
        ({"hostPaths": {"driverInstallDir": 1}}, None, "", ["driverInstallDir is 1, expected an absolute path"]),
        ({"hostPaths": "/"}, None, "", ["hostPaths is '/', expected a mapping"]),
        ({"hostPaths": {"driverInstallDir": ""}}, {"nvidiaDriverRoot": "/run/nvidia/driver"}, "", []),
        ({}, {"nvidiaDriverRoot": "/run/nvidia/driver/"}, "", []),
        ({}, {}, "", ["installs the driver to /run/nvidia/driver, and nvidia-dra-driver-gpu nvidiaDriverRoot is /"]),
        ({}, {"nvidiaDriverRoot": "/elsewhere"}, "", ["nvidiaDriverRoot is /elsewhere"]),
        ({}, {"nvidiaDriverRoot": "run"}, "", ["nvidiaDriverRoot is 'run', expected an absolute path"]),
        ({}, {"nvidiaDriverRoot": ""}, "", ["nvidiaDriverRoot is '', expected an absolute path"]),
        ({"driver": {"enabled": False}}, {"nvidiaDriverRoot": "/"}, "", []),
        ({"driver": {"enabled": False}}, {}, "", []),
        ({"driver": {"enabled": False}}, {"nvidiaDriverRoot": "/run/nvidia/driver"}, "", ["which is then empty"]),
    ],
)
def test_the_drivers_owner_and_its_places_go_together(
    tmp_path: Path,
    operator: dict[str, Any],
    driver: dict[str, Any] | None,
    state: str,
    warnings: list[str],
) -> None:
    """By the final values; what cannot be read is a finding, and nothing is guessed beside it."""
    components = {"gpu-operator": operator} | ({"nvidia-dra-driver-gpu": driver} if driver is not None else {})
    bundling = replace(of_recipe(recipe(tmp_path, components)), metadata={"gpuDriverState": state})
    told, errors = found(OWNED, "gpu-operator", bundling)
    assert errors == []
    assert len(told) == len(warnings), told
    assert all(part in each for part, each in zip(warnings, told, strict=True)), told


def test_an_override_counts_as_it_does_in_the_bundle(tmp_path: Path) -> None:
    """The values that are looked at are those that are bundled."""
    made = recipe(tmp_path, {"gpu-operator": {}, "nvidia-dra-driver-gpu": {}})
    fixed = parse_set("nvidia-dra-driver-gpu:nvidiaDriverRoot=/run/nvidia/driver")
    assert found(OWNED, "gpu-operator", of_recipe(made))[0]
    assert found(OWNED, "gpu-operator", of_recipe(made, [fixed])) == ([], [])


LABEL = "CheckNVSentinelDriverLabelDetectable"
LEFT_TO_THE_NODE = {"driver": {"enabled": False}}
OFF = {"enabled": False}


@pytest.mark.parametrize(
    ("operator", "sentinel", "warned"),
    [
        (None, {}, ""),
        ({}, {}, ""),
        ({"driver": {"enabled": "no"}}, {}, ""),
        (LEFT_TO_THE_NODE, {}, "metadata-collector, syslog-health-monitor-regular, syslog-health-monitor-kata have"),
        (LEFT_TO_THE_NODE, {"labeler": {"assumeDriverInstalled": True}}, ""),
        (LEFT_TO_THE_NODE, {"labeler": {"assumeDriverInstalled": False}}, "assumeDriverInstalled=true"),
        (LEFT_TO_THE_NODE, {"global": {"metadataCollector": OFF, "syslogHealthMonitor": OFF}}, ""),
        (
            LEFT_TO_THE_NODE,
            {"global": {"syslogHealthMonitor": OFF}},
            "label driver.installed and metadata-collector have",
        ),
    ],
)
def test_nvsentinel_needs_a_driver_pod_or_to_be_told(
    tmp_path: Path, operator: dict[str, Any] | None, sentinel: dict[str, Any], warned: str
) -> None:
    """Only where the driver is left to the node, and something reads the label."""
    components = {"nvsentinel": sentinel} | ({"gpu-operator": operator} if operator is not None else {})
    warnings, errors = found(LABEL, "nvsentinel", of_recipe(recipe(tmp_path, components)))
    assert errors == []
    assert bool(warnings) == bool(warned)
    assert all(warned in each for each in warnings)


CLASS = "CheckNVSentinelRuntimeClassCoherence"


@pytest.mark.parametrize(
    ("operator", "sentinel", "warned"),
    [
        (None, {"metadata-collector": {"runtimeClassName": "x"}}, False),
        ({}, {}, False),
        ({"operator": {"runtimeClass": "other"}}, {}, True),
        ({"operator": {"runtimeClass": "other"}}, {"metadata-collector": {"runtimeClassName": "other"}}, False),
        ({"operator": {"runtimeClass": "other"}}, {"metadata-collector": {"runtimeClassName": ""}}, False),
        ({"operator": {"runtimeClass": ""}}, {"metadata-collector": {"runtimeClassName": "nvidia"}}, False),
        ({}, {"metadata-collector": {"runtimeClassName": "other"}}, True),
        ({"operator": {"runtimeClass": 1}}, {}, False),
        ({"operator": {"runtimeClass": "other"}}, {"global": {"metadataCollector": OFF}}, False),
    ],
)
def test_nvsentinels_runtime_class_is_the_operators(
    tmp_path: Path, operator: dict[str, Any] | None, sentinel: dict[str, Any], warned: bool
) -> None:
    """Either side that is not set is the charts' default."""
    components = {"nvsentinel": sentinel} | ({"gpu-operator": operator} if operator is not None else {})
    warnings, errors = found(CLASS, "nvsentinel", of_recipe(recipe(tmp_path, components)))
    assert (bool(warnings), errors) == (warned, [])


@pytest.mark.parametrize(
    ("mode", "state", "warned", "failed"),
    [
        ("", "crs-detected", False, False),
        ("customer-managed", "crs-detected", False, False),
        ("aicr-provided", "", True, False),
        ("aicr-provided", "absent", False, False),
        ("aicr-provided", "api-detected", True, False),
        ("aicr-provided", "crs-detected", False, True),
        ("aicr-provided", "unknown", False, True),
        ("aicr-provided", "Absent", False, True),
    ],
)
def test_a_second_database_operator_is_refused_where_one_is_known(
    tmp_path: Path, mode: str, state: str, warned: bool, failed: bool
) -> None:
    """Only where the recipe brings its own; without a snapshot it is a warning."""
    made = recipe(tmp_path, {"mariadb-operator": {}})
    configuration = {"slurm": {"accounting": {"mode": mode}}} if mode else {}
    bundling = replace(
        of_recipe(made),
        recipe=replace(made, configuration=configuration),
        metadata={"mariaDBOperatorState": state} if state else {},
    )
    warnings, errors = found("CheckMariaDBOperatorOwnershipCoherence", "mariadb-operator", bundling)
    assert (bool(warnings), bool(errors)) == (warned, failed)


# All of it


@needs_real_data
@pytest.mark.parametrize("directory", [REAL, NEWER], ids=["2026-05", "2026-08"])
def test_every_real_recipe_passes_its_components_validations(directory: Path) -> None:
    """Each function that a registry names is known, and none finds anything in a run's bundles."""
    catalog = Catalog.load(directory)
    named = {each.function for entry in catalog.registry.values() for each in entry.validations}
    assert named
    assert named <= set(FUNCTIONS)
    for name in catalog.testable():
        assert validate_components(of_recipe(resolve(catalog, name), packaged())) == ()


def test_a_bundle_is_refused_by_a_validation_of_severity_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bundle` runs them, and writes nothing; a warning is printed, and the bundle is made."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    validation = {"function": "CheckWorkloadSelectorMissing", "severity": "error", "message": "Set it"}
    recipe(tmp_path, {"a": {}}, {"a": [validation]})
    words = ["-o", f"recipes={tmp_path / 'recipes'}", "bundle", "x", "-d", "helm", "--output", str(tmp_path / "out")]
    assert run(words) is Exit.SETTINGS
    assert "a is enabled but --workload-selector is not set. Set it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    validation["severity"] = "warning"
    recipe(tmp_path, {"a": {}}, {"a": [validation]})
    assert run(words) is Exit.OK
    assert "Warning: a is enabled but --workload-selector is not set. Set it" in capsys.readouterr().err
    assert (tmp_path / "out").is_dir()
