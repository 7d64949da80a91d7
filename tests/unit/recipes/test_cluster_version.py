"""Constraints of a recipe on the cluster's version."""

from pathlib import Path

import pytest

from harness.recipes.cluster_version import unmet
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from tests.fakes.recipes import Data, ref


def recipe(tmp_path: Path, value: str, **more: str) -> Recipe:
    data = Data(tmp_path, "a")
    constraints = [{"name": "K8s.server.version", "value": value, **more}, {"name": "OS.release.ID", "value": "ubuntu"}]
    data.overlay("x", {"componentRefs": [ref("a")], "constraints": constraints})
    return resolve(data.load(), "x")


@pytest.mark.parametrize(
    ("value", "version", "holds"),
    [
        (">= 1.34", "v1.34.10", True),
        (">= 1.40", "v1.34.10", False),
        (">=1.34.11", "v1.34.10", False),
        ("> 1.34", "v1.34.10", False),
        ("< 1.35", "v1.34.10", True),
        ("<= 1.34.9", "v1.34.10", False),
        ("== 1.34.10", "v1.34.10", True),
        ("== 1.34", "v1.34.10", False),
        ("!= 1.34.10", "v1.34.10", False),
        (">= 1.35.6", "v1.35.6-gke.1250000", True),
        (">= 1", "v1.34.10", True),
        ("v1.34.10", "v1.34.10", True),
        ("1.34.10", "v1.34.10", False),
        (">= many", "v1.34.10", False),
        (">= 1.2.3.4", "v1.34.10", False),
        ("!= many", "v1.34.10", True),
    ],
)
def test_versions_are_compared_as_the_reference_compares_them(
    tmp_path: Path, value: str, version: str, holds: bool
) -> None:
    """As far as both have numbers; what follows them does not count, and what is no version does not hold."""
    assert bool(list(unmet(recipe(tmp_path, value), version))) != holds


def test_an_unmet_constraint_is_a_sentence_with_its_remedy(tmp_path: Path) -> None:
    """It names the recipe, what it wants, the cluster's version, and what its author says to do."""
    found = list(unmet(recipe(tmp_path, ">= 1.40", remediation="upgrade the cluster"), "v1.34.10"))
    assert found == ["x wants K8s.server.version >= 1.40, and the cluster is v1.34.10: upgrade the cluster"]
