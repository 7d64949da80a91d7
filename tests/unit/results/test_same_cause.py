"""One cause, said once."""

from datetime import UTC, datetime

import pytest

from harness.exits import Exit
from harness.results.outcome import Cause, Outcome
from harness.results.results import CellResult
from harness.results.same_cause import likeness, same_causes
from harness.verdict import CauseKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cell(recipe: str, deployer: str, cause: Cause | None) -> CellResult:
    outcome = Outcome(recipe, deployer, "id", "host", "c", NOW, 1.0, Exit.FAILURE, "why", (), cause=cause)
    return CellResult(recipe, deployer, outcome)


def pull(message: str, subject: str = "OCIRepository flux-system/aicr-bundle") -> Cause:
    return Cause(CauseKind.PULL, subject, message)


def test_a_cause_is_said_once_with_its_cells() -> None:
    """In its first wording, what hit the most cells first; a cell without a cause is in no group."""
    no_tag = [pull("unknown tag=b0b9d50dd412-flux-oci"), pull("unknown tag=0bb9d50dd41a-argocd-oci")]
    cells = [
        cell("a", "helm", Cause(CauseKind.SCHEDULE, "Pod a/b", "no room")),
        cell("a", "flux-oci", no_tag[0]),
        cell("b", "argocd-oci", no_tag[1]),
        cell("c", "helm", None),
        CellResult("d", "helm"),
    ]
    found = [(group.cause, [each.name for each in group.cells]) for group in same_causes(cells)]
    assert found == [
        (no_tag[0], ["kwok/a/flux-oci", "kwok/b/argocd-oci"]),
        (Cause(CauseKind.SCHEDULE, "Pod a/b", "no room"), ["kwok/a/helm"]),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("holds sha256:" + "0a" * 32, "holds sha256:" + "1b" * 32),
        ("run 20261121-144457-2b33", "run 20261122-144457-ffff"),
        ("dial tcp 127.0.0.1:5500", "dial tcp 127.0.0.1:5631"),
        ("pod web-7d4b9c6f5x-2xk9z is not scheduled", "pod web-7d4b9c6f5d-q8lwz is not scheduled"),
        ("pod node-agent-2xk9z failed", "pod node-agent-c4wlz failed"),
        ("timed out after 1m30s", "timed out after 2m0s"),
        ("at 2026-01-01T00:00:00Z it broke", "at 2026-01-02T10:00:00Z it broke"),
        ("is being reconciled (5 more wait for it)", "is being reconciled"),
        ("003-gpu-operator (component gpu-operator)", "011-gpu-operator (component gpu-operator)"),
        ("object 0f8fad5b-d9cb-469f-a165-70867728950e", "object 7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        ("Kustomization flux-system/aicr-one", "Kustomization flux-system/aicr-two"),
    ],
)
def test_what_differs_from_run_to_run_is_no_difference(one: str, other: str) -> None:
    """Digests, runs, ports, pods, times, numbers of folders, the recipe's own name: in message and subject alike."""
    assert likeness(pull(one), "one") == likeness(pull(other), "two")
    assert likeness(pull("m", one), "one") == likeness(pull("m", other), "two")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("has 1 of 3 pods", "has 2 of 3 pods"),
        ("8 GPUs", "4 GPUs"),
        ("Deployment a/gpu-operator", "Deployment a/network-operator"),
        ("chart v25.3.0", "chart v25.3.1"),
        ("component one-more", "component two-more-x"),
        ("release kube-prometheus-stack", "release kube-prometheus-adapter"),
    ],
)
def test_what_tells_causes_apart_stays(one: str, other: str) -> None:
    """Counts, names and versions are what a cause is about."""
    assert likeness(pull(one), "eks") != likeness(pull(other), "eks")


def test_the_kind_tells_causes_apart() -> None:
    """The same words in another class are another cause."""
    assert len(same_causes([cell("a", "x", Cause(kind, "s", "m")) for kind in CauseKind])) == len(CauseKind)
