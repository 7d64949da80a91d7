"""Values: layers, `--set`, and where the run's node placement goes."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.recipes.values import (
    KWOK_PLACEMENT,
    NodePlacement,
    check_sets,
    component_values,
    merge,
    parse_set,
    select,
)
from tests.fakes.recipes import Data, Spec, ref

NOWHERE = NodePlacement({}, [], {}, [])


def recipe(tmp_path: Path, *refs: Spec, **entry: Any) -> Recipe:
    """A recipe of components a, b and c as far as `refs` names them; `entry` is more of the registry's entry for a."""
    data = Data(tmp_path)
    data.registry({"name": "a", "helm": {}, **entry}, *({"name": name, "helm": {}} for name in "bc"))
    data.file("manifests/some.yaml", "")
    data.file("components/a/values.yaml", "base: 1\nboth: {base: 1, over: 1}\nitems: [1, 2]\n")
    data.file("components/a/more.yaml", "both: {over: 2, more: 2}\nitems: [3]\nmore: 2\n")
    data.overlay("x", {"componentRefs": list(refs)})
    return resolve(data.load(), "x")


def values(tmp_path: Path, sets: tuple[str, ...] = (), entry: Spec | None = None, **fields: Any) -> dict[str, Any]:
    found = recipe(tmp_path, ref("a", **fields), **(entry or {}))
    return component_values(found, found.components[0], [parse_set(text) for text in sets], NOWHERE)


def test_the_base_file_comes_first_and_another_values_file_over_it(tmp_path: Path) -> None:
    """Maps merge deeply, lists and scalars replace."""
    assert values(tmp_path, valuesFile="components/a/more.yaml") == {
        "base": 1,
        "both": {"base": 1, "over": 2, "more": 2},
        "items": [3],
        "more": 2,
    }


def test_the_base_file_alone_is_read_once(tmp_path: Path) -> None:
    """A component whose values file is the base file gets just that."""
    found = values(tmp_path, valuesFile="components/a/values.yaml")
    assert found == {"base": 1, "both": {"base": 1, "over": 1}, "items": [1, 2]}


def test_a_component_that_names_no_values_file_has_only_its_overrides(tmp_path: Path) -> None:
    """The base file is the ground for values files, not a value file of its own accord."""
    assert values(tmp_path, overrides={"x": {"y": 1}}) == {"x": {"y": 1}}


def test_set_wins_over_overrides_over_files(tmp_path: Path) -> None:
    """The order of the layers, and of several --set: later wins."""
    found = values(
        tmp_path,
        ("a:both.over=5", "a:new.deep=true", "a:new.deep=false", "b:both.over=6"),
        valuesFile="components/a/more.yaml",
        overrides={"both": {"over": 3, "own": 3}, "more": 3},
    )
    assert found["both"] == {"base": 1, "over": 5, "more": 2, "own": 3}
    assert found["more"] == 3
    assert found["new"] == {"deep": False}


def test_a_later_null_takes_a_key_away(tmp_path: Path) -> None:
    """null drops what an earlier layer has set; below a key that nobody has set it stays for helm to see."""
    found = values(
        tmp_path,
        valuesFile="components/a/values.yaml",
        overrides={"both": {"base": None}, "base": None, "affinity": {"nodeAffinity": None}},
    )
    assert found == {"both": {"over": 1}, "items": [1, 2], "affinity": {"nodeAffinity": None}}


def test_set_null_is_written(tmp_path: Path) -> None:
    """--set x=null reaches the chart, as with helm, where it removes the chart's default."""
    found = values(tmp_path, ("a:base=null",), valuesFile="components/a/values.yaml")
    assert found["base"] is None


def test_a_component_answers_to_its_override_keys(tmp_path: Path) -> None:
    """--set may name a component by any of its registered keys."""
    entry = {"valueOverrideKeys": ["alpha", "al"]}
    assert values(tmp_path, ("al:x=1", "alpha:y=2", "a:z=3"), entry) == {"x": 1, "y": 2, "z": 3}


def test_a_path_through_a_scalar_is_refused(tmp_path: Path) -> None:
    """--set cannot silently replace a value by a map."""
    with pytest.raises(UsageError, match="base is 1, expected a mapping"):
        values(tmp_path, ("a:base.x=1",), valuesFile="components/a/values.yaml")


