"""Labels, names and taints: which nodes do for a pod."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gates.scheduling.fit import Fit, daemon, matches, patient, taints_of, tolerates
from tests.fakes.objects import KWOK, TOLERATES_KWOK, node, spec

KEYS, VALUES, EFFECTS = ("a", "b"), ("", "x", "y"), ("NoSchedule", "NoExecute", "PreferNoSchedule")
TAINTS = set(product(KEYS, VALUES, EFFECTS))


def covered(toleration: dict[str, str]) -> set[tuple[str, str, str]]:
    """Every taint of the small world that a toleration is documented to match, by taking away what it rules out."""
    left = set(TAINTS)
    if toleration.get("key"):
        left = {taint for taint in left if taint[0] == toleration["key"]}
    if toleration.get("effect"):
        left = {taint for taint in left if taint[2] == toleration["effect"]}
    if toleration.get("operator", "Equal") != "Exists":
        left = {taint for taint in left if taint[1] == toleration.get("value", "")}
    return left


tolerations = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(("", *KEYS)),
        "operator": st.sampled_from(("Exists", "Equal")),
        "value": st.sampled_from(VALUES),
        "effect": st.sampled_from(("", *EFFECTS)),
    },
)


@given(tolerations)
def test_a_toleration_covers_exactly_the_documented_taints(toleration: dict[str, str]) -> None:
    """Key, effect and operator narrow what is covered independently of each other; empty means any."""
    assert {taint for taint in TAINTS if tolerates(toleration, taint)} == covered(toleration)


def test_an_unknown_operator_tolerates_nothing() -> None:
    """A toleration that Kubernetes would refuse must not make a node fit."""
    assert not tolerates({"key": "a", "operator": "Gt", "value": "x"}, ("a", "x", "NoSchedule"))


@pytest.mark.parametrize(
    ("taint", "kept_away"),
    [
        ({"key": "a", "effect": "NoSchedule"}, True),
        ({"key": "a", "value": "x", "effect": "NoExecute"}, True),
        ({"key": "a", "effect": "PreferNoSchedule"}, False),
    ],
    ids=["NoSchedule", "NoExecute", "PreferNoSchedule"],
)
def test_preferences_keep_no_pod_away(taint: dict[str, str], kept_away: bool) -> None:
    """Only NoSchedule and NoExecute do."""
    assert bool(matches(node("system-0", taints=[taint]), {})) is kept_away


def test_a_missing_toleration_is_named_with_its_taint() -> None:
    """The reason carries key, value and effect as kubectl writes them."""
    (obstacle,) = matches(node("gpu-0"), {"containers": []})
    assert str(obstacle) == "has taint kwok.x-k8s.io/node=fake:NoSchedule that is not tolerated"


@pytest.mark.parametrize("tainted", [True, False], ids=["with its taint", "before its taint"])
def test_a_cordon_is_one_obstacle(tainted: bool) -> None:
    """spec.unschedulable and the taint that a controller adds for it are the same thing."""
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    found = node("system-0", taints=[KWOK, cordon] if tainted else [KWOK], unschedulable=True)
    assert [str(obstacle) for obstacle in matches(found, spec())] == ["is cordoned"]
    assert not matches(found, daemon(spec()))


@pytest.mark.parametrize(
    ("taint", "host_network", "runs"),
    [
        ("not-ready:NoExecute", False, True),
        ("unreachable:NoExecute", False, True),
        ("not-ready:NoSchedule", False, False),
        ("disk-pressure:NoSchedule", False, True),
        ("memory-pressure:NoSchedule", False, True),
        ("pid-pressure:NoSchedule", False, True),
        ("unschedulable:NoSchedule", False, True),
        ("network-unavailable:NoSchedule", False, False),
        ("network-unavailable:NoSchedule", True, True),
        ("disk-pressure:NoExecute", False, False),
    ],
)
def test_daemon_pods_tolerate_what_their_controller_adds(taint: str, host_network: bool, runs: bool) -> None:
    """The tolerations of the DaemonSet controller, with their effects, and one more on the host network."""
    name, effect = taint.split(":")
    found = node("system-0", taints=[{"key": f"node.kubernetes.io/{name}", "effect": effect}])
    assert (not matches(found, daemon({"hostNetwork": host_network}))) is runs


def test_the_controllers_tolerations_are_added_to_those_of_the_template() -> None:
    """The manifest's own tolerations stay."""
    assert not matches(node("system-0"), daemon(spec()))
    assert matches(node("system-0"), daemon({}))


