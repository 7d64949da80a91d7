"""Resolution: which overlays apply, how they add up, and in what order components are deployed."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError, UsageError
from harness.recipes.merging import merged
from harness.recipes.model import ANY, ComponentRef, Criteria
from harness.recipes.resolve import deployment_order, resolve
from tests.fakes.recipes import Data, ref

MATCHES = {
    "the same": ({"service": "eks"}, {"service": "eks"}, True),
    "another": ({"service": "eks"}, {"service": "gke"}, False),
    "generic overlay, specific query": ({}, {"service": "eks"}, True),
    "specific overlay, generic query": ({"service": "eks"}, {}, False),
    "both generic": ({"service": "any"}, {"service": ""}, True),
    "one field of two": ({"service": "eks", "os": "ubuntu"}, {"service": "eks"}, False),
    "fewer fields than the query": ({"intent": "training"}, {"service": "eks", "intent": "training"}, True),
    "platform": ({"platform": "slurm"}, {"platform": "kubeflow"}, False),
    "the same nodes": ({"nodes": 8}, {"nodes": 8}, True),
    "other nodes": ({"nodes": 8}, {"nodes": 4}, False),
    "no nodes, nodes asked": ({"nodes": 0}, {"nodes": 4}, True),
}


@pytest.mark.parametrize(("overlay", "query", "applies"), MATCHES.values(), ids=MATCHES)
def test_specific_fields_must_be_the_querys(tmp_path: Path, overlay: Any, query: Any, applies: bool) -> None:
    """Matching is asymmetric: generic overlay fields match all, specific ones only the same value."""
    data = Data(tmp_path, "a", "b")
    data.overlay("other", {"criteria": overlay, "componentRefs": [ref("b")]})
    data.overlay("named", {"criteria": query, "componentRefs": [ref("a")]})
    assert ("other" in resolve(data.load(), "named").applied) is applies


VALUE = st.sampled_from([ANY, "x", "y"])
CRITERIA = st.builds(Criteria, service=VALUE, accelerator=VALUE, intent=VALUE, nodes=st.sampled_from([0, 8]))


@given(overlay=CRITERIA, query=CRITERIA)
def test_what_matches_is_no_more_specific_than_the_query(overlay: Criteria, query: Criteria) -> None:
    """An overlay matches when its specific fields are among the query's; so the query always matches itself."""
    assert overlay.matches(query) == (overlay.specific.items() <= query.specific.items())
    assert query.matches(query)
    assert Criteria().matches(query)


def test_overlays_apply_least_specific_first_each_with_its_chain(tmp_path: Path) -> None:
    """Ancestors of a match are no candidates of their own, ties go by name, and nothing applies twice."""
    data = Data(tmp_path, "a")
    data.overlay("base", {"componentRefs": [ref("a")]})
    data.overlay("eks", {"criteria": {"service": "eks"}})
    data.overlay("eks-training", {"base": "eks", "criteria": {"service": "eks", "intent": "training"}})
    data.overlay("z-any", {"criteria": {"intent": "any"}})
    data.overlay("b-training", {"criteria": {"intent": "training"}})
    data.overlay("a-eks", {"base": "z-any", "criteria": {"service": "eks"}})
    data.overlay("gke", {"criteria": {"service": "gke"}})
    data.overlay("never", {})
    assert resolve(data.load(), "eks-training").applied == (
        "base",
        "z-any",
        "a-eks",
        "b-training",
        "eks",
        "eks-training",
    )


def test_criteria_are_not_inherited(tmp_path: Path) -> None:
    """The query is the leaf's own criteria: what its base asks for selects nothing."""
    data = Data(tmp_path, "a")
    data.overlay("eks", {"criteria": {"service": "eks"}, "componentRefs": [ref("a")]})
    data.overlay("leaf", {"base": "eks", "criteria": {"intent": "training"}})
    data.overlay("eks-any", {"criteria": {"service": "eks"}})
    recipe = resolve(data.load(), "leaf")
    assert recipe.applied == ("base", "eks", "leaf")
    assert recipe.criteria == Criteria(intent="training")


def test_platform_is_part_of_the_query(tmp_path: Path) -> None:
    """The recipe of a platform is not its parent."""
    data = Data(tmp_path, "a", "b")
    data.overlay("eks", {"criteria": {"service": "eks"}, "componentRefs": [ref("a")]})
    spec = {"base": "eks", "criteria": {"service": "eks", "platform": "dynamo"}, "componentRefs": [ref("b")]}
    data.overlay("eks-dynamo", spec)
    catalog = data.load()
    assert [c.name for c in resolve(catalog, "eks-dynamo").components] == ["a", "b"]
    assert [c.name for c in resolve(catalog, "eks").components] == ["a"]