def test_nothing_is_shared_between_calls(tmp_path: Path) -> None:
    """Whoever changes the values of one call does not change those of the next, nor the recipe."""
    found = recipe(tmp_path, ref("a", overrides={"x": {"y": [1]}}))
    first = component_values(found, found.components[0], (), KWOK_PLACEMENT)
    first["x"]["y"].append(2)
    assert component_values(found, found.components[0], (), KWOK_PLACEMENT) == {"x": {"y": [1]}}


def test_placement_is_not_shared_between_paths(tmp_path: Path) -> None:
    """Each path gets tolerations of its own, and the constant stays as it is."""
    paths = {"system": {"tolerationPaths": ["one", "two"]}}
    found = recipe(tmp_path, ref("a"), nodeScheduling=paths)
    first = component_values(found, found.components[0], (), KWOK_PLACEMENT)
    first["one"].append("more")
    assert first["two"] == KWOK_PLACEMENT.system_tolerations == [FAKE]


PARSED = {
    "true": ("a:x=true", ("x",), True),
    "any case": ("a:x=False", ("x",), False),
    "null": ("a:x=null", ("x",), None),
    "zero": ("a:x=0", ("x",), 0),
    "number": ("a:x=-12", ("x",), -12),
    "leading zero": ("a:x=007", ("x",), "007"),
    "fraction": ("a:x=1.5", ("x",), "1.5"),
    "more than 64 bits": ("a:x=99999999999999999999", ("x",), "99999999999999999999"),
    "empty": ("a:x=", ("x",), ""),
    "equals in the value": ("a:x=y=z", ("x",), "y=z"),
    "colon in the value": ("a:x=http://y", ("x",), "http://y"),
    "path": ("a:x.y.z=v", ("x", "y", "z"), "v"),
    "escaped dot": (r"a:x.y\.z/w=v", ("x", "y.z/w"), "v"),
    "several lines": ("a:x=1\n2", ("x",), "1\n2"),
}


@pytest.mark.parametrize(("text", "path", "value"), PARSED.values(), ids=PARSED)
def test_set_is_typed_as_helm_types_scalars(text: str, path: tuple[str, ...], value: Any) -> None:
    """true, false, null and whole numbers without a leading zero are typed, all else is text."""
    override = parse_set(text)
    assert (override.component, override.path, override.value, str(override)) == ("a", path, value, text)
    assert type(override.value) is type(value)


@pytest.mark.parametrize(
    "text",
    ["", "x=1", "a:x", "a:=1", ":x=1", "a:x..y=1", "a:.x=1", "a b:x=1", "a:x[0]=1", "a:x={1,2}", "a:enabled=no"],
)
def test_what_is_no_override_is_a_usage_error(text: str) -> None:
    """A mistyped --set is exit 64, and lists are said to be impossible rather than taken for text."""
    with pytest.raises(UsageError):
        parse_set(text)


def test_an_override_for_nobody_is_a_usage_error(tmp_path: Path) -> None:
    """A component that the registry does not know is a typing error, one that the recipe lacks is not."""
    data = Data(tmp_path, "a", "b")
    check_sets(data.load(), [parse_set("a:x=1"), parse_set("b:x=1")])
    with pytest.raises(UsageError, match="unknown component 'c'") as caught:
        check_sets(data.load(), [parse_set("c:x=1")])
    assert caught.value.do == "known: a, b"


def test_an_override_of_an_absent_component_is_left_out_with_a_note(tmp_path: Path) -> None:
    """The rest applies."""
    chosen = select(recipe(tmp_path, ref("a")), [parse_set("b:x=1"), parse_set("a:x=1")])
    assert [str(override) for override in chosen.sets] == ["a:x=1"]
    assert chosen.notes == ("--set b:x=1 left out: x has no component b",)


def test_enabled_false_switches_a_component_off(tmp_path: Path) -> None:
    """The component goes with a note, its dependents no longer wait for it, and no chart gets the word as a value."""
    whole = recipe(tmp_path, ref("a"), ref("b", dependencyRefs=["a", "c"]), ref("c"), valueOverrideKeys=["alpha"])
    chosen = select(whole, [parse_set("alpha:enabled=false"), parse_set("c:enabled=true")])
    assert [(c.name, c.depends_on) for c in chosen.recipe.components] == [("c", ()), ("b", ("c",))]
    assert chosen.notes == ("a switched off by --set alpha:enabled=false",)
    assert component_values(whole, whole.components[0], [parse_set("a:enabled=false")], NOWHERE) == {}