def test_patience_tolerates_illness_but_not_a_taint_of_the_design() -> None:
    """A node that is not ready may recover; a taint that the recipe does not tolerate stays."""
    ill = node("system-0", taints=[KWOK, {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    assert not matches(ill, patient(spec()))
    assert matches(ill, patient({}))


def test_every_key_of_a_node_selector_must_be_there() -> None:
    """A label that is absent and one with another value are both told."""
    found = matches(
        node("system-0"), spec(nodeSelector={"zone": "a", "type": "metal", "kubernetes.io/hostname": "system-0"})
    )
    assert [str(obstacle) for obstacle in found] == ["lacks label type=metal (has kwok)", "lacks label zone=a"]


def test_a_pod_that_names_its_node_fits_no_other() -> None:
    """spec.nodeName."""
    assert not matches(node("gpu-0"), spec(nodeName="gpu-0"))
    assert [o.text for o in matches(node("gpu-1"), spec(nodeName="gpu-0"))] == ["is not gpu-0, which the pod names"]


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return spec(affinity={"nodeAffinity": required})


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        (expression("kind", "In", "big", "small"), True),
        (expression("kind", "In", "huge"), False),
        (expression("absent", "In", "big"), False),
        (expression("kind", "NotIn", "big"), False),
        (expression("kind", "NotIn", "huge"), True),
        (expression("absent", "NotIn", "big"), True),
        (expression("kind", "Exists"), True),
        (expression("absent", "Exists"), False),
        (expression("kind", "DoesNotExist"), False),
        (expression("absent", "DoesNotExist"), True),
        (expression("gpus", "Gt", "7"), True),
        (expression("gpus", "Gt", "8"), False),
        (expression("gpus", "Lt", "9"), True),
        (expression("gpus", "Lt", "8"), False),
        (expression("gpus", "Gt", "07"), True),
        (expression("kind", "Gt", "1"), False),
        (expression("absent", "Lt", "1"), False),
        (expression("gpus", "Lt", "many"), False),
        (expression("gpus", "Gt", "1", "2"), False),
        (expression("kind", "Like", "big"), False),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_affinity_operators(requirement: dict[str, Any], fits: bool) -> None:
    """Each operator against a label that is there, one that is absent, and numbers."""
    found = node("gpu-0", labels={"kind": "big", "gpus": "8"})
    assert (not matches(found, affinity({"matchExpressions": [requirement]}))) is fits


YES, NO = expression("type", "In", "kwok"), expression("type", "In", "metal")


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ([{"matchExpressions": [YES]}, {"matchExpressions": [NO]}], True),
        ([{"matchExpressions": [YES, NO]}], False),
        ([{"matchExpressions": [NO]}, {"matchExpressions": [NO]}], False),
        ([], False),
        ([{}], False),
        ([{"matchExpressions": []}, {"matchExpressions": [YES]}], True),
        ([{"matchFields": [expression("metadata.name", "In", "gpu-0")]}], True),
        ([{"matchFields": [expression("metadata.name", "In", "gpu-1")]}], False),
        ([{"matchFields": [expression("metadata.name", "NotIn", "gpu-1")]}], True),
        ([{"matchFields": [expression("metadata.name", "In", "gpu-0")], "matchExpressions": [NO]}], False),
    ],
    ids=["any term", "all of a term", "no term", "no terms", "empty term", "one empty", "name", "other", "not", "both"],
)
def test_affinity_terms(terms: list[dict[str, Any]], fits: bool) -> None:
    """One term is enough, all of it must hold, and what says nothing matches nothing."""
    assert (not matches(node("gpu-0"), affinity(*terms))) is fits


def test_of_several_affinity_terms_the_nearest_is_told() -> None:
    """A reader wants to know the smallest change that would do."""
    far = {"matchExpressions": [NO, expression("zone", "Exists")]}
    near = {"matchExpressions": [expression("zone", "In", "a", "b")]}
    (obstacle,) = matches(node("gpu-0"), affinity(far, near))
    assert str(obstacle) == "does not meet affinity zone In a,b"


@pytest.mark.parametrize(
    "asks",
    [
        affinity({"matchExpressions": [YES]}),
        affinity({"matchFields": [expression("metadata.name", "NotIn", "gpu-2")]}),
        spec(),
        spec(nodeName="gpu-3"),
    ],
    ids=["affinity", "name", "selector", "node name"],
)
def test_answers_are_remembered_without_mixing_nodes_up(asks: dict[str, Any]) -> None:
    """One Fit asked of many nodes, alike in labels or in taints, says of each what a fresh one would."""
    asks = {**asks, "nodeSelector": {"zone": "a"}, "tolerations": []}
    nodes = [node(f"gpu-{i}", labels={"zone": "ab"[i % 2]}, taints=[KWOK] if i % 3 else []) for i in range(12)]
    fit = Fit(asks)
    assert [fit.obstacles(one) for one in nodes] == [tuple(matches(one, asks)) for one in nodes]
    assert len({fit.obstacles(one) for one in nodes}) > 3


def test_a_node_without_labels_or_taints_can_be_asked() -> None:
    """Fields that the API server leaves out are empty."""
    bare: dict[str, Any] = {"metadata": {"name": "n"}, "spec": {}, "status": {}}
    assert taints_of(bare) == ()
    assert not matches(bare, {})
    assert matches(bare, {"nodeSelector": {"a": "b"}, "tolerations": [TOLERATES_KWOK]})
