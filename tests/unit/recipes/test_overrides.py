"""Overrides for simulated nodes: from the package and from a user's file, each with a reason."""

import re
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.recipes.load import Catalog
from harness.recipes.overrides import load, packaged
from harness.recipes.resolve import resolve
from harness.recipes.values import KWOK_PLACEMENT, check_sets, component_values, parse_set, select
from harness.settings import ROOT
from tests.fakes.recipes import Data, ref


def file(directory: Path, text: str) -> Path:
    path = directory / "overrides.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def entries(*sets: str) -> str:
    return "overrides:\n" + "".join(f"  - set: {text}\n    reason: because\n" for text in sets)


def test_an_entry_has_its_reason_and_its_place(tmp_path: Path) -> None:
    """What is set is read as `--set` reads it; a reason over several lines is one line."""
    path = file(tmp_path, "overrides:\n  - set: a:x.y=1\n    reason: >-\n      one\n      two\n")
    [override] = load(path)
    assert (override.component, override.path, override.value) == ("a", ("x", "y"), 1)
    assert (override.reason, override.place) == ("one two", f"{path}:2")


@pytest.mark.parametrize(
    ("text", "line", "what", "do"),
    [
        pytest.param("", "", "expected a YAML mapping", "", id="empty"),
        pytest.param("override: []", ":1", "unknown field 'override'", "did you mean overrides?", id="key"),
        pytest.param("overrides: {a: 1}", ":1", "must be a list", "", id="no list"),
        pytest.param("overrides:\n  - a:x=1", ":2", "expected a mapping", "", id="no mapping"),
        pytest.param("overrides:\n  - sets: a:x=1", ":2", "unknown field 'sets'", "did you mean set?", id="field"),
        pytest.param("overrides:\n  - set: a:x=1", ":2", "reason is missing", "", id="no reason"),
        pytest.param("overrides:\n  - reason: why", ":2", "set is missing", "", id="nothing set"),
        pytest.param(
            "overrides:\n  - reason: why\n    set: a.x",
            ":3",
            "is not an override",
            "write component:path=value",
            id="form",
        ),
        pytest.param(entries("a:x=1", "a:y=1", "a:x=2"), ":6", "sets what another entry sets", "", id="twice"),
    ],
)
def test_a_bad_entry_is_one_error_with_file_and_line(tmp_path: Path, text: str, line: str, what: str, do: str) -> None:
    """Read strictly: an entry that is silently ignored would be a chart that nobody configured."""
    path = file(tmp_path, text)
    with pytest.raises(DataError, match=re.escape(what)) as caught:
        load(path)
    assert caught.value.where == f"{path}{line}"
    assert do in caught.value.do


def test_an_unknown_component_is_one_error_with_near_names(tmp_path: Path) -> None:
    """A component is known by its name and by its override keys."""
    path = file(tmp_path, entries("alhpa:x=1"))
    data = Data(tmp_path / "data")
    data.registry({"name": "a", "helm": {}, "valueOverrideKeys": ["alpha"]})
    with pytest.raises(DataError, match="unknown component 'alhpa'") as caught:
        check_sets(data.load(), load(path))
    assert (caught.value.where, caught.value.do) == (f"{path}:2", "did you mean alpha?")


def test_later_entries_win_and_only_those_that_take_effect_are_noted(tmp_path: Path) -> None:
    """The package, then the user's file, then --set; by whatever name of the component, and silent for absent ones."""
    data = Data(tmp_path / "data")
    data.registry({"name": "a", "helm": {}, "valueOverrideKeys": ["alpha"]}, {"name": "b", "helm": {}})
    data.overlay("x", {"componentRefs": [ref("a")]})
    recipe = resolve(data.load(), "x")
    ours = load(file(tmp_path, entries("a:one=1", "alpha:two=1", "a:three=1", "b:x=1")))
    theirs = load(file(tmp_path, entries("a:two=2", "a:three=2")))
    chosen = select(recipe, (*ours, *theirs, parse_set("alpha:three=3")))
    values = component_values(chosen.recipe, chosen.recipe.components[0], chosen.sets, KWOK_PLACEMENT)
    assert values == {"one": 1, "two": 2, "three": 3}
    assert chosen.notes == (
        "set for simulated nodes: a:one=1: because",
        "set for simulated nodes: a:two=2: because",
    )


def test_a_component_that_a_file_switches_off_is_noted_with_the_reason(tmp_path: Path) -> None:
    """And `--set` switches it on again."""
    data = Data(tmp_path / "data", "a", "b")
    data.overlay("x", {"componentRefs": [ref("a"), ref("b")]})
    recipe, off = resolve(data.load(), "x"), load(file(tmp_path, entries("b:enabled=false")))
    chosen = select(recipe, off)
    assert [each.name for each in chosen.recipe.components] == ["a"]
    assert chosen.notes == ("set for simulated nodes: b:enabled=false: because",)
    again = select(recipe, (*off, parse_set("b:enabled=true")))
    assert ([each.name for each in again.recipe.components], again.notes) == (["a", "b"], ())


def test_a_file_that_leaves_nothing_of_a_recipe_is_one_error(tmp_path: Path) -> None:
    """With the entry that took the last component."""
    data = Data(tmp_path / "data", "a")
    data.overlay("x", {"componentRefs": [ref("a")]})
    path = file(tmp_path, entries("a:enabled=false"))
    with pytest.raises(DataError, match="no component left") as caught:
        select(resolve(data.load(), "x"), load(path))
    assert caught.value.where == f"{path}:2"


def test_a_path_through_a_scalar_names_the_entry(tmp_path: Path) -> None:
    """Seen when the values are put together: an error of the file, not of the command line."""
    data = Data(tmp_path / "data", "a")
    data.overlay("x", {"componentRefs": [ref("a", overrides={"base": 1})]})
    recipe = resolve(data.load(), "x")
    path = file(tmp_path, entries("a:base.x=1"))
    with pytest.raises(DataError, match="base is 1, expected a mapping") as caught:
        component_values(recipe, recipe.components[0], load(path))
    assert caught.value.where == f"{path}:2"


def test_every_entry_of_the_package_has_a_reason_and_none_is_about_volumes() -> None:
    """Volumes of simulated nodes are bound, so no entry switches persistence off."""
    assert len(packaged()) == 6
    assert all(each.reason and each.place.startswith(str(ROOT / "kwok" / "overrides.yaml")) for each in packaged())
    assert not [each for each in packaged() if "persistence" in each.path or "fileStore" in each.path]


def test_the_packages_overrides_reach_samples_by_their_keys() -> None:
    """The samples have two of these components: a key that nothing answers to would have no effect."""
    catalog = Catalog.load(ROOT / "kwok" / "recipes")
    notes = select(resolve(catalog, "eks-training"), packaged()).notes
    assert [note.split(": ")[1] for note in notes] == [
        "certmanager:startupapicheck.enabled=false",
        "kubeprometheusstack:defaultRules.create=false",
        "kubeprometheusstack:alertmanager.enabled=false",
    ]