def test_the_named_overlay_runs_even_where_criteria_do_not_tell_it_apart(tmp_path: Path) -> None:
    """A child with the same criteria does not replace the overlay that was named; a twin applies, and loses."""
    data = Data(tmp_path, "a")
    criteria = {"service": "eks"}
    data.overlay("m", {"criteria": criteria, "componentRefs": [ref("a", version="m")]})
    data.overlay("child", {"base": "m", "criteria": criteria, "componentRefs": [ref("a", version="child")]})
    data.overlay("twin", {"criteria": criteria, "componentRefs": [ref("a", version="twin")]})
    catalog = data.load()
    assert resolve(catalog, "m").applied == ("base", "twin", "m")
    assert resolve(catalog, "m").components[0].version == "m"
    assert resolve(catalog, "child").applied == ("base", "twin", "m", "child")
    assert resolve(catalog, "twin").applied == ("base", "m", "child", "twin")


def test_a_recipe_without_criteria_is_its_chain_and_what_matches_everything(tmp_path: Path) -> None:
    """`base` alone resolves to itself."""
    data = Data(tmp_path, "a")
    data.overlay("base", {"componentRefs": [ref("a")]})
    data.overlay("any", {"criteria": {"intent": "any"}})
    data.overlay("plain", {})
    catalog = data.load()
    assert resolve(catalog, "base").applied == ("base",)
    assert resolve(catalog, "plain").applied == ("base", "any", "plain")


def test_an_unknown_recipe_is_a_usage_error(tmp_path: Path) -> None:
    """`resolve` refuses a name that is no overlay."""
    with pytest.raises(UsageError, match="unknown recipe"):
        resolve(Data(tmp_path, "a").load(), "nothing")


def old(**fields: Any) -> ComponentRef:
    return ComponentRef("a", **fields)


MERGES: dict[str, tuple[ComponentRef, ComponentRef, ComponentRef]] = {
    "later text wins": (old(version="1", chart="c"), old(version="2"), old(version="2", chart="c")),
    "overrides deeply": (
        old(overrides={"x": {"p": 1, "r": {"s": [1], "t": 1}}, "y": {"u": 1}}),
        old(overrides={"x": {"q": 2, "r": {"s": [2]}}, "y": None}),
        old(overrides={"x": {"p": 1, "q": 2, "r": {"s": [2], "t": 1}}, "y": None}),
    ),
    "dependencies add up": (old(depends_on=("b", "c")), old(depends_on=("d", "b")), old(depends_on=("b", "c", "d"))),
    "no dependencies keep": (old(depends_on=("b", "c")), old(), old(depends_on=("b", "c"))),
    "patches replace": (old(patches=("p",)), old(patches=("q",)), old(patches=("q",))),
    "manifests add up": (
        old(manifest_files=("m", "n"), pre_manifest_files=("p",)),
        old(manifest_files=("o", "m"), pre_manifest_files=("q",)),
        old(manifest_files=("m", "n", "o"), pre_manifest_files=("p", "q")),
    ),
    "cleanup stays": (old(cleanup=True), old(), old(cleanup=True)),
    "cleanup is set": (old(), old(cleanup=True), old(cleanup=True)),
    "every other field": (
        old(),
        old(namespace="n", type="Helm", source="s", tag="t", path="p", values_file="v", health_check_asserts="h"),
        old(namespace="n", type="Helm", source="s", tag="t", path="p", values_file="v", health_check_asserts="h"),
    ),
}


@pytest.mark.parametrize(("under", "over", "result"), MERGES.values(), ids=MERGES)
def test_references_merge_field_by_field(under: ComponentRef, over: ComponentRef, result: ComponentRef) -> None:
    """What is set wins, overrides merge deeply, dependencies and manifests add up without duplicates."""
    assert merged(under, over) == result


WORDS = st.lists(st.sampled_from("pqrst"), unique=True, max_size=3).map(tuple)
REFS = st.builds(
    old,
    version=st.sampled_from(["", "1", "2"]),
    overrides=st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), max_size=3),
    depends_on=WORDS,
    manifest_files=WORDS,
    cleanup=st.booleans(),
)


