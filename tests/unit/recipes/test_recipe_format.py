"""The format of today beside the one before: versions, profiles, and what is different in how overlays add up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import DataError
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.recipes.values import NodePlacement, component_values
from tests.fakes.recipes import Data, ref

CURRENT, WITH_PROFILE = "aicr.run/v1alpha2", "aicr.run/v1alpha3"


class Today(Data):
    """A data directory in today's format."""

    def _document(self, path: str, kind: str, body: dict[str, Any]) -> Path:
        version = WITH_PROFILE if "profile" in body.get("spec", {}) else CURRENT
        return self.file(path, yaml.safe_dump({"apiVersion": version, "kind": kind, **body}, sort_keys=False))


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "helm": {"defaultRepository": "", "defaultNamespace": name}, **more}


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


NEWER: dict[str, Callable[[Today], Any]] = {
    "field of an overlay": lambda data: data.overlay("x", {"componentRefs": [ref("a")], "policies": []}),
    "field of a component": lambda data: data.overlay("x", {"componentRefs": [ref("a", waves=3)]}),
    "field of the registry": lambda data: data.registry(entry("a", colour="red")),
    "version": lambda data: change(data.directory / "overlays" / "x.yaml", CURRENT, "aicr.run/v1beta1"),
}


@pytest.mark.parametrize("newer", NEWER.values(), ids=NEWER)
def test_what_a_newer_format_has_is_an_error_unless_it_may_be_left_out(
    tmp_path: Path, newer: Callable[[Today], Any]
) -> None:
    """The error says which versions are known here; --lenient reads on, with a note that names the place."""
    data = Today(tmp_path, "a")
    data.overlay("x", {"componentRefs": [ref("a")]})
    newer(data)
    with pytest.raises(DataError, match=r"versions aicr\.nvidia\.com/v1alpha1, aicr\.run/v1alpha2") as caught:
        data.load()
    assert "--lenient" in caught.value.do
    catalog = Catalog.load(data.directory, lenient=True)
    assert len(catalog.notes) == 1
    assert catalog.notes[0].startswith(caught.value.where)
    assert [c.name for c in resolve(catalog, "x").components] == ["a"]


def test_a_lenient_reading_still_refuses_what_is_wrong(tmp_path: Path) -> None:
    """Only what is unknown is left out."""
    data = Today(tmp_path, "a")
    data.overlay("x", {"componentRefs": [ref("a", version=[1])]})
    with pytest.raises(DataError, match="version must be text"):
        Catalog.load(data.directory, lenient=True)


PROFILE: dict[str, Any] = {
    "name": "gpuStack",
    "default": "managed",
    "values": {
        "managed": {
            "advertiser": "external",
            "componentRefs": [{"name": "a", "overrides": {"driver": {"enabled": False}}}],
            "constraints": [{"name": "GPU.driver", "value": "Install", "remediation": "install it"}],
        },
        "own": {"componentRefs": [{"name": "a", "overrides": {"driver": {"enabled": True}}}]},
    },
}


