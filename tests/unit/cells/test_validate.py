"""The checks of a recipe on a cell's own cluster: a phase each, and a red one fails the cell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cells.validate import Validating, ValidationFailed
from harness.cluster.api import Cluster
from harness.errors import DataError, UsageError
from harness.objects import NODES
from harness.processes.commands import Scope
from harness.progress import Silent
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.results.journal import Journal
from tests.fakes.api import FakeApi
from tests.fakes.recipes import Data, ref


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with FakeApi() as api:
        api.documents["/apis/authorization.k8s.io/v1/subjectaccessreviews"] = {"status": {"allowed": True}}
        api.put(NODES, {"metadata": {"name": "gpu-1", "labels": {"type": "kwok"}}})
        yield Cluster(api.kubeconfig(tmp_path))


def recipe(tmp_path: Path, **checks: list[str]) -> Recipe:
    data = Data(tmp_path, "a")
    blocks = {phase: {"checks": names} for phase, names in checks.items()}
    limits = [{"name": "OS.release.ID", "value": "ubuntu"}]
    data.overlay("x", {"componentRefs": [ref("a")], "constraints": limits, "validation": blocks})
    return resolve(data.load(), "x")


def catalog(tmp_path: Path, **scripts: str) -> Path:
    """Checks of the phase deployment, but for those whose name begins with c."""
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "phase": "conformance" if name.startswith("c") else "deployment",
            "image": "a/b:c",
            "access": {"rules": []},
            "localCommand": ["/bin/sh", "-c", script],
        }
        for name, script in scripts.items()
    ]
    file = tmp_path / "catalog.yaml"
    file.write_text(yaml.safe_dump({"validators": entries}))
    return file


def carry_out(validating: Validating, made: Recipe, cluster: Cluster) -> tuple[Journal, dict[str, Any]]:
    journal, facts = Journal(Silent()), dict[str, Any]()
    validating.carry_out(made, cluster, journal, Scope(), facts)
    return journal, facts


def test_each_phase_with_checks_is_a_phase_of_the_cell(tmp_path: Path, cluster: Cluster) -> None:
    """With its numbers; the checks are facts for reports, and the readiness gate has no part in it."""
    validating = Validating.of(catalog(tmp_path, one="true", cee="echo later >&2; exit 2"), "all")
    journal, facts = carry_out(validating, recipe(tmp_path, deployment=["one"], conformance=["cee"]), cluster)
    assert [(phase.name, phase.verdict, phase.detail) for phase in journal.phases] == [
        ("validate deployment", "passed", "passed: 1 check declared, 1 evaluated, 1 passed"),
        ("validate conformance", "passed", "skipped: 1 check declared, 0 evaluated, 0 passed"),
    ]
    assert facts["validation"] == [
        {"phase": "deployment", "check": "one", "status": "passed", "message": ""},
        {"phase": "conformance", "check": "cee", "status": "skipped", "message": "later"},
    ]


def test_a_failed_check_fails_the_cell_after_all_phases(tmp_path: Path, cluster: Cluster) -> None:
    """The first failure is the reason; later phases have run."""
    validating = Validating.of(catalog(tmp_path, one="echo bad >&2; exit 1", two="exit 9", cee="true"), "")
    facts: dict[str, Any] = {}
    journal = Journal(Silent())
    made = recipe(tmp_path, deployment=["one", "two"], conformance=["cee"])
    with pytest.raises(ValidationFailed, match=r"deployment check one failed: bad\ndeployment check two other: ended"):
        validating.carry_out(made, cluster, journal, Scope(), facts)
    assert [phase.verdict for phase in journal.phases] == ["failed", "passed"]
    assert [row["status"] for row in facts["validation"]] == ["failed", "other", "passed"]


def test_only_the_phases_that_were_named_run(tmp_path: Path, cluster: Cluster) -> None:
    """An unknown one is a usage error; without checks nothing was validated, and that is told."""
    file = catalog(tmp_path, one="exit 1", cee="true")
    made = recipe(tmp_path, deployment=["one"], conformance=["cee"])
    journal, _ = carry_out(Validating.of(file, "conformance"), made, cluster)
    assert [phase.name for phase in journal.phases] == ["validate conformance"]
    journal, _ = carry_out(Validating.of(file, "performance"), made, cluster)
    assert journal.notes == ["nothing was validated: the recipe declares no checks for performance"]
    with pytest.raises(UsageError, match='invalid phase "deploy"'):
        Validating.of(file, "deploy")


def test_a_check_that_the_catalog_does_not_have_ends_the_validation_before_it_begins(
    tmp_path: Path, cluster: Cluster
) -> None:
    """In whichever phase it is."""
    validating = Validating.of(catalog(tmp_path, one="true"), "all")
    journal = Journal(Silent())
    made = recipe(tmp_path, deployment=["one"], conformance=["gone"])
    with pytest.raises(DataError, match='"gone" in phase conformance matches no validator'):
        validating.carry_out(made, cluster, journal, Scope(), {})
    assert journal.phases == ()