@given(a=REFS, b=REFS, c=REFS)
def test_merging_is_associative_and_the_empty_reference_changes_nothing(
    a: ComponentRef, b: ComponentRef, c: ComponentRef
) -> None:
    """A chain may be merged in any grouping; merging a reference with itself or with nothing is a no-op."""
    assert merged(merged(a, b), c) == merged(a, merged(b, c))
    assert merged(a, old()) == merged(a, a) == merged(old(), a) == a


def test_constraints_merge_by_name_and_validation_by_phase(tmp_path: Path) -> None:
    """A later overlay replaces a constraint of the same name, and a whole phase, empty lists too."""
    data = Data(tmp_path, "a")
    limits = {"constraints": [{"name": "k8s", "value": ">= 1"}, {"name": "a", "value": "1"}]}
    phases = {"deployment": {"checks": ["one", "two"]}, "performance": {"checks": ["three"]}}
    data.overlay("base", {**limits, "validation": phases, "componentRefs": [ref("a")]})
    data.overlay("x", {"constraints": [{"name": "k8s", "value": ">= 2"}], "validation": {"deployment": {"checks": []}}})
    recipe = resolve(data.load(), "x")
    assert [(c.name, c.value) for c in recipe.constraints] == [("a", "1"), ("k8s", ">= 2")]
    assert recipe.validation == {"deployment": {"checks": []}, "performance": {"checks": ["three"]}}


def test_mixins_add_components_and_constraints_after_the_chain(tmp_path: Path) -> None:
    """A mixin named anywhere on the chain adds what is new, and a namespace and manifests to what exists."""
    data = Data(tmp_path, "a", "b")
    data.file("manifests/pre.yaml", "")
    extra = {"name": "a", "namespace": "elsewhere", "preManifestFiles": ["manifests/pre.yaml"]}
    data.mixin("m", {"constraints": [{"name": "os", "value": "talos"}], "componentRefs": [extra, ref("b")]})
    data.overlay("base", {"componentRefs": [ref("a")]})
    data.overlay("parent", {"mixins": ["m"]})
    data.overlay("leaf", {"base": "parent", "mixins": ["m"]})
    recipe = resolve(data.load(), "leaf")
    a, b = recipe.components
    assert (a.namespace, a.manifest_files, a.pre_manifest_files) == (
        "elsewhere",
        ("manifests/some.yaml",),
        ("manifests/pre.yaml",),
    )
    assert b.name == "b"
    assert [c.name for c in recipe.constraints] == ["os"]


CONFLICTS = {
    "version": ({"version": "2"}, "version"),
    "type": ({"type": "Helm"}, "type"),
    "two fields": ({"valuesFile": "manifests/some.yaml", "dependencyRefs": ["b"]}, "dependencyRefs, valuesFile"),
    "overrides": ({"overrides": {"x": 1}}, "overrides"),
    "cleanup": ({"cleanup": True}, "cleanup"),
}