def test_the_default_of_a_profile_is_part_of_the_recipe(tmp_path: Path) -> None:
    """Its values come over all overlays, its constraints are the recipe's, and the document says what was chosen."""
    data = Today(tmp_path, "a")
    data.overlay("service", {"profile": PROFILE, "componentRefs": [ref("a", overrides={"driver": {"version": "1"}})]})
    data.overlay("x", {"base": "service", "componentRefs": [{"name": "a", "overrides": {"driver": {"enabled": True}}}]})
    recipe = resolve(data.load(), "x")
    assert recipe.components[0].overrides == {"driver": {"version": "1", "enabled": False}}
    document = recipe.document()
    assert document["apiVersion"] == WITH_PROFILE
    assert document["constraints"] == [{"name": "GPU.driver", "value": "Install", "remediation": "install it"}]
    assert document["metadata"]["selectedProfile"] == {
        "name": "gpuStack",
        "value": "managed",
        "advertiser": "external",
        "ownedPaths": {"a": ["driver.enabled", "enabled"]},
    }


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("default",), "other", "default is 'other'"),
        (("values", "own", "componentRefs"), [], "value own does not set the same paths as managed"),
        (("values", "own", "advertiser"), "me", "advertiser is 'me'"),
        (("values", "own", "componentRefs"), [{"name": "a", "overrides": {"enabled": False}}], "cannot switch"),
        (("values", "managed", "constraints"), [{"name": "K", "value": "1"}], "constraint 'K' exists already"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused(tmp_path: Path, path: tuple[str, ...], value: Any, what: str) -> None:
    """Each choice sets the same paths, and none takes a component away."""
    profile = yaml.safe_load(yaml.safe_dump(PROFILE))
    place = profile
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    data = Today(tmp_path, "a")
    data.overlay("x", {"profile": profile, "componentRefs": [ref("a")], "constraints": [{"name": "K", "value": "2"}]})
    with pytest.raises(DataError, match=what) as caught:
        resolve(data.load(), "x")
    assert "x.yaml:" in caught.value.where


def test_a_profile_has_a_version_of_its_own(tmp_path: Path) -> None:
    """v1alpha2 has none, and v1alpha3 is for nothing else."""
    data = Today(tmp_path, "a")
    change(data.overlay("x", {"profile": PROFILE, "componentRefs": [ref("a")]}), WITH_PROFILE, CURRENT)
    with pytest.raises(DataError, match="there is a profile"):
        data.load()
    change(data.overlay("x", {"componentRefs": [ref("a")]}), CURRENT, WITH_PROFILE)
    with pytest.raises(DataError, match="there is no profile"):
        data.load()


def test_a_profile_needs_its_components(tmp_path: Path) -> None:
    """One that is disabled would leave the choice without effect."""
    data = Today(tmp_path, "a", "b")
    data.overlay("x", {"profile": PROFILE, "componentRefs": [ref("b"), ref("a", overrides={"enabled": False})]})
    with pytest.raises(DataError, match="profile gpuStack needs component 'a'"):
        resolve(data.load(), "x")


def test_slurm_keeps_no_accounts_unless_it_is_told_to(tmp_path: Path) -> None:
    """As in the reference: the database stays in the recipe, is not installed, and accounting is off."""
    names = ("slinky-slurm", "mariadb-operator-crds", "mariadb-operator", "slurm-accounting-mariadb")
    data = Today(tmp_path, *names)
    refs = [ref(names[0], dependencyRefs=[names[3]]), *(ref(name) for name in names[1:])]
    data.overlay("x", {"criteria": {"service": "eks", "platform": "slurm"}, "componentRefs": refs})
    recipe = resolve(data.load(), "x")
    assert [c.name for c in recipe.components] == ["slinky-slurm"]
    assert recipe.components[0].overrides == {"accounting": {"enabled": False}}
    assert {c.name: c.overrides for c in recipe.disabled} == {name: {"install": False} for name in names[1:]}
    assert recipe.document()["configuration"] == {"slurm": {"accounting": {"mode": "disabled"}}}
    assert len(recipe.document()["componentRefs"]) == 4


@pytest.mark.parametrize("make", [Data, Today])
def test_install_is_a_gate_since_today(tmp_path: Path, make: type[Data]) -> None:
    """`install: false` takes a component out in today's format; before, it was a value like any other."""
    data = make(tmp_path, "a", "b")
    data.overlay("x", {"componentRefs": [ref("a", overrides={"install": False}), ref("b")]})
    assert len(resolve(data.load(), "x").components) == (2 if make is Data else 1)


@pytest.mark.parametrize(("make", "applies"), [(Data, False), (Today, True)])
def test_the_number_of_nodes_selects_no_more(tmp_path: Path, make: type[Data], applies: bool) -> None:
    """An overlay for eight nodes adds to recipes of any number in today's format."""
    data = make(tmp_path, "a")
    data.overlay("eight", {"criteria": {"service": "eks", "nodes": 8}})
    data.overlay("x", {"criteria": {"service": "eks", "intent": "training"}, "componentRefs": [ref("a")]})
    assert ("eight" in resolve(data.load(), "x").applied) == applies


PHASES = {"checks": ["p", "q"], "constraints": [{"name": "c", "value": "1"}, {"name": "d", "value": "1"}]}
OVER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "add up": (
        {"checks": ["q", "r"], "constraints": [{"name": "c", "value": "2"}]},
        {"checks": ["p", "q", "r"], "constraints": [{"name": "c", "value": "2"}, {"name": "d", "value": "1"}]},
    ),
    "empty lists clear": ({"checks": [], "constraints": []}, {}),
    "nothing keeps": ({"timeout": "5m"}, {**PHASES, "timeout": "5m"}),
}