def test_the_last_word_on_enabled_counts(tmp_path: Path) -> None:
    """A later --set takes back an earlier one, under whichever name."""
    sets = [parse_set("alpha:enabled=false"), parse_set("a:enabled=true")]
    chosen = select(recipe(tmp_path, ref("a"), valueOverrideKeys=["alpha"]), sets)
    assert [c.name for c in chosen.recipe.components] == ["a"]


def test_a_recipe_cannot_be_switched_off_altogether(tmp_path: Path) -> None:
    """No component left is an error, not an empty run."""
    with pytest.raises(UsageError, match="no component left"):
        select(recipe(tmp_path, ref("a")), [parse_set("a:enabled=false")])


FAKE = {"key": "kwok.x-k8s.io/node", "operator": "Equal", "value": "fake", "effect": "NoSchedule"}
GPU = {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}
SCHEDULING = {
    "system": {"nodeSelectorPaths": ["operator.nodeSelector"], "tolerationPaths": ["operator.tolerations", "w.t"]},
    "accelerated": {"nodeSelectorPaths": ["daemon.set.nodeSelector"], "tolerationPaths": ["w.t"]},
    "nodeCountPaths": ["count"],
}


def test_placement_is_written_at_the_paths_of_the_registry(tmp_path: Path) -> None:
    """Selectors and tolerations replace what is there, accelerated wins on a shared path, the rest stays."""
    overrides = {
        "operator": {"nodeSelector": {"old": "x"}, "tolerations": [{"operator": "Exists"}], "replicas": 2},
        "daemon": "text",
    }
    found = recipe(tmp_path, ref("a", overrides=overrides), nodeScheduling=SCHEDULING)
    assert component_values(found, found.components[0], (), KWOK_PLACEMENT) == {
        "operator": {
            "nodeSelector": {"aicr.nvidia.com/node-type": "system"},
            "tolerations": [FAKE],
            "replicas": 2,
        },
        "daemon": {"set": {"nodeSelector": {"aicr.nvidia.com/node-type": "accelerated"}}},
        "w": {"t": [GPU, FAKE]},
    }


def test_placement_wins_over_set(tmp_path: Path) -> None:
    """Where pods go is the run's business; --set of such a path has no effect."""
    found = recipe(tmp_path, ref("a"), nodeScheduling=SCHEDULING)
    sets = [parse_set("a:operator.nodeSelector.x=y")]
    selector = component_values(found, found.components[0], sets, KWOK_PLACEMENT)["operator"]["nodeSelector"]
    assert selector == {"aicr.nvidia.com/node-type": "system"}


def test_an_empty_placement_changes_nothing(tmp_path: Path) -> None:
    """Without selectors and tolerations the paths stay as the recipe has them."""
    found = recipe(tmp_path, ref("a", overrides={"w": {"t": [1]}}), nodeScheduling=SCHEDULING)
    assert component_values(found, found.components[0], (), NOWHERE) == {"w": {"t": [1]}}


LEAVES = st.integers(0, 5) | st.lists(st.integers(0, 5), max_size=2)
SHAPE = st.fixed_dictionaries({}, optional={"p": LEAVES, "q": LEAVES})
MAPS = st.fixed_dictionaries({}, optional={"x": SHAPE, "y": SHAPE, "z": LEAVES})


@given(a=MAPS, b=MAPS, c=MAPS)
def test_merging_maps_of_one_shape_is_associative(a: Spec, b: Spec, c: Spec) -> None:
    """Layers may be merged in any grouping, merging with nothing or with itself changes nothing, inputs stay."""
    before = copy.deepcopy((a, b, c))
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, {}) == merge({}, a) == merge(a, a) == a
    assert (a, b, c) == before


def test_merge_replaces_where_shapes_differ() -> None:
    """A scalar replaces a map and a map a scalar."""
    assert merge({"a": {"b": 1}, "c": 1}, {"a": 2, "c": {"d": 3}}) == {"a": 2, "c": {"d": 3}}