@pytest.mark.parametrize(("fields", "named"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_mixin_that_changes_a_component_names_the_field(tmp_path: Path, fields: dict[str, Any], named: str) -> None:
    """Anything but namespace and manifests for an existing component is a conflict with file and line."""
    data = Data(tmp_path, "a", "b")
    file = data.mixin("m", {"componentRefs": [{"name": "a", **fields}]})
    data.overlay("base", {"componentRefs": [ref("a"), ref("b")]})
    data.overlay("x", {"mixins": ["m"]})
    with pytest.raises(DataError) as caught:
        resolve(data.load(), "x")
    assert caught.value.what.endswith(f"mixins cannot set its {named}")
    assert caught.value.where == f"{file}:7"


def test_two_mixins_cannot_give_the_same_constraint_or_component(tmp_path: Path) -> None:
    """Mixins conflict with each other as they do with the chain."""
    data = Data(tmp_path, "a")
    data.overlay("base", {"componentRefs": [ref("a")]})
    for name in ("m", "n"):
        data.mixin(name, {"constraints": [{"name": "os", "value": name}]})
    data.overlay("x", {"mixins": ["m", "n"]})
    with pytest.raises(DataError, match="constraint 'os' exists already") as caught:
        resolve(data.load(), "x")
    assert caught.value.where.endswith("mixins/n.yaml")


def test_the_registry_fills_what_is_unset(tmp_path: Path) -> None:
    """Repository, chart (without the alias of its repository), version and namespace come from the registry."""
    data = Data(tmp_path)
    defaults = {
        "defaultRepository": "https://charts.example",
        "defaultChart": "alias/chart",
        "defaultVersion": "v1",
        "defaultNamespace": "space",
    }
    data.registry({"name": "a", "helm": defaults}, {"name": "b", "helm": defaults})
    data.overlay("base", {"componentRefs": [{"name": "a"}, {"name": "b", "chart": "own", "version": "v2"}]})
    a, b = resolve(data.load(), "base").components
    assert (a.source, a.chart, a.version, a.namespace) == ("https://charts.example", "chart", "v1", "space")
    assert (a.type, b.chart, b.version, b.namespace) == ("Helm", "own", "v2", "space")


def test_a_kustomization_gets_source_path_and_tag(tmp_path: Path) -> None:
    """The defaults of a kustomization are its own."""
    data = Data(tmp_path)
    data.registry({"name": "a", "kustomize": {"defaultSource": "git", "defaultPath": "deploy", "defaultTag": "v1"}})
    data.overlay("base", {"componentRefs": [{"name": "a", "path": "own"}]})
    (a,) = resolve(data.load(), "base").components
    assert (a.type, a.source, a.path, a.tag, a.chart) == ("Kustomize", "git", "own", "v1", "")


KINDS = {
    "helm": ({"helm": {"defaultRepository": "https://x", "defaultChart": "c"}}, "helm"),
    "helm without a chart": ({"helm": {"defaultRepository": ""}}, "manifest"),
    "manifest": ({"manifest": {"defaultNamespace": "n"}}, "manifest"),
    "kustomize": ({"kustomize": {"defaultSource": "git"}}, "kustomize"),
}


@pytest.mark.parametrize(("entry", "kind"), KINDS.values(), ids=KINDS)
def test_the_kind_of_a_component_is_known(tmp_path: Path, entry: dict[str, Any], kind: str) -> None:
    """A component without repository and chart consists of manifests."""
    data = Data(tmp_path)
    data.registry({"name": "a", **entry})
    assert data.load().registry["a"].kind == kind


UNDEPLOYABLE: dict[str, tuple[dict[str, Any], str]] = {
    "neither chart nor manifests": ({}, "neither a chart nor manifest files"),
    "chart without a source": ({"chart": "c"}, "has the source ''"),
    "unknown source": ({"chart": "c", "source": "git@host:x"}, "write a repository"),
    "local chart that is missing": ({"chart": "c", "source": "file://charts"}, "charts/c/Chart.yaml does not exist"),
    "local chart outside": ({"chart": "c", "source": "file://../.."}, "leaves"),
    "missing dependency": ({"dependencyRefs": ["b"]}, "depends on 'b', which the recipe does not have"),
    "itself": ({"manifestFiles": ["manifests/some.yaml"], "dependencyRefs": ["a"]}, "each other: a → a"),
    "nothing left": ({"overrides": {"enabled": False}}, "no enabled component"),
}


@pytest.mark.parametrize(("fields", "what"), UNDEPLOYABLE.values(), ids=UNDEPLOYABLE)
def test_a_recipe_that_cannot_be_deployed_is_refused(tmp_path: Path, fields: dict[str, Any], what: str) -> None:
    """What only the resolved recipe shows is an error of the data too, with the file."""
    data = Data(tmp_path, "a", "b")
    file = data.overlay("x", {"componentRefs": [{"name": "a", **fields}]})
    with pytest.raises(DataError) as caught:
        resolve(data.load(), "x")
    assert what in str(caught.value)
    assert caught.value.where.startswith(str(file))


def test_a_local_chart_is_found_below_the_data_root(tmp_path: Path) -> None:
    """`file://charts` is a directory beside `recipes`; the chart's files are among the recipe's."""
    data = Data(tmp_path, "a")
    chart = data.file("../charts/c/Chart.yaml", "name: c")
    template = data.file("../charts/c/templates/x.yaml", "")
    data.overlay("x", {"componentRefs": [{"name": "a", "chart": "c", "source": "file://charts"}]})
    recipe = resolve(data.load(), "x")
    assert {chart.resolve(), template.resolve()} <= {file.resolve() for file in recipe.files}


def test_a_disabled_component_is_left_out_and_taken_as_provided(tmp_path: Path) -> None:
    """`overrides.enabled: false` removes a component; what depends on it no longer waits for it."""
    data = Data(tmp_path, "a", "b", "c")
    data.overlay("base", {"componentRefs": [ref("a"), ref("b", dependencyRefs=["a", "c"]), ref("c")]})
    data.overlay("x", {"componentRefs": [{"name": "a", "overrides": {"enabled": False}}]})
    recipe = resolve(data.load(), "x")
    assert [(c.name, c.depends_on) for c in recipe.components] == [("c", ()), ("b", ("a", "c"))]
    assert [c.name for c in recipe.disabled] == ["a"]
    assert recipe.document()["deploymentOrder"] == ["c", "b"]


def test_a_later_overlay_enables_again(tmp_path: Path) -> None:
    """`enabled` is an override like any other."""
    data = Data(tmp_path, "a")
    data.overlay("base", {"componentRefs": [ref("a", overrides={"enabled": False})]})
    data.overlay("x", {"componentRefs": [{"name": "a", "overrides": {"enabled": True}}]})
    assert [c.name for c in resolve(data.load(), "x").components] == ["a"]


def graph(**needs: str) -> dict[str, ComponentRef]:
    return {name: ComponentRef(name, depends_on=tuple(on)) for name, on in needs.items()}


ORDERS = {
    "by name": (graph(c="", a="", b=""), "abc"),
    "dependencies first": (graph(a="c", b="", c=""), "bca"),
    "the first by name among the ready, not by level": (graph(a="", b="a", c="b", d=""), "abcd"),
    "not depth first": (graph(a="d", b="", c="", d=""), "bcda"),
    "diamond": (graph(a="bc", b="d", c="d", d=""), "dbca"),
}


@pytest.mark.parametrize(("references", "order"), ORDERS.values(), ids=ORDERS)
def test_the_first_ready_by_name_goes_first(references: dict[str, ComponentRef], order: str) -> None:
    """The order is topological, and of those that are ready always the first by name."""
    assert deployment_order(references) == tuple(order)


CYCLES = {
    "two": (graph(a="b", b="a"), "a → b → a"),
    "three and one that waits for them": (graph(a="b", b="c", c="d", d="b"), "b → c → d → b"),
    "beside what works": (graph(a="", x="y", y="x"), "x → y → x"),
}


@pytest.mark.parametrize(("references", "shown"), CYCLES.values(), ids=CYCLES)
def test_a_dependency_cycle_is_shown(references: dict[str, ComponentRef], shown: str) -> None:
    """A cycle is an error of the data that shows the cycle, not what waits for it."""
    with pytest.raises(DataError, match=f"depend on each other: {shown}$"):
        deployment_order(references)


NAMES = "abcdefgh"


@given(st.permutations(NAMES), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14))
def test_the_order_respects_every_dependency_and_is_the_smallest(names: list[str], edges: set[tuple[int, int]]) -> None:
    """For any acyclic graph: all components once, dependencies first, and no earlier name could have gone before."""
    needs = {name: {names[low] for low, high in edges if low < high and names[high] == name} for name in names}
    order = deployment_order({name: ComponentRef(name, depends_on=tuple(on)) for name, on in needs.items()})
    assert sorted(order) == sorted(names)
    for position, name in enumerate(order):
        done = set(order[:position])
        assert needs[name] <= done
        assert name == min(other for other in names if other not in done and needs[other] <= done)


def test_the_files_of_a_recipe_are_all_that_it_depends_on(tmp_path: Path) -> None:
    """Overlays on the chain and applied, mixins, registry, values with their base, manifests, checks; no more."""
    data = Data(tmp_path)
    helm = {"helm": {"defaultNamespace": "n"}}
    data.registry({"name": "a", **helm, "healthCheck": {"assertFile": "checks/a.yaml"}}, {"name": "b", **helm})
    for path in ("checks/a.yaml", "components/a/values.yaml", "components/a/x.yaml", "manifests/pre.yaml"):
        data.file(path, "")
    data.file("components/b/values.yaml", "")
    a = ref("a", valuesFile="components/a/x.yaml", preManifestFiles=["manifests/pre.yaml"])
    data.overlay("parent", {"criteria": {"service": "eks"}, "componentRefs": [a, ref("b")]})
    data.overlay("leaf", {"base": "parent", "criteria": {"service": "eks", "os": "ubuntu"}, "mixins": ["m"]})
    data.overlay("any", {"criteria": {"os": "ubuntu"}})
    data.overlay("unrelated", {"criteria": {"service": "gke"}})
    data.mixin("m", {})
    data.mixin("unused", {})
    files = resolve(data.load(), "leaf").files
    assert {file.relative_to(data.directory).as_posix() for file in files} == {
        "registry.yaml",
        "overlays/base.yaml",
        "overlays/parent.yaml",
        "overlays/leaf.yaml",
        "overlays/any.yaml",
        "mixins/m.yaml",
        "components/a/values.yaml",
        "components/a/x.yaml",
        "manifests/some.yaml",
        "manifests/pre.yaml",
        "checks/a.yaml",
    }