@pytest.mark.parametrize(("over", "merged"), OVER.values(), ids=OVER)
def test_validation_phases_add_up_since_today(tmp_path: Path, over: dict[str, Any], merged: dict[str, Any]) -> None:
    """Before, the phase of a later overlay replaced that of an earlier one; an empty list still switches off."""
    for make, expected in ((Today, merged), (Data, {key: value for key, value in over.items() if value})):
        data = make(tmp_path / make.__name__, "a")
        data.overlay("base", {"componentRefs": [ref("a")], "validation": {"deployment": PHASES}})
        data.overlay("x", {"validation": {"deployment": over}})
        assert resolve(data.load(), "x").document()["validation"] == {"deployment": expected}


def test_manifests_of_the_registry_are_for_components_without_any(tmp_path: Path) -> None:
    """A reference that names manifests of its own has those alone."""
    data = Today(tmp_path)
    data.file("manifests/more.yaml", "")
    data.registry(entry("a", manifestFiles=["manifests/more.yaml"]), entry("b", manifestFiles=["manifests/more.yaml"]))
    data.overlay("x", {"componentRefs": [{"name": "a"}, ref("b")]})
    files = {c.name: c.manifest_files for c in resolve(data.load(), "x").components}
    assert files == {"a": ("manifests/more.yaml",), "b": ("manifests/some.yaml",)}
    data.registry(entry("a", manifestFiles=["manifests/none.yaml"]), entry("b"))
    with pytest.raises(DataError, match=r"none.yaml"):
        data.load()


def test_a_skipped_health_check_stays_skipped(tmp_path: Path) -> None:
    """Set once on the chain, it holds for all that are based on it."""
    data = Today(tmp_path, "a")
    data.overlay("under", {"componentRefs": [ref("a", healthCheckSkip=True)]})
    data.overlay("x", {"base": "under", "componentRefs": [{"name": "a", "healthCheckSkip": False}]})
    assert resolve(data.load(), "x").document()["componentRefs"][0]["healthCheckSkip"] is True


TOLERATION = {"key": "mine", "operator": "Exists"}
RUN = NodePlacement({"kind": "system"}, [{"key": "run"}], {}, [])


@pytest.mark.parametrize(
    ("overrides", "placed"),
    [
        ({}, {"selector": {"kind": "system"}, "tolerations": [{"key": "run"}]}),
        ({"tolerations": [TOLERATION]}, {"selector": {"kind": "system"}, "tolerations": [TOLERATION, {"key": "run"}]}),
        ({"tolerations": [], "selector": {}}, {"selector": {}, "tolerations": []}),
        ({"selector": {"mine": "a"}}, {"selector": {"kind": "system"}, "tolerations": [{"key": "run"}]}),
    ],
)
def test_what_an_overlay_says_of_placement_is_respected(
    tmp_path: Path, overrides: dict[str, Any], placed: dict[str, Any]
) -> None:
    """Tolerations of an overlay are kept before those of the run, and what it leaves empty stays empty."""
    paths = {"system": {"nodeSelectorPaths": ["selector"], "tolerationPaths": ["tolerations"]}}
    data = Today(tmp_path)
    data.registry(entry("a", nodeScheduling=paths))
    data.overlay("x", {"componentRefs": [ref("a", overrides=overrides)]})
    recipe = resolve(data.load(), "x")
    assert component_values(recipe, recipe.components[0], (), RUN) == placed


def test_values_that_follow_from_other_components_are_worked_out(tmp_path: Path) -> None:
    """The DRA driver's pods carry the operator's version; a gateway without sources gets the private ones."""
    data = Today(tmp_path, "gpu-operator", "nvidia-dra-driver-gpu", "agentgateway")
    given = {"controller": {"podAnnotations": {"mine": "1"}}}
    data.overlay(
        "x",
        {
            "componentRefs": [
                ref("gpu-operator", version="v26.3.3"),
                ref("nvidia-dra-driver-gpu", overrides=given),
                ref("agentgateway"),
            ]
        },
    )
    recipe = resolve(data.load(), "x")
    values = {c.name: component_values(recipe, c, (), NodePlacement({}, [], {}, [])) for c in recipe.components}
    version = {"aicr.run/gpu-operator-chart-version": "v26.3.3"}
    assert values["nvidia-dra-driver-gpu"] == {
        "controller": {"podAnnotations": {"mine": "1", **version}},
        "kubeletPlugin": {"podAnnotations": version},
    }
    assert values["agentgateway"] == {"allowedSourceRanges": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]}
    assert values["gpu-operator"] == {}
